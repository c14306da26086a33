"""`sma measure account`: figures of one account that agree with the book they come from."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from opensma.book.ledger import load_states, read_journal
from opensma.book.master import AccountRecord, all_records
from opensma.book.series import account_series
from opensma.book.state import new_account
from opensma.book.store import open_book
from opensma.cli import run
from opensma.day import run_day
from opensma.errors import InputError
from opensma.market import Market, open_market
from opensma.measure.length import link_periods
from opensma.measure.performance import Performance, account_performance, realised_by_day
from opensma.measure.returns import linked, series_returns


@pytest.fixture
def market(small_book: str, small_market: Path) -> Market:
    opened = open_market(small_market)
    run_day(open_book(small_book), opened, opened.day(-1), recorded_at="t", workers=1)
    return opened


def accounts(book: str) -> list[AccountRecord]:
    with open_book(book).read() as connection:
        return all_records(connection, AccountRecord)


def measured(
    book: str, market: Market, account: AccountRecord, *period: date | None
) -> Performance:
    first, last = period or (None, None)
    return account_performance(open_book(book), market, account.account_id, first, last)


def test_the_whole_life_is_the_linked_daily_returns(small_book: str, market: Market) -> None:
    with open_book(small_book).read() as connection:
        series = account_series(connection, [a.account_key for a in accounts(small_book)])
    for account in accounts(small_book):
        found, own = measured(small_book, market, account), series[account.account_key]
        expected = series_returns(own.value_cents, own.inflow_cents, own.outflow_cents)
        assert found.time_weighted.cumulative == pytest.approx(linked(expected), abs=1e-15)
        assert found.end_cents == own.value_cents[-1]
        assert found.inflow_cents == own.inflow_cents.sum()


def test_periods_link_to_the_whole(small_book: str, market: Market) -> None:
    account = accounts(small_book)[0]
    whole = measured(small_book, market, account)
    middle = date.fromordinal(int(market.days[-40]))
    parts = [
        measured(small_book, market, account, None, middle),
        measured(small_book, market, account, middle, None),
    ]
    for name in ("time_weighted", "benchmark"):
        both = link_periods([getattr(p, name) for p in parts])
        assert both.cumulative == pytest.approx(getattr(whole, name).cumulative, abs=1e-12)
        assert (both.start, both.end) == (whole.time_weighted.start, whole.time_weighted.end)
    assert parts[1].begin_cents == parts[0].end_cents


def test_m51_realised_amounts_tie_to_the_lot_ledger(small_book: str, market: Market) -> None:
    book = open_book(small_book)
    with book.read() as connection:
        keys = [a.account_key for a in accounts(small_book)]
        states, series = load_states(connection, keys), account_series(connection, keys)
        journals = {key: list(read_journal(connection, [key])) for key in keys}
    some = 0
    for key in keys:
        daily = realised_by_day(new_account(key), journals[key], series[key].days)
        years = [states[key].year(int(y)) for y in states[key].years[:, 0]]
        for row, term in enumerate(("short", "long")):
            ledger = sum(
                y[f"{term}_gain_cents"] - y[f"{term}_loss_cents"] + y[f"disallowed_{term}_cents"]
                for y in years
            )
            assert daily[row].sum() == ledger
            some += abs(ledger)
        assert daily[2].sum() == sum(y["dividend_cents"] for y in years)
    assert some


def test_m42_losses_lift_and_gains_lower_the_return_after_tax(
    small_book: str, market: Market
) -> None:
    signs = set()
    for account in accounts(small_book):
        found = measured(small_book, market, account)
        if found.after_tax is not None:
            gap = found.after_tax.pre_liquidation.cumulative - found.time_weighted.cumulative
            assert np.sign(gap) == -np.sign(found.after_tax.tax_cents)
            signs.add(float(np.sign(gap)))
    assert signs


def test_m50_a_retirement_account_has_no_return_after_tax(small_book: str, market: Market) -> None:
    exempt = [a for a in accounts(small_book) if not a.taxed]
    assert exempt
    found = measured(small_book, market, exempt[0])
    assert found.after_tax is None
    assert "tax-exempt" in found.missing[0]


def test_a_period_outside_the_values_is_refused(small_book: str, market: Market) -> None:
    account = accounts(small_book)[0]
    for period in ((date(1999, 1, 1), None), (None, date(2030, 1, 1)), (market.day(-1), None)):
        with pytest.raises(InputError, match=r"measure\.period"):
            measured(small_book, market, account, *period)


def test_the_command_prints_figures_and_json(
    small_book: str, small_market: Path, market: Market, capsys: pytest.CaptureFixture[str]
) -> None:
    account = accounts(small_book)[0].account_id
    command = ["measure", "account", account, "--book", small_book, "--market", str(small_market)]
    assert run([*command, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["time_weighted"]["cumulative"] != 0
    days = [date.fromisoformat(document["time_weighted"][x]) for x in ("start", "end")]
    under_a_year = (days[1] - days[0]).days < 365
    assert (document["time_weighted"]["annualised"] is None) is under_a_year
    assert run(command) == 0
    assert "time-weighted, gross" in capsys.readouterr().out
    assert run([*command, "--from", "1999-01-01", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "measure.period"
