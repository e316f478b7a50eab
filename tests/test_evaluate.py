"""Scores are what their definitions say."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from conftest import ROOT, read_rows
from qloratory import sandbox
from qloratory.config import EvaluateSection
from qloratory.confine import LAYERS
from qloratory.data import default_formatting_func, format_rows
from qloratory.errors import OutputError
from qloratory.evaluate import general_loss, score_answers, share
from qloratory.labels import tokenize_row

TASKS = read_rows(ROOT / "data" / "heldout.jsonl")[:4]


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)],
)
def test_wilson_intervals_are_the_published_ones(successes: int, n: int, low: float, high: float) -> None:
    """The last row is the worked example of Newcombe 1998, table I; the others are its standard cases."""
    score = share(successes, n)
    assert score["value"] == pytest.approx(successes / n, abs=1e-4)
    assert score["ci95"] == pytest.approx([low, high], abs=1e-4)


def test_a_share_of_nothing_has_no_value() -> None:
    assert share(0, 0) == {"value": None, "n": 0, "ci95": None}


def test_the_datasets_own_answers_score_full_marks() -> None:
    scores = score_answers([{"answer": task["completion"]} for task in TASKS], TASKS, EvaluateSection())
    assert [scores[name]["value"] for name in ("style_full", "rules_met", "tests_passed")] == [1.0, 1.0, 1.0]
    assert [scores[name]["n"] for name in ("style_full", "rules_met", "tests_passed")] == [4, 4, 4]


def test_code_in_fences_is_tested_fairly() -> None:
    answers = [{"answer": f"Sure!\n```python\n{task['completion']}\n```"} for task in TASKS]
    scores = score_answers(answers, TASKS, EvaluateSection())
    assert scores["tests_passed"]["value"] == 1.0
    assert scores["style_full"]["value"] == 0.0
    assert scores["rules_met"]["value"] == pytest.approx(10 / 11, abs=1e-4)


def test_code_is_not_run_where_that_is_switched_off() -> None:
    answers = [{"answer": task["completion"]} for task in TASKS]
    assert score_answers(answers, TASKS, EvaluateSection(execute=False))["tests_passed"]["n"] == 0


def test_isolation_is_described_by_what_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "missing_layers", lambda: {"IPC namespace": "No space left", "Landlock": "Not there"})
    told = sandbox.describe_isolation("anyway")
    assert (told["execute"], told["missing"]) == ("anyway", {"IPC namespace": "No space left"})
    assert told["missing_optional"] == {"Landlock": "Not there"}
    assert told["layers"] == [layer for layer in LAYERS if layer not in ("IPC namespace", "Landlock")]


def test_no_layer_is_tried_where_no_code_is_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(sandbox, "missing_layers")
    told = sandbox.describe_isolation(False)
    assert told == {"execute": False, "layers": [], "missing": {}, "missing_optional": {}}


def test_answers_of_other_tasks_are_refused() -> None:
    with pytest.raises(OutputError, match="there are 0 answers for 4 held-out tasks"):
        score_answers([], TASKS, EvaluateSection())


def test_general_loss_is_the_models_own(tiny_llama: Path) -> None:
    """Against Transformers' loss, one conversation at a time, without padding."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    model = AutoModelForCausalLM.from_pretrained(tiny_llama).eval()
    path = ROOT / "data" / "general.jsonl"
    rows = format_rows(read_rows(path)[:5], default_formatting_func, path)
    total, tokens = 0.0, 0
    for row in rows:
        encoded = tokenize_row(row, tokenizer, "row")
        ids, labels = (torch.tensor([encoded[name]]) for name in ("input_ids", "labels"))
        count = int((labels != -100).sum())
        with torch.no_grad():
            total += model(input_ids=ids, labels=labels).loss.item() * count
        tokens += count
    score = general_loss(model, tokenizer, rows, EvaluateSection(batch_size=2))
    assert score["value"] == pytest.approx(total / tokens, abs=1e-4)
    assert score["n"] == 5
