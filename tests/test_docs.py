"""What the README shows is what was measured, and what is there."""

import json
import math
import re
from pathlib import Path

import goals

from conftest import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
SPEED = ROOT / "bench" / "results" / "speed-h100.jsonl"
RECORD = json.loads((ROOT / "docs" / "results" / "smollm2-135m-cpu.json").read_text(encoding="utf-8"))


def test_the_score_table_is_the_record() -> None:
    rows = re.findall(r"^\| ([a-z].*?) \| (.*?) \| (.*?) \| (.*?) \|$", README, re.MULTILINE)
    names = ("style_full", "rules_met", "tests_passed", "general_loss")
    assert len(rows) == len(names)
    for name, (_, *shown) in zip(names, rows, strict=True):
        values = [RECORD["scores"][which][name]["value"] for which in ("baseline", "finetuned", "merged")]
        expected = [f"{value:.3f}" if name == "general_loss" else f"{100 * value:.1f} %" for value in values]
        assert shown == expected, name


def test_the_memory_shown_is_the_record() -> None:
    assert f"at most {RECORD['peak_memory']['peak_rss_mib']:,} MiB" in README


def test_the_record_reaches_the_goals() -> None:
    scores = RECORD["scores"]
    assert scores["baseline"]["style_full"]["value"] <= 0.05
    assert scores["finetuned"]["style_full"]["value"] >= 0.85
    assert scores["finetuned"]["tests_passed"]["value"] >= scores["baseline"]["tests_passed"]["value"]
    assert scores["finetuned"]["general_loss"]["value"] <= 1.05 * scores["baseline"]["general_loss"]["value"]
    assert sum(RECORD["stage_seconds"].values()) < 8 * 60
    assert RECORD["peak_memory"]["peak_rss_mib"] < 6 * 1024


def test_the_gpu_run_agrees_with_the_cpu_run() -> None:
    gpu = json.loads((ROOT / "docs" / "results" / "smollm2-135m-h100.json").read_text(encoding="utf-8"))
    outside = {
        (which, name): round(gpu["scores"][which][name]["value"] * score["n"])
        for which, scores in RECORD["scores"].items()
        for name, score in scores.items()
        if not score["ci95"][0] <= gpu["scores"][which][name]["value"] <= score["ci95"][1]
    }
    assert outside == {}


def test_the_recipe_explains_its_unquantized_modules_by_the_record() -> None:
    recipe = (ROOT / "configs" / "smollm2-135m.yaml").read_text(encoding="utf-8")
    rows = json.loads((ROOT / "docs" / "results" / "skip-modules.json").read_text(encoding="utf-8"))["rows"]
    loss = {tuple(row["unquantized"]): row["general_loss"]["value"] for row in rows}
    mib = {tuple(row["unquantized"]): row["model_mib"] for row in rows}
    chosen = ("v_proj", "down_proj")
    assert f"general chat is {loss[()]:.3f}" in recipe
    assert f"{loss[tuple('all')]:.3f}" in recipe
    assert f"for {mib[chosen] - mib[()]:.0f} MiB" in recipe
    assert loss[()] - loss[chosen] >= 0.5 * (loss[()] - loss[tuple("all")])
    assert min((kind for kind in loss if len(kind) == 1), key=loss.__getitem__) == ("down_proj",)


def test_the_soak_is_the_one_told_of() -> None:
    record = json.loads((ROOT / "docs" / "results" / "soak.json").read_text(encoding="utf-8"))
    assert f"killed {record['kills']} times" in README
    assert record["equal"]
    assert len(record["moments"]) == record["kills"] >= 50


def test_the_sandbox_costs_less_than_its_goal() -> None:
    record = json.loads((ROOT / "docs" / "results" / "sandbox-cpu.json").read_text(encoding="utf-8"))
    assert record["missing_layers"] == {}
    for way in ("sandbox", "sandbox_two_at_a_time"):
        assert record[way]["median_ms"] < record[way]["p95_ms"] < record["goal_ms"] == 150


def test_the_tree_lists_every_module_and_links_resolve() -> None:
    modules = {path.name for path in (ROOT / "src" / "qloratory").glob("*.py")} - {"__init__.py"}
    assert set(re.findall(r"^  (\w+\.py) ", README, re.MULTILINE)) == modules
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "data" / "README.md"):
        for link in re.findall(r"\]\(((?!http)[^)]+)\)", page.read_text(encoding="utf-8")):
            assert (page.parent / link).exists(), (page, link)


def fields_of(page: str, heading: str) -> list[str]:
    """The names in the first column of the first table below a heading."""
    table = page.split(heading, 1)[1].split("\n\n| ", 1)[1].split("\n\n")[0]
    return re.findall(r"^\| `(.*?)` \|", table, re.MULTILINE)


def test_the_run_directorys_page_names_what_a_run_leaves(finished_run: Path) -> None:
    page = (ROOT / "docs" / "run-directory.md").read_text(encoding="utf-8")
    run = finished_run / "run"
    record, evaluation = (json.loads((run / f"{name}.json").read_text("utf-8")) for name in ("run", "evaluation"))
    assert set(fields_of(page, "## run.json")) == set(record)
    assert set(fields_of(page, "`data` has `train`, `heldout` and `general`")) == set(record["data"]["train"])
    assert set(fields_of(page, "## evaluation.json")) == set(evaluation)
    assert all(f"`{name}`" in page.split("`isolation` has ")[1] for name in evaluation["isolation"])
    files = set(fields_of(page, "# The run directory, file by file"))
    left = {re.sub(r"checkpoint-\d+", "checkpoint-N/", path.name) for path in run.iterdir()}
    assert files - {"rejected.jsonl", "<adapter_name>-merged/"} == left - {"tiny-coder"} | {"<adapter_name>/"}


def test_the_tutorials_minutes_are_the_records() -> None:
    minutes = {}
    for machine in ("cpu", "h100"):
        record = json.loads((ROOT / "docs" / "results" / f"tutorial-{machine}.json").read_text(encoding="utf-8"))
        minutes[machine] = round(sum(record["seconds"].values()) / 60)
    assert f"takes {minutes['cpu']} minutes on 2 CPU cores" in README
    assert f"and {minutes['h100']} on an H100" in README
    assert minutes["cpu"] < 20


def test_numbers_in_the_readme_are_measured_or_defined() -> None:
    """Outside code, tables and links, a number is one of those that a test here compares with a record, or a name."""
    minutes = math.ceil(sum(RECORD["stage_seconds"].values()) / 60)
    gpu = json.loads((ROOT / "docs" / "results" / "smollm2-135m-h100.json").read_text(encoding="utf-8"))
    seconds = f"{gpu['training']['train_seconds']:.0f}"
    compared = {
        str(minutes),
        seconds,
        f"{RECORD['peak_memory']['peak_rss_mib']:,}",
        "2",
        *re.findall(r"(\d+) minutes", README),
    }
    compared |= set(re.findall(r"and (\d+) on an H100", README))
    compared |= {f"{goal.measured:.0f}" for goal in goals.table(goals.Records(goals.read([SPEED])))}
    defined = {"3.11", "6", "135", "4", "1", "8", "16", "32", "64"}  # requirements, parameters of the model, bits
    text = re.sub(r"```.*?```|`[^`]*`|\]\([^)]*\)|^\|.*$|Qwen2\.5-0\.5B|SmolLM2-135M|H100|<!--.*?-->", "", README,
                  flags=re.DOTALL | re.MULTILINE)  # fmt: skip
    for number in re.findall(r"(?<![\w.])\d[\d.,]*(?<=\d)", text):
        assert number in compared | defined, number
    assert f"after installation: {minutes} minutes" in README
    assert f"takes {seconds} seconds to train" in README


def test_the_tables_of_goals_are_made_of_the_records() -> None:
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    tables = re.findall(r"<!-- goals: bench/goals.py (\S+) -->\n(.*?)\n<!-- end -->", text, re.DOTALL)
    assert len(tables) == 2
    for record, shown in tables:
        assert shown == goals.render([ROOT / record]), record


def test_the_speeds_in_the_readme_are_the_records() -> None:
    measured = {goal.against: f"{goal.measured:.0f} times" for goal in goals.table(goals.Records(goals.read([SPEED])))}
    assert measured["TRL's defaults, batch 8"] + " TRL's defaults" in README
    assert measured["Unsloth, batch 8"] + " Unsloth" in README
    assert measured["the best TRL, any step size"] + " the best of TRL's settings" in README
    assert measured["Transformers' generate"] + " as fast as Transformers' `generate`" in README


def test_the_profile_in_the_docs_is_the_record() -> None:
    text = " ".join((ROOT / "docs" / "performance.md").read_text(encoding="utf-8").split())
    step = json.loads((ROOT / "bench" / "results" / "profile-h100.json").read_text(encoding="utf-8"))["steps"][-1]
    spent = {kind: round(value) for kind, value in step["kinds_ms"].items()}
    assert f"in a step of {step['rows']} rows" in text
    assert f"of its {step['replay_ms']:.0f} ms, {spent['base and head matrix products']} are the products" in text
    assert f"takes {spent['SwiGLU']}, the thin products of the adapters {spent['LoRA products']}" in text
    assert f"attention {spent['attention']}, copies and sums {spent['copies, sums and the rest']}" in text
    assert f"norms and RoPE {spent['norms and RoPE']}, cross entropy {spent['cross entropy']}." in text


def test_the_same_training_in_the_docs_is_the_record() -> None:
    text = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    record = json.loads((ROOT / "bench" / "results" / "parity-h100.json").read_text(encoding="utf-8"))
    found = record["trajectories"]
    same, other = max(found["fast_from_plain_of_the_same_seed"]), max(found["plain_from_plain_of_another_seed"])
    assert f"differ by {same:.4f} nats" in text
    assert f"with different seeds by {other:.4f} at most" in text
    assert found["within_the_spread"] is (same <= other) is True
    assert record["repeated"]["same_adapter_bytes"] is True
    assert len({json.dumps(look | {"step": 0}) for look in record["memory"]["looks"]}) == 1


def test_records_hold_no_paths_of_a_machine() -> None:
    for record in [*(ROOT / "docs" / "results").glob("*.json*"), *(ROOT / "bench" / "results").glob("*.json*")]:
        assert not re.search(r'"/(root|home|tmp|work)', record.read_text(encoding="utf-8")), record
