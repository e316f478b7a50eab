"""Kill a training at random moments and resume it, again and again; at the end it is the one never stopped.

    python bench/soak.py --kills 50 --recipe configs/smollm2-135m.yaml --record docs/results/soak.json

A training is started in a process of its own and killed with SIGKILL: at a random moment of a random step, or, every
fifth time, while it loads. Then it is resumed. One that reaches its end is compared, adapter and losses, with a
training that was never stopped, byte for byte, and the next one begins, until there have been as many kills as asked
for; the last training is let run to its end.
"""

import argparse
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from qloratory.checkpoint import newest_good_checkpoint, steps_of
from qloratory.config import load_config
from qloratory.run import PACKAGES, describe_hardware, git_commit


def soak(recipe: Path, overrides: list[str], kills: int, seed: int) -> dict[str, Any]:
    """The record: each kill's moment, the step of the newest good checkpoint after it, and whether all ended equal."""
    adapter = load_config(recipe, overrides).train.adapter_name
    moments = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="qloratory-soak-") as name:
        straight = Path(name) / "straight"
        started = time.monotonic()
        assert run(recipe, [*overrides, f"train.output_dir={straight}"]) == 0
        seconds = time.monotonic() - started
        record = json.loads((straight / "run.json").read_text(encoding="utf-8"))
        train_seconds, steps = record["training"]["train_seconds"], record["training"]["steps"]
        expected = result(straight, adapter)
        print(f"never stopped: {seconds:.0f} s, adapter {expected[0][:16]}", flush=True)
        done: list[dict[str, Any]] = []
        moment: dict[str, Any]
        ends: list[bool] = []
        unended = False
        while len(done) < kills or unended:
            stopped = Path(name) / f"stopped-{len(ends)}"
            arguments = [*overrides, f"train.output_dir={stopped}", "--resume"]
            if len(done) == kills:
                code, moment = run(recipe, arguments), {}
            elif len(done) % 5 == 4:
                moment = {"phase": "loading", "after": round(moments.uniform(0, seconds - train_seconds), 2)}
                code = run(recipe, arguments, moment["after"])
            else:
                step, after = moments.randrange(steps), round(moments.uniform(0, 2 * train_seconds / steps), 3)
                moment = {"phase": "training", "step": step, "after": after}
                code = run(recipe, arguments, after, stopped / "metrics.jsonl", step)
            unended = code != 0
            assert code in (0, -9), f"a training ended with exit code {code}"
            if code == 0:
                ends.append(result(stopped, adapter) == expected)
                print(f"end {len(ends)}: {'equal' if ends[-1] else 'DIFFERENT'}", flush=True)
            else:
                good = newest_good_checkpoint(stopped)
                done.append(moment | {"good_step": steps_of(good) if good else 0})
                print(f"kill {len(done)}: {done[-1]}", flush=True)
    return {
        "commit": os.environ.get("COMMIT") or git_commit(),
        "command": " ".join(["python bench/soak.py", *sys.argv[1:]]),
        "kills": len(done),
        "ends": len(ends),
        "equal": all(ends),
        "seconds_never_stopped": round(seconds, 1),
        "steps": steps,
        "seed": seed,
        "overrides": overrides,
        "recipe": recipe.name,
        "moments": done,
        "hardware": describe_hardware(),
        "versions": versions(),
    }


def run(
    recipe: Path, arguments: list[str], limit: float | None = None, metrics: Path | None = None, step: int = 0
) -> int:
    """Train, and kill it after `limit` seconds, counted from when its log `metrics` has that many steps, if given.

    Returns the exit code, -9 where it was killed.
    """
    with tempfile.NamedTemporaryFile() as log:
        started = time.time()
        process = start(["train", str(recipe), *arguments], Path(log.name))
        while metrics and process.poll() is None and not has_steps(metrics, step, started):
            time.sleep(0.005)
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            code = process.wait()
        if code not in (0, -9):
            print(Path(log.name).read_text(encoding="utf-8", errors="replace")[-2000:])
        return code


def has_steps(metrics: Path, step: int, started: float) -> bool:
    """Whether the log is this training's, which begins it by writing the steps before its checkpoint, and so long."""
    return metrics.exists() and metrics.stat().st_mtime > started and metrics.read_bytes().count(b"\n") >= step


def start(arguments: list[str], log: Path) -> Any:
    with log.open("wb") as file:
        return subprocess.Popen([sys.executable, "-m", "qloratory.cli", *arguments], stdout=file, stderr=file)


def result(folder: Path, adapter: str) -> tuple[str, str]:
    """The adapter's hash and the log: losses, gradient norms and learning rates of every step."""
    weights = (folder / adapter / "adapter_model.safetensors").read_bytes()
    return hashlib.sha256(weights).hexdigest(), (folder / "metrics.jsonl").read_text(encoding="utf-8")


def versions() -> dict[str, str]:
    from importlib.metadata import version

    return {name: version(name) for name in PACKAGES}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--recipe", type=Path, default=Path("configs/smollm2-135m.yaml"))
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--record", type=Path, help="JSON file to write")
    parser.add_argument("overrides", nargs="*", metavar="section.name=value")
    options = parser.parse_args()
    record = soak(options.recipe, options.overrides, options.kills, options.seed)
    if options.record:
        options.record.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(f"{record['kills']} kills, {record['ends']} trainings to the end, all equal: {record['equal']}")
    return 0 if record["equal"] else 1


if __name__ == "__main__":
    sys.exit(main())
