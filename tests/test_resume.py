"""A run that is killed and resumed is the run that was never stopped; another run is refused."""

import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from soak import soak

from conftest import read_rows, tiny_settings, write_recipe, write_rows
from processes import Forked, finish, outcome, prepare
from qloratory.cli import main
from qloratory.config import Config
from qloratory.resume import FREE, ROUNDING

CASES: dict[str, dict[str, Any]] = {
    "fast": {},
    "fast, bfloat16": {"bf16": True},
    "fast, accumulated": {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 3},
    "fast, random order": {"train_sampling_strategy": "random"},
    "plain": {"fast": False},
    "plain, dropout, accumulated, random order": {
        "fast": False,
        "lora_dropout": 0.1,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 3,
        "train_sampling_strategy": "random",
    },
    "a log line every 3 steps": {"logging_steps": 3},
}

ON_GPU: dict[str, dict[str, Any]] = {  # a graph a shape, captured anew after each resume
    "fast": {},
    "fast, accumulated, random order": {
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 3,
        "train_sampling_strategy": "random",
    },
    "fast, activations recomputed": {"gradient_checkpointing": True},
    "plain, dropout": {"fast": False, "lora_dropout": 0.1},
}


def settings_of(model: Path, folder: Path, changes: dict[str, Any]) -> dict[str, Any]:
    """7 steps, a checkpoint every 2; 16 rows make 4 steps an epoch, or, accumulated, 3."""
    settings = tiny_settings(model, folder)
    settings["train"] |= {"max_steps": 7, "save_steps": 2} | changes
    settings["lora"] |= {"lora_dropout": settings["train"].pop("lora_dropout", 0.0)}
    return settings


@pytest.mark.promise("A run killed at a step, resumed, killed again and resumed ends with the same bytes and losses.")
@pytest.mark.parametrize("case", CASES)
def test_killed_twice_and_resumed_is_never_stopped(case: str, tiny_qwen: Path, tmp_path: Path) -> None:
    kill_twice_and_compare(settings_of(tiny_qwen, tmp_path, CASES[case]), tmp_path)
    assert outcome(tmp_path / "straight")[1][-1]["step"] == (6 if "log line" in case else 7)


def kill_twice_and_compare(settings: dict[str, Any], tmp_path: Path) -> None:
    straight, stopped = (prepare(tmp_path / name, settings) for name in ("straight", "stopped"))
    assert finish(["train", straight], tmp_path / "log") == 0
    assert finish(["train", stopped], tmp_path / "log", kill_at_step=3) == -signal.SIGKILL
    assert finish(["train", stopped, "--resume"], tmp_path / "log", kill_at_step=6) == -signal.SIGKILL
    assert finish(["train", stopped, "--resume"], tmp_path / "log") == 0
    log = (tmp_path / "log").read_text(encoding="utf-8")
    assert "Resuming from" in log
    assert "checkpoint-2" in log
    assert "checkpoint-4" in log
    assert outcome(tmp_path / "straight") == outcome(tmp_path / "stopped")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
@pytest.mark.promise("On a GPU in deterministic mode, a run killed twice and resumed ends with the same bytes too.")
@pytest.mark.parametrize("case", ON_GPU)
def test_killed_twice_and_resumed_on_a_gpu(case: str, tiny_qwen: Path, tmp_path: Path) -> None:
    settings = settings_of(tiny_qwen, tmp_path, ON_GPU[case] | {"bf16": True, "full_determinism": True})
    settings["model"] |= {"device": "cuda"}
    kill_twice_and_compare(settings, tmp_path)


@pytest.mark.promise("It makes no difference at which step the run is killed, also where an epoch ends.")
def test_killed_at_any_step(tiny_qwen: Path, tmp_path: Path) -> None:
    """With dropout, accumulation and a random order: 3 steps an epoch, and a checkpoint after each step."""
    case = CASES["plain, dropout, accumulated, random order"] | {"save_steps": 1}
    settings = settings_of(tiny_qwen, tmp_path, case)
    assert finish(["train", prepare(tmp_path / "straight", settings)], tmp_path / "log") == 0
    for step in range(1, 8):
        recipe = prepare(tmp_path / f"killed-{step}", settings)
        assert finish(["train", recipe], tmp_path / "log", kill_at_step=step) == -signal.SIGKILL
        assert finish(["train", recipe, "--resume"], tmp_path / "log") == 0
        assert outcome(tmp_path / "straight") == outcome(tmp_path / f"killed-{step}"), step


@pytest.mark.promise("A run that was complete but for its end is resumed without a step more.")
def test_nothing_is_trained_after_the_last_step(tiny_qwen: Path, tmp_path: Path) -> None:
    settings = settings_of(tiny_qwen, tmp_path, {})
    recipe = prepare(tmp_path / "a", settings)
    assert finish(["train", recipe], tmp_path / "log") == 0
    before = outcome(tmp_path / "a")
    shutil.rmtree(tmp_path / "a" / "run" / "tiny-coder")
    assert finish(["train", recipe, "--resume"], tmp_path / "log") == 0
    assert outcome(tmp_path / "a") == before


@pytest.fixture
def trained(tiny_qwen: Path, tmp_path: Path) -> str:
    """The recipe of a run with a checkpoint of step 2 of 4."""
    recipe = str(write_recipe(tmp_path, tiny_settings(tiny_qwen, tmp_path)))
    assert main(["train", recipe]) == 0
    shutil.rmtree(tmp_path / "run" / "checkpoint-4")
    return recipe


@pytest.mark.promise("Resuming with another seed, rate, adapter or schedule is refused with a table of what differs.")
@pytest.mark.parametrize(
    ("change", "then", "now"),
    [
        ("train.seed=1", "0", "1"),
        ("train.learning_rate=0.5", "0.01", "0.5"),
        ("train.max_steps=9", "4", "9"),
        ("train.fast=false", "True", "False"),
        ("train.bf16=true", "False", "True"),
        ("lora.lora_alpha=16", "8", "16"),
        ("quantization.bnb_4bit_quant_type=fp4", "nf4", "fp4"),
    ],
)
def test_other_settings_are_refused(
    change: str, then: str, now: str, trained: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = (tmp_path / "run" / "run.json").read_bytes()
    assert main(["train", trained, "--resume", change]) == 9
    printed = capsys.readouterr().err
    assert "insist with --resume --force" in printed
    row = next(line for line in printed.splitlines() if change.partition("=")[0] in line)
    assert row.split()[-2:] == [then, now]
    assert (tmp_path / "run" / "run.json").read_bytes() == before


@pytest.mark.promise("Resuming with other data, another model or another version of a library is refused.")
def test_other_data_model_and_versions_are_refused(
    trained: str, tiny_qwen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = read_rows(tmp_path / "train.jsonl")
    other = write_rows(tmp_path / "other.jsonl", [rows[1], rows[0], *rows[2:]])
    assert main(["train", trained, "--resume", f"data.train_file={other}"]) == 9
    assert "training rows" in capsys.readouterr().err
    shutil.copytree(tiny_qwen, tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert main(["train", trained, "--resume", f"model.name_or_path={tmp_path / 'model'}"]) == 9
    assert "  model " in capsys.readouterr().err
    monkeypatch.setattr("qloratory.resume.importlib.metadata.version", lambda _: "0.0.1")
    assert main(["train", trained, "--resume"]) == 9
    printed = capsys.readouterr().err
    assert all(f"  {name} " in printed for name in ("torch", "transformers", "trl", "peft", "bitsandbytes"))


def test_the_user_may_insist(trained: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", trained, "--resume", "--force", "train.learning_rate=0.5"]) == 0
    printed = capsys.readouterr().out
    assert "as --force asks" in printed
    assert "Resuming from" in printed
    assert main(["train", trained, "--force"]) == 2


def test_force_cannot_make_fit_what_does_not(trained: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", trained, "--resume", "--force", "lora.r=8"]) == 4
    assert "checkpoint-2 does not fit this model and recipe" in capsys.readouterr().err


@pytest.mark.promise("After memory ran out, smaller batches, accumulated to the same step, are resumed with a note.")
def test_harmless_settings_may_change(trained: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also that the new save_steps is obeyed: the stock Trainer keeps the checkpoint's."""
    changes = ["train.per_device_train_batch_size=2", "train.gradient_accumulation_steps=2", "train.save_steps=1"]
    assert main(["train", trained, "--resume", *changes]) == 0
    assert "may change the last bits" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "run").glob("checkpoint-*")} == {"checkpoint-3", "checkpoint-4"}


def test_the_lists_name_settings_that_exist() -> None:
    for settings in (FREE, ROUNDING):
        for section, names in settings.items():
            known = Config.model_fields[section].annotation.model_fields  # type: ignore[union-attr]
            assert set(names or ()) <= set(known), section


@pytest.mark.promise("--verify-resume proves exact resuming on the user's own recipe, and leaves nothing behind.")
def test_verify_resume(tiny_qwen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = str(write_recipe(tmp_path, tiny_settings(tiny_qwen, tmp_path)))
    before = set(tmp_path.iterdir())
    assert main(["train", recipe, "--verify-resume"]) == 0
    printed = capsys.readouterr().out
    assert printed.count(" equal\n") == 7
    assert "Resuming is exact" in printed
    assert set(tmp_path.iterdir()) == before


DRIFTS = """
import sys
from qloratory.train import QloraTrainer

compute = QloraTrainer.training_step

def training_step(self, *inputs):
    if "--resume" in sys.argv:
        next(p for p in self.model.parameters() if p.requires_grad).data.add_(1e-3)
    return compute(self, *inputs)

QloraTrainer.training_step = training_step

def shape(row):
    return row
"""


@pytest.mark.promise("--verify-resume tells a resumed training that is another one, step by step, with exit code 9.")
def test_verify_resume_tells_a_difference(tiny_qwen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The user's own code makes the resumed training another than the first."""
    (tmp_path / "mine.py").write_text(DRIFTS)
    recipe = str(write_recipe(tmp_path, tiny_settings(tiny_qwen, tmp_path)))
    assert main(["train", recipe, "--verify-resume", f"data.formatting_func={tmp_path / 'mine.py'}:shape"]) == 9
    printed = capsys.readouterr()
    lines = [line.split()[-1] for line in printed.out.splitlines() if line.endswith((" equal", " DIFFERENT"))]
    assert lines == ["equal"] * 3 + ["DIFFERENT"] * 4
    assert "Resuming is exact" not in printed.out
    assert "the resumed training is not the one that was never stopped" in printed.err


def test_verify_resume_says_why_it_cannot(tiny_qwen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = str(write_recipe(tmp_path, tiny_settings(tiny_qwen, tmp_path)))
    assert main(["train", recipe, "--verify-resume", "train.max_length=50"]) == 9
    assert "rows are longer than train.max_length=50" in capsys.readouterr().err


@pytest.mark.promise("Killed at random moments, while loading, stepping or saving, it ends with the same bytes.")
def test_a_short_soak(tiny_qwen: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`make soak` is the long form, on the embedded model."""
    monkeypatch.setattr("soak.start", Forked)
    recipe = write_recipe(tmp_path, settings_of(tiny_qwen, tmp_path, {"max_steps": 12, "save_steps": 1}))
    record = soak(recipe, [], kills=3, seed=0)
    assert record["kills"] == 3
    assert record["ends"] >= 1
    assert record["equal"]
