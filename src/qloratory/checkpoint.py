"""Find the checkpoint to resume from: the newest one that is whole."""

import json
import re
import zipfile
from pathlib import Path

from safetensors import SafetensorError, safe_open

FILES = ("adapter_model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json")


def newest_good_checkpoint(output_dir: Path) -> Path | None:
    """The checkpoint with the most steps whose every file can be read; damaged ones are named and skipped."""
    for checkpoint in sorted(output_dir.glob("checkpoint-*"), key=steps_of, reverse=True):
        problem = damage(checkpoint)
        if problem is None:
            return checkpoint
        print(f"{checkpoint} is damaged ({problem}); looking for an older one")
    return None


def steps_of(checkpoint: Path) -> int:
    """The number in checkpoint-N, or -1."""
    match = re.fullmatch(r"checkpoint-(\d+)", checkpoint.name)
    return int(match[1]) if match else -1


def damage(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint, or None. Reads every byte of it; unpickles nothing."""
    missing = [name for name in FILES if not (checkpoint / name).is_file()]
    if missing:
        return f"{', '.join(missing)} missing"
    try:
        with safe_open(checkpoint / "adapter_model.safetensors", framework="pt") as tensors:
            for name in tensors.keys():  # noqa: SIM118  # a safetensors file is not iterable
                tensors.get_tensor(name)
        for archive in (name for name in FILES if name.endswith((".pt", ".pth"))):
            with zipfile.ZipFile(checkpoint / archive) as file:
                if file.testzip() is not None:
                    return f"{archive} has a wrong checksum"
        state = json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, SafetensorError, zipfile.BadZipFile, ValueError) as error:
        return " ".join(str(error).split())
    return None if state.get("global_step") == steps_of(checkpoint) else "trainer_state.json is of another step"
