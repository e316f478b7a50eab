"""Resume takes the newest checkpoint that is whole; a damaged one is named and skipped."""

import shutil
from pathlib import Path

import pytest

from qloratory.checkpoint import FILES, damage, newest_good_checkpoint


@pytest.fixture
def run(finished_run: Path, tmp_path: Path) -> Path:
    shutil.copytree(finished_run / "run", tmp_path / "run")
    return tmp_path / "run"


def test_the_newest_is_taken(run: Path) -> None:
    shutil.copytree(run / "checkpoint-4", run / "checkpoint-10")
    assert damage(run / "checkpoint-10") == "trainer_state.json is of another step"
    assert newest_good_checkpoint(run) == run / "checkpoint-4"


@pytest.mark.parametrize(
    ("name", "how"),
    [  # a flipped weight is not among them: safetensors carries no checksum
        *[(name, how) for name in FILES for how in ("missing", "cut")],
        ("optimizer.pt", "flipped"),
        ("rng_state.pth", "flipped"),
        ("trainer_state.json", "flipped"),
    ],
)
def test_a_damaged_one_is_named_and_skipped(name: str, how: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = run / "checkpoint-4" / name
    content = file.read_bytes()
    if how == "missing":
        file.unlink()
    elif how == "cut":
        file.write_bytes(content[: len(content) // 2])
    else:
        file.write_bytes(content[:40] + bytes([content[40] ^ 0xFF]) + content[41:])
    assert newest_good_checkpoint(run) == run / "checkpoint-2"
    assert f"{run / 'checkpoint-4'} is damaged" in capsys.readouterr().out


def test_no_checkpoint_is_none(tmp_path: Path) -> None:
    assert newest_good_checkpoint(tmp_path) is None
