"""Hold the fast step against the plain one: the same trajectory, the same bytes again, and no memory lost on the way.

`python bench/parity.py OUT.json RECIPE [section.name=value…]` trains the recipe's model on its data, rows in the order
of the file, so that seeds differ in the adapters' start alone. The spread of plain runs is the largest distance between
two of them; fast runs must be within it of the plain run with their own seed. A distance is a mean over the steps.
"""

import json
import sys
import tempfile
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
from speed import describe
from transformers import TrainerCallback

from qloratory.cli import quiet_libraries
from qloratory.config import load_config
from qloratory.labels import tokenize_rows
from qloratory.model import attach_adapter, load_base, trainable_parameters
from qloratory.pipeline import Job, make_job
from qloratory.plan import MIB, held_mib
from qloratory.train import QloraTrainer

SEEDS = (0, 1, 2)
STEPS = 50
MANY_STEPS, LOOK_EVERY = 2000, 200


class MemoryLook(TrainerCallback):
    """Memory held, every so many steps, in MiB: this process's, and the GPU's allocations and reservations."""

    def __init__(self) -> None:
        self.looks: list[dict[str, float]] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step % LOOK_EVERY == 0:
            look = {"step": state.global_step, "process_mib": held_mib("cpu")}
            if torch.cuda.is_available():
                look["gpu_allocated_mib"] = round(torch.cuda.memory_allocated() / MIB, 1)
                look["gpu_reserved_mib"] = round(torch.cuda.memory_reserved() / MIB, 1)
            self.looks.append(look)


def train(arguments: list[str], *more: str, callback: TrainerCallback | None = None) -> tuple[list[float], bytes]:
    """The loss of each step, and the adapter's bytes at the end."""
    with tempfile.TemporaryDirectory() as folder:
        recipe, *overrides = arguments
        settings = [*overrides, f"train.output_dir={folder}", "train.train_sampling_strategy=sequential", *more]
        job: Job = make_job(load_config(Path(recipe), ["train.save_steps=1000000", *settings]))
        model = attach_adapter(load_base(job.config, job.source), job.config.lora, job.config.train.seed)
        rows = tokenize_rows(job.training_rows, job.tokenizer, job.config.train.max_length)
        trainer = QloraTrainer(job.config, model, job.tokenizer, rows)
        if callback is not None:
            trainer.add_callback(callback)
        trainer.train()
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return losses, b"".join(value.detach().cpu().numpy().tobytes() for value in trainable_parameters(model).values())


def distance(one: list[float], other: list[float]) -> float:
    return fmean(abs(a - b) for a, b in zip(one, other, strict=True))


def compare_trajectories(arguments: list[str]) -> dict[str, Any]:
    steps = f"train.max_steps={STEPS}"
    losses = {
        f"{way} {seed}": train(arguments, steps, f"train.seed={seed}", f"train.fast={way == 'fast'}")[0]
        for seed in SEEDS
        for way in ("fast", "plain")
    }
    same_seed = [distance(losses[f"fast {seed}"], losses[f"plain {seed}"]) for seed in SEEDS]
    other_seed = [distance(losses[f"plain {a}"], losses[f"plain {b}"]) for a, b in combinations(SEEDS, 2)]
    return {
        "steps": STEPS,
        "fast_from_plain_of_the_same_seed": same_seed,
        "plain_from_plain_of_another_seed": other_seed,
        "within_the_spread": max(same_seed) <= max(other_seed),
        "losses": losses,
    }


def repeat_exactly(arguments: list[str]) -> dict[str, Any]:
    settings = ("train.max_steps=20", "train.full_determinism=true")
    runs = [train(arguments, *settings) for _ in range(2)]
    return {"steps": 20, "same_losses": runs[0][0] == runs[1][0], "same_adapter_bytes": runs[0][1] == runs[1][1]}


def look_for_leaks(arguments: list[str]) -> dict[str, Any]:
    look = MemoryLook()
    train(arguments, f"train.max_steps={MANY_STEPS}", "train.logging_steps=100", callback=look)
    return {"steps": MANY_STEPS, "looks": look.looks}


def main(out: Path, arguments: list[str]) -> None:
    quiet_libraries()
    found: dict[str, Any] = {}
    for name, measure in (
        ("trajectories", compare_trajectories),
        ("repeated", repeat_exactly),
        ("memory", look_for_leaks),
    ):
        found[name] = measure(arguments)
        print(name, {key: value for key, value in found[name].items() if key != "losses"}, flush=True)
        out.write_text(json.dumps(describe() | found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
