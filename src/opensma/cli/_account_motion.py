"""`sma account transition|raise-cash|gift|wait|substitute`: money in motion; nothing is written."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensma.cli._account_what_if import standing_of
from opensma.cli.day import market_option
from opensma.cli.output import (
    Decorator,
    book_option,
    date_option,
    emit_json,
    json_option,
    plain,
    table,
)

if TYPE_CHECKING:
    from opensma.construct.motion.gifts import Gift
    from opensma.construct.motion.moving import Moving
    from opensma.construct.motion.substitute import Substitution
    from opensma.construct.motion.transition import Path as YearsPath
    from opensma.construct.motion.transition import Yearly
    from opensma.trade.standing import Standing

_SHOWN = 20

account_argument = click.argument("account_id", metavar="ID")
aversion_option: Decorator = click.option(
    "--risk-aversion",
    type=click.FloatRange(0.0, min_open=True),
    metavar="X",
    help="Price of risk instead of the account's own, or of the price of its cap.",
)


def _start(book: str, market_path: Path | None, account_id: str) -> tuple[Standing, Moving, int]:
    from opensma.construct.motion.moving import Moving

    stands = standing_of(book, market_path, account_id)
    day = stands.ready.ordinal
    long_from = stands.long_from[account_id]
    return stands, Moving.start(stands.account, long_from, stands.taxpayer.loss_groups, day), day


@click.command("transition")
@account_argument
@click.option("--years", type=click.IntRange(1, 30), default=5, show_default=True, metavar="N")
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    metavar="DOLLARS",
    help="Net gain a year; repeat to compare.",
)
@aversion_option
@book_option
@market_option
@json_option
def transition_command(
    account_id: str,
    years: int,
    budgets: tuple[str, ...],
    risk_aversion: float | None,
    book: str,
    market_path: Path | None,
    as_json: bool,
) -> None:
    """Paths to the target over several years under yearly gain budgets, to choose from."""
    from opensma.construct.motion.transition import transition

    given = [_dollars(text, "budget") for text in budgets] or None
    stands, moving, day = _start(book, market_path, account_id)
    yearly = _yearly(stands)
    paths = transition(stands.ready.prepared, moving, day, years, given, risk_aversion, yearly)
    if as_json:
        names = ("tax", "cost", "risk", "total", "te_end", "te_mean")
        rows = [{**plain(p), **{name: getattr(p, name) for name in names}} for p in paths]
        told = {"yearly": plain(yearly), "paths": [_dated(row) for row in rows]}
        emit_json({"account_id": account_id, **told})
        return
    best = min(paths, key=lambda p: p.total)
    columns = ("gain budget a year", "tax", "costs", "risk", "together", "TE at the end", "TE mean")
    title = f"{account_id}: {years} years from {date.fromordinal(day)}, prices unchanged"
    table(title, (*columns, "note"), [_path_row(p, p is best) for p in paths])
    table(
        "Year by year on the path that is best",
        _YEAR_COLUMNS,
        [_year_row(best, n) for n in range(years)],
    )
    if yearly is not None:
        click.echo(_yearly_words(yearly))


def _yearly(stands: Standing) -> Yearly | None:
    """The taxpayer's yearly budget on file, in dollars; the account's gains are its concern."""
    from opensma.construct.motion.transition import Yearly
    from opensma.units import CENTS

    left, year = stands.left, stands.budget
    if left is None or year is None or stands.account_id not in left.taxed:
        return None
    budget = year.budget
    cents = (left.short_cents, left.long_cents, budget.short_cents, budget.long_cents)
    return Yearly(*(None if c is None else c / CENTS for c in cents))


def _yearly_words(yearly: Yearly) -> str:
    """What every path keeps, in one sentence."""
    told = [
        f"{_money(every)} of {term} gain a year, {_money(left)} left in this one"
        for term, left, every in (
            ("short-term", yearly.short_left, yearly.short),
            ("long-term", yearly.long_left, yearly.long),
        )
        if left is not None and every is not None
    ]
    return f"Every path keeps the taxpayer's budget: {'; '.join(told)}."


_YEAR_COLUMNS = (
    "day",
    "plan",
    "trades",
    "short gain",
    "long gain",
    "tax",
    "tracking error",
    "gain left",
)


def _path_row(path: YearsPath, best: bool) -> tuple[str, ...]:
    from opensma.report.words import percent

    budget = "none" if path.budget is None else _money(path.budget)
    money = [_money(x) for x in (path.tax, path.cost, path.risk, path.total)]
    unsolved = sum(y.status != "solved" for y in path.years)
    note = f"{unsolved} years without a plan" if unsolved else "best" if best else ""
    return (budget, *money, percent(path.te_end), percent(path.te_mean), note)


def _year_row(path: YearsPath, number: int) -> tuple[str, ...]:
    from opensma.report.words import percent

    year = path.years[number]
    head = (str(date.fromordinal(year.day)), year.status, str(year.trades))
    error = f"{percent(year.te_before)} -> {percent(year.te_after)}"
    gains = (_money(year.st_gain), _money(year.lt_gain), _money(year.tax))
    return (*head, *gains, error, _money(year.gain_left))


@click.command("raise-cash")
@account_argument
@click.argument("amount", metavar="DOLLARS")
@date_option("--by", required=True, help="The last day on which the cash may be raised.")
@book_option
@market_option
@json_option
def raise_cash_command(
    account_id: str, amount: str, by: date, book: str, market_path: Path | None, as_json: bool
) -> None:
    """The day until which raising cash costs least tax, prices unchanged."""
    from opensma.construct.motion.cash import raise_by
    from opensma.report.words import percent

    dollars = _dollars(amount, "DOLLARS")
    stands, moving, day = _start(book, market_path, account_id)
    found = raise_by(stands.ready.prepared, moving, day, by.toordinal(), dollars)
    if as_json:
        told = [_dated(plain(choice)) for choice in found]
        emit_json({"account_id": account_id, "amount": dollars, "choices": told})
        return
    rows = [
        (
            str(date.fromordinal(c.day)),
            "least tax" if c.least_tax else "risk weighed",
            *(_money(x) for x in (c.tax, c.cost, c.st_gain, c.lt_gain)),
            percent(c.tracking_error),
        )
        if c.status == "solved"
        else (str(date.fromordinal(c.day)), stands.ready.named(c.message), "", "", "", "", "")
        for c in found
    ]
    columns = ("on", "aim", "tax", "costs", "short gain", "long gain", "tracking error after")
    table(f"{account_id}: {_money(dollars)} by {by}, least tax first", columns, rows)


@click.command("gift")
@account_argument
@click.argument("amount", metavar="DOLLARS")
@aversion_option
@book_option
@market_option
@json_option
def gift_command(
    account_id: str,
    amount: str,
    risk_aversion: float | None,
    book: str,
    market_path: Path | None,
    as_json: bool,
) -> None:
    """Long-term lots to give to charity: the largest gains, and those that also lower risk."""
    from opensma.construct.motion.gifts import gift

    dollars = _dollars(amount, "DOLLARS")
    stands, moving, day = _start(book, market_path, account_id)
    choices = gift(stands.ready.prepared, moving, day, dollars, risk_aversion)
    if as_json:
        names = ("value", "gain", "tax_avoided")
        told = [{**plain(g), **{name: getattr(g, name) for name in names}} for g in choices]
        emit_json({"account_id": account_id, "choices": told})
        return
    columns = ("ranked by", "given", "gain untaxed", "tax avoided", "TE before", "TE given")
    table("Gifts", (*columns, "TE next plan", "its tax"), [_gift_row(g) for g in choices])
    for one in choices:
        lots = sorted(one.lots, key=lambda x: -x.value)[:_SHOWN]
        rows = [
            (
                stands.ready.symbols[x.security],
                f"{x.shares:g}",
                *(_money(v) for v in (x.value, x.basis, x.gain, x.tax_avoided)),
            )
            for x in lots
        ]
        title = f"The {len(lots)} largest of {len(one.lots)} lots, by {_ranked(one)}"
        table(title, ("security", "shares", "value", "basis", "gain", "tax avoided"), rows)
    click.echo("What may be deducted, and its limits, are not modelled.")


def _ranked(one: Gift) -> str:
    return "gain and risk" if one.with_risk else "gain"


def _gift_row(one: Gift) -> tuple[str, ...]:
    from opensma.report.words import percent

    after = (percent(one.te_after), _money(one.tax_after))
    if one.status != "solved":
        after = (one.status, "")
    money = (_money(one.value), _money(one.gain), _money(one.tax_avoided))
    return (_ranked(one), *money, percent(one.te_before), percent(one.te_given), *after)


@click.command("wait")
@account_argument
@aversion_option
@book_option
@market_option
@json_option
def wait_command(
    account_id: str,
    risk_aversion: float | None,
    book: str,
    market_path: Path | None,
    as_json: bool,
) -> None:
    """Short-term lots with a gain: tax saved by waiting against the risk of keeping them."""
    from opensma.construct.motion.waiting import waits

    stands, moving, day = _start(book, market_path, account_id)
    found = waits(stands.ready.prepared, moving, day, risk_aversion)
    if as_json:
        told = [_dated({**plain(w), "tax_saved": w.tax_saved, "worth": w.worth}) for w in found]
        emit_json({"account_id": account_id, "lots": told})
        return
    rows = [
        (
            stands.ready.symbols[w.security],
            str(date.fromordinal(w.long_from)),
            str(w.days),
            *(_money(x) for x in (w.gain, w.tax_now, w.tax_then, w.risk, w.worth)),
        )
        for w in found[:_SHOWN]
    ]
    columns = ("security", "long-term from", "days", "gain", "tax now", "tax then", "risk")
    title = f"{len(rows)} of {len(found)} lots, those to sell now first"
    table(title, (*columns, "worth of waiting"), rows)


@click.command("substitute")
@account_argument
@click.argument("security", metavar="TICKER")
@aversion_option
@book_option
@market_option
@json_option
def substitute_command(
    account_id: str,
    security: str,
    risk_aversion: float | None,
    book: str,
    market_path: Path | None,
    as_json: bool,
) -> None:
    """Sell a name at a loss, hold a basket that tracks it until the window ends, then decide."""
    from opensma.construct.motion.substitute import substitute
    from opensma.errors import InputError
    from opensma.trade.what_if import security_named

    stands, moving, day = _start(book, market_path, account_id)
    row = security_named(stands.ready, security)
    try:
        found = substitute(stands.ready.prepared, moving, day, row, risk_aversion)
    except InputError as error:  # the decision knows ids, the reader tickers
        words = (stands.ready.named(error.message), stands.ready.named(error.where))
        raise InputError(error.code, words[0], where=words[1], remedy=error.remedy) from None
    if as_json:
        names = ("worth", "worth_going_back", "gain_to_stay")
        told = {**plain(found), **{name: getattr(found, name) for name in names}}
        told["back_day"] = date.fromordinal(found.back_day)
        emit_json({"account_id": account_id, "symbol": stands.ready.symbols[row], **told})
        return
    if found.status != "solved":
        click.echo(f"No basket: {stands.ready.named(found.message)}")
        return
    _show_substitution(stands, found)


def _show_substitution(stands: Standing, found: Substitution) -> None:
    from opensma.report.words import percent

    stay = found.gain_to_stay
    facts = [
        ("loss", _money(found.loss)),
        ("worth now, at most", _money(found.tax_value)),
        ("tracking error of the basket against the name", percent(found.basket_te)),
        ("of the account, with the name", percent(found.te_name)),
        ("of the account, with the basket", percent(found.te_basket)),
        ("costs of the way out", _money(found.cost_out)),
        ("costs of the way back", _money(found.cost_back)),
        ("risk for the window", _money(found.risk_window)),
        ("risk for a year", _money(found.risk_year)),
        ("worth of it all, going back at unchanged prices", _money(found.worth)),
        ("first day to go back", str(date.fromordinal(found.back_day))),
        ("go back unless the basket has gained", "stay" if stay is None else _money(stay)),
    ]
    table(f"Out of {stands.ready.symbols[found.security]}", ("figure", "value"), facts)
    rows = [
        (stands.ready.symbols[h.security], f"{h.shares:g}", _money(h.value))
        for h in found.basket[:_SHOWN]
    ]
    title = f"The {len(rows)} largest of {len(found.basket)} in the basket"
    table(title, ("security", "shares", "value"), rows)


def _dated(row: dict[str, Any]) -> dict[str, Any]:
    """A plain record with its days as dates."""
    found = dict(row)
    for name in ("day", "long_from"):
        if name in row:
            found[name] = date.fromordinal(row[name])
    if "years" in row:
        found["years"] = [_dated(year) for year in row["years"]]
    return found


def _dollars(text: str, where: str) -> float:
    from opensma.units import CENTS, parse_cents

    return parse_cents(text.strip().removeprefix("$").replace(",", ""), where) / CENTS


def _money(dollars: float) -> str:
    from opensma.report.words import money

    return money(round(dollars * 100))


commands = (
    transition_command,
    raise_cash_command,
    gift_command,
    wait_command,
    substitute_command,
)
