"""Build data/train.jsonl and data/heldout.jsonl from the tasks in data/source/.

A task in a source file is a comment header and the function that answers it:

    # prompt: Write a Python function named count_vowels that counts the vowels in a text.
    # test: count_vowels("hello") == 2
    # raises ValueError: count_vowels("")
    def count_vowels(text: str) -> int:
        ...

A prompt may go on over several `# prompt:` lines, which are joined by a newline. Files that end in
`_heldout.py` make the held-out set. Run `python data/build.py`; `python data/build.py --check` fails
when the committed files differ from what the sources give.
"""

import ast
import json
import re
import sys
from pathlib import Path

DATA = Path(__file__).parent
HEADER = re.compile(r"# (?P<key>prompt|test|raises \w+): (?P<value>.+)")


def build(source: Path) -> list[dict]:
    """The rows of one source file: id, prompt, completion, entry_point, tests."""
    rows: list[dict] = []
    in_header = False
    for number, line in enumerate(source.read_text(encoding="utf-8").splitlines(), start=1):
        header = HEADER.fullmatch(line)
        if header and not in_header:
            rows.append({"prompt": [], "code": [], "tests": []})
        in_header = bool(header)
        if header:
            add_header_line(rows[-1], header["key"], header["value"])
        elif rows:
            rows[-1]["code"].append(line)
        elif line.strip() and not line.startswith("#"):
            sys.exit(f"{source}:{number}: code before the first '# prompt:' line")
    return [finish(row, source, number) for number, row in enumerate(rows, start=1)]


def add_header_line(row: dict, key: str, value: str) -> None:
    if key == "prompt":
        row["prompt"].append(value)
    elif key == "test":
        row["tests"].append(f"assert {value}")
    else:
        error = key.removeprefix("raises ")
        row["tests"].append(f"try:\n    {value}\nexcept {error}:\n    pass\nelse:\n    assert False, 'no {error}'")


def finish(row: dict, source: Path, number: int) -> dict:
    code = "\n".join(row["code"]).strip()
    functions = [node.name for node in ast.parse(code).body if isinstance(node, ast.FunctionDef)]
    if len(functions) != 1 or not row["prompt"] or not row["tests"]:
        sys.exit(f"{source}: task {number} ({functions}) needs a prompt, tests and exactly one function")
    return {
        "id": f"{source.stem}-{number:03d}",
        "prompt": "\n".join(row["prompt"]),
        "completion": code,
        "entry_point": functions[0],
        "tests": row["tests"],
    }


def main() -> None:
    stale = []
    sources = sorted((DATA / "source").glob("*.py"))
    for name, heldout in (("train.jsonl", False), ("heldout.jsonl", True)):
        rows = [row for path in sources if path.stem.endswith("_heldout") is heldout for row in build(path)]
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        target = DATA / name
        if "--check" not in sys.argv:
            target.write_text(text, encoding="utf-8")
        elif not target.exists() or target.read_text(encoding="utf-8") != text:
            stale.append(name)
        print(f"{name}: {len(rows)} tasks")
    if stale:
        sys.exit(f"{', '.join(stale)} differ from data/source/: run python data/build.py")


if __name__ == "__main__":
    main()
