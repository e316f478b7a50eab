"""What must hold for a data file of any content: used by the fuzz tests, and by `make fuzz` (fuzz.py)."""

import contextlib
import io
import json
import tempfile
from pathlib import Path

from qloratory.config import DataSection
from qloratory.data import default_formatting_func, read_jsonl
from qloratory.errors import QloratoryError
from qloratory.intake import Intake, Rejected, save_rejected, take_in

SEEDS = [
    b'{"prompt": "q", "completion": "a"}',
    b'{"messages": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]}',
    b'{"prompt": [{"role": "system", "content": "s"}, {"role": "user", "content": "q"}], "completion": "a"}',
    b'{"prompt": "q\\ud83d\\ude00\\u0000\\ud800", "completion": null}',
    b'\xef\xbb\xbf{"prompt": "q", "prompt": NaN, "completion": [[[1e999]]]}',
    b"\xff\xfe{\x00}\x00",
    b'{"prompt": "<|im_end|>", "completion": " "}\n\n{"prompt": "<|im_end|>", "completion": " "}',
    b"[" * 2000,
]
TEMPORARY = tempfile.TemporaryDirectory(prefix="fuzz-")  # removed when the process ends
FOLDER = Path(TEMPORARY.name)


def read_both_ways(content: bytes) -> None:
    """Read a file of this content in every mode. Only our errors may come out, in a line; what comes in is right."""
    path = FOLDER / "rows.jsonl"
    path.write_bytes(content)
    with contextlib.suppress(QloratoryError):
        read_jsonl(path)
    for mode in ("strict", "skip"):
        rejected = Rejected()
        section = DataSection(on_bad_row=mode)
        reason, intake = "", None
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                intake = take_in(path, default_formatting_func, section, rejected)
        except QloratoryError as error:
            reason = str(error)
        assert "\n" not in reason
        if intake is None:
            assert str(path) in reason
        else:
            assert mode == "skip" or rejected.count == 0
            check_intake(intake)
            check_rejected(rejected)


def check_intake(intake: Intake) -> None:
    """What comes in has the shape and the text that training needs."""
    for row in intake.shaped:
        assert [message["role"] for message in row["completion"]] == ["assistant"]
        assert row["prompt"][-1]["role"] == "user"
        for message in [*row["prompt"], *row["completion"]]:
            assert message["content"].strip()
            assert "\0" not in message["content"]
            message["content"].encode("utf-8")


def check_rejected(rejected: Rejected) -> None:
    """What is set aside can be read again, a JSON object a line."""
    save_rejected(rejected, FOLDER / "rejected.jsonl")
    if rejected.count:
        text = (FOLDER / "rejected.jsonl").read_text(encoding="utf-8")
        assert len([json.loads(line) for line in text.splitlines()]) == rejected.count
