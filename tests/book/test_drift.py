"""Drift: sector weights less the model's, the same as the account's positions say."""

import numpy as np
import pytest

from opensma.book.drift import sector_drift
from opensma.book.master import AccountRecord, all_records
from opensma.book.store import Book
from opensma.book.views import account_view
from opensma.market import Market
from opensma.web.advisor import farthest, shade


def test_the_heat_map_is_what_the_account_pages_add_up_to(after: Book, market: Market) -> None:
    day = int(market.days[-1])
    with after.read() as connection:
        accounts = all_records(connection, AccountRecord)
        found = sector_drift(connection, market, accounts, day)
    for row, account in enumerate(accounts):
        view = account_view(after, market, account.account_id)
        for column, sector in enumerate(found.sectors):
            mine = [p for p in view.holdings.positions if p.sector == sector]
            active = sum(p.weight - p.target for p in mine)
            assert found.weights[row, column] == pytest.approx(active, abs=2e-6)
        assert found.cash[row] == pytest.approx(
            view.holdings.cash_cents / view.holdings.value_cents, abs=1e-9
        )
    order = farthest(found)
    size = np.abs(found.weights).sum(axis=1)[order]
    assert (np.diff(size) <= 0).all()


def test_a_shade_says_side_and_distance_only_from_half_a_percent_on() -> None:
    assert [shade(w) for w in (0.0, 0.004, 0.006, -0.006, 0.05, -0.05)] == [
        "", "", "over-1", "under-1", "over-4", "under-4",
    ]  # fmt: skip
