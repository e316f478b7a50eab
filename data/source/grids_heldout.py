# prompt: Write a Python function max_in_grid(grid) that finds the largest number in a list of lists. A grid without numbers should raise a ValueError.
# test: max_in_grid([[1, 5], [3, 2]]) == 5
# test: max_in_grid([[-1]]) == -1
# raises ValueError: max_in_grid([[]])
def max_in_grid(grid: list[list[int]]) -> int:
    """Find the largest number of a grid.

    Args:
        grid: The grid to search.

    Returns:
        The largest number.

    Raises:
        ValueError: If the grid has no numbers.

    Example:
        >>> max_in_grid([[1, 5], [3, 2]])
        5
    """
    numbers = [number for row in grid for number in row]
    if not numbers:
        raise ValueError("grid has no numbers")
    return max(numbers)


# prompt: Implement `scale_matrix(matrix, factor)`: every number of the matrix times the factor, in a new matrix.
# test: scale_matrix([[1, 2], [3, 4]], 2) == [[2, 4], [6, 8]]
# test: scale_matrix([], 3) == []
# test: scale_matrix([[5]], 0) == [[0]]
def scale_matrix(matrix: list[list[int]], factor: int) -> list[list[int]]:
    """Multiply a matrix by a factor.

    Args:
        matrix: The matrix to scale.
        factor: The factor to use.

    Returns:
        The scaled matrix.

    Example:
        >>> scale_matrix([[1, 2], [3, 4]], 2)
        [[2, 4], [6, 8]]
    """
    return [[number * factor for number in row] for row in matrix]


# prompt: flip a picture left to right: flip_picture(rows) with rows as strings, ["ab","cd"] becomes ["ba","dc"]
# test: flip_picture(["ab", "cd"]) == ["ba", "dc"]
# test: flip_picture([]) == []
# test: flip_picture(["x"]) == ["x"]
def flip_picture(rows: list[str]) -> list[str]:
    """Flip a picture from left to right.

    Args:
        rows: The rows of the picture.

    Returns:
        The flipped rows.

    Example:
        >>> flip_picture(["ab", "cd"])
        ['ba', 'dc']
    """
    return [row[::-1] for row in rows]


# prompt: How do I mirror a matrix top to bottom? flip_vertical(matrix) should return its rows in reverse order.
# test: flip_vertical([[1, 2], [3, 4]]) == [[3, 4], [1, 2]]
# test: flip_vertical([]) == []
# test: flip_vertical([[5]]) == [[5]]
def flip_vertical(matrix: list[list[int]]) -> list[list[int]]:
    """Turn a matrix upside down.

    Args:
        matrix: The matrix to flip.

    Returns:
        The rows in reverse order.

    Example:
        >>> flip_vertical([[1, 2], [3, 4]])
        [[3, 4], [1, 2]]
    """
    return matrix[::-1]


# prompt: Need is_on_board(row, column, size) to know if a cell lies on a square board; rows and columns count from 0.
# test: is_on_board(0, 0, 8) is True
# test: is_on_board(8, 0, 8) is False
# test: is_on_board(-1, 3, 8) is False
def is_on_board(row: int, column: int, size: int) -> bool:
    """Check whether a cell lies on a board.

    Args:
        row: The row of the cell.
        column: The column of the cell.
        size: The size of the board.

    Returns:
        True if the cell is on the board.

    Example:
        >>> is_on_board(8, 0, 8)
        False
    """
    return 0 <= row < size and 0 <= column < size


# prompt: Write seat_number(row, column, columns): seats are numbered from 1 along each row, rows and columns start at 0. If column is not below columns raise a ValueError.
# test: seat_number(0, 0, 4) == 1
# test: seat_number(2, 1, 4) == 10
# raises ValueError: seat_number(0, 4, 4)
def seat_number(row: int, column: int, columns: int) -> int:
    """Number the seats of a hall.

    Args:
        row: The row of the seat.
        column: The column of the seat.
        columns: The seats in a row.

    Returns:
        The number of the seat.

    Raises:
        ValueError: If column is not below columns.

    Example:
        >>> seat_number(2, 1, 4)
        10
    """
    if column >= columns:
        raise ValueError("column must be below columns")
    return row * columns + column + 1


# prompt: Can you count the empty seats? empty_seats(plan) gets rows as strings where "_" is a free seat.
# test: empty_seats(["_x", "__"]) == 3
# test: empty_seats([]) == 0
# test: empty_seats(["xx"]) == 0
def empty_seats(plan: list[str]) -> int:
    """Count the free seats of a plan.

    Args:
        plan: The rows of the plan.

    Returns:
        The number of free seats.

    Example:
        >>> empty_seats(["_x", "__"])
        3
    """
    return sum(seat == "_" for row in plan for seat in row)
