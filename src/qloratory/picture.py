"""Pictures of what is trained, for a notebook and for the report: tokens, padding, and answers next to each other.

Each function returns one HTML fragment with its own style and its own background, so that it can be read on a light
and on a dark page. There is no script in it. All text is untrusted and escaped; control characters are spelled out.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from qloratory.labels import IGNORED

SHOWN = {"\n": "⏎", "\t": "⇥", " ": "·"}
WORDS = re.compile(r"\w+|\s+|[^\w\s]")
SIMILAR = 0.5  # share of equal words from which two lines are one line that was changed
MANY_PAIRS = 10_000  # of lines, and of words: beyond, they are not compared one by one
PROMPT_START = 60  # characters that name an answer


@dataclass(frozen=True)
class Token:
    """One token as it is shown: white space made visible; with loss or masked."""

    text: str
    id: int
    label: int

    @property
    def kind(self) -> str:
        return "masked" if self.label == IGNORED else "learnt"


@dataclass(frozen=True)
class Strip:
    """The tokens of one example, in lines as the text has them."""

    lines: list[list[Token]]
    masked: int
    learnt: int


@dataclass(frozen=True)
class Segment:
    """A part of a bar, in tokens from the row's start."""

    kind: str
    start: int
    length: int


@dataclass(frozen=True)
class Bar:
    prompt: int
    answer: int
    padding: int
    segments: list[Segment]


@dataclass(frozen=True)
class Batch:
    """All rows of a batch, each `width` tokens long, and what the padding comes to in words."""

    bars: list[Bar]
    width: int
    summary: str


@dataclass(frozen=True)
class Part:
    """A piece of a line; `changed` where the other answer's line has something else."""

    text: str
    changed: bool = False


@dataclass(frozen=True)
class Line:
    """A line of an answer. `mark` is the HTML element: "del" only in the first, "ins" only in the second, or "span"."""

    mark: str
    parts: list[Part]


@dataclass(frozen=True)
class Shown:
    """An answer with its lines marked, and its verdicts; `rules` is empty and `tests` None where there are none."""

    when: str
    how: str
    lines: list[Line]
    rules: dict[str, bool]
    tests: bool | None
    reason: str


@dataclass(frozen=True)
class Comparison:
    prompt: str
    answers: list[Shown]


def token_strip(tokens: list[dict[str, Any]]) -> str:
    """Every token of one example as a box: its text, its id, and its label below.

    Args:
        tokens: `{"text": str, "id": int, "label": int}` each, label -100 where the token is masked.

    Returns:
        An HTML fragment.
    """
    return fragment("token_strip", lay_out_tokens(tokens))


def padding_picture(rows: list[dict[str, int]], side: str = "right") -> str:
    """A batch as the model sees it: one bar a row, of prompt, answer and padding.

    Args:
        rows: `{"prompt": int, "answer": int, "padding": int}` each, in tokens.
        side: Where the padding stands, "right" or "left".

    Returns:
        An HTML fragment.
    """
    return fragment("padding_picture", lay_out_batch(rows, side))


def side_by_side(prompt: str, answers: list[dict[str, Any]]) -> str:
    """The answers to one prompt next to each other, with the differences of the first two marked.

    Args:
        prompt: The prompt's text.
        answers: `{"when": "Before", "text": str, "how": str, "rules": {name: kept}, "tests": bool | None,
            "reason": str}` each.

    Returns:
        An HTML fragment.
    """
    return fragment("side_by_side", compare_answers(prompt, answers))


def fragment(macro: str, content: Any) -> str:
    """A macro's picture with the style that it needs, in the light colours, whatever the page around it has."""
    macros: Any = make_environment().get_template("picture.html.jinja").module
    return str(macros.style() + getattr(macros, macro)(content))


def make_environment() -> Environment:
    """Templates of the package: everything is escaped, and nothing is printed that cannot be seen."""
    return Environment(
        loader=PackageLoader("qloratory", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: spelled_out(value) if isinstance(value, str) else value,
    )


def spelled_out(text: str) -> str:
    """Characters that cannot be seen, or that turn the direction of others, as escapes: U+202E is "\\u202e"."""
    if isinstance(text, Markup):  # was spelled out on its way in
        return text
    return "".join(
        letter if letter.isprintable() or letter in "\n\t\u00a0" else letter.encode("unicode_escape").decode()
        for letter in text
    )


def lay_out_tokens(tokens: list[dict[str, Any]]) -> Strip:
    lines: list[list[Token]] = [[]]
    for token in tokens:
        text = token["text"]
        if "\n" in text and not text.endswith("\n"):  # a line break with the next line's indentation
            lines.append([])
        lines[-1].append(Token(visible(text), token["id"], token["label"]))
        if text.endswith("\n"):
            lines.append([])
    masked = sum(token["label"] == IGNORED for token in tokens)
    return Strip([line for line in lines if line], masked, len(tokens) - masked)


def visible(text: str) -> str:
    """White space as signs: a leading space is "·", a line break "⏎"; a token without text is "∅"."""
    return "".join(SHOWN.get(letter, letter) for letter in text) or "∅"


def lay_out_batch(rows: list[dict[str, int]], side: str) -> Batch:
    order = ("padding", "prompt", "answer") if side == "left" else ("prompt", "answer", "padding")
    bars = [Bar(row["prompt"], row["answer"], row["padding"], segments_of(row, order)) for row in rows]
    width = max((sum(segment.length for segment in bar.segments) for bar in bars), default=0)
    return Batch(bars, width, describe_padding(rows))


def segments_of(row: dict[str, int], order: Iterable[str]) -> list[Segment]:
    segments, start = [], 0
    for kind in order:
        if row[kind]:
            segments.append(Segment(kind, start, row[kind]))
        start += row[kind]
    return segments


def describe_padding(rows: list[dict[str, int]]) -> str:
    """What the padding costs, in a sentence."""
    total = sum(row["prompt"] + row["answer"] + row["padding"] for row in rows)
    padding = sum(row["padding"] for row in rows)
    if not padding:
        return f"No padding: all {total:,} places of the batch hold tokens."
    return (
        f"{padding:,} of {total:,} places of the batch are padding, {100 * padding / total:.1f} %. "
        "They are computed like the others, and carry no loss."
    )


def compare_answers(prompt: str, answers: list[dict[str, Any]]) -> Comparison:
    texts = [answer["text"] for answer in answers]
    marked = [*mark_differences(*texts[:2])] if len(texts) > 1 else []
    marked += [plain_lines(text) for text in texts[len(marked) :]]
    shown = [
        Shown(answer["when"], answer["how"], lines, answer["rules"], answer["tests"], answer["reason"])
        for answer, lines in zip(answers, marked, strict=True)
    ]
    return Comparison(prompt, shown)


def plain_lines(text: str) -> list[Line]:
    """The lines of a text without marks; none where it is blank."""
    return [Line("span", [Part(line)]) for line in split_lines(text)]


def split_lines(text: str) -> list[str]:
    return text.strip("\n").split("\n") if text.strip() else []


def mark_differences(first: str, second: str) -> tuple[list[Line], list[Line]]:
    """The lines of both texts; those that only one has are marked, with the words that changed within a line."""
    left, right = split_lines(first), split_lines(second)
    marked: tuple[list[Line], list[Line]] = ([], [])
    matcher = SequenceMatcher(is_blank, left, right)  # blank lines are everywhere: no two answers meet at them
    for kind, start, end, other_start, other_end in matcher.get_opcodes():
        if kind == "equal":
            for lines in marked:
                lines.extend(Line("span", [Part(line)]) for line in left[start:end])
        else:
            for lines, block in zip(marked, mark_block(left[start:end], right[other_start:other_end]), strict=True):
                lines.extend(block)
    return marked


def is_blank(line: str) -> bool:
    return not line.strip()


def mark_block(left: list[str], right: list[str]) -> tuple[list[Line], list[Line]]:
    """Lines that stand in one another's place. Of two that are alike, only the words that differ are changed."""
    removed = [Line("span" if is_blank(line) else "del", [Part(line)]) for line in left]
    added = [Line("span" if is_blank(line) else "ins", [Part(line)]) for line in right]
    for one, other in pair_lines(left, right):
        parts = mark_words(left[one], right[other])
        removed[one], added[other] = Line("del", parts[0]), Line("ins", parts[1])
    return removed, added


def pair_lines(left: list[str], right: list[str]) -> list[tuple[int, int]]:
    """Positions of lines that are alike, in ascending order on both sides."""
    if len(left) * len(right) > MANY_PAIRS:
        return []
    pairs, start = [], 0
    for index, line in enumerate(left):
        likeness = [(similarity(line, other), -position) for position, other in enumerate(right) if position >= start]
        share, position = max(likeness, default=(0.0, 0))
        if share >= SIMILAR:
            pairs.append((index, -position))
            start = 1 - position
    return pairs


def similarity(line: str, other: str) -> float:
    """Share of equal words, without counting the white space; 0 where there are too many to compare."""
    pieces, other_pieces = ([word for word in WORDS.findall(text) if word.strip()] for text in (line, other))
    if not pieces or not other_pieces or len(pieces) * len(other_pieces) > MANY_PAIRS:
        return 0.0
    return SequenceMatcher(None, pieces, other_pieces).ratio()


def mark_words(line: str, other: str) -> tuple[list[Part], list[Part]]:
    words, others = WORDS.findall(line), WORDS.findall(other)
    parts: tuple[list[Part], list[Part]] = ([], [])
    for kind, start, end, other_start, other_end in SequenceMatcher(None, words, others).get_opcodes():
        for side, text in zip(parts, ("".join(words[start:end]), "".join(others[other_start:other_end])), strict=True):
            if text:
                side.append(Part(text, changed=kind != "equal"))
    return parts
