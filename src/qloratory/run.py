"""The run directory: where things are in it, how they are written, and what run.json says."""

import errno
import fcntl
import hashlib
import importlib.metadata
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch

from qloratory import __version__
from qloratory.config import Config
from qloratory.data import Row
from qloratory.errors import OutputError
from qloratory.model import Source

PACKAGES = ("torch", "transformers", "trl", "peft", "bitsandbytes", "accelerate", "datasets")


@dataclass(frozen=True)
class RunDirectory:
    """The files that a run leaves; each stage reads what earlier ones wrote here."""

    path: Path
    adapter_name: str

    @classmethod
    def of(cls, config: Config) -> "RunDirectory":
        return cls(config.train.output_dir, config.train.adapter_name)

    @property
    def adapter(self) -> Path:
        return self.path / self.adapter_name

    @property
    def merged_model(self) -> Path:
        return self.path / f"{self.adapter_name}-merged"

    @property
    def metrics(self) -> Path:
        return self.path / "metrics.jsonl"

    @property
    def inspection(self) -> Path:
        return self.path / "inspect.json"

    @property
    def evaluation(self) -> Path:
        return self.path / "evaluation.json"

    @property
    def rejected(self) -> Path:
        """The rows that data.on_bad_row=skip has set aside."""
        return self.path / "rejected.jsonl"

    @property
    def record(self) -> Path:
        return self.path / "run.json"

    @property
    def report(self) -> Path:
        return self.path / "report.html"

    def answers(self, which: str) -> Path:
        """baseline.jsonl, finetuned.jsonl or merged.jsonl."""
        return self.path / f"{which}.jsonl"

    def create(self, *, keep: bool) -> None:
        """Make the directory.

        Raises:
            OutputError: It cannot be made, or holds a run already and `keep` is false: nothing is overwritten.
        """
        if self.record.exists() and not keep:
            raise OutputError(
                f"{self.path} already holds a run; continue it with --resume, replace it with --overwrite, "
                "or choose another train.output_dir"
            )
        self.path.mkdir(parents=True, exist_ok=True)

    def clear(self) -> None:
        """Remove what runs leave here, and nothing else."""
        for folder in [*self.path.glob("checkpoint-*"), self.adapter, self.merged_model]:
            shutil.rmtree(folder, ignore_errors=True)
        for file in [self.metrics, self.inspection, self.evaluation, self.rejected, self.record, self.report]:
            file.unlink(missing_ok=True)
        for which in ("baseline", "finetuned", "merged"):
            self.answers(which).unlink(missing_ok=True)
        self.remove_leftovers()

    def remove_leftovers(self) -> None:
        """Remove what a process that was killed was just writing: names with a dot, of files that a run leaves."""
        names = [
            *self.path.glob(f".{self.adapter_name}-*"),
            *self.path.glob(".*.json*-*"),
            *self.path.glob(".*.html-*"),
        ]
        for path in names:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


class Lock:
    """One process at a time in a run directory. The kernel holds the lock, and frees it when the process ends."""

    descriptor: int | None = None

    def take(self, directory: Path) -> None:
        """Take it, or keep it. The directory itself is locked, so that no file is left behind.

        Raises:
            OutputError: Another process has it.
        """
        if self.descriptor is not None:
            return
        self.descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(self.descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno == errno.EWOULDBLOCK:
                self.release()
                raise OutputError(
                    f"{directory} is in use by another run; wait for its end, or choose another train.output_dir"
                ) from None
            print(f"{directory} cannot be locked ({error.strerror}): see to it that no second run uses it")

    def release(self) -> None:
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def write_atomically(path: Path, text: str) -> None:
    """Write a whole file or nothing: a reader, or a crash, never meets half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())  # else a rename can reach the disk before what it names
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_json(path: Path, content: dict[str, Any]) -> None:
    write_atomically(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def write_jsonl(path: Path, rows: Iterable[Row]) -> None:
    write_atomically(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def read_json(path: Path) -> dict[str, Any]:
    """A file of the run directory that an earlier stage left.

    Raises:
        OutputError: It is missing or broken.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise OutputError(f"{path} is missing; run the earlier stage first") from None
    except (OSError, ValueError) as error:
        raise OutputError(f"{path} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise OutputError(f"{path} does not hold a JSON object")
    return content


def update_record(run: RunDirectory, **facts: Any) -> None:
    """Add facts to run.json; a dict is merged into the one that is there."""
    record = read_json(run.record) if run.record.exists() else {}
    for name, fact in facts.items():
        both = isinstance(fact, dict) and isinstance(record.get(name), dict)
        record[name] = {**record[name], **fact} if both else fact
    write_json(run.record, record)


def describe_run(config: Config, source: Source) -> dict[str, Any]:
    """What a reader needs to repeat the run: settings, versions, machine, and hashes of data and model."""
    return {
        "command": command_line(),
        "commit": git_commit(),
        "config": config.model_dump(mode="json"),
        "versions": {
            "qloratory": __version__,
            "python": platform.python_version(),
            **{name: importlib.metadata.version(name) for name in PACKAGES},
        },
        "hardware": describe_hardware(),
        "data_sha256": {
            path.name: sha256(path)
            for path in (config.data.train_file, config.data.heldout_file, config.data.general_file)
            if path.is_file()
        },
        "model": {
            "name_or_path": config.model.name_or_path,
            "revision": config.model.revision,
            "sha256": {path.name: sha256(path) for path in sorted(Path(source.name_or_path).glob("*.safetensors"))},
        },
    }


def command_line() -> str:
    """The command that made the run; from a notebook or a program there is none to repeat."""
    program = Path(sys.argv[0]).name
    return " ".join(["qloratory", *sys.argv[1:]]) if program in ("qloratory", "cli.py") else f"from {program}"


def git_commit() -> str | None:
    """The commit of the code in use, with "+changes" where files differ from it; None outside a checkout."""
    here = Path(__file__).parent
    try:
        commit = ask_git(here, "rev-parse", "HEAD")
        changes = ask_git(here.parents[1], "status", "--porcelain", "--", "src", "configs", "data")
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit + ("+changes" if changes else "")


def ask_git(folder: Path, *arguments: str) -> str:
    """What git prints. It gets no more of the environment than it needs: there may be tokens in it."""
    needed = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(["git", *arguments], cwd=folder, env=needed, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def describe_hardware() -> dict[str, Any]:
    return {
        "cpu": cpu_name(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "system": f"{platform.system()} {platform.machine()}",
    }


def cpu_name() -> str:
    """The processor's name and its widest vector instructions, which decide the speed."""
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    return f"{name} ({torch.backends.cpu.get_cpu_capability()})"


def sha256(path: Path) -> str:
    about = path.stat()
    return sha256_of_version(path, (about.st_size, about.st_mtime_ns))


@lru_cache
def sha256_of_version(path: Path, _version: tuple[int, int]) -> str:
    """Cached, since a model's gigabytes are asked for more than once: for the record, and for its checkpoints."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def peak_memory_mib() -> dict[str, int]:
    """The most memory this process has held so far, in MiB."""
    peak = {"peak_rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024}
    if torch.cuda.is_available():
        peak["peak_gpu_mib"] = torch.cuda.max_memory_allocated() // 2**20
    return peak
