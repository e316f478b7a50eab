"""Read, validate and shape the data: JSONL rows become prompts and completions in chat form."""

import importlib.util
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from qloratory.errors import ConfigError, DataError

Row = dict[str, Any]
Message = dict[str, str]
FormattingFunc = Callable[[Row], Row]


def read_jsonl(path: Path) -> list[Row]:
    """All rows of a JSONL file, blank lines left out.

    Raises:
        DataError: The file is missing or empty, or a line is not a JSON object; with the file and the line.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); see data.* in the recipe") from None
    rows = [parse_line(line, f"{path}:{number}") for number, line in enumerate(lines, start=1) if line.strip()]
    if not rows:
        raise DataError(f"{path} holds no rows; it needs at least one JSON object a line")
    return rows


def parse_line(line: bytes, place: str) -> Row:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError:
        raise DataError(f"{place}: not UTF-8 text; save the file as UTF-8") from None
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataError(f"{place}: not JSON ({error})") from None
    if not isinstance(row, dict):
        raise DataError(f"{place}: a JSON object is needed, this is a {type(row).__name__}")
    return row


def default_formatting_func(row: Row) -> Row:
    """Take the prompt and the completion as they are; of `messages`, the last one is the completion."""
    if "messages" in row:
        return {"prompt": row["messages"][:-1], "completion": row["messages"][-1:]}
    return {"prompt": row["prompt"], "completion": row["completion"]}


def load_formatting_func(spec: str | None) -> FormattingFunc:
    """The function that `data.formatting_func` names as path/to/file.py:function.

    Raises:
        ConfigError: There is no such file or function, or the file fails when imported.
    """
    if spec is None:
        return default_formatting_func
    path, _, name = spec.rpartition(":")
    if not path or not Path(path).is_file():
        raise ConfigError(f"data.formatting_func must be path/to/file.py:function; there is no file {path or spec!r}")
    module_spec = importlib.util.spec_from_file_location("user_formatting", path)
    if module_spec is None or module_spec.loader is None:
        raise ConfigError(f"data.formatting_func: {path} is not a Python file")
    module = importlib.util.module_from_spec(module_spec)
    try:
        module_spec.loader.exec_module(module)
    except Exception as error:  # the user's own code: anything may come out of it
        raise ConfigError(f"data.formatting_func: importing {path} failed with {error!r}") from error
    function = getattr(module, name, None)
    if not callable(function):
        raise ConfigError(f"data.formatting_func: {path} defines no function {name!r}")
    return function


def format_rows(rows: list[Row], formatting_func: FormattingFunc, source: Path) -> list[Row]:
    """Turn rows into `{"prompt": [message, …], "completion": [message]}` with the user's function.

    Raises:
        DataError: The function fails on a row, or gives something else; with the file and the row.
    """
    return [format_row(row, formatting_func, f"{source}, row {number}") for number, row in enumerate(rows, start=1)]


def format_row(row: Row, formatting_func: FormattingFunc, place: str) -> Row:
    try:
        shaped = formatting_func(row)
    except KeyError as error:
        raise DataError(
            f"{place}: the field {error} is missing; a row has prompt and completion, or messages"
        ) from None
    except Exception as error:  # the user's own code: anything may come out of it
        raise DataError(f"{place}: formatting_func failed with {error!r}") from error
    if not isinstance(shaped, dict) or not {"prompt", "completion"} <= shaped.keys():
        raise DataError(
            f"{place}: formatting_func must return {{'prompt': …, 'completion': …}}, it returned "
            f"{type(shaped).__name__}; a single text cannot tell what to learn from what was asked"
        )
    prompt = as_messages(shaped["prompt"], "user", f"{place}: prompt")
    completion = as_messages(shaped["completion"], "assistant", f"{place}: completion")
    if [message["role"] for message in completion] != ["assistant"]:
        raise DataError(f"{place}: the completion must be one assistant message")
    return {"prompt": prompt, "completion": completion}


def as_messages(value: object, role: str, place: str) -> list[Message]:
    """A text becomes one message of `role`; a list of messages is checked and taken as it is."""
    messages = [{"role": role, "content": value}] if isinstance(value, str) else value
    if not isinstance(messages, list) or not messages:
        raise DataError(f"{place} must be a text or a list of messages, this is {value!r:.60}")
    for message in messages:
        valid = isinstance(message, dict) and isinstance(message.get("content"), str)
        if not valid or message.get("role") not in ("system", "user", "assistant"):
            raise DataError(f"{place}: a message needs a role (system, user or assistant) and a text as its content")
        if not message["content"].strip():
            raise DataError(f"{place} is empty")
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def prompts_of(rows: list[Row], formatting_func: FormattingFunc, source: Path) -> list[list[Message]]:
    """The prompts alone, for generation."""
    return [row["prompt"] for row in format_rows(rows, formatting_func, source)]
