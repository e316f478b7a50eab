"""The table of goals, made of what speed.py measured: `python bench/goals.py RECORD.jsonl…`.

A figure is the median of its windows, with the least and the most behind it. A ratio is of medians.
"""

import json
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

Row = dict[str, Any]
PEERS = ["trl-no-checkpointing", "trl-packed", "trl-padding-free"]
PEERS += [f"{peer}-32" for peer in PEERS]
OURS = ["qloratory-8", "qloratory-32", "qloratory-96", "qloratory-192"]


def read(paths: list[Path]) -> dict[str, list[Row]]:
    """Stack -> its windows."""
    windows = defaultdict(list)
    for path in paths:
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            windows[f"{row['what']}: {row['stack']}"].append(row)
    return windows


class Records:
    """What was measured, by stack: medians, and texts with their spread."""

    def __init__(self, windows: dict[str, list[Row]]) -> None:
        self.windows = windows

    def values(self, stack: str, figure: str = "tokens_per_second", what: str = "training") -> list[float]:
        return [row[figure] for row in self.windows.get(f"{what}: {stack}", []) if row.get(figure) is not None]

    def middle(self, stack: str, figure: str = "tokens_per_second", what: str = "training") -> float | None:
        values = self.values(stack, figure, what)
        return median(values) if values else None

    def best(self, stacks: list[str], figure: str = "tokens_per_second") -> str | None:
        measured = [stack for stack in stacks if self.values(stack, figure)]
        return max(measured, key=lambda stack: median(self.values(stack, figure)), default=None)

    def shown(self, stack: str, what: str = "training") -> str:
        values = self.values(stack, what=what)
        return f"{stack} {median(values):,.0f} ({min(values):,.0f} to {max(values):,.0f})"

    def ratio(self, ours: str | None, theirs: str | None, what: str = "training") -> tuple[float, str] | None:
        if ours is None or theirs is None or not self.values(ours, what=what) or not self.values(theirs, what=what):
            return None
        ours_middle, theirs_middle = median(self.values(ours, what=what)), median(self.values(theirs, what=what))
        return ours_middle / theirs_middle, f"{self.shown(ours, what)} against {self.shown(theirs, what)} tokens/s"


def table(records: Records) -> list[tuple[str, float, float, str]]:
    """(goal, what it asks, what was measured, the figures behind it) of each goal that was measured."""
    ceiling = records.middle("ceiling", "flop_per_second", "ceiling")
    best_ours = records.best(OURS)
    on_gpu = bool(records.values("qloratory-8"))
    found: list[tuple[str, float, tuple[float, str] | None]] = [
        ("TRL's defaults, batch 8", 20, records.ratio("qloratory-8", "trl")),
        ("the best TRL, any step size", 6, records.ratio(best_ours, records.best(PEERS))),
        (
            "Unsloth, batch 8",
            15,
            records.ratio("qloratory-8", records.best(["unsloth", "unsloth-no-checkpointing"])),
        ),
        ("TRL's defaults, in their memory", 5, tight(records)),
        ("Transformers' generate", 5, records.ratio("qloratory", "generate", "generation") if on_gpu else None),
        ("plain TRL in NF4, on a CPU", 5, records.ratio("qloratory-4", "trl-4")),
    ]
    rows = [(goal, asked, *measured) for goal, asked, measured in found if measured is not None]
    rows += [(f"ceiling of matrix products: {goal}", asked, *share) for goal, asked, share in shares(records, ceiling)]
    return rows


def tight(records: Records) -> tuple[float, str] | None:
    """The ratio, which counts only where our peak is not above theirs."""
    ratio = records.ratio("qloratory-8-tight", "trl")
    if ratio is None:
        return None
    ours, theirs = records.middle("qloratory-8-tight", "peak_mib"), records.middle("trl", "peak_mib")
    assert ours is not None
    assert theirs is not None
    return (ratio[0] if ours <= theirs else 0.0), f"{ratio[1]}; peak {ours:,.0f} MiB against {theirs:,.0f}"


def shares(records: Records, ceiling: float | None) -> list[tuple[str, float, tuple[float, str]]]:
    """Of the ceiling that was measured in the same run, in model FLOP/s."""
    found = []
    for goal, asked, stacks in (("GPU", 0.35, OURS), ("CPU, both in float32", 0.6, ["qloratory-4-float32"])):
        stack = records.best(stacks, "model_flop_per_second")
        if stack is not None and ceiling is not None:
            speed = median(records.values(stack, "model_flop_per_second"))
            text = f"{stack}: {speed / 1e9:,.0f} of {ceiling / 1e9:,.0f} GFLOP/s"
            found.append((f"{goal}", asked, (speed / ceiling, text)))
    return found


def main(paths: list[Path]) -> None:
    print("| against | goal | measured | reached | figures |\n|---|---:|---:|---|---|")
    for goal, asked, measured, figures in table(Records(read(paths))):
        unit = (lambda value: f"{100 * value:.0f} %") if asked < 1 else (lambda value: f"{value:.1f} times")
        print(f"| {goal} | {unit(asked)} | {unit(measured)} | {'yes' if measured >= asked else 'no'} | {figures} |")


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
