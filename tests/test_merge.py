"""The merged model is the adapter: to rounding on the dequantized base, and measurably not on the original one."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer

from conftest import ROOT, read_rows
from qloratory.data import default_formatting_func, format_rows
from qloratory.labels import tokenize_row
from qloratory.merge import agreement


def test_agreement_of_a_whole_run(finished_run: Path) -> None:
    record = json.loads((finished_run / "run" / "run.json").read_text(encoding="utf-8"))["agreement"]
    assert abs(record["dequantized"]["kl"]) < 1e-6
    assert record["dequantized"]["same_argmax"] == 1.0
    assert record["original"]["kl"] > 100 * abs(record["dequantized"]["kl"])
    assert record["dequantized"]["tokens"] == record["original"]["tokens"] > 0


def test_agreement_is_kl_by_its_definition(tiny_qwen: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(tiny_qwen)
    one = AutoModelForCausalLM.from_pretrained(tiny_qwen).eval()
    other = AutoModelForCausalLM.from_pretrained(tiny_qwen).eval()
    with torch.no_grad():
        for parameter in other.parameters():
            parameter += 0.05 * torch.randn_like(parameter)
    path = ROOT / "data" / "heldout.jsonl"
    rows = format_rows(read_rows(path)[:3], default_formatting_func, path)
    expected, tokens = 0.0, 0
    for row in rows:  # row by row, without padding, in float64
        encoded = tokenize_row(row, tokenizer, "row")
        start = next(position for position, label in enumerate(encoded["labels"]) if label != -100) - 1
        ids = torch.tensor([encoded["input_ids"]])
        with torch.no_grad():
            p, q = (F.softmax(model(ids).logits[0, start:-1].double(), dim=-1) for model in (one, other))
        expected += (p * (p / q).log()).sum().item()
        tokens += p.shape[0]
    measured = agreement(one, other, tokenizer, rows, 2, "test")
    assert measured["tokens"] == tokens
    assert measured["kl"] == pytest.approx(expected / tokens, rel=1e-4)
    assert agreement(one, one, tokenizer, rows, 2, "test")["kl"] == pytest.approx(0, abs=1e-7)
