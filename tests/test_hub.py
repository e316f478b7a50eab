"""Models come from a Hub whole, unchanged and without code, or not at all: against a stand-in on this machine."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import tiny_settings, write_recipe
from hub_stand_in import HubStandIn, hub_stand_in

CANARY = "hf_" + "canary0123456789" * 2
FETCH = """
import sys
from qloratory.errors import QloratoryError
from qloratory.hub import fetch_model

for name in sys.argv[1:]:
    try:
        print("fetched", fetch_model(name, None, None))
    except QloratoryError as error:
        print(error.exit_code, error)
"""
FAILURES = {
    "owner/e401": r"the Hub knows no such public model (401); is the name right? A private or gated one needs a token",
    "owner/e403": "access is refused (403); accept the licence at http://127.0.0.1:",
    "owner/e404": "there is no such model, or not at revision main (404); see model.name_or_path",
    "owner/e429": "the Hub has had too many requests (429); try again in some minutes, or with a token",
    "owner/e500": "the Hub answers with 500; try again later",
    "owner/half": "the download broke off; try again",
    "owner/wrong-hash": "model.safetensors is not the file that the Hub names, its hash differs; delete ",
    "../owner": "cannot be a Hub id",
    "owner/..": "cannot be a Hub id",
    "owner/a b": "cannot be a Hub id",
}


@pytest.fixture(scope="module")
def hub(tiny_qwen: Path) -> Iterator[HubStandIn]:
    with hub_stand_in(tiny_qwen) as server:
        yield server


def online(endpoint: str, cache: Path) -> dict[str, str]:
    """The environment of a child for which this endpoint is the Hub."""
    here = {name: value for name, value in os.environ.items() if name not in ("HF_HUB_OFFLINE", "HF_TOKEN")}
    return here | {"HF_ENDPOINT": endpoint, "HF_HOME": str(cache), "HF_HUB_DISABLE_TELEMETRY": "1"}


def run_child(*arguments: str, env: dict[str, str], cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=env, cwd=cwd, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def outcomes(hub: HubStandIn, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What fetching each name ends in, all in one child, since its libraries take seconds to import."""
    names = ["owner/good", *FAILURES]
    started = time.monotonic()
    done = run_child("-c", FETCH, *names, env=online(hub.endpoint, tmp_path_factory.mktemp("hub")))
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - started < 60
    return dict(zip(names, done.stdout.splitlines(), strict=True))


@pytest.mark.promise("What keeps a model from being fetched is one sentence that says what to do, and exit code 4.")
@pytest.mark.parametrize("name", FAILURES)
def test_a_fetch_that_fails_is_one_sentence(name: str, outcomes: dict[str, str]) -> None:
    assert outcomes[name].startswith("4 ")
    assert FAILURES[name] in outcomes[name]


@pytest.mark.promise("A Hub that refuses is not asked again and again.")
def test_requests_are_bounded(hub: HubStandIn, outcomes: dict[str, str]) -> None:
    assert outcomes
    assert all(hub.requests[f"e{status}"] <= 3 for status in (401, 403, 404, 429, 500))
    assert hub.requests["half"] < 40
    assert hub.tokens == {None}


def test_a_whole_model_is_fetched_file_by_file(tiny_qwen: Path, outcomes: dict[str, str]) -> None:
    verdict, _, folder = outcomes["owner/good"].partition(" ")
    assert verdict == "fetched"
    fetched = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    assert fetched == {path.name: path.read_bytes() for path in tiny_qwen.iterdir()}


def test_whether_the_hub_has_a_model_is_asked_of_the_hub(hub: HubStandIn, tmp_path: Path) -> None:
    """What decides between the recipes where there is a GPU."""
    recipes = []
    for name in ("owner/good", "owner/e404", "owner/e500"):
        recipes.append(tmp_path / f"{name.partition('/')[2]}.yaml")
        recipes[-1].write_text(f"model: {{name_or_path: {name}}}\ntrain: {{output_dir: out}}\n")
    script = (
        "import sys\nfrom pathlib import Path\nfrom qloratory.choose import hub_has_model\n"
        "print([hub_has_model(Path(name)) for name in sys.argv[1:]])"
    )
    done = run_child("-c", script, *map(str, recipes), env=online(hub.endpoint, tmp_path / "cache"))
    assert done.stdout == "[True, False, False]\n", done.stderr


def test_a_cache_that_cannot_be_written_is_the_disks_fault(hub: HubStandIn, tiny_qwen: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, tiny_settings(tiny_qwen, tmp_path))
    (tmp_path / "file").write_text("")
    done = run_child(*commands(recipe, "owner/good"), env=online(hub.endpoint, tmp_path / "file" / "cache"))
    assert "codes [6]" in done.stdout, done.stderr
    assert "a part of the path is a file" in done.stderr
    assert "Traceback" not in done.stderr


def commands(recipe: Path, *names: str) -> list[str]:
    """A child that answers one prompt with the base of each name, and prints the exit codes."""
    arguments = [["generate", str(recipe), "--baseline", "--prompt", "Hi", f"model.name_or_path={n}"] for n in names]
    script = f"from qloratory.cli import main\nprint('codes', [main(given) for given in {arguments}])"
    return ["-c", script]


@pytest.mark.promise("A Hub token is sent to the Hub alone: no message, cache or file holds it.")
def test_the_command_line_with_a_token(hub: HubStandIn, tiny_qwen: Path, tmp_path: Path) -> None:
    """From .env, against a Hub that answers, and one that does not take it."""
    recipe = write_recipe(tmp_path, tiny_settings(tiny_qwen, tmp_path))
    (tmp_path / ".env").write_text(f"hf_token={CANARY}\n")
    env = online(hub.endpoint, tmp_path / "cache")
    done = run_child(*commands(recipe, "owner/good", "owner/e401"), env=env, cwd=tmp_path)
    assert "codes [0, 4]" in done.stdout, done.stderr
    assert "the Hub does not accept the token (401); make a new one" in done.stderr
    assert "Traceback" not in done.stderr
    assert f"Bearer {CANARY}" in hub.tokens
    (tmp_path / ".env").unlink()
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert CANARY.encode() not in written
    assert CANARY not in done.stdout + done.stderr


@pytest.mark.promise("Without a network, or with HF_HUB_OFFLINE set, the message says so at once.")
def test_no_hub_within_reach(tiny_qwen: Path, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path, tiny_settings(tiny_qwen, tmp_path))
    with socket.socket() as closed:  # bound, but nobody listens: the connection is refused
        closed.bind(("127.0.0.1", 0))
        env = online(f"http://127.0.0.1:{closed.getsockname()[1]}", tmp_path / "cache")
        started = time.monotonic()
        refused = run_child(*commands(recipe, "owner/good"), env=env)
        offline = run_child("-c", FETCH, "owner/good", env=env | {"HF_HUB_OFFLINE": "1"})
        assert time.monotonic() - started < 60
    assert "codes [4]" in refused.stdout
    assert "cannot be reached, and the model is not, or not whole, in the cache" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert offline.stdout.startswith("4 owner/good cannot be fetched")
    assert "HF_HUB_OFFLINE keeps this machine off the network" in offline.stdout
