"""Measure what the sandbox costs: `python bench/sandbox.py OUT.json [RUNS]` writes milliseconds a run, and the layers.

A run is `run_tests` on one right answer with one test, from call to verdict: interpreter, namespaces, root, limits,
filters, both processes, and all of them gone again. The code's own time is microseconds of it. `bare` is an
interpreter alone, started with the same options: what any child process costs.
"""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from qloratory.run import describe_hardware, git_commit
from qloratory.sandbox import layers_here, missing_layers, run_tests

GOAL_MS = 150


def main(out: Path, runs: int) -> None:
    layers_here()  # tried once; not part of a run
    one_run()
    with ThreadPoolExecutor(max_workers=2) as pool:  # as `evaluate` does
        two_at_a_time = list(pool.map(lambda _: milliseconds(one_run), range(runs)))
    record = {
        "goal_ms": GOAL_MS,
        "sandbox": summary([milliseconds(one_run) for _ in range(runs)]),
        "sandbox_two_at_a_time": summary(two_at_a_time),
        "bare": summary([milliseconds(bare_interpreter) for _ in range(runs)]),
        "layers": layers_here(),
        "missing_layers": missing_layers(),
        "python": sys.version.split()[0],
        "hardware": describe_hardware(),
        "commit": git_commit(),
    }
    out.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    print(json.dumps({name: record[name] for name in ("sandbox", "sandbox_two_at_a_time", "bare")}, indent=1))


def one_run() -> None:
    verdict = run_tests("def f(x):\n    return x + 1\n", ["assert f(1) == 2"], "f", 10, 512)
    assert verdict.passed, verdict


def bare_interpreter() -> None:
    subprocess.run([sys.executable, "-I", "-S", "-c", "pass"], env={}, check=True)


def milliseconds(function: Callable[[], None]) -> float:
    started = time.perf_counter()
    function()
    return 1000 * (time.perf_counter() - started)


def summary(values: list[float]) -> dict[str, float | int]:
    cuts = statistics.quantiles(values, n=20)
    return {"runs": len(values), "median_ms": round(cuts[9], 1), "p95_ms": round(cuts[18], 1)}


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 200)
