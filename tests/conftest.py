"""Shared parts: tiny random models that load in a blink, and a recipe that runs the whole pipeline on one."""

import json
import os
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    PreTrainedTokenizerBase,
    PreTrainedTokenizerFast,
    Qwen2Config,
    set_seed,
)

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["TOKENIZERS_PARALLELISM"] = "false"

ROOT = Path(__file__).parents[1]
SMOLLM2_TEMPLATE = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\n' }}"
    "{% endif %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)


def qwen_template() -> str:
    """Qwen2.5's chat template, as TRL ships it."""
    return (files("trl") / "chat_templates" / "qwen2_5.jinja").read_text(encoding="utf-8")


def tiny_tokenizer(template: str) -> PreTrainedTokenizerBase:
    """A byte-level BPE with Qwen's special tokens, trained on the project's own data."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=1024,
        special_tokens=["<|endoftext|>", "<|im_start|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([(ROOT / "data" / "train.jsonl").read_text(encoding="utf-8")], trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>", chat_template=template
    )


def save_tiny_model(folder: Path, config: Any, template: str) -> Path:
    set_seed(0)
    tokenizer = tiny_tokenizer(template)
    config.vocab_size = len(tokenizer)
    config.eos_token_id = tokenizer.eos_token_id
    config.pad_token_id = tokenizer.pad_token_id
    AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


SHAPE = {
    "hidden_size": 128,
    "intermediate_size": 192,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
    "max_position_embeddings": 1024,
}


@pytest.fixture(scope="session")
def tiny_qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Qwen2 with Qwen2.5's chat template, as a Transformers folder."""
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny-qwen", Qwen2Config(**SHAPE), qwen_template())


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random Llama with SmolLM2's chat template, as a Transformers folder."""
    return save_tiny_model(tmp_path_factory.mktemp("models") / "tiny-llama", LlamaConfig(**SHAPE), SMOLLM2_TEMPLATE)


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
