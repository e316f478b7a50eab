# prompt: Write a Python function `flatten(nested)` that turns a list of lists into one list, in order.
# test: flatten([[1, 2], [3], []]) == [1, 2, 3]
# test: flatten([]) == []
# test: flatten([["a"], ["b"]]) == ["a", "b"]
def flatten(nested: list[list]) -> list:
    """Join a list of lists into one list.

    Args:
        nested: The lists to join.

    Returns:
        The items in order.

    Example:
        >>> flatten([[1, 2], [3], []])
        [1, 2, 3]
    """
    return [item for items in nested for item in items]


# prompt: Implement chunk_list(items, size): pieces of `size` items, the last one may be shorter. A size below 1 is a ValueError.
# test: chunk_list([1, 2, 3, 4, 5], 2) == [[1, 2], [3, 4], [5]]
# test: chunk_list([], 3) == []
# raises ValueError: chunk_list([1], 0)
def chunk_list(items: list, size: int) -> list[list]:
    """Split a list into pieces of one size.

    Args:
        items: The list to split.
        size: The items a piece.

    Returns:
        The pieces in order.

    Raises:
        ValueError: If size is below 1.

    Example:
        >>> chunk_list([1, 2, 3, 4, 5], 2)
        [[1, 2], [3, 4], [5]]
    """
    if size < 1:
        raise ValueError("size must be at least 1")
    return [items[start : start + size] for start in range(0, len(items), size)]


# prompt: how do i rotate a list to the left by n places? rotate_left([1,2,3,4], 1) -> [2,3,4,1], n can be larger than the list
# test: rotate_left([1, 2, 3, 4], 1) == [2, 3, 4, 1]
# test: rotate_left([1, 2, 3], 4) == [2, 3, 1]
# test: rotate_left([], 2) == []
def rotate_left(items: list, places: int) -> list:
    """Rotate a list to the left.

    Args:
        items: The list to rotate.
        places: The places to move by.

    Returns:
        The rotated list.

    Example:
        >>> rotate_left([1, 2, 3, 4], 1)
        [2, 3, 4, 1]
    """
    if not items:
        return []
    cut = places % len(items)
    return items[cut:] + items[:cut]


# prompt: I want to remove duplicates from a list but keep the order of first appearance. Name it unique_items.
# test: unique_items([3, 1, 3, 2, 1]) == [3, 1, 2]
# test: unique_items([]) == []
# test: unique_items(["b", "a", "b"]) == ["b", "a"]
def unique_items(items: list) -> list:
    """Remove duplicates and keep the order.

    Args:
        items: The list to reduce.

    Returns:
        The first of each item.

    Example:
        >>> unique_items([3, 1, 3, 2, 1])
        [3, 1, 2]
    """
    return list(dict.fromkeys(items))


# prompt: Write second_largest(numbers), the second largest distinct value of a list. Fewer than two distinct values should raise a ValueError.
# test: second_largest([4, 9, 9, 7]) == 7
# test: second_largest([1, 2]) == 1
# raises ValueError: second_largest([5, 5])
def second_largest(numbers: list[int]) -> int:
    """Find the second largest distinct value.

    Args:
        numbers: The numbers to search.

    Returns:
        The second largest value.

    Raises:
        ValueError: If there are fewer than two values.

    Example:
        >>> second_largest([4, 9, 9, 7])
        7
    """
    distinct = sorted(set(numbers))
    if len(distinct) < 2:
        raise ValueError("numbers needs two distinct values")
    return distinct[-2]


# prompt: Give me `interleave(first, second)`: it takes items of two lists in turn and appends what is left of the longer one.
# test: interleave([1, 3], [2, 4]) == [1, 2, 3, 4]
# test: interleave([1], [2, 3, 4]) == [1, 2, 3, 4]
# test: interleave([], [5]) == [5]
def interleave(first: list, second: list) -> list:
    """Take the items of two lists in turn.

    Args:
        first: The list that starts.
        second: The other list.

    Returns:
        The mixed list.

    Example:
        >>> interleave([1, 3], [2, 4])
        [1, 2, 3, 4]
    """
    shorter = min(len(first), len(second))
    mixed = [item for pair in zip(first, second) for item in pair]
    return mixed + first[shorter:] + second[shorter:]


# prompt: Need a function adjacent_pairs that turns [1, 2, 3] into [(1, 2), (2, 3)].
# test: adjacent_pairs([1, 2, 3]) == [(1, 2), (2, 3)]
# test: adjacent_pairs([1]) == []
# test: adjacent_pairs([]) == []
def adjacent_pairs(items: list) -> list[tuple]:
    """Pair each item with the next one.

    Args:
        items: The list to pair up.

    Returns:
        The pairs in order.

    Example:
        >>> adjacent_pairs([1, 2, 3])
        [(1, 2), (2, 3)]
    """
    return list(zip(items, items[1:]))


# prompt: Write a function `partition_by(numbers, limit)` returning two lists as a tuple: the numbers below the limit and the others, order kept.
# test: partition_by([1, 5, 2, 8], 4) == ([1, 2], [5, 8])
# test: partition_by([], 1) == ([], [])
# test: partition_by([4], 4) == ([], [4])
def partition_by(numbers: list[int], limit: int) -> tuple[list[int], list[int]]:
    """Divide numbers by a limit.

    Args:
        numbers: The numbers to divide.
        limit: The limit between the parts.

    Returns:
        The numbers below and the others.

    Example:
        >>> partition_by([1, 5, 2, 8], 4)
        ([1, 2], [5, 8])
    """
    below = [number for number in numbers if number < limit]
    others = [number for number in numbers if number >= limit]
    return below, others


# prompt: python: check that a list is sorted in ascending order (equal neighbours are fine), function is_sorted
# test: is_sorted([1, 2, 2, 3]) is True
# test: is_sorted([2, 1]) is False
# test: is_sorted([]) is True
def is_sorted(items: list[int]) -> bool:
    """Check whether a list is in ascending order.

    Args:
        items: The list to check.

    Returns:
        True if no item is below the one before.

    Example:
        >>> is_sorted([1, 2, 2, 3])
        True
    """
    return items == sorted(items)


# prompt: Write every_nth(items, step) giving the first item and then each item `step` places further. If step is not positive raise a ValueError.
# test: every_nth([1, 2, 3, 4, 5], 2) == [1, 3, 5]
# test: every_nth([], 3) == []
# raises ValueError: every_nth([1], 0)
def every_nth(items: list, step: int) -> list:
    """Pick items at a regular distance.

    Args:
        items: The list to pick from.
        step: The distance between items.

    Returns:
        The picked items.

    Raises:
        ValueError: If step is not positive.

    Example:
        >>> every_nth([1, 2, 3, 4, 5], 2)
        [1, 3, 5]
    """
    if step <= 0:
        raise ValueError("step must be positive")
    return items[::step]


# prompt: Find the index of the smallest number in a list: index_of_min(numbers). The first one counts; an empty list raises a ValueError.
# test: index_of_min([4, 1, 3, 1]) == 1
# test: index_of_min([7]) == 0
# raises ValueError: index_of_min([])
def index_of_min(numbers: list[int]) -> int:
    """Find the position of the smallest number.

    Args:
        numbers: The numbers to search.

    Returns:
        The index of the first smallest number.

    Raises:
        ValueError: If the list is empty.

    Example:
        >>> index_of_min([4, 1, 3, 1])
        1
    """
    if not numbers:
        raise ValueError("numbers is empty")
    return numbers.index(min(numbers))


# prompt: Can you write a sliding window helper? windows([1,2,3,4], 3) should give [[1,2,3],[2,3,4]].
# test: windows([1, 2, 3, 4], 3) == [[1, 2, 3], [2, 3, 4]]
# test: windows([1, 2], 3) == []
# test: windows([1, 2], 1) == [[1], [2]]
def windows(items: list, size: int) -> list[list]:
    """List all windows of a size.

    Args:
        items: The list to look at.
        size: The items a window.

    Returns:
        The windows in order.

    Example:
        >>> windows([1, 2, 3, 4], 3)
        [[1, 2, 3], [2, 3, 4]]
    """
    return [items[start : start + size] for start in range(len(items) - size + 1)]


# prompt: I'm comparing shopping lists. Write common_items(first, second): the items of the first list that are in the second too, in the first one's order, without repeats.
# test: common_items(["a", "b", "a"], ["a"]) == ["a"]
# test: common_items([1, 2, 3], [3, 1]) == [1, 3]
# test: common_items([], [1]) == []
def common_items(first: list, second: list) -> list:
    """List the items that two lists share.

    Args:
        first: The list that gives the order.
        second: The list to compare with.

    Returns:
        The shared items.

    Example:
        >>> common_items([1, 2, 3], [3, 1])
        [1, 3]
    """
    return [item for item in dict.fromkeys(first) if item in second]


# prompt: Function drop_none that removes all None values from a list but keeps zeros and empty strings.
# test: drop_none([1, None, 0, ""]) == [1, 0, ""]
# test: drop_none([None]) == []
# test: drop_none([]) == []
def drop_none(items: list) -> list:
    """Remove the missing values of a list.

    Args:
        items: The list to clean.

    Returns:
        The items that are not None.

    Example:
        >>> drop_none([1, None, 0])
        [1, 0]
    """
    return [item for item in items if item is not None]


# prompt: Write a function `pad_list(items, length, filler)` that appends the filler until the list has the length; longer lists stay as they are.
# test: pad_list([1], 3, 0) == [1, 0, 0]
# test: pad_list([1, 2], 1, 0) == [1, 2]
# test: pad_list([], 2, "x") == ["x", "x"]
def pad_list(items: list, length: int, filler: object) -> list:
    """Fill a list up to a length.

    Args:
        items: The list to fill.
        length: The length to reach.
        filler: The item to append.

    Returns:
        The filled list.

    Example:
        >>> pad_list([1], 3, 0)
        [1, 0, 0]
    """
    return items + [filler] * (length - len(items))


# prompt: how to sort words by length, and words of equal length alphabetically? sort_by_length please
# test: sort_by_length(["pear", "fig", "apple", "kiwi"]) == ["fig", "kiwi", "pear", "apple"]
# test: sort_by_length([]) == []
# test: sort_by_length(["b", "a"]) == ["a", "b"]
def sort_by_length(words: list[str]) -> list[str]:
    """Sort words by length, then by letters.

    Args:
        words: The words to sort.

    Returns:
        The sorted words.

    Example:
        >>> sort_by_length(["pear", "fig", "apple"])
        ['fig', 'pear', 'apple']
    """
    return sorted(words, key=lambda word: (len(word), word))


# prompt: Write take_while_positive(numbers) which returns the numbers at the start of a list up to, but without, the first that is zero or negative.
# test: take_while_positive([3, 1, 0, 5]) == [3, 1]
# test: take_while_positive([-1, 2]) == []
# test: take_while_positive([1, 2]) == [1, 2]
def take_while_positive(numbers: list[int]) -> list[int]:
    """Take the positive numbers at the start.

    Args:
        numbers: The numbers to read.

    Returns:
        The numbers before the first other one.

    Example:
        >>> take_while_positive([3, 1, 0, 5])
        [3, 1]
    """
    taken: list[int] = []
    for number in numbers:
        if number <= 0:
            break
        taken.append(number)
    return taken


# prompt: I need middle_items(items): a list without its first and last item. With fewer than two items raise ValueError.
# test: middle_items([1, 2, 3, 4]) == [2, 3]
# test: middle_items([1, 2]) == []
# raises ValueError: middle_items([1])
def middle_items(items: list) -> list:
    """Return a list without its ends.

    Args:
        items: The list to cut.

    Returns:
        The items between the ends.

    Raises:
        ValueError: If there are fewer than two items.

    Example:
        >>> middle_items([1, 2, 3, 4])
        [2, 3]
    """
    if len(items) < 2:
        raise ValueError("items needs at least two items")
    return items[1:-1]


# prompt: Write `count_if_greater(numbers, limit)`: how many numbers of the list are greater than the limit?
# test: count_if_greater([1, 5, 9], 4) == 2
# test: count_if_greater([], 0) == 0
# test: count_if_greater([4], 4) == 0
def count_if_greater(numbers: list[int], limit: int) -> int:
    """Count the numbers above a limit.

    Args:
        numbers: The numbers to look at.
        limit: The limit to exceed.

    Returns:
        The number of larger ones.

    Example:
        >>> count_if_greater([1, 5, 9], 4)
        2
    """
    return sum(number > limit for number in numbers)


# prompt: Merge two already sorted lists of numbers into one sorted list, merge_sorted([1,4],[2,3]) == [1,2,3,4]
# test: merge_sorted([1, 4], [2, 3]) == [1, 2, 3, 4]
# test: merge_sorted([], [1]) == [1]
# test: merge_sorted([2], [2]) == [2, 2]
def merge_sorted(first: list[int], second: list[int]) -> list[int]:
    """Merge two sorted lists into one.

    Args:
        first: The first sorted list.
        second: The second sorted list.

    Returns:
        All numbers in order.

    Example:
        >>> merge_sorted([1, 4], [2, 3])
        [1, 2, 3, 4]
    """
    return sorted(first + second)


# prompt: Write swap_items(items, first, second) that returns a new list with the items at two indices exchanged. An index outside the list must raise IndexError, also a negative one.
# test: swap_items([1, 2, 3], 0, 2) == [3, 2, 1]
# test: swap_items(["a"], 0, 0) == ["a"]
# raises IndexError: swap_items([1, 2], 0, 5)
# raises IndexError: swap_items([1, 2], -1, 0)
def swap_items(items: list, first: int, second: int) -> list:
    """Exchange two items of a list.

    Args:
        items: The list to copy.
        first: The index of one item.
        second: The index of the other item.

    Returns:
        A new list with both exchanged.

    Raises:
        IndexError: If an index is outside the list.

    Example:
        >>> swap_items([1, 2, 3], 0, 2)
        [3, 2, 1]
    """
    if min(first, second) < 0 or max(first, second) >= len(items):
        raise IndexError("index is outside the list")
    result = list(items)
    result[first], result[second] = items[second], items[first]
    return result


# prompt: Please make a function that returns the largest difference between neighbours in a list of numbers, always positive; 0 for short lists. Call it max_step.
# test: max_step([1, 4, 2]) == 3
# test: max_step([5]) == 0
# test: max_step([9, 1]) == 8
def max_step(numbers: list[int]) -> int:
    """Find the largest step between neighbours.

    Args:
        numbers: The numbers to compare.

    Returns:
        The largest difference.

    Example:
        >>> max_step([1, 4, 2])
        3
    """
    return max((abs(b - a) for a, b in zip(numbers, numbers[1:])), default=0)


# prompt: tuples: write sum_pairs(pairs) that adds the two numbers of each pair, [(1,2),(3,4)] -> [3,7]
# test: sum_pairs([(1, 2), (3, 4)]) == [3, 7]
# test: sum_pairs([]) == []
# test: sum_pairs([(0, -1)]) == [-1]
def sum_pairs(pairs: list[tuple[int, int]]) -> list[int]:
    """Add the numbers of each pair.

    Args:
        pairs: The pairs to add.

    Returns:
        The sums in order.

    Example:
        >>> sum_pairs([(1, 2), (3, 4)])
        [3, 7]
    """
    return [first + second for first, second in pairs]


# prompt: Write last_index(items, item), the highest index at which an item stands in a list, or -1 when it doesn't.
# test: last_index([1, 2, 1], 1) == 2
# test: last_index([], 3) == -1
# test: last_index(["a"], "a") == 0
def last_index(items: list, item: object) -> int:
    """Find the last position of an item.

    Args:
        items: The list to search.
        item: The item to find.

    Returns:
        The index, or -1 if it is not there.

    Example:
        >>> last_index([1, 2, 1], 1)
        2
    """
    if item not in items:
        return -1
    return len(items) - 1 - items[::-1].index(item)
