"""The CFO pack as PDF: the page's figures, charts and tables, set for paper; needs Typst."""

from __future__ import annotations

import re
from datetime import date
from typing import Any

from opensma.growth.pack_page import Page, Section
from opensma.growth.pack_tables import Kind, Table, cell
from opensma.report.charts import PRINT_FONT
from opensma.report.documents.render import render

_FONT = re.compile(r'font-family="[^"]*"')
_WORDS = (Kind.TEXT, Kind.CHANNEL)


def pack_pdf(page: Page) -> bytes:
    """The same figures as the HTML page, the same bytes each time; dated by the pack's last day.

    InputError documents.typst_missing where the extra is not installed.
    """
    return render("growth_pack", pack_data(page), date.fromisoformat(page.as_of))


def pack_data(page: Page) -> dict[str, Any]:
    """Everything in finished words."""
    return {
        "title": f"{page.title}, {page.as_of}",
        "account": {"firm": "Growth", "program": "US dollars"},
        "head": page.title,
        "as_of": page.as_of,
        "words": page.words,
        "figures": [[f.label, f.value, f.words] for f in page.figures],
        "sections": [_section(n, section) for n, section in enumerate(page.sections, 1)],
    }


def _section(number: int, section: Section) -> dict[str, Any]:
    charts = [
        {"caption": caption, "svg": _FONT.sub(f'font-family="{PRINT_FONT}"', svg), "alt": caption}
        for caption, svg in section.charts
    ]
    tables = [_table(t) for t in section.tables if t.name not in section.hidden and t.rows]
    return {
        "title": f"{number}. {section.title}", "charts": charts, "tables": tables,
        "notes": list(section.notes),
    }  # fmt: skip


def _table(table: Table) -> dict[str, Any]:
    rows = table.on_page
    return {
        "title": table.title,
        "heads": [column.heading for column in table.columns],
        "words": [column.kind in _WORDS for column in table.columns],
        "rows": [
            [cell(value, column.kind) for value, column in zip(row, table.columns, strict=True)]
            for row in rows
        ],
        "total": table.total and rows == table.rows,
        "note": table.footnote,
    }
