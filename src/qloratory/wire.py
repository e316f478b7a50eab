"""Values between the process that runs an answer and the process that judges it.

Plain data crosses as a copy: numbers, text, bytes, containers, some of the standard library's types. All else stays
where it is, and the other side holds a number for it. The judge rebuilds values out of JSON and a fixed list of
constructors, so that nothing the answer sends can be more than data: no pickle, no class of the answer's own.

A message is a list of nodes; node 0 is the value, and containers name their parts by number, so that shared and
cyclic structures stay what they are.
"""

import builtins
import importlib
import json
import os
import struct
from collections.abc import Callable
from typing import Any

MAX_MESSAGE_BYTES = 16 * 2**20
CONTAINERS = (list, dict, set, bytearray)
BASES: tuple[type[Any], ...] = (int, float, complex, str, bytes, tuple, frozenset, list, dict, set, bytearray)
PLAIN_TYPES = ("bool", "bytearray", "bytes", "complex", "dict", "float", "frozenset", "int", "list", "object", "range",
               "set", "str", "tuple")  # fmt: skip
# Types of the standard library that cross as what their constructor is given.
MADE: dict[tuple[str, str], Callable[[Any], tuple]] = {
    ("decimal", "Decimal"): lambda value: (str(value),),
    ("fractions", "Fraction"): lambda value: (value.numerator, value.denominator),
    ("datetime", "date"): lambda value: (value.year, value.month, value.day),
    ("datetime", "timedelta"): lambda value: (value.days, value.seconds, value.microseconds),
    ("uuid", "UUID"): lambda value: (str(value),),
    ("pathlib", "PosixPath"): lambda value: (str(value),),
    ("pathlib", "PurePosixPath"): lambda value: (str(value),),
    ("collections", "Counter"): lambda value: (dict(value),),
    ("collections", "OrderedDict"): lambda value: (list(value.items()),),
    ("collections", "deque"): lambda value: (list(value), value.maxlen),
}
FROM_ISO = {("datetime", "datetime"), ("datetime", "time")}  # these cross as text


class BrokenError(BaseException):
    """The other side is gone, or what it sent is no message. No `except Exception` of a test may hide that."""


def send(descriptor: int, message: dict[str, Any]) -> None:
    data = json.dumps(message).encode("ascii")
    data = struct.pack("<I", len(data)) + data
    while data:
        try:
            data = data[os.write(descriptor, data) :]
        except BrokenPipeError:
            raise BrokenError("ended early") from None


def receive(descriptor: int) -> dict[str, Any]:
    (size,) = struct.unpack("<I", read_bytes(descriptor, 4))
    if size > MAX_MESSAGE_BYTES:
        raise BrokenError(f"gave a value of more than {MAX_MESSAGE_BYTES // 2**20} MiB")
    try:
        message = json.loads(read_bytes(descriptor, size))
    except (ValueError, RecursionError):
        message = None
    if not isinstance(message, dict):
        raise BrokenError("sent what is no message")
    return message


def read_bytes(descriptor: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.read(descriptor, min(size, 2**16))
        if not part:
            raise BrokenError("ended early")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class Packer:
    """One message being written.

    Args:
        describe_other: Gives the node of a value that is no plain data, or raises TypeError.
        known: Values that came in the message that this one answers -> their node there.
    """

    def __init__(self, describe_other: "Callable[[Packer, Any], list]", known: dict[int, Any] | None = None) -> None:
        self.describe_other = describe_other
        self.nodes: list[Any] = []
        self.values: list[Any] = []  # kept, so that no id is used twice
        self.numbers: dict[int, int] = {}
        self.known = {id(value): number for number, value in (known or {}).items()}

    def add(self, value: Any) -> int:
        """The number of the value's node."""
        if id(value) not in self.numbers:
            self.numbers[id(value)] = number = len(self.nodes)
            self.nodes.append(None)
            self.values.append(value)
            old = self.known.get(id(value))
            self.nodes[number] = self.describe(value) if old is None else ["known", old]
        return self.numbers[id(value)]

    def describe(self, value: Any) -> list:
        kind = type(value)
        if value is None or kind in (bool, str):
            return ["as is", value]
        if kind is int:
            return ["int", hex(value)]
        if kind is float:
            return ["float", value.hex()]
        if kind is complex:
            return ["complex", value.real.hex(), value.imag.hex()]
        if kind in (bytes, bytearray):
            return [kind.__name__, value.hex()]
        if kind in (list, tuple, set, frozenset):
            return [kind.__name__, [self.add(part) for part in value]]
        if kind is dict:
            return ["dict", [[self.add(key), self.add(part)] for key, part in value.items()]]
        if kind is range:
            return ["range", [self.add(part) for part in (value.start, value.stop, value.step)]]
        return self.describe_instance(value, (kind.__module__, kind.__qualname__))

    def describe_instance(self, value: Any, name: tuple[str, str]) -> list:
        if name in FROM_ISO:
            return ["iso", *name, value.isoformat()]
        if name in MADE:
            return ["made", *name, self.add(MADE[name](value))]
        if is_builtin(value):
            return ["builtin", value.__name__]
        return self.describe_other(self, value)


def is_builtin(value: Any) -> bool:
    """Whether it is an exception class or a plain type of the language itself."""
    if not isinstance(value, type):
        return False
    of_the_language: bool = getattr(builtins, value.__name__, None) is value
    return of_the_language and (issubclass(value, BaseException) or value.__name__ in PLAIN_TYPES)


class Unpacker:
    """One message being read.

    Args:
        nodes: The message's.
        make_other: Turns a node that is no plain data into a value, or raises TypeError.
        known: Number -> value of the message that this one answers.
    """

    def __init__(
        self,
        nodes: list[Any],
        make_other: "Callable[[Unpacker, list], Any]",
        known: dict[int, Any] | None = None,
    ) -> None:
        self.nodes = nodes
        self.make_other = make_other
        self.known = known or {}
        self.values: dict[int, Any] = {}

    def get(self, number: int) -> Any:
        if number not in self.values:
            self.values[number] = self.make(number, self.nodes[number])
        return self.values[number]

    def make(self, number: int, node: list) -> Any:
        tag, *parts = node
        if tag == "as is":
            (value,) = parts
            if value is not None and type(value) not in (bool, str):
                raise TypeError("no plain value")
            return value
        if tag == "known":
            return self.known[parts[0]]
        if tag in ("list", "dict", "set", "bytearray"):
            empty = self.values[number] = getattr(builtins, tag)()  # first, since it may contain itself
            self.fill(empty, node)
            return empty
        if tag in ("tuple", "frozenset"):
            return getattr(builtins, tag)(self.get(part) for part in parts[0])
        return self.make_scalar(tag, parts) if tag in SCALARS else self.make_instance(tag, node)

    def fill(self, container: Any, node: list) -> None:
        """Give the container what the node describes, in place of what it holds."""
        tag, parts = node
        if type(container).__name__ != tag:
            raise TypeError("no node of this container")
        if tag == "bytearray":
            container[:] = bytes.fromhex(parts)
        elif tag == "list":
            container[:] = [self.get(part) for part in parts]
        elif tag == "set":
            values = [self.get(part) for part in parts]
            container.clear()
            container.update(values)
        else:
            items = [(self.get(key), self.get(part)) for key, part in parts]
            container.clear()
            container.update(items)

    def make_scalar(self, tag: str, parts: list) -> Any:
        if tag == "int":
            return int(parts[0], 16)
        if tag == "float":
            return float.fromhex(parts[0])
        if tag == "complex":
            return complex(float.fromhex(parts[0]), float.fromhex(parts[1]))
        if tag == "bytes":
            return bytes.fromhex(parts[0])
        return range(*[self.get(part) for part in parts[0]])

    def make_instance(self, tag: str, node: list) -> Any:
        if tag == "builtin":
            value = getattr(builtins, node[1])
            if is_builtin(value):
                return value
        name = tuple(node[1:3])
        if tag == "iso" and name in FROM_ISO:
            return getattr(importlib.import_module(name[0]), name[1]).fromisoformat(node[3])
        if tag == "made" and name in MADE:
            return getattr(importlib.import_module(name[0]), name[1])(*self.get(node[3]))
        return self.make_other(self, node)


SCALARS = ("int", "float", "complex", "bytes", "range")
