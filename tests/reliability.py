"""docs/reliability.md, made of the tests that carry the marker `promise`: `python tests/reliability.py [--check]`."""

import io
import json
import sys
from contextlib import redirect_stdout
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reliability.md"
RESULTS = ROOT / "docs" / "results"
TITLES = {
    "test_resume": "A resumed run is the run that was never stopped",
    "test_checkpoint": "Checkpoints",
    "test_stop": "Signals, full disks and other accidents",
    "test_intake": "Data",
    "test_data": "Data",
    "test_labels": "Control tokens in data",
    "test_tokenizers": "Control tokens in data",
    "test_generate": "Control tokens in data",
    "test_fuzz": "Any input",
    "test_hub": "Models from the Hub",
    "test_template": "Model and adapter files",
    "test_trust": "Model and adapter files",
    "test_tokenizer": "Model and adapter files",
    "test_model": "Model and adapter files",
    "test_gguf": "Model and adapter files",
    "test_secrets": "Secrets",
    "test_tutorial": "Secrets",
}
SANDBOX = "Generated code"
HEAD = """# What is promised, and the tests that hold it

Each line is a promise that a test proves by doing the thing: a process is killed by a signal, a disk is full, a byte is
flipped, a file is hostile. The number behind it is how many cases are tried at each `make test`; what is promised of a
GPU is tried where there is one. This page is made of the tests, by `make docs`, and `make lint` fails where it is not
up to date.
"""


class Collector:
    """What pytest collects, without running it."""

    def __init__(self) -> None:
        self.promises: dict[tuple[str, str], int] = {}  # (module, sentence) -> cases

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            for marker in item.iter_markers("promise"):
                key = (item.path.stem, marker.args[0])
                self.promises[key] = self.promises.get(key, 0) + 1


def render() -> str:
    collector = Collector()
    with redirect_stdout(io.StringIO()):
        code = pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", str(ROOT / "tests")], plugins=[collector])
    assert code == 0, "the tests cannot be collected"
    order = [*dict.fromkeys(TITLES.values()), SANDBOX]
    sections: dict[str, list[str]] = {title: [] for title in order}
    for (module, sentence), cases in sorted(collector.promises.items()):
        line = f"| {sentence} | {cases} | [{module}](../tests/{module}.py) |"
        sections[TITLES.get(module, SANDBOX)].append(line)
    tables = [
        f"## {title}\n\n| promise | cases | test |\n|---|---:|---|\n" + "\n".join(lines)
        for title, lines in sections.items()
        if lines
    ]
    return "\n\n".join([HEAD.rstrip(), *tables, long_forms()]) + "\n"


def long_forms() -> str:
    """What takes too long for each test run, from its records."""
    soak, fuzz = (json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8")) for name in ("soak", "fuzz"))
    equal = "all equal in every byte" if soak["equal"] else "NOT all equal"
    return f"""## The long forms

- `make soak`: {soak["kills"]} kills with SIGKILL at random moments of a training of `{soak["recipe"]}`, while it loads,
  steps or saves; of {soak["ends"]} trainings that were resumed to their end, adapter and losses against the training
  never stopped: {equal} ([record](results/soak.json)).
- `make fuzz`: {fuzz["inputs"]:,} inputs to the data reader in {fuzz["seconds"]} s, guided by what code they reach,
  strict and skip; {fuzz["crashes"]} ended without rows or a line of reason ([record](results/fuzz.json))."""


if __name__ == "__main__":
    made = render()
    if "--check" in sys.argv:
        sys.exit(0 if PAGE.read_text(encoding="utf-8") == made else "docs/reliability.md is not what the tests say")
    PAGE.write_text(made, encoding="utf-8")
