"""What people are shown adds up to the cent, and nobody sees what is not theirs."""

from dataclasses import replace
from datetime import date

import pytest

from opensma.book import views
from opensma.book.ledger import load_states
from opensma.book.master import AccountRecord, all_records
from opensma.book.records import trade_record
from opensma.book.store import Book
from opensma.book.visible import find_viewer
from opensma.errors import BookError
from opensma.market import Market


def ids(book: Book) -> list[str]:
    return [row.account.account_id for row in views.program_rows(book)]


def test_lots_add_up_to_positions_and_these_to_the_value(after: Book, market: Market) -> None:
    for account_id in ids(after):
        view = views.account_view(after, market, account_id)
        held = view.holdings
        lots = sum(lot.value_cents for lot in held.lots)
        assert lots == sum(p.value_cents for p in held.positions)
        assert held.value_cents == held.cash_cents + lots
        assert view.measures is not None
        assert view.measures.value_cents == held.value_cents
        assert view.measures.basis_cents == sum(lot.basis_cents for lot in held.lots)
        assert held.unrealised.total_cents == sum(lot.gain_cents for lot in held.lots)
        assert held.settled_cents + sum(cents for _, cents in held.pending) == held.cash_cents


def test_the_dollars_of_the_trades_are_the_change_of_the_objective(after: Book) -> None:
    seen = 0
    for account_id in ids(after):
        decision = views.account_decision(after, account_id)
        if decision.plan is None or decision.plan.status != "solved":
            continue
        change = decision.plan.objective_cents - decision.plan.objective_before_cents
        assert sum(t.total_cents for t in decision.trades) == change
        assert decision.gap is not None
        assert decision.gap >= 0
        seen += len(decision.trades)
    assert seen > 0


def test_a_sale_shows_the_lot_as_it_was_before_the_sale(after: Book, filled: Book) -> None:
    """Also when nothing of the lot is left."""
    with filled.read() as connection:
        before = load_states(connection)
        accounts = {a.account_id: a for a in all_records(connection, AccountRecord)}
    seen = 0
    for account_id in ids(after):
        lots = before[accounts[account_id].account_key].lots
        for trade in views.account_decision(after, account_id).trades:
            if trade.lot is None or trade.lot.lot not in lots.lot:
                continue  # a corporate action of the morning made the lot
            row = int((lots.lot == trade.lot.lot).argmax())
            assert trade.lot.acquired == date.fromordinal(int(lots.acquired_day[row]))
            assert trade.lot.held_micros == lots.quantity_micros[row]
            if trade.quantity_micros == lots.quantity_micros[row]:
                assert trade.lot.basis_cents == lots.basis_cents[row]
            seen += 1
    assert seen > 0


def test_a_trade_is_followed_to_its_order_fill_allocation_and_entry(after: Book) -> None:
    seen = set()
    for account_id in ids(after):
        decision = views.account_decision(after, account_id)
        for trade in (*decision.trades[:2], *decision.trades[-2:]):
            record = trade_record(after, trade.trade_id)
            assert record.trade == trade
            if trade.review == "held":  # a person has to look first
                assert (record.order, record.fill, record.allocation) == (None, None, None)
                assert record.entries == ()
                continue
            assert record.order is not None
            assert record.fill is not None
            assert record.allocation is not None
            assert record.order.side == trade.side
            assert record.fill.price_micros == trade.price_micros
            assert record.allocation.quantity_micros == trade.quantity_micros
            assert record.allocation.fee_cents == trade.fee_cents
            posted = record.entries[0]
            assert (posted.account_id, posted.kind) == (account_id, trade.side)
            seen.add(trade.side)
    assert seen == {"buy", "sell"}


def test_before_a_day_there_is_no_plan_and_everything_else_is_there(
    filled: Book, market: Market
) -> None:
    view = views.account_view(filled, market, ids(filled)[0])
    assert view.decision.plan is None
    assert view.decision.trades == ()
    assert view.holdings.lots
    assert view.holdings.day == market.day(-1)
    assert views.program_view(filled).run is None


def test_activity_is_the_journal_newest_first_and_its_cash_adds_up(after: Book) -> None:
    for account_id in ids(after):
        rows = views.activity(after, account_id)
        assert [row.seq for row in rows] == list(range(len(rows), 0, -1))
        with after.read() as connection:
            key = views.seen_account(connection, account_id, None).account_key
            assert sum(row.cash_cents for row in rows) == load_states(connection)[key].cash_cents


# --- who sees what -------------------------------------------------------------------------------


DAY = "2024-12-31"


@pytest.mark.parametrize("user_id", ["manager", "advisor", "owner", "household", "operations"])
def test_a_user_sees_exactly_what_is_theirs(after: Book, user_id: str) -> None:
    with after.read() as connection:
        user = find_viewer(connection, user_id, DAY)
        accounts = all_records(connection, AccountRecord)
    assert user is not None
    (grant,) = user.grants
    own = {
        "advisor": lambda a: a.advisor_id == grant.scope_id,
        "owner": lambda a: a.owner_id == grant.scope_id,
        "household": lambda a: a.taxpayer_id == grant.scope_id,
    }.get(user_id, lambda a: True)
    seen = {row.account.account_id for row in views.program_rows(after, user)}
    assert seen == {a.account_id for a in accounts if own(a)}


@pytest.mark.parametrize("user_id", ["growth", "accountant"])
def test_growth_and_accountants_see_no_account_page(after: Book, user_id: str) -> None:
    with after.read() as connection:
        user = find_viewer(connection, user_id, DAY)
    assert user is not None
    assert views.program_rows(after, user) == []


def test_what_is_not_theirs_is_answered_like_what_does_not_exist(
    after: Book, market: Market
) -> None:
    with after.read() as connection:
        owner = find_viewer(connection, "owner", DAY)
        accounts = all_records(connection, AccountRecord)
    assert owner is not None
    (grant,) = owner.grants
    foreign = next(a.account_id for a in accounts if a.owner_id != grant.scope_id)
    trade = next(t for a in ids(after) for t in views.account_decision(after, a).trades
                 if a == foreign or t.account_id not in grant.scope_id)  # fmt: skip
    strangers = [
        replace(owner, grants=(replace(grant, scope_id="own-none"),)),
        replace(owner, grants=(replace(grant, role="nobody"),)),
        replace(owner, grants=(replace(grant, scope="book"),)),
        replace(owner, grants=()),
    ]
    for viewer in strangers:
        assert views.program_rows(after, viewer) == []
        assert views.program_view(after, viewer).exceptions == ()
        for ask in (
            lambda who: views.account_view(after, market, foreign, who),
            lambda who: views.account_decision(after, foreign, who),
            lambda who: views.activity(after, foreign, who),
        ):
            with pytest.raises(BookError) as caught:
                ask(viewer)
            assert caught.value.code == "account.unknown"
        with pytest.raises(BookError) as caught:
            trade_record(after, trade.trade_id, viewer)
        assert caught.value.as_dict() == {
            **caught.value.as_dict(), "code": "trade.unknown", "where": trade.trade_id
        }  # fmt: skip
