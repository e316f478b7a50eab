"""Scores: style, tests passed, forgetting. Before, after and merged, each by the same calls."""

import math
import statistics
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
import torch.nn.functional as F
from tqdm import tqdm
from transformers import PreTrainedTokenizerBase

from qloratory.config import EvaluateSection
from qloratory.data import Row
from qloratory.errors import OutputError
from qloratory.labels import IGNORED, tokenize_row
from qloratory.model import logits_at
from qloratory.sandbox import describe_lacking, require_layers, run_tests
from qloratory.style import RULE_NAMES, check_style, extract_code

CHUNK = 256  # tokens whose logits are held at a time
Z95 = 1.959964  # standard normal quantile of a two-sided 95 % interval


def score_answers(answers: list[Row], tasks: list[Row], section: EvaluateSection) -> dict[str, Any]:
    """Judge answers by the style's rules and by their tasks' unit tests.

    Args:
        answers: `{"answer": text, …}`, one a task, in the tasks' order.
        tasks: `{"id", "entry_point", "tests", …}`; tasks without tests are judged on style alone.
        section: Uses `execute`, `timeout_seconds` and `memory_mib`.

    Returns:
        `style_full`, `rules_met` and `tests_passed`, each a score (`value`, `n`, `ci95`), and `details`: per answer
        `rules` (name -> kept), `tests_passed` (None where not run) and `reason`.

    Raises:
        OutputError: There are not as many answers as tasks.
        HardwareError: The answers' code is to be run, and this machine cannot isolate it.
    """
    if len(answers) != len(tasks):
        raise OutputError(f"there are {len(answers)} answers for {len(tasks)} held-out tasks; generate them again")
    rules = [check_style(answer["answer"]) for answer in answers]
    verdicts = run_all_tests(answers, tasks, section)
    tested = [passed for passed, _ in verdicts if passed is not None]
    return {
        "style_full": share(sum(all(kept.values()) for kept in rules), len(rules)),
        # Of so many answers, not rules: those of one answer stand and fall together, and are no draws of their own.
        "rules_met": share(sum(sum(kept.values()) for kept in rules) / len(RULE_NAMES), len(rules)),
        "tests_passed": share(sum(tested), len(tested)),
        "details": [
            {"id": task.get("id"), "rules": kept, "tests_passed": passed, "reason": reason}
            for task, kept, (passed, reason) in zip(tasks, rules, verdicts, strict=True)
        ],
    }


def run_all_tests(answers: list[Row], tasks: list[Row], section: EvaluateSection) -> list[tuple[bool | None, str]]:
    """Every answer's code, out of its fences, against its task's tests; two sandboxes at a time."""

    def judge(pair: tuple[Row, Row]) -> tuple[bool | None, str]:
        answer, task = pair
        if not section.execute or not task.get("tests"):
            return None, "not run"
        code = extract_code(answer["answer"])
        entry_point = task.get("entry_point", "")
        limits = section.timeout_seconds, section.memory_mib
        verdict = run_tests(code, task["tests"], entry_point, *limits, execute=section.execute)
        return verdict.passed, verdict.reason

    require_layers(section.execute)
    if section.execute == "anyway" and (lacking := describe_lacking()):
        print(f"Generated code runs without full isolation, for lack of: {lacking}")
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(judge, zip(answers, tasks, strict=True)))


def share(successes: float, n: int) -> Row:
    """A share with its 95 % Wilson score interval (Wilson 1927); of nothing, the value is None."""
    if n == 0:
        return {"value": None, "n": 0, "ci95": None}
    p = successes / n
    centre = (p + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * math.sqrt(p * (1 - p) / n + Z95**2 / (4 * n**2))
    return {
        "value": round(p, 4),
        "n": n,
        "ci95": [round(max(0.0, centre - half), 4), round(min(1.0, centre + half), 4)],
    }


def general_loss(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    rows: list[Row],
    section: EvaluateSection,
) -> Row:
    """The forgetting probe: mean loss a token on the answers of general chat turns, never trained on.

    Returns:
        A score: `value` in nats a token, `n` conversations, `ci95` by the normal approximation for a ratio of
        means over conversations (a loss is no share, so Wilson's interval does not apply).
    """
    encoded = [tokenize_row(row, tokenizer, f"general row {number}") for number, row in enumerate(rows, start=1)]
    sums: list[tuple[float, int]] = []  # (loss in nats, tokens) a conversation
    for start in tqdm(range(0, len(encoded), section.batch_size), desc="general chat", unit="batch"):
        sums += answer_losses(model, tokenizer, encoded[start : start + section.batch_size])
    tokens = sum(count for _, count in sums)
    mean = sum(loss for loss, _ in sums) / tokens
    residuals = [loss - mean * count for loss, count in sums]
    spread = statistics.stdev(residuals) if len(sums) > 1 else math.nan
    half = Z95 * spread * math.sqrt(len(sums)) / tokens
    return {
        "value": round(mean, 4),
        "n": len(sums),
        "ci95": None if math.isnan(half) else [round(mean - half, 4), round(mean + half, 4)],
    }


def answer_losses(model: Any, tokenizer: PreTrainedTokenizerBase, batch: list[Row]) -> list[tuple[float, int]]:
    """Summed loss and number of tokens with loss, a row."""
    inputs = collate(batch, tokenizer, model.device)
    next_labels = inputs.pop("labels").roll(-1, dims=1)  # (rows, tokens); a row's first label is -100 and comes last
    with_loss = next_labels != IGNORED
    with torch.inference_mode():
        parts = zip(logits_at(model, inputs, with_loss, CHUNK), next_labels[with_loss].split(CHUNK), strict=True)
        losses = torch.cat([F.cross_entropy(logits.float(), labels, reduction="none") for logits, labels in parts])
    counts = with_loss.sum(dim=1).tolist()
    return [(part.sum().item(), len(part)) for part in losses.split(counts)]


def collate(batch: list[Row], tokenizer: PreTrainedTokenizerBase, device: torch.device) -> dict[str, torch.Tensor]:
    """Right-padded `input_ids`, `attention_mask` and `labels`, each (rows, tokens)."""
    width = max(len(row["input_ids"]) for row in batch)

    def padded(name: str, filler: int | None) -> torch.Tensor:
        return torch.tensor([row[name] + [filler] * (width - len(row[name])) for row in batch], device=device)

    lengths = torch.tensor([len(row["input_ids"]) for row in batch], device=device)
    return {
        "input_ids": padded("input_ids", tokenizer.pad_token_id),
        "attention_mask": (torch.arange(width, device=device) < lengths[:, None]).long(),
        "labels": padded("labels", IGNORED),
    }
