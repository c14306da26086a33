"""`sma measure composite`: a composite's definition, members, returns and outliers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensma.cli._measure_documents import pdf_options, write_pdf
from opensma.cli.day import market_option
from opensma.cli.output import book_option, emit_json, json_option, note, plain, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from opensma.measure.composite_record import CompositeRecord, Membership
    from opensma.measure.length import PeriodReturn
    from opensma.measure.outliers import Outlier

BASIS = (
    "Gross is after trading costs and before management fees; net is less the fees invoiced for "
    "every member, and shown where all of them were invoiced. Parts of a year are not annualised. "
    "The book does not tell yet who gave up discretion: every account counts as discretionary. "
    "Records and calculations that a firm can use when it prepares its own reports."
)


@click.command("composite")
@book_option
@click.option(
    "--definition",
    metavar="FILE.json",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The composite's dated rules.  [default: all accounts of the book's only strategy]",
)
@click.option("--record", is_flag=True, help="Keep outliers among the newest day's exceptions.")
@market_option
@pdf_options
@json_option
def command(
    book: str,
    definition: Path | None,
    record: bool,
    market_path: Path | None,
    as_json: bool,
    **paper: Any,
) -> None:
    """Members of a composite with reasons, its returns by three methods, and who lies outside.

    Members, months and years come from the book and the rules; nobody is picked by hand.
    """
    from opensma.book.market_link import market_of
    from opensma.book.store import open_book
    from opensma.measure.composite_book import composite_of, record_outliers
    from opensma.measure.composite_rules import read_rules

    rules = None if definition is None else read_rules(definition.read_bytes(), str(definition))
    opened = open_book(book)
    made, outliers = composite_of(opened, market_of(opened, market_path), rules)
    if record:
        note(f"{record_outliers(opened, made, outliers)} new exceptions")
    write_pdf(opened, made, paper)
    if as_json:
        emit_json(_document(made, outliers))
        return
    _print_definition(made)
    _print_years(made)
    _print_months(made)
    _print_members(made.memberships)
    _print_removals(made)
    _print_outliers(made, outliers)
    click.echo(BASIS)


def _document(record: CompositeRecord, outliers: Sequence[Outlier]) -> dict[str, Any]:
    document: dict[str, Any] = plain(record)
    for name in ("whole", "whole_net", "benchmark"):
        if (one := getattr(record, name)) is not None:
            document[name]["annualised"] = one.annualised
    rows = [plain(o) | {"difference": o.difference} for o in outliers]
    return document | {"outliers": rows, "basis": BASIS}


def _print_definition(record: CompositeRecord) -> None:
    from opensma.report.words import percent

    rules = record.rules
    rows = []
    for rule in sorted(rules.rules, key=lambda one: one.effective):
        most = rule.most_excluded_weight
        words = (
            f"strategies {', '.join(sorted(rule.strategies))}; "
            f"least ${rule.minimum:,.2f}; funded by day {rule.cutoff_day} of a month "
            "enters with the next, else one later"
        )
        if rule.significant_flow is not None:
            share = percent(rule.significant_flow, 1)
            words += f"; out for a while after a month's net flow of {share} of its value"
        if (large := rule.large_flow) is not None:
            bound = f"${large.amount:,.2f}" if large.share is None else percent(large.share, 1)
            words += f"; a flow is large from {bound} on"
        if most < 1:
            words += f"; out when more than {percent(most, 1)} of the model is excluded"
        rows.append((rule.effective.isoformat(), f"{rule.recorded}, {rule.by}", words))
    table(f"Composite {rules.name}", ("holds from", "recorded", "rule"), rows)
    if rules.provisional:
        click.echo("Provisional: no definition was named, so this one was made up for a look.")
    if record.whole is not None and record.benchmark is not None:
        method = rules.conventions.composite_method.value
        click.echo(
            f"{record.whole.start} to {record.whole.end}: composite gross "
            f"{_return(record.whole)}, {_net(record)}benchmark "
            f"{_return(record.benchmark)} (method {method})."
        )
    else:
        click.echo("Nobody has been a member for a full month yet.")
    for text in record.notes:
        click.echo(text)


def _net(record: CompositeRecord) -> str:
    return "" if record.whole_net is None else f"net {_return(record.whole_net)}, "


def _return(one: PeriodReturn) -> str:
    from opensma.report.words import percent

    yearly = "under one year" if one.annualised is None else f"{percent(one.annualised)} a year"
    return f"{percent(one.cumulative)} ({yearly})"


def _print_years(record: CompositeRecord) -> None:
    from opensma.measure.composites import count_labels
    from opensma.report.words import counted, money, percent

    rows = []
    for year in record.years:
        part = "" if year.months == 12 else f" ({counted(year.months, 'month')})"
        rows.append(
            (
                f"{year.year}{part}",
                percent(year.composite),
                "n/a" if year.net is None else percent(year.net),
                percent(year.benchmark),
                count_labels(year.portfolios)[0],
                money(year.assets_cents),
                money(year.firm_assets_cents),
                "n/a" if year.dispersion is None else percent(year.dispersion),
                "n/a" if year.deviation is None else percent(year.deviation),
                "n/a" if year.benchmark_deviation is None else percent(year.benchmark_deviation),
            )
        )
    heads = ("year", "gross", "net", "benchmark", "accounts", "assets", "book's assets")
    three = ("dispersion", "3-year dev.", "benchmark's")
    table("Years", (*heads, *three), rows)
    for year in record.years:
        for why in year.missing:
            click.echo(f"Not shown for {year.year}, {why}.")


def _print_months(record: CompositeRecord) -> None:
    from opensma.measure.conventions import CompositeMethod
    from opensma.report.words import money, percent

    stated = record.rules.conventions.composite_method
    rows = [
        (
            f"{month.month:%Y-%m}",
            str(len(month.members)),
            money(month.begin_cents),
            *(percent(month.returns[method], 4) for method in CompositeMethod),
            "n/a" if month.net is None else percent(month.net[stated], 4),
            percent(month.benchmark, 4),
        )
        for month in record.months
    ]
    heads = ("month", "members", "began with", "beginning", "with flows", "aggregate", "net")
    table(f"Months, by the three methods; net: {stated.value}", (*heads, "benchmark"), rows)


def _print_members(people: Sequence[Membership]) -> None:
    rows = []
    for one in people:
        for place, interval in enumerate(one.intervals):
            left = "" if interval.last is None else interval.left.value
            if place == len(one.intervals) - 1 and not one.outside.startswith(left or "?"):
                left = "; now: ".join(part for part in (left, one.outside) if part)
            until = "" if interval.last is None else interval.last.isoformat()
            entered = interval.entered.value
            rows.append((one.account_id, interval.first.isoformat(), until, entered, left))
        if not one.intervals:
            rows.append((one.account_id, "never", "", "", one.outside))
    table("Members", ("account", "from", "to", "entered", "left or outside because"), rows)


def _print_removals(record: CompositeRecord) -> None:
    from opensma.report.words import counted, money, percent, signed_money

    rows = [
        (
            one.account_id,
            f"{one.month:%Y-%m}",
            signed_money(one.net_flow_cents),
            money(one.begin_cents),
            percent(abs(one.net_flow_cents) / one.begin_cents, 1),
            percent(one.bound, 1),
            f"{one.back:%Y-%m}",
        )
        for one in record.removals
    ]
    if rows:
        heads = ("account", "out from", "net flow", "began with", "share", "bound", "back from")
        table("Out for a while because of a flow", heads, rows)
    if any(rule.large_flow is not None for rule in record.rules.rules):
        click.echo(
            f"{counted(record.large_flows, 'large flow')} of members; every account is valued on "
            "every session, so each period was broken there."
        )


def _print_outliers(record: CompositeRecord, outliers: Sequence[Outlier]) -> None:
    from opensma.measure.composite_book import by_account
    from opensma.report.words import percent

    bound = f"{record.rules.outlier_bps:g} bp"
    if not outliers:
        click.echo(f"No member's month lies more than {bound} from the composite.")
        return
    rows = []
    for account_id, entries in by_account(outliers).items():
        first = entries[0]
        rows.append(
            (
                account_id,
                str(len(entries)),
                f"{first.month:%Y-%m}",
                percent(first.account_return),
                f"{first.difference * 1e4:+,.0f} bp",
                first.cause.value,
                first.evidence,
            )
        )
    heads = ("account", "months", "largest", "return", "from composite", "likely cause", "evidence")
    table(f"More than {bound} from the composite", heads, rows)
