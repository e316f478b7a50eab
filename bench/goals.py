"""The table of goals, made of what speed.py measured: `python bench/goals.py RECORD.jsonl…`.

A figure is the median of its windows, with the least and the most behind it. A ratio is of medians.
"""

import json
import sys
from collections import defaultdict
from dataclasses import dataclass
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


@dataclass(frozen=True)
class Goal:
    """`asked` and `measured` are ratios, or below 1 shares; `held` is whether what else was asked is true too."""

    against: str
    asked: float
    measured: float
    figures: str
    held: bool = True

    def row(self) -> str:
        asked, measured = (
            f"{100 * x:.0f} %" if self.asked < 1 else f"{x:.1f} times" for x in (self.asked, self.measured)
        )
        reached = "yes" if self.measured >= self.asked and self.held else "no"
        return f"| {self.against} | {asked} | {measured} | {reached} | {self.figures} |"


def table(records: Records) -> list[Goal]:
    """The goals for which something was measured."""
    on_gpu = bool(records.values("qloratory-8"))
    unsloth = records.best(["unsloth", "unsloth-no-checkpointing"])
    ratios = [
        ("TRL's defaults, batch 8", 20, records.ratio("qloratory-8", "trl")),
        ("the best TRL, any step size", 6, records.ratio(records.best(OURS), records.best(PEERS))),
        ("Unsloth, batch 8", 15, records.ratio("qloratory-8", unsloth)),
        ("Transformers' generate", 5, records.ratio("qloratory", "generate", "generation") if on_gpu else None),
        ("plain TRL in NF4, on a CPU", 5, records.ratio("qloratory-4", "trl-4")),
    ]
    goals = [Goal(against, asked, *ratio) for against, asked, ratio in ratios if ratio is not None]
    return [*goals, *in_their_memory(records), *of_the_ceiling(records)]


def in_their_memory(records: Records) -> list[Goal]:
    """The speed in the least memory, which counts only where our peak is not above theirs."""
    ratio = records.ratio("qloratory-8-tight", "trl")
    ours, theirs = records.middle("qloratory-8-tight", "peak_mib"), records.middle("trl", "peak_mib")
    if ratio is None or ours is None or theirs is None:
        return []
    figures = f"{ratio[1]}; peak {ours:,.0f} MiB against {theirs:,.0f}"
    return [Goal("TRL's defaults, in their memory", 5, ratio[0], figures, held=ours <= theirs)]


def of_the_ceiling(records: Records) -> list[Goal]:
    """The share of the fastest matrix product that was measured in the same run, in model FLOP/s."""
    ceiling = records.middle("ceiling", "flop_per_second", "ceiling")
    found = []
    for machine, asked, stacks in (("GPU", 0.35, OURS), ("CPU, both in float32", 0.6, ["qloratory-4-float32"])):
        stack = records.best(stacks, "model_flop_per_second")
        if stack is not None and ceiling is not None:
            speed = median(records.values(stack, "model_flop_per_second"))
            figures = f"{stack}: {speed / 1e9:,.0f} of {ceiling / 1e9:,.0f} GFLOP/s"
            found.append(Goal(f"ceiling of matrix products, {machine}", asked, speed / ceiling, figures))
    return found


def render(paths: list[Path]) -> str:
    """The table in Markdown, as docs/performance.md shows it."""
    header = ["| against | goal | measured | reached | figures |", "|---|---:|---:|---|---|"]
    return "\n".join([*header, *(goal.row() for goal in table(Records(read(paths))))])


if __name__ == "__main__":
    print(render([Path(name) for name in sys.argv[1:]]))
