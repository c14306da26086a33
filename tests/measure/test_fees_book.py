"""Net returns from the fees that were invoiced: gross less fees is net, exactly (M6, M19)."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from tests.billing.test_commands import Sma, sma  # noqa: F401 - a fixture

from opensma.book.master import AccountRecord, all_records
from opensma.book.series import DailyValues, account_series
from opensma.book.store import open_book
from opensma.errors import InputError
from opensma.market import open_market
from opensma.measure.conventions import FeeTiming
from opensma.measure.fees_book import BookedFee, booked_fees, fee_days, net_returns
from opensma.measure.performance import account_performance
from opensma.measure.returns import linked

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
