"""What a preview shows is what the next day does, if nothing else changes (acceptance 5)."""

from datetime import date
from pathlib import Path

import pytest

from opensma.book.store import Book, open_book
from opensma.book.views import account_decision
from opensma.day import run_day
from opensma.market import Market, open_market
from opensma.simulate.demo import build_book
from opensma.trade.change_text import read_change
from opensma.trade.personalise import apply_request
from opensma.trade.standing import ready_day, standing, standing_day
from opensma.trade.what_if import value_of, what_if

WISHES = (
    {"exclude": "Energy"},
    {"te_cap": "1.2%"},
    {"budget": "500"},
    {"exclude": "Health Care, Utilities", "aversion": "40"},
)


@pytest.fixture
def fresh(small_market: Path, tmp_path: Path) -> tuple[Book, Market]:
    """A book before its first day."""
    market = open_market(small_market)
    path = str(tmp_path / "book.db")
    build_book(path, market, market.day(-1), accounts=12, seed=5, workers=1)
    return open_book(path), market


@pytest.mark.parametrize("wish", WISHES, ids=str)
def test_the_next_day_does_what_the_preview_showed(
    fresh: tuple[Book, Market], wish: dict[str, str]
) -> None:
    book, market = fresh
    day = standing_day(book, market)
    ready, account_id = ready_day(book, market, day), "A000001"
    stands, change = standing(book, ready, account_id), read_change(wish)
    shown = what_if(stands, change)
    apply_request(
        book, ready, account_id, "rq-1", change, "manager", date.fromordinal(day),
        "2024-12-31T12:00:00Z", value_of(ready, stands.account),
    )  # fmt: skip
    run_day(book, market, market.day(-1), recorded_at="2024-12-31T21:00:00Z", workers=1)
    done = account_decision(book, account_id)
    assert done.plan is not None
    assert done.plan.status == shown.after.status
    if shown.after.solved:
        assert done.plan.te_after == pytest.approx(shown.after.tracking_error, abs=1e-9)
        assert len(done.trades) == shown.after.trades
        assert sum(t.tax_cents for t in done.trades) == pytest.approx(
            shown.after.tax_cents, abs=max(2, len(done.trades))
        )
