"""Net returns from the fees that were invoiced: gross less fees is net, exactly (M6, M19)."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import select
from tests.billing.test_commands import Sma, sma  # noqa: F401 - a fixture
from tests.billing.test_debits import move

from opensma.book import schema
from opensma.book.journal import Kind
from opensma.book.master import AccountRecord, all_records
from opensma.book.series import DailyValues, account_series
from opensma.book.store import open_book
from opensma.book.verify import verify
from opensma.day import run_day
from opensma.errors import InputError
from opensma.market import open_market
from opensma.measure.conventions import FeeTiming
from opensma.measure.fees_book import BookedFee, booked_fees, fee_days, net_returns, taken_days
from opensma.measure.performance import account_performance
from opensma.measure.returns import linked, series_returns

QUARTER = "2024Q3"


def fee(first: date, last: date, cents: int) -> BookedFee:
    return BookedFee("A", first.toordinal(), last.toordinal(), last.toordinal(), cents)


def series(values: list[int], start: date = date(2024, 1, 2)) -> DailyValues:
    days = np.arange(start.toordinal(), start.toordinal() + len(values))
    into = np.zeros(len(values), dtype=np.int64)
    into[0] = values[0]
    return DailyValues(days, np.array(values), into, np.zeros_like(into))


@pytest.mark.parametrize("timing", list(FeeTiming))
def test_m19_gross_less_fees_is_net_on_the_demo_book(
    sma: Sma,  # noqa: F811
    small_market: Path,
    timing: FeeTiming,
) -> None:
    release(sma)
    book = open_book(sma.book)
    with book.read() as connection:
        people = all_records(connection, AccountRecord)
        known = account_series(connection, [a.account_key for a in people])
        fees = booked_fees(connection, [a.account_id for a in people])
    assert fees
    for account in people:
        own = [f for f in fees if f.account_id == account.account_id]
        values = known.get(account.account_key)
        if not own or values is None:
            continue
        charged = fee_days(own, values.days, timing)
        assert charged.sum() == sum(f.cents for f in own)  # every cent once
        gross, net = net_returns(values, charged)
        base = np.append(0, values.value_cents[:-1]) + values.inflow_cents
        assert (gross - net) * base == pytest.approx(charged, abs=1e-5)  # cents
        found = account_performance(book, open_market(small_market), account.account_id, None, None)
        assert found.fee_cents == sum(f.cents for f in own)
        if timing is FeeTiming.DEBIT_DATE:
            assert found.net is not None
            # One quarter of the account's life was invoiced; the rest is told, not assumed free.
            life = int(values.days[-1]) - int(values.days[0])
            served = sum(f.last_day - max(f.first_day, int(values.days[0]) + 1) + 1 for f in own)
            assert found.not_invoiced_days == life - served > 0
            assert found.net.cumulative == pytest.approx(linked(net), abs=1e-15)
            assert found.net.cumulative < found.time_weighted.cumulative


def test_b18_a_reversed_invoice_charges_nothing(sma: Sma, small_market: Path) -> None:  # noqa: F811
    release(sma)
    sma("reverse", "--period", QUARTER)
    book = open_book(sma.book)
    with book.read() as connection:
        people = all_records(connection, AccountRecord)
        assert booked_fees(connection, [a.account_id for a in people]) == []
    market = open_market(small_market)
    found = account_performance(book, market, people[0].account_id, None, None)
    assert found.net is None
    assert any("no management fee" in why for why in found.missing)


def test_a_fee_accrues_over_its_service_and_keeps_every_cent() -> None:
    days = series([1_000_00] * 10).days
    charged = fee_days(
        [fee(date(2024, 1, 2), date(2024, 1, 11), 1_003)], days, FeeTiming.ACCRUED_DAILY
    )
    assert charged.sum() == 1_003
    assert set(charged.tolist()) == {100, 101}


def test_a_refund_lifts_the_net_return() -> None:
    values = series([1_000_00] * 3)
    refund = fee_days([fee(date(2024, 1, 2), date(2024, 1, 4), -5_00)], values.days)
    gross, net = net_returns(values, refund)
    assert linked(net) > linked(gross)


def test_a_fee_above_the_value_is_refused_by_name() -> None:
    values = series([1_000_00] * 3)
    with pytest.raises(InputError, match=r"measure\.return_below_minus_100"):
        net_returns(values, np.array([0, 0, 1_000_01]))


def release(sma: Sma) -> None:  # noqa: F811
    sma("run", "--period", QUARTER)


def test_b39_collecting_moves_the_fee_to_its_debit_day_and_gross_stays_before_fees(
    sma: Sma,  # noqa: F811
    small_market: Path,
) -> None:
    release(sma)
    book, market = open_book(sma.book), open_market(small_market)
    move(book, Kind.DEPOSIT, lambda _account: 20_000_00)
    done = sma.json("collect", "--period", QUARTER)
    day = date.fromisoformat(done["day"])
    assert day == market.day(-1)
    run_day(book, market, day, recorded_at=f"{day}T21:00:00+00:00")
    with book.read() as connection:
        people = all_records(connection, AccountRecord)
        known = account_series(connection, [a.account_key for a in people])
        fees = booked_fees(connection, [a.account_id for a in people])
    for account in people:
        own = [f for f in fees if f.account_id == account.account_id]
        if not own:
            continue  # opened after the quarter
        values = known[account.account_key]
        taken = taken_days(own, values.days)
        assert taken[-1] == sum(f.cents for f in own) > 0  # pays for itself, once
        charged = fee_days(own, values.days)
        assert (charged == taken).all()
        gross, net = net_returns(values, charged, taken)
        earned = series_returns(values.value_cents, values.inflow_cents, values.outflow_cents)
        assert net == pytest.approx(earned, abs=1e-15)  # what the account really earned
        base = np.append(0, values.value_cents[:-1]) + values.inflow_cents
        assert (gross - net) * base == pytest.approx(charged, abs=1e-5)
        found = account_performance(book, market, account.account_id, None, None)
        assert found.net is not None
        assert found.fee_cents == taken.sum()
        assert found.net.cumulative == pytest.approx(linked(earned), abs=1e-15)
        assert found.time_weighted.cumulative == pytest.approx(linked(gross), abs=1e-15)
        with book.read() as connection:
            table = schema.account_measures
            query = select(table.c.twr).where(table.c.account_key == account.account_key)
            stored = connection.execute(query).scalar_one()
        assert stored == pytest.approx(linked(gross), abs=1e-15)
    assert verify(book) == []


def test_b6_an_account_that_pays_for_another_bears_no_fee_of_its_own() -> None:
    values = series([1_000_00, 995_00])
    paid = BookedFee("A", 0, -1, int(values.days[1]), 0, 5_00)
    charged = fee_days([paid], values.days)
    gross, net = net_returns(values, charged, taken_days([paid], values.days))
    assert linked(gross) == linked(net) == 0.0


@pytest.mark.parametrize("timing", list(FeeTiming))
def test_m19_a_collected_fee_is_taken_off_once_however_it_accrues(timing: FeeTiming) -> None:
    values = series([1_000_00, 1_000_00, 995_00])
    first, last = date(2024, 1, 2), date(2024, 1, 3)
    rows = [fee(first, last, 5_00), BookedFee("A", 0, -1, int(values.days[2]), 0, 5_00)]
    charged = fee_days(rows, values.days, timing)
    gross, net = net_returns(values, charged, taken_days(rows, values.days))
    assert linked(gross) == 0.0
    assert charged.sum() == 5_00
    assert linked(net) == pytest.approx(-0.005, abs=1e-5)
