"""The Hub token goes to the Hub and nowhere else; no token is ever committed."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from conftest import ROOT, tiny_settings, write_recipe

CANARIES = {"environment": "hf_" + "canaryE0123456789" * 2, ".env": "hf_" + "canaryF0123456789" * 2}
# Runs the command line, and notes for every child process whether its environment holds a canary.
WATCHED = """
import json, os, sys
children = []

def watch(event, arguments):
    if event in ("subprocess.Popen", "os.posix_spawn", "os.exec"):
        env = arguments[3] if event == "subprocess.Popen" else arguments[2]
        children.append([str(arguments[0]), "canary" in repr(dict(os.environ if env is None else env))])

sys.addaudithook(watch)
from qloratory.cli import main
code = main(sys.argv[1:])
print("children", json.dumps(children))
sys.exit(code)
"""
PATTERNS = {
    "Hugging Face": r"\bhf_[A-Za-z0-9]{30,}",
    "GitHub": r"\bgh[pousr]_[A-Za-z0-9]{36,}|\bgithub_pat_[A-Za-z0-9_]{60,}",
    "GitLab": r"\bglpat-[A-Za-z0-9_-]{20,}",
    "OpenAI or Anthropic": r"\bsk-[A-Za-z0-9_-]{30,}",
    "Amazon": r"\bAKIA[A-Z0-9]{16}\b",
    "Google": r"\bAIza[A-Za-z0-9_-]{35}",
    "Slack": r"\bxox[abprs]-[A-Za-z0-9-]{20,}",
    "PyPI": r"\bpypi-[A-Za-z0-9_-]{50,}",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
}
ANY_TOKEN = re.compile("|".join(f"(?:{pattern})" for pattern in PATTERNS.values()).encode())


@pytest.mark.promise("A whole run leaves the Hub token in no file, no output and no child process's environment.")
@pytest.mark.parametrize("place", CANARIES)
def test_a_whole_run_shows_the_token_nowhere(place: str, tiny_qwen: Path, tmp_path: Path) -> None:
    settings = tiny_settings(tiny_qwen, tmp_path) | {"merge": {"save": True}}
    settings["train"]["max_steps"] = 2
    recipe = write_recipe(tmp_path, settings)
    env = {name: value for name, value in os.environ.items() if name != "HF_TOKEN"}
    env |= {"HF_HOME": str(tmp_path / "cache"), "XDG_CACHE_HOME": str(tmp_path / "other-cache")}
    if place == "environment":
        env["HF_TOKEN"] = CANARIES[place]
    else:
        (tmp_path / ".env").write_text(f"hf_token={CANARIES[place]}\n")
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, "run", str(recipe)],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    children = json.loads(done.stdout.rpartition("children ")[2])
    assert any("git" in name for name, _ in children)
    assert [name for name, has_canary in children if has_canary] == []
    assert "canary" not in done.stdout.rpartition("children ")[0] + done.stderr
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != ".env"]
    assert {"report.html", "README.md", "run.json", "trainer_state.json"} <= {path.name for path in written}
    assert [path for path in written if b"canary" in path.read_bytes()] == []


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a checkout")
def test_dotenv_is_ignored_by_git() -> None:
    assert subprocess.run(["git", "check-ignore", "-q", ".env"], cwd=ROOT, check=False).returncode == 0
    assert subprocess.run(["git", "check-ignore", "-q", "README.md"], cwd=ROOT, check=False).returncode == 1


def files_with_tokens(paths: Iterable[Path]) -> list[str]:
    return [str(path) for path in paths if path.is_file() and ANY_TOKEN.search(path.read_bytes())]


@pytest.mark.promise("No file of the repository holds a token of any usual kind.")
@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a checkout")
def test_no_token_is_committed() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    tracked = [ROOT / name for name in listed.stdout.split("\0") if name]
    assert len(tracked) > 50
    assert files_with_tokens(tracked) == []


PLANTED = {
    "Hugging Face": "hf_" + "aB3" * 12,
    "GitHub": "ghp_" + "aB3" * 12,
    "GitLab": "glpat-" + "aB3" * 8,
    "OpenAI or Anthropic": "sk-" + "proj-" + "aB3" * 12,
    "Amazon": "AKIA" + "ABCD" * 4,
    "Google": "AIza" + "aB3-_" * 7,
    "Slack": "xoxb-" + "1234567890-" * 3,
    "PyPI": "pypi-" + "aB3" * 20,
    "a private key": "-----BEGIN " + "RSA PRIVATE KEY-----",
}


@pytest.mark.parametrize("kind", PATTERNS)
def test_a_planted_token_is_found(kind: str, tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text(f"token = '{PLANTED[kind]}'\n")
    (tmp_path / "clean.md").write_text("hf_token= in .env, HF_TOKEN, and sk-learn\n")
    assert files_with_tokens(sorted(tmp_path.iterdir())) == [str(tmp_path / "notes.md")]
