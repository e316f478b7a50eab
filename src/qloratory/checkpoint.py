"""Checkpoints that are whole or not there: written beside their place, synced, hashed, renamed; verified when read.

A checkpoint holds JSON and safetensors, which carry no code. Nothing is unpickled, and no file is opened that the
manifest does not name and this module does not know.
"""

import hashlib
import json
import os
import re
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qloratory.errors import OutputError, one_line

ADAPTER = "adapter_model.safetensors"
ADAPTER_CONFIG = "adapter_config.json"
OPTIMIZER = "optimizer.safetensors"
STATE = "state.json"
RNG = "rng_state.json"
TRAINER = "trainer_state.json"
FILES = (ADAPTER, ADAPTER_CONFIG, OPTIMIZER, STATE, RNG, TRAINER)
MANIFEST = "manifest.json"
LARGEST_MANIFEST = 2**20  # bytes; a larger one is none of ours
SPARE = 2**16  # bytes beside the files' own: the manifest and the directory
MIB = 2**20


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint as read: every file's bytes are those that the manifest has the hash of.

    `facts` are what must be the same in a run that goes on from here (resume.py).
    """

    step: int
    files: dict[str, bytes]
    facts: dict[str, Any]

    def json(self, name: str) -> Any:
        return json.loads(self.files[name])


def write_checkpoint(output_dir: Path, step: int, files: dict[str, bytes], facts: dict[str, Any], keep: int) -> Path:
    """Write checkpoint-N; then, once it has been read back whole, remove older ones until `keep` are left.

    Killed at any moment, it leaves the checkpoints before it as they were, and perhaps a folder with a dot's name,
    which `remove_leftovers` knows.

    Raises:
        OutputError: The disk is full or closed, or gives back other bytes. The checkpoints before are untouched.
    """
    target, work = output_dir / f"checkpoint-{step}", output_dir / f".checkpoint-{step}.saving"
    with writing(target, output_dir):
        ensure_space(output_dir, sum(map(len, files.values())))
        remove_leftovers(output_dir)
        work.mkdir()
        try:
            for name in FILES:
                write_synced(work / name, files[name])
            write_synced(work / MANIFEST, manifest_of(step, files, facts))  # last: with it, all is there
            sync_directory(work)
            put_in_place(work, target)
        except BaseException:
            shutil.rmtree(work, ignore_errors=True)
            raise
        problem = damage(target)
        if problem is not None:
            raise OutputError(f"{target} was written, but the disk gives back something else ({problem})")
        rotate(output_dir, step, keep)
    return target


def newest_good_checkpoint(output_dir: Path) -> Path | None:
    """The checkpoint with the most steps that is whole; damaged ones are named and skipped."""
    for checkpoint, problem in judged(output_dir):
        if problem is None:
            return checkpoint
        print(f"{checkpoint} is damaged ({problem}); looking for an older one")
    return None


def judged(output_dir: Path) -> Iterator[tuple[Path, str | None]]:
    """Each checkpoint, newest first, with what is wrong with it."""
    for checkpoint in reversed(checkpoints_in(output_dir)):
        yield checkpoint, damage(checkpoint)


def checkpoints_in(output_dir: Path) -> list[Path]:
    """All checkpoint-N, by N; whether they are whole is another question."""
    return sorted((path for path in output_dir.glob("checkpoint-*") if steps_of(path) >= 0), key=steps_of)


def steps_of(checkpoint: Path) -> int:
    """The number in checkpoint-N, or -1."""
    match = re.fullmatch(r"checkpoint-(\d+)", checkpoint.name, re.ASCII)
    return int(match[1]) if match else -1


def damage(checkpoint: Path) -> str | None:
    """What is wrong with a checkpoint, or None. Reads every byte of it."""
    try:
        read_checkpoint(checkpoint)
    except ValueError as error:
        return str(error)
    return None


def read_checkpoint(checkpoint: Path) -> Checkpoint:
    """The checkpoint's content, verified.

    Raises:
        ValueError: It is not whole; the text says why.
    """
    manifest = read_manifest(checkpoint)
    content = {name: read_verified(checkpoint / name, manifest["files"][name]) for name in FILES}
    if manifest["step"] != steps_of(checkpoint):
        raise ValueError(f"it is of step {manifest['step']}")
    return Checkpoint(manifest["step"], content, manifest["facts"])


def read_manifest(checkpoint: Path) -> dict[str, Any]:
    """The manifest, in which every known file, and no other, has its size and hash.

    Raises:
        ValueError: It is missing, broken, or names something else.
    """
    try:
        manifest = json.loads(read_regular(checkpoint / MANIFEST, LARGEST_MANIFEST))
    except (ValueError, RecursionError) as error:
        raise ValueError(one_line(error)) from None
    if not isinstance(manifest, dict) or not isinstance(manifest.get("files"), dict):
        raise ValueError(f"{MANIFEST} names no files")
    unknown = sorted(set(manifest["files"]) - set(FILES))
    if unknown:
        raise ValueError(f"{MANIFEST} names {unknown[0]!r}, which is no file of a checkpoint")
    missing = [name for name in FILES if not is_entry(manifest["files"].get(name))]
    if missing or not isinstance(manifest.get("facts"), dict) or type(manifest.get("step")) is not int:
        raise ValueError(f"{MANIFEST} is incomplete")
    return manifest


def is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and type(entry.get("size")) is int and isinstance(entry.get("sha256"), str)


def read_verified(path: Path, entry: dict[str, Any]) -> bytes:
    content = read_regular(path, entry["size"])
    if len(content) != entry["size"]:
        raise ValueError(f"{path.name} has another size than when it was written")
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise ValueError(f"{path.name} has another content than when it was written")
    return content


def read_regular(path: Path, most: int) -> bytes:
    """A file's bytes; a link, a pipe or a file that is too large is not followed, waited for or read.

    Raises:
        ValueError: There is no such file, or it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode):
                raise ValueError(f"{path.name} is not a plain file")
            if about.st_size > most:
                raise ValueError(f"{path.name} is larger than when it was written")
            return file.read(most + 1)
    except FileNotFoundError:
        raise ValueError(f"{path.name} is missing") from None
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror}") from None


def manifest_of(step: int, files: dict[str, bytes], facts: dict[str, Any]) -> bytes:
    entries = {name: {"size": len(files[name]), "sha256": hashlib.sha256(files[name]).hexdigest()} for name in FILES}
    return (json.dumps({"step": step, "facts": facts, "files": entries}, indent=1) + "\n").encode()


def write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync_directory(folder: Path) -> None:
    """Let the names in a folder, which are not part of its files, reach the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def put_in_place(work: Path, target: Path) -> None:
    """Rename a finished folder; what has its name is a damaged checkpoint that a resumed run has come to again."""
    if target.exists() or target.is_symlink():
        set_aside(target)
    work.rename(target)
    sync_directory(target.parent)


def set_aside(checkpoint: Path) -> None:
    """Remove a checkpoint: first its name, in one stroke, so that half of it is never taken for one."""
    if checkpoint.is_symlink() or not checkpoint.is_dir():
        checkpoint.unlink()
        return
    aside = checkpoint.with_name(f".{checkpoint.name}.removing")
    shutil.rmtree(aside, ignore_errors=True)
    checkpoint.rename(aside)
    shutil.rmtree(aside)


def rotate(output_dir: Path, newest: int, keep: int) -> None:
    """Remove checkpoints until `keep` are left, never the one just written.

    Those with more steps go first: a run goes on from the newest good one, so they were damaged when it began.
    """
    others = [checkpoint for checkpoint in checkpoints_in(output_dir) if steps_of(checkpoint) != newest]
    others.sort(key=lambda checkpoint: (steps_of(checkpoint) < newest, steps_of(checkpoint)))
    for checkpoint in others[: max(0, len(others) + 1 - keep)]:
        set_aside(checkpoint)


def remove_leftovers(output_dir: Path) -> None:
    """Remove what interrupted saves and rotations have left. The caller holds the run directory's lock."""
    for folder in output_dir.glob(".checkpoint-*"):
        shutil.rmtree(folder, ignore_errors=True)


def ensure_space(output_dir: Path, size: int) -> None:
    """Refuse to begin what cannot be ended.

    Raises:
        OutputError: `size` bytes do not fit.
    """
    free = shutil.disk_usage(output_dir).free
    if free < size + SPARE:
        raise OutputError(f"{output_dir} has {free / MIB:.1f} MiB free and a checkpoint needs {size / MIB:.1f} MiB")


@contextmanager
def writing(what: Path, output_dir: Path) -> Iterator[None]:
    """Turn a problem of the disk into one sentence that also says where the run can go on.

    Raises:
        OutputError: Something in the block could not be written.
    """
    try:
        yield
    except (OSError, OutputError) as error:
        reason = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        last = next((checkpoint.name for checkpoint, problem in judged(output_dir) if problem is None), None)
        hope = f"the last good checkpoint is {last}" if last else "there is no checkpoint yet"
        raise OutputError(f"{what} could not be written: {reason}; {hope}; mend that and go on with --resume") from None
