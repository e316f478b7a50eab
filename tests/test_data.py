"""Broken data gets one sentence with file and line; formatting functions are held to their shape."""

from pathlib import Path
from typing import Any

import pytest

from qloratory.data import default_formatting_func, format_rows, load_formatting_func, read_jsonl
from qloratory.errors import ConfigError, DataError

FILE = Path("rows.jsonl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": 1}\n\n{"a": \n', r"rows\.jsonl:3: not JSON"),
        (b'{"a": 1}\n[1, 2]\n', r"rows\.jsonl:2: a JSON object is needed, this is a list"),
        (b'{"a": "\xff"}\n', r"rows\.jsonl:1: not UTF-8"),
        (b"", "holds no rows"),
        (b"\n  \n", "holds no rows"),
        (b"[" * 100_000, r"rows\.jsonl:1: not JSON"),
    ],
)
def test_broken_files_are_named_with_their_line(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_jsonl(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.jsonl cannot be read \(No such file"):
        read_jsonl(tmp_path / "nowhere.jsonl")


def test_both_usual_forms_become_prompt_and_completion() -> None:
    chat = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    rows: list[dict[str, Any]] = [{"prompt": "q", "completion": "a"}, {"messages": chat}]
    assert format_rows(rows, default_formatting_func, FILE) == [{"prompt": chat[:1], "completion": chat[1:]}] * 2


@pytest.mark.parametrize(
    ("shaped", "message"),
    [
        ("one text", "formatting_func must return .*it returned str"),
        ({"text": "q a"}, "formatting_func must return"),
        ({"prompt": "q", "completion": ""}, "row 1: completion is empty"),
        ({"prompt": "  \n", "completion": "a"}, "row 1: prompt is empty"),
        ({"prompt": "q", "completion": None}, "row 1: completion must be a text or a list"),
        ({"prompt": [{"role": "robot", "content": "q"}], "completion": "a"}, "row 1: prompt: a message needs a role"),
        ({"prompt": [{"role": "user"}], "completion": "a"}, "row 1: prompt: a message needs a role"),
        ({"prompt": "q", "completion": [{"role": "user", "content": "a"}]}, "must be one assistant message"),
    ],
)
def test_a_formatting_func_that_gives_something_else_is_refused(shaped: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        format_rows([{}], lambda _: shaped, FILE)


def test_a_missing_field_is_named() -> None:
    with pytest.raises(DataError, match=r"rows.jsonl, row 2: the field 'completion' is missing"):
        format_rows([{"prompt": "q", "completion": "a"}, {"prompt": "q"}], default_formatting_func, FILE)


def test_a_formatting_func_of_the_users_own_file_is_used(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def shape(row):\n    return {'prompt': row['q'], 'completion': row['a']}\n")
    rows = format_rows([{"q": "Hi", "a": "Ho"}], load_formatting_func(f"{file}:shape"), FILE)
    assert rows[0]["completion"] == [{"role": "assistant", "content": "Ho"}]


@pytest.mark.parametrize(("content", "name", "message"), [
    ("x = 1", "shape", "defines no function 'shape'"),
    ("import nothing_like_this", "shape", "importing .* failed"),
    (None, "shape", "there is no file"),
])  # fmt: skip
def test_a_formatting_func_that_cannot_be_had_is_refused(
    content: str | None, name: str, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "mine.py"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=message):
        load_formatting_func(f"{file}:{name}")


def test_a_formatting_func_in_a_file_that_is_no_python_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("def shape(row): return row")
    with pytest.raises(ConfigError, match="mine.txt is not a Python file"):
        load_formatting_func(f"{tmp_path / 'mine.txt'}:shape")


def test_a_formatting_func_that_fails_is_named_with_its_row() -> None:
    def divide(row: dict[str, Any]) -> dict[str, Any]:
        return {"prompt": str(1 / row["n"]), "completion": "a"}

    with pytest.raises(DataError, match=r"rows.jsonl, row 2: formatting_func failed with ZeroDivisionError"):
        format_rows([{"n": 1}, {"n": 0}], divide, FILE)
