"""What a run directory holds, read for the report."""

import json
from dataclasses import dataclass

from qloratory.data import Row, read_jsonl
from qloratory.run import RunDirectory, read_json

WHEN = {"baseline": "Before", "finetuned": "After", "merged": "Merged"}
MEASURES = {
    "style_full": "Answers fully in style",
    "rules_met": "Style rules kept",
    "tests_passed": "Answers that pass their tests",
    "general_loss": "Loss on general chat, nats a token",
}


@dataclass(frozen=True)
class Facts:
    """What the run directory holds. What no stage has made yet is empty."""

    name: str
    record: Row
    metrics: list[Row]
    answers: dict[str, list[Row]]
    evaluation: Row
    inspection: Row


def read_facts(run: RunDirectory) -> Facts:
    return Facts(
        name=run.adapter_name,
        record=read_json(run.record),
        metrics=read_metrics(run),
        answers={which: read_jsonl(run.answers(which)) for which in WHEN if run.answers(which).exists()},
        evaluation=read_json(run.evaluation) if run.evaluation.exists() else {},
        inspection=read_json(run.inspection) if run.inspection.exists() else {},
    )


def read_metrics(run: RunDirectory) -> list[Row]:
    """All logged steps; none before the first. A crash may have cut off the last line: it has no line break."""
    if not run.metrics.exists():
        return []
    whole_lines = run.metrics.read_text(encoding="utf-8").split("\n")[:-1]
    return [json.loads(line) for line in whole_lines]


def verdicts_of(facts: Facts, which: str) -> list[Row]:
    """The verdicts, one an answer; none where the answers are not those that were scored."""
    verdicts = facts.evaluation.get("details", {}).get(which, [])
    same = [verdict["id"] for verdict in verdicts] == [answer["id"] for answer in facts.answers.get(which, [])]
    return verdicts if same else []


def isolation_of(evaluation: Row) -> Row:
    """What kept the answers' code from doing harm; empty where that is not recorded, or where there were no tests."""
    isolation = evaluation.get("isolation", {})
    tested = any(evaluation[which]["tests_passed"]["n"] for which in WHEN if which in evaluation)
    return isolation if tested or isolation.get("execute") is False else {}


def is_outdated(facts: Facts, which: str) -> bool:
    """Whether the model was measured again after it was scored: then its loss on general chat is another one."""
    measured = facts.record.get("models", {}).get(which, {}).get("general_loss")
    return repr(measured) != repr(facts.evaluation[which]["general_loss"])  # by repr, NaN is equal to itself
