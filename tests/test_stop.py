"""Signals, a second run, numbers that are none, memory and disks: one sentence, and the last good state is kept."""

import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from conftest import read_rows, tiny_settings, write_recipe
from processes import finish, outcome, prepare, start, unmeasured
from qloratory.checkpoint import damage, newest_good_checkpoint
from qloratory.run import Lock
from qloratory.stop import stop_at_once, stop_at_step_end


def settings_of(model: Path, folder: Path, **changes: Any) -> dict[str, Any]:
    settings = tiny_settings(model, folder)
    settings["train"] |= {"max_steps": 6, "save_steps": 2} | changes
    return settings


def sentence(log: Path) -> str:
    """The one line for the user."""
    text = log.read_text(encoding="utf-8")
    assert "Traceback" not in text
    lines = [line for line in text.splitlines() if line.startswith("qloratory: ")]
    assert len(lines) == 1
    return lines[0]


def wait_until(condition: Any, process: Any) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert process.exitcode is None
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.mark.promise("SIGTERM and Ctrl-C in training save at the step's end; the resumed run is the one never stopped.")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_in_training_saves_and_stops(number: signal.Signals, tiny_qwen: Path, tmp_path: Path) -> None:
    settings = settings_of(tiny_qwen, tmp_path, logging_steps=2, save_steps=4)
    straight, stopped = (prepare(tmp_path / name, settings) for name in ("straight", "stopped"))
    assert finish(["train", straight], tmp_path / "log") == 0
    code = finish(["train", stopped], tmp_path / "stopped.log", signal_at_step=(3, number))
    assert code == 128 + number
    text = (tmp_path / "stopped.log").read_text(encoding="utf-8")
    assert f"{number.name}: stopping at the end of this step, with a checkpoint, within" in text
    assert "again to stop at once" in text
    assert "with checkpoint-3; go on with --resume" in sentence(tmp_path / "stopped.log")
    assert newest_good_checkpoint(tmp_path / "stopped" / "run") == tmp_path / "stopped" / "run" / "checkpoint-3"
    assert finish(["train", stopped, "--resume"], tmp_path / "log") == 0
    assert outcome(tmp_path / "straight") == outcome(tmp_path / "stopped")


@pytest.mark.promise("A second signal stops at once.")
def test_a_second_signal_stops_at_once(tiny_qwen: Path, tmp_path: Path) -> None:
    recipe = prepare(tmp_path / "a", settings_of(tiny_qwen, tmp_path))
    code = finish(["train", recipe], tmp_path / "log", signal_at_step=(4, signal.SIGTERM), signals=2)
    assert code == -signal.SIGTERM
    assert newest_good_checkpoint(tmp_path / "a" / "run") == tmp_path / "a" / "run" / "checkpoint-2"
    assert finish(["train", recipe, "--resume"], tmp_path / "log") == 0


@pytest.mark.promise("A signal in any other phase of a run stops it at once, and --resume goes on.")
@pytest.mark.parametrize("last_file", ["run.json", "baseline.jsonl", "tiny-coder", "finetuned.jsonl", "merged.jsonl"])
def test_a_signal_in_other_phases(last_file: str, tiny_qwen: Path, finished_run: Path, tmp_path: Path) -> None:
    """When that file is there: while the baseline is answered, after it, and so on to the scores."""
    recipe = prepare(tmp_path / "a", tiny_settings(tiny_qwen, tmp_path))
    process = start(["run", recipe], tmp_path / "log")
    wait_until(lambda: (tmp_path / "a" / "run" / last_file).exists(), process)
    began = time.monotonic()
    assert process.pid is not None
    os.kill(process.pid, signal.SIGTERM)
    process.join(30)
    assert process.exitcode == 143
    assert time.monotonic() - began < 15
    assert "go on with --resume" in sentence(tmp_path / "log")
    assert finish(["run", recipe, "--resume"], tmp_path / "log") == 0
    assert outcome(tmp_path / "a") == outcome(finished_run)
    assert (tmp_path / "a" / "run" / "report.html").exists()


@pytest.mark.promise("Two runs cannot share one output directory; the lock is gone when its process is killed.")
def test_a_second_run_is_refused(tiny_qwen: Path, tmp_path: Path) -> None:
    recipe = prepare(tmp_path / "a", settings_of(tiny_qwen, tmp_path))
    run = tmp_path / "a" / "run"
    first = start(["train", recipe], tmp_path / "first.log", pause=30.0)
    wait_until(lambda: (run / "inspect.json").exists(), first)
    before = (run / "run.json").read_bytes()
    for arguments in (["train", recipe, "--overwrite"], ["run", recipe, "--resume"], ["report", recipe]):
        log = tmp_path / f"{arguments[0]}.log"
        assert finish(arguments, log) == 6
        assert "is in use by another run" in sentence(log)
    assert (run / "run.json").read_bytes() == before
    first.kill()
    first.join()
    assert finish(["train", recipe, "--resume"], tmp_path / "log") == 0


def test_a_lock_can_be_taken_again_by_its_owner(tmp_path: Path) -> None:
    lock = Lock()
    lock.take(tmp_path)
    lock.take(tmp_path)
    lock.release()
    lock.release()


@pytest.mark.promise(
    "A loss or gradient that is not a number stops the run; the last good checkpoint stays the newest."
)
@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
def test_not_a_number_stops_the_run(fast: bool, tiny_qwen: Path, tmp_path: Path) -> None:
    recipe = prepare(tmp_path / "a", settings_of(tiny_qwen, tmp_path, fast=fast))
    assert finish(["train", recipe], tmp_path / "log", nan_at_step=4) == 8
    assert "at step 4 the loss or a gradient is not a number any more" in sentence(tmp_path / "log")
    run = tmp_path / "a" / "run"
    assert newest_good_checkpoint(run) == run / "checkpoint-2"
    assert [row["step"] for row in read_rows(run / "metrics.jsonl")] == [1, 2, 3]
    assert finish(["train", recipe, "--resume"], tmp_path / "log") == 0


@pytest.mark.promise("When memory runs out, one sentence says what to change, and the run can be resumed.")
@pytest.mark.parametrize("how", ["gpu", "cpu", "python"])
def test_out_of_memory(how: str, tiny_qwen: Path, tmp_path: Path) -> None:
    """On the CPU the allocator really refuses; the others are raised."""
    recipe = prepare(tmp_path / "a", settings_of(tiny_qwen, tmp_path))
    assert finish(["train", recipe], tmp_path / how, fail_at_step=(4, how)) == 5
    assert "halve train.per_device_train_batch_size and double train.gradient_accumulation_steps" in sentence(
        tmp_path / how
    )
    assert finish(["train", recipe, "--resume", "train.gradient_checkpointing=true"], tmp_path / "log") == 0


@pytest.mark.promise("An error that nobody thought of is told whole, for a report of it, and the run can be resumed.")
def test_an_error_that_nobody_thought_of(tiny_qwen: Path, tmp_path: Path) -> None:
    recipe = prepare(tmp_path / "a", settings_of(tiny_qwen, tmp_path))
    assert finish(["train", recipe], tmp_path / "odd", fail_at_step=(4, "bug")) == 1
    text = (tmp_path / "odd").read_text(encoding="utf-8")
    assert "Traceback (most recent call last)" in text
    assert text.endswith("qloratory: unexpected LookupError: odd\n")
    assert finish(["train", recipe, "--resume"], tmp_path / "log") == 0


@pytest.mark.promise("A run directory that vanishes stops training with one sentence.")
def test_a_vanished_directory(tiny_qwen: Path, tmp_path: Path) -> None:
    recipe = prepare(tmp_path / "a", settings_of(tiny_qwen, tmp_path, max_steps=1000))
    process = start(["train", recipe], tmp_path / "log", pause=0.05)
    run = tmp_path / "a" / "run"
    wait_until((run / "checkpoint-2").exists, process)
    run.rename(tmp_path / "away")
    process.join(60)
    assert process.exitcode == 6
    assert "could not be written: No such file or directory" in sentence(tmp_path / "log")
    assert not run.exists()
    assert newest_good_checkpoint(tmp_path / "away") is not None


@pytest.mark.promise(
    "A directory that becomes read-only stops training with one sentence; the last checkpoint is good."
)
@pytest.mark.skipif(os.geteuid() == 0 and shutil.which("setpriv") is None, reason="root may write everywhere")
def test_a_directory_that_becomes_read_only(tiny_qwen: Path, tmp_path: Path) -> None:
    """Without its capabilities, root obeys the permissions as any user does."""
    recipe = prepare(tmp_path / "a", settings_of(tiny_qwen, tmp_path, max_steps=100_000))
    powerless = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"] if os.geteuid() == 0 else []
    command = [*powerless, sys.executable, "-m", "qloratory.cli", "train", recipe]
    run = tmp_path / "a" / "run"
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=unmeasured())
    try:
        while not (run / "checkpoint-2").exists():
            assert process.poll() is None
            time.sleep(0.01)
        run.chmod(0o555)
        assert process.wait(60) == 6
    finally:
        process.kill()
        run.chmod(0o755)
    assert "Permission denied; the last good checkpoint is checkpoint-" in sentence(tmp_path / "log")
    assert newest_good_checkpoint(run) is not None


@pytest.mark.promise("A disk that fills up in training stops it with one sentence; with room again, the run goes on.")
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs util-linux")
def test_a_disk_that_fills_up_on_a_real_tmpfs(tiny_qwen: Path, tmp_path: Path) -> None:
    """Filled up when the first checkpoint is there, in a mount namespace; then freed, and resumed to the end."""
    settings = tiny_settings(tiny_qwen, tmp_path)
    small = tmp_path / "small"
    small.mkdir()
    settings["train"] |= {"output_dir": str(small / "run"), "max_steps": 120, "save_steps": 2}
    (tmp_path / "a").mkdir()
    recipe = write_recipe(tmp_path / "a", settings)
    train = f"{sys.executable} -m qloratory.cli train {recipe}"
    script = f"""
mount -t tmpfs -o size=4m tmpfs {small}
{train} & child=$!
while [ ! -d {small}/run/checkpoint-2 ] && kill -0 $child; do sleep 0.01; done
cat /dev/zero > {small}/filler
wait $child; echo code $?
ls {small}/run
rm {small}/filler
{train} --resume train.save_steps=100; echo code $?
cp -r {small}/run {tmp_path}/kept
"""
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        env=unmeasured(),
        check=False,
    )
    assert "code 6" in done.stdout, done.stderr
    assert "could not be written: " in done.stderr
    assert "the last good checkpoint is checkpoint-" in done.stderr
    assert "Traceback" not in done.stderr
    assert "code 0" in done.stdout, done.stderr
    assert "Resuming from" in done.stdout
    assert damage(tmp_path / "kept" / "checkpoint-120") is None


SWALLOWED = """
import os, signal, sys, time
from qloratory.stop import Stopped, stop_at_once

class Noisy:
    def __del__(self):
        raise ValueError("not a signal")

class Slow:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.01)  # the handler raises here, where Python swallows it

try:
    with stop_at_once():
        Noisy()
        Slow()
        began = time.monotonic()
        while time.monotonic() - began < 20:
            time.sleep(0.01)
except Stopped as stopped:
    print(stopped.exit_code, time.monotonic() - began < 5)
    time.sleep(0.3)  # it is not raised once more
    print("over")
"""


@pytest.mark.promise("A signal that comes within a destructor, which swallows what is raised, stops all the same.")
def test_a_signal_that_a_destructor_swallows_stops_all_the_same() -> None:
    done = subprocess.run([sys.executable, "-c", SWALLOWED], capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout == "143 True\nover\n", done.stderr
    assert "not a signal" in done.stderr  # other errors in destructors are told as ever
    assert "stopped by" not in done.stderr


def test_in_a_thread_signals_stay_their_owners() -> None:
    """A notebook or a server that runs a stage in a thread keeps its handlers."""
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]

    def within() -> list[Any]:
        with stop_at_once(), stop_at_step_end(lambda: "never") as request:
            return [*(signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)), request.number]

    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(within).result() == [*before, None]
