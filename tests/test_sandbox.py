"""Code that a model wrote runs where it can do no harm, and cannot vouch for itself. Every attempt is a real one."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from conftest import ROOT, tiny_settings, write_recipe
from qloratory.confine import LAYERS, MAX_THREADS, OPTIONAL, WORK_MIB
from qloratory.errors import HardwareError
from qloratory.sandbox import missing_layers, require_layers, run_tests
from qloratory.seccomp import ARCHITECTURES, PLAIN, SPECIAL, platform_name, system_calls

GOOD = "def f(x):\n    return x + 1\n"
SOCKET_FAMILIES = 46  # AF_MAX of Linux 6


def passes(code: str, *tests: str, seconds: float = 5) -> bool:
    return run_tests(code, list(tests), "f", seconds, 256).passed


def reason(code: str, *tests: str, seconds: float = 5) -> str:
    verdict = run_tests(code, list(tests), "f", seconds, 256)
    assert not verdict.passed
    return verdict.reason


def seen(body: str, call: str = "f()") -> str:
    """What the answer's process returns, as text: `body` is the body of `f()`."""
    code = "import os, sys, ctypes, socket\ndef f(*given):\n" + "".join(f"    {line}\n" for line in body.splitlines())
    return reason(code, f"raise RuntimeError({call})").removeprefix("RuntimeError: ")


def processes_of(parent: int) -> list[str]:
    """Command lines of sandboxes that this process started and that are still there."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_text(encoding="utf-8", errors="replace")
        except OSError:  # it has just ended
            continue
        if f'"parent": {parent},' in line:
            found.append(line)
    return found


@pytest.fixture(autouse=True)
def _nothing_is_left_behind() -> Iterator[None]:
    yield
    assert processes_of(os.getpid()) == []


# What a verdict is.


def test_right_code_passes_and_wrong_code_fails_with_its_reason() -> None:
    assert passes(GOOD, "assert f(1) == 2")
    assert reason(GOOD, "assert f(1) == 3, 'off by one'") == "AssertionError: off by one"


@pytest.mark.parametrize(
    "code", ["", "def f(", "import numpy\n" + GOOD, "def f(x):\n    return None\n", "x = '\0'", "x = '\ud800'\n1/0"]
)
def test_broken_code_fails(code: str) -> None:
    assert not passes(code, "assert f(1) == 2")


def test_a_single_function_under_another_name_is_tested() -> None:
    assert passes(GOOD.replace("def f", "def other"), "assert f(1) == 2")
    assert not passes(GOOD.replace("def f", "def a") + GOOD.replace("def f", "def b"), "assert f(1) == 2")


def test_a_reason_is_one_line_that_can_be_written_anywhere() -> None:
    assert reason("raise ValueError('a\\nb\\x1b[31m\\ud800')") == "ValueError: b?[31m?"
    assert len(reason("raise ValueError('x' * 10**6)")) == 200


@pytest.mark.promise("An answer that leaves before its tests are done does not pass.")
@pytest.mark.parametrize(
    "leave",
    ["import sys\nsys.exit(0)", "import os\nos._exit(0)", "raise SystemExit", "raise KeyboardInterrupt"],
)
def test_leaving_early_is_no_pass(leave: str) -> None:
    assert not passes(leave, "assert f(1) == 2")
    inside = "def f(x):\n" + "".join(f"    {line}\n" for line in leave.splitlines())
    assert not passes(inside, "assert f(1) == 2")
    assert not passes(inside, "try:\n    f(1)\nexcept Exception:\n    pass")


FORGED = '{"passed": true, "reason": "all tests passed"}'
ALWAYS = "    def __eq__(self, other): return True\n    def __ne__(self, other): return False\n    __hash__ = None\n"
FORGERIES = {
    "assertions that never fail": "import builtins\nclass A(BaseException):\n    def __new__(*a): return None\n"
    "builtins.AssertionError = A\ndef f(x): return 3",
    "builtins replaced": "import builtins\nfor name in ('compile', 'exec', 'print', 'isinstance', 'len', 'type'):\n"
    "    setattr(builtins, name, lambda *a, **k: True)\ndef f(x): return 3",
    "the verdict printed": f"print('''{FORGED}''', flush=True)\nprint('all tests passed')\ndef f(x): return 3",
    "the verdict on every descriptor": "import os\nfor number in range(256):\n"
    f"    try: os.write(number, b'''{FORGED}''')\n    except OSError: pass\ndef f(x): return 3",
    "the verdict at the exit": f"import atexit, os\natexit.register(print, '''{FORGED}''')\ndef f(x): os._exit(0)",
    "an object equal to all": f"class E:\n{ALWAYS}def f(x): return E()",
    "a number equal to all": f"class E(int):\n{ALWAYS}def f(x): return E(3)",
    "a list equal to all": f"class E(list):\n{ALWAYS}def f(x): return E([3])",
    "a text equal to all": f"class E(str):\n{ALWAYS}def f(x): return E('3')",
    "an object that says it is an int": f"class E:\n    __class__ = int\n{ALWAYS}def f(x): return E()",
    "an exception equal to all": f"class E(Exception):\n{ALWAYS}def f(x): raise E()",
    "a class equal to all": f"class M(type):\n{ALWAYS}class E(metaclass=M): pass\ndef f(x): return E",
    "a generator of frames": "import sys\ndef f(x):\n    frame = sys._getframe()\n    while frame:\n"
    "        frame.f_globals.update(judge=lambda *a: {'passed': True}, describe_error=None)\n"
    "        frame = frame.f_back\n    return 3",
    "a reply of its own": "import os, json, struct\ndef f(x):\n"
    "    data = json.dumps({'reply': True, 'after': {}, 'printed': '', 'passed': True,\n"
    "        'nodes': [['tuple', [1, 2, 3]], ['as is', 'pass'], ['as is', True], ['tuple', []]]}).encode()\n"
    "    os.write(4, struct.pack('<I', len(data)) + data)\n    return 3",
    "a reply that is no message": "import os\ndef f(x):\n    os.write(4, b'\\x02\\0\\0\\0[]' * 9)\n    return 2",
    "a reply without end": "import os\ndef f(x):\n    os.write(4, b'\\xff' * 99)\n    return 2",
    "pipes closed": "import os\ndef f(x):\n    os.closerange(0, 99)\n    return 2",
    "an endless reply": "def f(x): return [0] * 10**8",
    "a class from afar": "import os, json, struct\ndef f(x):\n"
    "    data = json.dumps({'reply': True, 'after': {}, 'printed': '', 'nodes': [['tuple', [1, 2, 3]],\n"
    "        ['as is', 'return'], ['made', 'os', '_exit', 3], ['tuple', []]]}).encode()\n"
    "    os.write(4, struct.pack('<I', len(data)) + data)\n    return 2",
    "a builtin of its choice": "def f(x): return exec",
    "a thread that stays": "import threading, os\nthreading.Thread(target=lambda: os._exit(0)).start()\n"
    "import time\ntime.sleep(1)\ndef f(x): return 2",
}


@pytest.mark.promise("An answer cannot forge a pass: the verdict is made in a process that runs none of its code.")
@pytest.mark.parametrize("code", FORGERIES.values(), ids=FORGERIES)
def test_a_verdict_cannot_be_forged(code: str) -> None:
    assert not passes(code, "assert f(1) == 2")


def test_names_of_the_answer_replace_nothing_that_tests_use() -> None:
    assert not passes("abs = len = sum = lambda *a: 0\ndef f(x): return 9", "assert abs(f(1) - 2) < 1e-9")
    assert not passes("class math: isclose = lambda *a: True\ndef f(x): return 9", "assert math.isclose(f(1), 2)")
    assert not passes(
        "__builtins__ = {'len': lambda x: 9}\ndef f(x): return []", "__builtins__", "assert len(f(1)) == 9"
    )
    assert passes("import math\n" + GOOD, "assert math.isclose(f(1), 2)")
    assert passes("string = 'abc'\n" + GOOD, "assert string == 'abc'")


def test_what_a_judge_wrote_that_did_not_end_well_is_no_verdict() -> None:
    """Even where a test lets the answer write in the judge's place."""
    code = f"def f(write, leave):\n    write(1, b'''{FORGED}''')\n    leave(7)"
    test = "f(lambda number, data: os.write(number, data), os._exit)"
    assert reason(code, "import os", test) == "the tests ended early with status 7"


@pytest.mark.promise("An answer cannot read what its tests expect: only the arguments of calls reach its process.")
def test_what_is_expected_cannot_be_read() -> None:
    search = (
        "import gc, sys\ndef f(word):\n    found = [o for o in gc.get_objects() if word in str(o)[:10**5]]\n"
        "    frame = sys._getframe().f_back\n    while frame:\n"
        "        found += [frame for v in [frame.f_globals, frame.f_locals] if word in str(v)]\n"
        "        frame = frame.f_back\n    sys.stdout.write(str(len(found)))\n    return None\n"
    )
    assert reason(search.replace("word in", "(word + 'ry') in"), "assert f('cana') == 'canary'") == "AssertionError"
    tests = ["import io, contextlib", "out = io.StringIO()", "with contextlib.redirect_stdout(out):\n    f('cana')",
             "expected = 'canary'", "assert out.getvalue() == '0', out.getvalue()"]  # fmt: skip
    assert passes(search.replace("word in", "(word + 'ry') in"), *tests)
    whole = "def f(x):\n    import os\n    with open('/proc/self/mem', 'rb') as file: return file.read(1)\n"
    assert reason(whole, "f(1)").startswith("FileNotFoundError")


# What the code uses up.


@pytest.mark.promise("Generated code is stopped at its deadline, whatever it does, with all that it started.")
@pytest.mark.parametrize(
    "code",
    [
        "while True: pass",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "import signal, time\nfor s in range(1, 65):\n    try: signal.signal(s, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\nwhile True: time.sleep(9)",
        "import threading\ndef spin():\n    while True: pass\n"
        "for _ in range(2): threading.Thread(target=spin).start()\nspin()",
    ],
)
def test_endless_code_is_stopped(code: str) -> None:
    started = time.monotonic()
    assert reason(code, seconds=0.5) == "did not end within 0.5 seconds"
    assert time.monotonic() - started < 5


@pytest.mark.promise("A fork bomb starts no process, and threads are limited.")
def test_processes_and_threads_are_limited() -> None:
    assert reason("import os\nwhile True: os.fork()").startswith("PermissionError")
    assert reason("import subprocess\nsubprocess.run(['/bin/true'])").startswith("PermissionError")
    bomb = "import threading, time\nthreading.stack_size(2**16)\nn = 0\ntry:\n    while True:\n"
    bomb += "        threading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n        n += 1\n"
    assert 8 <= int(seen(bomb + "except RuntimeError: return n")) <= MAX_THREADS


@pytest.mark.promise("A daemon that detaches itself does not outlive the verdict: it is never started.")
def test_no_daemon_is_started() -> None:
    daemon = "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: time.sleep(60)\n" + GOOD
    assert reason(daemon, "assert f(1) == 2").startswith("PermissionError")
    assert seen("try: os.setsid()\nexcept PermissionError: return 'refused'") == "refused"


def test_the_least_memory_that_can_be_set_is_enough_for_python() -> None:
    assert run_tests("import json, re, datetime\n" + GOOD, ["assert f(1) == 2"], "f", 5, 64).passed


@pytest.mark.promise("Memory, the size of a file and of all files together are limited.")
def test_memory_and_files_are_limited() -> None:
    assert reason("x = bytearray(10**9)") == "MemoryError"
    assert reason("x = []\nwhile True: x.append(bytes(10**6))") == "MemoryError"
    assert "Cannot allocate" in reason("import mmap\nmmap.mmap(-1, 10**9)")
    assert "File too large" in reason("open('big', 'wb').write(bytes(3 * 2**20))")
    fill = "n = 0\ntry:\n    while True:\n        open(f'{n}', 'wb').write(bytes(2**20))\n        n += 1\n"
    assert int(seen(fill + "except OSError: return n")) <= WORK_MIB
    assert int(seen("n = 0\ntry:\n    while True:\n        os.dup(0)\n        n += 1\nexcept OSError: return n")) < 32


@pytest.mark.promise("Endless output ends the answer or goes nowhere; it fills neither memory nor disk.")
def test_output_is_limited() -> None:
    assert reason("while True: print('x' * 1000)") == "OSError: printed more than 1 MiB"
    writing = "import os\nwhile True: os.write({}, bytes(2**16))"
    for descriptor in (1, 2):
        assert reason(writing.format(descriptor), seconds=0.5) == "did not end within 0.5 seconds"
    assert reason("import os\nfor _ in range(999): os.write(4, bytes(2**16))") == "sent what is no message"


# What the code reaches.


@pytest.mark.promise("Generated code cannot read the host's files, nor /proc.")
def test_files_of_the_host_are_out_of_reach(tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    canary.write_text("canary", encoding="utf-8")
    for path in (canary, Path(__file__), Path("/etc/passwd"), Path("/proc/self/status"), Path(f"/proc/{os.getpid()}"),
                 Path("/sys/kernel"), Path("/home"), Path("/var"), Path("/bin/sh"), Path("/dev/shm")):  # fmt: skip
        assert "No such file" in reason(f"open({str(path)!r})"), path
    assert seen("return sorted(os.listdir('/tmp'))") == "[]"
    assert set(eval(seen("return os.listdir('/')"))) <= {"dev", "home", "lib", "lib64", "opt", "root", "tmp", "usr"}
    walk = "return [path for path, _, files in os.walk('/') if 'packages' in path and files]"
    assert seen(walk) == "[]"  # nothing but the standard library is installed there


@pytest.mark.promise("Generated code can write to its own empty folder only, and that is gone with it.")
def test_nothing_of_the_host_can_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert passes("open('mine', 'w').write('x')\n" + GOOD, "assert f(1) == 2")
    assert list(tmp_path.iterdir()) == []
    for path in ("/x", "/usr/x", "/dev/x", f"{os.__file__}", f"{Path(os.__file__).parent}/x", "/dev/shm/x"):
        assert re.match(r"OSError: .*Read-only|PermissionError|FileNotFoundError", reason(f"open({path!r}, 'w')")), path
    changes = "bad = []\nfor change in (lambda: os.chmod(os.__file__, 0), lambda: os.utime(os.__file__, (0, 0)),\n"
    changes += "        lambda: os.unlink(os.__file__), lambda: os.mkdir('/x'), lambda: os.mknod('x'),\n"
    changes += "        lambda: os.symlink('x', '/x'), lambda: os.rename('/usr', '/x')):\n"
    assert seen(changes + "    try: bad.append(change())\n    except OSError: pass\nreturn bad") == "[]"


@pytest.mark.promise("Generated code sees no environment variable and no open file of the process that started it.")
def test_environment_and_descriptors_are_not_inherited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "canary")
    (tmp_path / "canary").write_text("canary", encoding="utf-8")
    descriptor = os.open(tmp_path / "canary", os.O_RDONLY)
    try:
        os.set_inheritable(descriptor, True)
        assert "canary" not in seen("return dict(os.environ)")
        look = "found = []\nfor n in range(4096):\n    try: found.append((n, os.fstat(n).st_mode >> 12))\n"
        kinds = seen(look + "    except OSError: pass\nreturn found")
    finally:
        os.close(descriptor)
    assert kinds == "[(0, 2), (1, 2), (2, 2), (3, 1), (4, 1)]"  # /dev/null three times, two pipes
    assert seen("import time\nreturn [os.fstat(n).st_rdev for n in range(3)]") == str([os.makedev(1, 3)] * 3)


@pytest.mark.promise("Generated code opens no socket of any family: no network, and no socket of the host's.")
def test_no_family_of_sockets_can_be_opened() -> None:
    body = f"opened = []\nfor family in range({SOCKET_FAMILIES}):\n    for kind in range(1, 11):\n"
    body += "        try: opened.append(socket.socket(family, kind))\n"
    assert seen(body + "        except PermissionError: pass\nreturn opened") == "[]"
    pairs = f"made = []\nfor family in range({SOCKET_FAMILIES}):\n    try: made += socket.socketpair(family)\n"
    only_unix = "    except PermissionError: pass\nreturn [int(end.family) for end in made]"
    assert seen(pairs + only_unix) == str([int(socket.AF_UNIX)] * 2)


@pytest.mark.promise("Generated code reaches no process but itself: no signals, no ptrace, no memory of others.")
def test_other_processes_are_out_of_reach() -> None:
    body = "done = []\nfor target in (given[0], 1, 2, 0, -1):\n    for number in (0, 9, 15):\n"
    body += "        try: done.append(os.kill(target, number))\n        except PermissionError: pass\nreturn done"
    assert seen(body, f"f({os.getpid()})") == "[]"
    assert seen("return os.getpid(), os.getppid()") == "(1, 0)"
    call = "libc = ctypes.CDLL(None, use_errno=True)\nr = [(libc.{0}, ctypes.get_errno())]\nreturn r"
    for attempt in (f"ptrace(16, {os.getpid()}, 0, 0)", f"process_vm_readv({os.getpid()}, 0, 0, 0, 0, 0)"):
        assert seen(call.format(attempt)) == "[(-1, 1)]"


@pytest.mark.promise("Every system call outside a short list is refused: io_uring, bpf, keys, userfaultfd, mounts, …")
def test_every_other_system_call_is_refused() -> None:
    column, _ = ARCHITECTURES[platform_name()]
    listed = set((system_calls(PLAIN, column) | system_calls(SPECIAL, column)).values())
    # uretprobe and uprobe pass every filter, and end a process that makes them on its own.
    refused = [number for number in range(512) if number not in {*listed, 335, 336}]
    named = {"io_uring_setup": 425, "clone3": 435, "pidfd_open": 434, "open_tree": 428, "landlock_create_ruleset": 444}
    if platform_name() == "x86_64":
        named |= {"bpf": 321, "keyctl": 250, "userfaultfd": 323, "mount": 165, "unshare": 272, "ptrace": 101,
                  "execve": 59, "fork": 57, "prctl": 157, "seccomp": 317, "setns": 308, "perf_event_open": 298,
                  "memfd_create": 319, "socket": 41, "kill": 62, "chroot": 161}  # fmt: skip
    assert set(named.values()) - {435} <= set(refused)
    body = "libc = ctypes.CDLL(None, use_errno=True)\nmade = []\nfor number in given[0]:\n"
    body += "    result = libc.syscall(number, 0, 0, 0, 0, 0, 0), ctypes.get_errno()\n"
    body += "    if result != (-1, 1): made.append((number, result))\nreturn made"
    assert seen(body, f"f({refused})") == "[]"
    clone = system_calls(SPECIAL, column)["clone"]
    for number, error in ((clone, 1), (435, 38)):  # to libraries, clone3 is an old kernel's
        body = f"libc = ctypes.CDLL(None, use_errno=True)\nr = libc.syscall({number}, 0x10000011, 0, 0, 0, 0)\n"
        assert seen(body + "return r, ctypes.get_errno()") == f"(-1, {error})"


@pytest.mark.skipif(platform_name() != "x86_64", reason="the other numbers are x86's")
def test_system_calls_by_another_door_are_refused() -> None:
    """x32's numbers, and i386's through its own instruction, which must end the process: SIGSYS, or no such door."""
    body = "libc = ctypes.CDLL(None, use_errno=True)\n"
    body += "return [libc.syscall(0x40000000 + number, 0, 0, 0, 0) for number in (39, 41, 57, 59)]"
    assert seen(body) == "[-1, -1, -1, -1]"
    getpid = "import mmap\npage = mmap.mmap(-1, 4096, prot=7)\npage.write(bytes.fromhex('b814000000cd80c3'))\n"
    getpid += "return ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()"
    assert seen(getpid) in ("ended early with status -31", "ended early with status -11")


def test_ordinary_code_works() -> None:
    """The list of system calls leaves in what the standard library needs."""
    code = (
        "import asyncio, concurrent.futures, datetime, decimal, hashlib, pathlib, random, secrets, shutil, sqlite3\n"
        "import ssl, tempfile, threading, time, uuid, zoneinfo\n"
        "async def both():\n    return await asyncio.gather(asyncio.sleep(0.01, 1), asyncio.to_thread(lambda: 2))\n"
        "def f(x):\n    assert asyncio.run(both()) == [1, 2]\n"
        "    with concurrent.futures.ThreadPoolExecutor(4) as pool: assert sum(pool.map(abs, range(9))) == 36\n"
        "    with tempfile.TemporaryDirectory() as folder:\n        path = pathlib.Path(folder) / 'a'\n"
        "        path.write_text('x'); shutil.copy(path, folder + '/b'); path.rename(folder + '/c')\n"
        "    assert sqlite3.connect('db').execute('select 1').fetchone() == (1,)\n"
        "    assert secrets.token_bytes(4) != uuid.uuid4().bytes and hashlib.sha256().digest()\n"
        "    return x + 1\n"
    )
    assert reason(code, "assert f(1) == 2", "raise RuntimeError('reached')", seconds=20) == "RuntimeError: reached"


# Many at once, other users, other kernels.


@pytest.mark.promise("A hundred sandboxes at once leave no process, no file, no mount and no descriptor behind.")
def test_a_hundred_at_once_leave_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def traces() -> tuple:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
        return list(tmp_path.iterdir()), mounts, len(list(Path("/proc/self/fd").iterdir()))

    def attempt(number: int) -> bool:
        code = "import os, threading, time\nopen('file', 'w').write('x')\n"
        code += "threading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n" + GOOD
        return run_tests(code, [f"assert f({number}) == {number + 1}"], "f", 60, 256).passed

    require_layers(True)
    before = traces()
    with ThreadPoolExecutor(max_workers=100) as pool:
        assert all(pool.map(attempt, range(100)))
    *left, descriptors = traces()
    assert left == list(before[:2])
    assert descriptors <= before[2]  # fewer, where something of earlier tests was collected meanwhile
    assert processes_of(os.getpid()) == []


@pytest.mark.promise("Where the process that judges is killed, the code that it runs is killed with it.")
def test_the_code_dies_with_who_started_it() -> None:
    script = (
        "from qloratory.sandbox import missing_layers, run_tests\nmissing_layers()\nprint('ready', flush=True)\n"
        "run_tests('while True: pass', [], 'f', 60, 256)"
    )
    user = subprocess.Popen(
        [sys.executable, "-c", script], env={"PYTHONPATH": str(ROOT / "src")}, stdout=subprocess.PIPE
    )
    try:
        assert user.stdout is not None
        assert user.stdout.readline() == b"ready\n"
        deadline = time.monotonic() + 20
        while len(processes_of(user.pid)) < 3 and time.monotonic() < deadline:  # launcher, judge, answer
            time.sleep(0.02)
        assert len(processes_of(user.pid)) == 3
    finally:
        user.send_signal(signal.SIGKILL)
        user.communicate()
    deadline = time.monotonic() + 5
    while processes_of(user.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert processes_of(user.pid) == []


CHECK = """
import json, sys
from qloratory.errors import QloratoryError
from qloratory.sandbox import missing_layers, require_layers, run_tests
GOOD = "import datetime, ssl\\ndef f(x): return x + 1"
HOSTILE = "import os\\ndef f(path):\\n    return [attempt(path) for attempt in (read, fork, write)]\\n" \\
    "def read(path):\\n    try: return open(path).read()\\n    except OSError: return 'refused'\\n" \\
    "def fork(path):\\n    try: return os.fork()\\n    except OSError: return 'refused'\\n" \\
    "def write(path):\\n    try: return open(path + '.2', 'w').write('x')\\n    except OSError: return 'refused'\\n"
report = {"missing": missing_layers()}
try:
    require_layers(True)
    report["required"] = None
except QloratoryError as error:
    report["required"] = [str(error), error.exit_code]
require_layers(False)
require_layers("anyway")
for name, code, test in (("good", GOOD, "assert f(1) == 2"), ("wrong", GOOD, "assert f(1) == 3"),
                         ("forged", "import os\\ndef f(x): os._exit(0)", "assert f(1) == 2"),
                         ("hostile", HOSTILE, f"assert f({sys.argv[1]!r}) == ['refused'] * 3")):
    report[name] = run_tests(code, [test], "f", 10, 256, execute="anyway").passed
print(json.dumps(report))
"""
JUDGED = {"good": True, "wrong": False, "forged": False, "hostile": True}


def report_of(command: list[str], path: Path, source: Path = ROOT / "src", **how: object) -> dict:
    environment = {"PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1", "PATH": os.environ["PATH"]}
    done = subprocess.run(
        [*command, "-c", CHECK, str(path)], env=environment, capture_output=True, text=True, timeout=60, **how
    )  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_this_machine_has_all_required_layers() -> None:
    assert set(missing_layers()) <= set(OPTIONAL)
    require_layers(True)


@pytest.mark.promise("The sandbox needs no root: an ordinary user gets the same layers.")
@pytest.mark.skipif(os.getuid() != 0, reason="the other tests have shown it")
def test_an_ordinary_user_gets_the_same_layers() -> None:
    nobody: dict[str, object] = {"user": 65534, "group": 65534, "extra_groups": [], "cwd": "/"}
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # one that nobody may read
        shutil.copytree(ROOT / "src", Path(folder) / "src", ignore=shutil.ignore_patterns("__pycache__"))
        test = ["-c", "import sys; assert sys.version_info >= (3, 11)"]
        for python in (sys.executable, "/usr/bin/python3", "/usr/local/bin/python3"):
            try:
                subprocess.run([python, *test], check=True, capture_output=True, **nobody)  # type: ignore[call-overload]
            except (OSError, subprocess.CalledProcessError):
                continue
            report = report_of([python], Path("/etc/passwd"), Path(folder) / "src", **nobody)
            assert report == {"missing": missing_layers(), "required": None, **JUDGED}
            return
    pytest.skip("there is no Python 3.11 that an ordinary user can start")


NAMESPACE_LIMITS = {"user": "user namespace", "mnt": "mount namespace", "pid": "process namespace",
                    "ipc": "IPC namespace", "net": "network namespace"}  # fmt: skip


@pytest.mark.promise("Where the kernel lacks a layer, its name is told and generated code is refused, unless accepted.")
@pytest.mark.parametrize("kind", NAMESPACE_LIMITS)
def test_a_missing_layer_is_named_and_refused(kind: str, tmp_path: Path) -> None:
    """A user namespace that may make none of a kind: the kernel's own limit, as administrators set it."""
    (tmp_path / "canary").write_text("canary", encoding="utf-8")
    limit = f'echo 0 > /proc/sys/user/max_{kind}_namespaces && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", limit, "sh", sys.executable]
    report = report_of(command, tmp_path / "canary")
    sentence, code = report.pop("required")
    missing = report.pop("missing")
    assert NAMESPACE_LIMITS[kind] in missing
    assert f"{NAMESPACE_LIMITS[kind]} (No space left on device)" in sentence
    assert "\n" not in sentence
    assert "evaluate.execute=false" in sentence
    assert "evaluate.execute=anyway" in sentence
    assert code == 5
    assert set(LAYERS) - set(missing) >= {"no new privileges", "seccomp filter"}
    if "Landlock" in missing_layers():
        assert report | {"hostile": True} == JUDGED
    else:  # Landlock stands in for the root of its own
        assert report == JUDGED


@pytest.mark.promise(
    "evaluation.json and the report say under which layers generated code ran, and which were missing."
)
@pytest.mark.parametrize("execute", ["anyway", "false"])
def test_what_code_ran_under_is_recorded(execute: str, finished_run: Path, tmp_path: Path) -> None:
    """Where the kernel gives no IPC namespace."""
    shutil.copytree(finished_run, tmp_path / "finished")
    arguments = [str(tmp_path / "finished" / "recipe.yaml"), f"train.output_dir={tmp_path / 'finished' / 'run'}"]
    script = (
        "import sys\nfrom qloratory.cli import main\n"
        "sys.exit(main(['evaluate', *sys.argv[1:]]) or main(['report', *sys.argv[1:]]))"
    )
    limit = 'echo 0 > /proc/sys/user/max_ipc_namespaces && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", limit, "sh", sys.executable, "-c", script]
    done = subprocess.run(
        [*command, *arguments, f"evaluate.execute={execute}"],
        env=dict(os.environ) | {"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    evaluation = json.loads((tmp_path / "finished" / "run" / "evaluation.json").read_text(encoding="utf-8"))
    isolation = evaluation["isolation"]
    page = (tmp_path / "finished" / "run" / "report.html").read_text(encoding="utf-8")
    if execute == "false":
        assert isolation == {"execute": False, "layers": [], "missing": {}, "missing_optional": {}}
        assert evaluation["baseline"]["tests_passed"]["n"] == 0
        assert "code was not run (evaluate.execute=false)" in page
    else:
        assert isolation["execute"] == "anyway"
        assert isolation["missing"] == {"IPC namespace": "No space left on device"}
        assert set(isolation["layers"]) == set(LAYERS) - {"IPC namespace"} - set(isolation["missing_optional"])
        assert evaluation["baseline"]["tests_passed"]["n"] == 3
        assert "Missing: IPC namespace (No space left on device)." in page
        assert "code run without full isolation" in page


LOSES = """
import pathlib, sys
from qloratory.errors import QloratoryError
from qloratory.sandbox import missing_layers, run_tests
missing_layers()
pathlib.Path("/proc/sys/user/max_user_namespaces").write_text("0")
try:
    print(run_tests("def f(): pass", ["f()"], "f", 5, 256))
except QloratoryError as error:
    print(error.exit_code, error)
"""


@pytest.mark.promise("A layer that the machine takes away between two answers stops the evaluation; no code runs.")
def test_a_layer_that_is_lost_on_the_way_is_told() -> None:
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", sys.executable, "-c", LOSES],
        env=dict(os.environ) | {"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.startswith("5 the sandbox lost its user namespace (No space left on device)"), done.stderr


def test_a_processor_without_a_table_has_no_filter() -> None:
    """The kernel calls itself another machine's, as it does for programs of 32 bits."""
    script = (
        "from qloratory.sandbox import missing_layers\nfrom qloratory.seccomp import platform_name\n"
        "print(missing_layers()['seccomp filter'])\n"
        "try: platform_name()\nexcept OSError as error: print(error.strerror)"
    )
    done = subprocess.run(
        ["setarch", "linux32", sys.executable, "-c", script],
        env=dict(os.environ) | {"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert re.fullmatch(r"(there is no table of system calls for (i686|armv8l)\n){2}", done.stdout), done.stderr


@pytest.mark.parametrize(("says", "told"), [("echo no such library >&2; ", "no such library"), ("", "no message")])
def test_a_sandbox_that_does_not_start_says_why(
    says: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interpreter that ends at once, as one does whose libraries were replaced under it."""
    require_layers(True)
    broken = tmp_path / "python"
    broken.write_text(f"#!/bin/sh\n{says}exit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    sentence = f"the sandbox does not start here (status 3: {told}); set evaluate.execute=false to score style alone"
    with pytest.raises(HardwareError, match=re.escape(sentence)):
        passes(GOOD, "assert f(1) == 2")


@pytest.mark.promise("Without the layers, `run` stops before it trains, and `evaluate` stops and keeps all answers.")
def test_commands_refuse_before_anything_is_spent_or_lost(tiny_qwen: Path, finished_run: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_run, tmp_path / "finished")
    settings = tiny_settings(tiny_qwen, tmp_path)
    recipe = write_recipe(tmp_path, settings)
    before = {path: path.read_bytes() for path in (tmp_path / "finished").rglob("*") if path.is_file()}
    script = (
        "import sys\nfrom qloratory.cli import main\n"
        "codes = [main(['run', sys.argv[1]]), main(['evaluate', sys.argv[1], 'train.output_dir=' + sys.argv[2]])]\n"
        "sys.exit(codes != [5, 5])"
    )
    limit = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$@"'
    command = ["unshare", "--user", "--map-root-user", "sh", "-c", limit, "sh", sys.executable, "-c", script]
    done = subprocess.run(
        [*command, str(recipe), str(tmp_path / "finished" / "run")],
        env=dict(os.environ) | {"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    complaints = [line for line in done.stderr.splitlines() if line.startswith("qloratory: ")]
    assert len(complaints) == 2
    assert all("user namespace" in line for line in complaints)
    assert not (tmp_path / "run").exists()
    assert {path: path.read_bytes() for path in (tmp_path / "finished").rglob("*") if path.is_file()} == before
