"""A checkpoint is whole or not there, wherever the save is cut off; what is damaged or foreign is never loaded."""

import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from safetensors.torch import load_file

from conftest import tiny_settings, write_recipe
from processes import unmeasured
from qloratory.checkpoint import (
    FILES,
    MANIFEST,
    checkpoints_in,
    damage,
    newest_good_checkpoint,
    read_checkpoint,
    remove_leftovers,
    write_checkpoint,
)
from qloratory.cli import main
from qloratory.errors import OutputError

NEEDS_STRACE = pytest.mark.skipif(  # in CI a missing tool fails the tests instead
    shutil.which("strace") is None and not os.environ.get("CI"), reason="no strace here: `make tools` installs it"
)
CONTENT = {name: name.encode() * 1000 for name in FILES}


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished_run / "run", tmp_path / "run")
    return tmp_path / "run"


def test_the_newest_is_taken(run: Path) -> None:
    assert newest_good_checkpoint(run) == run / "checkpoint-4"
    shutil.copytree(run / "checkpoint-4", run / "checkpoint-10")
    assert damage(run / "checkpoint-10") == "it is of step 4"
    assert newest_good_checkpoint(run) == run / "checkpoint-4"


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    (tmp_path / "checkpoint-mine").mkdir()
    assert newest_good_checkpoint(tmp_path) is None


@pytest.mark.promise("A checkpoint with a missing, cut or altered file is named and skipped; an older one is taken.")
@pytest.mark.parametrize("name", [*FILES, MANIFEST])
@pytest.mark.parametrize("how", ["missing", "cut", "one bit", "longer", "a link", "a pipe", "a folder"])
def test_a_damaged_one_is_named_and_skipped(name: str, how: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = run / "checkpoint-4" / name
    content = file.read_bytes()
    middle = len(content) // 2
    file.unlink()
    if how == "cut":
        file.write_bytes(content[:middle])
    elif how == "one bit":
        # In the manifest, a bit of the first hash: one in a name of a setting would be told by the comparison.
        place = content.index(b"sha256") + 12 if name == MANIFEST else middle
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    elif how == "longer":
        file.write_bytes(content + b"x")
    elif how == "a link":
        (run / "elsewhere").write_bytes(content)
        file.symlink_to(run / "elsewhere")
    elif how == "a pipe":
        os.mkfifo(file)
    elif how == "a folder":
        file.mkdir()
    assert newest_good_checkpoint(run) == run / "checkpoint-2"
    assert f"{run / 'checkpoint-4'} is damaged" in capsys.readouterr().out


@pytest.mark.promise("A manifest that names a file outside the checkpoint, or a foreign one, is refused.")
@pytest.mark.parametrize("name", ["../run.json", "/etc/passwd", "optimizer.pt", "sub/adapter_model.safetensors", ""])
def test_a_manifest_cannot_name_other_files(name: str, run: Path) -> None:
    path = run / "checkpoint-4" / MANIFEST
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["files"][name] = {"size": 1, "sha256": "0" * 64}
    path.write_text(json.dumps(manifest), encoding="utf-8")
    assert damage(run / "checkpoint-4") == f"{MANIFEST} names {name!r}, which is no file of a checkpoint"


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"files": []}', '{"files": {}}', "[" * 100_000, '"x"', "null", "1e999"]
)
def test_a_manifest_of_another_form_is_damage(content: str, run: Path) -> None:
    (run / "checkpoint-4" / MANIFEST).write_text(content, encoding="utf-8")
    assert damage(run / "checkpoint-4") is not None


class Poison:
    """When unpickled, it writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable, tuple]:
        return os.mkdir, (str(self.path),)


@pytest.mark.promise("A poisoned pickle in a checkpoint, under any name that Transformers would open, is never loaded.")
def test_a_poisoned_pickle_is_never_loaded(tiny_qwen: Path, tmp_path: Path) -> None:
    recipe = str(write_recipe(tmp_path, tiny_settings(tiny_qwen, tmp_path)))
    assert main(["train", recipe]) == 0
    shutil.rmtree(tmp_path / "run" / "checkpoint-4")
    poison = pickle.dumps(Poison(tmp_path / "poisoned"))
    for name in ("optimizer.pt", "optimizer.bin", "scheduler.pt", "rng_state.pth", "scaler.pt", "adapter_model.bin",
                 "pytorch_model.bin", "training_args.bin"):  # fmt: skip
        (tmp_path / "run" / "checkpoint-2" / name).write_bytes(poison)
    assert main(["train", recipe, "--resume"]) == 0
    assert not (tmp_path / "poisoned").exists()
    pickle.loads(poison)
    assert (tmp_path / "poisoned").exists()


def test_a_checkpoint_holds_safetensors_and_json_alone(run: Path) -> None:
    checkpoint = run / "checkpoint-4"
    assert {path.name for path in checkpoint.iterdir()} == {*FILES, MANIFEST}
    adapter = load_file(checkpoint / "adapter_model.safetensors")
    assert {str(tensor.dtype) for tensor in adapter.values()} == {"torch.float32"}
    clean = load_file(run / "tiny-coder" / "adapter_model.safetensors")
    assert adapter.keys() == clean.keys()
    assert all((adapter[name] == clean[name]).all() for name in adapter)
    for path in checkpoint.glob("*.json"):
        json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.promise("Rotation keeps as many checkpoints as asked for, and never removes the newest good one.")
def test_rotation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (1, 2, 30):
        write_checkpoint(tmp_path, step, CONTENT, {}, keep=2)
    assert [path.name for path in checkpoints_in(tmp_path)] == ["checkpoint-2", "checkpoint-30"]
    (tmp_path / "checkpoint-30" / MANIFEST).unlink()  # damaged: a run goes on from 2
    write_checkpoint(tmp_path, 3, CONTENT, {}, keep=2)
    assert [path.name for path in checkpoints_in(tmp_path)] == ["checkpoint-2", "checkpoint-3"]
    write_checkpoint(tmp_path, 3, CONTENT, {"again": 1}, keep=1)
    assert [path.name for path in checkpoints_in(tmp_path)] == ["checkpoint-3"]
    assert read_checkpoint(tmp_path / "checkpoint-3").facts == {"again": 1}
    # A disk that gives back other bytes than were written: the one before stays.
    monkeypatch.setattr("qloratory.checkpoint.manifest_of", lambda *_: b"{}")
    with pytest.raises(
        OutputError, match="the disk gives back something else.*the last good checkpoint is checkpoint-3"
    ):
        write_checkpoint(tmp_path, 4, CONTENT, {}, keep=1)
    assert damage(tmp_path / "checkpoint-3") is None


def test_a_save_needs_its_space_before_it_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_checkpoint(tmp_path, 1, CONTENT, {}, keep=2)
    monkeypatch.setattr("shutil.disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 10_000))
    with pytest.raises(OutputError, match="0.0 MiB free and a checkpoint needs .* go on with --resume"):
        write_checkpoint(tmp_path, 2, CONTENT, {}, keep=2)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-1"]


# A save of step 3 beside the checkpoints 1 and 2, of which it removes 1. `{0}` is what happens before.
SAVE = """
import os, signal, sys
from pathlib import Path
from qloratory.checkpoint import FILES, write_checkpoint
folder, count = Path(sys.argv[1]), int(sys.argv[2])
content = {{name: name.encode() * 1000 for name in FILES}}
{0}
write_checkpoint(folder, 3, content, {{}}, keep=2)
"""
# Python tells its own file operations as they begin: each is a place to be killed at.
AUDIT = """
left = count
def kill(event, arguments):
    global left
    if event.startswith(("os.", "open", "shutil.")):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
os.write(1, b"ready")
sys.addaudithook(kill)
"""
# strace attaches in between, and kills at the system call.
WAIT = 'os.write(1, b"ready"); os.read(0, 1)'


def checked(folder: Path) -> Path | None:
    """After a save that was cut off: the newest good one is 2 or 3, and a new save works and tidies up."""
    remove_leftovers(folder)
    newest = newest_good_checkpoint(folder)
    assert newest in (folder / "checkpoint-2", folder / "checkpoint-3")
    write_checkpoint(folder, 4, CONTENT, {}, keep=2)
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        ["checkpoint-4", newest.name] if newest else ["checkpoint-4"]
    )
    return newest


def two_checkpoints(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for step in (1, 2):
        write_checkpoint(folder, step, CONTENT, {}, keep=2)
    return folder


@pytest.mark.promise("SIGKILL at any file operation of a save leaves the last good checkpoint usable.")
def test_killed_at_any_file_operation_of_a_save(tmp_path: Path) -> None:
    count, found = 0, set()
    while True:
        count += 1
        folder = two_checkpoints(tmp_path / "run")
        command = [sys.executable, "-c", SAVE.format(AUDIT), str(folder), str(count)]
        code = subprocess.run(command, stdout=subprocess.DEVNULL, env=unmeasured(), check=False).returncode
        found.add(checked(folder))
        if code == 0:
            break
        assert code == -signal.SIGKILL
    assert count > 30
    assert len(found) == 2  # some were cut off before the rename, some after it


def traced(folder: Path, fault: str) -> int:
    """The exit code of a save under strace with an injected fault, counted from the save's first system call."""
    save = subprocess.Popen(
        [sys.executable, "-c", SAVE.format(WAIT), str(folder), "0"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=unmeasured(),
    )
    assert save.stdin is not None
    assert save.stdout is not None
    assert save.stdout.read(5) == b"ready"
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", "/dev/null", "-e", fault, "-p", str(save.pid)])
    while f"TracerPid:\t{tracer.pid}\n" not in Path(f"/proc/{save.pid}/status").read_text(encoding="ascii"):
        if tracer.poll() is not None:
            save.kill()
            pytest.skip("this machine lets no process be traced")
        time.sleep(0.01)
    save.communicate(b"x")
    tracer.wait()
    return save.returncode


@NEEDS_STRACE
@pytest.mark.promise("SIGKILL at any system call of a save that changes something leaves the last good one usable.")
def test_killed_at_any_system_call_of_a_save(tmp_path: Path) -> None:
    found, killed = set(), 0
    for calls in (
        "openat",
        "write",
        "fsync",
        "?mkdir,?mkdirat",
        "?rename,?renameat,?renameat2",
        "?unlink,unlinkat,?rmdir",
    ):
        for count in range(1, 100):
            folder = two_checkpoints(tmp_path / "run")
            code = traced(folder, f"inject={calls}:signal=KILL:when={count}")  # counted for each call of its own
            found.add(checked(folder))
            if code == 0:
                break
            assert code == -signal.SIGKILL
            killed += 1
    assert killed > 40
    assert len(found) == 2  # some were cut off before the rename, some after it


@NEEDS_STRACE
@pytest.mark.promise("A full, broken or read-only disk at any write of a save leaves the last good checkpoint usable.")
@pytest.mark.parametrize(
    ("call", "error"),
    [("write", "ENOSPC"), ("fsync", "EIO"), ("mkdir", "EROFS"), ("rename", "EIO"), ("openat", "EACCES")],
)
def test_any_call_that_fails(call: str, error: str, tmp_path: Path) -> None:
    for count in (1, 2, 5):
        folder = two_checkpoints(tmp_path / "run")
        traced(folder, f"inject={call}:error={error}:when={count}")
        checked(folder)
