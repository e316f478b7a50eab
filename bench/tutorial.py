"""Execute the tutorial: finetuning.py becomes finetuning.ipynb with its outputs, and a record of what they took.

`python bench/tutorial.py docs/results/tutorial-cpu.json` runs every cell in a fresh kernel, from the project's folder.
"""

import copy
import json
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
SCRIPT, NOTEBOOK = ROOT / "finetuning.py", ROOT / "finetuning.ipynb"
PROGRESS_BAR = re.compile(r"\s*|.*\d+%\|.*|.*\d+(answer|batch|it|row|example)s? \[.*")


def read_tutorial() -> nbformat.NotebookNode:
    """The cells of finetuning.py, without outputs, under ids that stay the same."""
    notebook = jupytext.read(SCRIPT)
    for number, cell in enumerate(notebook.cells, start=1):
        cell["id"] = f"cell-{number:03}"
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    notebook.nbformat, notebook.nbformat_minor = 4, 5
    return notebook


def execute(parameters: dict[str, Any] | None = None) -> nbformat.NotebookNode:
    """Run all cells in the project's folder.

    Args:
        parameters: Names -> values, set in a cell behind the one that is tagged "parameters".

    Returns:
        The notebook with outputs and, in each cell's metadata, when it ran.
    """
    notebook = read_tutorial()
    if parameters:
        source = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
        place = next(i for i, cell in enumerate(notebook.cells) if "parameters" in cell.metadata.get("tags", []))
        notebook.cells.insert(place + 1, nbformat.v4.new_code_cell(source))
    resources = {"metadata": {"path": str(ROOT)}}
    NotebookClient(notebook, timeout=1800, kernel_name="python3", resources=resources).execute()
    return notebook


def clean(executed: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The notebook as it is committed: outputs without progress bars and without times of day.

    Raises:
        ValueError: A cell wrote to stderr what is no progress bar: a warning that readers would have to see.
    """
    notebook = copy.deepcopy(executed)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.metadata.pop("execution", None)
            cell.outputs = [output for output in cell.outputs if not is_progress(output)]
    return notebook


def is_progress(output: nbformat.NotebookNode) -> bool:
    if output.get("name") != "stderr":
        return False
    others = [line for line in re.split(r"[\r\n]", output.text) if not PROGRESS_BAR.fullmatch(line)]
    if others:
        raise ValueError(f"a cell warns: {others[0]}")
    return True


def seconds_of(cell: nbformat.NotebookNode) -> float:
    times = cell.metadata.get("execution", {})
    begin, end = (times.get(f"iopub.{name}") for name in ("execute_input", "status.idle"))
    if begin is None or end is None:
        return 0.0
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()


def section_seconds(executed: nbformat.NotebookNode) -> dict[str, float]:
    """Heading -> seconds of the code cells below it."""
    seconds: dict[str, float] = {}
    heading = "Start"
    for cell in executed.cells:
        if cell.cell_type == "markdown":
            heading = next(iter(re.findall(r"^## (.*)", cell.source, re.MULTILINE)), heading)
        else:
            seconds[heading] = round(seconds.get(heading, 0.0) + seconds_of(cell), 1)
    return seconds


def printed(executed: nbformat.NotebookNode) -> list[str]:
    """What the cells printed and tabulated, as text, in order: the measurements."""
    texts = []
    for cell in executed.cells:
        for output in cell.get("outputs", []):
            if output.get("name") == "stdout":
                texts.append(output.text.strip())
            texts += [output.data["text/markdown"]] if "text/markdown" in output.get("data", {}) else []
    return texts


def main(record: Path, parameters: dict[str, Any]) -> None:
    executed = execute(parameters)
    run = json.loads((ROOT / "tutorial-finetuned" / "run.json").read_text(encoding="utf-8"))
    facts = {
        "command": f"python bench/tutorial.py {record}",
        **{name: run[name] for name in ("commit", "versions", "hardware", "config")},
        "seconds": section_seconds(executed),
        "printed": printed(executed),
    }
    record.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    nbformat.write(clean(executed), NOTEBOOK)
    print(f"{sum(facts['seconds'].values()):.0f} seconds", facts["seconds"])


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(sys.argv[2]) if len(sys.argv) > 2 else {})
