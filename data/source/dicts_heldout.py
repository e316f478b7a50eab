# prompt: Write a function `total_length(data)` that adds up the lengths of all keys of a dictionary with text keys. A key that is empty must raise a ValueError.
# test: total_length({"a": 1, "bcd": 2}) == 4
# test: total_length({}) == 0
# raises ValueError: total_length({"": 1})
def total_length(data: dict[str, int]) -> int:
    """Add up the lengths of all keys.

    Args:
        data: The dictionary to measure.

    Returns:
        The sum of the lengths.

    Raises:
        ValueError: If a key is empty.

    Example:
        >>> total_length({"a": 1, "bcd": 2})
        4
    """
    if "" in data:
        raise ValueError("keys must not be empty")
    return len("".join(data))


# prompt: I have prices in a dict and a list of what I want to buy, with repeats. basket_total(prices, basket) should give the sum.
# test: basket_total({"tea": 2, "jam": 3}, ["tea", "tea", "jam"]) == 7
# test: basket_total({}, []) == 0
# test: basket_total({"a": 1}, ["a"]) == 1
def basket_total(prices: dict[str, int], basket: list[str]) -> int:
    """Add up the prices of a basket.

    Args:
        prices: The prices by name.
        basket: The names in the basket.

    Returns:
        The sum of the prices.

    Example:
        >>> basket_total({"tea": 2, "jam": 3}, ["tea", "jam"])
        5
    """
    total = 0
    for name in basket:
        total += prices[name]
    return total


# prompt: is one dictionary contained in another? is_subset(small, large) - every key of small must be in large with the same value
# test: is_subset({"a": 1}, {"a": 1, "b": 2}) is True
# test: is_subset({"a": 2}, {"a": 1}) is False
# test: is_subset({}, {}) is True
def is_subset(small: dict, large: dict) -> bool:
    """Check whether a dictionary is part of another.

    Args:
        small: The entries to look for.
        large: The dictionary to search.

    Returns:
        True if all entries are there.

    Example:
        >>> is_subset({"a": 1}, {"a": 1, "b": 2})
        True
    """
    return all(key in large and large[key] == value for key, value in small.items())


# prompt: Write swap_values(data, first, second): a copy of a dictionary in which two keys have exchanged their values; raise KeyError when one of the keys is missing.
# test: swap_values({"a": 1, "b": 2}, "a", "b") == {"a": 2, "b": 1}
# test: swap_values({"x": 5}, "x", "x") == {"x": 5}
# raises KeyError: swap_values({"a": 1}, "a", "z")
def swap_values(data: dict, first: str, second: str) -> dict:
    """Exchange the values of two keys.

    Args:
        data: The dictionary to copy.
        first: The one key.
        second: The other key.

    Returns:
        A new dictionary with both exchanged.

    Raises:
        KeyError: If a key is missing.

    Example:
        >>> swap_values({"a": 1, "b": 2}, "a", "b")
        {'a': 2, 'b': 1}
    """
    if first not in data or second not in data:
        raise KeyError("key is missing")
    return {**data, first: data[second], second: data[first]}


# prompt: Which students improved? improved_students(before, after) takes two dicts of names and grades and counts the names whose grade is higher in the second; names in only one of them don't count.
# test: improved_students({"Al": 4, "Cy": 9}, {"Al": 6, "Cy": 9}) == 1
# test: improved_students({}, {"Al": 5}) == 0
# test: improved_students({"b": 5, "a": 1}, {"b": 6, "a": 2}) == 2
def improved_students(before: dict[str, int], after: dict[str, int]) -> int:
    """Count the students who improved.

    Args:
        before: The grades at first.
        after: The grades later.

    Returns:
        The number of better grades.

    Example:
        >>> improved_students({"Al": 4, "Cy": 9}, {"Al": 6, "Cy": 9})
        1
    """
    count = 0
    for name, grade in before.items():
        if name in after and after[name] > grade:
            count += 1
    return count


# prompt: My app reads a settings dict that may lack keys. with_defaults(settings, defaults) should fill these in from the defaults and return a new dict.
# test: with_defaults({"a": 1}, {"a": 5, "b": 2}) == {"a": 1, "b": 2}
# test: with_defaults({}, {"x": 0}) == {"x": 0}
# test: with_defaults({"y": 3}, {}) == {"y": 3}
def with_defaults(settings: dict, defaults: dict) -> dict:
    """Fill in missing settings from defaults.

    Args:
        settings: The settings that count first.
        defaults: The values to fall back on.

    Returns:
        All settings in a new dictionary.

    Example:
        >>> with_defaults({"a": 1}, {"b": 2})
        {'b': 2, 'a': 1}
    """
    return {**defaults, **settings}
