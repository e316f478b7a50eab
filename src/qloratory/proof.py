"""`qloratory train --verify-resume`: kill a training of this recipe, resume it, compare it with one never stopped."""

import hashlib
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from qloratory.checkpoint import checkpoints_in, steps_of
from qloratory.config import Config
from qloratory.data import read_jsonl
from qloratory.errors import ResumeError
from qloratory.model import pick_device

STEPS, STOP = 6, 3  # of the proof: all, and those before the kill


def verify_resume(config: Config, steps: int = STEPS, stop: int = STOP) -> None:
    """Train three times in processes of their own, in a temporary directory, and print the comparison.

    Args:
        config: The recipe; its run directory is not touched.
        steps: Of each training.
        stop: After the checkpoint of this step, the second training is killed; the third resumes it.

    Raises:
        ResumeError: The resumed training is not the straight one, or a training failed.
    """
    with tempfile.TemporaryDirectory(prefix="qloratory-verify-") as name:
        straight, stopped = Path(name) / "straight", Path(name) / "stopped"
        recipes = {folder: write_proof_recipe(config, folder, steps, stop) for folder in (straight, stopped)}
        print(f"Training {steps} steps without a stop")
        finish(recipes[straight])
        print(f"Training again, killed when checkpoint-{stop} is there")
        kill_after_checkpoint(recipes[stopped], stopped, stop)
        print("Resuming it")
        finish(recipes[stopped], "--resume")
        equal = compare(straight, stopped, config.train.adapter_name)
    if not equal:
        raise ResumeError("the resumed training is not the one that was never stopped" + remedy(config))
    print("Resuming is exact: the same losses, the same adapter, byte for byte")


def remedy(config: Config) -> str:
    if config.train.full_determinism or pick_device(config.model.device) == "cpu":
        return ""
    return "; a GPU adds up in no fixed order, unless it is told to: set train.full_determinism=true"


def write_proof_recipe(config: Config, output_dir: Path, steps: int, stop: int) -> Path:
    """The recipe, cut to a few steps, with a checkpoint in the middle."""
    settings = config.model_dump(mode="json")
    settings["train"] |= {
        "output_dir": str(output_dir),
        "max_steps": steps,
        "save_steps": stop,
        "save_total_limit": 2,
        "logging_steps": 1,
        "report_to": "none",
    }
    recipe = output_dir.with_suffix(".yaml")
    recipe.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return recipe


def start(recipe: Path, *options: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "qloratory.cli", "train", str(recipe), *options]
    log = recipe.with_suffix(".log").open("wb")
    with log:
        return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=log)


def finish(recipe: Path, *options: str) -> None:
    process = start(recipe, *options)
    try:
        code = process.wait()
    finally:
        process.kill()
    if code != 0:
        raise ResumeError(f"a training of the proof failed: {last_line(recipe)}")


def kill_after_checkpoint(recipe: Path, output_dir: Path, stop: int) -> None:
    """SIGKILL as soon as the checkpoint is there; later ones, of a process too fast for it, are removed."""
    process = start(recipe)
    try:
        while not (output_dir / f"checkpoint-{stop}").is_dir():
            if process.poll() is not None:
                raise ResumeError(f"a training of the proof ended before it could be killed: {last_line(recipe)}")
            time.sleep(0.005)
    finally:
        process.kill()
        process.wait()
    for checkpoint in checkpoints_in(output_dir):
        if steps_of(checkpoint) > stop:
            shutil.rmtree(checkpoint)


def last_line(recipe: Path) -> str:
    lines = recipe.with_suffix(".log").read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "it said nothing"


def compare(straight: Path, stopped: Path, adapter_name: str) -> bool:
    """Print both trainings side by side; whether they are equal."""
    runs = [[row["loss"] for row in read_jsonl(folder / "metrics.jsonl")] for folder in (straight, stopped)]
    hashes = [
        hashlib.sha256((folder / adapter_name / "adapter_model.safetensors").read_bytes()).hexdigest()
        for folder in (straight, stopped)
    ]
    print(f"{'step':<8}{'never stopped':<24}{'killed and resumed':<24}")
    for step, (one, other) in enumerate(zip(*runs, strict=True), start=1):
        print(f"{step:<8}{one!r:<24}{other!r:<24}{'equal' if one == other else 'DIFFERENT'}")
    print(f"{'adapter':<8}{hashes[0][:20]:<24}{hashes[1][:20]:<24}{'equal' if hashes[0] == hashes[1] else 'DIFFERENT'}")
    return runs[0] == runs[1] and hashes[0] == hashes[1]
