"""Tests see an answer's values as if it ran beside them, though it runs elsewhere.

Each verdict is made twice: in the sandbox, and by the same two processes with nothing around them.
"""

import contextlib
import io
import json
import os
from typing import Any

import pytest

from qloratory.sandbox import Verdict, run_tests
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


ENDS = {
    "nothing defined": ("", "f(1)", "NameError: name 'f' is not defined"),
    "code that cannot be read": ("def f(", "f(1)", "SyntaxError: '(' was never closed (<answer>, line 1)"),
    "an exit": ("def f(x): raise SystemExit(3)", "f(1)", "ended early with status 3"),
    "an exit with words": ("def f(x): raise SystemExit('no')", "f(1)", "SystemExit: no"),
    "an exit at once": ("import os\ndef f(x): os._exit(7)", "f(1)", "ended early with status 7"),
    "an exit while loading": ("import os\nos._exit(0)", "f(1)", "ended early with status 0"),
    "a signal": (
        "import ctypes, faulthandler\nfaulthandler.disable()\ndef f(x): ctypes.string_at(0)",
        "f(1)",
        "ended early with status -11",
    ),
    "too much output": ("def f(x): print('x' * 2**21)", "f(1)", "OSError: printed more than 1 MiB"),
    "a value too large": ("def f(x): return 'x' * 2**24", "f(1)", "gave a value of more than 16 MiB"),
    "an object without a text": (
        "class E(Exception):\n    def __str__(self): return 3\ndef f(x): raise E()",
        "f(1)",
        "E",
    ),
    "an exception of the language": ("def f(x): return {}[x]", "f('k')", "KeyError: 'k'"),
    "an exception that takes other arguments": (
        "def f(x): b'\\xff'.decode()",
        "f(1)",
        "UnicodeDecodeError: 'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
    ),
    "a number too long to be written": ("def f(x): raise ValueError(10**5000)", "f(1)", "ValueError"),
    "an object that no test can give": (
        "def f(x): return x",
        "f(object())",
        "TypeError: a test cannot give the answer a object",
    ),
    "a test that cannot be read": ("def f(x): return x", "f(", "SyntaxError: '(' was never closed (<tests>, line 1)"),
    "an attribute that is missing": (
        "def f(x): return x",
        "f(1).missing",
        "AttributeError: 'int' object has no attribute 'missing'",
    ),
    "a test that ends itself": ("def f(x): return x", "raise SystemExit(3)", "ended early with status 3"),
    "an iterator that a test gives and that fails": (
        "def f(x): return list(x)",
        "f(1 // x for x in (1, 0))",
        "ZeroDivisionError: integer division or modulo by zero",
    ),
}
# What an answer's process could send in place of a reply: only the judge's own rules stand between it and the tests.
PASS = ["as is", "return"]
NO_MESSAGES: dict[str, Any] = {
    "no nodes": {"reply": True},
    "an empty reply": {"reply": True, "nodes": [], "after": {}, "printed": ""},
    "no request": {"nodes": []},
    "a function that was never given": {"nodes": [["tuple", [1, 2, 3]], ["int", "0x7"], ["tuple", []], ["dict", []]]},
    "no outcome": {"reply": True, "nodes": [["int", "0x1"]], "after": {}, "printed": ""},
    "a change of what is no container": {"reply": True, "nodes": [["as is", "x"]], "after": {"99": 0}, "printed": ""},
    "an object without a number": [PASS, ["object", "x"]],
    "an object of an unknown kind": [PASS, ["other", 1]],
    "a plain value that is none": [PASS, ["extended", 1, 4], ["tuple", []], ["list", []]],
    "an exception that is none": [["as is", "raise"], ["int", "0x1"]],
    "an exception class that is none": [["as is", "raise"], ["error", 1, "m", "E", "int"]],
    "an exception class of no known base": [["as is", "raise"], ["error", 1, "m", "E", "nothing"]],
    "a list in place of a namespace": [PASS, ["list", []]],
}


def judge_without_sandbox(code: str, tests: list[str]) -> Verdict:
    """The verdict of the same two processes with nothing around them: isolation must not change it."""
    (answer_reads, judge_writes), (judge_reads, answer_writes) = os.pipe(), os.pipe()
    process = os.fork()
    if process == 0:
        with contextlib.suppress(BaseException):
            os.close(judge_writes)  # so that it sees the judge go, when it reads and when it writes
            os.close(judge_reads)
            serve_answer(answer_reads, answer_writes)
        os._exit(0)
    os.close(answer_writes)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            request = {"code": code, "tests": tests, "entry_point": "f"}
            return Verdict(**judge(request, Answer(judge_reads, judge_writes, process)))
    finally:
        for end in (answer_reads, judge_reads, judge_writes):
            os.close(end)
        with contextlib.suppress(ChildProcessError):  # who is told that the answer ended early has waited for it
            os.waitpid(process, 0)


@pytest.mark.promise("Isolation changes no verdict: without the sandbox, the same code and tests are judged the same.")
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_values_are_as_if_they_were_here(case: tuple[str, ...]) -> None:
    code, *tests = case
    tests.append("raise RuntimeError('reached')")
    verdict = run_tests(code, tests, "f", 10, 512)
    assert verdict == Verdict(passed=False, reason="RuntimeError: reached")
    assert judge_without_sandbox(code, tests) == verdict


@pytest.mark.parametrize(("code", "test", "reason"), ENDS.values(), ids=ENDS)
def test_what_ends_the_tests_is_the_reason(code: str, test: str, reason: str) -> None:
    verdict = run_tests(code, [test], "f", 10, 512)
    assert verdict == Verdict(passed=False, reason=reason)
    assert judge_without_sandbox(code, [test]) == verdict


@pytest.mark.parametrize(
    ("code", "passed"),
    [
        ("def f(x): return x", True),
        ("def other(x): return x", True),
        ("def a(x): return x\ndef b(x): return x", False),
        ("def f(x): return 0", False),
    ],
)
def test_whether_it_passes_is_the_same_without_a_sandbox(code: str, passed: bool) -> None:
    verdict = run_tests(code, ["assert f(1) == 1"], "f", 10, 512)
    assert verdict.passed is passed
    assert judge_without_sandbox(code, ["assert f(1) == 1"]) == verdict


def message_bytes(content: Any) -> bytes:
    """A message as it crosses; a list is the outcome and the value of a reply, with what nodes they need."""
    if isinstance(content, list):
        nodes = [["tuple", [1, 2, 3]], content[0], content[1], *(content[2:] or [["tuple", []]])]
        content = {"reply": True, "nodes": nodes, "after": {}, "printed": ""}
    data = json.dumps(content).encode()
    return len(data).to_bytes(4, "little") + data


@pytest.mark.parametrize("content", NO_MESSAGES.values(), ids=NO_MESSAGES)
def test_a_reply_that_is_none_is_no_pass(content: Any) -> None:
    """The judge reads what stands in the pipe already, whatever it asks for."""
    to_answer, from_answer = os.pipe(), os.pipe()
    os.write(from_answer[1], message_bytes(content))
    verdict = judge({"code": "", "tests": [], "entry_point": "f"}, Answer(from_answer[0], to_answer[1], 0))
    for descriptor in (*to_answer, *from_answer):
        os.close(descriptor)
    assert verdict == {"passed": False, "reason": "sent what is no message"}
