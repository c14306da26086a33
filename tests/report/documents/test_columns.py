"""Figures set as one text stand under each other and are still read in their order."""

import re

import pytest

from opensma.report.documents import columns as module
from opensma.report.documents.columns import Columns

ROWS = [
    ["138", "$1,031,150.74", "+$3,612.84", "5.97%"],
    ["1,234.5", "$0.06", "-$0.11", "0.04%"],
    ["7", "$97.41", "$0.00", "12.04%"],
]
# Read from the documents' font with tabular figures, in thousandths of the size.
WIDTHS = {
    **dict.fromkeys("0123456789$", 465), ",": 220, ".": 220, "+": 550, "-": 338, "%": 637,
    "\u2003": 756, "\u2007": 438, "\u2008": 219, "\u200a": 26,
}  # fmt: skip


def _width(text: str) -> int:
    return sum(WIDTHS[letter] for letter in text)


def test_a_line_reads_as_its_figures_in_order() -> None:
    made = Columns(ROWS)
    for row in ROWS:
        assert re.split(r"\s+", made.line(row)) == row


def test_every_column_ends_at_the_same_place_in_every_line() -> None:
    made = Columns(ROWS)
    for place in range(1, 4):
        ends = [_width(made.line(row).rsplit("\u2003", 4 - place)[-1]) for row in ROWS]
        assert max(ends) - min(ends) < 20  # a fiftieth of a letter: nobody sees it


def test_a_column_is_as_wide_as_its_widest_figure_and_the_gap() -> None:
    narrow, wide = Columns(ROWS[2:]), Columns(ROWS)
    assert all(a <= b for a, b in zip(narrow.widths_micros(), wide.widths_micros(), strict=True))
    lines = [_width(wide.line(row)) * 1000 for row in ROWS]
    assert max(lines) <= sum(wide.widths_micros())


def test_the_widths_are_those_of_the_documents_font() -> None:
    typst = pytest.importorskip("typst", reason="Typst is not installed: no width was measured")
    letters = "".join(WIDTHS)
    source = (
        '#set text(size: 1000pt, number-width: "tabular", number-type: "lining")\n'
        f'#context [#for s in "{letters}".clusters() '
        '[#metadata((s, measure("|" + s + "|").width - measure("||").width))<width>]]'
    )
    import json

    found = typst.Compiler(source.encode(), ignore_system_fonts=True).query("<width>", "value")
    assert {name: float(width[:-2]) for name, width in json.loads(found)} == WIDTHS
    assert module._DIGIT == 465_000
