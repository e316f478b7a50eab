"""Code that a model wrote runs apart, within limits, and passes only when it reached its end."""

import time
from pathlib import Path

import pytest

from qloratory.sandbox import run_tests

GOOD = "def f(x):\n    return x + 1\n"


def passes(code: str, *tests: str, seconds: float = 5) -> bool:
    return run_tests(code, list(tests), "f", seconds, 256).passed


def test_right_code_passes_and_wrong_code_fails_with_its_reason() -> None:
    assert passes(GOOD, "assert f(1) == 2")
    verdict = run_tests(GOOD, ["assert f(1) == 3, 'off by one'"], "f", 5, 256)
    assert (verdict.passed, verdict.reason) == (False, "AssertionError: off by one")


@pytest.mark.parametrize("code", ["", "def f(", "import numpy\n" + GOOD, "def f(x):\n    return None\n"])
def test_broken_code_fails(code: str) -> None:
    assert not passes(code, "assert f(1) == 2")


def test_a_single_function_under_another_name_is_tested() -> None:
    assert passes(GOOD.replace("def f", "def other"), "assert f(1) == 2")
    assert not passes(GOOD.replace("def f", "def a") + GOOD.replace("def f", "def b"), "assert f(1) == 2")


def test_leaving_early_is_no_pass() -> None:
    assert not passes("import sys\nsys.exit(0)", "assert f(1) == 2")
    assert not passes("import os\nos._exit(0)", "assert f(1) == 2")


def test_an_endless_loop_is_stopped_with_its_children() -> None:
    started = time.monotonic()
    verdict = run_tests("import subprocess\nsubprocess.Popen(['sleep', '60'])\nwhile True: pass", [], "f", 1, 256)
    assert (verdict.passed, verdict.reason) == (False, "did not end within 1 seconds")
    assert time.monotonic() - started < 10


def test_memory_and_file_size_are_limited() -> None:
    assert not passes("x = bytearray(10**9)\n" + GOOD, "assert f(1) == 2")
    assert not passes("open('big', 'wb').write(bytes(3 * 2**20))\n" + GOOD, "assert f(1) == 2")


def test_the_environment_and_the_directory_are_empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    monkeypatch.chdir(tmp_path)
    assert passes(GOOD, "import os", "assert 'HF_TOKEN' not in os.environ", "assert os.listdir() == []")
    assert passes(GOOD, "open('mine', 'w').close()")
    assert not list(tmp_path.iterdir())
