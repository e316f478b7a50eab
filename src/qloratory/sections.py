"""The report's sections but for the examples: each from the facts, or None where there are none for it yet."""

from qloratory.data import Row
from qloratory.facts import MEASURES, WHEN, Facts, isolation_of
from qloratory.page import Section, Table
from qloratory.picture import lay_out_batch, lay_out_tokens
from qloratory.plot import DotChart, draw_curve, draw_dots
from qloratory.wording import interval, is_number, number, percent, ratio, small

MEMORY_PARTS = {
    "process": ("Process", "Python and its libraries, before the model"),
    "base": ("Base", "the frozen weights as they are stored"),
    "dequantized_copies": ("Dequantized copies", "of the 4-bit weights, kept for speed"),
    "adapter": ("Adapter", "the LoRA weights"),
    "gradients": ("Gradients", "one for each weight of the adapter"),
    "optimizer": ("Optimizer", "Adam's two moments for each weight of the adapter"),
    "activations": ("Activations", "what the backward pass needs again"),
    "logits": ("Logits", "vocabulary scores where there is loss, and their gradient"),
    "peak": ("Peak", "the most held at once; predicted: the sum of the above"),
}


def describe_scores(facts: Facts) -> Section | None:
    scored = [which for which in WHEN if which in facts.evaluation]
    if not scored:
        return None
    isolation = isolation_of(facts.evaluation)
    rows = [
        [
            "\n".join([name, *(mark_isolation(isolation) if measure == "tests_passed" else [])]),
            *(score_cell(facts.evaluation, which, measure) for which in scored),
        ]
        for measure, name in MEASURES.items()
    ]
    notes = [
        "Before is the base without the adapter, after is with it"
        + (", merged is one model made of both. " if "merged" in scored else ". ")
        + "All answered the same held-out prompts. "
        "Loss on general chat tells how much was forgotten: lower is better, and no change is the aim.",
        *note_on_isolation(isolation),
    ]
    header = ["Measure", *(WHEN[which] for which in scored)]
    tables = [Table("Scores with 95 % confidence intervals", header, rows)]
    return Section("scores", "Scores", notes, tables, dots=draw_scores(facts.evaluation, scored))


def mark_isolation(isolation: Row) -> list[str]:
    """What a reader of the tests' score must know beside it; nothing where all is as it should be."""
    if isolation.get("execute") is False:
        return ["code not run"]
    return ["code run without full isolation"] if isolation.get("missing") else []


def note_on_isolation(isolation: Row) -> list[str]:
    if not isolation:
        return []
    if isolation["execute"] is False:
        return ["The answers' code was not run (evaluate.execute=false): there is no score of the tests."]
    there = f"Layers that were there: {', '.join(isolation['layers']) or 'none'}."
    if isolation["missing"]:
        return [
            "Warning: the answers' code ran without full isolation (evaluate.execute=anyway), so that it could have "
            "done harm, and what it did may have changed the tests' score. "
            f"Missing: {with_reasons(isolation['missing'])}. {there}"
        ]
    optional = isolation["missing_optional"]
    without = f" Without optional ones: {with_reasons(optional)}." if optional else ""
    return [f"The answers' code ran in full isolation. {there}{without}"]


def with_reasons(layers: Row) -> str:
    return ", ".join(f"{name} ({why})" for name, why in layers.items())


def draw_scores(evaluation: Row, scored: list[str]) -> DotChart | None:
    """The shares that are numbers; a loss has another unit."""
    groups = {}
    for measure in ("style_full", "rules_met", "tests_passed"):
        scores = [(WHEN[which], which, evaluation[which][measure]) for which in scored]
        if drawn := [score for score in scores if is_number(score[2]["value"])]:
            groups[MEASURES[measure]] = drawn
    description = "A dot a model, with a line over its 95 % interval; the values stand in the table."
    return draw_dots("The shares and their intervals", description, groups) if groups else None


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


def describe_data(facts: Facts) -> Section | None:
    """Which rows came in and which did not; runs of earlier versions do not tell."""
    files, training = facts.record.get("data", {}), facts.record.get("training", {})
    notes = [*note_on_intake(files), *note_on_cuts(training)]
    if not notes:
        return None
    tables = []
    if any(has_findings(found) for found in files.values()):
        tables.append(tabulate_intake(files))
    if reasons := [row for found in files.values() for row in reason_rows(found)]:
        tables.append(Table("The first rows of each file that were set aside", ["Row", "Reason"], reasons))
    return Section("data", "Data", notes, tables)


def note_on_intake(files: Row) -> list[str]:
    if not files:
        return []
    read, set_aside = (sum(found[count] for found in files.values()) for count in ("rows_read", "rows_set_aside"))
    if not any(has_findings(found) for found in files.values()):
        return [f"All {number(read)} rows came in: none was bad or too long, and none repeats another."]
    if not set_aside:
        return [f"No row was set aside; all {number(read)} came in, those that repeat another among them."]
    told = (
        f"Set aside: {number(set_aside)} of {number(read)} rows. Each is in rejected.jsonl beside this report, "
        "with file, line, reason and the beginning of its text."
    )
    return [told, *(note for found in files.values() for note in note_on_length(found))]


def has_findings(found: Row) -> bool:
    return bool(found["rows_set_aside"] or any(found["repeats"].values()))


def note_on_length(found: Row) -> list[str]:
    """Rows that did not fit; only the training file's have to."""
    too_long = found.get("over_max_length", {})
    if not too_long.get("rows"):
        return []
    return [
        f"Rows longer than train.max_length, set aside whole: {number(too_long['rows'])}, with "
        f"{number(too_long['tokens'])} tokens, {number(too_long['tokens_beyond'])} of them beyond it."
    ]


def note_on_cuts(training: Row) -> list[str]:
    """What the guard counted before the first step: a row that was cut has lost its end token."""
    if "end_tokens" not in training:
        return []
    rows, ends = training["rows"], training["end_tokens"]
    cut = rows - ends if is_number(rows) and is_number(ends) else None
    return [
        f"Rows that were cut: {number(cut)} of {number(rows)} to train on. "
        f"End tokens that are there, with loss: {number(ends)} of {number(rows)}."
    ]


def tabulate_intake(files: Row) -> Table:
    rows = [
        [
            found["file"],
            number(found["rows_read"]),
            number(found["rows_set_aside"]),
            number(found["repeats"]["exact"]),
            number(found["repeats"]["normalized"]),
        ]
        for found in files.values()
    ]
    header = ["File", "Rows read", "Set aside", "Repeats to the letter", "Repeats but for case and spacing"]
    return Table("What the data files held", header, rows, numeric=True)


def reason_rows(found: Row) -> list[list[str]]:
    return [[f"{found['file']}:{first['line']}", first["reason"]] for first in found["first_reasons"]]


def describe_inspection(facts: Facts) -> Section | None:
    """One row token by token, and the first batch: what the trainer was really given."""
    example, batch = facts.inspection.get("example"), facts.inspection.get("batch")
    if not example and not batch:
        return None
    note = (
        "What the trainer was given. Only the answer and its end token carry loss: the model learns to answer, and to "
        "stop, but not to ask."
    )
    strips, batches = {}, {}
    if example:
        strips[f"Row {number(example['row'])} of the training data, token by token"] = lay_out_tokens(example["tokens"])
    if batch:
        batches[f"The first batch, {number(len(batch['rows']))} rows"] = lay_out_batch(batch["rows"], "right")
    return Section("loss", "What carried loss", [note], strips=strips, batches=batches)


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
    return Section("curves", "Training curves", notes, [table], curves=curves)


def extremes(points: list[tuple[int, float]]) -> list[str]:
    """First, lowest, highest and last value, each with its step."""
    if not points:
        return [number(None)] * 4
    chosen = [points[0], min(points, key=value_of), max(points, key=value_of), points[-1]]
    return [f"{value:.4g}\nstep {step}" for step, value in chosen]


def value_of(point: tuple[int, float]) -> float:
    return point[1]


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


def describe_memory(facts: Facts) -> Section | None:
    """What was predicted before the training, and what was measured in it, in MiB."""
    memory = facts.record.get("memory", {})
    predicted, measured = memory.get("predicted_mib", {}), memory.get("measured_mib", {})
    rows = [
        [
            f"{name}\n{meaning}",
            number(predicted.get(part), 1),
            number(measured.get(part), 1),
            difference(measured.get(part), predicted.get(part)),
        ]
        for part, (name, meaning) in MEMORY_PARTS.items()
        if part in predicted or part in measured
    ]
    if not rows:
        return None
    notes = [
        "Predicted from the recipe and the model's shapes before anything was loaded, for the longest rows in one "
        "batch; measured while training. Activations and logits come and go within a step: they are not counted one "
        "by one, but are in the peak."
    ]
    header = ["Part", "Predicted, MiB", "Measured, MiB", "Difference"]
    return Section("memory", "Memory", notes, [Table("Memory in training", header, rows, numeric=True)])


def difference(measured: float | None, predicted: float | None) -> str:
    """By how much more, or less, was measured; "-" where there is nothing to compare."""
    if is_number(measured) and measured == predicted:
        return "0 %"
    relative = ratio(measured, predicted)
    return "-" if relative is None else f"{100 * (relative - 1):+.1f} %"


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
        rows.append(["Resumed from", f"{training['resumed_from']}; seconds and speed are of all parts together"])
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


def describe_quantization(config: Row) -> str:
    section = config["quantization"]
    if not section["load_in_4bit"]:
        return str(config["model"]["dtype"])
    return f"4-bit {section['bnb_4bit_quant_type'].upper()}"
