"""After tax on the book: ties to the forms, the shadow to the index, the overhang to the lots."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from opensma.book.ledger import load_states, read_journal
from opensma.book.master import AccountRecord, all_records
from opensma.book.names import key_map
from opensma.book.series import account_series
from opensma.book.state import new_account
from opensma.book.store import open_book
from opensma.book.taxviews import tax_year
from opensma.day import run_day
from opensma.market import Market, open_market
from opensma.measure.after_tax_book import TaxManagement, account_tax_management, overhangs
from opensma.measure.conventions import ShadowStart
from opensma.measure.performance import Performance, account_performance


@pytest.fixture
def market(small_book: str, small_market: Path) -> Market:
    opened = open_market(small_market)
    run_day(open_book(small_book), opened, opened.day(-1), recorded_at="t", workers=1)
    return opened


def people(book: str) -> list[AccountRecord]:
    with open_book(book).read() as connection:
        return [a for a in all_records(connection, AccountRecord) if a.taxed]


def both(
    book: str, market: Market, account: AccountRecord, first: date | None = None
) -> tuple[Performance, TaxManagement]:
    opened = open_book(book)
    found = account_performance(opened, market, account.account_id, first, None)
    managed = account_tax_management(opened, market, found)
    assert managed is not None
    return found, managed


def test_m51_after_tax_figures_are_those_of_the_forms(small_book: str, market: Market) -> None:
    last_year = date(2023, 12, 31)
    some = 0
    for account in people(small_book):
        book = open_book(small_book)
        view = tax_year(book, account.account_id, 2024)
        (form,) = view.shown()
        with book.read() as connection:
            days = account_series(connection, [account.account_key])[account.account_key].days
        first = last_year if int(days[0]) <= last_year.toordinal() else None
        found = account_performance(book, market, account.account_id, first, None)
        assert found.after_tax is not None
        assert found.after_tax.realised_short_cents == form.short_cents
        assert found.after_tax.realised_long_cents == form.long_cents
        # The same again from the rows of Form 8949, in dollars: proceeds, basis, adjustment.
        rows = [r for r in view.rows if r.account == account.account_id]
        for is_long, cents in ((False, form.short_cents), (True, form.long_cents)):
            assert sum(r.gain_cents for r in rows if (r.box in "DEFJKL") is is_long) == cents
        rates = view.profile
        owed = form.short_cents * rates.short_rate_micros
        owed += (form.long_cents + found.after_tax.dividend_cents) * rates.long_rate_micros
        assert found.after_tax.tax_cents == pytest.approx(owed / 1e6, abs=1)
        some += abs(form.short_cents) + abs(form.long_cents)
    assert some


def test_m52_the_shadow_before_tax_is_the_benchmark(small_book: str, market: Market) -> None:
    for account in people(small_book):
        found, managed = both(small_book, market, account)
        assert managed.shadow is not None, managed.missing
        shadow = managed.shadow
        benchmark = found.benchmark.cumulative
        assert shadow.pre_tax.cumulative == pytest.approx(benchmark, abs=1e-12)
        assert shadow.after_tax.cumulative < shadow.pre_tax.cumulative  # dividends are taxed
        assert found.after_tax is not None
        after = found.after_tax.pre_liquidation.cumulative - shadow.after_tax.cumulative
        before = found.time_weighted.cumulative - benchmark
        assert shadow.alpha.tax_alpha == pytest.approx(after - before, abs=1e-12)


def test_m43_the_overhang_is_value_less_basis(small_book: str, market: Market) -> None:
    with open_book(small_book).read() as connection:
        keys = key_map(connection, market)
        states = load_states(connection, [a.account_key for a in people(small_book)])
        for account in people(small_book):
            key = account.account_key
            series = account_series(connection, [key])[key]
            journal = list(read_journal(connection, [key]))
            found = overhangs(new_account(key), journal, market, keys, series.days[-1:])
            state = states[key]
            worth = int(series.value_cents[-1]) - state.cash_cents
            gain = worth - int(state.lots.basis_cents.sum())
            assert found.gains.sum() == pytest.approx(gain, abs=len(state.lots))


def test_m43_liquidation_takes_more_where_gains_wait(small_book: str, market: Market) -> None:
    signs = set()
    for account in people(small_book):
        found, managed = both(small_book, market, account)
        assert found.after_tax is not None
        if managed.unrealised_short_cents > 0 and managed.unrealised_long_cents > 0:
            pre = found.after_tax.pre_liquidation.cumulative
            assert managed.mark_to_liquidation.cumulative < pre
            signs.add(True)
        assert managed.harvested_cents >= 0
        assert managed.harvest_yield >= 0
        assert np.isfinite(managed.unrealised_share)
    assert signs


def test_m54_a_fresh_basis_and_the_accounts_own_are_both_kept(
    small_book: str, market: Market
) -> None:
    account = min(people(small_book), key=lambda a: a.opened)
    book, first = open_book(small_book), market.day(-60)
    found = account_performance(book, market, account.account_id, first, None)
    for start in ShadowStart:
        managed = account_tax_management(book, market, found, start)
        assert managed is not None
        assert managed.shadow is not None
        assert managed.shadow.start is start


def test_m50_an_exempt_account_has_none(small_book: str, market: Market) -> None:
    book = open_book(small_book)
    with book.read() as connection:
        exempt = next(a for a in all_records(connection, AccountRecord) if not a.taxed)
    found = account_performance(book, market, exempt.account_id, None, None)
    assert account_tax_management(book, market, found) is None
