"""Fetch a model from the Hub, whole and proven by its hashes; what fails is one sentence that says what to do."""

import hashlib
import re
from pathlib import Path

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

from qloratory.errors import ModelError, one_line

# A model's own files, at the top of its repository: no other formats, and no code.
WANTED = ["*.safetensors", "*.json", "*.jinja", "*.txt", "tokenizer.model"]
UNWANTED = ["*/*", "consolidated*"]  # the latter are the same weights under other names
CHUNK_BYTES = 2**20
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}", re.ASCII)


def fetch_model(name: str, revision: str | None, token: str | None) -> Path:
    """The folder of a Hub model in the Hub's cache; what is there already is not fetched again.

    Args:
        name: owner/name.
        revision: A commit, branch or tag; None is the newest.
        token: None for a public model.

    Raises:
        ModelError: It cannot be had, or a file is not what the Hub says it is.
    """
    if not HUB_ID.fullmatch(name) or ".." in name or "--" in name:
        raise ModelError(f"{name[:200]!r} cannot be a Hub id (owner/name); see model.name_or_path")
    try:
        folder = snapshot_download(
            name, revision=revision, token=token, allow_patterns=WANTED, ignore_patterns=UNWANTED
        )
    except (OSError, HTTPError, ValueError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # the disk's: the command line tells those
        raise ModelError(f"{name} cannot be fetched: {reason(error, name, revision, token)}") from None
    check_hashes(Path(folder))
    return Path(folder)


def reason(error: BaseException, name: str, revision: str | None, token: str | None) -> str:
    """Why, and what to do: by the Hub's answer where there was one."""
    causes = [error]
    while (cause := causes[-1].__cause__ or causes[-1].__context__) is not None and len(causes) < 10:
        causes.append(cause)
    statuses = [cause.response.status_code for cause in causes if isinstance(cause, HfHubHTTPError)]
    if statuses:
        return answer_meaning(statuses[0], name, revision, token)
    if any(isinstance(cause, OfflineModeIsEnabled) for cause in causes):
        return "it is not, or not whole, in the cache, and HF_HUB_OFFLINE keeps this machine off the network; unset it"
    if isinstance(error, LocalEntryNotFoundError):
        return (
            f"the Hub at {constants.ENDPOINT} cannot be reached, and the model is not, or not whole, in the cache; "
            "check the network and try again; configs/smollm2-135m.yaml needs no network"
        )
    if isinstance(error, HTTPError) or "Consistency check failed" in str(error):
        return "the download broke off; try again, it goes on where it stopped"
    return one_line(error)[:300]


def answer_meaning(status: int, name: str, revision: str | None, token: str | None) -> str:
    """What an HTTP status of the Hub means to the user."""
    page = f"{constants.ENDPOINT}/{name}"
    if status == 401 and token:
        return "the Hub does not accept the token (401); make a new one, for HF_TOKEN or hf_token= in .env"
    if status == 401:
        return (
            "the Hub knows no such public model (401); is the name right? "
            "A private or gated one needs a token: HF_TOKEN, or hf_token= in .env"
        )
    if status == 403:
        return f"access is refused (403); accept the licence at {page} with the account of your token, and try again"
    if status == 404:
        return f"there is no such model, or not at revision {revision or 'main'} (404); see model.name_or_path"
    if status == 429:
        return "the Hub has had too many requests (429); try again in some minutes, or with a token"
    return f"the Hub answers with {status}; try again later"


def check_hashes(folder: Path) -> None:
    """Compare every file with the hash that names it in the Hub's cache: SHA-256 of large ones, git's of small ones.

    Raises:
        ModelError: A file differs: it was damaged on the way or on the disk, or exchanged.
    """
    for path in sorted(folder.iterdir()):
        blob = path.resolve()
        if len(blob.name) not in (40, 64):
            continue  # a cache without links, on a file system that has none, does not know its hashes
        if hash_of(blob, is_sha256=len(blob.name) == 64) != blob.name:
            raise ModelError(
                f"{path.name} is not the file that the Hub names, its hash differs; delete {blob} and try again"
            )


def hash_of(blob: Path, *, is_sha256: bool) -> str:
    """The hash by which the Hub names a file's content, in hexadecimal digits."""
    digest = hashlib.sha256() if is_sha256 else hashlib.sha1(b"blob %d\0" % blob.stat().st_size, usedforsecurity=False)
    with blob.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
