"""The past of the demo's accounts: lived through the real book, at the prices of its days."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from opensma.book.journal import Booked, Kind
from opensma.book.ledger import load_states, read_journal
from opensma.book.master import Household, households
from opensma.book.names import KeyMap, key_map
from opensma.book.store import open_book
from opensma.book.verify import verify
from opensma.market import Market, open_market
from opensma.simulate.demo import build_book
from opensma.simulate.history import whole_shares
from opensma.tax.wash import WINDOW_DAYS
from opensma.trade.problem import day_view, limits
from opensma.units import CENTS, MICROS


class Past:
    """A demo book of 40 accounts with its journal by account key."""

    def __init__(self, url: str, market: Market) -> None:
        self.book = open_book(url)
        self.market = market
        with self.book.read() as connection:
            self.keys: KeyMap = key_map(connection, market)
            self.households: list[Household] = list(
                households(connection, market.day(-1).isoformat())
            )
            self.states = load_states(connection)
            self.journal: list[Booked] = read_journal(connection, list(self.states))

    def of(self, household: Household, kind: Kind) -> Iterator[Booked]:
        accounts = {account.account_key for account in household.accounts}
        return (b for b in self.journal if b.entry.account_key in accounts and b.entry.kind is kind)


@pytest.fixture(scope="module")
def past(small_market: Path, tmp_path_factory: pytest.TempPathFactory) -> Past:
    market = open_market(small_market)
    url = str(tmp_path_factory.mktemp("past") / "book.db")
    build_book(url, market, market.day(-1), accounts=40, seed=11, workers=1)
    return Past(url, market)


def test_the_past_holds_what_happens_to_real_accounts(past: Past) -> None:
    kinds = {booked.entry.kind for booked in past.journal}
    assert {Kind.DEPOSIT, Kind.BUY, Kind.SELL, Kind.DIVIDEND, Kind.SPLIT, Kind.WITHDRAWAL} <= kinds
    assert len({b.entry.trade_day for b in past.journal if b.seq == 1}) > 20  # funded on many days
    lots = [len(state.lots) for state in past.states.values()]
    names = [len(np.unique(state.lots.security)) for state in past.states.values()]
    assert all(lot >= name for lot, name in zip(lots, names, strict=True))
    assert np.median(lots) > 1.5 * np.median(names)  # several lots a name


def test_the_book_of_the_past_verifies(past: Past) -> None:
    assert verify(past.book) == []


def test_purchases_are_whole_shares_at_the_close_of_their_day(past: Past) -> None:
    bought = [b.entry for b in past.journal if b.entry.kind is Kind.BUY]
    assert bought
    for entry in bought:
        rows = past.keys.row_of_key[entry.body["security"]]
        closes = past.market.close_micros[past.market.row(entry.trade_day)]
        assert entry.body["price"] == closes[rows].tolist()
        assert all(quantity % MICROS == 0 for quantity in entry.body["quantity"])


def test_nothing_that_an_owner_excludes_is_ever_bought(past: Past) -> None:
    wishes = 0
    for household in past.households:
        for account in household.accounts:
            found = household.restrictions[account.account_id]
            wishes += sum(wish.kind == "exclude" for wish in found)
            for booked in past.of(household, Kind.BUY):
                if booked.entry.account_key == account.account_key:
                    view = day_view(past.market, past.keys, booked.entry.trade_day)
                    rows = view.row_of_key[booked.entry.body["security"]]
                    assert not limits(view, found).exclude[rows].any()
    assert wishes > 5


def test_no_purchase_of_the_household_washes_a_loss_that_was_taken_before(past: Past) -> None:
    harvested = [
        b for b in past.journal if b.entry.kind is Kind.SELL and any(b.entry.body["harvest"])
    ]
    assert len({b.entry.account_key for b in harvested}) > 3
    washed = [b.entry for b in past.journal if b.entry.kind is Kind.LOSS_DISALLOWED]
    # A match of the day of the sale itself is with shares bought in the 30 days before it.
    assert all(entry.trade_day == entry.body["sold_day"] for entry in washed)


def test_a_live_loss_is_never_bought_again_within_30_days(past: Past) -> None:
    """Sales whose loss was not washed at once: their group stays out of the household."""
    checked = 0
    for household in past.households:
        washed = {
            (b.entry.body["sold_day"], lot)
            for b in past.of(household, Kind.LOSS_DISALLOWED)
            for lot in b.entry.body["lot"]
        }
        for sale in past.of(household, Kind.SELL):
            body, day = sale.entry.body, sale.entry.trade_day
            columns = zip(
                body["security"], body["basis"], body["proceeds"], body["lot"], strict=True
            )
            live = [k for k, b, p, lot in columns if p < b and (day, lot) not in washed]
            groups = set(past.keys.group_of_key[live].tolist())
            taxed = next(
                a.taxed for a in household.accounts if a.account_key == sale.entry.account_key
            )
            for purchase in past.of(household, Kind.BUY) if taxed else ():
                if day < purchase.entry.trade_day <= day + WINDOW_DAYS:
                    again = past.keys.group_of_key[purchase.entry.body["security"]]
                    assert not groups & set(again.tolist()), purchase.entry.source_id
                    checked += 1
    assert checked


def test_some_accounts_wait_for_the_day_with_cash_and_open_windows(past: Past) -> None:
    last = past.market.days[-2]
    arrivals = [b for b in past.journal if b.entry.source_id.startswith("arrival/")]
    assert arrivals
    assert all(last - 10 <= b.entry.trade_day <= last for b in arrivals)
    waiting = {key for key, s in past.states.items() if len(s.losses)}
    assert waiting
    assert all(date.fromordinal(b.entry.trade_day) < past.market.day(-1) for b in past.journal)


def test_whole_shares_spend_almost_everything_and_never_more() -> None:
    weights = np.array([0.5, 0.3, 0.2, 0.0])
    price = np.array([100.0, 33.0, 7.0, 1.0])
    count = whole_shares(weights, (price * MICROS).astype(np.int64), 10_000 * CENTS)
    spent = float(count @ price)
    assert count[3] == 0
    assert 10_000 * 0.999 - 100 < spent <= 10_000 * 0.999
