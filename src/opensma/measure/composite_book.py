"""A composite from the book: every account's months, what its owner excludes, what it held."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from opensma.book.fold import fold
from opensma.book.ledger import read_journal
from opensma.book.master import AccountRecord, Restriction, all_records
from opensma.book.names import KeyMap, key_map
from opensma.book.runs import ExceptionRecord, add_exceptions, day_exceptions, latest_run
from opensma.book.series import account_series
from opensma.book.state import new_account
from opensma.book.store import Book
from opensma.calendar import previous_session
from opensma.errors import InputError
from opensma.market import Market
from opensma.measure.account_month import AccountMonth, account_months
from opensma.measure.composite_record import (
    CompositeMonth,
    CompositeRecord,
    composite_record,
    monthly_returns,
)
from opensma.measure.composite_rules import CompositeRules, provisional_rules
from opensma.measure.conventions import Conventions
from opensma.measure.fees_book import BookedFee, booked_fees
from opensma.measure.membership import first_of_month
from opensma.measure.outliers import MonthMarket, Opening, Outlier, explain, outlying
from opensma.measure.refusals import Floats, refuse
from opensma.measure.valuation import Track, carried_closes, positions
from opensma.measure.wishes import Bools, in_force, named
from opensma.units import MICROS, Ints, notional_cents_array

OUTLIER_STAGE, OUTLIER_CODE = "measure", "measure.outlier"


@dataclass(frozen=True, slots=True)
class _Source:
    """What the book says of all accounts."""

    accounts: dict[str, AccountRecord]
    wishes: dict[str, list[Restriction]]
    keys: KeyMap


def composite_of(
    book: Book, market: Market, rules: CompositeRules | None
) -> tuple[CompositeRecord, list[Outlier]]:
    """The record of a composite and its outliers; without rules of the book's only strategy."""
    source, months = _read(book, market, rules)
    record = _record(market, rules or _provisional(source, months), months)
    return record, _outliers(book, market, source, record, months)


def record_of(book: Book, market: Market, rules: CompositeRules | None) -> CompositeRecord:
    """The record alone, without the search for outliers, which takes most of the time."""
    source, months = _read(book, market, rules)
    return _record(market, rules or _provisional(source, months), months)


def _record(
    market: Market, rules: CompositeRules, months: Sequence[AccountMonth]
) -> CompositeRecord:
    benchmark = monthly_returns(
        market.benchmark_index(), market.days, sorted({m.month for m in months})
    )
    return composite_record(rules, months, benchmark)


def _provisional(source: _Source, months: Sequence[AccountMonth]) -> CompositeRules:
    strategies = sorted({a.strategy_id for a in source.accounts.values()})
    if len(strategies) != 1:
        raise InputError(
            "measure.definition_needed",
            f"The book has {len(strategies)} strategies: {', '.join(strategies)}.",
            where="--definition",
            remedy="Write down which of them the composite takes, and name the file.",
        )
    return provisional_rules(strategies[0], min(m.month for m in months))


def _read(
    book: Book, market: Market, rules: CompositeRules | None
) -> tuple[_Source, list[AccountMonth]]:
    with book.read() as connection:
        records = all_records(connection, AccountRecord)
        series = account_series(connection, [a.account_key for a in records])
        wishes: dict[str, list[Restriction]] = {}
        for wish in all_records(connection, Restriction):
            wishes.setdefault(wish.account_id, []).append(wish)
        fees: dict[str, list[BookedFee]] = {}
        for fee in booked_fees(connection, [a.account_id for a in records]):
            fees.setdefault(fee.account_id, []).append(fee)
        source = _Source({a.account_id: a for a in records}, wishes, key_map(connection, market))
    if not series:
        refuse(
            "no_values",
            "No account has daily values yet.",
            remedy="Fund one and run a trading day.",
        )
    timing = (rules.conventions if rules else Conventions()).fee_timing
    last = _last_month(max(int(one.days[-1]) for one in series.values()))
    months = [
        month
        for a in records
        if a.account_key in series
        for own in [series[a.account_key]]
        for month in account_months(
            a.account_id, a.strategy_id, own, last, fees.get(a.account_id, ()), timing
        )
    ]
    if not months:
        refuse("no_month", "No calendar month is complete yet.", remedy="Come back at month end.")
    models = {month: _model(market, month) for month in {m.month for m in months}}
    return source, [
        replace(m, excluded_weight=float(models[m.month] @ mask))
        for m in months
        for mask in [_excluded(market, source.wishes.get(m.account_id, ()), m.month)]
    ]


def _last_month(newest: int) -> date:
    """The newest month whose last session has been measured."""
    month = first_of_month(date.fromordinal(newest))
    done = previous_session(first_of_month(month, 1)).toordinal() <= newest
    return month if done else first_of_month(month, -1)


def _opening_row(market: Market, month: date) -> int:
    """The session before a month, or the market's first."""
    return max(0, int(np.searchsorted(market.days, month.toordinal())) - 1)


def _model(market: Market, month: date) -> Floats:
    return market.target_weights(int(market.days[_opening_row(market, month)]))


def _excluded(market: Market, wishes: Iterable[Restriction], month: date) -> Bools:
    """Securities (securities,) that an owner excludes on the first of a month."""
    mask = np.zeros(len(market.security_id), dtype=bool)
    for wish in in_force(wishes, month.isoformat()):
        if wish.kind == "exclude":
            mask |= named(market, wish)
    return mask


# --- outliers ----------------------------------------------------------------------------------


def _outliers(
    book: Book,
    market: Market,
    source: _Source,
    record: CompositeRecord,
    months: Sequence[AccountMonth],
) -> list[Outlier]:
    """Journals are read only of members of months in which somebody lies outside."""
    rules = record.rules
    method, threshold = rules.conventions.composite_method, rules.outlier_bps
    some = [m for m in record.months if outlying(m, method, threshold)]
    tracks = _tracks(book, source, {name for m in some for name in m.members})
    closes = carried_closes(market)
    by_month = {(m.account_id, m.month): m for m in months}
    found: list[Outlier] = []
    for month in some:
        members = {name: by_month[name, month.month] for name in month.members}
        openings = {
            name: _opening(market, source, tracks[name], closes, members[name])
            for name in month.members
        }
        over = _month_market(market, month)
        found += explain(month, method, threshold, members, openings, over)
    return found


def _tracks(book: Book, source: _Source, names: set[str]) -> dict[str, Track]:
    found = {}
    with book.read() as connection:
        for name in sorted(names):
            key = source.accounts[name].account_key
            state, track = new_account(key), Track()
            for booked in read_journal(connection, [key]):
                state = fold(state, booked)
                track.add(booked, state)
            found[name] = track
    return found


def _opening(
    market: Market, source: _Source, track: Track, closes: Ints, month: AccountMonth
) -> Opening:
    day = (month.month - timedelta(days=1)).toordinal()
    weights = np.zeros(len(market.security_id))
    if known := [d for d in track.positions if d <= day]:
        held, quantity = positions(*track.positions[max(known)])
        rows = source.keys.rows(held)
        price = closes[_opening_row(market, month.month), rows]
        np.add.at(weights, rows, notional_cents_array(quantity, price) / month.begin_cents)
    account = source.accounts[month.account_id]
    excluded = _excluded(market, source.wishes.get(month.account_id, ()), month.month)
    return Opening(weights, 1.0 - float(weights.sum()), excluded, setting_words(account))


def setting_words(account: AccountRecord) -> str:
    """How closely an account follows its model."""
    if account.te_cap_bps is not None:
        return f"a tracking-error cap of {account.te_cap_bps / 100:g}%"
    return f"risk aversion {(account.risk_aversion_micros or 0) / MICROS:g}"


def _month_market(market: Market, month: CompositeMonth) -> MonthMarket:
    first = _opening_row(market, month.month) + 1
    stop = int(np.searchsorted(market.days, first_of_month(month.month, 1).toordinal()))
    daily = np.nan_to_num(market.total_returns()[first:stop])
    gained: Floats = np.prod(1.0 + daily, axis=0) - 1.0
    return MonthMarket(_model(market, month.month), gained, month.benchmark)


def record_outliers(book: Book, record: CompositeRecord, found: Sequence[Outlier]) -> int:
    """Keep outliers among the newest day's exceptions; returns how many were not there before."""
    with book.write() as connection:
        run = latest_run(connection)
        if run is None:
            refuse("no_run", "The book has no trading day yet.", remedy="sma day run --date DAY")
        known = {(e.account_id, e.stage, e.code) for e in day_exceptions(connection, run.run_id)}
        fresh = []
        for account_id, entries in by_account(found).items():
            if (account_id, OUTLIER_STAGE, OUTLIER_CODE) not in known:
                fresh.append(_exception(run.run_id, record, account_id, entries))
        add_exceptions(connection, fresh)
    return len(fresh)


def _exception(
    run_id: str, record: CompositeRecord, account_id: str, entries: Sequence[Outlier]
) -> ExceptionRecord:
    worst = entries[0]
    return ExceptionRecord(
        run_id,
        OUTLIER_STAGE,
        account_id,
        OUTLIER_CODE,
        f"{worst.month:%Y-%m}: {worst.difference * 1e4:+,.0f} bp from composite "
        f"{record.rules.name}, most likely {worst.cause.value}: {worst.evidence}.",
        "Look at the account's restrictions, cash and flows of that month.",
    )


def by_account(outliers: Iterable[Outlier]) -> Mapping[str, list[Outlier]]:
    """Entries of each account, the largest difference first."""
    found: dict[str, list[Outlier]] = {}
    for one in sorted(outliers, key=lambda o: (-abs(o.difference), o.month)):
        found.setdefault(one.account_id, []).append(one)
    return found
