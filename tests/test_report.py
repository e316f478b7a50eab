"""The report tells what the run directory's files hold, whole or in part, and lets nothing of them run."""

import math
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from qloratory.errors import OutputError
from qloratory.plot import line_path, round_marks
from qloratory.report import write_report
from qloratory.run import RunDirectory, write_json, write_jsonl
from qloratory.wording import percent
from report_runs import (
    HASH,
    MISSED_AFTER,
    PASSED_BEFORE,
    TASKS,
    make_answer,
    make_evaluation,
    make_file,
    make_metrics,
    make_record,
    write_run,
)

VOID = {"meta", "link", "br", "hr", "img", "input"}


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    monkeypatch.chdir(tmp_path)
    return write_run(Path("smollm2-135m-finetuned"))


def page_of(run: RunDirectory) -> str:
    return run.report.read_text(encoding="utf-8")


def rewrite(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def words_of(page: str) -> str:
    """What a reader of the page sees, with single spaces."""
    body = re.sub(r"<style>.*?</style>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


class Reader(HTMLParser):
    """Collects tags and attributes; fails on a tag that closes another one than the last that was opened."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, self.getpos()


def read_page(run: RunDirectory) -> Reader:
    reader = Reader()
    reader.feed(page_of(run))
    reader.close()
    assert reader.open == []
    return reader


RESULT = "Answers fully in style: 0 % before, 91.7 % after; answers that pass their tests: 16.7 % before, 83.3 % after."
FACTS = [
    RESULT,
    "on smollm2-135m-instruct, frozen in 4-bit NF4, on 240 rows of data/train.jsonl in 398.2 seconds",
    "32.4 to 42.8 %, n = 132",  # rules kept before
    "+2.0 % against before",  # 2.4618 / 2.4135
    "Rows 240 Tokens 61,234 Tokens that carried loss 36,740 (60 %)",
    "4,884,480 (3.5 %)",  # trainable parameters
    "Steps 60 of 60 planned Rows a step 16 (8 x 2 accumulated) Learning rate 0.001 at its peak, cosine",
    "Rank r 16 lora_alpha 32 Base 4-bit NF4 Seconds of training 398.2 Training speed 307.6 tokens/s",
    "Merged model 49.9 44.8 513.1",
    "1.9e-08 3.6e-07 100 % 2,236",
    "Merged into the original weights 0.012 0.57 97.11 % 2,236",
    "Peak memory 3,187 MiB",
    "generate baseline 70.1",
    "AMD EPYC 7763 64-Core Processor (AVX2), 2 cores",
    "qloratory 0.1.0, python 3.11.7, torch 2.13.0+cpu",
    "qloratory run configs/smollm2-135m.yaml train.seed=1 --overwrite",
    "0123456789ab+changes",
    "train.jsonl db0fb848a84b",
    "6 of 12 held-out prompts, chosen by rule",
    "Set aside: 6 of 278 rows. Each is in rejected.jsonl beside this report",
    "data/train.jsonl 246 6 2 1 data/heldout.jsonl 12 0 0 0",
    "data/train.jsonl:13 repeats data/train.jsonl:2, to the letter",
    "Rows longer than train.max_length, set aside whole: 2, with 2,391 tokens, 343 of them beyond it.",
    "Rows that were cut: 0 of 240 to train on. End tokens that are there, with loss: 240 of 240.",
    "code ran in full isolation. Layers that were there: user namespace, mount namespace, process",
    "Without optional ones: Landlock (Function not implemented).",
    "Row 1 of the training data, token by token",
    "812 of 2,400 places",
    "37.3 37.3 0 %",
    "1,520.5 not measured -",
    "2,964.3 3,187.0 +7.5 %",
]


@pytest.mark.parametrize("fact", FACTS)
def test_page_and_terminal_tell_the_numbers_of_the_files(run: RunDirectory, fact: str) -> None:
    text = write_report(run)
    assert fact in " ".join(text.split())
    assert fact in words_of(page_of(run))


def test_every_score_stands_with_its_interval_and_n(run: RunDirectory) -> None:
    write_report(run)
    words = words_of(page_of(run))
    assert "Answers fully in style 0 % 0 to 6.2 %, n = 12 91.7 % 71.7 to 97.8 %, n = 12 91.7 %" in words
    assert "2.413 2.213 to 2.614, n = 20 2.462 2.262 to 2.662, n = 20 +2.0 % against before" in words


def test_the_terminal_text_fits_and_is_plain(run: RunDirectory) -> None:
    rewrite(run.record, "AMD EPYC", "Some very long name of a processor, " * 5 + "AMD EPYC")
    text = write_report(run)
    assert max(map(len, text.splitlines())) <= 100
    assert text.isascii()


def test_hashes_are_shortened_and_whole_in_a_title(run: RunDirectory) -> None:
    write_report(run)
    page = page_of(run)
    assert f'<abbr title="{HASH}">{HASH[:12]}</abbr>' in page
    assert 'title="0123456789abcdef0123456789abcdef01234567+changes"' in page


def test_examples_are_the_first_four_then_a_miss_then_the_best_before(run: RunDirectory) -> None:
    write_report(run)
    shown = re.findall(r'<h3 id="example-\d">(.*?)</h3>', page_of(run))
    assert shown == [f"measures_heldout-{task + 1:03}" for task in (0, 1, 2, 3, MISSED_AFTER, PASSED_BEFORE)]


def test_an_example_shows_answers_rules_and_tests(run: RunDirectory) -> None:
    write_report(run)
    article = re.findall(r"<article.*?</article>", page_of(run), flags=re.DOTALL)[4]
    words = words_of(article)
    assert "Before 40 tokens, cut off at the limit" in words
    assert "After 117 tokens, ended by itself" in words
    assert "Style: 4 of 11 rules kept" in words
    assert "Style: 10 of 11 rules kept" in words
    assert "✗ missed: docstring_raises" in words
    assert "✓ kept: docstring_returns" in words
    assert words.count("✗ Tests failed: TypeError: can&#39;t multiply sequence") == 2
    assert '<del class="line">Sure! Here is the function:\n</del><span class="line">\n</span><del' in article
    assert '<ins class="line">def scale_7(values<mark>: list[float]</mark>, factor<mark>: float</mark>)' in article


def test_sections_stand_in_the_order_of_a_reader(run: RunDirectory) -> None:
    write_report(run)
    assert headings(run) == [
        "Scores",
        "Answers before and after",
        "Data",
        "What carried loss",
        "Training curves",
        "Adapter and merged model",
        "Memory",
        "What was trained",
        "Environment",
    ]


def test_runs_of_earlier_versions_are_reported(run: RunDirectory) -> None:
    """Without inspection, memory, what was found in the data, and isolation."""
    run.inspection.unlink()
    record = {name: fact for name, fact in make_record().items() if name not in ("memory", "data")}
    del record["training"]["end_tokens"]
    write_json(run.record, record)
    write_json(run.evaluation, {name: fact for name, fact in make_evaluation().items() if name != "isolation"})
    text = write_report(run)
    assert not {"Data", "What carried loss", "Memory"} & set(headings(run))
    assert "solation" not in text
    read_page(run)


def test_data_without_findings_is_a_short_line(run: RunDirectory) -> None:
    record = make_record()
    record["data"] = {name: make_file(name, 100) for name in ("train", "heldout", "general")}
    write_json(run.record, record)
    text = write_report(run)
    assert "All 300 rows came in: none was bad or too long, and none repeats another." in text
    assert "Rows that were cut: 0 of 240" in text
    assert "rejected.jsonl" not in text + page_of(run)
    assert "What the data files held" not in text + page_of(run)


def test_repeats_alone_are_told(run: RunDirectory) -> None:
    """As in strict mode, where they stay in."""
    record = make_record()
    record["data"] = {"train": make_file("train", 100) | {"repeats": {"exact": 0, "normalized": 7}}}
    write_json(run.record, record)
    text = write_report(run)
    assert re.search(r"data/train\.jsonl +100 +0 +0 +7\n", text)
    assert "rejected.jsonl" not in text
    assert "No row was set aside; all 100 came in, those that repeat another among them." in text


def test_a_row_that_lost_its_end_would_be_told(run: RunDirectory) -> None:
    rewrite(run.record, '"end_tokens": 240', '"end_tokens": 238')
    assert "Rows that were cut: 2 of 240 to train on. End tokens that are there, with loss: 238 of 240." in " ".join(
        write_report(run).split()
    )


@pytest.mark.promise("Where generated code ran without full isolation, or not at all, the report says so at the score.")
@pytest.mark.parametrize(
    ("isolation", "mark", "note"),
    [
        (
            {"execute": "anyway", "layers": ["seccomp filter"], "missing": {"user namespace": "No space left"}},
            "code run without full isolation",
            "Missing: user namespace (No space left). Layers that were there: seccomp filter.",
        ),
        (
            {"execute": "anyway", "layers": [], "missing": {"user namespace": "No space left"}},
            "code run without full isolation",
            "Layers that were there: none.",
        ),
        (
            {"execute": False, "layers": [], "missing": {}},
            "code not run",
            "code was not run (evaluate.execute=false): there is no score of the tests.",
        ),
    ],
)
def test_isolation_is_told_at_the_tests_score(
    isolation: dict[str, Any], mark: str, note: str, run: RunDirectory
) -> None:
    evaluation = make_evaluation() | {"isolation": isolation | {"missing_optional": {}}}
    if isolation["execute"] is False:
        for which in ("baseline", "finetuned", "merged"):
            evaluation[which]["tests_passed"] = {"value": None, "n": 0, "ci95": None}
    write_json(run.evaluation, evaluation)
    text = " ".join(write_report(run).split())
    words = words_of(page_of(run))
    assert note in words
    assert mark in text
    assert re.search(rf"Answers that pass their tests {mark} (16\.7 %|not measured)", words)
    assert (f"answers that pass their tests, {mark}: 16.7 % before" in text) == (isolation["execute"] == "anyway")
    assert "full isolation. Layers" not in words
    read_page(run)


def test_the_pictures_have_every_token_and_row(run: RunDirectory) -> None:
    text = write_report(run)
    assert page_of(run).count('<span class="token masked">') == 7
    assert page_of(run).count('<span class="token learnt">') == 9
    assert "7 tokens are masked, 9 carry loss." in text
    assert len(re.findall(r'<svg class="bar"', page_of(run))) == 8


def test_every_share_has_its_dot_and_whisker(run: RunDirectory) -> None:
    """From 58 at 0 % to 400 at 100 %."""
    write_report(run)
    page = page_of(run)
    assert page.count('class="whisker"') == page.count('class="dot') == 9
    assert '<circle class="dot finetuned" cx="371.5"' in page  # 58 + 0.9167 * 342
    assert 'd="M303.1 ' in page  # its interval starts at 0.9167 - 0.2


def test_nothing_is_said_of_isolation_where_there_were_no_tests(run: RunDirectory) -> None:
    evaluation = make_evaluation()
    for which in ("baseline", "finetuned", "merged"):
        evaluation[which]["tests_passed"] = {"value": None, "n": 0, "ci95": None}
    write_json(run.evaluation, evaluation)
    assert "solation" not in write_report(run)


def test_verdicts_of_other_answers_are_not_shown(run: RunDirectory) -> None:
    """The answers were made again, for fewer prompts: the verdicts in evaluation.json are not theirs."""
    write_jsonl(run.answers("finetuned"), [make_answer("finetuned", task) for task in range(3)])
    text = write_report(run)
    assert re.search(r"measures_heldout-001 +4 of 11 rules +rules not scored", text)
    assert re.search(r"measures_heldout-004 +4 of 11 rules +not answered", text)


def test_scores_of_older_answers_are_told(run: RunDirectory) -> None:
    assert "Not there yet" not in write_report(run)
    rewrite(run.record, '"value": 2.4618', '"value": 2.5')
    text = " ".join(write_report(run).split())
    assert "The scores of the newest answers (those below are of older ones) qloratory evaluate RECIPE" in text


def test_training_alone_is_reported(run: RunDirectory) -> None:
    for which in ("baseline", "finetuned", "merged"):
        run.answers(which).unlink()
    run.evaluation.unlink()
    write_json(run.record, {name: fact for name, fact in make_record().items() if name not in ("models", "agreement")})
    text = write_report(run)
    assert headings(run) == [
        "Data",
        "What carried loss",
        "Training curves",
        "Memory",
        "What was trained",
        "Environment",
    ]
    assert commands(text) == ["generate RECIPE", "merge RECIPE", "evaluate RECIPE"]
    assert commands(words_of(page_of(run))) == ["generate RECIPE", "merge RECIPE", "evaluate RECIPE"]
    read_page(run)


def test_baseline_answers_alone_are_reported(run: RunDirectory) -> None:
    for path in (run.inspection, run.metrics, run.evaluation, run.answers("finetuned"), run.answers("merged")):
        path.unlink()
    record = make_record()
    record["models"] = {"baseline": record["models"]["baseline"]}
    del record["training"], record["agreement"], record["memory"]
    write_json(run.record, record)
    text = write_report(run)
    assert headings(run) == ["Answers before", "Data", "Adapter and merged model", "Environment"]
    assert "To be trained: a LoRA adapter of rank 16" in text
    assert commands(text) == ["train RECIPE --resume", "generate RECIPE", "merge RECIPE", "evaluate RECIPE"]
    assert "The first 4 of 12 held-out prompts." in text
    assert "Base with adapter" not in text
    read_page(run)


def test_an_interrupted_training_shows_its_whole_lines(run: RunDirectory) -> None:
    write_json(run.record, {name: fact for name, fact in make_record().items() if name != "training"})
    run.metrics.write_text(run.metrics.read_text(encoding="utf-8") + '{"step": 61, "lo', encoding="utf-8")
    text = write_report(run)
    assert "Values at 60 logged steps" in text
    assert commands(text) == ["train RECIPE --resume"]


@pytest.mark.parametrize(
    "metrics", ["", '{"step": 1, "loss": 2.5, "learning_rate": 0.0}\n', '{"step": 1, "loss": NaN}\n']
)
def test_few_or_no_logged_steps(run: RunDirectory, metrics: str) -> None:
    run.metrics.write_text(metrics, encoding="utf-8")
    assert ("Training curves" in write_report(run)) == bool(metrics)
    read_page(run)


def test_without_run_json_there_is_no_report(run: RunDirectory) -> None:
    run.record.unlink()
    with pytest.raises(OutputError, match=r"run\.json is missing"):
        write_report(run)
    assert not run.report.exists()


@pytest.mark.parametrize("nothing", [None, math.nan])
def test_values_that_are_no_numbers_are_named(run: RunDirectory, nothing: float | None) -> None:
    evaluation = without_numbers(make_evaluation(), nothing)
    evaluation["details"]["finetuned"][0] |= {"tests_passed": None, "reason": "not run"}
    write_json(run.evaluation, evaluation)
    record = make_record()
    for facts in ("models", "agreement", "training", "stage_seconds"):
        record[facts] = without_numbers(record[facts], nothing)
    write_json(run.record, record)
    metrics = [make_metrics(step) | ({"loss": nothing} if step in (20, 21) else {}) for step in range(1, 61)]
    write_jsonl(run.metrics, metrics)
    text = write_report(run)
    assert ("not measured" if nothing is None else "not a number") in text
    assert "Loss: 2 of 60 values are not numbers and leave gaps." in text
    assert "nan" not in text
    assert "Answers fully in style:" not in text  # no result without values
    read_page(run)


def test_nothing_from_models_or_data_becomes_markup(run: RunDirectory) -> None:
    attack = "</code></pre><script>alert(1)</script><img src=http://example.invalid/x onerror=alert(1)>"
    write_jsonl(
        run.answers("baseline"),
        [make_answer("baseline", task) | {"answer": attack, "prompt": attack, "id": attack} for task in range(TASKS)],
    )
    write_jsonl(
        run.answers("finetuned"),
        [make_answer("finetuned", task) | {"answer": attack, "prompt": attack, "id": attack} for task in range(TASKS)],
    )
    evaluation = make_evaluation()
    for which in ("baseline", "finetuned"):
        for verdict in evaluation["details"][which]:
            verdict |= {"id": attack, "reason": attack, "tests_passed": False, "rules": {attack: False}}
    evaluation["isolation"] |= {"missing": {attack: attack}, "layers": [attack]}
    write_json(run.evaluation, evaluation)
    rewrite(run.record, "smollm2-135m-instruct", attack)
    rewrite(run.record, "data/train.jsonl", attack)
    rewrite(run.record, "not JSON", attack)
    write_report(run)
    reader = read_page(run)
    assert not {"script", "img"} & set(reader.tags)
    assert page_of(run).count("&lt;script&gt;alert(1)&lt;/script&gt;") > 6 * 2 * 3


def test_names_from_the_data_cannot_command_the_terminal(run: RunDirectory) -> None:
    rewrite(run.answers("baseline"), "measures_heldout-001", r"\u001b[31mred\u0007")
    text = write_report(run)
    assert "?[31mred?" in text
    assert "\x1b" not in text


def test_the_page_loads_nothing_and_runs_nothing(run: RunDirectory) -> None:
    write_report(run)
    reader = read_page(run)
    assert not {"script", "link", "img", "iframe", "object", "embed", "base", "form"} & set(reader.tags)
    for tag, name, value in reader.attributes:
        assert name not in ("src", "srcset", "style", "action", "data", "xlink:href"), (tag, name)
        assert not name.startswith("on"), (tag, name)
        assert name != "href" or value.startswith("#"), (tag, value)
    assert "url(" not in page_of(run)
    assert "@import" not in page_of(run)
    assert "default-src 'none'" in page_of(run)


def test_the_page_is_accessible_in_its_structure(run: RunDirectory) -> None:
    write_report(run)
    page, reader = page_of(run), read_page(run)
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">')
    assert ("meta", "name", "viewport") in reader.attributes
    assert reader.tags.count("h1") == 1
    assert reader.tags.count("caption") == reader.tags.count("table")
    scopes = [value for tag, name, value in reader.attributes if (tag, name) == ("th", "scope")]
    assert len(scopes) == reader.tags.count("th")
    levels = [int(tag[1]) for tag in reader.tags if re.fullmatch(r"h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [value for _, name, value in reader.attributes if name == "id"]
    named = [value for _, name, value in reader.attributes if name == "aria-labelledby"]
    assert len(ids) == len(set(ids))
    assert {part for value in named for part in value.split()} <= set(ids)
    assert page.count('role="img"') == 3
    assert page.count('aria-hidden="true"><rect') + 3 == reader.tags.count("svg")


def test_the_curve_runs_from_corner_to_corner_of_its_axes(run: RunDirectory) -> None:
    """Steps 1 to 4 fill the width, losses 1.5 to 0 the height; a third of the way is a third of the width."""
    losses = {1: 1.5, 2: 0.75, 4: 0.0}
    write_jsonl(run.metrics, [{"step": step, "loss": loss} for step, loss in losses.items()])
    write_report(run)
    middle = f"{58 + (410 - 58) / 3:.1f} {(30 + 196) / 2:g}"
    assert f'd="M58 30h0L{middle}L410 196"' in page_of(run)


def test_a_gap_interrupts_the_line_and_a_lone_point_is_a_dot() -> None:
    assert line_path([(0, 1.0), (1, 2.0), (2, None), (3, 4.5), (4, None)]) == "M0 1h0L1 2M3 4.5h0"


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [
        (0.2975, 1.434, [0, 0.5, 1, 1.5]),
        (0, 0.0009938, [0, 0.0005, 0.001]),
        (6.716, 6.959, [6.7, 6.8, 6.9, 7]),
        (2.0, 2.0, [2, 2.5]),
        (0.0, 0.0, [0, 0.5]),
        (-3.0, 40_000.0, [-20_000, 0, 20_000, 40_000]),
    ],
)
def test_axis_marks_are_round_and_enclose_the_values(low: float, high: float, marks: list[float]) -> None:
    assert round_marks(low, high) == marks


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0 %"),
        (1, "100 %"),
        (0.925, "92.5 %"),
        (0.92, "92 %"),
        (0.99996, "99.996 %"),
        (0.0004, "0.04 %"),
        (0.1, "10 %"),
    ],
)
def test_a_share_is_never_rounded_to_all_or_nothing(share: float, text: str) -> None:
    assert percent(share) == text


def headings(run: RunDirectory) -> list[str]:
    return re.findall(r"<h2[^>]*>(.*?)</h2>", page_of(run))


def commands(text: str) -> list[str]:
    """The commands that the report says to run next, in their order."""
    return re.findall(r"qloratory (\w+ RECIPE(?: --resume)?)", text)


def without_numbers(facts: Any, nothing: float | None) -> Any:
    """The same structure with `nothing` for every number but n; intervals become None, as they are written then."""
    if isinstance(facts, dict):
        return {
            name: value if name == "n" else None if name == "ci95" else without_numbers(value, nothing)
            for name, value in facts.items()
        }
    if isinstance(facts, list):
        return [without_numbers(fact, nothing) for fact in facts]
    return nothing if isinstance(facts, int | float) and not isinstance(facts, bool) else facts
