"""Tests see an answer's values as if it ran beside them, though it runs elsewhere."""

import contextlib
import io
import os

import pytest

from qloratory.sandbox import run_tests
from qloratory.trial import Answer, judge, serve_answer

POINT = """
from dataclasses import dataclass

@dataclass(order=True, frozen=True)
class Point:
    x: int
    def __add__(self, other): return Point(self.x + other.x)
    def __rmul__(self, factor): return Point(factor * self.x)
    def __getitem__(self, index): return self.x
    def __enter__(self): return self
    def __exit__(self, *error): return False
class Bad(ValueError): pass
def f(x):
    if x < 0: raise Bad("negative", x)
    return Point(x)
"""
TREE = """
class Node:
    def __init__(self, value): self.value, self.parts = value, []
    def add(self, part): self.parts.append(part)
    def __len__(self): return len(self.parts)
    def __iter__(self): return iter(self.parts)
    def __contains__(self, value): return value in self.parts
    def __str__(self): return f"node {self.value}"
    def __format__(self, how): return how
class Stack(list):
    def push(self, value): self.append(value)
"""
CASES = {
    "arguments changed in place": (
        "def f(x):\n    x.append([1])\n    x[0]['k'] = 2\n    return x",
        "a = [{}]",
        "inner = a[0]",
        "assert f(a) is a",
        "assert a == [{'k': 2}, [1]]",
        "assert inner == {'k': 2}",
    ),
    "sets and bytes changed in place": (
        "def f(s, b, d):\n    s.add(1)\n    b += b'x'\n    d.clear()",
        "s, b, d = set(), bytearray(), {1: 2}",
        "f(s, b, d)",
        "assert (s, b, d) == ({1}, b'x', {})",
    ),
    "keywords and defaults": (
        "def f(a, *b, c=3, **d): return a, b, c, d",
        "assert f(1, 2, c=4, e=5) == (1, (2,), 4, {'e': 5})",
    ),
    "functions given": (
        "def f(g, items): return [g(item) for item in items]",
        "assert f(lambda x: x * 2, [1, 2]) == [2, 4]",
        "import math",
        "assert f(math.sqrt, [4]) == [2.0]",
        "assert f(str, [1]) == ['1']",
    ),
    "functions given that fail": (
        "def f(g):\n    try: g()\n    except KeyError as error: return error.args",
        "def g(): raise KeyError('k')",
        "assert f(g) == ('k',)",
    ),
    "functions given that call back": (
        "def f(n, g): return n if n == 0 else g(n)",
        "g = lambda n: 1 + f(n - 1, g)",
        "assert f(3, g) == 3",
    ),
    "iterators given": (
        "def f(items): return sum(items)",
        "assert f(iter([1, 2])) == 3",
        "assert f(x for x in (4, 5)) == 9",
    ),
    "functions returned": (
        "def f(n):\n    def add(x): return x + n\n    return add",
        "assert f(2)(3) == 5",
        "assert callable(f(2))",
        "assert f(1).__name__ == 'add'",
    ),
    "generators returned": (
        "def f(n):\n    i = 0\n    while True:\n        yield i\n        i += n",
        "import itertools",
        "assert list(itertools.islice(f(2), 3)) == [0, 2, 4]",
        "g = f(1)",
        "assert next(g) == 0 and next(g) == 1",
    ),
    "coroutines": (
        "import asyncio\nasync def f(x):\n    await asyncio.sleep(0)\n    return x + 1",
        "import asyncio",
        "assert asyncio.run(f(1)) == 2",
    ),
    "printing": (
        "def f(x): print('seen', x)",
        "import io, contextlib",
        "out = io.StringIO()",
        "with contextlib.redirect_stdout(out):\n    f(1)\n    f(2)",
        "assert out.getvalue() == 'seen 1\\nseen 2\\n'",
    ),
    "dataclasses": (
        POINT,
        "assert f(1) == Point(1) != f(2)",
        "assert f(1) < f(2) and not f(1) > f(2)",
        "assert f(1) + f(2) == Point(3)",
        "assert 2 * f(2) == f(4)",
        "assert f(5).x == 5 and f(5)[0] == 5",
        "assert isinstance(f(1), Point)",
        "assert not isinstance(1, Point)",
        "assert len({f(1), Point(1)}) == 1",
        "assert repr(f(1)) == 'Point(x=1)'",
        "assert f(1) != 1 and f(1) != (1,)",
        "assert [f(1)] == [Point(1)]",
        "with f(3) as p:\n    assert p.x == 3",
        "assert sorted([f(2), f(1)])[0] == f(1)",
        "assert not hasattr(f(1), 'y')",
        "assert p is not f(3)",
    ),
    "errors of its own": (
        POINT,
        "try:\n    f(-1)\nexcept Bad as error:\n    assert error.args == ('negative', -1)\nelse:\n    assert False",
        "try:\n    f(-1)\nexcept ValueError as error:\n    assert 'negative' in str(error)\nelse:\n    assert False",
    ),
    "errors of the library": (
        "import json\ndef f(x): return json.loads(x)",
        "import json",
        "try:\n    f('{')\nexcept json.JSONDecodeError:\n    pass\nelse:\n    assert False",
    ),
    "classes": (
        TREE,
        "n = Node(3)",
        "assert n.value == 3 and len(n) == 0 and not n",
        "n.add(4)",
        "n.value = 9",
        "assert list(n) == [4] and 4 in n and n.value == 9",
        "assert str(n) == 'node 9' and f'{n:x}' == 'x'",
    ),
    "lists that do more": (
        TREE,
        "s = Stack()",
        "s.push(1)",
        "s.push(2)",
        "assert s == [1, 2] and s[0] == 1 and s != [1]",
        "assert s.pop() == 2",
    ),
    "named tuples and enums": (
        "from collections import namedtuple\nfrom enum import Enum, IntEnum\nP = namedtuple('P', 'x y')\n"
        "class C(Enum): RED = 1\nclass I(IntEnum): A = 4\ndef f(): return P(1, 2)",
        "assert f() == (1, 2) and f().y == 2 and isinstance(f(), tuple) and isinstance(f(), P)",
        "assert C.RED is C.RED and C.RED.value == 1 and C(1) == C.RED",
        "assert I.A == 4 and I.A + 1 == 5 and I.A.name == 'A'",
        "x, y = f()",
        "assert f()._replace(x=5) == (5, 2)",
    ),
    "mappings": (
        "from collections import Counter, defaultdict\nd = defaultdict(list, a=[1])\ndef f(x): return Counter(x)",
        "assert f('aab') == {'a': 2, 'b': 1} and f('aab').most_common(1) == [('a', 2)]",
        "assert d == {'a': [1]} and dict(d) == {'a': [1]}",
    ),
    "helpers and constants": (
        "LIMIT = [1]\ndef helper(): return 2\ndef f(): return helper()",
        "assert helper() == 2 and LIMIT == [1]",
    ),
    "a program of its own": (
        "def f(): return __name__\nif __name__ == '__main__': ran = True",
        "assert ran and f() == '__main__'",
    ),
    "big and odd numbers": (
        "def f(x): return x",
        "assert f(10**5000) == 10**5000",
        "assert f(float('nan')) != f(float('nan'))",
        "assert f(-0.0) == 0",
    ),
    "deep and long values": (
        "def f(n):\n    x = []\n    for _ in range(n): x = [x]\n    return x\ndef g(n): return list(range(n))",
        "assert f(50) == eval('[' * 51 + ']' * 51)",
        "assert g(100_000)[-1] == 99_999",
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_values_are_as_if_they_were_here(case: tuple[str, ...]) -> None:
    code, *tests = case
    verdict = run_tests(code, [*tests, "raise RuntimeError('reached')"], "f", 10, 512)
    assert verdict.reason == "RuntimeError: reached"
    assert judge_without_sandbox(code, [*tests, "raise RuntimeError('reached')"]) == verdict.reason


@pytest.mark.parametrize(
    ("test", "reason"),
    [
        ("f(object())", "TypeError: a test cannot give the answer a object"),
        ("f(", "SyntaxError: '(' was never closed (<tests>, line 1)"),
        ("f(1).missing", "AttributeError: 'int' object has no attribute 'missing'"),
        ("raise SystemExit(3)", "ended early with status 3"),
    ],
)
def test_tests_that_cannot_be_run_say_why(test: str, reason: str) -> None:
    assert run_tests("def f(x): return x", [test], "f", 10, 256).reason == reason
    assert judge_without_sandbox("def f(x): return x", [test]) == reason


def judge_without_sandbox(code: str, tests: list[str]) -> str:
    """The verdict's reason, from the same two processes with nothing around them: isolation must not change it."""
    (answer_reads, judge_writes), (judge_reads, answer_writes) = os.pipe(), os.pipe()
    process = os.fork()
    if process == 0:
        with contextlib.suppress(BaseException):
            os.close(judge_writes)  # so that it sees the judge go
            serve_answer(answer_reads, answer_writes)
        os._exit(0)
    os.close(answer_writes)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            request = {"code": code, "tests": tests, "entry_point": "f"}
            return judge(request, Answer(judge_reads, judge_writes, process))["reason"]
    finally:
        for end in (answer_reads, judge_reads, judge_writes):
            os.close(end)
        with contextlib.suppress(ChildProcessError):  # who is told that the answer ended early has waited for it
            os.waitpid(process, 0)
