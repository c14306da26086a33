"""`sma growth ads`: ads against dated rules, and the answers of Form ADV 5.L."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensma.cli._growth_options import opened, warehouse_option
from opensma.cli.day import market_option
from opensma.cli.output import book_option, date_option, emit_json, json_option, note, table

if TYPE_CHECKING:
    from opensma.growth.ads.said import Recompute


@click.group("ads")
def ads_command() -> None:
    """Ads against dated rules: a working aid, not legal advice."""


@ads_command.command("check")
@click.option("--ad", "ad_id", metavar="AD_ID", help="One ad only.")
@click.option(
    "--texts", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DIR",
    help="Texts of the ads as AD_ID-VERSION.txt or .html.",
)  # fmt: skip
@click.option("--recompute", is_flag=True, help="Compute every figure again from the book.")
@click.option(
    "--definition", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE.json", help="The composite's dated rules, for --recompute.",
)  # fmt: skip
@click.option(
    "--rules", "rules_file", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE.json", help="Other dated rules in the shape of ours.",
)  # fmt: skip
@date_option("--date", help="The day for ads that are still in use.  [default: today]")
@click.option("--all", "show_all", is_flag=True, help="Show rules without a finding as well.")
@market_option
@warehouse_option
@book_option
@json_option
def check_command(
    ad_id: str | None, texts: Path | None, recompute: bool, definition: Path | None,
    rules_file: Path | None, date: date | None, show_all: bool, market_path: Path | None,
    warehouse: Path | None, book: str, as_json: bool,
) -> int:  # fmt: skip
    """Check ads against the rules of their first and last use; exit code 1 on a finding.

    Results are kept in the table ad_check. No finding does not mean that an ad keeps the law.
    """
    from opensma.growth.ads.facts import read_ads
    from opensma.growth.ads.rules import NOTE, load_ad_rules
    from opensma.growth.ads.run import Result, check_ads, read_texts, record_checks
    from opensma.growth.warehouse.store import one_transaction

    rules = load_ad_rules(rules_file)
    connection = opened(warehouse, book)
    ads = read_ads(connection, date or datetime.now(UTC).date(), read_texts(texts), ad_id)
    again = _again(book, market_path, definition) if recompute else None
    found = check_ads(ads, rules, again)
    with one_transaction(connection):
        record_checks(connection, found, datetime.now(UTC).isoformat(" ", "seconds")[:19])
    connection.close()
    counts = Counter(c.result.value for c in found)
    bad = counts[Result.FINDING.value]
    if as_json:
        emit_json({"rules_version": rules.version, "checks": found, "counts": counts, "note": NOTE})
        return 1 if bad else 0
    quiet = () if show_all else (Result.NO_FINDING, Result.NOT_APPLICABLE)
    rows = [
        (f"{c.ad_id} v{c.version}", c.rule_id, c.result.value, c.severity, c.detail)
        for c in found if c.result not in quiet
    ]  # fmt: skip
    if rows:
        table("Ads", ("ad", "rule", "result", "severity", "detail"), rows)
    click.echo(_summary(len(ads), counts, rules.version))
    note(NOTE)
    return 1 if bad else 0


def _summary(ads: int, counts: Counter[str], version: str) -> str:
    bad, ask = counts["finding"], counts["needs_human"]
    head = f"{bad} findings" if bad else f"no finding from rules v{version}"
    tail = f" from rules v{version}" if bad else ""
    return f"{ads} versions of ads: {head}{tail}; {ask} checks need a person."


def _again(book: str, market_path: Path | None, definition: Path | None) -> Recompute:
    """The composite engine over the book."""
    from opensma.book.market_link import market_of
    from opensma.book.store import open_book
    from opensma.growth.ads.figures import recompute_from
    from opensma.measure.composite_book import record_of
    from opensma.measure.composite_rules import read_rules

    opened_book = open_book(book)
    rules = None if definition is None else read_rules(definition.read_bytes(), str(definition))
    return recompute_from(record_of(opened_book, market_of(opened_book, market_path), rules))


@ads_command.command("adv5l")
@click.option("--year", type=click.IntRange(2021, 2100), required=True, help="The fiscal year.")
@click.option("--year-end", default="12-31", show_default=True, metavar="MM-DD")
@warehouse_option
@book_option
@json_option
def adv5l_command(
    year: int, year_end: str, warehouse: Path | None, book: str, as_json: bool
) -> None:
    """Answer Form ADV 5.L from the ads in use in a fiscal year, with the ads behind each answer."""
    from opensma.calendar import parse_date
    from opensma.growth.ads.adv import adv_5l
    from opensma.growth.ads.facts import Texts, read_ads
    from opensma.growth.ads.rules import NOTE
    from opensma.measure.length import years_later

    end = parse_date(f"{year}-{year_end}", "--year-end")
    start = years_later(end, -1).fromordinal(years_later(end, -1).toordinal() + 1)
    connection = opened(warehouse, book)
    found = adv_5l(read_ads(connection, end, Texts()), start, end)
    connection.close()
    if as_json:
        emit_json({"from": start, "to": end, "answers": found, "note": NOTE})
        return
    rows: list[tuple[Any, ...]] = [
        (a.item, a.question, "yes" if a.answer else "no", ", ".join(a.ads), ", ".join(a.unknown))
        for a in found
    ]
    columns = ("item", "what", "answer", "ads behind it", "not known for")
    table(f"Form ADV 5.L, {start} to {end}", columns, rows)
    note(NOTE)
