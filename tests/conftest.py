"""Shared parts: tiny random models that load in a blink, and a recipe that runs the whole pipeline on one."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from random_models import ROOT, tiny_gemma_model, tiny_llama_model, tiny_qwen_model

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"


@pytest.fixture(scope="session")
def tiny_qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen2 with Qwen2.5's chat template, as a Transformers folder."""
    return tiny_qwen_model(tmp_path_factory.mktemp("models") / "tiny-qwen")


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama with SmolLM2's chat template, as a Transformers folder."""
    return tiny_llama_model(tmp_path_factory.mktemp("models") / "tiny-llama")


@pytest.fixture(scope="session")
def tiny_gemma(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Gemma 2, which the fast step does not know, as a Transformers folder."""
    return tiny_gemma_model(tmp_path_factory.mktemp("models") / "tiny-gemma")


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def read_rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def tiny_settings(model: Path, folder: Path) -> dict[str, Any]:
    """A recipe of seconds: a tiny model in NF4 on the CPU, 16 rows, 4 steps, 3 held-out tasks."""
    train_rows = read_rows(ROOT / "data" / "train.jsonl")[:16]
    return {
        "model": {"name_or_path": str(model), "device": "cpu", "dtype": "float32"},
        "quantization": {"bnb_4bit_compute_dtype": "float32"},
        "lora": {"r": 4, "lora_alpha": 8},
        "data": {
            "train_file": str(write_rows(folder / "train.jsonl", train_rows)),
            "heldout_file": str(ROOT / "data" / "heldout.jsonl"),
            "general_file": str(ROOT / "data" / "general.jsonl"),
        },
        "train": {
            "output_dir": str(folder / "run"),
            "adapter_name": "tiny-coder",
            "max_length": 1024,
            "max_steps": 4,
            "bf16": False,
            "per_device_train_batch_size": 4,
            "learning_rate": 1e-2,
            "save_steps": 2,
        },
        "generate": {"max_new_tokens": 12, "batch_size": 4},
        "evaluate": {"limit": 3},
    }


def write_recipe(folder: Path, settings: dict[str, Any]) -> Path:
    recipe = folder / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return recipe


@pytest.fixture(scope="session")
def smollm2() -> Path:
    """The embedded model, real weights: converted from the GGUF into the user's cache the first time."""
    from qloratory.config import ModelSection
    from qloratory.model import resolve_source

    return Path(resolve_source(ModelSection(name_or_path="smollm2-135m-instruct")).name_or_path)


@pytest.fixture(scope="session")
def finished_run(tiny_qwen: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a whole `qloratory run` on the tiny Qwen2: recipe.yaml, and the run directory run/."""
    from qloratory.cli import main

    folder = tmp_path_factory.mktemp("finished")
    assert main(["run", str(write_recipe(folder, tiny_settings(tiny_qwen, folder)))]) == 0
    return folder
