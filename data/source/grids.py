# prompt: Write a Python function `transpose(matrix)` that exchanges the rows and columns of a matrix given as a list of lists.
# test: transpose([[1, 2], [3, 4]]) == [[1, 3], [2, 4]]
# test: transpose([[1, 2, 3]]) == [[1], [2], [3]]
# test: transpose([]) == []
def transpose(matrix: list[list[int]]) -> list[list[int]]:
    """Exchange the rows and columns of a matrix.

    Args:
        matrix: The matrix to transpose.

    Returns:
        The transposed matrix.

    Example:
        >>> transpose([[1, 2], [3, 4]])
        [[1, 3], [2, 4]]
    """
    return [list(column) for column in zip(*matrix)]


# prompt: I want row_sums(grid), the sum of every row of a grid of numbers.
# test: row_sums([[1, 2], [3]]) == [3, 3]
# test: row_sums([]) == []
# test: row_sums([[]]) == [0]
def row_sums(grid: list[list[int]]) -> list[int]:
    """Sum each row of a grid.

    Args:
        grid: The grid of numbers.

    Returns:
        The sums in order.

    Example:
        >>> row_sums([[1, 2], [3, 4]])
        [3, 7]
    """
    return [sum(row) for row in grid]


# prompt: make_grid(rows, columns, value): build a grid filled with a value, each row its own list. Rows or columns below 1 raise a ValueError.
# test: make_grid(2, 3, 0) == [[0, 0, 0], [0, 0, 0]]
# test: make_grid(1, 1, 7) == [[7]]
# raises ValueError: make_grid(0, 3, 0)
def make_grid(rows: int, columns: int, value: int) -> list[list[int]]:
    """Build a grid filled with one value.

    Args:
        rows: The number of rows.
        columns: The number of columns.
        value: The value of each cell.

    Returns:
        The new grid.

    Raises:
        ValueError: If rows or columns is below 1.

    Example:
        >>> make_grid(2, 3, 0)
        [[0, 0, 0], [0, 0, 0]]
    """
    if rows < 1 or columns < 1:
        raise ValueError("rows and columns must be at least 1")
    return [[value] * columns for _ in range(rows)]


# prompt: How do I sum the main diagonal of a square matrix? Call it diagonal_sum; if the matrix is not square raise ValueError.
# test: diagonal_sum([[1, 2], [3, 4]]) == 5
# test: diagonal_sum([[7]]) == 7
# raises ValueError: diagonal_sum([[1, 2, 3], [4, 5, 6]])
def diagonal_sum(matrix: list[list[int]]) -> int:
    """Sum the main diagonal of a square matrix.

    Args:
        matrix: The square matrix.

    Returns:
        The sum of the diagonal.

    Raises:
        ValueError: If the matrix is not square.

    Example:
        >>> diagonal_sum([[1, 2], [3, 4]])
        5
    """
    if any(len(row) != len(matrix) for row in matrix):
        raise ValueError("matrix must be square")
    return sum(row[index] for index, row in enumerate(matrix))


# prompt: rotate a matrix 90 degrees clockwise -> rotate_clockwise([[1,2],[3,4]]) == [[3,1],[4,2]]
# test: rotate_clockwise([[1, 2], [3, 4]]) == [[3, 1], [4, 2]]
# test: rotate_clockwise([[1, 2, 3]]) == [[1], [2], [3]]
# test: rotate_clockwise([]) == []
def rotate_clockwise(matrix: list[list[int]]) -> list[list[int]]:
    """Rotate a matrix a quarter turn to the right.

    Args:
        matrix: The matrix to rotate.

    Returns:
        The rotated matrix.

    Example:
        >>> rotate_clockwise([[1, 2], [3, 4]])
        [[3, 1], [4, 2]]
    """
    return [list(row) for row in zip(*matrix[::-1])]


# prompt: Write count_cells(board, symbol): how many cells of a board (list of strings) show the symbol?
# test: count_cells(["x.x", "..x"], "x") == 3
# test: count_cells([], "x") == 0
# test: count_cells(["ab"], "c") == 0
def count_cells(board: list[str], symbol: str) -> int:
    """Count the cells with a symbol.

    Args:
        board: The rows of the board.
        symbol: The symbol to count.

    Returns:
        The number of such cells.

    Example:
        >>> count_cells(["x.x", "..x"], "x")
        3
    """
    return sum(row.count(symbol) for row in board)


# prompt: Can you write `neighbours(row, column, size)` listing the cells above, below, left and right of a cell as (row, column) tuples in that order, leaving out cells outside a size by size board?
# test: neighbours(1, 1, 3) == [(0, 1), (2, 1), (1, 0), (1, 2)]
# test: neighbours(0, 0, 2) == [(1, 0), (0, 1)]
# test: neighbours(0, 0, 1) == []
def neighbours(row: int, column: int, size: int) -> list[tuple[int, int]]:
    """List the cells beside a cell of a board.

    Args:
        row: The row of the cell.
        column: The column of the cell.
        size: The size of the board.

    Returns:
        The cells on the board.

    Example:
        >>> neighbours(0, 0, 2)
        [(1, 0), (0, 1)]
    """
    cells = [(row - 1, column), (row + 1, column), (row, column - 1), (row, column + 1)]
    return [cell for cell in cells if 0 <= cell[0] < size and 0 <= cell[1] < size]


# prompt: Find where a value is in a grid: find_in_grid(grid, value) returns the first (row, column), rows first. If it's not there raise a ValueError.
# test: find_in_grid([[1, 2], [3, 4]], 3) == (1, 0)
# test: find_in_grid([[5]], 5) == (0, 0)
# raises ValueError: find_in_grid([[1]], 2)
def find_in_grid(grid: list[list[int]], value: int) -> tuple[int, int]:
    """Find the first place of a value in a grid.

    Args:
        grid: The grid to search.
        value: The value to find.

    Returns:
        The row and the column.

    Raises:
        ValueError: If the value is not there.

    Example:
        >>> find_in_grid([[1, 2], [3, 4]], 3)
        (1, 0)
    """
    for index, row in enumerate(grid):
        if value in row:
            return index, row.index(value)
    raise ValueError("value is not in the grid")


# prompt: a robot starts at (0, 0) and reads "U", "D", "L", "R"; write final_position(moves) giving (x, y), up adds to y and right adds to x
# test: final_position("UUR") == (1, 2)
# test: final_position("") == (0, 0)
# test: final_position("LD") == (-1, -1)
def final_position(moves: str) -> tuple[int, int]:
    """Find where a robot ends up.

    Args:
        moves: The moves as letters.

    Returns:
        The final x and y.

    Example:
        >>> final_position("UUR")
        (1, 2)
    """
    x = moves.count("R") - moves.count("L")
    y = moves.count("U") - moves.count("D")
    return x, y


# prompt: Write add_matrices(first, second), element by element. Matrices whose shapes differ should raise a ValueError.
# test: add_matrices([[1, 2]], [[3, 4]]) == [[4, 6]]
# test: add_matrices([], []) == []
# raises ValueError: add_matrices([[1]], [[1, 2]])
def add_matrices(first: list[list[int]], second: list[list[int]]) -> list[list[int]]:
    """Add two matrices element by element.

    Args:
        first: The first matrix.
        second: The second matrix.

    Returns:
        The sum of both.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> add_matrices([[1, 2]], [[3, 4]])
        [[4, 6]]
    """
    if [len(row) for row in first] != [len(row) for row in second]:
        raise ValueError("matrices must have one shape")
    return [[a + b for a, b in zip(one, other)] for one, other in zip(first, second)]


# prompt: Write a function that renders a grid of booleans as text, "#" for True and "." for False, rows joined by newlines. Name: render_grid.
# test: render_grid([[True, False], [False, True]]) == "#.\n.#"
# test: render_grid([]) == ""
# test: render_grid([[True]]) == "#"
def render_grid(grid: list[list[bool]]) -> str:
    """Draw a grid of truth values as text.

    Args:
        grid: The grid to draw.

    Returns:
        The rows as lines of text.

    Example:
        >>> render_grid([[True, False]])
        '#.'
    """
    return "\n".join("".join("#" if cell else "." for cell in row) for row in grid)


# prompt: is_magic_row: check that all rows of a square have the same sum
# test: is_magic_row([[1, 2], [2, 1]]) is True
# test: is_magic_row([[1, 2], [3, 4]]) is False
# test: is_magic_row([]) is True
def is_magic_row(square: list[list[int]]) -> bool:
    """Check whether all rows have one sum.

    Args:
        square: The square of numbers.

    Returns:
        True if the sums are equal.

    Example:
        >>> is_magic_row([[1, 2], [2, 1]])
        True
    """
    return len({sum(row) for row in square}) <= 1


# prompt: I'm drawing a border: border_cells(rows, columns) should count the cells on the edge of a grid of that size.
# test: border_cells(3, 4) == 10
# test: border_cells(1, 5) == 5
# test: border_cells(2, 2) == 4
def border_cells(rows: int, columns: int) -> int:
    """Count the cells on the edge of a grid.

    Args:
        rows: The number of rows.
        columns: The number of columns.

    Returns:
        The number of edge cells.

    Example:
        >>> border_cells(3, 4)
        10
    """
    inner = max(0, rows - 2) * max(0, columns - 2)
    return rows * columns - inner


# prompt: Write same_color(first, second) for chess squares such as "a1" and "c3": True when both squares have the same color.
# test: same_color("a1", "c3") is True
# test: same_color("a1", "a2") is False
# test: same_color("h8", "a1") is True
def same_color(first: str, second: str) -> bool:
    """Check whether two chess squares match in color.

    Args:
        first: The first square.
        second: The second square.

    Returns:
        True if the colors are the same.

    Example:
        >>> same_color("a1", "c3")
        True
    """
    totals = [ord(square[0]) + int(square[1]) for square in (first, second)]
    return totals[0] % 2 == totals[1] % 2
