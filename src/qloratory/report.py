"""The report: what a run directory holds, as one HTML page for a browser and as text for the terminal.

Both are made from the same `Page`, so they cannot disagree. All text from models and data is untrusted: the page
escapes it (autoescape), the terminal gets no control characters.
"""

from qloratory.examples import describe_examples
from qloratory.facts import MEASURES, WHEN, Facts, is_outdated, isolation_of, read_facts
from qloratory.page import Page
from qloratory.render import render_html, render_text
from qloratory.run import RunDirectory, write_atomically
from qloratory.sections import (
    describe_curves,
    describe_data,
    describe_environment,
    describe_inspection,
    describe_memory,
    describe_merging,
    describe_quantization,
    describe_scores,
    describe_training,
    mark_isolation,
)
from qloratory.wording import is_number, number, percent


def write_report(run: RunDirectory) -> str:
    """Write report.html from what the run directory holds, a finished run or a part of one.

    Args:
        run: Holds run.json at least.

    Returns:
        The same facts as text of at most 100 columns, for the terminal.

    Raises:
        OutputError: run.json is missing, or a file is broken.
        DataError: A file of answers is broken.
    """
    page = make_page(read_facts(run))
    write_atomically(run.report, render_html(page))
    return f"{render_text(page)}\n\nWith the curves and the code of the answers: {run.report}"


def make_page(facts: Facts) -> Page:
    sections = [
        describe_scores(facts),
        describe_examples(facts),
        describe_data(facts),
        describe_inspection(facts),
        describe_curves(facts),
        describe_merging(facts),
        describe_memory(facts),
        describe_training(facts),
        describe_environment(facts),
    ]
    return Page(
        name=facts.name,
        subject=describe_subject(facts),
        result=describe_result(facts),
        lacking=find_lacking(facts),
        sections=[section for section in sections if section is not None],
    )


def describe_subject(facts: Facts) -> str:
    """What was trained on what, in a sentence."""
    config, training = facts.record["config"], facts.record.get("training")
    adapter = f"a LoRA adapter of rank {config['lora']['r']} on {facts.record['model']['name_or_path']}"
    base = f"frozen in {describe_quantization(config)}"
    if training is None:
        return f"To be trained: {adapter}, {base}."
    rows = f"{number(training['rows'])} rows of {config['data']['train_file']}"
    return f"Trained: {adapter}, {base}, on {rows} in {number(training['train_seconds'], 1)} seconds."


def describe_result(facts: Facts) -> str:
    """The run's outcome in a sentence; empty before the first scores."""
    scored = [which for which in ("baseline", "finetuned") if which in facts.evaluation]
    parts = []
    for measure in ("style_full", "tests_passed"):
        scores = {WHEN[which].lower(): facts.evaluation[which][measure]["value"] for which in scored}
        if any(is_number(value) for value in scores.values()):
            values = ", ".join(f"{percent(value)} {when}" for when, value in scores.items())
            marks = mark_isolation(isolation_of(facts.evaluation)) if measure == "tests_passed" else []
            parts.append(f"{', '.join([MEASURES[measure], *marks])}: {values}")
    return f"{'; '.join(parts)}.".capitalize() if parts else ""


def find_lacking(facts: Facts) -> dict[str, str]:
    """What no stage has made yet -> the command for it, in the order in which to run them."""
    record, answered, evaluation = facts.record, facts.answers, facts.evaluation
    lacking = {}
    if "training" not in record:
        lacking["The trained adapter"] = "qloratory train RECIPE --resume"
    if not {"baseline", "finetuned"} <= answered.keys():
        lacking["The answers before and after"] = "qloratory generate RECIPE"
    if "merged" not in answered or "agreement" not in record:
        lacking["The merged model, and how far it agrees"] = "qloratory merge RECIPE"
    if not answered or not answered.keys() <= evaluation.keys():
        lacking["The scores"] = "qloratory evaluate RECIPE"
    elif any(is_outdated(facts, which) for which in answered):
        lacking["The scores of the newest answers (those below are of older ones)"] = "qloratory evaluate RECIPE"
    return lacking
