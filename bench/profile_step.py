"""Where a fast step's time goes on a GPU: `python bench/profile_step.py OUT.json [ROWS…]`.

Trains some steps, then replays the largest graph under PyTorch's profiler, and adds up its kernels by kind.
"""

import json
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from speed import Stack, describe, make_ours
from torch.profiler import ProfilerActivity, profile

REPLAYS = 5
KINDS = {
    "base and head matrix products": r"nvjet.*_tst_(?!16x|.*_badd_NNN)",
    "LoRA products": r"nvjet|splitKreduce|cublas",
    "attention": r"flash",
    "SwiGLU": r"swiglu",
    "cross entropy": r"cross_entropy",
    "norms and RoPE": r"rms_norm|rotate",
}


def kind_of(kernel: str) -> str:
    return next((kind for kind, pattern in KINDS.items() if re.search(pattern, kernel)), "copies, sums and the rest")


def milliseconds(call: Callable[[], Any], rounds: int = 20) -> float:
    call()
    torch.cuda.synchronize()
    started = time.perf_counter()
    for _ in range(rounds):
        call()
    torch.cuda.synchronize()
    return 1000 * (time.perf_counter() - started) / rounds


def profile_step(rows: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        trainer = make_ours(Stack("qloratory", rows, 6, 2), folder)
        trainer.train()
    step = trainer.fast
    shape, graph = max(step.graphs.items())
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        for _ in range(REPLAYS):
            graph.graph.replay()
        torch.cuda.synchronize()
    kernels: Counter[str] = Counter()
    for event in profiler.key_averages():
        kernels[event.key] += event.device_time_total / 1000 / REPLAYS
    kinds: Counter[str] = Counter()
    for kernel, spent in kernels.items():
        kinds[kind_of(kernel)] += spent
    return {
        "rows": rows,
        "tokens": shape[0],
        "rows_with_loss": shape[2],
        "replay_ms": round(milliseconds(graph.graph.replay), 2),
        "clip_ms": round(milliseconds(lambda: step.clip(1.0)), 3),
        "optimizer_ms": round(milliseconds(trainer.optimizer.step), 3),
        "kinds_ms": {kind: round(spent, 2) for kind, spent in kinds.most_common()},
        "kernels_ms": {kernel[:90]: round(spent, 3) for kernel, spent in kernels.most_common(25)},
    }


def main(out: Path, sizes: list[int]) -> None:
    found = [profile_step(rows) for rows in sizes]
    out.write_text(json.dumps(describe() | {"steps": found}, indent=1) + "\n", encoding="utf-8")
    for step in found:
        print({name: value for name, value in step.items() if name != "kernels_ms"})


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(rows) for rows in sys.argv[2:]] or [8, 96])
