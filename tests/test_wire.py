"""Plain data crosses as what it is; what is no plain data never becomes anything else."""

import collections
import datetime
import decimal
import fractions
import json
import math
import os
import pathlib
import random
import uuid
from typing import Any

import pytest

from qloratory.wire import BrokenError, Packer, Unpacker, receive, send


def refuse(*_: Any) -> Any:
    raise TypeError("no plain data")


def crossed(value: Any) -> Any:
    packer = Packer(refuse)
    packer.add(value)
    return Unpacker(json.loads(json.dumps(packer.nodes)), refuse).get(0)


VALUES = [
    None, True, 0, -(2**70), 10**5000, 1.5, -0.0, math.inf, 5e-324, 1 + 2j, "", "ä\ud800\0", b"\0\xff", bytearray(b"x"),
    [1, [2]], (), (1, (2,)), {1, "a"}, frozenset([(1, 2)]), {(1,): {"a": None}}, range(1, 9, 2), int, ValueError,
    decimal.Decimal("0.10"), fractions.Fraction(1, 3), datetime.date(2020, 2, 29), datetime.timedelta(1, 2, 3),
    datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), datetime.time(1, 2, 3, 4), uuid.UUID(int=5),
    pathlib.PurePosixPath("/a"), pathlib.Path("b"), collections.Counter("aab"), collections.deque([1], 3),
    collections.OrderedDict(b=1, a=2),
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES, ids=lambda value: type(value).__name__)
def test_plain_data_crosses_as_what_it_is(value: Any) -> None:
    back = crossed(value)
    assert back == value
    assert type(back) is type(value)
    assert isinstance(value, int) or repr(back) == repr(value)  # the text of a long integer is refused


def test_not_a_number_and_minus_zero_survive() -> None:
    assert math.isnan(crossed(math.nan))
    assert math.copysign(1, crossed(-0.0)) == -1


def test_shared_and_cyclic_structures_stay_what_they_are() -> None:
    part: list[Any] = [1]
    first, second = crossed([part, part])
    assert first is second
    part.append(part)
    back = crossed(part)
    assert back[1] is back


@pytest.mark.parametrize(
    "nodes",
    [
        [], [["list", [7]]], [["list", [[]]]], ["x"], [3], [["as is", 3]], [["as is", [1]]], [["int", "zz"]], [["int"]],
        [["made", "os", "system", 1], ["as is", "true"]], [["made", "collections", "deque", 1], ["as is", True]],
        [["builtin", "exec"]], [["builtin", "print"]], [["builtin", "__import__"]], [["builtin", 3]], [["known", 5]],
        [["iso", "os", "system", "true"]], [["dict", [[1, 1]]], ["list", []]], [["float", {}]], [["range", [0]]],
        [["tuple", [0]]], [["set", [1]], ["dict", []]], [["object", 1]], [["__class__", 1]], [["bytes", "é"]], {"a": 1},
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_plain_data_is_refused(nodes: Any) -> None:
    with pytest.raises((TypeError, ValueError, LookupError, AttributeError, RecursionError)):
        Unpacker(nodes, refuse).get(0)


def test_random_nodes_become_plain_data_or_are_refused() -> None:
    """30,000 messages of tags and parts drawn at random."""
    draw = random.Random(0)
    tags = ["as is", "known", "list", "dict", "set", "bytearray", "tuple", "frozenset", "int", "float", "complex",
            "bytes", "range", "builtin", "iso", "made", "object", "", None]  # fmt: skip
    parts: list[Any] = [
        0,
        1,
        2,
        -1,
        "0x1",
        "1",
        "int",
        "exec",
        "os",
        "collections",
        "deque",
        [0],
        [1, 2],
        [[1, 2]],
        {},
        None,
    ]
    plain = {
        type(None), bool, int, float, complex, str, bytes, bytearray, list, dict, set, tuple, frozenset, range, type,
        collections.deque,
    }  # fmt: skip
    made = 0
    for _ in range(30_000):
        nodes = [[draw.choice(tags), *draw.choices(parts, k=draw.randrange(4))] for _ in range(3)]
        try:
            value = Unpacker(nodes, refuse).get(0)
        except (TypeError, ValueError, LookupError, AttributeError, RecursionError):
            continue
        made += 1
        assert type(value) in plain, nodes
    assert made > 500


def test_messages_are_bounded_and_whole() -> None:
    read_end, write_end = os.pipe()
    send(write_end, {"nodes": [["as is", "x"]]})
    assert receive(read_end) == {"nodes": [["as is", "x"]]}
    for data in (b"\xff\xff\xff\xff", b"\x02\0\0\0[]", b"\x01\0\0\0{", b"\x02\0\0\0\xff\xff"):
        os.write(write_end, data)
        with pytest.raises(BrokenError):
            receive(read_end)
    deep = b"[" * 50_000
    os.write(write_end, len(deep).to_bytes(4, "little") + deep)
    with pytest.raises(BrokenError, match="no message"):
        receive(read_end)
    os.close(write_end)
    with pytest.raises(BrokenError, match="ended early"):
        receive(read_end)
    os.close(read_end)
