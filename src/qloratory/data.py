"""Read, validate and shape the data: JSONL rows become prompts and completions in chat form."""

import codecs
import errno
import importlib.util
import json
import math
import os
import re
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from qloratory.errors import ConfigError, DataError

Row = dict[str, Any]
Message = dict[str, str]
FormattingFunc = Callable[[Row], Row]

MAX_LINE_BYTES = 2**20  # a row that fits in any max_length is far shorter
MAX_DEPTH = 32
BROKEN_CHARACTERS = re.compile("[\0\ud800-\udfff]")


def read_jsonl(path: Path) -> list[Row]:
    """All rows of a JSONL file, blank lines left out.

    Raises:
        DataError: The file is missing or empty, or a line is not a JSON object; with the file and the line.
    """
    rows = []
    for number, line in read_lines(path):
        try:
            rows.append(parse_object(line))
        except DataError as error:
            raise DataError(f"{path}:{number}: {error}") from None
    if not rows:
        raise DataError(f"{path} holds no rows; it needs at least one JSON object a line")
    return rows


def read_lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The lines that are not blank, with their numbers, one at a time: a file of any size takes no more memory.

    Of a line longer than MAX_LINE_BYTES come its first MAX_LINE_BYTES + 1 bytes, so that it can be told. A UTF-8
    byte-order mark before the first line is left out.

    Raises:
        DataError: It cannot be read, is no regular file, or begins with another encoding's byte-order mark.
    """
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            for number, line in enumerate(iter(lambda: read_line(file), b""), start=1):
                if number == 1 and line.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                    raise DataError(f"{path} is UTF-16 or UTF-32 text by its byte-order mark; save the file as UTF-8")
                line = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
                if line.strip():
                    yield number, line
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); see data.* in the recipe") from None
    except ValueError:  # what open says of a name with a NUL in it
        raise DataError(f"{str(path)!r} cannot be the name of a file; see data.* in the recipe") from None


def open_regular(path: Path) -> int:
    """Open a regular file. A pipe or a device may never end, and could be neither read twice nor hashed."""
    descriptor = os.open(
        path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
    )  # else opening a pipe would wait for its writer
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "not a regular file")


def read_line(file: BinaryIO) -> bytes:
    """The next line, cut one byte after the longest that is allowed; b"" at the end of the file."""
    line = rest = file.readline(MAX_LINE_BYTES + 1)
    while rest and not rest.endswith(b"\n"):
        rest = file.readline(MAX_LINE_BYTES)
    return line


def parse_object(line: bytes) -> Row:
    """The JSON object that a line holds.

    Raises:
        DataError: It holds none; with the reason, but without the place, which the caller knows.
    """
    if len(line) > MAX_LINE_BYTES:
        raise DataError(f"longer than {MAX_LINE_BYTES:,} bytes, the most that a row may have")
    try:
        row = json.loads(line.decode("utf-8"), object_pairs_hook=unique_keys)
    except UnicodeDecodeError as error:
        byte = line[error.start]
        raise DataError(f"not UTF-8 text at byte {error.start + 1} (0x{byte:02x}); save the file as UTF-8") from None
    except RecursionError:
        raise DataError("not JSON that can be read: it is nested too deeply") from None
    except ValueError as error:  # JSONDecodeError, and what int() says of thousands of digits
        raise DataError(f"not JSON ({error})") from None
    if not isinstance(row, dict):
        raise DataError(f"a JSON object is needed, this is a {type(row).__name__}")
    return row


def unique_keys(pairs: list[tuple[str, Any]]) -> Row:
    """A JSON object as a dict. json.loads would let the last of several equal keys win, without a word."""
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise DataError(f"the key {next(name for name in names if names.count(name) > 1)!r:.60} stands twice in it")
    return row


def check_values(row: Row) -> None:
    """Refuse what would break later on: deep nesting, numbers that are none, texts that cannot be written.

    Raises:
        DataError: With the reason.
    """
    level: list[Any] = [row]
    for _ in range(MAX_DEPTH):  # a level at a time, without recursion
        for value in level:
            if isinstance(value, str):
                check_text(value)
            elif isinstance(value, float) and not math.isfinite(value):
                raise DataError(f"the number {value} is none in JSON, or is too large")
        level = [
            inner
            for value in level
            if isinstance(value, dict | list)
            for inner in ([*value.keys(), *value.values()] if isinstance(value, dict) else value)
        ]
        if not level:
            return
    raise DataError(f"nested more than {MAX_DEPTH} deep")


def check_text(text: str) -> None:
    """Refuse a NUL and half a surrogate pair, with their place; no tokenizer or file can take the latter."""
    found = BROKEN_CHARACTERS.search(text)
    if found:
        name = "a NUL" if found[0] == "\0" else f"half a surrogate pair (\\u{ord(found[0]):04x})"
        raise DataError(f"{name} stands in a text, at character {found.start() + 1}")


def default_formatting_func(row: Row) -> Row:
    """Take the prompt and the completion as they are; of `messages`, the last one is the completion."""
    if "messages" not in row:
        return {"prompt": row["prompt"], "completion": row["completion"]}
    messages = row["messages"]
    if not isinstance(messages, list) or len(messages) < 2:
        raise DataError(f"messages must be a list of two or more, this is {messages!r:.60}")
    return {"prompt": messages[:-1], "completion": messages[-1:]}


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
    shaped = []
    for number, row in enumerate(rows, start=1):
        try:
            shaped.append(format_row(row, formatting_func))
        except DataError as error:
            raise DataError(f"{source}, row {number}: {error}") from error.__cause__
    return shaped


def format_row(row: Row, formatting_func: FormattingFunc) -> Row:
    """One row in chat form: an optional system message, users and assistants in turns, one assistant's completion.

    Raises:
        DataError: With the reason, but without the place, which the caller knows.
    """
    try:
        shaped = formatting_func(row)
    except DataError:
        raise
    except KeyError as error:
        raise DataError(f"the field {error} is missing; a row has prompt and completion, or messages") from None
    except Exception as error:  # the user's own code: anything may come out of it
        raise DataError(f"formatting_func failed with {error!r}") from error
    if not isinstance(shaped, dict) or not {"prompt", "completion"} <= shaped.keys():
        raise DataError(
            f"formatting_func must return {{'prompt': …, 'completion': …}}, it returned "
            f"{type(shaped).__name__}; a single text cannot tell what to learn from what was asked"
        )
    prompt = as_messages(shaped["prompt"], "user", "prompt")
    completion = as_messages(shaped["completion"], "assistant", "completion")
    if [message["role"] for message in completion] != ["assistant"]:
        raise DataError("the completion must be one assistant message")
    check_order([message["role"] for message in prompt])
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
        check_text(message["content"])  # a formatting_func may have put something in
    return [{"role": message["role"], "content": message["content"]} for message in messages]


def check_order(roles: list[str]) -> None:
    """A prompt has at most one system message, in front; then users and assistants in turns, a user last."""
    turns = roles[1:] if roles[0] == "system" else roles
    if len(turns) % 2 == 0 or turns != ["user", "assistant"] * (len(turns) // 2) + ["user"]:
        shown = ", ".join(roles[:6]) + (", …" if len(roles) > 6 else "")
        raise DataError(f"prompt: system first if at all, then user and assistant in turns, user last; it has {shown}")


def prompts_of(rows: list[Row], formatting_func: FormattingFunc, source: Path) -> list[list[Message]]:
    """The prompts alone, for generation."""
    return [row["prompt"] for row in format_rows(rows, formatting_func, source)]
