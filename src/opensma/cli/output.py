"""What the nouns share: how results are printed and how common options are read.

One JSON document or tables go to standard output, everything else to standard error. click and
rich are imported nowhere outside `opensma.cli`; rich only when something is drawn.
"""

import dataclasses
import json
import math
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from typing import Any

import click

from opensma.calendar import parse_date
from opensma.errors import InputError, OpensmaError

DEFAULT_BOOK = "sqlite:///sma.db"

Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]

_STAGES = {
    "open": "Booking corporate actions",
    "decide": "Deciding",
    "review": "Reviewing",
    "trade": "Trading",
    "post": "Posting",
    "measure": "Measuring",
}

_NUMBER = re.compile(r"[-+]?\$?[\d,]*\.?\d+(%| ?bp)?|-|n/a|")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # names come from files: no escape codes


# --- results -----------------------------------------------------------------------------------


def emit_json(document: object) -> None:
    """Print one JSON document on standard output; valid JSON whatever is in it."""
    text = json.dumps(plain(document), ensure_ascii=False, allow_nan=False, indent=2)
    sys.stdout.write(text + "\n")


def plain(value: object) -> Any:
    """The value in JSON's own types: dates as ISO text, enums by name, not-a-number as null."""
    if isinstance(value, Enum):
        return value.value if isinstance(value.value, str) else value.name
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, date):  # datetime too
        return value.isoformat()
    if isinstance(value, Mapping):
        return {_key(key): plain(item) for key, item in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, set | frozenset):
        return sorted((plain(item) for item in value), key=str)
    if isinstance(value, Iterable) and not hasattr(value, "tolist"):
        return [plain(item) for item in value]
    return _plain_other(value)


def _plain_other(value: object) -> Any:
    if hasattr(value, "tolist"):  # numpy scalars and arrays, without importing numpy
        return plain(value.tolist())
    if isinstance(value, Decimal | Fraction | PurePath):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _key(value: object) -> str:
    text = plain(value)
    return text if isinstance(text, str) else json.dumps(text)


def note(text: str) -> None:
    """One message for a person, on standard error."""
    click.echo(text, err=True)


def note_compilation() -> None:
    """Say that the kernel will be compiled first, where no machine code of it is there yet."""
    from opensma.construct.warm import is_warm

    if not is_warm():
        note("Compiling the decision kernel first (once, about half a minute) ...")


def error_text(error: OpensmaError) -> str:
    """An error in readable lines: code and place, what happened, what to do."""
    where = f" at {error.where}" if error.where else ""
    lines = [f"sma: error {error.code}{where}"]
    for label, words in (("what", error.message), ("remedy", error.remedy)):
        for index, line in enumerate(words.splitlines()):
            head = f"  {label if index == 0 else '':<8}"
            lines += textwrap.wrap(
                line, 100, initial_indent=head, subsequent_indent=" " * 10, break_long_words=False
            )
    return "\n".join(lines)


@contextmanager
def progress(total: int, label: str) -> Iterator[Callable[[int], None]]:
    """Yield `advance(steps)`; draws a bar on standard error when that is a terminal."""
    if not sys.stderr.isatty():
        yield lambda steps: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(label, total=total)
        yield lambda steps: bar.advance(task, steps)


@contextmanager
def stage_bars() -> Iterator[Callable[[str, int], Callable[[int], None]]]:
    """What `run_day` takes as `notice`: a bar for each stage, closed when the next one begins."""
    with ExitStack() as stack:

        def notice(stage: str, accounts: int) -> Callable[[int], None]:
            stack.pop_all().close()
            return stack.enter_context(progress(accounts, _STAGES.get(stage, stage)))

        yield notice


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table on standard output; columns of numbers are right aligned."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    texts = [[_cell(value) for value in row] for row in rows]
    drawn = Table(title=title or None, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        numeric = bool(texts) and all(_NUMBER.fullmatch(row[index]) for row in texts)
        drawn.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in texts:
        drawn.add_row(*(Text(cell) for cell in row))
    # In a pipe nothing may be cut at eighty columns: the next program wants the whole value.
    Console(width=None if sys.stdout.isatty() else 10_000).print(drawn)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.4f}"
    if isinstance(value, int) and not isinstance(value, bool | Enum):
        return f"{value:,}"
    return _CONTROL.sub("", str(plain(value)))


# --- options -----------------------------------------------------------------------------------


def _read_book(context: click.Context, parameter: click.Parameter, value: str) -> str:
    if not value.strip():
        raise InputError(
            "book.url", "The book has no name.", where="--book", remedy="Give a file path or a URL."
        )
    return value  # `opensma.book` reads paths and URLs; one place decides what they mean


book_option: Decorator = click.option(
    "--book",
    "book",
    metavar="URL",
    default=DEFAULT_BOOK,
    envvar="OPENSMA_BOOK",
    show_default=True,
    show_envvar=True,
    callback=_read_book,
    help="The book: a file path, sqlite:///path or postgresql://host/name.",
)

json_option: Decorator = click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print one JSON document on standard output and nothing else there.",
)

workers_option: Decorator = click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=None,
    metavar="N",
    help="Processes to use.  [default: one for each processor core]",
)


def date_option(
    name: str = "--date", *, required: bool = False, help: str = "The trading date, YYYY-MM-DD."
) -> Decorator:
    """An option that takes an ISO date and gives the command a `datetime.date`, or None."""

    def read(context: click.Context, parameter: click.Parameter, value: str | None) -> date | None:
        return None if value is None else parse_date(value, where=name)

    return click.option(name, metavar="DATE", required=required, callback=read, help=help)
