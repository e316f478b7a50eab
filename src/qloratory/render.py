"""A page as HTML for a browser and as text for the terminal."""

import textwrap
from collections.abc import Iterator
from itertools import zip_longest

from qloratory import plot
from qloratory.page import Example, Page, Section, Table
from qloratory.picture import Shown, make_environment

TERMINAL_COLUMNS = 100


def render_html(page: Page) -> str:
    return make_environment().get_template("report.html.jinja").render(page=page, plot=plot).strip() + "\n"


def render_text(page: Page) -> str:
    """The page without pictures, curves and code, in plain characters."""
    blocks = [underlined(page.name, "="), wrapped(page.subject), wrapped(page.result)]
    if page.lacking:
        rows = [[what, command] for what, command in page.lacking.items()]
        blocks.append(render_table(Table("Not there yet", ["What", "Command that makes it"], rows)))
    for section in page.sections:
        tables = [*section.tables, *([tabulate_examples(section.examples)] if section.examples else [])]
        notes = [wrapped(note) for note in [*section.notes, *count_tokens(section)]]
        blocks += [underlined(section.title, "-"), *notes, *(render_table(table) for table in tables)]
    return without_controls("\n\n".join(block for block in blocks if block))


def count_tokens(section: Section) -> list[str]:
    """The counts in the pictures of the section; each token is for the page."""
    counts = [
        f"{title}: {strip.masked:,} tokens are masked, {strip.learnt:,} carry loss."
        for title, strip in section.strips.items()
    ]
    return counts + [f"{title}: {batch.summary}" for title, batch in section.batches.items()]


def underlined(title: str, stroke: str) -> str:
    return f"{title}\n{stroke * min(len(title), TERMINAL_COLUMNS)}"


def wrapped(text: str) -> str:
    """Lines of the terminal's width; a number stays with its percent sign."""
    return textwrap.fill(text.replace(" %", "\0%"), TERMINAL_COLUMNS, break_on_hyphens=False).replace("\0%", " %")


def tabulate_examples(examples: list[Example]) -> Table:
    """What became of the examples; their code is for the page."""
    sides = [answer.when for answer in max((example.comparison.answers for example in examples), key=len)]
    rows = []
    for example in examples:
        found = {answer.when: answer for answer in example.comparison.answers}
        cells = [verdict_cell(found[side]) if side in found else "not answered" for side in sides]
        rows.append([example.name, *cells, example.why])
    return Table("Verdicts on the examples", ["Prompt", *sides, "Why it is shown"], rows)


def verdict_cell(answer: Shown) -> str:
    rules = f"{sum(answer.rules.values())} of {len(answer.rules)} rules" if answer.rules else "rules not scored"
    return f"{rules}\ntests {verdict_word(answer.tests)}"


def verdict_word(passed: bool | None) -> str:
    return "not run" if passed is None else "passed" if passed else "failed"


def render_table(table: Table) -> str:
    """Columns two spaces apart; where they are too many for the terminal, the widest are wrapped."""
    cells = [table.header, *table.rows]
    widths = fitted([max(map(len, "\n".join(column).split("\n"))) for column in zip(*cells, strict=True)])
    lines = [line for row in cells for line in table_lines(row, widths, numeric=table.numeric)]
    head = len(list(table_lines(table.header, widths, numeric=table.numeric)))
    rule = "  ".join("-" * width for width in widths)
    return "\n".join([wrapped(table.caption), "", *lines[:head], rule, *lines[head:]])


def fitted(widths: list[int]) -> list[int]:
    widths = list(widths)
    while sum(widths) + 2 * (len(widths) - 1) > TERMINAL_COLUMNS:
        widths[widths.index(max(widths))] -= 1
    return widths


def table_lines(row: list[str], widths: list[int], *, numeric: bool) -> Iterator[str]:
    columns = [
        [piece for line in cell.split("\n") for piece in textwrap.wrap(line, width, break_on_hyphens=False) or [""]]
        for cell, width in zip(row, widths, strict=True)
    ]
    for pieces in zip_longest(*columns, fillvalue=""):
        aligned = [
            piece.rjust(width) if numeric and column else piece.ljust(width)
            for column, (piece, width) in enumerate(zip(pieces, widths, strict=True))
        ]
        yield "  ".join(aligned).rstrip()


def without_controls(text: str) -> str:
    """A name from the data must not command the terminal (colours, cursor, title)."""
    return "".join(letter if letter.isprintable() or letter == "\n" else "?" for letter in text)
