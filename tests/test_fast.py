"""Packing keeps every row whole and apart; a static size wastes little; a graph's replay is the step itself."""

from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset

from conftest import tiny_settings
from qloratory.config import Config
from qloratory.decoder import LOGITS_BYTES, TIGHT_LOGITS_BYTES, Decoder, kept_values
from qloratory.fast import (
    FastStep,
    PackingCollator,
    adapted_layers,
    as_packed,
    bytes_needed,
    choose_memory,
    choose_sizes,
    static_size,
    unpack,
)
from qloratory.labels import IGNORED
from random_models import TINY
from test_decoder import DEVICES, make_model

LONGEST = 40


def draw_rows(lengths: tuple[int, ...], seed: int = 0) -> list[dict[str, list[int]]]:
    """Rows whose first half is masked."""
    generator = torch.Generator().manual_seed(seed)
    rows = []
    for length in lengths:
        ids = torch.randint(1, 1000, (length,), generator=generator).tolist()
        rows.append({"input_ids": ids, "labels": [IGNORED] * (length // 2) + ids[length // 2 :]})
    return rows


@pytest.mark.parametrize("sizes_an_octave", [4, 16])
def test_a_static_size_holds_the_tokens_and_wastes_little(sizes_an_octave: int) -> None:
    sizes = {count: static_size(count, sizes_an_octave) for count in range(1, 20_000)}
    assert all(count <= size for count, size in sizes.items())
    assert all(size - count < max(64, count / sizes_an_octave) for count, size in sizes.items())
    assert len({size for count, size in sizes.items() if 4096 < count <= 8192}) == sizes_an_octave


@pytest.mark.parametrize("strategy", ["random", "group_by_length"])
def test_the_more_steps_the_finer_the_sizes(strategy: str, tiny_qwen: Path, tmp_path: Path) -> None:
    dataset = Dataset.from_list(draw_rows(tuple(range(100, 400))))
    chosen = []
    for steps in (10, 1000, 100_000):
        settings = tiny_settings(tiny_qwen, tmp_path)
        settings["train"] |= {"max_steps": steps, "train_sampling_strategy": strategy}
        chosen.append(choose_sizes(Config.model_validate(settings), dataset))
    assert chosen == sorted(chosen)
    assert chosen[0] < chosen[-1]


@pytest.mark.parametrize("sizes_an_octave", [None, 4])
@pytest.mark.parametrize("lengths", [(2,), (7, 40, 3), (40, 40, 40, 40), (33, 2, 40, 5)], ids=str)
def test_what_is_packed_is_unpacked_to_the_token(lengths: tuple[int, ...], sizes_an_octave: int | None) -> None:
    rows = draw_rows(lengths)
    batch = PackingCollator(LONGEST, len(rows), sizes_an_octave)(rows)
    unpacked = unpack(batch)
    assert [ids.tolist() for ids in unpacked["input_ids"]] == [row["input_ids"] for row in rows]
    assert [labels.tolist() for labels in unpacked["labels"]] == [row["labels"] for row in rows]
    assert int((batch["labels"] != IGNORED).sum()) == sum(label != IGNORED for row in rows for label in row["labels"])


def test_shapes_depend_on_sizes_alone() -> None:
    """Graphs are found by shape: batches of other rows but like sizes must share one."""
    collate = PackingCollator(LONGEST, 4, 4)
    one, other = collate(draw_rows((33, 20, 40, 5))), collate(draw_rows((40, 25, 29, 8), seed=1))
    assert {name: value.shape for name, value in one.items()} == {name: value.shape for name, value in other.items()}
    partial = collate(draw_rows((30, 40)))  # the last batch of an epoch: fewer rows, as many starts as its size needs
    assert (partial["starts"].diff() >= 0).all()
    assert partial["starts"][-1] == len(partial["input_ids"])


@pytest.mark.parametrize("device", DEVICES)
def test_filling_changes_neither_loss_nor_gradients(device: str) -> None:
    model, rows = make_model("qwen2").to(device), draw_rows((33, 2, 40, 5))
    results: list[Any] = []
    for sizes_an_octave in (None, 4):
        dtype = torch.float32 if device == "cpu" else torch.bfloat16
        decoder = Decoder(model, dtype, keep_dequantized=True, recompute=False, longest=LONGEST)
        decoder.refresh()
        batch = PackingCollator(LONGEST, 4, sizes_an_octave)(rows)
        packed = as_packed({name: value.to(device) for name, value in batch.items()}, LONGEST)
        loss = decoder.step(packed, torch.tensor(0.01, device=device))
        results.append((loss, decoder.gradients.clone()))
    tolerance = 1e-5 if device == "cpu" else 1e-2
    torch.testing.assert_close(results[0][0], results[1][0], rtol=tolerance, atol=0)
    assert (results[0][1] - results[1][1]).norm() <= tolerance * results[0][1].norm()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="is about CUDA graphs")
def test_a_replayed_graph_is_the_step_itself() -> None:
    """Three batches of one shape: the first runs eagerly, the others are replays with their own rows."""
    model = make_model("llama").to("cuda")
    decoder = Decoder(model, torch.bfloat16, keep_dequantized=True, recompute=False, longest=LONGEST)
    step, collate = FastStep(decoder, LONGEST), PackingCollator(LONGEST, 4, 4)
    for seed in range(3):
        batch = {name: value.to("cuda") for name, value in collate(draw_rows((33, 20, 40, 5), seed)).items()}
        step.begin()
        loss, gradients = step.run(batch, 49), decoder.gradients.clone()
        step.begin()
        eager = decoder.step(as_packed(batch, LONGEST), step.scale)
        torch.testing.assert_close(loss, eager, rtol=1e-3, atol=0)
        assert (gradients - decoder.gradients).norm() <= 1e-2 * gradients.norm()
    assert len(step.graphs) == 1


def config_with(model: Path, folder: Path, **changes: Any) -> Config:
    settings = tiny_settings(model, folder)
    settings["quantization"] |= {name: changes[name] for name in changes if name == "keep_dequantized"}
    settings["train"] |= {name: changes[name] for name in changes if name != "keep_dequantized"}
    return Config.model_validate(settings)


def test_the_bytes_of_a_step_are_those_of_its_parts(tiny_qwen: Path, tmp_path: Path) -> None:
    """Kept weights add theirs; recomputing keeps one layer's values, and each layer's input; the longest rows count."""
    config = config_with(tiny_qwen, tmp_path)
    model, width, layers = make_model("qwen2"), TINY["hidden_size"], TINY["num_hidden_layers"]
    short, long = (Dataset.from_list(draw_rows((length,) * 8)) for length in (100, 200))
    needed = {
        (keep, again): bytes_needed(config, model, short, keep, again)
        for keep in (True, False)
        for again in (True, False)
    }
    weights = sum(layer.get_base_layer().weight.numel() for layer in adapted_layers(model))
    assert len(adapted_layers(model)) == 7 * layers
    for again in (True, False):
        assert needed[True, again] - needed[False, again] == 4 * weights
    tokens = 100 * config.train.per_device_train_batch_size  # the longest rows of a batch, not all
    a_layer = 4 * tokens * kept_values(model.get_base_model().config, config.lora.r)
    inputs = 4 * tokens * layers * width
    spared = 2 * (LOGITS_BYTES - TIGHT_LOGITS_BYTES)
    assert needed[False, False] - needed[False, True] == (layers - 1) * a_layer - inputs + spared
    fixed = needed[False, False] - 2 * LOGITS_BYTES
    assert bytes_needed(config, model, long, False, False) - 2 * LOGITS_BYTES == 2 * fixed


@pytest.mark.parametrize(
    ("changes", "chosen"),
    [
        ({}, (True, False)),
        ({"keep_dequantized": False}, (False, False)),
        ({"gradient_checkpointing": True}, (True, True)),
        ({"keep_dequantized": False, "gradient_checkpointing": True}, (False, True)),
    ],
    ids=str,
)
def test_on_a_cpu_the_recipe_decides_and_else_speed(
    changes: dict[str, Any], chosen: tuple[bool, bool], tiny_qwen: Path, tmp_path: Path
) -> None:
    config = config_with(tiny_qwen, tmp_path, **changes)
    assert choose_memory(config, make_model("qwen2"), Dataset.from_list(draw_rows((9,)))) == chosen
