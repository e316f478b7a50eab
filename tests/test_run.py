"""The run directory's files are whole or not there; what is broken or left over in it is told or taken away."""

import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from processes import unmeasured
from qloratory.errors import OutputError
from qloratory.run import RunDirectory, command_line, git_commit, read_json, write_atomically


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"a": ', "run.json cannot be read: "),
        (b"\xff", "run.json cannot be read: "),
        (b"[1]", "run.json does not hold a JSON object"),
        (None, "run.json is missing; run the earlier stage first"),
    ],
)
def test_a_broken_file_of_an_earlier_stage_is_one_sentence(content: bytes | None, message: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "run.json").write_bytes(content)
    with pytest.raises(OutputError, match=message):
        read_json(tmp_path / "run.json")


def test_a_text_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    write_atomically(tmp_path / "file", "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(tmp_path / "file", "new \ud800")
    assert (tmp_path / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_that_may_not_grow_leaves_the_old_one(tmp_path: Path) -> None:
    """In a process whose files may hold 4 bytes: the write itself fails."""
    write_atomically(tmp_path / "file", "old")
    script = (
        "import resource, signal, sys\nfrom pathlib import Path\nfrom qloratory.run import write_atomically\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (4, 4))\n"
        "write_atomically(Path(sys.argv[1]), 'a longer text')"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "file")],
        env=unmeasured(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "File too large" in done.stderr
    assert (tmp_path / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_leftovers_of_a_killed_run_are_removed_and_nothing_else(tmp_path: Path) -> None:
    run = RunDirectory(tmp_path / "run", "coder")
    for name in (".coder-x1", ".coder-merged-x2", "coder", "mine"):
        (run.path / name).mkdir(parents=True)
        (run.path / name / "weights").write_text("w")
    for name in (".run.json-x3", ".metrics.jsonl-x4", ".report.html-x5", "run.json", ".gitignore"):
        (run.path / name).write_text("{}")
    (run.path / ".coder-link").symlink_to(run.path / "mine")
    run.remove_leftovers()
    assert {path.name for path in run.path.iterdir()} == {"coder", "mine", "run.json", ".gitignore"}
    assert (run.path / "mine" / "weights").exists()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a checkout")
def test_the_commit_is_told_where_git_is(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert (git_commit() or "").removesuffix("+changes") == asked.stdout.strip()
    monkeypatch.setenv("PATH", "")
    assert git_commit() is None


def test_the_command_is_told_where_there_was_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/bin/qloratory", "run", "auto"])
    assert command_line() == "qloratory run auto"
    monkeypatch.setattr(sys, "argv", ["/usr/bin/ipykernel_launcher.py", "-f", "x"])
    assert command_line() == "from ipykernel_launcher.py"
