"""A person's word on a plan: only between review and trading, with a reason, kept for ever."""

from pathlib import Path

import pytest

from opensma.book import runs, schema
from opensma.book.plans import day_plans
from opensma.book.reviews import decide_plan, reviewed
from opensma.book.store import Book
from opensma.book.verify import verify
from opensma.day import run_day
from opensma.errors import InputError
from opensma.market import Market
from opensma.trade import review

AT = "2024-12-31T21:00:00Z"


@pytest.fixture
def waiting(filled: Book, market: Market, monkeypatch: pytest.MonkeyPatch) -> Book:
    """A day that stopped after its review, which held everything that trades more than a little."""
    limits = review.ReviewLimits(max_turnover=0.01)
    monkeypatch.setattr(review, "ReviewLimits", lambda: limits)
    run_day(filled, market, market.day(-1), recorded_at=AT, until="review")
    return filled


def go_on(book: Book, market: Market) -> None:
    run_day(book, market, market.day(-1), recorded_at=AT)


def traded(book: Book) -> set[str]:
    with book.read() as connection:
        return set(connection.execute(schema.allocations.select()).scalars("account_id"))


def accounts_of(book: Book, verdict: str) -> list[str]:
    with book.read() as connection:
        run = runs.latest_run(connection)
        assert run is not None
        return sorted(
            p.account_id for p in day_plans(connection, run.run_id)
            if p.status == "solved" and p.review == verdict and p.turnover > 0
        )  # fmt: skip


def say(book: Book, account: str, verdict: str, reason: str = "I looked at it.") -> None:
    with book.write() as connection:
        decide_plan(connection, account, verdict, "manager", AT, reason)


def test_what_a_person_releases_trades_and_what_they_hold_does_not(
    waiting: Book, market: Market
) -> None:
    released, kept = accounts_of(waiting, "held")[:2]
    stopped = next(iter(accounts_of(waiting, "approved")), None)
    say(waiting, released, "approved")
    if stopped is not None:
        say(waiting, stopped, "held", "The owner called.")
    go_on(waiting, market)
    assert released in traded(waiting)
    assert not {kept, stopped} & traded(waiting)
    with waiting.read() as connection:
        run = runs.latest_run(connection)
        assert run is not None
        assert run.status == "done"
        told = {e.account_id: e for e in runs.day_exceptions(connection, run.run_id)}
        words = {r.plan.account_id: r for r in reviewed(connection, run.run_id)}
    assert released not in told
    assert "one way" in words[released].rule
    assert [w.by for w in words[released].words] == ["manager"]
    if stopped is not None:
        assert told[stopped].code == "review.person"
    assert verify(waiting) == []


def test_a_word_without_reason_or_twice_or_on_no_plan_is_refused(waiting: Book) -> None:
    held = accounts_of(waiting, "held")[0]
    for account, verdict, reason in (
        (held, "approved", " "), (held, "held", "x"), ("nobody", "held", "x"), (held, "maybe", "x"),
    ):  # fmt: skip
        with pytest.raises(InputError):
            say(waiting, account, verdict, reason)
    assert held in accounts_of(waiting, "held")


def test_after_trading_nobody_decides_any_more(waiting: Book, market: Market) -> None:
    held = accounts_of(waiting, "held")[0]
    go_on(waiting, market)
    with pytest.raises(InputError) as caught:
        say(waiting, held, "approved")
    assert caught.value.code == "review.closed"


def test_a_day_that_stopped_and_went_on_is_the_day_that_never_stopped(
    filled: Book, after: Book, market: Market, tmp_path: Path
) -> None:
    from opensma.book.proof import book_hash

    for stage in ("open", "decide", "review", "trade", "post"):
        run_day(filled, market, market.day(-1), recorded_at=AT, until=stage)
    go_on(filled, market)
    assert book_hash(filled) == book_hash(after)
