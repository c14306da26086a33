"""`sma account what-if`: the account's next plan with a change beside the plan without it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensma.cli.day import market_option, rates_options, rates_used
from opensma.cli.output import book_option, emit_json, json_option, note_compilation, plain, table

if TYPE_CHECKING:
    from opensma.book.runs import RatesUsed
    from opensma.trade.standing import Standing
    from opensma.trade.what_if import Comparison


@click.command("what-if")
@click.argument("account_id", metavar="ID")
@click.option(
    "--exclude",
    multiple=True,
    metavar="S",
    help="A ticker, `issuer TICKER`, a sector or a theme; repeat.",
)
@click.option("--te-cap", metavar="PERCENT", help="A cap on tracking error, such as 0.75% or 75bp.")
@click.option("--risk-aversion", metavar="X", help="A price on risk instead of a cap.")
@click.option("--raise-cash", metavar="DOLLARS", help="Cash to be paid out.")
@click.option("--gain-budget", metavar="DOLLARS", help="Net long-term gain allowed; no short-term.")
@click.option("--short-gain-budget", metavar="DOLLARS", help="Net short-term gain allowed.")
@rates_options
@book_option
@market_option
@json_option
def command(
    account_id: str,
    exclude: tuple[str, ...],
    te_cap: str | None,
    risk_aversion: str | None,
    raise_cash: str | None,
    gain_budget: str | None,
    short_gain_budget: str | None,
    rates: str | None,
    carried_share: str | None,
    book: str,
    market_path: Path | None,
    as_json: bool,
) -> None:
    """What a change would do to taxes, tracking error and trades; nothing is written.

    Asks the question of the next plan, at the closes of the newest day, with and without the
    change. Without any change it prices the account's restrictions.
    """
    from opensma.trade.change_text import read_change

    given = {
        "exclude": ",".join(exclude),
        "te_cap": te_cap or "",
        "aversion": risk_aversion or "",
        "raise": raise_cash or "",
        "budget": gain_budget or "",
        "short_budget": short_gain_budget or "",
    }
    change = read_change(given)
    stands = standing_of(book, market_path, account_id, rates_used(rates, carried_share))
    if change.empty:
        if as_json:
            emit_json({"account_id": account_id, **priced_document(stands)})
        else:
            show_priced(stands)
        return
    from opensma.trade.what_if import what_if

    told = what_if(stands, change)
    if as_json:
        emit_json(_document(told))
    else:
        _show(told)


def standing_of(
    book: str, market_path: Path | None, account_id: str, rates: RatesUsed | None = None
) -> Standing:
    """The account as it stands at the closes of the newest day; rates on file by default."""
    from opensma.book.market_link import market_of
    from opensma.book.master import find_account
    from opensma.book.store import open_book
    from opensma.trade.standing import ready_day, standing, standing_day

    opened = open_book(book)
    with opened.read() as connection:
        find_account(connection, account_id)  # a wrong id is told before a missing market
    market = market_of(opened, market_path)
    note_compilation()
    ready = ready_day(opened, market, standing_day(opened, market))
    return standing(opened, ready, account_id, rates=rates)


def _document(told: Comparison) -> dict[str, Any]:
    from datetime import date

    from opensma.report.what_if import verdict

    return {
        **plain(told),
        "day": date.fromordinal(told.day),
        "difference": {
            "tax_cents": told.tax_cents,
            "cost_cents": told.cost_cents,
            "te_bps": told.te_bps,
            "trades": told.trades,
        }
        if told.before.solved and told.after.solved
        else None,
        "verdict": verdict(told),
    }


def _show(told: Comparison) -> None:
    import textwrap

    from opensma.report.what_if import verdict
    from opensma.report.words import day_words, money, signed_money

    click.echo(textwrap.fill(verdict(told), 98))
    if not (told.before.solved and told.after.solved):
        return
    rows = comparison_rows(told)
    title = f"{told.account_id}, next plan at the closes of {day_words(told.day)}"
    table(title, ("figure", "without", "with", "difference"), rows)
    moves = [
        (m.symbol, money(m.before_cents), money(m.after_cents), signed_money(m.difference_cents))
        for m in told.moves
    ]
    if moves:
        title = f"The {len(moves)} of {told.moves_in_all:,} securities that differ most"
        table(title, ("security", "without", "with", "difference"), moves)
    if told.others_tax_cents:
        click.echo(f"Tax in the taxpayer's other accounts: {signed_money(told.others_tax_cents)}.")
    click.echo("Nothing was saved.")


def comparison_rows(told: Comparison) -> list[tuple[str, str, str, str]]:
    """Figure, without, with, difference: each as text."""
    from opensma.report.words import money, percent, signed_money

    before, after = told.before, told.after
    rows = []
    for words, name in (
        ("tax of the plan", "tax_cents"),
        ("trading costs", "cost_cents"),
        ("short-term gain realised", "short_gain_cents"),
        ("long-term gain realised", "long_gain_cents"),
        ("cash left", "cash_cents"),
    ):
        old, new = getattr(before, name), getattr(after, name)
        rows.append((words, money(old), money(new), signed_money(new - old)))
    errors = (percent(before.tracking_error), percent(after.tracking_error))
    rows.insert(1, ("tracking error", *errors, f"{told.te_bps:+.1f} bp"))
    rows.insert(2, ("trades", str(before.trades), str(after.trades), f"{told.trades:+d}"))
    return rows


def priced_document(stands: Standing | None) -> dict[str, Any]:
    """The prices of an account's restrictions with their sums; empty where none are asked for."""
    from opensma.trade.restriction_prices import restriction_prices

    if stands is None:
        return {}
    prices = restriction_prices(stands)
    found = plain(prices)
    for row, price in zip(found["priced"], prices.priced, strict=True):
        row["total_cents"] = price.total_cents
    return {"prices": found}


def show_priced(stands: Standing) -> None:
    """A table of what each restriction and binding limit costs."""
    from opensma.report.what_if import price_head
    from opensma.report.words import signed_money
    from opensma.trade.restriction_prices import restriction_prices

    prices, ready = restriction_prices(stands), stands.ready
    if prices.status != "solved":
        click.echo(f"Restrictions have no price: the plan is {prices.status}.")
        return
    rows = [
        (
            ready.named(price_head(price)),
            f"{price.te_bps:+.1f} bp",
            signed_money(price.risk_year_cents),
            signed_money(price.tax_cents),
            signed_money(price.cost_cents),
            signed_money(price.total_cents),
        )
        for price in prices.priced
    ]
    if rows:
        columns = ("restriction", "tracking error", "risk a year", "tax once", "cost once")
        table("What each restriction costs now", (*columns, "first year"), rows)
    else:
        click.echo("No restriction and no limit costs the account anything now.")
    for wish in prices.idle:
        click.echo(f"{wish.kind} {wish.scope} {ready.named(wish.scope_key)}: does not bind now.")
    if prices.not_asked:
        click.echo(f"{prices.not_asked} more were not priced.")
