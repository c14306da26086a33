"""`sma tax year`: one year of an account or taxpayer from the book, with what can still change."""

from __future__ import annotations

import sys
from datetime import date
from typing import TYPE_CHECKING, Any

import click

from opensma.cli.output import book_option, date_option, emit_json, json_option, note, plain, table
from opensma.errors import InputError

if TYPE_CHECKING:
    from opensma.book.taxviews import HouseholdTax, TaxYear
    from opensma.tax.liability import Change
    from opensma.tax.loss_value import LossValue

_MOST_SYMBOLS = 12


@click.command("year")
@click.argument("name", metavar="ACCOUNT|TAXPAYER")
@click.argument("year", metavar="YEAR", type=click.IntRange(1990, 2100))
@book_option
@date_option("--as-of", help="The day to look from.  [default: the newest day of the book]")
@click.option("--horizon", type=int, metavar="YEARS", help="Until the lower basis is taxed.  [10]")
@click.option("--discount-bps", type=int, metavar="BPS", help="Cost of money a year.  [500]")
@click.option(
    "--later-rate", metavar="PERCENT", help="Rate at the horizon.  [the long-term rate on file]"
)
@click.option("--csv", "kind", flag_value="csv", help="Print the year's Form 8949 as CSV instead.")
@click.option("--txf", "kind", flag_value="txf", help="Print it for tax software instead.")
@json_option
def command(
    name: str,
    year: int,
    book: str,
    as_of: date | None,
    horizon: int | None,
    discount_bps: int | None,
    later_rate: str | None,
    kind: str | None,
    as_json: bool,
) -> None:
    """A tax year from the book: gains by term, netting, carryforward, harvests, tax, wash calendar.

    Netting and tax are always those of the taxpayer, also for one account. Estimates use the
    income on file and the rate tables named; losses from before the book are not known.
    """
    from opensma.book.store import open_book
    from opensma.book.taxviews import tax_year

    opened = open_book(book)
    view = tax_year(opened, name, year, as_of)
    if (horizon, discount_bps, later_rate) != (None, None, None):
        assumed = _assumed(view, horizon, discount_bps, later_rate)
        view = tax_year(opened, name, year, as_of, assumed=assumed)
    if kind is not None:
        if as_json:
            raise InputError(
                "tax.format",
                "Only one format can be printed.",
                where="--json",
                remedy="Choose one of --json, --csv and --txf.",
            )
        sys.stdout.write(_file(view, kind))
    elif as_json:
        emit_json(document(view))
    else:
        _show(view)


def document(view: TaxYear) -> dict[str, Any]:
    """The year as one document, with the sums that people look for; money in cents."""
    from opensma.book.taxcalendar import calendar_days

    told: dict[str, Any] = plain(view)
    for line, account in zip(told["accounts"], view.accounts, strict=True):
        line |= {"short_cents": account.short_cents, "long_cents": account.long_cents}
    told["full"] |= _value(view.full)
    told["calendar"] = plain(calendar_days(view.losses, view.purchases))
    told["forms"] = {"rows": len(view.rows)}
    house = view.household
    if house is not None and house.liability is not None:
        told["household"]["added_cents"] = house.added_cents
        told["household"]["liability"]["parts_cents"] = list(house.liability.parts_cents)
        told["household"]["liability"]["total_cents"] = house.liability.total_cents
    if house is not None and house.usable is not None:
        told["household"]["usable"]["this_year"] |= _value(house.usable.this_year)
        told["household"]["usable"]["value_cents"] = house.usable.value_cents
    return told


def _value(value: LossValue) -> dict[str, int]:
    return {
        "value_cents": value.value_cents,
        "deferral_cents": value.deferral_cents,
        "rate_difference_cents": value.rate_difference_cents,
    }


def _assumed(view: TaxYear, horizon: int | None, bps: int | None, later: str | None) -> Any:
    from opensma.tax.loss_value import Assumptions
    from opensma.units import parse_micros

    base = view.assumed
    later_rate = base.later_rate_millionths
    if later is not None:
        later_rate = parse_micros(later.removesuffix("%"), "--later-rate") // 100
    return Assumptions(
        base.horizon_years if horizon is None else horizon,
        base.discount_bps if bps is None else bps,
        later_rate,
    )


def _file(view: TaxYear, kind: str) -> str:
    from opensma.tax.forms import Form8949Row, to_csv, to_txf

    return to_csv(view.rows, Form8949Row) if kind == "csv" else to_txf(view.rows, date.today())


# --- tables --------------------------------------------------------------------------------------


def _show(view: TaxYear) -> None:
    who = f"{view.taxpayer.name} ({view.taxpayer.taxpayer_id})"
    scope = f"account {view.account_id} of {who}" if view.account_id else who
    filing = f"{view.taxpayer.filing_status}, {view.taxpayer.state or 'no state'}"
    click.echo(f"Tax year {view.year}: {scope}; {filing}; as of {view.as_of}")
    _realised(view)
    if view.household is None:
        note("Netting and tax need all accounts of the taxpayer; some are not yours to see.")
    else:
        _household(view, view.household)
    _harvest(view)
    _dividends(view)
    _calendar(view)
    _forms(view)


def _realised(view: TaxYear) -> None:
    rows = [
        (
            a.account.account_id,
            "taxable" if a.account.taxed else "retirement: not taxed",
            _money(a.short_gain_cents),
            _money(-a.short_loss_cents),
            _money(a.long_gain_cents),
            _money(-a.long_loss_cents),
            _money(a.deferred_cents),
            _money(a.permanent_cents),
        )
        for a in view.shown()
    ]
    columns = ("account", "kind", "short gain", "short loss", "long gain", "long loss")
    table("Realised", (*columns, "deferred by wash sales", "lost for good"), rows)


def _household(view: TaxYear, house: HouseholdTax) -> None:
    lines = []
    for line in house.ledger:
        net = line.netting
        lines.append(
            (
                str(line.result.year),
                _money(line.result.short_cents),
                _money(line.result.long_cents),
                f"{_money(line.short_in_cents)} / {_money(line.long_in_cents)}",
                _money(net.short_gain_cents),
                _money(net.long_gain_cents),
                _money(net.used_cents),
                f"{_money(net.short_carry_cents)} / {_money(net.long_carry_cents)}",
            )
        )
    columns: tuple[str, ...] = ("year", "net short", "net long", "carried in, short / long")
    taxed = ("short gain taxed", "long gain taxed", "off other income")
    title = "Netting of the taxpayer, all accounts together"
    table(title, (*columns, *taxed, "carried on, short / long"), lines)
    if house.liability is None or house.without is None or house.next_dollar is None:
        note(f"No estimate of tax: {house.missing}")
        return
    names = ("federal, ordinary", "federal, long-term", "net investment income", "state")
    parts = zip(names, house.liability.parts_cents, house.without.parts_cents, strict=True)
    rows = [(name, _money(a), _money(b), _money(a - b)) for name, a, b in parts]
    total = (_money(house.liability.total_cents), _money(house.without.total_cents))
    rows.append(("together", *total, _money(house.added_cents or 0)))
    checked = "every figure checked" if house.liability.verified else "not every figure is checked"
    title = f"Estimated tax {view.year}, rate table {house.liability.table}, {checked}"
    table(title, ("part", "with these accounts", "without", "because of them"), rows)
    more = house.next_dollar
    dollar = [_dollar("short-term", more.short), _dollar("long-term", more.long)]
    columns = (
        "one more dollar of gain",
        "federal",
        "investment",
        "state",
        "tax now",
        "carryforward",
    )
    table("", columns, dollar)
    if house.state_results is not None:
        _own_basis(view, house)


def _dollar(name: str, change: Change) -> tuple[str, ...]:
    parts = (
        *(change.federal_microcents, change.investment_microcents),
        *(change.state_microcents, change.total_microcents),
    )
    carry = change.short_carry_cents + change.long_carry_cents
    return (name, *(f"{part / 1_000_000:.2f}%" for part in parts), _money(carry))


def _own_basis(view: TaxYear, house: HouseholdTax) -> None:
    short, long = house.state_results or (0, 0)
    state = view.taxpayer.state
    click.echo(f"{state} has no wash sale rule: {_money(short)} short, {_money(long)} long there.")
    rows = [
        (
            d.account,
            d.lot,
            "open" if d.sold_day is None else str(date.fromordinal(d.sold_day)),
            _money(d.federal_basis_cents),
            _money(d.state_basis_cents),
            _money(d.federal_gain_cents),
            _money(d.state_gain_cents),
        )
        for d in house.own_basis
    ]
    columns = ("account", "lot", "sold", "federal basis", "state basis", "federal gain")
    table(f"Two bases, federal and {state}", (*columns, "state gain"), rows)


def _harvest(view: TaxYear) -> None:
    full, house = view.full, view.household
    use = house.usable if house is not None else None
    rows = [
        ("losses harvested, short / long", _pair(full.short_loss_cents, full.long_loss_cents), ""),
    ]
    columns: list[tuple[str, str]] = [
        ("tax avoided now", "now_cents"),
        ("tax later, at its present value", "later_present_cents"),
        ("value", "value_cents"),
        ("  of it deferral", "deferral_cents"),
        ("  of it rate difference", "rate_difference_cents"),
    ]
    for words, field in columns:
        now = _money(getattr(use.this_year, field)) if use is not None else "n/a"
        rows.append((words, _money(getattr(full, field)), now))
    if use is not None:
        carried = _pair(use.short_carried_cents, use.long_carried_cents)
        rows.append(("carried forward, short / long", "", carried))
        rows.append(("saved later by the carryforward", "", _money(use.carried_present_cents)))
        rows.append(("value with the carryforward", "", _money(use.value_cents)))
    assumed = view.assumed
    later = f"{assumed.later_rate_millionths / 10_000:.2f}% after {assumed.horizon_years} years"
    title = f"Harvested losses: taxed later at {later}, money costs {assumed.discount_bps} bps"
    table(title, ("", "in full, at the rates on file", f"usable in {view.year}"), rows)


def _pair(short: int, long: int) -> str:
    return f"{_money(short)} / {_money(long)}"


def _dividends(view: TaxYear) -> None:
    if not view.dividends:
        return
    rows = [
        (
            a.account.account_id,
            _money(a.qualified_cents),
            _money(a.ordinary_dividend_cents),
            _money(a.open_dividend_cents),
        )
        for a in view.shown()
        if a.account.taxed
    ]
    columns = ("account", "qualified", "ordinary", "of both, a sale could still change")
    table("Dividends by days held; the issuer's classification is not known", columns, rows)


def _calendar(view: TaxYear) -> None:
    from opensma.book.taxcalendar import calendar_days

    rows = [
        (str(day.day), _symbols(day.buy_again), _symbols(day.sell_again))
        for day in calendar_days(view.losses, view.purchases)
    ]
    if rows:
        columns = ("from this day", "may be bought again", "may be sold at a loss again")
        table(f"Wash calendar of the taxpayer, as of {view.as_of}", columns, rows)
    else:
        click.echo(f"No wash window is open on {view.as_of}.")


def _symbols(symbols: tuple[str, ...]) -> str:
    shown = ", ".join(symbols[:_MOST_SYMBOLS])
    more = len(symbols) - _MOST_SYMBOLS
    return f"{shown} and {more} more" if more > 0 else shown


def _forms(view: TaxYear) -> None:
    from opensma.tax.forms import box_totals

    rows = [
        (
            total.text,
            total.rows,
            *(_money(c) for c in (total.proceeds_cents, total.basis_cents)),
            *(_money(c) for c in (total.adjustment_cents, total.gain_cents)),
        )
        for total in box_totals(view.rows)
    ]
    columns = ("Form 8949", "rows", "proceeds", "basis", "adjustment", "gain")
    table("", columns, rows)
    final = view.final
    if final.final:
        click.echo(f"The year is final since {final.processed}; brokers may still correct theirs.")
    else:
        click.echo(
            f"Purchases until {final.last_purchase} can still change {view.year}"
            f" ({final.losses_in_reach} losses in reach); final after {final.processed}."
        )


def _money(cents: int) -> str:
    from opensma.units import dollars

    return dollars(cents)
