"""The tutorial runs, is the same in both its forms, and what is committed of it is fit to be read."""

import re
from pathlib import Path

import nbformat
import pytest
from tutorial import NOTEBOOK, clean, execute, is_progress, printed, read_tutorial

from conftest import ROOT

COMMITTED = nbformat.read(NOTEBOOK, as_version=4)
# Numbers that are definitions: formats, the paper's constants, names, and counts of things the text itself lists.
DEFINITIONS = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "16", "32", "64", "100", "256", "95", "2021", "2023"}


def test_the_whole_tutorial_runs(tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cell, with all its assertions, on a random model in seconds; a Hub token shows in no output or file."""
    monkeypatch.setenv("HF_TOKEN", "hf_canary0123456789")
    overrides = [
        f"model.name_or_path={tiny_llama}",
        "model.device=cpu",
        f"train.output_dir={tmp_path / 'run'}",
        "train.max_steps=4",
        "train.max_length=1024",
        "generate.max_new_tokens=12",
    ]
    notebook = clean(execute({"short_steps": 2, "prompts": 3, "overrides": overrides}))
    told = "\n".join(printed(notebook))
    assert "equal to bitsandbytes" in told
    assert "equal is True" in told
    assert (tmp_path / "run" / "report.html").exists()
    assert "hf_canary" not in nbformat.writes(notebook)
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"hf_canary" in path.read_bytes()]


def test_script_and_notebook_have_the_same_cells() -> None:
    script = [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in read_tutorial().cells]
    notebook = [(cell.cell_type, cell.source, cell.metadata.get("tags", [])) for cell in COMMITTED.cells]
    assert script == notebook


def test_every_code_cell_is_executed_in_order() -> None:
    counts = [cell.execution_count for cell in COMMITTED.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1))


@pytest.mark.parametrize(
    ("what", "pattern"),
    [
        ("an absolute path", r"(?<![\w.:/])/(root|home|tmp|work|usr|opt|Users|mnt)/"),
        ("a token", r"hf_[A-Za-z0-9]{10}"),
        ("a warning", r"Warning:|\bWARNING\b"),
        ("a progress bar", r"\r|\d+%\||<progress"),
        ("a widget", r"widget-view"),
    ],
)
def test_committed_outputs_hold_no(what: str, pattern: str) -> None:
    outputs = [str(output) for cell in COMMITTED.cells for output in cell.get("outputs", [])]
    assert outputs
    assert not [output[:200] for output in outputs if re.search(pattern, output)], what


def test_numbers_in_the_text_are_measured_or_defined() -> None:
    """A number in a text cell stands in a code cell or in an output, or is a definition."""
    shown = "\n".join(cell.source for cell in COMMITTED.cells if cell.cell_type == "code")
    shown += "\n".join(printed(COMMITTED))
    for cell in COMMITTED.cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"\]\([^)]*\)|`[^`]*`|\$[^$]*\$|Qwen2\.5-0\.5B|SmolLM2-135M", "", cell.source)
            for number in re.findall(r"(?<![\w.])\d[\d.,]*(?<=\d)", text):
                assert number in DEFINITIONS or number in shown, (number, cell.source)


def test_links_in_the_tutorial_lead_somewhere() -> None:
    texts = [cell.source for cell in COMMITTED.cells if cell.cell_type == "markdown"]
    headings = {line.lstrip("# ").replace(" ", "-") for text in texts for line in text.splitlines() if line[:1] == "#"}
    links = [link for text in texts for link in re.findall(r"\]\(([^)]+)\)", text)]
    assert len(links) > 8
    for link in links:
        if link.startswith("#"):
            assert link[1:] in headings, link
        elif not link.startswith("https://"):
            assert (ROOT / link).exists(), link


def test_plots_name_their_axes() -> None:
    for cell in COMMITTED.cells:
        if "plt.subplots" in cell.source and cell.cell_type == "code":
            assert re.search(r"xlabel=\".*\(|xlabel=\"optimizer step\"", cell.source)
            assert "ylabel=" in cell.source


@pytest.mark.parametrize("bar", ["general chat:  67%|██████▋   | 4/6 [00:13<00:06,  3.37s/batch]", "", "   "])
def test_progress_bars_are_cleaned_away(bar: str) -> None:
    assert is_progress(nbformat.v4.new_output("stream", name="stderr", text=f"\r{bar}\n"))


def test_a_warning_is_not_cleaned_away() -> None:
    with pytest.raises(ValueError, match="a cell warns: UserWarning: look out"):
        is_progress(nbformat.v4.new_output("stream", name="stderr", text="UserWarning: look out\n"))
