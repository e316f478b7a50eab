"""Layers of isolation that a process puts around itself, and the two processes that then run in them.

This is the program of the fresh interpreter that `sandbox.run_tests` starts, for one answer. Layer after layer it
asks the kernel for namespaces, an empty root, limits and filters, then forks the judge, as process 1 of a process
namespace of its own, and below it the answer, as process 1 of another. When the judge ends, the kernel ends all.

Only the C library is called, through ctypes: an ordinary user needs neither root nor a package. Sources: the manual's
namespaces(7), user_namespaces(7), mount_setattr(2), pivot_root(2), landlock(7), capabilities(7).
"""

import contextlib
import ctypes
import json
import os
import resource
import select
import signal
import struct
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from qloratory.seccomp import install_filter
from qloratory.trial import Answer, judge, serve_answer

MIB = 2**20
NAMESPACES = {  # layer -> the flag of unshare(2)
    "user namespace": 0x10000000,
    "mount namespace": 0x00020000,
    "process namespace": 0x20000000,
    "IPC namespace": 0x08000000,
    "network namespace": 0x40000000,
    "host name namespace": 0x04000000,
    "cgroup namespace": 0x02000000,
}
LAYERS = (*NAMESPACES, "read-only root", "no new privileges", "Landlock", "seccomp filter")  # as they are put on
OPTIONAL = ("host name namespace", "cgroup namespace", "Landlock")  # each a second wall behind one that is required
NEEDED_BY = {  # layer -> those that cannot be had without it
    "user namespace": (*list(NAMESPACES)[1:], "read-only root"),
    "mount namespace": ("read-only root",),
    "no new privileges": ("Landlock", "seccomp filter"),
}

INSIDE_ID = 1000  # user and group of the code, as it sees itself
NOBODY = 65534  # and as the host sees it, where root starts it
WORK_MIB = 16  # files that the code may write, all together
MAX_FILE_BYTES, MAX_OPEN_FILES, MAX_THREADS = MIB, 32, 64
MOUNT_POINT = "/tmp"  # where the new root is put together
WORK = "/tmp"  # in it, the only place that can be written

libc = ctypes.CDLL(None, use_errno=True)


class MissingLayerError(Exception):
    """The kernel does not give a layer; arguments: which, and why."""


def main() -> None:
    """Run one answer. `sys.argv[1]`: the settings, JSON. Input: the request, for the judge alone. Output: the verdict.

    Settings: `layers`, `parent` (its process id), `timeout_seconds`, `memory_mib`, `directory` (to work in, where
    there is no root of its own).
    """
    settings = json.loads(sys.argv[1])
    try:
        enter_layers(settings)
        first = start_judge(settings)
        status = wait_or_kill(first, settings["timeout_seconds"])
    except MissingLayerError as error:
        return write_result({"missing": error.args[0], "why": error.args[1]})
    if status is None:
        return write_result({"passed": False, "reason": f"did not end within {settings['timeout_seconds']:g} seconds"})
    if status != 0 or os.fstat(1).st_size == 0:  # what a judge wrote that did not end well is no verdict
        write_result({"passed": False, "reason": f"the tests ended early with status {status}"})
    return None


def write_result(result: dict[str, Any]) -> None:
    """Output is a file in memory, so that a limit on files limits it too."""
    os.ftruncate(1, 0)
    os.pwrite(1, json.dumps(result).encode("ascii"), 0)


def enter_layers(settings: dict[str, Any]) -> None:
    """The layers that all processes of this sandbox share.

    Raises:
        MissingLayerError: One of `settings["layers"]` cannot be had.
    """
    layers = settings["layers"]
    sources: dict[str, int] = {}
    packages = package_folders()
    os.chdir(settings["directory"])
    if "user namespace" in layers:
        with layer("user namespace"):
            enter_user_namespace(as_nobody=os.geteuid() == 0 and "read-only root" in layers)
    for name, flag in NAMESPACES.items():
        if name in layers and name != "user namespace":
            with layer(name):
                check(libc.unshare(flag))
                if name == "host name namespace":
                    check(libc.sethostname(b"sandbox", 7))
    if "read-only root" in layers:
        with layer("read-only root"):
            sources = {path: clone_mount(path) for path in (*readable_paths(), *devices())}
    if "user namespace" in layers:
        with layer("user namespace"):  # from here on the host sees an ordinary user, or nobody
            os.setresgid(INSIDE_ID, INSIDE_ID, INSIDE_ID)
            os.setresuid(INSIDE_ID, INSIDE_ID, INSIDE_ID)
    die_with_parent()
    if os.getppid() != settings["parent"]:
        os._exit(1)  # it died before that
    if "read-only root" in layers:
        with layer("read-only root"):
            enter_root(sources, packages)


@contextlib.contextmanager
def layer(name: str) -> Any:
    try:
        yield
    except OSError as error:
        raise MissingLayerError(name, error.strerror or str(error)) from None


def check(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def enter_user_namespace(as_nobody: bool) -> None:
    """Become `INSIDE_ID` in a user namespace.

    Args:
        as_nobody: Outside of it be nobody, not who this process was: for root, where the files that Python needs are
            in a root of its own and not behind folders that only root may enter.
    """
    ids = [(os.geteuid(), os.getegid())]
    if as_nobody:
        ids.insert(0, (NOBODY, NOBODY))  # a container may lack it
    if os.geteuid() == 0:
        with contextlib.suppress(PermissionError):  # a rootless container keeps its groups
            os.setgroups([])
    ready, go = os.pipe()
    process, helper = os.getpid(), os.fork()
    if helper == 0:  # stays outside, where it has the right to write the map
        os.close(go)
        os.read(ready, 1)
        os._exit(map_ids(process, ids))
    try:
        check(libc.unshare(NAMESPACES["user namespace"]))
    finally:
        os.close(ready)
        os.close(go)
        _, status = os.waitpid(helper, 0)
    if (number := os.waitstatus_to_exitcode(status)) != 0:
        raise OSError(number, os.strerror(number))


def map_ids(process: int, choices: list[tuple[int, int]]) -> int:
    """Give the process's user namespace its one user and group, the first that can be; 0, or the error's number."""
    number = 0
    for outside_user, outside_group in choices:
        try:
            write_file(f"/proc/{process}/setgroups", "deny")
            write_file(f"/proc/{process}/uid_map", f"{INSIDE_ID} {outside_user} 1")
            write_file(f"/proc/{process}/gid_map", f"{INSIDE_ID} {outside_group} 1")
            return 0
        except OSError as error:
            number = error.errno or 1
    return number


def write_file(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode("ascii"))
    finally:
        os.close(descriptor)


def readable_paths() -> list[str]:
    """What Python needs: its standard library, the folders of the C libraries in use, the time zones."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        mapped = {line.split(maxsplit=5)[5].strip() for line in maps if ".so" in line}
    folders = {os.path.dirname(path) for path in mapped if path.startswith("/")} | set(standard_library())
    if os.path.isdir("/usr/share/zoneinfo"):
        folders.add("/usr/share/zoneinfo")
    return [path for path in sorted(folders) if not any(path.startswith(f"{other}/") for other in folders)]


def standard_library() -> list[str]:
    return [path for path in sys.path if os.path.isdir(path) and path != own_folder()]


def package_folders() -> list[str]:
    """Where pip and Debian install; beside the standard library, or in it."""
    names = [f"{folder}/{name}" for folder in standard_library() for name in ("site-packages", "dist-packages")]
    return [path for path in names if os.path.isdir(path)]


def own_folder() -> str:
    """Where this package lies: on the path for the launcher's own imports."""
    return os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def devices() -> list[str]:
    return [f"/dev/{name}" for name in ("null", "zero", "random", "urandom")]


AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE = -100, 0x1000, 0x8000
OPEN_TREE, MOVE_MOUNT, MOUNT_SETATTR = 428, 429, 442  # the same on every architecture
OPEN_TREE_CLONE, MOVE_MOUNT_FROM_DESCRIPTOR = 1, 4
RDONLY, NOSUID, NODEV, NOEXEC = 1, 2, 4, 8
MS_PRIVATE_RECURSIVE, MNT_DETACH = 0x44000, 2


def clone_mount(path: str) -> int:
    """A descriptor of a read-only copy of the mount at `path`, not yet anywhere in the tree."""
    tree = libc.syscall(OPEN_TREE, AT_FDCWD, os.fsencode(path), OPEN_TREE_CLONE | os.O_CLOEXEC | AT_RECURSIVE)
    check(tree)
    flags = RDONLY | NOSUID | (NOEXEC if path.startswith("/dev/") else NODEV)
    set_mount_flags(tree, "", flags, AT_EMPTY_PATH | AT_RECURSIVE)
    return tree


def set_mount_flags(descriptor: int, path: str, flags: int, how: int = 0) -> None:
    attributes = struct.pack("QQQQ", flags, 0, 0, 0)  # struct mount_attr
    check(libc.syscall(MOUNT_SETATTR, descriptor, os.fsencode(path), how, attributes, len(attributes)))


def enter_root(sources: dict[str, int], packages: list[str]) -> None:
    """Change into a root that holds the sources, read-only, and an empty folder to work in; nothing else is left.

    Args:
        sources: Path -> descriptor from `clone_mount`.
        packages: Folders in them that shall be empty, so that only the standard library is there.
    """
    check(libc.mount(b"none", b"/", None, MS_PRIVATE_RECURSIVE, None))
    mount_empty(MOUNT_POINT, NOSUID | NODEV, "mode=0755,size=1m")
    for path, tree in sources.items():
        target = MOUNT_POINT + path
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if path.startswith("/dev/"):
            os.close(os.open(target, os.O_CREAT, 0o600))
        else:
            os.mkdir(target)
        move = libc.syscall(MOVE_MOUNT, tree, b"", AT_FDCWD, os.fsencode(target), MOVE_MOUNT_FROM_DESCRIPTOR)
        check(move)
        os.close(tree)
    link_library_folders()
    for path in packages:
        mount_empty(MOUNT_POINT + path, RDONLY | NOSUID | NODEV, "mode=0755,size=4k")
    os.makedirs(MOUNT_POINT + WORK, exist_ok=True)
    mount_empty(MOUNT_POINT + WORK, NOSUID | NODEV | NOEXEC, f"mode=0700,size={WORK_MIB}m,nr_inodes=1024")
    os.chdir(MOUNT_POINT)
    check(libc.pivot_root(b".", b"."))
    check(libc.umount2(b".", MNT_DETACH))
    os.chdir("/")
    set_mount_flags(AT_FDCWD, "/", RDONLY | NOSUID | NODEV)
    os.chdir(WORK)


def mount_empty(path: str, flags: int, options: str) -> None:
    check(libc.mount(b"tmpfs", os.fsencode(path), b"tmpfs", flags, options.encode("ascii")))


def link_library_folders() -> None:
    """`/lib` and `/lib64` where the host has them as links into `/usr`: the loader looks there."""
    for path in ("/lib", "/lib64"):
        if os.path.islink(path) and not os.path.lexists(MOUNT_POINT + path):
            os.symlink(os.readlink(path), MOUNT_POINT + path)


PR_SET_PDEATHSIG, PR_SET_NO_NEW_PRIVS = 1, 38


def die_with_parent() -> None:
    check(libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0))


def start_judge(settings: dict[str, Any]) -> int:
    """Fork the first process of the process namespace; its id."""
    alive, kept = os.pipe()
    judge_or_none = fork_with_layers(lambda: run_judge(settings, alive, kept))
    os.close(alive)
    return judge_or_none  # `kept` stays open as long as this process lives


def fork_with_layers(body: Callable[[], NoReturn]) -> int:
    process = os.fork()
    if process == 0:
        try:
            body()
        except MissingLayerError as error:
            write_result({"missing": error.args[0], "why": error.args[1]})
            os._exit(0)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(1)  # never into what the parent has still to do
    return process


def run_judge(settings: dict[str, Any], alive: int, kept: int) -> NoReturn:
    """The judge: start the answer below itself, then hold itself to the same layers."""
    os.close(kept)
    die_with_parent()
    if select.select([alive], [], [], 0)[0]:
        os._exit(1)  # the parent died before that: the pipe has no writer any more
    if "process namespace" in settings["layers"]:
        with layer("process namespace"):
            check(libc.unshare(NAMESPACES["process namespace"]))
    to_answer, from_answer = os.pipe(), os.pipe()
    answer = fork_with_layers(lambda: run_answer(settings, to_answer[0], from_answer[1]))
    os.close(to_answer[0])
    os.close(from_answer[1])
    confine(settings)
    request = json.loads(os.pread(0, os.fstat(0).st_size, 0))
    sys.stdout = open(os.devnull, "w", encoding="utf-8")  # what tests print goes nowhere
    write_result(judge(request, Answer(from_answer[0], to_answer[1], answer)))
    os._exit(0)


def run_answer(settings: dict[str, Any], read_end: int, write_end: int) -> NoReturn:
    """The answer: no descriptor but the pipes', nothing of the launcher's in reach, then whatever the code does."""
    nothing = os.open(os.devnull, os.O_RDWR)
    read_end, write_end = os.dup2(read_end, 100), os.dup2(write_end, 101)
    for standard in range(3):
        os.dup2(nothing, standard)
    os.closerange(3, 100)
    os.dup2(read_end, 3)
    os.dup2(write_end, 4)
    os.closerange(5, 4096)
    confine(settings)
    serve_answer(3, 4)
    os._exit(0)


def confine(settings: dict[str, Any]) -> None:
    """The layers that each process puts on itself, last of all.

    Raises:
        MissingLayerError: One of `settings["layers"]` cannot be had.
    """
    layers = settings["layers"]
    sys.path.remove(own_folder())
    set_limits(settings["timeout_seconds"], settings["memory_mib"])
    if "no new privileges" in layers:
        with layer("no new privileges"):
            check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
    if "Landlock" in layers:
        with layer("Landlock"):
            own_root = "read-only root" in layers
            restrict_files(["/"] if own_root else readable_paths(), WORK if own_root else settings["directory"])
    drop_capabilities()
    if "seccomp filter" in layers:
        with layer("seccomp filter"):
            install_filter()


def set_limits(timeout_seconds: float, memory_mib: int) -> None:
    cpu_seconds = int(timeout_seconds) + 1
    for limit, value in (
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_AS, memory_mib * MIB),
        (resource.RLIMIT_FSIZE, MAX_FILE_BYTES),
        (resource.RLIMIT_NOFILE, MAX_OPEN_FILES),
        (resource.RLIMIT_NPROC, MAX_THREADS),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (value, value))


def drop_capabilities() -> None:
    header = struct.pack("Ii", 0x20080522, 0)  # _LINUX_CAPABILITY_VERSION_3, this process
    check(libc.capset(header, bytes(24)))


LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446  # the same on every architecture
READ = 0b1100  # READ_FILE, READ_DIR
# Rights on files that Landlock's versions know: 13 in the first, then REFER, TRUNCATE, IOCTL_DEV.
RIGHTS_OF_VERSION = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 4: (1 << 15) - 1, 5: (1 << 16) - 1}
NO_RIGHTS_TO = 0b111001000001  # EXECUTE, and making devices, sockets and pipes


def restrict_files(readable: list[str], writable: str) -> None:
    """Landlock: read below `readable`, write below `writable`; no TCP, and no signals or sockets out of here."""
    version = check(libc.syscall(LANDLOCK_CREATE, None, 0, 1))
    handled = RIGHTS_OF_VERSION[min(version, 5)]
    attributes = struct.pack("QQQ", handled, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = check(libc.syscall(LANDLOCK_CREATE, attributes, size, 0))
    for path, rights in [*((path, READ) for path in readable), (writable, handled & ~NO_RIGHTS_TO)]:
        descriptor = os.open(path, os.O_PATH)
        rule = struct.pack("=Qi", handled & rights, descriptor)  # struct landlock_path_beneath_attr, packed
        check(libc.syscall(LANDLOCK_ADD, ruleset, 1, rule, 0))
        os.close(descriptor)
    for device in devices():
        descriptor = os.open(device, os.O_PATH)
        rule = struct.pack("=Qi", handled & 0b110, descriptor)  # WRITE_FILE, READ_FILE
        check(libc.syscall(LANDLOCK_ADD, ruleset, 1, rule, 0))
        os.close(descriptor)
    check(libc.syscall(LANDLOCK_RESTRICT, ruleset, 0))
    os.close(ruleset)


def wait_or_kill(process: int, timeout_seconds: float) -> int | None:
    """The judge's exit status; None where it did not end in time. All processes of its namespace are gone then."""
    descriptor = os.pidfd_open(process)
    ended = bool(select.select([descriptor], [], [], timeout_seconds)[0])
    if not ended:
        os.kill(process, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return status if ended else None
