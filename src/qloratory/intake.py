"""Which rows come in: bad ones stop the run or are set aside, told and counted; repeats and leaks are found."""

import hashlib
import json
import shutil
import tempfile
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from qloratory.config import DataSection
from qloratory.data import FormattingFunc, Message, Row, check_values, format_row, parse_object, read_lines
from qloratory.errors import DataError, QloratoryError, TooLongError, one_line

RAW_CHARACTERS = 2000  # of a row that is set aside, in rejected.jsonl
FIRST_REASONS = 3  # a file's first rows that are set aside, in run.json
REASON_CHARACTERS = 300  # of each reason there
ROW_BYTES = 2048  # what Python's objects take for a row, beside its text


@dataclass
class Rejected:
    """Rows that were set aside: on disk beyond a MiB, since their number has no bound, until there is a run."""

    count: int = 0
    lines: IO[str] = field(
        default_factory=lambda: tempfile.SpooledTemporaryFile(2**20, "w+", encoding="utf-8")  # noqa: SIM115
    )


@dataclass
class Repeats:
    """Rows that an earlier one equals to the letter (`exact`), or only without case and spacing (`normalized`)."""

    exact: int = 0
    normalized: int = 0
    first: str | None = None  # its place

    @property
    def count(self) -> int:
        return self.exact + self.normalized


@dataclass
class TooLong:
    """Rows that were set aside for their length, all their tokens, and those of them beyond train.max_length."""

    rows: int = 0
    tokens: int = 0
    tokens_beyond: int = 0


@dataclass
class Intake:
    """The good rows of a file, and what was found in it.

    `rows` are as the file has them, and only where they are asked for; `shaped` are prompt and completion; `places`
    are file:line. `read` counts all rows, `set_aside` those that are skipped, repeats and too long ones among them;
    `first_reasons` are of the first of these, `line` and `reason` each.
    """

    source: Path
    rows: list[Row] = field(default_factory=list)
    shaped: list[Row] = field(default_factory=list)
    places: list[str] = field(default_factory=list)
    read: int = 0
    set_aside: int = 0
    first_reasons: list[dict[str, Any]] = field(default_factory=list)
    repeats: Repeats = field(default_factory=Repeats)
    too_long: TooLong = field(default_factory=TooLong)


@dataclass
class Bad:
    """How many rows of a file are bad, and the first one's place and reason."""

    count: int = 0
    first: tuple[str, QloratoryError] | None = None


@dataclass(frozen=True)
class Digest:
    """A conversation's hashes, to find it again: of its very text, and without case and spacing."""

    exact: bytes
    normal: bytes


def take_in(
    source: Path,
    formatting_func: FormattingFunc,
    section: DataSection,
    rejected: Rejected,
    *,
    keep_rows: bool = False,
    held_out: dict[bytes, tuple[str, Digest]] | None = None,
    check: Callable[[Row], None] | None = None,
) -> Intake:
    """Read, shape and check a file's rows, line by line.

    Args:
        source: JSONL.
        formatting_func: Makes prompt and completion of a row.
        section: Uses `on_bad_row` and `max_memory_mib`.
        rejected: Receives the bad rows where they are to be skipped.
        keep_rows: Keep the rows as the file has them, too.
        held_out: From `find_prompts`: rows that ask the same are bad.
        check: Raises a QloratoryError on a shaped row that is bad for another reason.

    Raises:
        QloratoryError: `strict`, and a row is bad: the first one's place and reason, and how many there are.
        DataError: No good row is there, or they take too much memory.
    """
    intake, bad, held_bytes = Intake(source), Bad(), 0
    seen: dict[bytes, tuple[str, Digest]] = {}
    for number, line in read_lines(source):
        intake.read, place = intake.read + 1, f"{source}:{number}"
        try:
            row, shaped = read_row(line, formatting_func)
            refuse_known(shaped["prompt"], held_out or {})
            if check is not None:
                check(shaped)
            note_repeat(intake, shaped, place, seen, refuse=section.on_bad_row == "skip")
        except QloratoryError as error:
            bad.count, bad.first = bad.count + 1, bad.first or (place, error)
            if section.on_bad_row == "skip":
                set_aside(rejected, intake, number, error, line)
            continue
        if bad.first is not None and section.on_bad_row == "strict":
            continue  # the run stops: the rest of the file is read to count the bad rows alone
        held_bytes += 4 * len(line) + ROW_BYTES  # a text takes up to four bytes a character
        if held_bytes > section.max_memory_mib * 2**20:
            raise DataError(
                f"{place}: the rows up to here take more than {section.max_memory_mib:,} MiB of memory; "
                "raise data.max_memory_mib, or train on a part of the file"
            )
        intake.shaped.append(shaped)
        intake.places.append(place)
        intake.rows += [row] if keep_rows else []
    conclude(intake, bad, section.on_bad_row)
    return intake


def read_row(line: bytes, formatting_func: FormattingFunc) -> tuple[Row, Row]:
    """A row as the line has it, and in chat form. Raises DataError with the reason, without the place."""
    row = parse_object(line)
    check_values(row)
    return row, format_row(row, formatting_func)


def conclude(intake: Intake, bad: Bad, on_bad_row: str) -> None:
    """Stop, or tell what was set aside and what is there twice."""
    if intake.read == 0:
        raise DataError(f"{intake.source} holds no rows; it needs at least one JSON object a line")
    if bad.first is not None:
        place, error = bad.first
        told = f"{bad.count:,} of {intake.read:,} rows {'is' if bad.count == 1 else 'are'} bad"
        if on_bad_row == "strict":
            hint = f"{told}; data.on_bad_row=skip sets bad rows aside"
            raise type(error)(f"{place}: {error}; {hint}") from error.__cause__
        if not intake.shaped:
            raise DataError(f"{place}: {error}; {told}, so nothing is left to use")
        print(f"Set aside: {told} in {intake.source}; the first is {place}: {error}")
    repeats = intake.repeats
    if repeats.count and on_bad_row == "strict":
        print(
            f"Warning: {repeats.count:,} of {intake.read:,} rows in {intake.source} repeat an earlier one, "
            f"{repeats.exact:,} to the letter; the first is {repeats.first}; data.on_bad_row=skip sets them aside"
        )


def refuse_known(prompt: list[Message], held_out: dict[bytes, tuple[str, Digest]]) -> None:
    """Raise DataError if the prompt is a held-out one: a score on it would show what was learnt by heart."""
    if not held_out:
        return
    digest = digest_of(without_system(prompt))
    if digest.normal in held_out:
        place, other = held_out[digest.normal]
        raise DataError(f"asks the same as the held-out row {place}, {likeness(digest, other)}")


def note_repeat(
    intake: Intake, shaped: Row, place: str, seen: dict[bytes, tuple[str, Digest]], *, refuse: bool
) -> None:
    """Remember the row; count one that an earlier row equals, and raise DataError if it is to be refused."""
    digest = digest_of([*shaped["prompt"], *shaped["completion"]])
    first, other = seen.setdefault(digest.normal, (place, digest))
    if first == place:
        return
    repeats, is_exact = intake.repeats, digest == other
    repeats.exact, repeats.normalized = repeats.exact + is_exact, repeats.normalized + (not is_exact)
    repeats.first = repeats.first or place
    if refuse:
        raise DataError(f"repeats {first}, {likeness(digest, other)}")


def likeness(one: Digest, other: Digest) -> str:
    return "to the letter" if one.exact == other.exact else "apart from case and spacing"


def find_prompts(intakes: list[Intake]) -> dict[bytes, tuple[str, Digest]]:
    """Where each prompt stands, by its digest without case and spacing; system messages left out."""
    found: dict[bytes, tuple[str, Digest]] = {}
    for intake in intakes:
        for place, row in zip(intake.places, intake.shaped, strict=True):
            digest = digest_of(without_system(row["prompt"]))
            found.setdefault(digest.normal, (place, digest))
    return found


def without_system(messages: list[Message]) -> list[Message]:
    return [message for message in messages if message["role"] != "system"]


def digest_of(messages: list[Message]) -> Digest:
    exact, normal = hashlib.blake2b(digest_size=16), hashlib.blake2b(digest_size=16)
    for message in messages:
        words = unicodedata.normalize("NFKC", message["content"]).casefold().split()
        exact.update(json.dumps([message["role"], message["content"]]).encode())
        normal.update(json.dumps([message["role"], " ".join(words)]).encode())
    return Digest(exact.digest(), normal.digest())


def set_aside(rejected: Rejected, intake: Intake, number: int, error: QloratoryError, line: bytes) -> None:
    raw = line[: 4 * RAW_CHARACTERS].decode("utf-8", errors="backslashreplace").rstrip("\r\n")[:RAW_CHARACTERS]
    fields = {"file": str(intake.source), "line": number, "reason": str(error), "raw": raw}
    rejected.lines.write(json.dumps(fields) + "\n")
    rejected.count += 1
    intake.set_aside += 1
    if len(intake.first_reasons) < FIRST_REASONS:
        intake.first_reasons.append({"line": number, "reason": one_line(error)[:REASON_CHARACTERS]})
    if isinstance(error, TooLongError):
        intake.too_long.rows += 1
        intake.too_long.tokens += error.tokens
        intake.too_long.tokens_beyond += error.beyond


def describe_intake(intake: Intake) -> dict[str, Any]:
    """What was found in a file, for run.json."""
    return {
        "file": str(intake.source),
        "rows_read": intake.read,
        "rows_set_aside": intake.set_aside,
        "repeats": {"exact": intake.repeats.exact, "normalized": intake.repeats.normalized},
        "first_reasons": intake.first_reasons,
    }


def save_rejected(rejected: Rejected, path: Path) -> None:
    """Write what was set aside, whole or not at all; where nothing was, no file stays from an earlier run."""
    if not rejected.count:
        path.unlink(missing_ok=True)
        return
    rejected.lines.seek(0)
    work = path.with_name(f".{path.name}")
    with work.open("w", encoding="utf-8") as file:
        shutil.copyfileobj(rejected.lines, file)
    work.replace(path)
    rejected.lines.seek(0, 2)
    print(f"{rejected.count:,} rows that were set aside are in {path}, with the reasons")
