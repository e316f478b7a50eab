# prompt: Write a Python function binary_search(items, target) for a sorted list: the index of the target, or -1 if it isn't there.
# test: binary_search([1, 3, 5, 7], 5) == 2
# test: binary_search([1, 3], 2) == -1
# test: binary_search([], 1) == -1
def binary_search(items: list[int], target: int) -> int:
    """Find a number in a sorted list.

    Args:
        items: The sorted numbers.
        target: The number to find.

    Returns:
        The index, or -1 if it is not there.

    Example:
        >>> binary_search([1, 3, 5, 7], 5)
        2
    """
    low, high = 0, len(items)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if items[middle] < target else (low, middle)
    return low if low < len(items) and items[low] == target else -1


# prompt: Implement `run_length_encode(text: str) -> list[tuple[str, int]]`, e.g. "aab" gives [("a", 2), ("b", 1)].
# test: run_length_encode("aab") == [("a", 2), ("b", 1)]
# test: run_length_encode("") == []
# test: run_length_encode("aba") == [("a", 1), ("b", 1), ("a", 1)]
from itertools import groupby


def run_length_encode(text: str) -> list[tuple[str, int]]:
    """Encode a text as runs of characters.

    Args:
        text: The text to encode.

    Returns:
        The characters with their run lengths.

    Example:
        >>> run_length_encode("aab")
        [('a', 2), ('b', 1)]
    """
    return [(char, len(list(run))) for char, run in groupby(text)]


# prompt: are the brackets of a text balanced? brackets_balanced("([])") True, "(]" False; handle () [] {} and ignore all else
# test: brackets_balanced("([])") is True
# test: brackets_balanced("(]") is False
# test: brackets_balanced("a(b") is False
# test: brackets_balanced("") is True
def brackets_balanced(text: str) -> bool:
    """Check whether the brackets of a text match.

    Args:
        text: The text to check.

    Returns:
        True if every bracket is closed rightly.

    Example:
        >>> brackets_balanced("([])")
        True
    """
    stack: list[str] = []
    for char in text:
        if char in "([{":
            stack.append({"(": ")", "[": "]", "{": "}"}[char])
        elif char in ")]}" and (not stack or stack.pop() != char):
            return False
    return not stack


# prompt: I need the Luhn check for card numbers given as a string of digits: luhn_valid(number). Anything but digits should raise a ValueError.
# test: luhn_valid("79927398713") is True
# test: luhn_valid("79927398710") is False
# raises ValueError: luhn_valid("12a")
def luhn_valid(number: str) -> bool:
    """Check a number by the Luhn algorithm.

    Args:
        number: The digits to check.

    Returns:
        True if the check digit is right.

    Raises:
        ValueError: If a character is not a digit.

    Example:
        >>> luhn_valid("79927398713")
        True
    """
    if not number.isdigit():
        raise ValueError("number must be digits")
    doubled = [int(char) * (1 + index % 2) for index, char in enumerate(reversed(number))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


# prompt: How would I merge overlapping intervals? merge_intervals([(1,3),(2,5),(7,8)]) should give [(1,5),(7,8)], sorted by start.
# test: merge_intervals([(1, 3), (2, 5), (7, 8)]) == [(1, 5), (7, 8)]
# test: merge_intervals([]) == []
# test: merge_intervals([(5, 6), (1, 2)]) == [(1, 2), (5, 6)]
def merge_intervals(intervals: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Merge intervals that overlap.

    Args:
        intervals: The starts and ends.

    Returns:
        The merged intervals in order.

    Example:
        >>> merge_intervals([(1, 3), (2, 5), (7, 8)])
        [(1, 5), (7, 8)]
    """
    merged: list[tuple[int, int]] = []
    for start, end in sorted(intervals):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


# prompt: Write count_set_bits(number) that counts the ones in the binary form of a number. Negative numbers raise a ValueError.
# test: count_set_bits(7) == 3
# test: count_set_bits(0) == 0
# raises ValueError: count_set_bits(-1)
def count_set_bits(number: int) -> int:
    """Count the ones in a binary number.

    Args:
        number: The number to look at.

    Returns:
        The number of ones.

    Raises:
        ValueError: If the number is negative.

    Example:
        >>> count_set_bits(7)
        3
    """
    if number < 0:
        raise ValueError("number must not be negative")
    return bin(number).count("1")


# prompt: Function two_sum(numbers, target): return the indices (i, j), i < j, of the first two numbers that add up to the target, or None.
# test: two_sum([2, 7, 11], 9) == (0, 1)
# test: two_sum([1, 2], 10) is None
# test: two_sum([3, 3], 6) == (0, 1)
def two_sum(numbers: list[int], target: int) -> tuple[int, int] | None:
    """Find two numbers with a given sum.

    Args:
        numbers: The numbers to search.
        target: The sum to reach.

    Returns:
        The two indices, or None.

    Example:
        >>> two_sum([2, 7, 11], 9)
        (0, 1)
    """
    for i, first in enumerate(numbers):
        for j in range(i + 1, len(numbers)):
            if first + numbers[j] == target:
                return i, j
    return None


# prompt: Simulate a stack machine: run_stack(commands) where each command is "push N", "add" or "pop"; return the stack at the end. Unknown commands should raise a ValueError.
# test: run_stack(["push 2", "push 3", "add"]) == [5]
# test: run_stack(["push 1", "pop"]) == []
# raises ValueError: run_stack(["jump"])
def run_stack(commands: list[str]) -> list[int]:
    """Run the commands of a small stack machine.

    Args:
        commands: The commands in order.

    Returns:
        The stack at the end.

    Raises:
        ValueError: If a command is unknown.

    Example:
        >>> run_stack(["push 2", "push 3", "add"])
        [5]
    """
    stack: list[int] = []
    for command in commands:
        if command.startswith("push "):
            stack.append(int(command[5:]))
        elif command == "add":
            stack.append(stack.pop() + stack.pop())
        elif command == "pop":
            stack.pop()
        else:
            raise ValueError("unknown command")
    return stack


# prompt: Write a function `longest_streak` that finds how many equal items stand in a row at most in a list.
# test: longest_streak([1, 1, 2, 2, 2]) == 3
# test: longest_streak([]) == 0
# test: longest_streak(["a"]) == 1
def longest_streak(items: list) -> int:
    """Find the longest run of equal items.

    Args:
        items: The items to search.

    Returns:
        The length of the longest run.

    Example:
        >>> longest_streak([1, 1, 2, 2, 2])
        3
    """
    best = current = 0
    for index, item in enumerate(items):
        current = current + 1 if index and item == items[index - 1] else 1
        best = max(best, current)
    return best


# prompt: do two intervals overlap? intervals_overlap(first, second), both (start, end) tuples, touching ends count as overlap
# test: intervals_overlap((1, 4), (3, 6)) is True
# test: intervals_overlap((1, 2), (2, 3)) is True
# test: intervals_overlap((1, 2), (5, 6)) is False
def intervals_overlap(first: tuple[int, int], second: tuple[int, int]) -> bool:
    """Check whether two intervals overlap.

    Args:
        first: The first start and end.
        second: The second start and end.

    Returns:
        True if they share a point.

    Example:
        >>> intervals_overlap((1, 4), (3, 6))
        True
    """
    return first[0] <= second[1] and second[0] <= first[1]


# prompt: In our dice game doubles score twice. Write dice_score(first, second): the sum, doubled when both dice are equal; values outside 1 to 6 must raise ValueError.
# test: dice_score(2, 3) == 5
# test: dice_score(4, 4) == 16
# raises ValueError: dice_score(0, 3)
# raises ValueError: dice_score(3, 7)
def dice_score(first: int, second: int) -> int:
    """Score a throw of two dice.

    Args:
        first: The value of one die.
        second: The value of the other die.

    Returns:
        The score of the throw.

    Raises:
        ValueError: If a value is not from 1 to 6.

    Example:
        >>> dice_score(4, 4)
        16
    """
    if not 1 <= first <= 6 or not 1 <= second <= 6:
        raise ValueError("dice show 1 to 6")
    total = first + second
    return total * 2 if first == second else total


# prompt: Write a bubble sort: bubble_sort(numbers) returns a new sorted list and leaves the given one alone.
# test: bubble_sort([3, 1, 2]) == [1, 2, 3]
# test: bubble_sort([]) == []
# test: bubble_sort([2, 2, 1]) == [1, 2, 2]
def bubble_sort(numbers: list[int]) -> list[int]:
    """Sort numbers by exchanging neighbours.

    Args:
        numbers: The numbers to sort.

    Returns:
        A new sorted list.

    Example:
        >>> bubble_sort([3, 1, 2])
        [1, 2, 3]
    """
    result = list(numbers)
    for end in range(len(result) - 1, 0, -1):
        for i in range(end):
            if result[i] > result[i + 1]:
                result[i], result[i + 1] = result[i + 1], result[i]
    return result


# prompt: Best time to buy and sell: max_profit(prices) gives the largest gain from buying once and selling later, 0 if there is none.
# test: max_profit([7, 1, 5, 3, 6]) == 5
# test: max_profit([5, 4]) == 0
# test: max_profit([]) == 0
def max_profit(prices: list[int]) -> int:
    """Find the largest gain of one purchase.

    Args:
        prices: The prices day by day.

    Returns:
        The largest gain, or zero.

    Example:
        >>> max_profit([7, 1, 5, 3, 6])
        5
    """
    best = 0
    for day, price in enumerate(prices):
        best = max(best, max(prices[day:]) - price)
    return best


# prompt: What about a countdown list? countdown(start, step) from start down in steps as long as the value is not negative. The step must be positive, or ValueError.
# test: countdown(10, 4) == [10, 6, 2]
# test: countdown(0, 1) == [0]
# raises ValueError: countdown(5, 0)
def countdown(start: int, step: int) -> list[int]:
    """Count down to zero in steps.

    Args:
        start: The first value.
        step: The step down.

    Returns:
        The values in order.

    Raises:
        ValueError: If step is not positive.

    Example:
        >>> countdown(10, 4)
        [10, 6, 2]
    """
    if step <= 0:
        raise ValueError("step must be positive")
    return list(range(start, -1, -step))


# prompt: Write `rank_players(scores)`, where scores maps names to points: a list of (rank, name) tuples from best to worst, ranks starting at 1.
# test: rank_players({"a": 5, "b": 9}) == [(1, "b"), (2, "a")]
# test: rank_players({}) == []
# test: rank_players({"x": 1}) == [(1, "x")]
def rank_players(scores: dict[str, int]) -> list[tuple[int, str]]:
    """Rank players by their points.

    Args:
        scores: The points by name.

    Returns:
        The ranks with names.

    Example:
        >>> rank_players({"a": 5, "b": 9})
        [(1, 'b'), (2, 'a')]
    """
    names = sorted(scores, key=lambda name: scores[name], reverse=True)
    return list(enumerate(names, start=1))


# prompt: toggle_bit(number, position): flip one bit of a number, position 0 is the lowest
# test: toggle_bit(5, 1) == 7
# test: toggle_bit(7, 0) == 6
# test: toggle_bit(0, 3) == 8
def toggle_bit(number: int, position: int) -> int:
    """Flip one bit of a number.

    Args:
        number: The number to change.
        position: The position of the bit.

    Returns:
        The number with the bit flipped.

    Example:
        >>> toggle_bit(5, 1)
        7
    """
    return number ^ (1 << position)


# prompt: Given door events "in" and "out", write peak_visitors(events), the most people inside at any time.
# test: peak_visitors(["in", "in", "out", "in"]) == 2
# test: peak_visitors([]) == 0
# test: peak_visitors(["in", "out"]) == 1
def peak_visitors(events: list[str]) -> int:
    """Find the most people inside at one time.

    Args:
        events: The events at the door.

    Returns:
        The largest number of people.

    Example:
        >>> peak_visitors(["in", "in", "out", "in"])
        2
    """
    inside = peak = 0
    for event in events:
        inside += 1 if event == "in" else -1
        peak = max(peak, inside)
    return peak


# prompt: Write gray_code(number), the Gray code of a non-negative integer as an integer.
# test: gray_code(0) == 0
# test: gray_code(2) == 3
# test: gray_code(4) == 6
def gray_code(number: int) -> int:
    """Convert a number to its Gray code.

    Args:
        number: The number to convert.

    Returns:
        The Gray code.

    Example:
        >>> gray_code(2)
        3
    """
    return number ^ (number >> 1)


# prompt: I need a function that finds a missing number: find_missing(numbers) gets all numbers from 0 to n but one, in any order, and returns that one.
# test: find_missing([0, 1, 3]) == 2
# test: find_missing([1]) == 0
# test: find_missing([2, 0, 1]) == 3
def find_missing(numbers: list[int]) -> int:
    """Find the missing number of a range.

    Args:
        numbers: All numbers of the range but one.

    Returns:
        The missing number.

    Example:
        >>> find_missing([0, 1, 3])
        2
    """
    expected = len(numbers) * (len(numbers) + 1) // 2
    return expected - sum(numbers)


# prompt: compare_versions(first, second) for texts like "1.10.0": return -1, 0 or 1; parts are compared as numbers
# test: compare_versions("1.10.0", "1.9.0") == 1
# test: compare_versions("1.0", "1.0") == 0
# test: compare_versions("0.9", "1.0") == -1
def compare_versions(first: str, second: str) -> int:
    """Compare two versions part by part.

    Args:
        first: The first version.
        second: The second version.

    Returns:
        Minus one, zero or one.

    Example:
        >>> compare_versions("1.10.0", "1.9.0")
        1
    """
    one = [int(part) for part in first.split(".")]
    other = [int(part) for part in second.split(".")]
    return (one > other) - (one < other)
