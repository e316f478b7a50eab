# prompt: Write a Python function first_and_last(items) returning a tuple of the first and the last item. It must raise a ValueError for an empty list.
# test: first_and_last([1, 2, 3]) == (1, 3)
# test: first_and_last(["a"]) == ("a", "a")
# raises ValueError: first_and_last([])
def first_and_last(items: list) -> tuple:
    """Return the two ends of a list.

    Args:
        items: The list to look at.

    Returns:
        The first and the last item.

    Raises:
        ValueError: If the list is empty.

    Example:
        >>> first_and_last([1, 2, 3])
        (1, 3)
    """
    if not items:
        raise ValueError("items is empty")
    return items[0], items[-1]


# prompt: I need replace_item(items, old, new): a new list in which every occurrence of old is new.
# test: replace_item([1, 2, 1], 1, 9) == [9, 2, 9]
# test: replace_item([], 1, 2) == []
# test: replace_item(["a"], "b", "c") == ["a"]
def replace_item(items: list, old: object, new: object) -> list:
    """Replace an item everywhere in a list.

    Args:
        items: The list to copy.
        old: The item to replace.
        new: The item to put in.

    Returns:
        The new list.

    Example:
        >>> replace_item([1, 2, 1], 1, 9)
        [9, 2, 9]
    """
    return [new if item == old else item for item in items]


# prompt: sum only the numbers in a mixed list of ints and strings, e.g. sum_numbers([1, "x", 2]) is 3
# test: sum_numbers([1, "x", 2]) == 3
# test: sum_numbers(["a"]) == 0
# test: sum_numbers([]) == 0
def sum_numbers(items: list) -> int:
    """Sum the integers of a mixed list.

    Args:
        items: The mixed items.

    Returns:
        The sum of the integers.

    Example:
        >>> sum_numbers([1, "x", 2])
        3
    """
    return sum(item for item in items if isinstance(item, int))


# prompt: How do I tell if a list contains the same value twice in a row? has_repeat([1, 1, 2]) is True, has_repeat([1, 2, 1]) is False
# test: has_repeat([1, 1, 2]) is True
# test: has_repeat([1, 2, 1]) is False
# test: has_repeat([]) is False
def has_repeat(items: list) -> bool:
    """Check for equal neighbours in a list.

    Args:
        items: The list to check.

    Returns:
        True if two neighbours are equal.

    Example:
        >>> has_repeat([1, 1, 2])
        True
    """
    for index in range(1, len(items)):
        if items[index] == items[index - 1]:
            return True
    return False


# prompt: Implement `mirror(items)`: the list followed by itself reversed, [1, 2] becomes [1, 2, 2, 1].
# test: mirror([1, 2]) == [1, 2, 2, 1]
# test: mirror([]) == []
# test: mirror(["a"]) == ["a", "a"]
def mirror(items: list) -> list:
    """Append a list reversed to itself.

    Args:
        items: The list to mirror.

    Returns:
        The list and its mirror image.

    Example:
        >>> mirror([1, 2])
        [1, 2, 2, 1]
    """
    return items + items[::-1]


# prompt: Write top_scores(scores, count) that gives the highest scores in descending order, at most `count` of them. A negative count raises a ValueError.
# test: top_scores([3, 9, 5], 2) == [9, 5]
# test: top_scores([1], 5) == [1]
# raises ValueError: top_scores([1], -1)
def top_scores(scores: list[int], count: int) -> list[int]:
    """List the highest scores.

    Args:
        scores: The scores to sort.
        count: The most scores to list.

    Returns:
        The highest scores first.

    Raises:
        ValueError: If count is negative.

    Example:
        >>> top_scores([3, 9, 5], 2)
        [9, 5]
    """
    if count < 0:
        raise ValueError("count must not be negative")
    return sorted(scores, reverse=True)[:count]


# prompt: Can you write a function that makes a list of squares of the even numbers in a list? even_squares
# test: even_squares([1, 2, 3, 4]) == [4, 16]
# test: even_squares([]) == []
# test: even_squares([5]) == []
def even_squares(numbers: list[int]) -> list[int]:
    """Square the even numbers of a list.

    Args:
        numbers: The numbers to read.

    Returns:
        The squares in order.

    Example:
        >>> even_squares([1, 2, 3, 4])
        [4, 16]
    """
    return [number * number for number in numbers if number % 2 == 0]


# prompt: Write remove_at(items, index), a new list without the item at that index. If the index is outside the list, an IndexError must be raised, for negative ones too.
# test: remove_at([1, 2, 3], 1) == [1, 3]
# test: remove_at(["a"], 0) == []
# raises IndexError: remove_at([1], 1)
def remove_at(items: list, index: int) -> list:
    """Remove the item at an index.

    Args:
        items: The list to copy.
        index: The index to leave out.

    Returns:
        A new list without the item.

    Raises:
        IndexError: If the index is outside the list.

    Example:
        >>> remove_at([1, 2, 3], 1)
        [1, 3]
    """
    if not 0 <= index < len(items):
        raise IndexError("index is outside the list")
    return items[:index] + items[index + 1 :]


# prompt: the average word length of a list of words please, as a float, 0.0 for no words: average_length(words)
# test: average_length(["ab", "abcd"]) == 3.0
# test: average_length([]) == 0.0
# test: average_length(["x"]) == 1.0
def average_length(words: list[str]) -> float:
    """Average the lengths of words.

    Args:
        words: The words to measure.

    Returns:
        The average length.

    Example:
        >>> average_length(["ab", "abcd"])
        3.0
    """
    if not words:
        return 0.0
    return sum(len(word) for word in words) / len(words)
