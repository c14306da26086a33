"""`sma account`: list accounts, and show one with its lots, its day and the reasons behind it."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensma.cli import _account_motion, _account_what_if
from opensma.cli.day import market_option, rates_options, rates_used
from opensma.cli.output import book_option, emit_json, json_option, plain, table

if TYPE_CHECKING:
    from opensma.book.gain_budgets import GainBudget
    from opensma.book.instructions import Instruction
    from opensma.book.lotviews import LotRow, WashWindow
    from opensma.book.plans import StoredPlan
    from opensma.book.tradeviews import TradeView
    from opensma.book.views import AccountView, Decision, Holdings, Measures, ProgramRow

_LIST = (
    "account",
    "owner",
    "registration",
    "value",
    "return",
    "benchmark",
    "tracking error",
    "harvested this year",
    "trades",
    "plan",
    "exceptions",
)

_SHOWN = 15  # trades in the terminal; `sma account why` has all of them

account_argument = click.argument("account_id", metavar="ID")


@click.group("account")
def group() -> None:
    """One account: what it holds, what it is worth, and why it holds what it holds."""


group.add_command(_account_what_if.command)
for _command in _account_motion.commands:
    group.add_command(_command)


@group.command("list")
@book_option
@json_option
def list_command(book: str, as_json: bool) -> None:
    """Every account of the book with its figures and what the newest day did to it."""
    from opensma.book.store import open_book
    from opensma.book.views import program_rows

    rows = program_rows(open_book(book))
    if as_json:
        emit_json({"accounts": rows})
        return
    table("", _LIST, [_list_row(row) for row in rows])


def _list_row(row: ProgramRow) -> tuple[object, ...]:
    from opensma.report.words import money, percent

    account, figures = row.account, row.measures
    head = (account.account_id, row.owner, account.registration)
    tail = (row.trades, row.plan.status if row.plan else "", row.exceptions)
    if figures is None:
        return (*head, "", "", "", "", "", *tail)
    return (
        *head,
        money(figures.value_cents),
        percent(figures.twr),
        percent(figures.benchmark_twr),
        percent(figures.tracking_error),
        money(figures.harvested_year_cents),
        *tail,
    )


@group.command("show")
@account_argument
@book_option
@market_option
@json_option
def show_command(account_id: str, book: str, market_path: Path | None, as_json: bool) -> None:
    """Figures, restrictions, the newest plan and its trades in dollars that add up."""

    view = _view(book, market_path, account_id)
    orders, budgets = _instructions(book, view)
    if as_json:
        emit_json({**_document(view), "lot_instructions": orders, "gain_budgets": budgets})
        return
    account = view.account
    click.echo(f"{account.account_id}  {account.name}")
    table("", ("figure", "value"), _figures(view))
    _show_restrictions(view)
    _show_instructions(orders, view)
    _show_budgets(budgets, view)
    _show_windows(view.holdings)
    _show_decision(view.decision)


@group.command("lots")
@account_argument
@book_option
@market_option
@json_option
def lots_command(account_id: str, book: str, market_path: Path | None, as_json: bool) -> None:
    """Open lots with basis, unrealised gain, term, and the day on which each turns long-term."""
    view = _view(book, market_path, account_id)
    lots = view.holdings.lots
    if as_json:
        total = {"value_cents": sum(x.value_cents for x in lots), "lots": len(lots)}
        day = view.holdings.day
        emit_json({"account_id": account_id, "day": day, **total, "open": _lots(view.holdings)})
        return
    columns = ("security", "lot", "acquired", "shares", "price", "value", "basis", "gain", "term")
    rows = [_lot_row(lot) for lot in lots]
    table(f"{account_id} on {view.holdings.day}", (*columns, "long-term from", "note"), rows)


def _lot_row(lot: LotRow) -> tuple[object, ...]:
    from opensma.report.words import money
    from opensma.units import MICROS, shares

    notes = []
    if lot.wash_cents:
        notes.append(f"basis holds {money(lot.wash_cents)} of deferred loss")
    elif lot.replaces:
        notes.append("replaced shares sold at a loss")
    if lot.holding_from != lot.acquired:
        notes.append(f"held from {lot.holding_from}")
    return (
        lot.symbol,
        str(lot.lot),
        str(lot.acquired),
        shares(lot.quantity_micros),
        f"{lot.price_micros / MICROS:,.2f}" if lot.price_micros else "none",
        money(lot.value_cents),
        money(lot.basis_cents),
        money(lot.gain_cents),
        "long" if lot.long_term else "short",
        str(lot.long_from),
        "; ".join(notes),
    )


@group.command("why")
@account_argument
@click.option("--prices", is_flag=True, help="Price every restriction as well; needs the market.")
@rates_options
@book_option
@market_option
@json_option
def why_command(
    account_id: str,
    prices: bool,
    rates: str | None,
    carried_share: str | None,
    book: str,
    market_path: Path | None,
    as_json: bool,
) -> None:
    """The newest plan in a paragraph, its trades with their reasons, and what was left undone.

    `--prices` adds what each restriction and binding limit costs from today's holdings on.
    """
    from opensma.book.store import open_book
    from opensma.book.views import account_decision
    from opensma.report.paragraph import plan_paragraph

    decision = account_decision(open_book(book), account_id)
    told = plan_paragraph(decision)
    used = rates_used(rates, carried_share)
    stands = _account_what_if.standing_of(book, market_path, account_id, used) if prices else None
    if as_json:
        priced = _account_what_if.priced_document(stands)
        emit_json({"account_id": account_id, "explained": told, **_decision(decision), **priced})
        return
    click.echo(textwrap.fill(told, 98) + "\n")
    _show_reasons(decision)
    if stands is not None:
        _account_what_if.show_priced(stands)


def _show_reasons(decision: Decision) -> None:
    from opensma.report.explain import why_not_traded, why_traded

    if decision.plan is None:
        _show_decision(decision)
        return
    for trade in decision.trades:
        click.echo(f"{trade.trade_id}  {_dollars(trade)}")
        _sentence(why_traded(trade, decision))
    plan = decision.plan
    click.echo(f"the whole plan  {_dollars(plan)}")
    if decision.non_trades:
        click.echo("\nNot traded")
        for left in decision.non_trades:
            _sentence(why_not_traded(left, decision))


def _sentence(text: str) -> None:
    click.echo(textwrap.fill(text, 98, initial_indent="  ", subsequent_indent="  "))


def _dollars(one: TradeView | StoredPlan) -> str:
    from opensma.report.words import signed_money

    parts = {"risk": one.risk_cents, "tax": one.tax_cents, "cost": one.cost_cents}
    listed = ", ".join(f"{name} {signed_money(cents)}" for name, cents in parts.items())
    return f"{listed}: {signed_money(sum(parts.values()))}"


# --- one account ---------------------------------------------------------------------------------


def _view(book: str, market_path: Path | None, account_id: str) -> AccountView:
    from opensma.book.market_link import market_of
    from opensma.book.master import find_account
    from opensma.book.store import open_book
    from opensma.book.views import account_view

    opened = open_book(book)
    with opened.read() as connection:
        find_account(connection, account_id)  # a wrong id is told before a missing market
    return account_view(opened, market_of(opened, market_path), account_id)


def _instructions(book: str, view: AccountView) -> tuple[list[Instruction], list[GainBudget]]:
    """What is on file about the account's lots and the taxpayer's gains, oldest first."""
    from opensma.book.gain_budgets import read_budgets
    from opensma.book.instructions import read_instructions
    from opensma.book.master import AccountRecord, all_records
    from opensma.book.store import open_book

    key, owner = view.account.account_key, view.account.taxpayer_id
    with open_book(book).read() as connection:
        every = all_records(connection, AccountRecord)
        budgets = read_budgets(connection, [a.account_key for a in every if a.taxpayer_id == owner])
        return read_instructions(connection, [key]).get(key, []), budgets


def _show_budgets(budgets: list[GainBudget], view: AccountView) -> None:
    """Yearly gain budgets of the taxpayer, and which one stands on the day shown."""
    from datetime import date

    from opensma.book.gain_budgets import budget_on
    from opensma.report.words import money

    if not budgets:
        return
    stands = budget_on(budgets, view.holdings.day.toordinal())
    rows = [
        (
            *("none" if c is None else money(c) for c in (b.short_cents, b.long_cents)),
            str(date.fromordinal(b.valid_from_day)),
            b.by,
            str(date.fromordinal(b.given_day)),
            "in force" if b is stands else "",
        )
        for b in budgets
    ]
    title = "Gain budgets of the taxpayer, a calendar year, all accounts together"
    table(title, ("short-term", "long-term", "from", "by", "given", ""), rows)


def _show_instructions(orders: list[Instruction], view: AccountView) -> None:
    """Standing methods and choices of lots, and which method stands on the day shown."""
    from opensma.book.instructions import method_on
    from opensma.units import shares

    if not orders:
        return
    rows = []
    for one in orders:
        lots = ", ".join(f"{shares(micros)} of lot {lot}" for lot, micros in one.lots)
        what = one.method or f"order {one.order}: {lots}"
        rows.append((what, str(one.valid_from), one.by, str(one.given), one.recorded_at))
    stands = method_on(orders, view.holdings.day.toordinal())
    title = f"Lot instructions ({stands} on {view.holdings.day})"
    table(title, ("lots", "from", "by", "given", "recorded"), rows)


def _show_restrictions(view: AccountView) -> None:
    if not view.restrictions:
        return
    rows = [
        (
            wish.kind,
            f"{wish.scope} {wish.scope_key}",
            "" if wish.value_bps is None else f"{wish.value_bps / 100:g}%",
            wish.valid_from,
            wish.reason,
        )
        for wish in view.restrictions
    ]
    table("Restrictions", ("kind", "of", "limit", "since", "reason"), rows)


def _show_windows(holdings: Holdings) -> None:
    """One row for each day of sales at a loss."""
    from opensma.report.words import listed, money

    days: dict[tuple[str, str], list[WashWindow]] = {}
    for window in holdings.windows:
        days.setdefault((str(window.until), str(window.sold)), []).append(window)
    rows = []
    for (until, sold), some in days.items():
        names = list(dict.fromkeys(w.symbol for w in some))
        loss = money(sum(w.loss_cents for w in some))
        rows.append((until, sold, loss, len(names), listed(names, 6)))
    if rows:
        columns = ("no purchase through", "sold", "loss open", "securities", "which")
        table("Open wash windows", columns, rows)


def _figures(view: AccountView) -> list[tuple[str, str]]:
    from opensma.report.words import money, signed_money

    account, people, holdings, figures = view.account, view.people, view.holdings, view.measures
    profile, gains = people.profile, holdings.unrealised
    names = len({lot.security_key for lot in holdings.lots})
    paid = (money(holdings.deposited_cents), money(holdings.withdrawn_cents))
    long = (signed_money(gains.long_gain_cents), signed_money(gains.long_loss_cents))
    short = (signed_money(gains.short_gain_cents), signed_money(gains.short_loss_cents))
    rows = [
        ("owner", f"{people.owner.name} ({people.taxpayer.name}, {people.taxpayer.state})"),
        ("registration", f"{account.registration} at {account.custodian}, since {account.opened}"),
        ("advisor", f"{people.advisor.name}, {people.advisor.firm}"),
        ("strategy", f"{people.strategy.name}, {people.program.name}"),
        ("tax rates", _rates(profile.short_rate_micros, profile.long_rate_micros, account.taxed)),
        (f"value on {holdings.day}", money(holdings.value_cents)),
        ("cash", f"{money(holdings.cash_cents)}, settled {money(holdings.settled_cents)}"),
        ("holdings", f"{names:,} securities, {len(holdings.lots):,} lots"),
        ("paid in and out", f"{paid[0]} in, {paid[1]} out"),
        ("unrealised, long-term", f"{long[0]} and {long[1]}"),
        ("unrealised, short-term", f"{short[0]} and {short[1]}"),
    ]
    return rows if figures is None else rows + _measured(figures)


def _measured(figures: Measures) -> list[tuple[str, str]]:
    from opensma.report.words import money, percent, signed_money

    harvested, worth = money(figures.harvested_year_cents), money(figures.tax_value_year_cents)
    short = signed_money(figures.short_gain_year_cents)
    long = signed_money(figures.long_gain_year_cents)
    twr, benchmark = percent(figures.twr), percent(figures.benchmark_twr)
    return [
        ("return since inception", f"{twr}, benchmark {benchmark}"),
        ("expected tracking error", percent(figures.tracking_error)),
        ("harvested this year", f"{harvested}, worth up to {worth}"),
        ("realised this year", f"{short} short-term, {long} long-term"),
    ]


def _rates(short: int, long: int, taxed: bool) -> str:
    if not taxed:
        return "none: a retirement account"
    return f"{short / 10_000:.1f}% short-term, {long / 10_000:.1f}% long-term"


def _show_decision(decision: Decision) -> None:
    """The plan by reason, and the trades that weigh most; `why` has all of them."""
    for exception in decision.exceptions:
        click.echo(f"{exception.code}: {exception.message} {exception.remedy}")
    plan = decision.plan
    if plan is None or decision.run is None:
        click.echo("No plan: no day has been run for this account.")
        return
    dollars = ("risk", "tax", "cost", "total")
    table(
        f"Plan of {decision.run.day}: {plan.status}, {plan.review}",
        ("reason", "trades", *dollars),
        [*_by_reason(decision.trades), _total_row(plan, len(decision.trades))],
    )
    _show_plan(decision, plan)
    heaviest = sorted(decision.trades, key=lambda t: (-abs(t.total_cents), t.trade_id))[:_SHOWN]
    if heaviest:
        table(
            f"The {len(heaviest)} of {len(decision.trades):,} trades that weigh most",
            ("#", "shares", "security", "lot of", "reason", *dollars),
            [_trade_row(trade) for trade in heaviest],
        )


def _by_reason(trades: tuple[TradeView, ...]) -> list[tuple[object, ...]]:
    from opensma.report.reasons import label
    from opensma.report.words import signed_money

    sums: dict[str, list[int]] = {}
    for trade in trades:
        parts = (1, trade.risk_cents, trade.tax_cents, trade.cost_cents, trade.total_cents)
        total = sums.setdefault(trade.reason, [0] * len(parts))
        sums[trade.reason] = [a + b for a, b in zip(total, parts, strict=True)]
    ordered = sorted(sums.items(), key=lambda item: (item[1][-1], item[0]))
    return [
        (label(reason), count, *map(signed_money, dollars)) for reason, (count, *dollars) in ordered
    ]


def _trade_row(trade: TradeView) -> tuple[object, ...]:
    from opensma.report.reasons import label
    from opensma.report.words import signed_money
    from opensma.units import shares

    dollars = (trade.risk_cents, trade.tax_cents, trade.cost_cents, trade.total_cents)
    return (
        trade.trade_id.rsplit("-", 1)[1],
        ("-" if trade.side == "sell" else "+") + shares(trade.quantity_micros),
        trade.symbol,
        "" if trade.lot is None else str(trade.lot.acquired),
        label(trade.reason),
        *map(signed_money, dollars),
    )


def _total_row(plan: StoredPlan, trades: int) -> tuple[object, ...]:
    from opensma.report.words import signed_money

    change = plan.objective_cents - plan.objective_before_cents
    dollars = (plan.risk_cents, plan.tax_cents, plan.cost_cents, change)
    return ("the whole plan", trades, *map(signed_money, dollars))


def _show_plan(decision: Decision, plan: StoredPlan) -> None:
    from opensma.report.words import money, percent

    gap, bps = decision.gap, decision.gap_bps
    facts = [
        f"tracking error {percent(plan.te_before)} -> {percent(plan.te_after)}",
        f"turnover {percent(plan.turnover)}",
        f"binding: {', '.join(plan.binding_names) or 'nothing'}",
    ]
    if gap is not None and bps is not None:
        facts.append(f"certified: at most {money(round(gap * 100))} ({bps:.2f} bp) from the best")
    click.echo("; ".join(facts) + ".")
    if decision.trades:
        click.echo(f"Every trade with its reason: sma account why {plan.account_id}\n")


# --- JSON ----------------------------------------------------------------------------------------


def _document(view: AccountView) -> dict[str, Any]:
    holdings = plain(view.holdings)
    holdings["lots"] = len(view.holdings.lots)  # `sma account lots` has them
    holdings["positions"] = [
        {**plain(p), "gain_cents": p.gain_cents} for p in view.holdings.positions if p.lots
    ]
    return {
        "account": view.account,
        "people": view.people,
        "holdings": holdings,
        "measures": view.measures,
        "restrictions": view.restrictions,
        "decision": _decision(view.decision),
    }


def _lots(holdings: Holdings) -> list[dict[str, Any]]:
    return [{**plain(lot), "gain_cents": lot.gain_cents} for lot in holdings.lots]


def _decision(decision: Decision) -> dict[str, Any]:
    """A decision with the sentences, the sums and the certified gap."""
    from opensma.report.explain import why_not_traded, why_traded

    plan = decision.plan
    return {
        "run": decision.run,
        "plan": plan and {
            **plain(plan), "binding": plan.binding_names, "non_trades": len(plan.not_traded)
        },
        "change_cents": plan and plan.objective_cents - plan.objective_before_cents,
        "gap": decision.gap,
        "gap_bps": decision.gap_bps,
        "rates": decision.rates,
        "trades": [
            {**trade_document(t), "why": why_traded(t, decision)} for t in decision.trades
        ],
        "non_trades": [
            {**plain(n), "why": why_not_traded(n, decision)} for n in decision.non_trades
        ],
        "exceptions": decision.exceptions,
    }  # fmt: skip


def trade_document(trade: TradeView) -> dict[str, Any]:
    """A trade with what follows from its fields."""
    lot = trade.lot
    return {
        **plain(trade),
        "total_cents": trade.total_cents,
        "lot": lot and {**plain(lot), "gain_cents": lot.gain_cents},
    }
