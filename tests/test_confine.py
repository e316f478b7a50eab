"""The layers around a process of the tests' own, where what runs in them can be measured."""

import contextlib
import errno
import json
import os
import posix
import resource
import socket
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest
from coverage import Coverage, CoverageData

from qloratory import confine, sandbox, seccomp

PASSING = {"code": "def f(x): return x + 1", "tests": ["assert f(1) == 2"], "entry_point": "f"}


class Measured:
    """Coverage of processes that can write no file: each appends its data to a file in memory as it ends."""

    def __init__(self) -> None:
        self.descriptor = os.memfd_create("coverage")
        self.own = Coverage.current()  # None where the tests are not measured

    def begin(self) -> None:
        """In the forked process: measure into memory, and hand it over at any `os._exit`."""
        if self.own is None:
            return
        self.own.stop()
        measure = Coverage(data_file=None, branch=True, source_pkgs=["qloratory"], config_file=False)
        measure.get_data().dumps()  # imports what will be needed, while it can be found

        def leave(status: int) -> NoReturn:
            with contextlib.suppress(BaseException):
                measure.stop()
                blob = measure.get_data().dumps()
                os.lseek(self.descriptor, 0, os.SEEK_END)
                os.write(self.descriptor, struct.pack("Q", len(blob)) + blob)
            posix._exit(status)

        os._exit = leave
        measure.start()

    def collect(self) -> None:
        """Where the tests run: add what was handed over to their own data."""
        content = os.pread(self.descriptor, os.fstat(self.descriptor).st_size, 0)
        os.close(self.descriptor)
        while content and self.own is not None:
            (length,) = struct.unpack_from("Q", content)
            data = CoverageData(basename=self.own.config.data_file, suffix=f"confined-{os.urandom(8).hex()}")
            data.loads(content[8 : 8 + length])
            data.write()
            content = content[8 + length :]


def in_child(body: Callable[[], Any]) -> tuple[Any, int]:
    """What `body` returns, as JSON has it, and the exit status, from a forked process that may ruin itself."""
    answer, measured = os.memfd_create("answer"), Measured()
    process = os.fork()
    if process == 0:
        status = 1
        try:
            measured.begin()
            os.write(answer, json.dumps(body()).encode())
            status = 0
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(status)
    _, status = os.waitpid(process, 0)
    content = os.pread(answer, os.fstat(answer).st_size, 0)
    os.close(answer)
    measured.collect()
    return (json.loads(content) if content else None), os.waitstatus_to_exitcode(status)


def run_confined(
    request: dict[str, Any],
    layers: list[str],
    directory: Path | str,
    timeout: float = 10,
    before: Callable[[], Any] = lambda: None,
) -> Any:
    """`confine.main` on a request, as the launcher calls it, in a fork of this process; `before` is called there."""
    settings = {
        "layers": layers,
        "parent": os.getpid(),
        "timeout_seconds": timeout,
        "memory_mib": 2**20,  # this process has PyTorch in its address space
        "directory": str(directory),
    }
    result = os.memfd_create("result")

    def body() -> None:
        requested = os.memfd_create("request")
        os.write(requested, json.dumps(request).encode())
        os.dup2(requested, 0)
        os.dup2(result, 1)
        sys.argv = ["confine", json.dumps(settings)]
        before()
        confine.main()

    _, status = in_child(body)
    content = os.pread(result, os.fstat(result).st_size, 0)
    os.close(result)
    assert content, f"no verdict, status {status}"
    return json.loads(content)


@pytest.mark.parametrize("tested", [PASSING, PASSING | {"tests": ["assert f(1) == 3"]}], ids=["right", "wrong"])
@pytest.mark.parametrize("all_layers", [True, False])
def test_a_verdict_is_the_same_with_all_layers_and_with_none(
    tested: dict[str, Any], all_layers: bool, tmp_path: Path
) -> None:
    layers = sandbox.layers_here() if all_layers else []
    verdict = run_confined(tested, layers, "/" if all_layers else tmp_path)
    assert verdict["passed"] == ("== 2" in tested["tests"][0])


def test_time_is_up_for_an_answer_that_does_not_end() -> None:
    endless = PASSING | {"code": "def f(x):\n    while True: pass"}
    assert run_confined(endless, sandbox.layers_here(), "/", timeout=0.5) == {
        "passed": False,
        "reason": "did not end within 0.5 seconds",
    }


def test_limits_cannot_be_raised_and_no_capability_is_left() -> None:
    def body() -> list[Any]:
        confine.set_limits(timeout_seconds=2.5, memory_mib=2**20)
        confine.drop_capabilities()
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_CPU, (100, 100))
        status = Path("/proc/self/status").read_text(encoding="ascii")
        kinds = (resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_CORE)
        effective = next(line.split()[1] for line in status.splitlines() if line.startswith("CapEff"))
        return [*(list(resource.getrlimit(kind)) for kind in kinds), int(effective, 16)]

    (cpu, size, core, capabilities), status = in_child(body)
    assert status == 0
    assert (cpu, size, core) == ([3, 3], [confine.MAX_FILE_BYTES] * 2, [0, 0])
    assert capabilities == 0


def test_a_layer_that_cannot_be_had_is_named() -> None:
    def body() -> list[str]:
        try:
            with confine.layer("process namespace"):
                confine.check(confine.libc.unshare(-1))
        except confine.MissingLayerError as error:
            return list(error.args)
        return []

    assert in_child(body) == (["process namespace", "Invalid argument"], 0)


def test_without_a_root_of_its_own_landlock_leaves_one_folder_to_write(tmp_path: Path) -> None:
    if "Landlock" not in sandbox.layers_here():
        pytest.skip("the kernel has no Landlock")
    (tmp_path / "mine").mkdir()
    (tmp_path / "secret").write_text("s", encoding="ascii")

    def body() -> list[str]:
        confine.check(confine.libc.prctl(confine.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        confine.restrict_files(confine.readable_paths(), str(tmp_path / "mine"))
        (tmp_path / "mine" / "note").write_text("n", encoding="ascii")
        refused = []
        for path, mode in ((tmp_path / "secret", "r"), (tmp_path / "new", "w"), (Path("/etc/passwd"), "r")):
            try:
                path.open(mode).close()
            except PermissionError:
                refused.append(path.name)
        return refused

    assert in_child(body) == (["secret", "new", "passwd"], 0)


def test_a_layer_that_the_kernel_refuses_is_the_result(tmp_path: Path) -> None:
    """To the launcher, which has given up its capabilities; and to the judge, after the launcher has forked it."""
    refused = run_confined(PASSING, ["mount namespace"], tmp_path, before=confine.drop_capabilities)
    assert refused == {"missing": "mount namespace", "why": "Operation not permitted"}
    refused = run_confined(PASSING, ["seccomp filter"], tmp_path)  # without "no new privileges"
    assert refused == {"missing": "seccomp filter", "why": "the kernel takes no filter"}


def test_what_a_judge_left_that_did_not_end_well_is_replaced(tmp_path: Path) -> None:
    leaves = PASSING | {"tests": ["import os", "os.write(1, b'{\"passed\": true}')", "os._exit(7)"]}
    assert run_confined(leaves, [], tmp_path) == {"passed": False, "reason": "the tests ended early with status 7"}


def test_a_user_namespace_makes_another_user_without_a_way_back(tmp_path: Path) -> None:
    """Root becomes nobody in it, or where that cannot be, stays who it was outside."""
    (tmp_path / "secret").write_text("s", encoding="ascii")
    (tmp_path / "secret").chmod(0o600)

    def body() -> list[Any]:
        confine.enter_user_namespace(as_nobody=os.geteuid() == 0)
        os.setresgid(*[confine.INSIDE_ID] * 3)
        os.setresuid(*[confine.INSIDE_ID] * 3)
        outside = int(Path("/proc/self/uid_map").read_text(encoding="ascii").split()[1])
        with contextlib.suppress(OSError):  # it is not even a number here
            os.setresuid(0, 0, 0)
        return [outside, os.access(tmp_path / "secret", os.R_OK), os.getuid(), os.getgid()]

    (outside, reads, user, group), status = in_child(body)
    assert status == 0
    assert (user, group) == (confine.INSIDE_ID, confine.INSIDE_ID)
    assert outside in ((confine.NOBODY, 0) if os.geteuid() == 0 else (os.geteuid(),))
    assert reads == (outside == os.geteuid())


def test_a_map_that_cannot_be_written_is_an_error_number() -> None:
    """The namespace of this process has its map already."""
    assert confine.map_ids(os.getpid(), [(0, 0), (confine.NOBODY, confine.NOBODY)]) == errno.EPERM


def test_a_cloned_mount_can_be_read_and_not_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x", encoding="ascii")

    def body() -> list[Any]:
        confine.enter_user_namespace(as_nobody=False)
        confine.check(confine.libc.unshare(confine.NAMESPACES["mount namespace"]))
        tree = confine.clone_mount(str(tmp_path))
        here = Path(f"/proc/self/fd/{tree}")
        try:
            (here / "file").write_text("y", encoding="ascii")
        except OSError as error:
            return [(here / "file").read_text(encoding="ascii"), error.errno]
        return []

    assert in_child(body) == (["x", errno.EROFS], 0)


def test_only_what_python_needs_is_readable() -> None:
    paths = confine.readable_paths()
    assert all(Path(path).is_dir() for path in paths)
    assert all(any(Path(folder).is_relative_to(path) for path in paths) for folder in confine.standard_library())
    assert not [path for path in paths for other in paths if path.startswith(f"{other}/")]  # none lies in another
    assert all(Path(folder).name in ("site-packages", "dist-packages") for folder in confine.package_folders())
    assert confine.own_folder() not in confine.standard_library()
    assert Path(confine.own_folder(), "qloratory", "confine.py").is_file()
    assert all(Path(path).is_char_device() for path in confine.devices())


def test_the_filter_leaves_files_and_takes_processes_and_sockets(tmp_path: Path) -> None:
    def body() -> list[str]:
        confine.check(confine.libc.prctl(confine.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
        seccomp.install_filter()
        (tmp_path / "file").write_text("x", encoding="ascii")
        refused = []
        for attempt in (os.fork, socket.socket, lambda: os.kill(os.getppid(), 0), lambda: os.execv("/bin/true", ["x"])):
            try:
                attempt()
            except PermissionError:
                refused.append("refused")
        return refused

    assert in_child(body) == (["refused"] * 4, 0)
