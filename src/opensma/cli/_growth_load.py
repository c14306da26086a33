"""`sma growth load`, `publish` and `demo`: what comes into the warehouse."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensma.cli._growth_options import (
    opened,
    secret_bytes,
    secret_option,
    warehouse_option,
    warehouse_path,
)
from opensma.cli.output import (
    book_option,
    date_option,
    emit_json,
    json_option,
    note,
    progress,
    table,
)
from opensma.errors import InputError

if TYPE_CHECKING:
    from opensma.growth.journeys import Rules
    from opensma.growth.warehouse.load import Loaded


@click.command("load")
@click.argument("folder", type=click.Path(path_type=Path), metavar="FOLDER")
@click.option(
    "--mapping", default="plain", show_default=True, metavar="NAME|FILE",
    help="How columns are called: plain, salesforce, hubspot, or a mapping file.",
)  # fmt: skip
@date_option("--exported", help="The day of the export: which version of the mapping holds.")
@secret_option
@warehouse_option
@book_option
@json_option
def load_command(
    folder: Path, mapping: str, exported: date | None, secret_file: Path | None,
    warehouse: Path | None, book: str, as_json: bool,
) -> None:  # fmt: skip
    """Load the files of a folder: CSV or Parquet, all of them or nothing.

    Rows that are there already are skipped. Publish the book afterwards to derive again.
    """
    from opensma.growth.warehouse.load import load_folder
    from opensma.growth.warehouse.mapping import read_mapping

    mapped = read_mapping(mapping, exported or datetime.now(UTC).date())
    connection = opened(warehouse, book, create=True)
    done = load_folder(connection, folder, mapped, secret_bytes(secret_file))
    connection.close()
    if as_json:
        emit_json(_loaded(done))
    else:
        _show_loaded(done)


def _loaded(done: Loaded) -> dict[str, Any]:
    return {
        "mapping": done.mapping,
        "added": done.added,
        "known": done.known,
        "findings": [f.as_dict() for f in done.findings],
    }


def _show_loaded(done: Loaded) -> None:
    rows = [(name, done.added[name], done.known[name]) for name in done.added]
    table(f"Loaded through '{done.mapping}'", ("table", "added", "known before"), rows)
    for finding in done.findings:
        note(f"{finding.code}: {finding.what} {finding.remedy}")


@click.command("publish")
@click.option("--lookback-days", type=click.IntRange(1, 3650), default=730, show_default=True)
@click.option(
    "--lookback", "by_strategy", multiple=True, metavar="STRATEGY=DAYS",
    help="Another look-back for one strategy; repeatable.",
)  # fmt: skip
@click.option("--half-life-days", type=click.IntRange(1, 3650), default=90, show_default=True)
@click.option(
    "--inflow-threshold", type=click.IntRange(1), default=25_000, show_default=True,
    metavar="DOLLARS", help="Later inflows of a month from this size are events of their own.",
)  # fmt: skip
@click.option("--null-after-days", type=click.IntRange(1), default=365, show_default=True)
@click.option(
    "--tranches", is_flag=True,
    help="Split fees by the money that earned them; else the funding carries all fees.",
)  # fmt: skip
@click.option("--split-by-days", is_flag=True, help="Weight shares of persons by days.")
@click.option("--close", "period", metavar="PERIOD", help="Freeze a period, or restate it.")
@warehouse_option
@book_option
@json_option
def publish_command(
    lookback_days: int, by_strategy: tuple[str, ...], half_life_days: int,
    inflow_threshold: int, null_after_days: int,
    tranches: bool, split_by_days: bool, period: str | None, warehouse: Path | None, book: str,
    as_json: bool,
) -> None:  # fmt: skip
    """Read accounts, months and fee lines from the book; derive journeys, credit and revenue.

    The book is only read. Publishing the same book again gives the same rows.
    """
    from opensma.book.store import open_book
    from opensma.growth.closing import close_period
    from opensma.growth.journeys import Rules
    from opensma.growth.publish import publish, read_book
    from opensma.growth.ties import broken, tie_checks

    published = read_book(open_book(book))
    connection = opened(warehouse, book, create=True)
    rules = Rules(
        published.as_of, lookback_days, half_life_days, inflow_threshold * 100, null_after_days,
        tranches, split_by_days, _lookbacks(by_strategy),
    )  # fmt: skip
    counts = publish(connection, published, rules)
    differences = broken(tie_checks(connection)) if published.fees else []
    closed = close_period(connection, period, _now()) if period else None
    connection.close()
    document = _published(counts, rules, len(differences), closed)
    if as_json:
        emit_json(document)
        return
    table("Published", ("what", "rows"), list(counts.items()))
    if not published.fees:
        note("The book has no invoice yet: bill its quarters (sma bill run), then publish again.")
    click.echo(f"Checks that do not tie: {len(differences)}. sma growth tie lists them.")
    if closed:
        click.echo(f"{period} closed, version {closed['sequence']}: {closed['difference']}")


def _lookbacks(given: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """`core=365` as a pair; InputError growth.lookback for anything else."""
    pairs = []
    for text in given:
        strategy, _, days = text.rpartition("=")
        if not strategy or not days.isdigit() or not 1 <= int(days) <= 3650:
            raise InputError(
                "growth.lookback", f"'{text}' is no look-back.", where="--lookback",
                remedy="Write STRATEGY=DAYS with 1 to 3,650 days, as core=365.",
            )  # fmt: skip
        pairs.append((strategy, int(days)))
    return tuple(pairs)


def _published(
    counts: Any, rules: Rules, differences: int, closed: dict[str, Any] | None
) -> dict[str, Any]:
    return {"published": counts, "rules": rules, "broken_ties": differences, "close": closed}


@click.command("demo")
@click.option("--seed", type=click.IntRange(min=0), default=7, show_default=True)
@click.option(
    "--folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Where the files are written.  [default: sma.growth-files, beside the book]",
)  # fmt: skip
@warehouse_option
@book_option
@json_option
def demo_command(
    seed: int, folder: Path | None, warehouse: Path | None, book: str, as_json: bool
) -> None:
    """Give a demo book a past in growth: bill its quarters, invent who was won how, load it.

    Only for books that `sma demo` made. The same book and seed give the same files.
    """
    from opensma.book.store import open_book
    from opensma.growth.warehouse.load import load_folder
    from opensma.growth.warehouse.mapping import read_mapping
    from opensma.simulate.growth import generate_growth
    from opensma.simulate.growth_billing import bill_demo, demo_people

    shop = open_book(book)
    accounts, advisors, last = demo_people(shop)
    place = folder or warehouse_path(warehouse, book).with_suffix(".growth-files")
    note("Billing the quarters ...")
    with progress(16, "Billing") as advance:
        billed = bill_demo(shop, accounts, last, place, advance)
    files = generate_growth(accounts, advisors, last, seed)
    files.write(place / "tables")
    files.write_contacts(place)
    connection = opened(warehouse, book, create=True)
    done = load_folder(connection, place / "tables", read_mapping("plain", last), None)
    connection.close()
    if as_json:
        emit_json({"billed": billed, "files": str(place), **_loaded(done)})
        return
    _show_loaded(done)
    click.echo(
        f"{billed.quarters} quarters, {billed.invoices:,} invoices new, {billed.reversed} of them "
        f"taken back and billed again. Files: {place}. Next: sma growth publish, then report."
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(sep=" ", timespec="seconds")[:19]
