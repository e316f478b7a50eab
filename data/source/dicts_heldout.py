# prompt: Write a function `longest_key(data)` that returns the longest key of a dictionary with text keys. An empty dictionary must raise a ValueError.
# test: longest_key({"a": 1, "bcd": 2}) == "bcd"
# test: longest_key({"x": 0}) == "x"
# raises ValueError: longest_key({})
def longest_key(data: dict[str, int]) -> str:
    """Find the longest key of a dictionary.

    Args:
        data: The dictionary to search.

    Returns:
        The longest key.

    Raises:
        ValueError: If the dictionary is empty.

    Example:
        >>> longest_key({"a": 1, "bcd": 2})
        'bcd'
    """
    if not data:
        raise ValueError("data is empty")
    return max(data, key=len)


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


# prompt: Which students passed? passed_students(grades, minimum) takes a dict of names and grades and returns the sorted names with at least the minimum.
# test: passed_students({"Cy": 4, "Al": 9}, 5) == ["Al"]
# test: passed_students({}, 5) == []
# test: passed_students({"b": 5, "a": 5}, 5) == ["a", "b"]
def passed_students(grades: dict[str, int], minimum: int) -> list[str]:
    """List the students who passed.

    Args:
        grades: The grades by name.
        minimum: The least grade to pass.

    Returns:
        The names in order.

    Example:
        >>> passed_students({"Cy": 4, "Al": 9}, 5)
        ['Al']
    """
    return sorted(name for name, grade in grades.items() if grade >= minimum)


# prompt: Function default_settings? I mean with_defaults(settings, defaults): fill in the keys that settings lacks from defaults, in a new dict.
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
