"""`verify` trusts nothing that is stored: whatever is changed behind the book's back is named."""

import hashlib
import json
from collections.abc import Callable

import numpy as np
import pytest
from sqlalchemy import text

from opensma.book.journal import Entry, Kind, chain
from opensma.book.ledger import append, load_states, read_journal
from opensma.book.posting import TaxpayerLedger
from opensma.book.rebuild import rebuild
from opensma.book.store import Book
from opensma.book.verify import verify
from opensma.day import run_day
from opensma.errors import BookError
from opensma.market import Market

RECORDED_AT = "2024-12-31T21:00:00Z"


def change(book: Book, statement: str, **values: object) -> None:
    """What somebody with a database client could do."""
    with book.write() as connection:
        assert connection.execute(text(statement), values).rowcount == 1


def one(book: Book, query: str, **values: object) -> object:
    with book.read() as connection:
        return connection.execute(text(query), values).scalar()


def test_a_book_is_clean_before_and_after_its_day(filled: Book, market: Market) -> None:
    assert verify(filled) == []
    run_day(filled, market, market.day(-1), recorded_at=RECORDED_AT)
    assert verify(filled) == []


def test_the_findings_do_not_depend_on_the_number_of_workers(filled: Book) -> None:
    change(filled, "UPDATE account_state SET seq = seq + 1 WHERE account_key = 3")
    assert verify(filled, workers=1) == verify(filled, workers=2) != []


BUY = "(SELECT min(seq) FROM journal WHERE account_key = 2 AND kind = 'buy')"
FIRST_TRADE = "(SELECT min(trade_id) FROM {0})"
TAMPERINGS: dict[str, tuple[str, set[str]]] = {
    "an amount": (
        (
            "UPDATE journal SET body = replace(body, '\"cost\":[', '\"cost\":[1') "
            f"WHERE account_key = 2 AND seq = {BUY}"
        ),
        {"journal.tampered"},
    ),
    "spaces in a body": (
        "UPDATE journal SET body = replace(body, ':', ': ') WHERE account_key = 2 AND seq = 1",
        {"journal.tampered"},
    ),
    "a trade day": (
        (
            "UPDATE journal SET trade_day = settle_day, settle_day = trade_day "
            f"WHERE account_key = 2 AND seq = {BUY}"
        ),
        {"journal.tampered"},
    ),
    "a time of recording": (
        "UPDATE journal SET recorded_at = '2020-01-01' WHERE account_key = 2 AND seq = 2",
        {"journal.tampered"},
    ),
    "no JSON": (
        "UPDATE journal SET body = '{' WHERE account_key = 2 AND seq = 2",
        {"journal.tampered"},
    ),
    "an entry taken out": (
        "DELETE FROM journal WHERE account_key = 2 AND seq = 2",
        {"journal.gap"},
    ),
    "the account's owner": (
        "UPDATE journal SET account_key = 99 WHERE account_key = 2 AND seq = 2",
        {"journal.gap", "journal.orphan"},
    ),
    "a snapshot's position": (
        "UPDATE account_state SET seq = seq - 1 WHERE account_key = 2",
        {"snapshot.differs"},
    ),
    "a snapshot's checksum": (
        "UPDATE account_state SET checksum = 'x' WHERE account_key = 2",
        {"snapshot.corrupt"},
    ),
    "a snapshot taken away": (
        "DELETE FROM account_state WHERE account_key = 2",
        {"snapshot.missing"},
    ),
    "a trade's tax": (
        (
            "UPDATE plan_trades SET tax_cents = tax_cents + 1 "
            f"WHERE trade_id = {FIRST_TRADE.format('plan_trades')}"
        ),
        {"plan.parts", "plan.sum"},
    ),
    "a plan's objective": (
        (
            "UPDATE plans SET objective_cents = objective_cents + 1 "
            "WHERE account_id = (SELECT min(account_id) FROM plan_trades)"
        ),
        {"plan.sum"},
    ),
    "an allocation's fee": (
        (
            "UPDATE allocations SET fee_cents = fee_cents + 1 "
            f"WHERE trade_id = {FIRST_TRADE.format('allocations')}"
        ),
        {"posting.differs"},
    ),
    "an allocation taken away": (
        f"DELETE FROM allocations WHERE trade_id = {FIRST_TRADE.format('allocations')}",
        {"posting.unfounded", "fill.unequal"},
    ),
    "an order's quantity": (
        "UPDATE orders SET quantity_micros = 1 WHERE order_id = (SELECT min(order_id) FROM orders)",
        {"order.overfilled"},
    ),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_what_was_changed_behind_the_books_back_is_named(after: Book, what: str) -> None:
    statement, codes = TAMPERINGS[what]
    change(after, statement)
    found = verify(after)
    # A deleted or unreadable entry may take its trades with it; what is named first is the cause.
    assert codes <= {f.code for f in found}
    assert not {f.code for f in found} - codes - {"snapshot.differs"}
    assert all(f.where and f.remedy for f in found)


def test_a_tampered_entry_is_named_with_account_and_position(after: Book) -> None:
    statement, _ = TAMPERINGS["an amount"]
    seq = one(after, f"SELECT {BUY}")
    change(after, statement)
    found = next(f for f in verify(after) if f.code == "journal.tampered")
    assert found.where.startswith(f"A000002, entry {seq} (buy")


def test_a_new_hash_for_a_changed_entry_breaks_the_chain_after_it(after: Book) -> None:
    with after.read() as connection:
        booked = read_journal(connection, [2])[1]
    changed = booked.text.replace(":[", ":[1", 1)
    digest = chain(booked.entry, booked.seq, booked.recorded_at, changed, booked.previous_hash)
    change(
        after,
        "UPDATE journal SET body = :body, hash = :hash WHERE account_key = 2 AND seq = 2",
        body=changed,
        hash=digest,
    )
    found = next(f for f in verify(after) if f.code == "journal.chain_broken")
    assert found.where.startswith("A000002, entry 3")


def forge(
    book: Book, kind: Kind, key: int, body: Callable[[TaxpayerLedger], dict[str, object]]
) -> None:
    """Append an entry that is lawful for its account alone, with right hashes and state."""
    with book.write() as connection:
        states = load_states(connection, [key])
        ledger = TaxpayerLedger(list(states.values()), {key: True}, np.zeros(0, np.int64), "x")
        day = ledger.states[key].last_day
        ledger.post(Entry(key, kind, day, day, "forged", body(ledger)))
        append(connection, ledger.booked, ledger.states.values())


def test_a_wash_adjustment_must_cite_a_loss_that_exists(after: Book) -> None:
    def body(ledger: TaxpayerLedger) -> dict[str, object]:
        lots = ledger.states[2].lots
        row = int((lots.used == 0).argmax())
        return {
            "lot": [int(lots.lot[row])],
            "quantity": [int(lots.quantity_micros[row])],
            "cents": [100],
            "days": [0],
            "permanent": [0],
            "loss_account": [2],
            "loss_seq": [1],
            "loss_lot": [1],
        }

    forge(after, Kind.WASH_ADJUSTMENT, 2, body)
    # The law knows of no such adjustment either: the lot has another basis there.
    assert {f.code for f in verify(after)} == {"wash.no_loss", "law.lot"}


def test_a_loss_disallowed_in_one_account_must_arrive_in_another(after: Book) -> None:
    with after.read() as connection:
        states = load_states(connection)
    key, state = next((k, s) for k, s in states.items() if len(s.losses))

    def body(ledger: TaxpayerLedger) -> dict[str, object]:
        losses = state.losses
        return {
            "sold_day": int(losses.sold_day[0]),
            "seq": [int(losses.seq[0])],
            "lot": [int(losses.lot[0])],
            "quantity": [int(losses.quantity_micros[0])],
            "cents": [int(losses.loss_cents[0])],
            "long": [0],
            "into_account": [key],
            "into_lot": [1],
        }

    forge(after, Kind.LOSS_DISALLOWED, key, body)
    assert {f.code for f in verify(after)} == {"wash.unequal", "law.loss", "law.year"}


# --- repair --------------------------------------------------------------------------------------


def flip_a_byte(book: Book, key: int) -> None:
    with book.write() as connection:
        query = text("SELECT body FROM account_state WHERE account_key = :key")
        body = bytearray(connection.execute(query, {"key": key}).scalar_one())
        body[len(body) // 2] ^= 0x10
        statement = text("UPDATE account_state SET body = :body WHERE account_key = :key")
        connection.execute(statement, {"body": bytes(body), "key": key})


def test_a_flipped_byte_stops_the_day_with_its_remedy_and_rebuild_heals_it(
    filled: Book, market: Market
) -> None:
    flip_a_byte(filled, 4)
    with pytest.raises(BookError) as caught:
        run_day(filled, market, market.day(-1), recorded_at=RECORDED_AT)
    assert caught.value.code == "book.snapshot_corrupt"
    assert caught.value.where == "A000004"
    assert "sma book rebuild --account A000004" in caught.value.remedy
    assert [f.code for f in verify(filled)] == ["snapshot.corrupt"]
    assert rebuild(filled, ["A000004"]).changed == ("A000004",)
    assert verify(filled) == []
    run_day(filled, market, market.day(-1), recorded_at=RECORDED_AT)


def test_rebuild_changes_nothing_in_a_healthy_book(filled: Book) -> None:
    done = rebuild(filled)
    assert (done.accounts, done.changed) == (10, ())


def test_rebuild_refuses_a_journal_that_does_not_match_its_hashes(after: Book) -> None:
    change(after, TAMPERINGS["an amount"][0])
    flip_a_byte(after, 2)
    with pytest.raises(BookError, match="does not match its hash") as caught:
        rebuild(after, ["A000002"])
    assert caught.value.code == "journal.damaged"
    assert "snapshot.corrupt" in {f.code for f in verify(after)}


def test_the_hash_of_an_entry_can_be_computed_by_anyone(filled: Book) -> None:
    """docs/book.md gives this recipe."""
    with filled.read() as connection:
        booked = read_journal(connection, [1])[1]
    entry = booked.entry
    lines = [
        booked.previous_hash, "1", "2", entry.kind.value, str(entry.trade_day),
        str(entry.settle_day), entry.source_id, booked.recorded_at, booked.text,
    ]  # fmt: skip
    assert hashlib.sha256("\n".join(lines).encode()).hexdigest() == booked.hash
    assert json.loads(booked.text) == entry.body
