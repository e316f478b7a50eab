"""Coverage-guided fuzzing of the data reader, by atheris (libFuzzer): `make fuzz`.

`python tests/fuzz.py SECONDS RECORD` writes to RECORD how many inputs were tried; it fails if one was a crash.
"""

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from qloratory.run import describe_hardware, git_commit

CHILD = "--child"


def main(seconds: int, record: Path) -> int:
    """Fuzz in a child process, since libFuzzer ends its own; write the record. Returns the exit code."""
    from fuzz_reader import SEEDS

    with tempfile.TemporaryDirectory() as corpus:
        for number, seed in enumerate(SEEDS):
            (Path(corpus) / f"seed-{number}").write_bytes(seed)
        limits = [f"-max_total_time={seconds}", "-max_len=4096", "-print_final_stats=1", "-seed=1"]
        command = [sys.executable, __file__, CHILD, corpus, *limits, f"-artifact_prefix={tempfile.gettempdir()}/"]
        in_memory = os.environ | {"TMPDIR": "/dev/shm"}  # a file an input: on a disk it would wait most of the time
        done = subprocess.run(command, capture_output=True, text=True, env=in_memory, check=False)
        kept = len(list(Path(corpus).iterdir()))
    inputs = re.search(r"stat::number_of_executed_units: (\d+)", done.stderr)
    if done.returncode or inputs is None:
        print(done.stdout[-3000:], done.stderr[-6000:])
        return 1
    facts = {
        "what": "coverage-guided fuzzing of the data reader, strict and skip, with atheris (libFuzzer)",
        "inputs": int(inputs[1]),
        "crashes": 0,
        "seconds": seconds,
        "inputs_that_reached_new_code": kept - len(SEEDS),
        "command": f"make fuzz SECONDS={seconds}",
        "commit": git_commit(),
        "hardware": describe_hardware(),
        "versions": {"python": platform.python_version(), "atheris": version("atheris")},
    }
    record.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    print(f"{facts['inputs']:,} inputs in {seconds} s, no crash; {record}")
    return 0


def fuzz(arguments: list[str]) -> None:
    """Let libFuzzer drive `read_both_ways`: files of bytes, and lines put together from what the reader knows."""
    import atheris

    with atheris.instrument_imports(include=["qloratory.data", "qloratory.intake"]):
        from fuzz_reader import read_both_ways
    atheris.Setup(arguments, read_both_ways)
    atheris.Fuzz()


if __name__ == "__main__":
    if sys.argv[1] == CHILD:
        fuzz([sys.argv[0], *sys.argv[2:]])
    else:
        sys.exit(main(int(sys.argv[1]), Path(sys.argv[2])))
