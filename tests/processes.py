"""Runs of qloratory in processes of their own, which can be killed.

They are forked from a server that has imported everything and computed nothing, so that each costs a blink. Where there
is a GPU, each is started anew: to import is to initialize CUDA, and that cannot be forked.
"""

import multiprocessing
import os
import signal
import subprocess
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from conftest import read_rows, write_recipe

CONTEXT: Any = multiprocessing.get_context("spawn" if torch.cuda.is_available() else "forkserver")
if not torch.cuda.is_available():
    CONTEXT.set_forkserver_preload(["qloratory.cli", "qloratory.pipeline"])


def unmeasured() -> dict[str, str]:
    """The environment for a child whose file operations fail or are counted: its coverage would be in the way."""
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_PROCESS_")}


def start(arguments: list[str], log: Path, **faults: Any) -> BaseProcess:
    """`qloratory` with these arguments; what it prints goes to `log`. `faults` are those of `run_child`."""
    process = CONTEXT.Process(target=run_child, args=(arguments, str(log)), kwargs=faults)
    process.start()
    return process


class Forked:
    """A forked run in the form of a Popen."""

    def __init__(self, arguments: list[str], log: Path) -> None:
        self.process = start(arguments, log)

    def poll(self) -> int | None:
        return self.process.exitcode

    def wait(self, limit: float | None = None) -> int:
        self.process.join(limit)
        if self.process.exitcode is None:
            raise subprocess.TimeoutExpired("qloratory", limit or 0)
        return self.process.exitcode

    def kill(self) -> None:
        self.process.kill()


def finish(arguments: list[str], log: Path, **faults: Any) -> int:
    """Run to the end. Returns the exit code, negative if a signal ended it."""
    process = start(arguments, log, **faults)
    process.join(timeout=180)
    assert process.exitcode is not None, log.read_text(encoding="utf-8")
    return process.exitcode


def run_child(
    arguments: list[str],
    log: str,
    kill_at_step: int | None = None,
    signal_at_step: tuple[int, int] | None = None,
    signals: int = 1,
    nan_at_step: int | None = None,
    fail_at_step: tuple[int, str] | None = None,
    pause: float = 0.0,
) -> None:
    """In the child.

    Args:
        arguments: Of the command line.
        log: File for what is printed.
        kill_at_step: SIGKILL to itself when this step has been computed, and nothing of it written.
        signal_at_step: (step, signal): sends itself the signal in the middle of the step.
        signals: How often.
        nan_at_step: A weight becomes NaN before this step.
        fail_at_step: (step, "gpu", "cpu" or "python"): memory runs out in this step, as each of them says it; "bug" is
            an error that nobody thought of.
        pause: Seconds to wait in each step.
    """
    from qloratory import cli, train

    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    compute, between = train.QloraTrainer.training_step, train.StepEnd.on_step_end

    def training_step(self: Any, *inputs: Any) -> Any:
        import time

        import torch

        step = self.state.global_step + 1
        time.sleep(pause)
        if signal_at_step and signal_at_step[0] == step:
            for _ in range(signals):
                os.kill(os.getpid(), signal_at_step[1])
        if nan_at_step == step:
            next(p for p in self.model.parameters() if p.requires_grad).data.fill_(float("nan"))
        if fail_at_step and fail_at_step[0] == step:
            if fail_at_step[1] == "gpu":
                raise torch.OutOfMemoryError("CUDA out of memory.")
            if fail_at_step[1] == "python":
                raise MemoryError
            if fail_at_step[1] == "bug":
                raise LookupError("odd")
            torch.empty(2**50)
        return compute(self, *inputs)

    def on_step_end(self: Any, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == kill_at_step:
            os.kill(os.getpid(), signal.SIGKILL)
        between(self, args, state, control, **kwargs)

    train.QloraTrainer.training_step = training_step  # type: ignore[assignment]
    train.StepEnd.on_step_end = on_step_end  # type: ignore[method-assign]
    os._exit(cli.main(arguments))


def outcome(folder: Path) -> tuple[bytes, list[dict[str, Any]]]:
    """What two equal runs have in common: the adapter's bytes, and the log."""
    run = folder / "run"
    return (run / "tiny-coder" / "adapter_model.safetensors").read_bytes(), read_rows(run / "metrics.jsonl")


def prepare(folder: Path, settings: dict[str, Any]) -> str:
    """Write the recipe for a run in `folder`; its path."""
    folder.mkdir(exist_ok=True)
    settings = settings | {"train": settings["train"] | {"output_dir": str(folder / "run")}}
    return str(write_recipe(folder, settings))
