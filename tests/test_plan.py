"""Predicted memory is counted memory."""

import gc
import json
import mmap
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import tiny_settings
from qloratory.config import Config
from qloratory.model import Source, attach_adapter, load_base, model_bytes, trainable_parameters
from qloratory.plan import (
    MIB,
    activation_bytes_a_token,
    adapter_parameters,
    empty_model,
    held_mib,
    peak_mib,
    predict_memory,
    reset_peak_memory,
    weight_bytes,
)


@pytest.fixture(params=["tiny_qwen", "tiny_llama"])
def model_folder(request: pytest.FixtureRequest) -> Path:
    return request.getfixturevalue(request.param)


def make_config(model: Path, folder: Path, **sections: dict[str, Any]) -> Config:
    settings = tiny_settings(model, folder)
    for name, values in sections.items():
        settings[name] = settings.get(name, {}) | values
    return Config.model_validate(settings)


def source_of(folder: Path) -> Source:
    return Source(str(folder))


@pytest.mark.parametrize(
    "quantization",
    [
        {"load_in_4bit": False},
        {"bnb_4bit_use_double_quant": False},
        {"bnb_4bit_use_double_quant": True},
        {"llm_int8_skip_modules": ["lm_head", "v_proj", "down_proj"]},
    ],
)
def test_predicted_weights_are_the_loaded_ones(model_folder: Path, tmp_path: Path, quantization: dict) -> None:
    config = make_config(model_folder, tmp_path, quantization=quantization | {"keep_dequantized": False})
    source = source_of(model_folder)
    predicted = weight_bytes(empty_model(source, torch.float32), config.quantization)
    assert predicted == model_bytes(load_base(config, source))


@pytest.mark.parametrize("targets", ["all-linear", ["q_proj", "v_proj"]])
def test_predicted_adapters_are_the_attached_ones(model_folder: Path, tmp_path: Path, targets: Any) -> None:
    config = make_config(model_folder, tmp_path, lora={"target_modules": targets})
    source = source_of(model_folder)
    model = attach_adapter(load_base(config, source), config.lora, seed=0)
    counted = sum(parameter.numel() for parameter in trainable_parameters(model).values())
    assert adapter_parameters(empty_model(source, torch.float32), config) == counted


def test_predicted_activations_are_what_autograd_keeps(model_folder: Path, tmp_path: Path) -> None:
    """All storages that a training step's forward pass saves for the backward pass, weights aside."""
    config = make_config(model_folder, tmp_path)
    model = attach_adapter(load_base(config, source_of(model_folder)), config.lora, seed=0).train()
    weights = {tensor.untyped_storage().data_ptr() for tensor in [*model.parameters(), *model.buffers()]}
    alive, saved = [], {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        alive.append(tensor)  # else a storage's address could be used twice
        if tensor.untyped_storage().data_ptr() not in weights:
            saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    rows, tokens = 2, 96
    ids = torch.randint(3, 100, (rows, tokens))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        model.get_base_model().model(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
    predicted = rows * tokens * activation_bytes_a_token(model.config, config)
    assert sum(saved.values()) == pytest.approx(predicted, rel=0.1)


def test_checkpointing_and_kept_copies_are_counted(tiny_qwen: Path, tmp_path: Path) -> None:
    source = source_of(tiny_qwen)
    plain = predict_memory(make_config(tiny_qwen, tmp_path), source, 4, 200, 400)
    thrifty = make_config(
        tiny_qwen, tmp_path, train={"gradient_checkpointing": True}, quantization={"keep_dequantized": False}
    )
    lean = predict_memory(thrifty, source, 4, 200, 400)
    assert lean["activations"] < plain["activations"]
    assert lean["dequantized_copies"] == 0 < plain["dequantized_copies"]
    parts = sum(value for name, value in plain.items() if name != "peak")
    assert plain["peak"] == pytest.approx(parts, abs=0.5)


def test_a_run_records_what_was_predicted_and_measured(finished_run: Path) -> None:
    memory = json.loads((finished_run / "run" / "run.json").read_text(encoding="utf-8"))["memory"]
    predicted, measured = memory["predicted_mib"], memory["measured_mib"]
    for part in ("base", "dequantized_copies", "adapter", "gradients", "optimizer"):
        assert predicted[part] == pytest.approx(measured[part], abs=0.11), part
    assert measured["optimizer"] > 0
    assert measured["peak"] >= measured["process"] > 0


def test_the_peak_is_counted_anew() -> None:
    """Memory asked of the system itself: an allocator may give out again what earlier tests have freed."""
    touch(mib=64)
    assert peak_mib("cpu") >= held_mib("cpu") + 60
    gc.collect()  # what earlier tests left must not be freed between the two measurements
    reset_peak_memory()
    before = peak_mib("cpu")
    touch(mib=256)
    assert peak_mib("cpu") - before > 200


def touch(mib: int) -> None:
    """Hold that much memory for a moment."""
    with mmap.mmap(-1, mib * MIB) as block:
        for start in range(0, mib * MIB, mmap.PAGESIZE):
            block[start] = 1
