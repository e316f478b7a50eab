"""Run code that a model wrote, against its unit tests, in a child process with limits.

The child has its own empty directory, no inherited environment, no third-party packages, and limits on time,
memory, files and processes. That keeps accidents in. It does not keep an attacker in: the child runs as the
same user and can reach the network and the file system.
"""

import contextlib
import os
import resource
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

MIB = 1024 * 1024


@dataclass(frozen=True)
class Verdict:
    """Whether every test passed, and if not, why: one line."""

    passed: bool
    reason: str


def run_tests(code: str, tests: list[str], entry_point: str, timeout_seconds: float, memory_mib: int) -> Verdict:
    """Run `code`, then `tests`, in a fresh interpreter.

    Args:
        code: The answer's code. If it defines `entry_point`, the tests call that; a prompt that names no function
            leaves the name open, so a code with one function under another name is tested just the same.
        tests: Statements that raise when the code is wrong.
        entry_point: The name by which the tests call the function.
        timeout_seconds: Wall time; the CPU limit is the same, rounded up.
        memory_mib: Address space of the child.

    Returns:
        The verdict. Passing means that the last line of the program was reached, not just exit status 0.
    """
    reached_end = secrets.token_hex(16)
    program = "\n".join([code, alias(entry_point), *tests, f"print({reached_end!r})"])
    with tempfile.TemporaryDirectory(prefix="qloratory-") as directory:
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", program],
            cwd=directory,
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            preexec_fn=limits(timeout_seconds, memory_mib),
        )
        try:
            out, err = child.communicate(timeout=timeout_seconds)
        except subprocess.TimeoutExpired:
            return Verdict(False, f"did not end within {timeout_seconds:g} seconds")
        finally:
            stop_group(child)
    if child.returncode == 0 and out.decode("utf-8", "replace").rstrip().endswith(reached_end):
        return Verdict(True, "all tests passed")
    lines = err.decode("utf-8", "replace").strip().splitlines()
    return Verdict(False, lines[-1][:200] if lines else f"ended early with status {child.returncode}")


def alias(entry_point: str) -> str:
    """Code that gives the only function the expected name, where the answer chose another one."""
    return (
        f"if {entry_point!r} not in globals():\n"
        "    _functions = [value for value in globals().values() if type(value).__name__ == 'function']\n"
        f"    if len(_functions) == 1: {entry_point} = _functions[0]\n"
    )


def limits(timeout_seconds: float, memory_mib: int) -> Callable[[], None]:
    """Limits that the child sets on itself before it becomes the interpreter."""
    cpu_seconds = int(timeout_seconds) + 1

    def apply() -> None:
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds))
        resource.setrlimit(resource.RLIMIT_AS, (memory_mib * MIB, memory_mib * MIB))
        resource.setrlimit(resource.RLIMIT_FSIZE, (MIB, MIB))
        resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    return apply


def stop_group(child: subprocess.Popen[bytes]) -> None:
    """Kill the child and all it started, and collect it."""
    with contextlib.suppress(ProcessLookupError):  # nothing of the group may be left
        os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
