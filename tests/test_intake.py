"""Bad rows stop the run or are set aside, told and counted; no file is too large to be refused in a sentence."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from transformers import AutoTokenizer

from conftest import read_rows, tiny_settings, write_recipe, write_rows
from qloratory.cli import main
from qloratory.config import DataSection
from qloratory.data import MAX_LINE_BYTES, default_formatting_func
from qloratory.errors import DataError
from qloratory.intake import Intake, Rejected, describe_intake, find_prompts, save_rejected, take_in
from qloratory.labels import check_fits

GOOD = b'{"prompt": "q", "completion": "a"}'
MIB = 2**20


def row(prompt: object = "q", completion: object = "a", **others: object) -> bytes:
    return json.dumps({"prompt": prompt, "completion": completion, **others}).encode()


def message(role: object, content: object = "x") -> dict[str, object]:
    return {"role": role, "content": content}


def chat(*roles: object) -> bytes:
    return json.dumps({"messages": [message(role) for role in roles]}).encode()


BAD_ROWS = {
    "malformed JSON": (b'{"prompt": "q", "completion"', r"not JSON \(Expecting"),
    "two objects in a line": (GOOD + GOOD, r"not JSON \(Extra data"),
    "a list": (b'["q", "a"]', "a JSON object is needed, this is a list"),
    "null": (b"null", "a JSON object is needed, this is a NoneType"),
    "Latin-1": ('{"prompt": "é", "completion": "a"}'.encode("latin-1"), r"not UTF-8 text at byte 13 \(0xe9\)"),
    "an encoded surrogate": (b'{"prompt": "\xed\xa0\x80", "completion": "a"}', r"not UTF-8 text at byte 13 \(0xed\)"),
    "a byte-order mark within the file": (b"\xef\xbb\xbf" + GOOD, r"not JSON \(Unexpected UTF-8 BOM"),
    "UTF-16 without a mark": (GOOD.decode().encode("utf-16-be"), "not JSON"),
    "a raw NUL": (b'{"prompt": "q\0", "completion": "a"}', r"not JSON \(Invalid control character"),
    "an escaped NUL": (row("q\0"), "a NUL stands in a text, at character 2"),
    "a NUL in a name": (row(**{"x\0": 1}), "a NUL stands in a text"),
    "half a surrogate pair": (b'{"prompt": "\\ud800", "completion": "a"}', r"half a surrogate pair \(\\ud800\)"),
    "the other half": (b'{"prompt": "q", "completion": "a\\udc00"}', r"half a surrogate pair \(\\udc00\).*character 2"),
    "a number as prompt": (row(3), "prompt must be a text or a list of messages, this is 3"),
    "an object as completion": (row("q", {"a": 1}), "completion must be a text or a list of messages"),
    "messages as text": (b'{"messages": "qa"}', "messages must be a list of two or more, this is 'qa'"),
    "one message": (chat("assistant"), "messages must be a list of two or more"),
    "messages of texts": (b'{"messages": ["q", "a"]}', "a message needs a role"),
    "a content that is no text": (row([message("user", ["x"])]), "a message needs a role .* and a text as its content"),
    "an unknown role": (chat("human", "assistant"), "prompt: a message needs a role"),
    "a role that is no text": (chat(["user"], "assistant"), "prompt: a message needs a role"),
    "an assistant first": (chat("assistant", "user", "assistant"), "user last; it has assistant, user"),
    "two users in a row": (chat("user", "user", "assistant"), "in turns, user last; it has user, user"),
    "a system message later on": (chat("user", "system", "user", "assistant"), "system first if at all"),
    "only a system message": (chat("system", "assistant"), "user last; it has system"),
    "no answer at the end": (chat("user", "assistant", "user"), "the completion must be one assistant message"),
    "an empty answer": (row("q", ""), "completion is empty"),
    "an answer of spaces": (row("q", " \n\t\u00a0"), "completion is empty"),
    "no answer": (row("q", None), "completion must be a text or a list of messages, this is None"),
    "a missing answer": (b'{"prompt": "q"}', "the field 'completion' is missing"),
    "a giant row": (row("x" * MAX_LINE_BYTES), "longer than 1,048,576 bytes"),
    "a key twice": (b'{"prompt": "q", "completion": "a", "prompt": "r"}', "the key 'prompt' stands twice"),
    "a key twice within": (b'{"prompt": [{"role": "user", "role": "user"}]}', "the key 'role' stands twice"),
    "NaN": (b'{"prompt": "q", "completion": "a", "x": NaN}', "the number nan is none in JSON"),
    "-Infinity": (b'{"prompt": "q", "completion": "a", "x": [-Infinity]}', "the number -inf is none in JSON"),
    "a float that overflows": (b'{"prompt": "q", "completion": "a", "x": 1e999}', "the number inf .* too large"),
    "an endless integer": (b'{"prompt": "q", "x": ' + b"9" * 5000 + b"}", r"not JSON \(Exceeds the limit"),
    "nesting without end": (b'{"x": ' + b"[" * 100_000, "not JSON"),
    "nesting beyond reason": (b'{"x": ' + b"[" * 40 + b"]" * 40 + b"}", "nested more than 32 deep"),
}


def take(content: bytes, folder: Path, mode: str = "strict", **arguments: Any) -> tuple[Intake, list[dict[str, Any]]]:
    """What comes in of a file with this content, and what is set aside."""
    path = folder / "rows.jsonl"
    path.write_bytes(content)
    rejected = Rejected()
    section = DataSection(on_bad_row=mode)
    intake = take_in(path, default_formatting_func, section, rejected, **arguments)
    save_rejected(rejected, folder / "rejected.jsonl")
    return intake, read_rows(folder / "rejected.jsonl") if rejected.count else []


@pytest.mark.promise("A bad row stops the run: one line with the file, the line, the reason and how many are bad.")
@pytest.mark.parametrize("name", BAD_ROWS)
def test_strict_stops_with_file_line_reason_and_count(name: str, tmp_path: Path) -> None:
    bad, reason = BAD_ROWS[name]
    with pytest.raises(DataError, match=rf"rows\.jsonl:3: .*{reason}.*; 2 of 4 rows are bad; data\.on_bad") as error:
        take(b"\n".join([row("other"), b"", bad, bad, GOOD]), tmp_path)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600


@pytest.mark.promise("With data.on_bad_row=skip a bad row goes into rejected.jsonl with file, line, reason and text.")
@pytest.mark.parametrize("name", BAD_ROWS)
def test_skip_sets_aside_and_tells(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad, _ = BAD_ROWS[name]
    intake, rejected = take(b"\n".join([row("other"), b"", bad, GOOD]), tmp_path, "skip")
    assert [shaped["prompt"][0]["content"] for shaped in intake.shaped] == ["other", "q"]
    assert [place.rpartition(":")[2] for place in intake.places] == ["1", "4"]
    assert [(entry["file"], entry["line"]) for entry in rejected] == [(str(tmp_path / "rows.jsonl"), 3)]
    assert rejected[0]["raw"] == bad.decode("utf-8", errors="backslashreplace")[:2000]
    assert rejected[0]["reason"] in capsys.readouterr().out


def test_skip_refuses_when_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"rows\.jsonl:1: not JSON.*2 of 2 rows are bad, so nothing is left"):
        take(b"{\n{\n", tmp_path, "skip")
    with pytest.raises(DataError, match="holds no rows"):
        take(b"\n", tmp_path, "skip")


@pytest.mark.promise("A UTF-8 byte-order mark is accepted; UTF-16 and UTF-32 files are named as such.")
def test_byte_order_marks(tmp_path: Path) -> None:
    assert len(take(b"\xef\xbb\xbf" + GOOD, tmp_path)[0].shaped) == 1
    for encoding in ("utf-16", "utf-32"):
        for mode in ("strict", "skip"):
            with pytest.raises(DataError, match="is UTF-16 or UTF-32 text by its byte-order mark"):
                take(GOOD.decode().encode(encoding), tmp_path, mode)


def findings_of(intake: Intake) -> tuple[Any, ...]:
    """What run.json tells of a file, but for its name."""
    told = describe_intake(intake)
    assert told.pop("file") == str(intake.source)
    assert set(told) == {"rows_read", "rows_set_aside", "repeats", "first_reasons"}
    return told["rows_read"], told["rows_set_aside"], told["repeats"], told["first_reasons"]


def test_the_first_reasons_are_few_and_short(tmp_path: Path) -> None:
    """A row of the user's own form fails with what it likes, in lines, and with the whole row."""

    def fails(row: dict[str, Any]) -> dict[str, Any]:
        if "bad" in row:
            raise DataError("<b>no\n  good</b> " + row["bad"])
        return default_formatting_func(row)

    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\n".join([GOOD, *[json.dumps({"bad": "x" * 5000}).encode()] * 5]))
    intake = take_in(path, fails, DataSection(on_bad_row="skip"), Rejected())
    read, set_aside, _, reasons = findings_of(intake)
    assert (read, set_aside) == (6, 5)
    assert [first["line"] for first in reasons] == [2, 3, 4]
    assert {first["reason"][:20] for first in reasons} == {"<b>no good</b> xxxxx"}
    assert {len(first["reason"]) for first in reasons} == {300}


REPEATS = [row("Add 2.", "x"), row("other"), row("Add 2.", "x"), row("add  2.\n", "X"), row("Add 2.", "y")]


@pytest.mark.promise("Rows that repeat an earlier one, exactly or but for case and spacing, are told or set aside.")
def test_repeats_are_told_or_set_aside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    intake, _ = take(b"\n".join(REPEATS), tmp_path)
    assert len(intake.shaped) == 5
    assert findings_of(intake) == (5, 0, {"exact": 1, "normalized": 1}, [])
    told = capsys.readouterr().out
    assert "2 of 5 rows" in told
    assert "repeat an earlier one, 1 to the letter; the first is" in told
    assert "rows.jsonl:3" in told
    intake, rejected = take(b"\n".join(REPEATS), tmp_path, "skip")
    assert len(intake.shaped) == 3  # another answer to the same question is no repeat
    assert findings_of(intake)[:3] == (5, 2, {"exact": 1, "normalized": 1})
    assert [first["line"] for first in findings_of(intake)[3]] == [3, 4]
    path = tmp_path / "rows.jsonl"
    assert [entry["reason"] for entry in rejected] == [
        f"repeats {path}:1, to the letter", f"repeats {path}:1, apart from case and spacing",
    ]  # fmt: skip


@pytest.mark.promise("A training row that asks what a held-out row asks is refused, or set aside.")
@pytest.mark.parametrize(
    ("prompt", "how"),
    [
        ("Sort a list.", "to the letter"),
        (" sort A\nlist.", "apart from case and spacing"),
        ("Ｓort a list.", "apart from case and spacing"),
        ([message("system", "Be brief."), message("user", "Sort a list.")], "to the letter"),
    ],
)
def test_a_held_out_prompt_in_the_training_file(prompt: object, how: str, tmp_path: Path) -> None:
    (tmp_path / "heldout").mkdir()
    heldout, _ = take(row("Sort a list.", "its answer"), tmp_path / "heldout")
    content = row("other") + b"\n" + row(prompt, "another answer")
    reason = rf"asks the same as the held-out row .*heldout/rows\.jsonl:1, {how}"
    with pytest.raises(DataError, match=rf"rows\.jsonl:2: {reason}; 1 of 2 rows is bad"):
        take(content, tmp_path, held_out=find_prompts([heldout]))
    intake, rejected = take(content, tmp_path, "skip", held_out=find_prompts([heldout]))
    assert len(intake.shaped) == len(rejected) == 1


@pytest.mark.parametrize("kind", ["folder", "pipe", "device", "a NUL in the name"])
def test_what_is_no_regular_file_is_refused(kind: str, tmp_path: Path) -> None:
    path = {"device": Path("/dev/zero"), "folder": tmp_path, "a NUL in the name": Path("a\0b")}.get(kind)
    if path is None:
        os.mkfifo(path := tmp_path / "pipe")
    with pytest.raises(DataError, match="cannot be read .*; see data|cannot be the name of a file"):
        take_in(path, default_formatting_func, DataSection(), Rejected())


CHILD = """
import resource, sys
from pathlib import Path
from qloratory.config import DataSection
from qloratory.data import default_formatting_func
from qloratory.errors import DataError
from qloratory.intake import Rejected, take_in

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024

before = peak()
held = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (held + 128 * 2**20, held + 128 * 2**20))
rejected = Rejected()
try:
    section = DataSection(on_bad_row=sys.argv[2], max_memory_mib=int(sys.argv[3]))
    print(len(take_in(Path(sys.argv[1]), default_formatting_func, section, rejected).shaped), rejected.count)
except DataError as error:
    print(error)
print(peak() - before)
"""


def take_in_little_memory(path: Path, mode: str, max_memory_mib: int) -> tuple[list[str], int]:
    """What a child with 128 MiB more than it starts with prints, and by how many MiB its peak grew."""
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(path), mode, str(max_memory_mib)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    *lines, grown = done.stdout.splitlines()
    return lines, int(grown)


@pytest.mark.promise("A row of a gigabyte is set aside without being loaded: 128 MiB of memory are enough.")
def test_a_giant_row_is_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with path.open("wb") as file:
        file.write(GOOD + b"\n")
        file.truncate(1024 * MIB)  # a hole: a row of NULs
        file.seek(0, 2)
        file.write(b"\n" + row("other"))
    lines, grown = take_in_little_memory(path, "skip", 2048)
    assert "1 of 3 rows is bad" in lines[0]
    assert "rows.jsonl:2: longer than 1,048,576 bytes" in lines[0]
    assert lines[1:] == ["2 1"]
    assert grown < 32


@pytest.mark.promise("A file with more bad rows than memory could hold is read to its end, and they are counted.")
@pytest.mark.parametrize("mode", ["strict", "skip"])
def test_bad_rows_without_number_take_no_memory(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(GOOD + b"\n" + (b'{"prompt": ' + b"x" * 9000 + b"\n") * 30_000)  # 270 MB
    lines, grown = take_in_little_memory(path, mode, 2048)
    assert "30,000 of 30,001 rows are bad" in lines[0]
    assert grown < 32


@pytest.mark.promise("A file with more good rows than data.max_memory_mib allows is refused with the line.")
def test_too_many_good_rows_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    with path.open("wb") as file:
        for number in range(300):
            file.write(row(f"{number}" + "x" * (MIB * 9 // 10)) + b"\n")  # 270 MB
    lines, grown = take_in_little_memory(path, "strict", 40)
    assert "the rows up to here take more than 40 MiB of memory; raise data.max_memory_mib" in lines[0]
    assert grown < 72


def recipe_with(rows: list[dict[str, Any]], model: Path, folder: Path) -> str:
    settings = tiny_settings(model, folder)
    settings["data"]["train_file"] = str(write_rows(folder / "train.jsonl", rows))
    return str(write_recipe(folder, settings))


@pytest.mark.promise("Nothing is cut silently: rows beyond max_length are told with their tokens, or set aside.")
def test_rows_that_are_too_long(tiny_qwen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [*read_rows(Path(tiny_settings(tiny_qwen, tmp_path)["data"]["train_file"]))[:4]]
    rows[1] |= {"completion": "x = 1\n" * 400}
    recipe = recipe_with(rows, tiny_qwen, tmp_path)
    assert main(["train", recipe]) == 7
    told = capsys.readouterr().err
    assert "1 of 4 rows are longer than train.max_length=1024 tokens (the first is " in told
    assert "train.jsonl:2, the longest has " in told
    assert "tokens, the end token of each among them" in told
    assert not (tmp_path / "run").exists()
    assert main(["train", recipe, "data.on_bad_row=skip", "train.max_steps=1"]) == 0
    entry = read_rows(tmp_path / "run" / "rejected.jsonl")[0]
    assert (entry["line"], entry["raw"]) == (2, json.dumps(rows[1])[:2000])
    tokens = int(entry["reason"].split()[1])
    assert entry["reason"].startswith(
        f"has {tokens} tokens, {tokens - 1024} more than train.max_length=1024; cut there"
    )
    assert json.loads((tmp_path / "run" / "run.json").read_text())["rejected_rows"] == 1


@pytest.mark.promise(
    "run.json and the report tell of each data file what was read, set aside, repeated or too long, and why."
)
def test_the_record_and_the_report_tell_what_was_found(tiny_qwen: Path, tmp_path: Path) -> None:
    settings = tiny_settings(tiny_qwen, tmp_path)
    good = [row(f"Add {number}.", "x") for number in range(4)]
    bad = [b"<script>alert(1)</script>", row("<script>alert(2)</script>", {"<b>": 1})]
    repeats = [good[0], good[1], row("ADD  2.", "x")]
    too_long = [row("q", "x = 1\n" * 400)]
    for name, rows in {"train": [*good, *bad, *repeats, *too_long], "heldout": [row("Subtract."), *bad[:1]]}.items():
        settings["data"][f"{name}_file"] = str(tmp_path / f"{name}.jsonl")
        (tmp_path / f"{name}.jsonl").write_bytes(b"\n".join(rows))
    recipe = str(write_recipe(tmp_path, settings))
    assert main(["train", recipe, "data.on_bad_row=skip", "train.max_steps=1"]) == 0
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    found = record["data"]
    assert {name: (told["rows_read"], told["rows_set_aside"]) for name, told in found.items()} == {
        "train": (10, 6), "heldout": (2, 1), "general": (46, 0),
    }  # fmt: skip
    assert found["train"]["repeats"] == {"exact": 2, "normalized": 1}
    reasons = found["train"]["first_reasons"]
    rejected = read_rows(tmp_path / "run" / "rejected.jsonl")
    assert (
        reasons
        == [
            {"line": entry["line"], "reason": entry["reason"]}
            for entry in rejected
            if entry["file"] == found["train"]["file"]
        ][:3]
    )
    tokens = int(rejected[-1]["reason"].split()[1])
    assert found["train"]["over_max_length"] == {"rows": 1, "tokens": tokens, "tokens_beyond": tokens - 1024}
    assert all("over_max_length" not in found[name] for name in ("heldout", "general"))  # no limit holds for them
    assert record["training"]["rows"] == record["training"]["end_tokens"] == 4
    assert main(["report", recipe]) == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert "Set aside: 7 of 58 rows. Each is in rejected.jsonl" in page
    assert f"{tmp_path}/train.jsonl:6" in page
    assert "&lt;b&gt;" in page
    assert "<b>&#39;" not in page
    assert "<script" not in page


def test_what_generate_reads_first_is_recorded_too(
    tiny_qwen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tiny_settings(tiny_qwen, tmp_path)
    settings["data"]["heldout_file"] = str(tmp_path / "heldout.jsonl")
    (tmp_path / "heldout.jsonl").write_bytes(row("Subtract.") + b"\n{")
    recipe = str(write_recipe(tmp_path, settings))
    assert main(["generate", recipe, "--baseline"]) == 3
    assert "heldout.jsonl:2: not JSON" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert main(["generate", recipe, "--baseline", "data.on_bad_row=skip"]) == 0
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (record["data"]["heldout"]["rows_set_aside"], record["rejected_rows"]) == (1, 1)
    assert set(record["data"]) == {"heldout", "general"}
    assert len(read_rows(tmp_path / "run" / "rejected.jsonl")) == 1


def test_rows_that_the_template_cannot_take_are_set_aside(tiny_qwen: Path, tmp_path: Path) -> None:
    """Some templates refuse a system message; then these rows alone are bad."""
    tokenizer = AutoTokenizer.from_pretrained(tiny_qwen)
    refusal = "{% if messages[0].role == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    tokenizer.chat_template = refusal + str(tokenizer.chat_template)
    content = b"\n".join([GOOD, chat("system", "user", "assistant")])
    intake, rejected = take(content, tmp_path, "skip", check=lambda shaped: check_fits(shaped, tokenizer, 512))
    assert [len(intake.shaped), len(rejected)] == [1, 1]
    assert rejected[0]["reason"] == "the model's chat template fails on a conversation: no system"


def test_a_leak_stops_a_run_before_anything_is_written(
    tiny_qwen: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = tiny_settings(tiny_qwen, tmp_path)
    leak = read_rows(Path(settings["data"]["heldout_file"]))[4]
    recipe = recipe_with([{"prompt": "q", "completion": "a"}, leak], tiny_qwen, tmp_path)
    assert main(["run", recipe]) == 3
    assert "train.jsonl:2: asks the same as the held-out row" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_overwriting_removes_an_old_rejected_file(tmp_path: Path) -> None:
    (tmp_path / "rejected.jsonl").write_text("old")
    save_rejected(Rejected(), tmp_path / "rejected.jsonl")
    assert not (tmp_path / "rejected.jsonl").exists()
