"""The pack as one page: no script, no network, made to be printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from opensma.growth.pack_tables import Column, Kind, Table, cell


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that is read first."""

    label: str
    value: str
    words: str
    good: bool | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with drawings, tables and notes; `hidden` tables are files only."""

    title: str
    tables: tuple[Table, ...]
    charts: tuple[tuple[str, str], ...]  # caption, drawing
    notes: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Page:
    """Everything on the page."""

    title: str
    as_of: str
    words: str
    figures: tuple[Figure, ...]
    sections: tuple[Section, ...]


def page_html(page: Page) -> str:
    """The page as HTML, the same bytes for the same figures."""
    figures = "".join(_figure(figure) for figure in page.figures)
    links = "".join(
        f'<a href="#s{i}">{escape(s.title)}</a>' for i, s in enumerate(page.sections, 1)
    )
    sections = "".join(_section(i, s) for i, s in enumerate(page.sections, 1))
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(page.title)}, {escape(page.as_of)}</title><style>{_STYLE}</style></head>"
        f"<body><header><h1>{escape(page.title)}</h1>"
        f"<p class=asof>As of {escape(page.as_of)} · US dollars</p>"
        f"<p class=words>{escape(page.words)}</p></header>"
        f"<main><div class=figures>{figures}</div><nav>{links}</nav>{sections}</main>"
        "</body></html>\n"
    )


def _figure(figure: Figure) -> str:
    mood = "" if figure.good is None else " good" if figure.good else " bad"
    return (
        f'<div class="figure{mood}"><span>{escape(figure.label)}</span>'
        f"<b>{escape(figure.value)}</b><small>{escape(figure.words)}</small></div>"
    )


def _section(number: int, section: Section) -> str:
    charts = "".join(
        f"<figure><figcaption>{escape(caption)}</figcaption>{svg}</figure>"
        for caption, svg in section.charts
    )
    tables = "".join(_table(t) for t in section.tables if t.name not in section.hidden)
    notes = "".join(f"<li>{escape(note)}</li>" for note in section.notes)
    return (
        f'<section id="s{number}"><h2>{number}. {escape(section.title)}</h2>{charts}{tables}'
        + (f"<ul>{notes}</ul>" if notes else "")
        + "</section>"
    )


def _table(table: Table) -> str:
    body = table.rows[:-1] if table.total else table.rows
    tops = [_top(body, index) if c.heat else 0.0 for index, c in enumerate(table.columns)]
    lines = []
    for number, row in enumerate(table.on_page):
        last = table.total and number == len(table.rows) - 1
        cells = "".join(
            _cell(value, column, 0.0 if last else top, index == 0)
            for index, (value, column, top) in enumerate(zip(row, table.columns, tops, strict=True))
        )
        lines.append(f"<tr{' class=total' if last else ''}>{cells}</tr>")
    return (
        f"<h3>{escape(table.title)}</h3><div class=wide><table>{_head(table.columns)}"
        f"<tbody>{''.join(lines)}</tbody></table></div>"
        + (f"<p class=note>{escape(table.footnote)}</p>" if table.footnote else "")
    )


def _top(rows: Sequence[tuple[object, ...]], index: int) -> float:
    values = [abs(v) for row in rows if isinstance(v := row[index], int | float)]
    return float(max(values, default=0.0))


def _head(columns: Sequence[Column]) -> str:
    """One row of labels, and one above it where columns belong together."""
    over = ""
    if any(column.group for column in columns):
        spans: list[tuple[str, int]] = []
        for column in columns:
            if spans and spans[-1][0] == column.group:
                spans[-1] = (column.group, spans[-1][1] + 1)
            else:
                spans.append((column.group, 1))
        over = "".join(
            f"<th colspan={n}{' class=group' if name else ''}>{escape(name)}</th>"
            for name, n in spans
        )
        over = f"<tr>{over}</tr>"
    labels = "".join(
        f"<th{'' if c.kind in (Kind.TEXT, Kind.CHANNEL) else ' class=n'}>{escape(c.label)}</th>"
        for c in columns
    )
    return f"<thead>{over}<tr>{labels}</tr></thead>"


def _cell(value: object, column: Column, top: float, first: bool) -> str:
    text = cell(value if isinstance(value, str | int | float) else None, column.kind)
    if column.kind in (Kind.TEXT, Kind.CHANNEL):
        return f"<th scope=row>{escape(text)}</th>" if first else f"<td>{escape(text)}</td>"
    shade = ""
    if top and isinstance(value, int | float) and value > 0:
        shade = f' style="background:rgba(10,90,140,{0.04 + 0.26 * value / top:.2f})"'
    muted = " z" if value in (0, None) else ""
    return f'<td class="n{muted}"{shade}>{escape(text)}</td>'


_STYLE = """
:root{--ink:#1c2126;--muted:#565f6b;--line:#d9dbd6;--blue:#0a5a8c;--good:#2f7d4f;--bad:#a3281e}
*{box-sizing:border-box}
body{margin:0;color:var(--ink);background:#fff;font:14px/1.5 system-ui,-apple-system,'Segoe UI',
Roboto,'Helvetica Neue',Arial,sans-serif}
header,main{max-width:1120px;margin:0 auto;padding:0 28px}
header{padding-top:34px}
h1{font-size:27px;line-height:1.2;margin:0;letter-spacing:-.01em}
.asof{color:var(--muted);margin:5px 0 0}
.words{max-width:76ch;margin:12px 0 0}
.figures{display:grid;grid-template-columns:repeat(7,1fr);margin:24px 0 10px;
border-top:2px solid var(--ink);border-bottom:1px solid var(--line)}
.figure{padding:12px 12px 12px 0;display:flex;flex-direction:column;gap:2px}
.figure span{color:var(--muted);font-size:12px}
.figure b{font-size:21px;font-weight:650;font-variant-numeric:tabular-nums;letter-spacing:-.01em}
.figure small{color:var(--muted);font-size:11.5px;line-height:1.35}
.figure.good b{color:var(--good)}.figure.bad b{color:var(--bad)}
nav{display:flex;flex-wrap:wrap;gap:4px 18px;margin:0 0 6px;font-size:13px}
nav a{color:var(--blue)}
section{margin:34px 0 0}
h2{font-size:19px;margin:0 0 8px;padding-bottom:5px;border-bottom:1px solid var(--line)}
h3{font-size:14px;margin:20px 0 6px}
figure{margin:14px 0 8px}
figcaption{font-weight:600;margin:0 0 6px}
figure svg{max-width:100%;height:auto;display:block}
.wide{overflow-x:auto}
table{border-collapse:collapse;font-size:12.5px;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:4px 8px;text-align:left;white-space:nowrap}
thead th{color:var(--muted);font-weight:600;font-size:11.5px;border-bottom:1px solid var(--ink);
vertical-align:bottom}
thead th.group{border-bottom:1px solid var(--line);text-align:center}
tbody th{font-weight:500}
tbody tr{border-bottom:1px solid #ecede9}
.n{text-align:right}.z{color:#8b939c}
tr.total{border-top:1px solid var(--ink);border-bottom:none}
tr.total th,tr.total td{font-weight:650}
.note{color:var(--muted);font-size:12.5px;max-width:96ch;margin:6px 0 0}
ul{max-width:96ch;padding-left:18px;margin:8px 0 60px}li{margin:3px 0}
@media screen and (max-width:900px){.figures{grid-template-columns:repeat(2,1fr)}
header,main{padding:0 16px}}
@media print{@page{size:A4 landscape;margin:11mm}body{font-size:11px}nav{display:none}
header,main{max-width:none;padding:0}header{padding-top:0}.figures{margin:12px 0 0}
section{margin-top:18px}h2,h3,figcaption{break-after:avoid}
tr,figure,.wide,.note{break-inside:avoid}.note{break-before:avoid}
figure svg{max-height:66mm;width:auto}table{font-size:9.5px}th,td{padding:2px 5px}
.wide{overflow:visible}ul{margin-bottom:0}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}}
"""
