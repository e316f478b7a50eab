"""Training is TRL's, to four digits; splitting a batch, repeating and resuming never change it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import SFTConfig, SFTTrainer

from conftest import read_rows, tiny_settings, write_recipe
from qloratory.cli import main
from qloratory.config import Config
from qloratory.data import default_formatting_func, format_rows
from qloratory.errors import LabelError, OutputError
from qloratory.fast import unpack
from qloratory.labels import count_batch, guard_labels, render_chat, tokenize_rows
from qloratory.model import attach_adapter, load_base, load_tokenizer, resolve_source, trainable_parameters
from qloratory.train import QloraTrainer, check_space, train_adapter


def train(model: Path, folder: Path, *, resume: bool = False, **settings: Any) -> list[float]:
    """Train a tiny model; the losses, a step each."""
    folder.mkdir(exist_ok=True)
    recipe = tiny_settings(model, folder)
    recipe["train"] |= settings
    recipe["lora"] |= {"lora_dropout": settings.get("lora_dropout", 0.0)}
    recipe["train"].pop("lora_dropout", None)
    arguments = ["train", str(write_recipe(folder, recipe)), *(["--resume"] if resume else [])]
    assert main(arguments) == 0
    return [row["loss"] for row in read_rows(folder / "run" / "metrics.jsonl")]


@pytest.mark.parametrize(
    ("model", "fast"),
    [(model, fast) for model in ("tiny_qwen", "tiny_llama") for fast in (True, False)] + [("tiny_gemma", False)],
)
def test_losses_are_those_of_plain_trl(model: str, fast: bool, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """The same rows as texts, prompt and completion, in plain TRL: its own tokenization, masks, loss and order."""
    folder = request.getfixturevalue(model)
    settings = tiny_settings(folder, tmp_path)
    settings["train"] |= {"max_steps": 8, "train_sampling_strategy": "random", "fast": fast}
    config = Config.model_validate(settings)
    source = resolve_source(config.model)
    tokenizer = load_tokenizer(source)
    rows = format_rows(read_rows(config.data.train_file), default_formatting_func, config.data.train_file)
    ours = attach_adapter(load_base(config, source), config.lora, seed=0)
    train_adapter(config, ours, tokenizer, rows, resume=False)
    our_losses = [row["loss"] for row in read_rows(config.train.output_dir / "metrics.jsonl")]

    theirs = attach_adapter(load_base(config, source), config.lora, seed=0)
    texts = [
        {
            "prompt": render_chat(row["prompt"], tokenizer, add_generation_prompt=True),
            "completion": row["completion"][0]["content"],
        }
        for row in rows
    ]
    trainer = SFTTrainer(
        model=theirs,
        args=SFTConfig(
            output_dir=str(tmp_path / "plain"),
            max_steps=8,
            per_device_train_batch_size=4,
            learning_rate=config.train.learning_rate,
            lr_scheduler_type="cosine",
            warmup_steps=config.train.warmup_steps,
            logging_steps=1,
            gradient_checkpointing=False,
            use_cpu=True,
            bf16=False,
            seed=0,
            report_to="none",
            save_strategy="no",
        ),
        train_dataset=Dataset.from_list(texts),
        processing_class=AutoTokenizer.from_pretrained(folder),
    )
    for parameter in trainable_parameters(trainer.model).values():
        parameter.data = parameter.data.float()  # TRL rounds a quantized model's adapter to bfloat16
    trainer.train()
    their_losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    assert len(our_losses) == 8
    assert our_losses[-1] < our_losses[0] - 0.1
    torch.testing.assert_close(torch.tensor(our_losses), torch.tensor(their_losses), rtol=0, atol=1e-4)


def test_fast_steps_take_the_path_of_plain_ones(tiny_qwen: Path, tmp_path: Path) -> None:
    """50 steps, over many epochs, with accumulation, clipping and a warm-up; losses and gradient norms."""
    settings: dict[str, Any] = {"max_steps": 50, "save_steps": 50, "warmup_steps": 5, "learning_rate": 3e-3}
    settings |= {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}
    for name, fast in (("fast", True), ("plain", False)):
        train(tiny_qwen, tmp_path / name, fast=fast, **settings)
    rows = {name: read_rows(tmp_path / name / "run" / "metrics.jsonl") for name in ("fast", "plain")}
    for measure in ("loss", "grad_norm", "learning_rate"):
        values = [torch.tensor([row[measure] for row in rows[name]]) for name in ("fast", "plain")]
        torch.testing.assert_close(*values, rtol=1e-4, atol=1e-4)
    assert rows["fast"][-1]["loss"] < rows["fast"][0]["loss"] - 0.5


def test_one_by_eight_equals_eight_by_one(tiny_qwen: Path, tmp_path: Path) -> None:
    whole = train(tiny_qwen, tmp_path / "a", per_device_train_batch_size=8, train_sampling_strategy="sequential")
    split = train(
        tiny_qwen,
        tmp_path / "b",
        per_device_train_batch_size=1,
        gradient_accumulation_steps=8,
        train_sampling_strategy="sequential",
    )
    torch.testing.assert_close(torch.tensor(whole), torch.tensor(split), rtol=0, atol=1e-4)


@pytest.mark.parametrize("dropout", [0.0, 0.1], ids=["fast", "plain with dropout"])
def test_the_same_seed_gives_the_same_bytes(dropout: float, tiny_qwen: Path, tmp_path: Path) -> None:
    adapters, losses = [], []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        losses.append(train(tiny_qwen, tmp_path / name, seed=seed, lora_dropout=dropout))
        adapters.append((tmp_path / name / "run" / "tiny-coder" / "adapter_model.safetensors").read_bytes())
    assert losses[0] == losses[1] != losses[2]
    assert adapters[0] == adapters[1] != adapters[2]


@pytest.mark.parametrize("dropout", [0.0, 0.1], ids=["fast", "plain with dropout"])
def test_a_resumed_run_is_the_run_that_was_never_stopped(dropout: float, tiny_qwen: Path, tmp_path: Path) -> None:
    """Across an epoch's edge: 16 rows make 4 steps an epoch, the checkpoint is at step 6 of 10."""
    settings: dict[str, Any] = {"max_steps": 10, "save_steps": 3, "save_total_limit": 9, "lora_dropout": dropout}
    straight = train(tiny_qwen, tmp_path / "straight", **settings)
    train(tiny_qwen, tmp_path / "stopped", **settings)
    shutil.rmtree(tmp_path / "stopped" / "run" / "checkpoint-9")
    shutil.rmtree(tmp_path / "stopped" / "run" / "checkpoint-10", ignore_errors=True)
    resumed = train(tiny_qwen, tmp_path / "stopped", **settings, resume=True)
    record = json.loads((tmp_path / "stopped" / "run" / "run.json").read_text(encoding="utf-8"))
    assert record["training"]["resumed_from"] == "checkpoint-6"
    assert resumed == straight
    one, other = (
        load_file(tmp_path / name / "run" / "tiny-coder" / "adapter_model.safetensors")
        for name in ("straight", "stopped")
    )
    for name in one:
        assert torch.equal(one[name], other[name]), name


def test_resuming_without_a_checkpoint_starts_anew(tiny_qwen: Path, tmp_path: Path, capsys: Any) -> None:
    assert len(train(tiny_qwen, tmp_path / "a", resume=True)) == 4
    assert "No good checkpoint to resume from: starting anew" in capsys.readouterr().out


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
def test_the_guard_sees_what_the_trainer_sees(fast: bool, tiny_qwen: Path, tmp_path: Path) -> None:
    """A collator that unmasks the prompt, as a careless change could, stops the run before the first step."""
    settings = tiny_settings(tiny_qwen, tmp_path)
    settings["train"] |= {"fast": fast}
    config = Config.model_validate(settings)
    source = resolve_source(config.model)
    tokenizer = load_tokenizer(source)
    rows = format_rows(read_rows(config.data.train_file), default_formatting_func, config.data.train_file)
    trainer = QloraTrainer(
        config,
        attach_adapter(load_base(config, source), config.lora, seed=0),
        tokenizer,
        tokenize_rows(rows, tokenizer, 512),
    )
    collate = trainer.data_collator

    def careless(examples: list[Any]) -> Any:
        return collate([row | {"labels": row["input_ids"]} for row in examples])

    assert guard_labels(trainer.batches_in_order(), rows, tokenizer)["rows"] == 16
    trainer.data_collator = careless  # type: ignore[assignment]
    with pytest.raises(LabelError, match="row 1: .* characters of the prompt carry loss"):
        guard_labels(trainer.batches_in_order(), rows, tokenizer)


@pytest.mark.parametrize("fast", [True, False], ids=["fast", "plain"])
@pytest.mark.parametrize("strategy", ["group_by_length", "random", "sequential"])
def test_the_inspected_batch_is_the_first_that_is_trained(
    strategy: str, fast: bool, tiny_qwen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = []
    training_step = QloraTrainer.training_step

    def recorded(self: QloraTrainer, model: Any, inputs: Any, *args: Any) -> Any:
        trained.append(unpack(inputs) if fast else inputs)
        return training_step(self, model, inputs, *args)

    monkeypatch.setattr(QloraTrainer, "training_step", recorded)
    train(tiny_qwen, tmp_path / "a", max_steps=1, train_sampling_strategy=strategy, fast=fast)
    inspection = json.loads((tmp_path / "a" / "run" / "inspect.json").read_text(encoding="utf-8"))
    assert inspection["batch"]["rows"] == count_batch(trained[0])
    rows = read_rows(tmp_path / "a" / "train.jsonl")
    learnt = "".join(token["text"] for token in inspection["example"]["tokens"] if token["label"] != -100)
    assert learnt == rows[inspection["example"]["row"] - 1]["completion"] + "<|im_end|>"


def test_a_disk_too_small_for_the_checkpoints_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="MiB free and the checkpoints need"):
        check_space(tmp_path, {"huge": torch.empty(10**14, device="meta")}, checkpoints=2)


def test_the_adapter_opens_in_plain_peft(finished_run: Path, tiny_qwen: Path) -> None:
    """In a fresh process in which qloratory cannot be imported: plain Transformers, plain PEFT, plain bitsandbytes."""
    program = f"""
import sys
sys.modules["qloratory"] = None
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM, AutoTokenizer, BitsAndBytesConfig
four_bit = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
                              bnb_4bit_compute_dtype=torch.float32)
base = AutoModelForCausalLM.from_pretrained({str(tiny_qwen)!r}, quantization_config=four_bit, dtype=torch.float32)
adapter = {str(finished_run / "run" / "tiny-coder")!r}
# In training mode, for there is no dropout, and else bitsandbytes rounds to bfloat16 on a CPU that has it.
model = PeftModel.from_pretrained(base, adapter).train()
tokenizer = AutoTokenizer.from_pretrained(adapter)
ids = tokenizer.apply_chat_template([{{"role": "user", "content": "Hi"}}], add_generation_prompt=True,
                                    return_tensors="pt", return_dict=True)
with torch.no_grad():
    on = model(**ids).logits
    with model.disable_adapter():
        off = model(**ids).logits
assert not torch.equal(on, off)
print(repr(on.double().sum().item()))
"""
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    config = Config.model_validate(tiny_settings(tiny_qwen, finished_run))
    from qloratory.model import load_adapter

    model = load_adapter(load_base(config, resolve_source(config.model)), finished_run / "run" / "tiny-coder")
    tokenizer = AutoTokenizer.from_pretrained(tiny_qwen)
    ids = tokenizer.apply_chat_template(
        [{"role": "user", "content": "Hi"}], add_generation_prompt=True, return_tensors="pt", return_dict=True
    )
    with torch.no_grad():
        ours = model(**ids).logits.double().sum().item()
    assert float(printed) == pytest.approx(ours, rel=1e-6)


def test_a_merged_folder_opens_in_plain_transformers(finished_run: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_run, tmp_path / "copy")
    recipe = str(tmp_path / "copy" / "recipe.yaml")
    assert main(["merge", recipe, f"train.output_dir={tmp_path / 'copy' / 'run'}"]) == 0
    model = AutoModelForCausalLM.from_pretrained(tmp_path / "copy" / "run" / "tiny-coder-merged")
    assert not hasattr(model.config, "quantization_config")
