"""The report: what a run directory holds, as one HTML page for a browser and as text for the terminal.

Both are made from the same `Page`, so they cannot disagree. All text from models and data is untrusted: the page
escapes it (autoescape), the terminal gets no control characters.
"""

import json
import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import groupby, zip_longest
from typing import Any, TypeGuard

from jinja2 import Environment, StrictUndefined

from qloratory.data import Row, read_jsonl
from qloratory.run import RunDirectory, read_json, write_atomically

WHEN = {"baseline": "Before", "finetuned": "After", "merged": "Merged"}
MEASURES = {
    "style_full": "Answers fully in style",
    "rules_met": "Style rules kept",
    "tests_passed": "Answers that pass their tests",
    "general_loss": "Loss on general chat, nats a token",
}
TERMINAL_COLUMNS = 100
FIRST_PROMPTS = 4
PLOT_WIDTH, PLOT_HEIGHT = 420, 240  # units of the SVG's view box
PLOT_LEFT, PLOT_RIGHT, PLOT_TOP, PLOT_BOTTOM = 58, 410, 30, 196


@dataclass(frozen=True)
class Facts:
    """What the run directory holds. What no stage has made yet is empty."""

    name: str
    record: Row
    metrics: list[Row]
    answers: dict[str, list[Row]]
    evaluation: Row


@dataclass(frozen=True)
class Table:
    """Cells as text, the first of a row its name. Lines after a cell's first are secondary."""

    caption: str
    header: list[str]
    rows: list[list[str]]
    numeric: bool = False
    full: dict[str, str] = field(default_factory=dict)  # shortened cell -> the whole of it


@dataclass(frozen=True)
class Curve:
    """A line chart, in units of the SVG's view box. Ticks are (position, label)."""

    title: str
    description: str
    x_name: str
    y_name: str
    path: str
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


@dataclass(frozen=True)
class Answer:
    """One answer and its verdicts; `rules` is empty and `tests` None where there are none."""

    when: str
    text: str
    how: str
    rules: dict[str, bool]
    tests: bool | None
    reason: str


@dataclass(frozen=True)
class Example:
    name: str
    why: str
    prompt: str
    answers: list[Answer]


@dataclass(frozen=True)
class Section:
    key: str
    title: str
    notes: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    curves: list[Curve] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    """`lacking` is what is not there yet -> the command that makes it."""

    name: str
    subject: str
    result: str
    lacking: dict[str, str]
    sections: list[Section]


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


def read_facts(run: RunDirectory) -> Facts:
    return Facts(
        name=run.adapter_name,
        record=read_json(run.record),
        metrics=read_metrics(run),
        answers={which: read_jsonl(run.answers(which)) for which in WHEN if run.answers(which).exists()},
        evaluation=read_json(run.evaluation) if run.evaluation.exists() else {},
    )


def read_metrics(run: RunDirectory) -> list[Row]:
    """All logged steps; none before the first. A crash may have cut off the last line: it has no line break."""
    if not run.metrics.exists():
        return []
    whole_lines = run.metrics.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in whole_lines]


def make_page(facts: Facts) -> Page:
    sections = [
        describe_scores(facts),
        describe_curves(facts),
        describe_examples(facts),
        describe_merging(facts),
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


def describe_quantization(config: Row) -> str:
    section = config["quantization"]
    if not section["load_in_4bit"]:
        return str(config["model"]["dtype"])
    return f"4-bit {section['bnb_4bit_quant_type'].upper()}"


def describe_result(facts: Facts) -> str:
    """The run's outcome in a sentence; empty before the first scores."""
    scored = [which for which in ("baseline", "finetuned") if which in facts.evaluation]
    parts = []
    for measure in ("style_full", "tests_passed"):
        scores = {WHEN[which].lower(): facts.evaluation[which][measure]["value"] for which in scored}
        if any(is_number(value) for value in scores.values()):
            values = ", ".join(f"{percent(value)} {when}" for when, value in scores.items())
            parts.append(f"{MEASURES[measure]}: {values}")
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


def is_outdated(facts: Facts, which: str) -> bool:
    """Whether the model was measured again after it was scored: then its loss on general chat is another one."""
    measured = facts.record.get("models", {}).get(which, {}).get("general_loss")
    return repr(measured) != repr(facts.evaluation[which]["general_loss"])  # by repr, NaN is equal to itself


def describe_scores(facts: Facts) -> Section | None:
    scored = [which for which in WHEN if which in facts.evaluation]
    if not scored:
        return None
    rows = [
        [name, *(score_cell(facts.evaluation, which, measure) for which in scored)]
        for measure, name in MEASURES.items()
    ]
    notes = [
        "Before is the base without the adapter, after is with it"
        + (", merged is one model made of both. " if "merged" in scored else ". ")
        + "All answered the same held-out prompts. "
        "Loss on general chat tells how much was forgotten: lower is better, and no change is the aim."
    ]
    header = ["Measure", *(WHEN[which] for which in scored)]
    return Section("scores", "Scores", notes, [Table("Scores with 95 % confidence intervals", header, rows)])


def score_cell(evaluation: Row, which: str, measure: str) -> str:
    """The value; below it the interval and n, and for a loss its change against the baseline."""
    score = evaluation[which][measure]
    if measure != "general_loss":
        return f"{percent(score['value'])}\n{interval(score, percent)}"
    lines = [number(score["value"], 3), interval(score, lambda bound: number(bound, 3))]
    before = evaluation.get("baseline", {}).get(measure, {}).get("value")
    relative = ratio(score["value"], before)
    if which != "baseline" and relative is not None:
        lines.append(f"{100 * (relative - 1):+.1f} % against before")
    return "\n".join(lines)


def describe_curves(facts: Facts) -> Section | None:
    if not facts.metrics:
        return None
    steps = [row["step"] for row in facts.metrics]
    notes, rows, curves = [], [], []
    for name, title, unit in (("loss", "Loss", "nats a token"), ("learning_rate", "Learning rate", "no unit")):
        values = [row.get(name) for row in facts.metrics]
        points = [(step, value) for step, value in zip(steps, values, strict=True) if is_number(value)]
        if len(points) < len(steps):
            notes.append(f"{title}: {len(steps) - len(points)} of {len(steps)} values are not numbers and leave gaps.")
        rows.append([title, *extremes(points)])
        curves.append(draw_curve(title, unit, steps, values))
    header = ["Curve", "First", "Lowest", "Highest", "Last"]
    table = Table(f"Values at {number(len(steps))} logged steps", header, rows, numeric=True)
    return Section("curves", "Training curves", notes, [table], curves)


def extremes(points: list[tuple[int, float]]) -> list[str]:
    """First, lowest, highest and last value, each with its step."""
    if not points:
        return [number(None)] * 4
    chosen = [points[0], min(points, key=value_of), max(points, key=value_of), points[-1]]
    return [f"{value:.4g}\nstep {step}" for step, value in chosen]


def value_of(point: tuple[int, float]) -> float:
    return point[1]


def draw_curve(title: str, unit: str, steps: list[int], values: list[float | None]) -> Curve:
    """Scale a series to the plot. Axes end at round numbers, or at the first and the last step."""
    finite = [value for value in values if is_number(value)] or [0.0]
    y_marks = round_marks(min(finite), max(finite))
    x_marks = [mark for mark in round_marks(steps[0], steps[-1], whole=True) if steps[0] <= mark <= steps[-1]]

    def x_of(step: float) -> float:
        return scaled(step, steps[0], steps[-1], PLOT_LEFT, PLOT_RIGHT)

    def y_of(value: float) -> float:
        return scaled(value, y_marks[0], y_marks[-1], PLOT_BOTTOM, PLOT_TOP)

    return Curve(
        title=title,
        description=f"Line chart, {number(steps[0])} to {number(steps[-1])} steps; the table below tells its extremes.",
        x_name="optimizer step",
        y_name=f"{title.lower()} ({unit})",
        path=line_path(
            [(x_of(step), y_of(value) if is_number(value) else None) for step, value in zip(steps, values, strict=True)]
        ),
        x_ticks=[(x_of(mark), f"{mark:g}") for mark in x_marks],
        y_ticks=[(y_of(mark), f"{mark:g}") for mark in y_marks],
    )


def round_marks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Three to seven multiples of 1, 2 or 5 times a power of ten that enclose `low` and `high`."""
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next((factor * power for factor in (1, 2, 5) if factor * power >= span / 4), 10 * power)
    if whole:
        step = max(1.0, step)
    first, last = math.floor(low / step), math.ceil(high / step)
    last = max(last, first + 1)  # a constant on a mark still needs a scale
    return [float(f"{index * step:.10g}") for index in range(first, last + 1)]


def scaled(value: float, low: float, high: float, start: float, end: float) -> float:
    """`value` between `low` and `high` as a position between `start` and `end`; the middle where both are one."""
    share = (value - low) / (high - low) if high > low else 0.5
    return round(start + share * (end - start), 1)


def line_path(points: list[tuple[float, float | None]]) -> str:
    """An SVG path through the points, interrupted where y is None. The "h0" makes a lone point a visible dot."""
    pieces = []
    for has_value, stretch in groupby(points, key=lambda point: point[1] is not None):
        if has_value:
            first, *others = (f"{x:g} {y:g}" for x, y in stretch)
            pieces.append(f"M{first}h0" + "".join(f"L{point}" for point in others))
    return "".join(pieces)


def describe_examples(facts: Facts) -> Section | None:
    answered = [which for which in facts.answers if which != "merged"]
    if not answered:
        return None
    prompts = facts.answers[answered[0]]
    examples = [make_example(facts, answered, index, why) for index, why in choose_prompts(facts, len(prompts))]
    title = f"Answers {' and '.join(WHEN[which].lower() for which in answered)}"
    scored = any(verdicts_of(facts, which) for which in answered)
    return Section("examples", title, [explain_choice(len(examples), len(prompts), scored)], examples=examples)


def explain_choice(shown: int, count: int, scored: bool) -> str:
    if not scored or count <= FIRST_PROMPTS:
        return f"The first {shown} of {number(count)} held-out prompts."
    return (
        f"{shown} of {number(count)} held-out prompts, chosen by rule and not by hand: the first {FIRST_PROMPTS}; of "
        "the others, the first whose answer after training misses a rule or fails its tests; and the one whose answer "
        "before training did best, that is, passed its tests and kept the most rules. Where there is no such answer, "
        "nothing stands in for it."
    )


def choose_prompts(facts: Facts, count: int) -> list[tuple[int, str]]:
    """Indices of the prompts to show, each with the reason; all different."""
    chosen = [(index, f"Held-out prompt {index + 1}") for index in range(min(FIRST_PROMPTS, count))]
    others = range(FIRST_PROMPTS, count)
    after, before = verdicts_of(facts, "finetuned"), verdicts_of(facts, "baseline")
    missed = [index for index in others if index < len(after) and not is_good(after[index])]
    if missed:
        chosen.append((missed[0], "After training, this answer misses a rule or fails its tests"))
    passed = [index for index in others if index < len(before) and before[index]["tests_passed"]]
    passed = [index for index in passed if index not in missed[:1]]
    if passed:
        best = max(passed, key=lambda index: sum(before[index]["rules"].values()))
        chosen.append((best, "Before training, this answer did well"))
    return chosen


def verdicts_of(facts: Facts, which: str) -> list[Row]:
    """The verdicts, one an answer; none where the answers are not those that were scored."""
    verdicts = facts.evaluation.get("details", {}).get(which, [])
    same = [verdict["id"] for verdict in verdicts] == [answer["id"] for answer in facts.answers.get(which, [])]
    return verdicts if same else []


def is_good(verdict: Row) -> bool:
    return all(verdict["rules"].values()) and verdict["tests_passed"] is not False


def make_example(facts: Facts, answered: list[str], index: int, why: str) -> Example:
    """One prompt with its answers; an answer to another prompt, of an older or shorter file, is left out."""
    shown = facts.answers[answered[0]][index]
    answers = []
    for which in answered:
        row = next(iter(facts.answers[which][index : index + 1]), {})
        if row.get("prompt") == shown["prompt"]:
            verdict = next(iter(verdicts_of(facts, which)[index : index + 1]), {})
            answers.append(make_answer(WHEN[which], row, verdict))
    return Example(str(shown["id"] or f"Prompt {index + 1}"), why, shown["prompt"], answers)


def make_answer(when: str, row: Row, verdict: Row) -> Answer:
    end = "ended by itself" if row["stopped"] else "cut off at the limit"
    return Answer(
        when=when,
        text=row["answer"],
        how=f"{number(row['tokens'])} tokens, {end}",
        rules=verdict.get("rules", {}),
        tests=verdict.get("tests_passed"),
        reason=verdict.get("reason", "not scored"),
    )


def describe_merging(facts: Facts) -> Section | None:
    models, agreement = facts.record.get("models", {}), facts.record.get("agreement", {})
    if not models and not agreement:
        return None
    tables, notes = [], []
    if models:
        tables.append(compare_models(models))
        notes += note_on_copies(facts.record)
    if agreement:
        tables.append(compare_distributions(agreement))
        notes.append(
            "A KL of 0 means that the merged model gives every next token the same probability as the adapter on its "
            "frozen base, the model that was trained; the nearer to 0, the more it is that model."
        )
    return Section("merging", "Adapter and merged model", notes, tables)


def compare_models(models: Row) -> Table:
    rows = [
        [
            name,
            number(models[which]["generate_seconds"], 1),
            number(models[which]["tokens_per_second"], 1),
            number(models[which]["model_mib"], 1),
        ]
        for which, name in {"baseline": "Base", "finetuned": "Base with adapter", "merged": "Merged model"}.items()
        if which in models
    ]
    header = ["Model", "Seconds for all answers", "Tokens/s", "Weights in memory, MiB"]
    return Table("Time and memory of answering the held-out prompts", header, rows, numeric=True)


def note_on_copies(record: Row) -> list[str]:
    """Without it, a 4-bit base that is larger than the merged model would look wrong."""
    config = record["config"]
    keep = config["quantization"].get("keep_dequantized", False)
    on_cpu = config["model"]["device"] == "cpu" or record["hardware"]["gpu"] is None
    if not config["quantization"]["load_in_4bit"] or not (keep is True or (keep == "auto" and on_cpu)):
        return []
    return ["The base's memory includes the dequantized copies that quantization.keep_dequantized keeps for speed."]


def compare_distributions(agreement: Row) -> Table:
    bases = {"dequantized": "the dequantized 4-bit weights", "original": "the original weights"}
    rows = [
        [
            f"Merged into {bases.get(strategy, strategy)}",
            small(facts["kl"]),
            small(facts["kl_max"]),
            percent(facts["same_argmax"], 2),
            number(facts["tokens"]),
        ]
        for strategy, facts in agreement.items()
    ]
    header = ["Strategy", "Mean KL, nats", "Largest KL, nats", "Equal argmax", "Tokens"]
    return Table("Next-token distributions against the adapter on its base", header, rows, numeric=True)


def describe_training(facts: Facts) -> Section | None:
    if "training" not in facts.record:
        return None
    tables = [Table("Data, adapter and optimization", ["Fact", "Value"], training_rows(facts.record))]
    if seconds := facts.record.get("stage_seconds"):
        rows = [[stage.replace("_", " "), number(value, 1)] for stage, value in seconds.items()]
        tables.append(Table("Time by stage", ["Stage", "Seconds"], rows, numeric=True))
    return Section("training", "What was trained", [], tables)


def training_rows(record: Row) -> list[list[str]]:
    config, training = record["config"], record["training"]
    lora, train = config["lora"], config["train"]
    loss_share = percent(ratio(training["supervised_tokens"], training["tokens"]))
    trainable_share = percent(ratio(training["trainable_parameters"], training["total_parameters"]), 2)
    accumulated = f"{train['per_device_train_batch_size']} x {train['gradient_accumulation_steps']} accumulated"
    rows = [
        ["Rows", number(training["rows"])],
        ["Tokens", number(training["tokens"])],
        ["Tokens that carried loss", f"{number(training['supervised_tokens'])} ({loss_share})"],
        ["Trainable parameters", f"{number(training['trainable_parameters'])} ({trainable_share})"],
        ["Steps", f"{number(training['steps'])} of {number(training['planned_steps'])} planned"],
        ["Rows a step", f"{number(training['rows_per_step'])} ({accumulated})"],
        ["Learning rate", f"{train['learning_rate']:g} at its peak, {train['lr_scheduler_type']}"],
        ["Rank r", str(lora["r"])],
        ["lora_alpha", str(lora["lora_alpha"])],
        ["Base", describe_quantization(config)],
        ["Seconds of training", number(training["train_seconds"], 1)],
        ["Training speed", f"{number(training['tokens_per_second'], 1)} tokens/s"],
    ]
    if training.get("resumed_from"):
        rows.append(["Resumed from", f"{training['resumed_from']}; seconds and speed are of the part after it"])
    peaks = {"peak_rss_mib": "Peak memory", "peak_gpu_mib": "Peak GPU memory"}
    found = record.get("peak_memory", {})
    return rows + [[name, f"{number(found[key])} MiB"] for key, name in peaks.items() if key in found]


def describe_environment(facts: Facts) -> Section:
    record = facts.record
    hardware, commit, revision = record["hardware"], record["commit"], record["model"]["revision"]
    short_commit = commit and commit[:12] + ("+changes" if commit.endswith("+changes") else "")
    rows = [
        ["Processor", f"{hardware['cpu']}, {hardware['cores']} cores"],
        ["Memory", f"{number(hardware['memory_gib'], 1)} GiB"],
        ["GPU", hardware["gpu"] or "none"],
        ["System", hardware["system"]],
        ["Versions", ", ".join(f"{name} {version}" for name, version in record["versions"].items())],
        ["Command", record["command"]],
        ["Commit", short_commit or "not from a git checkout"],
        ["Model revision", revision[:12] if revision else "not pinned"],
    ]
    hashes = {**record["model"]["sha256"], **record["data_sha256"]}
    full = {digest[:12]: digest for digest in hashes.values()}
    full |= {short_commit: commit} if commit else {}
    full |= {revision[:12]: revision} if revision else {}
    tables = [Table("Machine, software and command", ["Fact", "Value"], rows, full=full)]
    if hashes:
        rows = [[name, digest[:12]] for name, digest in hashes.items()]
        tables.append(Table("SHA-256 of the files, first 12 digits", ["File", "SHA-256"], rows, full=full))
    note = "All settings, and the hashes in full, are in run.json beside this report."
    return Section("environment", "Environment", [note], tables)


def is_number(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def in_words(value: float | None) -> str:
    return "not measured" if value is None else "not a number"


def number(value: float | None, digits: int = 0) -> str:
    """With commas at the thousands."""
    return f"{value:,.{digits}f}" if is_number(value) else in_words(value)


def small(value: float | None) -> str:
    """Two significant digits, of whatever size."""
    return f"{value:.2g}" if is_number(value) else in_words(value)


def percent(share: float | None, digits: int = 1) -> str:
    """A share of 1 as "92.5 %". It is never rounded to all or to nothing: 0.99996 is "99.996 %"."""
    if not is_number(share):
        return in_words(share)
    text = f"{100 * share:.{digits}f}"
    if float(text) in (0, 100) and share not in (0, 1) and digits < 6:
        return percent(share, digits + 1)
    return f"{text.rstrip('0').rstrip('.')} %"


def interval(score: Row, form: Any) -> str:
    """Bounds of the 95 % interval, each in the form of the value, and n."""
    if not score["ci95"]:
        return f"n = {number(score['n'])}"
    low, high = (form(bound) for bound in score["ci95"])
    return f"{low.removesuffix(' %')} to {high}, n = {number(score['n'])}"


def ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if is_number(part) and is_number(whole) and whole else None


def render_html(page: Page) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(files("qloratory").joinpath("report.html.jinja").read_text(encoding="utf-8"))
    box = {"width": PLOT_WIDTH, "height": PLOT_HEIGHT, "left": PLOT_LEFT, "right": PLOT_RIGHT, "bottom": PLOT_BOTTOM}
    return template.render(page=page, box=box).strip() + "\n"


def render_text(page: Page) -> str:
    """The page without curves and code, in plain characters."""
    blocks = [underlined(page.name, "="), wrapped(page.subject), wrapped(page.result)]
    if page.lacking:
        rows = [[what, command] for what, command in page.lacking.items()]
        blocks.append(render_table(Table("Not there yet", ["What", "Command that makes it"], rows)))
    for section in page.sections:
        tables = [*section.tables, *([tabulate_examples(section.examples)] if section.examples else [])]
        notes = [wrapped(note) for note in section.notes]
        blocks += [underlined(section.title, "-"), *notes, *(render_table(table) for table in tables)]
    return without_controls("\n\n".join(block for block in blocks if block))


def underlined(title: str, stroke: str) -> str:
    return f"{title}\n{stroke * min(len(title), TERMINAL_COLUMNS)}"


def wrapped(text: str) -> str:
    """Lines of the terminal's width; a number stays with its percent sign."""
    return textwrap.fill(text.replace(" %", "\0%"), TERMINAL_COLUMNS, break_on_hyphens=False).replace("\0%", " %")


def tabulate_examples(examples: list[Example]) -> Table:
    """What became of the examples; their code is for the page."""
    sides = [answer.when for answer in max((example.answers for example in examples), key=len)]
    rows = []
    for example in examples:
        found = {answer.when: answer for answer in example.answers}
        cells = [verdict_cell(found[side]) if side in found else "not answered" for side in sides]
        rows.append([example.name, *cells, example.why])
    return Table("Verdicts on the examples", ["Prompt", *sides, "Why it is shown"], rows)


def verdict_cell(answer: Answer) -> str:
    rules = f"{sum(answer.rules.values())} of {len(answer.rules)} rules" if answer.rules else "rules not scored"
    return f"{rules}\ntests {verdict_word(answer.tests)}"


def verdict_word(passed: bool | None) -> str:
    return "not run" if passed is None else "passed" if passed else "failed"


def render_table(table: Table) -> str:
    """Columns two spaces apart; where they are too many for the terminal, the widest are wrapped."""
    cells = [table.header, *table.rows]
    widths = fitted([max(map(len, "\n".join(column).split("\n"))) for column in zip(*cells, strict=True)])
    lines = [line for row in cells for line in table_lines(row, widths, numeric=table.numeric)]
    head = len(list(table_lines(table.header, widths, numeric=table.numeric)))
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([wrapped(table.caption), "", *lines[:head], rule, *lines[head:]])


def fitted(widths: list[int]) -> list[int]:
    widths = list(widths)
    while sum(widths) + 2 * (len(widths) - 1) > TERMINAL_COLUMNS:
        widths[widths.index(max(widths))] -= 1
    return widths


def table_lines(row: list[str], widths: list[int], *, numeric: bool) -> Iterator[str]:
    columns = [
        [piece for line in cell.split("\n") for piece in textwrap.wrap(line, width, break_on_hyphens=False) or [""]]
        for cell, width in zip(row, widths, strict=True)
    ]
    for pieces in zip_longest(*columns, fillvalue=""):
        aligned = [
            piece.rjust(width) if numeric and column else piece.ljust(width)
            for column, (piece, width) in enumerate(zip(pieces, widths, strict=True))
        ]
        yield "  ".join(aligned).rstrip()


def without_controls(text: str) -> str:
    """A name from the data must not command the terminal (colours, cursor, title)."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)
