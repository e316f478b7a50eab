"""What must be the same for a resumed run to be the run that was never stopped."""

import hashlib
import importlib.metadata
import json
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset

from qloratory import __version__
from qloratory.checkpoint import read_manifest
from qloratory.config import Config
from qloratory.errors import ResumeError
from qloratory.model import Source, working_dtype
from qloratory.run import PACKAGES, sha256

# Settings that no step depends on; what is in none of these lists matters, also a setting that is new.
FREE = {
    "model": {"name_or_path", "revision"},  # the weights' hash is compared
    "data": None,  # the rows' hash is compared
    "train": {
        "output_dir", "adapter_name", "max_length", "bf16", "logging_steps", "save_steps", "save_total_limit",
        "report_to",
    },
    "generate": None,
    "evaluate": None,
    "merge": None,
}  # fmt: skip
# Settings that change a step in its last bits at most: they may change, and a line says so.
ROUNDING = {
    "model": {"device"},
    "quantization": {"keep_dequantized"},
    "train": {"per_device_train_batch_size", "gradient_accumulation_steps", "gradient_checkpointing"},
}  # fmt: skip


def resume_facts(config: Config, source: Source, dataset: Dataset) -> dict[str, dict[str, Any]]:
    """What a checkpoint's manifest says of its run: `must` is compared strictly, `rounding` only told.

    Args:
        config: The recipe, resolved.
        source: Where the base is from.
        dataset: Tokenized rows: what data, formatting function, template and tokenizer have come to.
    """
    train = config.train
    must = {
        **flat_settings(config),
        "train.bf16": working_dtype(config) == torch.bfloat16,  # what "auto" has become
        "rows a step": train.per_device_train_batch_size * train.gradient_accumulation_steps,
        "training rows": data_sha256(dataset),
        "model": model_identity(source),
        "qloratory": __version__,
        **{name: importlib.metadata.version(name) for name in PACKAGES if name != "datasets"},
    }
    rounding = {
        f"{section}.{name}": config.model_dump(mode="json")[section][name]
        for section, names in ROUNDING.items()
        for name in sorted(names)
    }
    on_gpu = config.model.device != "cpu" and torch.cuda.is_available()
    device = torch.cuda.get_device_name() if on_gpu else f"CPU ({torch.backends.cpu.get_cpu_capability()})"
    return {"must": must, "rounding": rounding | {"device": device, "threads": torch.get_num_threads()}}


def refuse_another_run(checkpoint: Path, now: dict[str, dict[str, Any]]) -> None:
    """Compare a good checkpoint's facts with those of the run that wants to go on from it.

    Raises:
        ResumeError: They differ where it matters. The text is a table of what differs.
    """
    different = differences(read_manifest(checkpoint)["facts"].get("must", {}), now["must"])
    if different:
        raise ResumeError(
            f"this is not the run that {checkpoint} is of, and it would not go on as it began:\n{table(different)}\n"
            "set them back, start anew with --overwrite, or insist with --resume --force"
        )


def tell_differences(checkpoint: Path, now: dict[str, dict[str, Any]]) -> None:
    """Print what differs and is accepted: because it only rounds otherwise, or because the user insists."""
    then = read_manifest(checkpoint)["facts"]
    for which, title in (
        ("must", "Going on, as --force asks, although these differ:"),
        ("rounding", "These differ from before the stop, and may change the last bits:"),
    ):
        different = differences(then.get(which, {}), now[which])
        if different:
            print(f"{title}\n{table(different)}")


def flat_settings(config: Config) -> dict[str, Any]:
    """The settings that matter, as `section.name`."""
    found: dict[str, Any] = {}
    for section, settings in config.model_dump(mode="json").items():
        free = FREE.get(section, set())
        if free is not None:
            names = settings.keys() - free - ROUNDING.get(section, set())
            found |= {f"{section}.{name}": settings[name] for name in sorted(names)}
    return found


def data_sha256(dataset: Dataset) -> str:
    digest = hashlib.sha256()
    for row in dataset:
        digest.update(json.dumps([row["input_ids"], row["labels"]]).encode())
    return digest.hexdigest()


def model_identity(source: Source) -> str:
    """The hash of the model's weights."""
    hashes = {path.name: sha256(path) for path in sorted(Path(source.name_or_path).glob("*.safetensors"))}
    return hashlib.sha256(json.dumps(hashes).encode()).hexdigest()


def differences(then: dict[str, Any], now: dict[str, Any]) -> list[tuple[str, str, str]]:
    """(name, then, now) of what differs."""
    names = [*now, *(name for name in then if name not in now)]
    return [(name, short(then.get(name)), short(now.get(name))) for name in names if then.get(name) != now.get(name)]


def short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 28 else f"{text[:12]}…{text[-12:]}"


def table(rows: list[tuple[str, str, str]]) -> str:
    rows = [("", "then", "now"), *rows]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
                     for row in rows)  # fmt: skip
