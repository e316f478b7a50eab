"""Run code that a model wrote, against its unit tests, where it can do no harm and cannot vouch for itself.

Each answer gets a fresh interpreter (`-I -S`, empty environment) on Linux, in user, mount, process, IPC and network
namespaces of its own, on a read-only root that holds Python and a folder to work in, without capabilities, under
limits and a list of system calls that leaves out processes, programs and sockets. It is the kernel's isolation, not a
virtual machine: a hole in the kernel is a hole in it.

Guaranteed, where all layers are there:
- The code reads no file of the host but Python's and the C libraries', writes none, and reaches no process, no
  network, no descriptor and no environment variable of the host. Nothing of it outlives the verdict.
- The verdict is made where none of the code ran, by comparing values (see trial.py). Tests that were not reached did
  not pass, and the code sees of a test the arguments, never what is expected.

Not guaranteed: that a right value was computed and not looked up; that an object of the answer's own class tells the
truth about itself where a test asks it (its order, its length, its equality with another object of its own); that
time and processor caches betray nothing. CPU time is limited, not reserved.

Why ctypes and not bubblewrap or libseccomp: neither comes with `pip install`, and an ordinary user may not install it.
It takes Linux 5.12 or newer (mount_setattr), on x86_64 or aarch64, with user namespaces for ordinary users; Landlock
and the namespaces of the host's name and of cgroups are put on where the kernel has them.
"""

import functools
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qloratory.confine import LAYERS, NEEDED_BY, OPTIONAL
from qloratory.errors import HardwareError

LAUNCH = "import sys; sys.path.append(sys.argv.pop(1)); from qloratory.confine import main; main()"
STYLE_ALONE = "set evaluate.execute=false to score style alone"
GRACE_SECONDS = 30  # for the launcher to end, after the code's own time is over
Execute = bool | Literal["anyway"]


@dataclass(frozen=True)
class Verdict:
    """Whether every test passed, and if not, why: one line."""

    passed: bool
    reason: str


def run_tests(
    code: str,
    tests: list[str],
    entry_point: str,
    timeout_seconds: float,
    memory_mib: int,
    execute: Execute = True,
) -> Verdict:
    """Run `tests` against `code`, each in a process of its own.

    Args:
        code: The answer's code. If it defines `entry_point`, the tests call that; a prompt that names no function
            leaves the name open, so a code with one function under another name is tested just the same.
        tests: Statements that raise when the code is wrong.
        entry_point: The name by which the tests call the function.
        timeout_seconds: Wall time; the CPU limit is the same, rounded up.
        memory_mib: Address space of the code.
        execute: `evaluate.execute`; "anyway" does without the layers that the kernel lacks.

    Returns:
        The verdict. Passing means that the last statement of the tests was reached.

    Raises:
        HardwareError: A required layer is missing, and `execute` does not accept that; or no sandbox starts.
    """
    require_layers(execute)
    request = {"code": code, "tests": tests, "entry_point": entry_point}
    result = launch(request, timeout_seconds, memory_mib, layers_here())
    if "missing" in result:  # it was there when the layers were tried: a limit of the machine is reached
        raise HardwareError(f"the sandbox lost its {result['missing']} ({result['why']}); evaluate again")
    return Verdict(result["passed"], result["reason"])


def require_layers(execute: Execute) -> None:
    """Refuse, before time is spent, what `run_tests` would refuse.

    Raises:
        HardwareError: Generated code is to be run, and this machine cannot isolate it.
    """
    if execute is False:
        return
    if sys.platform != "linux":
        raise HardwareError(f"generated code runs on Linux only; {STYLE_ALONE}")
    if execute != "anyway" and (lacking := describe_lacking()):
        raise HardwareError(
            f"the kernel does not isolate generated code here, for lack of: {lacking}; {STYLE_ALONE}, or "
            "evaluate.execute=anyway to run the code with the layers that are there"
        )


def describe_isolation(execute: Execute) -> dict[str, Any]:
    """What `run_tests` runs code under, for evaluation.json.

    Returns:
        `execute`, the setting; `layers`, in the order in which they are put on; and layer -> the kernel's reason of
        the required ones that are `missing`, without which only "anyway" runs code, and of those `missing_optional`.
    """
    if execute is False:
        return {"execute": False, "layers": [], "missing": {}, "missing_optional": {}}
    missing, required = missing_layers(), missing_required_layers()
    optional = {name: why for name, why in missing.items() if name not in required}
    return {"execute": execute, "layers": layers_here(), "missing": required, "missing_optional": optional}


def describe_lacking() -> str:
    """The required layers that this machine lacks, each with the kernel's reason; empty where it lacks none."""
    return ", ".join(f"{name} ({why})" for name, why in missing_required_layers().items())


def missing_required_layers() -> dict[str, str]:
    return {name: why for name, why in missing_layers().items() if name not in OPTIONAL}


def layers_here() -> list[str]:
    """The layers that this machine has, in the order in which they are put on."""
    return [name for name in LAYERS if name not in missing_layers()]


@functools.cache
def missing_layers() -> dict[str, str]:
    """Layer -> why the kernel does not give it; found by trying them on an empty answer."""
    nothing = {"code": "", "tests": [], "entry_point": ""}
    missing: dict[str, str] = {}
    while "missing" in (result := launch(nothing, GRACE_SECONDS, 512, [x for x in LAYERS if x not in missing])):
        name = result["missing"]
        missing |= {name: result["why"]} | dict.fromkeys(NEEDED_BY.get(name, ()), f"needs the {name}")
    return missing


def launch(request: dict[str, Any], timeout_seconds: float, memory_mib: int, layers: list[str]) -> dict[str, Any]:
    """Start `confine.main` in a fresh interpreter, and give it time.

    Returns:
        `passed` and `reason`, or `missing` and `why` where a layer cannot be had.

    Raises:
        HardwareError: The interpreter does not start, or is stuck.
    """
    with memory_file(json.dumps(request)) as requested, memory_file() as result, work_folder(layers) as folder:
        settings = {
            "layers": layers,
            "parent": os.getpid(),
            "timeout_seconds": timeout_seconds,
            "memory_mib": memory_mib,
            "directory": folder,
        }
        child = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", LAUNCH, str(Path(__file__).parents[1]), json.dumps(settings)],
            env={},
            stdin=requested,
            stdout=result,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        try:
            _, complaint = child.communicate(timeout=timeout_seconds + GRACE_SECONDS)
        except subprocess.TimeoutExpired:  # not the code's doing: the launcher keeps the code's time
            complaint = b"the launcher did not end in time"
        finally:
            stop_group(child)
        written = os.pread(result, os.fstat(result).st_size, 0)
    if not written:
        lines = complaint.decode("utf-8", "replace").strip().splitlines() or ["no message"]
        raise HardwareError(f"the sandbox does not start here (status {child.returncode}: {lines[-1]}); {STYLE_ALONE}")
    return json.loads(written)


@contextmanager
def memory_file(text: str = "") -> Iterator[int]:
    """A descriptor of a file in memory that has no name."""
    descriptor = os.memfd_create("qloratory")
    try:
        with open(descriptor, "w", encoding="ascii", closefd=False) as file:
            file.write(text)
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def work_folder(layers: list[str]) -> Iterator[str]:
    """Where the launcher starts; a folder of the host's only where the code gets no root of its own."""
    if "read-only root" in layers:
        yield "/"
    else:
        with tempfile.TemporaryDirectory(prefix="qloratory-") as folder:
            yield folder


def stop_group(child: subprocess.Popen[bytes]) -> None:
    """Kill the launcher and all it started, and collect it."""
    with suppress(ProcessLookupError):  # nothing of the group may be left
        os.killpg(child.pid, signal.SIGKILL)
    child.communicate()
