"""The committed dataset: every completion is right and in style; nothing held out is known from training."""

import ast
import difflib
import doctest
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, read_rows
from qloratory.sandbox import run_tests
from qloratory.style import RULE_NAMES, check_style, parse

TRAIN = read_rows(ROOT / "data" / "train.jsonl")
HELDOUT = read_rows(ROOT / "data" / "heldout.jsonl")
BOTH = TRAIN + HELDOUT
NEAR_COPY = 0.8  # share of equal pieces above which two normalized functions, or two prompts, are near copies


def test_there_are_enough_tasks() -> None:
    assert len(TRAIN) >= 240
    assert len(HELDOUT) >= 60


def test_ids_names_prompts_and_completions_are_unique() -> None:
    for field in ("id", "entry_point", "prompt", "completion"):
        repeated = [value for value, count in Counter(row[field] for row in BOTH).items() if count > 1]
        assert repeated == [], field


def test_every_completion_keeps_every_rule_of_the_style() -> None:
    everything = dict.fromkeys(RULE_NAMES, True)
    assert {row["id"]: check_style(row["completion"]) for row in BOTH} == {row["id"]: everything for row in BOTH}


def test_every_completion_passes_its_own_tests() -> None:
    with ThreadPoolExecutor(max_workers=2) as pool:
        verdicts = pool.map(lambda row: run_tests(row["completion"], row["tests"], row["entry_point"], 10, 512), BOTH)
        failed = {row["id"]: verdict.reason for row, verdict in zip(BOTH, verdicts, strict=True) if not verdict.passed}
    assert failed == {}
    assert all(len(row["tests"]) >= 3 for row in BOTH)


def test_every_example_in_a_docstring_is_true() -> None:
    for row in BOTH:
        names: dict[str, Any] = {}
        exec(compile(row["completion"], row["id"], "exec"), names)  # our own committed code
        text = ast.get_docstring(ast.parse(row["completion"]).body[-1]) or ""
        example = doctest.DocTestParser().get_doctest(text, names, row["id"], None, None)
        assert len(example.examples) == 1, row["id"]
        assert doctest.DocTestRunner(verbose=False).run(example).failed == 0, row["id"]


def test_a_function_raises_only_if_its_prompt_asks_for_it() -> None:
    for row in BOTH:
        raises = {node.exc.func.id for node in ast.walk(ast.parse(row["completion"])) if isinstance(node, ast.Raise)}  # type: ignore[union-attr]
        asked = set(re.findall(r"[A-Z]\w*Error", row["prompt"]))
        assert raises == asked, row["id"]


def normalized_code(code: str) -> list[str]:
    """The tokens of a function's body without its docstring, every name that it chooses replaced by its order.

    The head is left out: `def f(n0: list[int]) -> int` is most of a short function, and says nothing about it.
    """
    tree = parse(code)
    assert tree is not None
    function = tree.body[-1]
    assert isinstance(function, ast.FunctionDef)
    arguments = [node.arg for node in ast.walk(function) if isinstance(node, ast.arg)]
    stored = [node.id for node in ast.walk(function) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    names = {name: f"n{order}" for order, name in enumerate(dict.fromkeys(arguments + stored))}
    for node in ast.walk(function):
        if isinstance(node, ast.Name):
            node.id = names.get(node.id, node.id)
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            node.exc.args = []  # its message is no part of what the function does
    body = "\n".join(ast.unparse(statement) for statement in function.body[1:])
    return re.findall(r"\w+|[^\w\s]", body)


def words_of(prompt: str) -> list[str]:
    return re.findall(r"\w+", prompt.lower())


def likeness(one: list[str], other: list[str]) -> float:
    matcher = difflib.SequenceMatcher(a=one, b=other, autojunk=False)
    return matcher.ratio() if matcher.real_quick_ratio() > NEAR_COPY and matcher.quick_ratio() > NEAR_COPY else 0.0


@pytest.mark.parametrize(("field", "pieces"), [("completion", normalized_code), ("prompt", words_of)])
def test_nothing_held_out_is_a_near_copy_of_a_training_task(field: str, pieces: Any) -> None:
    known = [(row["id"], pieces(row[field])) for row in TRAIN]
    near = [
        (row["id"], other_id, round(likeness(pieces(row[field]), other), 2))
        for row in HELDOUT
        for other_id, other in known
        if likeness(pieces(row[field]), other) > NEAR_COPY
    ]
    assert near == []


def test_the_near_copy_test_finds_a_near_copy() -> None:
    """Renamed throughout, with another docstring: still the same function."""
    row = next(row for row in TRAIN if row["entry_point"] == "count_vowels")
    renamed = row["completion"].replace("text", "sentence").replace("char", "letter").replace("count_vowels", "vowels")
    assert likeness(normalized_code(row["completion"]), normalized_code(renamed)) == 1.0


def test_prompts_are_varied() -> None:
    prompts = [row["prompt"] for row in TRAIN]
    openings = Counter(" ".join(words_of(prompt)[:2]) for prompt in prompts)
    assert len(openings) > len(prompts) / 4
    assert any(prompt.endswith("?") for prompt in prompts)
    assert any(prompt[0].islower() for prompt in prompts)
    assert not any(re.search(r"docstring|type hint|google", prompt, re.IGNORECASE) for prompt in prompts)


def test_the_committed_files_are_what_the_sources_give() -> None:
    subprocess.run([sys.executable, "data/build.py", "--check"], cwd=ROOT, check=True)


def test_the_general_probe_is_chat_without_code() -> None:
    rows = read_rows(ROOT / "data" / "general.jsonl")
    assert len(rows) >= 40
    assert all(row["messages"][-1]["role"] == "assistant" for row in rows)
    assert not any(
        "def " in message["content"] or "```" in message["content"] for row in rows for message in row["messages"]
    )
    assert Path(ROOT / "data" / "README.md").exists()
