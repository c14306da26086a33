"""Late, corrected and cancelled facts in a book, on both stores: shown, booked once, proven."""

import json
import random
from pathlib import Path

import numpy as np
import pytest
from tests.book.households import FIRST, IRA, SECOND, household_book, keep, ordinal
from tests.book.ledgers import bought, ledger, sold
from tests.book.test_late import EXACT, content, worlds

from opensma.book.journal import Entry, Kind
from opensma.book.late import LateFact, Restated, post_late, preview_late, restate_all
from opensma.book.late_file import read_late
from opensma.book.ledger import append, load_states, read_journal
from opensma.book.posting import TaxpayerLedger
from opensma.book.proof import book_hash
from opensma.book.rebuild import rebuild
from opensma.book.state import AccountState
from opensma.book.store import Book
from opensma.book.verify import verify
from opensma.errors import BookError, InputError
from opensma.units import CENTS, MICROS

AT = "2024-06-30T12:00:00Z"


@pytest.fixture
def household(book_url: str) -> Book:
    """A1 lost $600 on 30 of S7 on 20 March; on 3 June both accounts have done something else."""
    book = household_book(book_url)
    made = ledger({FIRST: True, SECOND: True, IRA: False})
    for key in made.states:
        made.deposit(key, 10_000 * CENTS, ordinal("2024-03-01"), "deposit")
    made.buy(FIRST, bought((7, 30, 3_000)), ordinal("2024-03-01"), ordinal("2024-03-05"), "buy")
    made.sell(FIRST, sold((1, 30, 2_400)), ordinal("2024-03-20"), ordinal("2024-03-22"), "sell")
    made.buy(SECOND, bought((5, 1, 50)), ordinal("2024-06-03"), ordinal("2024-06-04"), "other")
    keep(book, made)
    return book


def delivered(book: Book, folder: Path, *facts: dict[str, str]) -> list[LateFact]:
    """The facts through the file that people write."""
    path = folder / "late.json"
    path.write_text(json.dumps({"facts": list(facts)}), encoding="utf-8")
    with book.read() as connection:
        return read_late(connection, path)


def states(book: Book) -> dict[int, AccountState]:
    with book.read() as connection:
        return load_states(connection)


def changes(done: list[Restated], what: str) -> list[tuple[str, str]]:
    rows = [row for one in done for row in one.differences.rows if row.what == what]
    return [(row.account, row.where) for row in rows]


LATE = {
    "id": "T-1", "account": "A2", "kind": "buy", "date": "2024-04-05", "security": "S7",
    "quantity": "10", "amount": "900.00",
}  # fmt: skip


def test_a_late_purchase_takes_the_loss_that_it_replaces(household: Book, tmp_path: Path) -> None:
    """D10: lots, gains, wash rows, years and forms that changed are all told."""
    done = post_late(household, delivered(household, tmp_path, LATE), AT)
    seller, buyer = states(household)[FIRST], states(household)[SECOND]
    assert seller.year(2024)["disallowed_short_cents"] == 20_000
    assert buyer.lots.basis_cents[buyer.lots.security == 7].tolist() == [110_000]
    assert buyer.lots.acquired_day[buyer.lots.security == 7].tolist() == [ordinal("2024-04-05")]
    assert buyer.cash_cents == (10_000 - 50 - 900) * CENTS
    assert changes(done, "sale") == [("A1", "lot 1 of S7, sold on 2024-03-20")]
    assert changes(done, "wash") == [
        ("A1", "lot 1 of S7, sold on 2024-03-20, replaced by lot 2 of A2")
    ]
    assert changes(done, "lot") == [("A2", "lot 2 of S7")]
    assert changes(done, "cash") == [("A2", "cash")]
    assert done[0].differences.years == (2024,)
    assert verify(household) == []
    assert rebuild(household).changed == ()


def test_d9_nothing_that_was_booked_is_changed(household: Book, tmp_path: Path) -> None:
    with household.read() as connection:
        before = read_journal(connection, [FIRST, SECOND, IRA])
    post_late(household, delivered(household, tmp_path, LATE), AT)
    with household.read() as connection:
        after = read_journal(connection, [FIRST, SECOND, IRA])
    assert [b for b in after if b.entry.kind is not Kind.RESTATEMENT] == before
    new = [b.entry for b in after if b.entry.kind is Kind.RESTATEMENT]
    assert [entry.account_key for entry in new] == [FIRST, SECOND]
    assert all(entry.body["cites"] == ["T-1"] for entry in new)
    assert all(entry.trade_day == ordinal("2024-06-03") for entry in new)


def test_a_preview_shows_the_same_and_writes_nothing(household: Book, tmp_path: Path) -> None:
    before = book_hash(household)
    shown = preview_late(household, delivered(household, tmp_path, LATE))
    assert book_hash(household) == before
    assert shown == post_late(household, delivered(household, tmp_path, LATE), AT)


def test_i7_a_fact_delivered_twice_is_booked_once(household: Book, tmp_path: Path) -> None:
    post_late(household, delivered(household, tmp_path, LATE), AT)
    before = book_hash(household)
    again = post_late(household, delivered(household, tmp_path, LATE), AT)
    assert [one.entries for one in again] == [()]
    assert book_hash(household) == before
    with pytest.raises(BookError) as caught:
        post_late(household, delivered(household, tmp_path, LATE | {"amount": "901.00"}), AT)
    assert caught.value.code == "book.duplicate"


def test_a_cancelled_fact_leaves_everything_as_if_it_had_never_been(
    household: Book, tmp_path: Path
) -> None:
    """The wash sale it made is undone by rows of its own (W9)."""
    before = states(household)
    post_late(household, delivered(household, tmp_path, LATE), AT)
    cancel = {
        "id": "T-2", "account": "A2", "kind": "cancellation", "date": "2024-04-05",
        "corrects": "T-1",
    }  # fmt: skip
    post_late(household, delivered(household, tmp_path, cancel), AT)
    after = states(household)
    for key, state in before.items():
        assert after[key].lots.basis_cents.tolist() == state.lots.basis_cents.tolist()
        assert after[key].year(2024) == state.year(2024)
        assert after[key].cash_cents == state.cash_cents
    assert verify(household) == []
    with household.read() as connection:
        undone = read_journal(connection, [FIRST])[-1].entry.body
    assert undone["given"] == [[FIRST, 3, 1, SECOND, 2, -10_000_000, -20_000]]


def test_a_correction_takes_the_place_and_the_lot_of_what_it_corrects(
    household: Book, tmp_path: Path
) -> None:
    """The purchase of lot 1 had cost $2,700: the loss of its sale is $300, not $600."""
    right = {
        "id": "T-3", "account": "A1", "kind": "buy", "date": "2024-03-01", "security": "S7",
        "quantity": "30", "amount": "2700.00", "corrects": "buy",
    }  # fmt: skip
    done = post_late(household, delivered(household, tmp_path, right), AT)
    year = states(household)[FIRST].year(2024)
    assert (year["short_loss_cents"], year["disallowed_short_cents"]) == (30_000, 0)
    assert states(household)[FIRST].cash_cents == (10_000 - 2_700 + 2_400) * CENTS
    assert changes(done, "sale") == [("A1", "lot 1 of S7, sold on 2024-03-20")]
    assert verify(household) == []


def test_the_next_day_stands_on_the_restated_book(household: Book, tmp_path: Path) -> None:
    """The rest of the late lot is matched by a loss after it, under numbers given once (D8)."""
    post_late(household, delivered(household, tmp_path, LATE | {"quantity": "40"}), AT)
    taxed = {FIRST: True, SECOND: True, IRA: False}
    with household.read() as connection:
        made = TaxpayerLedger(list(load_states(connection).values()), taxed, np.arange(11), AT)
    day = ordinal("2024-06-04")
    made.buy(FIRST, bought((7, 5, 500)), day, day, "new")
    lots = made.states[FIRST].lots
    made.sell(FIRST, sold((int(lots.lot[lots.security == 7][0]), 5, 400)), day + 3, day + 3, "loss")
    made.buy(SECOND, bought((7, 2, 160)), day + 4, day + 4, "back")
    assert made.match_washes(day + 4, "match") == 40 * CENTS
    keep(household, made)
    assert verify(household) == []


def test_a_late_purchase_asks_for_the_split_that_it_missed(household: Book, tmp_path: Path) -> None:
    """A2 bought 10 of S9 before it was split; another taxpayer's account knows of the split."""
    with household.write() as connection:
        day, body = ordinal("2024-05-02"), {"security": 9, "numerator": 2, "denominator": 1}
        other = Entry(4, Kind.SPLIT, day, day, "split", body | {"ref": "s"})
        states_before = load_states(connection, [4])
        made = TaxpayerLedger(list(states_before.values()), {4: True}, np.arange(11), AT)
        made.post(other)
        append(connection, made.booked, made.states.values())
    late = LATE | {"security": "S9"}
    with pytest.raises(BookError, match="split of S9 on 2024-05-02") as caught:
        post_late(household, delivered(household, tmp_path, late), AT)
    assert caught.value.code == "late.action_missing"
    split = {
        "id": "T-5", "account": "A2", "kind": "split", "date": "2024-05-02", "security": "S9",
        "ratio": "2",
    }  # fmt: skip
    post_late(household, delivered(household, tmp_path, late, split), AT)
    lots = states(household)[SECOND].lots
    assert lots.quantity_micros[lots.security == 9].tolist() == [20 * MICROS]


@pytest.mark.parametrize("seed", [5, 31, 113])
def test_i9_a_random_book_with_a_late_trade_is_the_book_in_order(book_url: str, seed: int) -> None:
    made = next(
        found
        for number in range(seed, seed + 1_000)
        if (found := worlds(random.Random(number).randint(0, 10**9), 30, EXACT)) is not None
        and not (found[0].names_parts or found[1].names_parts)
    )
    in_order, without, late = made
    book = household_book(book_url)
    keep(book, without.ledger)
    post_late(book, [late], AT)
    assert verify(book) == []
    restated = TaxpayerLedger(list(states(book).values()), without.ledger.taxed, np.arange(11), AT)
    assert content(restated) == content(in_order.ledger)


def test_facts_booked_out_of_step_are_brought_to_the_law(household: Book) -> None:
    """A wash sale that was never matched is found by `verify` and healed by an empty delivery."""
    with household.read() as connection:
        made = TaxpayerLedger(
            list(load_states(connection).values()),
            {FIRST: True, SECOND: True, IRA: False},
            np.arange(11),
            AT,
        )
    day = ordinal("2024-06-04")
    made.buy(FIRST, bought((7, 5, 500)), day, day, "new")
    lots = made.states[FIRST].lots
    made.sell(FIRST, sold((int(lots.lot[lots.security == 7][0]), 5, 400)), day + 3, day + 3, "loss")
    made.buy(SECOND, bought((7, 2, 160)), day + 4, day + 4, "back")
    keep(household, made)
    assert {f.code for f in verify(household)} == {"law.lot", "law.loss", "law.year"}
    assert len(restate_all(household, AT)) == 1
    assert verify(household) == []
    assert restate_all(household, AT) == []


# --- what is refused -----------------------------------------------------------------------------

REFUSED = {
    "a day that has not come": ({"date": "2024-06-04"}, "late.not_late"),
    "more than the cash": ({"amount": "90000.00"}, "fact.no_cash"),
    "nothing to correct": ({"corrects": "T-0"}, "late.unknown_fact"),
    "a sale of shares that are gone": (
        {"account": "A1", "kind": "sell", "lot": "1", "date": "2024-03-25", "quantity": "1"},
        "late.impossible",
    ),
    "a lot that never was": ({"kind": "sell", "lot": "77"}, "late.impossible"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_cannot_be_is_refused_whole(household: Book, tmp_path: Path, what: str) -> None:
    given, code = REFUSED[what]
    before = book_hash(household)
    with pytest.raises(BookError) as caught:
        post_late(household, delivered(household, tmp_path, LATE | given), AT)
    assert caught.value.code == code
    assert caught.value.remedy
    assert book_hash(household) == before


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({"account": "A9"}, "account.unknown"),
        ({"security": "S99"}, "security.unknown"),
        ({"kind": "stock_merger"}, "late.kind"),
        ({"date": "5 April"}, "late.field"),
        ({"quantity": "-1"}, "late.field"),
        ({"amount": "1.001"}, "number.invalid"),
        ({"amout": "1"}, "late.field"),
        ({"kind": "cancellation"}, "late.field"),
    ],
)
def test_a_file_with_a_mistake_names_the_fact(
    household: Book, tmp_path: Path, given: dict[str, str], code: str
) -> None:
    with pytest.raises(InputError) as caught:
        delivered(household, tmp_path, LATE | given)
    assert caught.value.code == code
    assert caught.value.where.startswith("fact 1")
