"""A whole run on a tiny Qwen2 in NF4: the exact files it leaves, and that it can be resumed."""

import json
import shutil
from pathlib import Path

import pytest
from record import make_record

from conftest import read_rows
from qloratory import choose
from qloratory.cli import main
from qloratory.confine import LAYERS, OPTIONAL

CHECKPOINT = {
    "adapter_config.json", "adapter_model.safetensors", "manifest.json", "optimizer.safetensors", "rng_state.json",
    "state.json", "trainer_state.json",
}  # fmt: skip
ADAPTER = {
    "README.md", "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja", "tokenizer.json",
    "tokenizer_config.json",
}  # fmt: skip
FILES = {
    "run.json", "inspect.json", "metrics.jsonl", "baseline.jsonl", "finetuned.jsonl", "merged.jsonl", "evaluation.json",
    "report.html",
}  # fmt: skip


def test_a_run_leaves_exactly_these_files(finished_run: Path) -> None:
    run = finished_run / "run"
    expected = (
        FILES
        | {f"tiny-coder/{name}" for name in ADAPTER}
        | {f"checkpoint-{step}/{name}" for step in (2, 4) for name in CHECKPOINT}
    )
    assert {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file()} == expected


def test_scores_and_answers_have_their_form(finished_run: Path) -> None:
    run = finished_run / "run"
    evaluation = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
    for which in ("baseline", "finetuned", "merged"):
        assert set(evaluation[which]) == {"style_full", "rules_met", "tests_passed", "general_loss"}
        assert all(set(score) == {"value", "n", "ci95"} for score in evaluation[which].values())
        answers = read_rows(run / f"{which}.jsonl")
        assert len(answers) == 3
        assert all(set(row) == {"id", "prompt", "answer", "tokens", "stopped", "seconds"} for row in answers)
    assert [row["prompt"] for row in read_rows(run / "baseline.jsonl")] == [
        row["prompt"] for row in read_rows(run / "finetuned.jsonl")
    ]


def test_a_run_tells_what_came_in_and_how_code_was_isolated(finished_run: Path) -> None:
    record = json.loads((finished_run / "run" / "run.json").read_text(encoding="utf-8"))
    assert {name: (found["rows_read"], found["rows_set_aside"]) for name, found in record["data"].items()} == {
        "train": (16, 0), "heldout": (63, 0), "general": (46, 0),
    }  # fmt: skip
    assert record["data"]["train"]["over_max_length"] == {"rows": 0, "tokens": 0, "tokens_beyond": 0}
    assert record["training"]["end_tokens"] == record["training"]["rows"] == 16
    isolation = json.loads((finished_run / "run" / "evaluation.json").read_text(encoding="utf-8"))["isolation"]
    assert isolation["execute"] is True
    assert isolation["missing"] == {}
    assert set(LAYERS) - set(OPTIONAL) <= set(isolation["layers"])
    page = (finished_run / "run" / "report.html").read_text(encoding="utf-8")
    assert "All 125 rows came in" in page
    assert "Rows that were cut: 0 of 16 to train on. End tokens that are there, with loss: 16 of 16." in page
    assert "code ran in full isolation" in page


def test_a_committed_record_has_scores_of_models_alone(finished_run: Path) -> None:
    made = make_record(finished_run / "run")
    assert set(made["scores"]) == {"baseline", "finetuned", "merged"}
    assert made["isolation"]["execute"] is True


def test_metrics_have_a_line_a_step(finished_run: Path) -> None:
    rows = read_rows(finished_run / "run" / "metrics.jsonl")
    assert [row["step"] for row in rows] == [1, 2, 3, 4]
    assert all({"loss", "learning_rate", "grad_norm", "epoch"} <= set(row) for row in rows)


def test_an_interrupted_run_goes_on_without_answering_again(finished_run: Path, tmp_path: Path) -> None:
    shutil.copytree(finished_run, tmp_path / "copy")
    run = tmp_path / "copy" / "run"
    baseline = (run / "baseline.jsonl").read_bytes()
    adapter = (run / "tiny-coder" / "adapter_model.safetensors").read_bytes()
    for name in ("checkpoint-4", "tiny-coder"):
        shutil.rmtree(run / name)
    assert main(["run", str(tmp_path / "copy" / "recipe.yaml"), f"train.output_dir={run}", "--resume"]) == 0
    assert (run / "baseline.jsonl").read_bytes() == baseline
    assert (run / "tiny-coder" / "adapter_model.safetensors").read_bytes() == adapter


def test_the_recipe_is_chosen_by_gpu_and_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.get_device_name", lambda: "Test GPU")
    for gpu, hub, recipe in ((False, True, choose.EMBEDDED), (True, False, choose.EMBEDDED), (True, True, choose.QWEN)):
        monkeypatch.setattr("torch.cuda.is_available", lambda gpu=gpu: gpu)
        monkeypatch.setattr(choose, "hub_has_model", lambda _, hub=hub: hub)
        assert choose.choose_recipe()[0] == recipe
