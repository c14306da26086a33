"""`sma measure`: returns of an account, and worked cases that check every formula."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensma.cli import _measure_composite, _measure_why
from opensma.cli.day import market_option
from opensma.cli.output import book_option, date_option, emit_json, json_option, note, plain, table

if TYPE_CHECKING:
    from opensma.measure.after_tax_book import TaxManagement
    from opensma.measure.length import PeriodReturn
    from opensma.measure.performance import Performance

DIFFERENT = 1


@click.group("measure")
def group() -> None:
    """Returns, after-tax results, attribution, composites and fees."""


group.add_command(_measure_composite.command)


@group.command("check")
@click.argument("file", metavar="FILE.json", type=click.Path(path_type=Path, allow_dash=True))
@json_option
def check_command(file: Path, as_json: bool) -> int:
    """Compute every case of a file with the product's own functions, and compare.

    Prints a list of {id, computed, expected, ok}; a case that cannot be computed has an `error`.
    Exit code 0 when all agree, 1 when one does not, 2 when the file cannot be read.
    """
    del as_json  # JSON is the only form
    from opensma.cli.measure_cases.checking import check_cases, passed, read_cases

    data = sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes()
    answers = check_cases(read_cases(data, str(file)))
    emit_json(answers)
    for answer in answers:
        if answer["ok"] is False:
            note(f"{answer['id']}: {answer.get('error', 'computed and expected differ')}")
    return 0 if passed(answers) else DIFFERENT


@group.command("account")
@click.argument("account_id", metavar="ID")
@book_option
@date_option("--from", help="Date of the opening value.  [default: the account's funding]")
@date_option("--to", help="Date of the closing value.  [default: its newest day]")
@click.option(
    "--policy",
    metavar="FILE.json",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The firm's dated policy on large and significant flows.  [default: not asked]",
)
@market_option
@json_option
def account_command(
    account_id: str,
    book: str,
    policy: Path | None,
    market_path: Path | None,
    as_json: bool,
    **period: date | None,
) -> None:
    """Returns of one account, before and after tax, beside its benchmark, and its risk."""
    from opensma.book.market_link import market_of
    from opensma.book.master import find_account
    from opensma.book.store import open_book
    from opensma.errors import InputError
    from opensma.measure.after_tax_book import account_tax_management
    from opensma.measure.attribution_book import account_attribution
    from opensma.measure.flow_policy import account_policy_months, read_policy
    from opensma.measure.losses_book import account_losses
    from opensma.measure.performance import account_performance

    rules = None if policy is None else read_policy(policy.read_bytes(), str(policy))
    opened = open_book(book)
    with opened.read() as connection:
        find_account(connection, account_id)  # a wrong id is told before a missing market
    market = market_of(opened, market_path)
    found = account_performance(opened, market, account_id, period["from"], period["to"])
    managed = account_tax_management(opened, market, found)
    worth = None if managed is None else account_losses(opened, found, managed)
    why: list[str] = [*found.missing]
    why += () if managed is None else managed.missing
    why += () if worth is None else worth.missing
    explained = None
    try:
        explained = account_attribution(opened, market, found)
    except InputError as error:  # a month that loses everything cannot be linked (M63)
        why.append(f"attribution: {error.message}")
    flows = None if rules is None else account_policy_months(opened, found, rules)
    if as_json:
        document = _document(found, managed)
        document["flow_policy"] = None if flows is None else _measure_why.flow_rows(flows)
        document["losses"] = None if worth is None else plain(worth)
        document["attribution"] = _measure_why.attribution_document(explained)
        document["missing"] = why
        emit_json(document)
        return
    whole = found.time_weighted
    table(f"{account_id}, {whole.start} to {whole.end}", ("figure", "value"), _figures(found))
    if managed is not None:
        rows = _tax_figures(managed)
        rows += [] if worth is None else _measure_why.losses_figures(worth)
        table("Tax management", ("figure", "value"), rows)
    if explained is not None:
        _measure_why.print_attribution(explained)
    if flows is not None:
        _measure_why.print_flows(flows)
    if found.not_invoiced_days:
        days = f"{found.not_invoiced_days:,} days of the period"
        click.echo(f"Net counts the fees invoiced; {days} had no invoice yet.")
    for text in why:
        click.echo(f"Not shown: {text}")


@group.command("household")
@click.argument("taxpayer_id", metavar="TAXPAYER")
@book_option
@json_option
def household_command(taxpayer_id: str, book: str, as_json: bool) -> None:
    """Returns of all accounts of a taxpayer as one; transfers between them are no flows."""
    from opensma.book.store import open_book
    from opensma.measure.household_book import household_performance
    from opensma.report.words import money, percent

    found = household_performance(open_book(book), taxpayer_id)
    whole, own = found.time_weighted, found.money_weighted
    if as_json:
        document: dict[str, Any] = plain(found)
        document["time_weighted"]["annualised"] = whole.annualised
        emit_json(document)
        return
    rows = [
        ("accounts", ", ".join(found.account_ids)),
        ("value", money(found.end_cents)),
        ("paid in and out", f"{money(found.inflow_cents)} in, {money(found.outflow_cents)} out"),
        ("time-weighted, gross", _return(whole)),
    ]
    if own is not None:
        yearly = "" if own.annualised is None else f", {percent(own.annualised)} a year"
        rows.append(("personal (money-weighted)", f"{percent(own.period)}{yearly}"))
    table(f"Household {taxpayer_id}, {whole.start} to {whole.end}", ("figure", "value"), rows)
    for why in found.missing:
        click.echo(f"Not shown: {why}")


def _figures(found: Performance) -> list[tuple[str, str]]:
    from opensma.report.words import money, percent, signed_money

    rows = [
        ("value", f"{money(found.begin_cents)} to {money(found.end_cents)}"),
        ("paid in and out", f"{money(found.inflow_cents)} in, {money(found.outflow_cents)} out"),
        ("time-weighted, gross", _return(found.time_weighted)),
    ]
    if found.net is not None:
        fees = f"{_return(found.net)}, {money(found.fee_cents)} of fees invoiced"
        rows.append(("time-weighted, net of fees", fees))
    rows.append(("benchmark, total return", _return(found.benchmark)))
    if (own := found.money_weighted) is not None:
        yearly = "" if own.annualised is None else f", {percent(own.annualised)} a year"
        rows.append(("personal (money-weighted)", f"{percent(own.period)}{yearly}"))
    if (taxed := found.after_tax) is not None:
        short, long = taxed.realised_short_cents, taxed.realised_long_cents
        realised = f"{signed_money(short)} short-term, {signed_money(long)} long-term"
        rates = (
            f"{percent(taxed.short_rate, 1)} short-term, {percent(taxed.long_rate, 1)} long-term"
        )
        rows += [
            ("after-tax, pre-liquidation", _return(taxed.pre_liquidation)),
            ("tax rates at the end", f"{rates} and dividends"),
            ("tax of the period", f"{signed_money(taxed.tax_cents)}, losses counted in full"),
            ("realised", f"{realised}, {money(taxed.dividend_cents)} dividends"),
        ]
    rows += [
        ("tracking error, realised", percent(found.tracking_error)),
        ("beta", "" if found.beta is None else f"{found.beta:.3f}"),
        ("maximum drawdown", percent(found.max_drawdown)),
    ]
    return rows


def _tax_figures(found: TaxManagement) -> list[tuple[str, str]]:
    from opensma.report.words import money, percent, signed_money, signed_percent

    rows = [("after-tax, mark-to-liquidation", _return(found.mark_to_liquidation))]
    if (shadow := found.shadow) is not None:
        alpha = shadow.alpha
        rows += [
            ("benchmark after tax (shadow)", _return(shadow.after_tax)),
            ("excess after tax", signed_percent(alpha.excess_after)),
            ("excess before tax", signed_percent(alpha.excess_pre)),
            ("tax alpha", f"{signed_percent(alpha.tax_alpha)}, shadow basis: {shadow.start.value}"),
        ]
    short, long = found.unrealised_short_cents, found.unrealised_long_cents
    share = signed_percent(found.unrealised_share)
    share_of_average = f"{percent(found.harvest_yield)} of the average value"
    rows += [
        ("unrealised", f"{signed_money(short)} short-term, {signed_money(long)} long-term"),
        ("unrealised, share of value", share),
        ("losses harvested in the period", f"{money(found.harvested_cents)}, {share_of_average}"),
    ]
    return rows


def _return(one: PeriodReturn) -> str:
    from opensma.report.words import percent

    if one.annualised is None:
        return f"{percent(one.cumulative)} (under one year)"
    return f"{percent(one.cumulative)}, {percent(one.annualised)} a year"


def _document(found: Performance, managed: TaxManagement | None) -> dict[str, Any]:
    """All figures, with the yearly ones where there are any."""
    document: dict[str, Any] = plain(found)
    for place, name in ((document, "time_weighted"), (document, "benchmark")):
        place[name]["annualised"] = getattr(found, name).annualised
    if found.net is not None:
        document["net"]["annualised"] = found.net.annualised
    if found.after_tax is not None:
        yearly = found.after_tax.pre_liquidation.annualised
        document["after_tax"]["pre_liquidation"]["annualised"] = yearly
    document["tax_management"] = None if managed is None else plain(managed)
    if managed is not None and managed.shadow is not None:
        tax = document["tax_management"]
        tax["shadow"]["alpha"]["tax_alpha"] = managed.shadow.alpha.tax_alpha
    return document
