"""Make a committed record of a run: `python bench/record.py RUN_DIRECTORY docs/results/NAME.json [COMMIT]`.

A record is run.json and the scores of evaluation.json, in one small file: settings, versions, machine, commit,
command, times, memory, scores, and how the answers' code was isolated. It holds no answers, no paths of the machine
and no secrets. COMMIT is for a run on a copy of the code without its history.
"""

import json
import sys
from pathlib import Path


def make_record(run: Path) -> dict:
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    scores = json.loads((run / "evaluation.json").read_text(encoding="utf-8"))
    del scores["details"]
    isolation = scores.pop("isolation", None)  # None: not recorded
    losses = [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    ends = {"first": losses[0], "last": losses[-1], "steps": len(losses)}
    return record | {"scores": scores, "isolation": isolation, "losses": ends}


if __name__ == "__main__":
    made = make_record(Path(sys.argv[1]))
    made["commit"] = sys.argv[3] if len(sys.argv) > 3 else made["commit"]
    Path(sys.argv[2]).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
