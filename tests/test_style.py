"""Each rule is kept by a good answer and broken by one change to it, and by that change alone."""

import pytest

from qloratory.style import RULE_NAMES, check_style, extract_code, is_imperative

GOOD = '''def share_of(part: int, whole: int) -> float:
    """Return the share of a part in a whole.

    Args:
        part: The counted items.
        whole: All items.

    Returns:
        The share, from 0 to 1.

    Raises:
        ValueError: If there are no items.

    Example:
        >>> share_of(1, 4)
        0.25
    """
    if whole == 0:
        raise ValueError("no items")
    return part / whole
'''


def broken_rules(answer: str) -> set[str]:
    return {name for name, kept in check_style(answer).items() if not kept}


def test_a_good_answer_keeps_every_rule() -> None:
    assert check_style(GOOD) == dict.fromkeys(RULE_NAMES, True)


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        ("one_function", "def share_of", "LIMIT = 3\n\n\ndef share_of"),
        ("one_function", "    return part / whole\n", "    return part / whole\n\n\nshare_of(1, 2)\n"),
        ("snake_case_name", "share_of", "shareOf"),
        ("type_hints", "part: int,", "part,"),
        ("type_hints", " -> float", ""),
        ("docstring_summary", "in a whole.", "in a whole"),
        ("docstring_summary", "Return the", "Returns the"),
        ("docstring_summary", "Return the share", "This is the share"),
        ("docstring_summary", "in a whole.\n", "in a whole.\n    And more of it.\n"),
        ("docstring_args", "        whole: All items.\n", ""),
        ("docstring_args", "        whole: All items.\n", "        total: All items.\n"),
        ("docstring_args", "        whole: All items.\n", "        whole: All items.\n        more: Not there.\n"),
        ("docstring_args", "        whole: All items.\n", "        whole:\n"),
        ("docstring_returns", "    Returns:\n        The share, from 0 to 1.\n\n", ""),
        ("docstring_raises", "    Raises:\n        ValueError: If there are no items.\n\n", ""),
        ("docstring_raises", '    if whole == 0:\n        raise ValueError("no items")\n', ""),
        ("docstring_example", "        >>> share_of(1, 4)\n        0.25\n", "        share_of(1, 4) is 0.25\n"),
        ("docstring_example", "        0.25\n", "        0.25\n        >>> share_of(1, 2)\n        0.5\n"),
        (
            "no_bare_except",
            "    return part / whole",
            "    try:\n        return part / whole\n    except:\n        return 0.0",
        ),
        ("no_print", "    return part", "    print(part)\n    return part"),
    ],
)
def test_each_rule_is_broken_by_one_change(rule: str, old: str, new: str) -> None:
    assert old in GOOD
    assert broken_rules(GOOD.replace(old, new)) == {rule}


def test_prose_and_fences_break_code_only_and_nothing_else() -> None:
    assert broken_rules(f"Here it is:\n\n```python\n{GOOD}```\nEnjoy!") == {"code_only"}
    assert broken_rules(f"```\n{GOOD}```") == {"code_only"}


@pytest.mark.parametrize("answer", ["", "I cannot help with that.", "x = 1", "def broken(:", "a\x00b", "(" * 10_000])
def test_an_answer_without_a_function_keeps_no_rule(answer: str) -> None:
    assert broken_rules(answer) == set(RULE_NAMES)


def test_imports_before_the_function_are_fine() -> None:
    assert broken_rules(f"import math\n\n\n{GOOD}") == set()


def test_code_is_taken_from_the_first_fence_that_defines_a_function() -> None:
    answer = "```bash\npip install x\n```\n```python\ndef f():\n    pass\n```"
    assert extract_code(answer) == "def f():\n    pass\n"


def test_a_fence_that_was_cut_off_counts_to_the_end() -> None:
    assert extract_code("Sure!\n```python\ndef f():\n    return 1") == "def f():\n    return 1"


@pytest.mark.parametrize(
    "word", ["Return", "Bring", "Pass", "Embed", "Compress", "Sum", "Split", "Feed", "Process", "String"]
)
def test_commands_are_imperative(word: str) -> None:
    assert is_imperative(f"{word} it.")


@pytest.mark.parametrize("word", ["Returns", "Returning", "Returned", "The", "return", "Computes", "Given", "`x`"])
def test_statements_are_not_imperative(word: str) -> None:
    assert not is_imperative(f"{word} it.")
