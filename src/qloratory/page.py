"""What a report consists of: the records that are rendered as HTML and as text."""

from dataclasses import dataclass, field

from qloratory.picture import Batch, Comparison, Strip
from qloratory.plot import Curve, DotChart


@dataclass(frozen=True)
class Table:
    """Cells as text, the first of a row its name. Lines after a cell's first are secondary."""

    caption: str
    header: list[str]
    rows: list[list[str]]
    numeric: bool = False
    full: dict[str, str] = field(default_factory=dict)  # shortened cell -> the whole of it


@dataclass(frozen=True)
class Example:
    """A prompt with its answers."""

    name: str
    why: str
    comparison: Comparison

    @property
    def compared(self) -> bool:
        return len(self.comparison.answers) > 1


@dataclass(frozen=True)
class Section:
    key: str
    title: str
    notes: list[str] = field(default_factory=list)
    tables: list[Table] = field(default_factory=list)
    dots: DotChart | None = None
    strips: dict[str, Strip] = field(default_factory=dict)  # title -> picture
    batches: dict[str, Batch] = field(default_factory=dict)  # title -> picture
    curves: list[Curve] = field(default_factory=list)
    examples: list[Example] = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    """`lacking` is what is not there yet -> the command that makes it."""

    name: str
    subject: str
    result: str
    lacking: dict[str, str]
    sections: list[Section]
