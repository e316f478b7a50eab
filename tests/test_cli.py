"""A stranger's mistakes: one clear sentence, a documented exit code, and nothing lost."""

import errno
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import ROOT, read_rows, tiny_settings, write_recipe
from processes import unmeasured
from qloratory.cli import COMMANDS, disk_problem, main
from qloratory.errors import EXIT_CODES


def failure(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """The exit code, and the one sentence on stderr."""
    code = main(arguments)
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("qloratory: ")]
    assert len(lines) == 1
    return code, lines[0]


@pytest.fixture
def recipe(tiny_qwen: Path, tmp_path: Path) -> str:
    return str(write_recipe(tmp_path, tiny_settings(tiny_qwen, tmp_path)))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["rnu", "x"], 2, "there is no command 'rnu'; did you mean 'run'?"),
        (["run", "nowhere.yaml"], 2, "there is no recipe nowhere.yaml"),
        (["run"], 2, "the following arguments are required: recipe"),
        ([], 2, "the following arguments are required: COMMAND"),
        (["run", "RECIPE", "--resum"], 2, "there is no option '--resum' here; did you mean '--resume'?"),
        (["run", "RECIPE", "train.lerning_rate=1"], 2, "did you mean 'train.learning_rate'?"),
        (["run", "RECIPE", "data.train_file=nowhere.jsonl"], 3, "nowhere.jsonl cannot be read (No such file"),
        (["run", "RECIPE", "model.name_or_path=./nowhere"], 4, "there is no model './nowhere'"),
        (["run", "RECIPE", "train.max_length=50"], 7, "rows are longer than train.max_length=50 tokens"),
        (["run", "RECIPE", "lora.target_modules=[nothing_like_it]"], 4, "see lora.target_modules"),
        (["generate", "RECIPE", "--prompt", "Hi"], 4, "it holds no adapter_config.json; train first"),
        (["merge", "RECIPE"], 4, "train first"),
        (["report", "RECIPE"], 6, "run.json is missing; run the earlier stage first"),
        (["evaluate", "RECIPE"], 6, "run.json is missing; run the earlier stage first"),
    ],
)
def test_mistakes(arguments: list[str], code: int, message: str, recipe: str, capsys: Any) -> None:
    given = [recipe if argument == "RECIPE" else argument for argument in arguments]
    actual, line = failure(given, capsys)
    assert actual == code
    assert message in line


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"prompt": "a", "completion": "b"}\n{"prompt": \n', "broken.jsonl:2: not JSON"),
        ("", "broken.jsonl holds no rows"),
        ('{"prompt": "a"}\n', "broken.jsonl:1: the field 'completion' is missing"),
    ],
)
def test_broken_data_stops_before_anything_is_written(
    content: str, message: str, recipe: str, tmp_path: Path, capsys: Any
) -> None:
    (tmp_path / "broken.jsonl").write_text(content, encoding="utf-8")
    code, line = failure(["run", recipe, f"data.train_file={tmp_path / 'broken.jsonl'}"], capsys)
    assert code == 3
    assert message in line
    assert not (tmp_path / "run").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_the_gpu_recipe_without_a_gpu(capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    code, line = failure(["run", "configs/qwen2.5-0.5b.yaml"], capsys)
    assert code == 5
    assert "needs an NVIDIA GPU" in line


def test_a_run_that_is_there_is_not_overwritten(finished_run: Path, capsys: Any) -> None:
    before = {path: path.read_bytes() for path in (finished_run / "run").rglob("*") if path.is_file()}
    code, line = failure(["run", str(finished_run / "recipe.yaml")], capsys)
    assert code == 6
    assert "already holds a run; continue it with --resume, replace it with --overwrite" in line
    assert before == {path: path.read_bytes() for path in (finished_run / "run").rglob("*") if path.is_file()}


def test_an_output_directory_that_cannot_be_made(recipe: str, tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "file").write_text("")
    code, line = failure(["run", recipe, f"train.output_dir={tmp_path / 'file' / 'run'}"], capsys)
    assert code == 6
    assert "a part of the path is a file" in line


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs util-linux")
def test_a_full_disk_is_one_sentence_and_loses_nothing(recipe: str, tmp_path: Path) -> None:
    """On a real tmpfs that is too small: refused before training, with the baseline answers kept."""
    small = tmp_path / "small"
    small.mkdir()
    script = (
        f"mount -t tmpfs -o size=200k tmpfs {small} && {sys.executable} -m qloratory.cli run {recipe} "
        f"train.output_dir={small}/run; code=$?; ls {small}/run; exit $code"
    )
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script],
        capture_output=True,
        text=True,
        env=unmeasured(),
        check=False,
    )
    assert done.returncode == 6, done.stderr
    assert "MiB free and the checkpoints need" in done.stderr
    assert "Traceback" not in done.stderr
    assert "baseline.jsonl" in done.stdout


def test_a_disk_that_fills_up_while_training_is_one_sentence(recipe: str, tmp_path: Path) -> None:
    """The limit on a file's size is the disk that fills up: a checkpoint's write fails with a real error."""
    script = f"ulimit -f 60; exec {sys.executable} -m qloratory.cli train {recipe} train.max_steps=2 lora.r=64"
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        env=unmeasured(),
        check=False,
    )
    assert done.returncode == 6, done.stderr[-2000:]
    assert "go on with --resume" in done.stderr
    assert "Traceback" not in done.stderr
    assert (tmp_path / "run" / "run.json").exists()


def test_help_names_every_command_setting_and_exit_code(capsys: Any) -> None:
    for arguments in (["--help"], ["run", "--help"]):
        with pytest.raises(SystemExit) as exit_:
            main(arguments)
        assert exit_.value.code == 0
    printed = capsys.readouterr().out
    assert all(command in printed for command in COMMANDS)
    assert "train.learning_rate = 0.0002" in printed
    assert all(meaning in printed for meaning in EXIT_CODES.values())


def test_one_prompt_is_answered(finished_run: Path) -> None:
    recipe = str(finished_run / "recipe.yaml")
    assert main(["generate", recipe, "--prompt", "Write f(x).", "generate.max_new_tokens=5"]) == 0
    assert main(["generate", recipe, "--baseline", "--prompt", "Write f(x).", "generate.max_new_tokens=5"]) == 0


def test_held_out_prompts_are_answered_by_both_or_by_the_base(finished_run: Path, tmp_path: Path) -> None:
    """Without a run.json, `generate` begins one; its answers are those of `run`."""
    shutil.copytree(finished_run / "run" / "tiny-coder", tmp_path / "run" / "tiny-coder")
    recipe, there = str(finished_run / "recipe.yaml"), f"train.output_dir={tmp_path / 'run'}"
    assert main(["generate", recipe, there, "--baseline"]) == 0
    assert (tmp_path / "run" / "run.json").exists()
    assert not (tmp_path / "run" / "finetuned.jsonl").exists()
    assert main(["generate", recipe, there]) == 0
    for which in ("baseline.jsonl", "finetuned.jsonl"):
        texts = [[row["answer"] for row in read_rows(run / which)] for run in (tmp_path / "run", finished_run / "run")]
        assert texts[0] == texts[1]


@pytest.mark.skipif(torch.cuda.is_available(), reason="is about machines without a GPU")
def test_auto_says_which_recipe_it_takes_and_why(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert main(["report", "auto", f"train.output_dir={tmp_path / 'run'}"]) == 6
    printed = capsys.readouterr()
    assert "Recipe configs/smollm2-135m.yaml: PyTorch sees no NVIDIA GPU here" in printed.out
    assert "run.json is missing" in printed.err


def chained(last: Exception, first: Exception) -> Exception:
    """As `raise last from first` leaves it."""
    last.__cause__ = first
    return last


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.ENOSPC, "x", "/run/a"), "the disk is full (/run/a)"),
        (
            RuntimeError("[enforce fail at inline_container.cc] . PytorchStreamWriter failed writing file"),
            "a checkpoint",
        ),
        (RuntimeError("unexpected pos 64 vs 0"), "a checkpoint could not be written"),
        (RuntimeError("I/O error: No space left on device (os error 28)"), "the disk is full"),
        (chained(ValueError("x"), OSError(errno.EROFS, "x")), "the file system is read-only"),
        (chained(ValueError("x"), OSError(errno.ECHILD, "x")), "None"),
    ],
    ids=str,
)
def test_a_full_or_closed_disk_is_found_behind_an_error(error: Exception, reason: str) -> None:
    assert str(disk_problem(error)).startswith(reason)


def test_the_token_is_never_shown(recipe: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_canary0123456789")
    assert main(["train", recipe]) == 0
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    printed = capsys.readouterr()
    assert b"hf_canary" not in written
    assert "hf_canary" not in printed.out + printed.err
