# prompt: Write a Python function `count_items(items)` that returns a dictionary from each item to how often it occurs.
# test: count_items(["a", "b", "a"]) == {"a": 2, "b": 1}
# test: count_items([]) == {}
# test: count_items([1, 1]) == {1: 2}
def count_items(items: list) -> dict:
    """Count how often each item occurs.

    Args:
        items: The items to count.

    Returns:
        The counts by item.

    Example:
        >>> count_items(["a", "b", "a"])
        {'a': 2, 'b': 1}
    """
    counts: dict = {}
    for item in items:
        counts[item] = counts.get(item, 0) + 1
    return counts


# prompt: I need invert_dict(mapping) that swaps keys and values. If two keys have the same value, raise a ValueError.
# test: invert_dict({"a": 1, "b": 2}) == {1: "a", 2: "b"}
# test: invert_dict({}) == {}
# raises ValueError: invert_dict({"a": 1, "b": 1})
def invert_dict(mapping: dict) -> dict:
    """Exchange the keys and values of a dictionary.

    Args:
        mapping: The dictionary to invert.

    Returns:
        The keys by value.

    Raises:
        ValueError: If two keys have the same value.

    Example:
        >>> invert_dict({"a": 1, "b": 2})
        {1: 'a', 2: 'b'}
    """
    if len(set(mapping.values())) < len(mapping):
        raise ValueError("values must be different")
    return {value: key for key, value in mapping.items()}


# prompt: How do I group words by their first letter? group_by_first_letter(["ant", "bee", "ape"]) should be {"a": ["ant", "ape"], "b": ["bee"]}.
# test: group_by_first_letter(["ant", "bee", "ape"]) == {"a": ["ant", "ape"], "b": ["bee"]}
# test: group_by_first_letter([]) == {}
# test: group_by_first_letter(["x"]) == {"x": ["x"]}
def group_by_first_letter(words: list[str]) -> dict[str, list[str]]:
    """Group words by their first letter.

    Args:
        words: The words to group.

    Returns:
        The words by letter.

    Example:
        >>> group_by_first_letter(["ant", "bee", "ape"])
        {'a': ['ant', 'ape'], 'b': ['bee']}
    """
    groups: dict[str, list[str]] = {}
    for word in words:
        groups.setdefault(word[0], []).append(word)
    return groups


# prompt: Write merge_counts(first, second): two dictionaries of counts become one, with counts of equal keys added.
# test: merge_counts({"a": 1}, {"a": 2, "b": 3}) == {"a": 3, "b": 3}
# test: merge_counts({}, {}) == {}
# test: merge_counts({"x": 1}, {}) == {"x": 1}
def merge_counts(first: dict[str, int], second: dict[str, int]) -> dict[str, int]:
    """Add the counts of two dictionaries.

    Args:
        first: The first counts.
        second: The second counts.

    Returns:
        The counts of both together.

    Example:
        >>> merge_counts({"a": 1}, {"a": 2, "b": 3})
        {'a': 3, 'b': 3}
    """
    merged = dict(first)
    for key, count in second.items():
        merged[key] = merged.get(key, 0) + count
    return merged


# prompt: function filter_by_value(scores, minimum), keep only the dictionary entries whose value is at least the minimum
# test: filter_by_value({"a": 3, "b": 1}, 2) == {"a": 3}
# test: filter_by_value({}, 0) == {}
# test: filter_by_value({"x": 2}, 2) == {"x": 2}
def filter_by_value(scores: dict[str, int], minimum: int) -> dict[str, int]:
    """Keep the entries with a large enough value.

    Args:
        scores: The values by name.
        minimum: The least value to keep.

    Returns:
        The kept entries.

    Example:
        >>> filter_by_value({"a": 3, "b": 1}, 2)
        {'a': 3}
    """
    return {name: score for name, score in scores.items() if score >= minimum}


# prompt: Write get_nested(data, path) for nested dictionaries: path is a list of keys. A missing key must raise a KeyError.
# test: get_nested({"a": {"b": 5}}, ["a", "b"]) == 5
# test: get_nested({"x": 1}, ["x"]) == 1
# raises KeyError: get_nested({"a": {}}, ["a", "b"])
def get_nested(data: dict, path: list[str]) -> object:
    """Look up a value in nested dictionaries.

    Args:
        data: The outer dictionary.
        path: The keys from outside to inside.

    Returns:
        The value at the end of the path.

    Raises:
        KeyError: If a key is missing.

    Example:
        >>> get_nested({"a": {"b": 5}}, ["a", "b"])
        5
    """
    current = data
    for key in path:
        if key not in current:
            raise KeyError(key)
        current = current[key]
    return current


# prompt: I have a list of records like {"name": "Ann", "age": 30}. pluck(records, field) should list the values of one field.
# test: pluck([{"n": 1}, {"n": 2}], "n") == [1, 2]
# test: pluck([], "n") == []
# test: pluck([{"a": "x", "b": 1}], "a") == ["x"]
def pluck(records: list[dict], field: str) -> list:
    """List one field of all records.

    Args:
        records: The records to read.
        field: The field to take.

    Returns:
        The values in order.

    Example:
        >>> pluck([{"n": 1}, {"n": 2}], "n")
        [1, 2]
    """
    return [record[field] for record in records]


# prompt: Which key has the largest value? Write key_of_max(scores); an empty dictionary should raise a ValueError.
# test: key_of_max({"a": 1, "b": 5}) == "b"
# test: key_of_max({"x": -1}) == "x"
# raises ValueError: key_of_max({})
def key_of_max(scores: dict[str, int]) -> str:
    """Find the key with the largest value.

    Args:
        scores: The values by key.

    Returns:
        The key of the largest value.

    Raises:
        ValueError: If there are no scores.

    Example:
        >>> key_of_max({"a": 1, "b": 5})
        'b'
    """
    if not scores:
        raise ValueError("scores is empty")
    return max(scores, key=lambda key: scores[key])


# prompt: Implement `index_by(records, field)`: a dictionary from the value of that field to the record. Later records win.
# test: index_by([{"id": 1, "n": "a"}], "id") == {1: {"id": 1, "n": "a"}}
# test: index_by([], "id") == {}
# test: index_by([{"id": 1, "v": 1}, {"id": 1, "v": 2}], "id") == {1: {"id": 1, "v": 2}}
def index_by(records: list[dict], field: str) -> dict:
    """Index records by one of their fields.

    Args:
        records: The records to index.
        field: The field that identifies them.

    Returns:
        The records by the field's value.

    Example:
        >>> index_by([{"id": 1}], "id")
        {1: {'id': 1}}
    """
    return {record[field]: record for record in records}


# prompt: rename_key(data, old, new) -> a new dict where the key old is called new and the order of keys is kept; raise KeyError if old is not there
# test: rename_key({"a": 1, "b": 2}, "a", "c") == {"c": 1, "b": 2}
# test: list(rename_key({"a": 1, "b": 2}, "a", "c")) == ["c", "b"]
# raises KeyError: rename_key({}, "a", "b")
def rename_key(data: dict[str, int], old: str, new: str) -> dict[str, int]:
    """Give a key of a dictionary a new name.

    Args:
        data: The dictionary to copy.
        old: The name to replace.
        new: The new name.

    Returns:
        A new dictionary with the key renamed.

    Raises:
        KeyError: If the old key is missing.

    Example:
        >>> rename_key({"a": 1, "b": 2}, "a", "c")
        {'c': 1, 'b': 2}
    """
    if old not in data:
        raise KeyError(old)
    return {new if key == old else key: value for key, value in data.items()}


# prompt: Write a function total_by_category(sales) where sales is a list of (category, amount) tuples; it sums the amounts of each category in a dictionary.
# test: total_by_category([("a", 1), ("b", 2), ("a", 3)]) == {"a": 4, "b": 2}
# test: total_by_category([]) == {}
# test: total_by_category([("x", 0)]) == {"x": 0}
def total_by_category(sales: list[tuple[str, int]]) -> dict[str, int]:
    """Sum the amounts of each category.

    Args:
        sales: The categories with amounts.

    Returns:
        The sums by category.

    Example:
        >>> total_by_category([("a", 1), ("b", 2), ("a", 3)])
        {'a': 4, 'b': 2}
    """
    totals: dict[str, int] = {}
    for category, amount in sales:
        totals[category] = totals.get(category, 0) + amount
    return totals


# prompt: Can I get the keys that two dicts have in common, sorted? shared_keys(first, second)
# test: shared_keys({"b": 1, "a": 2}, {"a": 3, "b": 4, "c": 5}) == ["a", "b"]
# test: shared_keys({}, {"a": 1}) == []
# test: shared_keys({"x": 1}, {"y": 1}) == []
def shared_keys(first: dict[str, int], second: dict[str, int]) -> list[str]:
    """List the keys of both dictionaries.

    Args:
        first: The first dictionary.
        second: The second dictionary.

    Returns:
        The shared keys in order.

    Example:
        >>> shared_keys({"b": 1, "a": 2}, {"a": 3, "b": 4})
        ['a', 'b']
    """
    return sorted(set(first) & set(second))


# prompt: Write zip_to_dict(keys, values), making a dictionary out of two lists. Lists of different length are a ValueError.
# test: zip_to_dict(["a", "b"], [1, 2]) == {"a": 1, "b": 2}
# test: zip_to_dict([], []) == {}
# raises ValueError: zip_to_dict(["a"], [])
def zip_to_dict(keys: list[str], values: list) -> dict:
    """Make a dictionary of keys and values.

    Args:
        keys: The keys in order.
        values: The values in order.

    Returns:
        The values by key.

    Raises:
        ValueError: If the lengths differ.

    Example:
        >>> zip_to_dict(["a", "b"], [1, 2])
        {'a': 1, 'b': 2}
    """
    if len(keys) != len(values):
        raise ValueError("keys and values must have one length")
    return dict(zip(keys, values))


# prompt: Sort a dictionary by its values, largest first, and return the list of keys. The function should be called keys_by_value.
# test: keys_by_value({"a": 1, "b": 3, "c": 2}) == ["b", "c", "a"]
# test: keys_by_value({}) == []
# test: keys_by_value({"x": 5}) == ["x"]
def keys_by_value(scores: dict[str, int]) -> list[str]:
    """List keys from the largest value to the smallest.

    Args:
        scores: The values by key.

    Returns:
        The keys in order of value.

    Example:
        >>> keys_by_value({"a": 1, "b": 3, "c": 2})
        ['b', 'c', 'a']
    """
    return sorted(scores, key=lambda key: scores[key], reverse=True)


# prompt: For a small shop: apply_stock_change(stock, item, change) returns a copy of the stock dictionary with the item's count changed. If the count would fall below zero raise a ValueError; unknown items start at 0.
# test: apply_stock_change({"pen": 2}, "pen", -1) == {"pen": 1}
# test: apply_stock_change({}, "cup", 4) == {"cup": 4}
# raises ValueError: apply_stock_change({"pen": 1}, "pen", -2)
def apply_stock_change(stock: dict[str, int], item: str, change: int) -> dict[str, int]:
    """Change the count of an item in stock.

    Args:
        stock: The counts by item.
        item: The item to change.
        change: The change of its count.

    Returns:
        A new stock with the change.

    Raises:
        ValueError: If the count would fall below zero.

    Example:
        >>> apply_stock_change({"pen": 2}, "pen", -1)
        {'pen': 1}
    """
    count = stock.get(item, 0) + change
    if count < 0:
        raise ValueError("stock must not fall below zero")
    return {**stock, item: count}


# prompt: Write a function symmetric_items(first, second) that lists, sorted, the numbers that are in exactly one of two lists.
# test: symmetric_items([1, 2, 3], [3, 4]) == [1, 2, 4]
# test: symmetric_items([], []) == []
# test: symmetric_items([1], [1]) == []
def symmetric_items(first: list[int], second: list[int]) -> list[int]:
    """List the numbers in exactly one list.

    Args:
        first: The first numbers.
        second: The second numbers.

    Returns:
        The unshared numbers in order.

    Example:
        >>> symmetric_items([1, 2, 3], [3, 4])
        [1, 2, 4]
    """
    return sorted(set(first) ^ set(second))


# prompt: how to drop some keys from a dict without changing the original? without_keys(data, keys)
# test: without_keys({"a": 1, "b": 2}, ["a"]) == {"b": 2}
# test: without_keys({}, ["a"]) == {}
# test: without_keys({"x": 1}, []) == {"x": 1}
def without_keys(data: dict, keys: list) -> dict:
    """Copy a dictionary without some keys.

    Args:
        data: The dictionary to copy.
        keys: The keys to leave out.

    Returns:
        The remaining entries.

    Example:
        >>> without_keys({"a": 1, "b": 2}, ["a"])
        {'b': 2}
    """
    return {key: value for key, value in data.items() if key not in keys}


# prompt: Give me oldest_person(ages), a dict of names and ages, returning the names of all people with the highest age, sorted; empty dict gives an empty list.
# test: oldest_person({"Ann": 40, "Bob": 52, "Al": 52}) == ["Al", "Bob"]
# test: oldest_person({}) == []
# test: oldest_person({"Z": 1}) == ["Z"]
def oldest_person(ages: dict[str, int]) -> list[str]:
    """List the people with the highest age.

    Args:
        ages: The ages by name.

    Returns:
        The names in order.

    Example:
        >>> oldest_person({"Ann": 40, "Bob": 52, "Al": 52})
        ['Al', 'Bob']
    """
    highest = max(ages.values(), default=0)
    return sorted(name for name, age in ages.items() if age == highest)


# prompt: I need has_required(record, fields): True if the record dictionary has every field of the list and none of these is None.
# test: has_required({"a": 1, "b": None}, ["a"]) is True
# test: has_required({"a": 1, "b": None}, ["a", "b"]) is False
# test: has_required({}, []) is True
def has_required(record: dict, fields: list[str]) -> bool:
    """Check that a record has all required fields.

    Args:
        record: The record to check.
        fields: The fields it needs.

    Returns:
        True if no field is missing.

    Example:
        >>> has_required({"a": 1}, ["a", "b"])
        False
    """
    return all(record.get(field) is not None for field in fields)


# prompt: Write average_by_name(entries): entries is a list of (name, points) tuples, the result is a dict with each name's average as a float.
# test: average_by_name([("a", 1), ("a", 3), ("b", 5)]) == {"a": 2.0, "b": 5.0}
# test: average_by_name([]) == {}
# test: average_by_name([("x", 1)]) == {"x": 1.0}
def average_by_name(entries: list[tuple[str, int]]) -> dict[str, float]:
    """Average the points of each name.

    Args:
        entries: The names with points.

    Returns:
        The average by name.

    Example:
        >>> average_by_name([("a", 1), ("a", 3), ("b", 5)])
        {'a': 2.0, 'b': 5.0}
    """
    points: dict[str, list[int]] = {}
    for name, value in entries:
        points.setdefault(name, []).append(value)
    return {name: sum(values) / len(values) for name, values in points.items()}


# prompt: Write `flatten_dict(data)` for a dictionary of dictionaries: {"a": {"x": 1}} becomes {"a.x": 1}.
# test: flatten_dict({"a": {"x": 1}}) == {"a.x": 1}
# test: flatten_dict({}) == {}
# test: flatten_dict({"a": {"x": 1, "y": 2}, "b": {}}) == {"a.x": 1, "a.y": 2}
def flatten_dict(data: dict[str, dict[str, int]]) -> dict[str, int]:
    """Join the keys of nested dictionaries.

    Args:
        data: The dictionary of dictionaries.

    Returns:
        The values by dotted key.

    Example:
        >>> flatten_dict({"a": {"x": 1}})
        {'a.x': 1}
    """
    return {f"{outer}.{inner}": value for outer, entries in data.items() for inner, value in entries.items()}


# prompt: new id for a record: next_free_id(used) -> the smallest positive integer that is not in the set of used ids
# test: next_free_id({1, 2, 4}) == 3
# test: next_free_id(set()) == 1
# test: next_free_id({2}) == 1
def next_free_id(used: set[int]) -> int:
    """Find the smallest free identifier.

    Args:
        used: The identifiers in use.

    Returns:
        The smallest positive free number.

    Example:
        >>> next_free_id({1, 2, 4})
        3
    """
    candidate = 1
    while candidate in used:
        candidate += 1
    return candidate
