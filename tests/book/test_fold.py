"""Whatever happens to a taxpayer's accounts: cash, shares and basis are conserved, and the state is
the fold of the journal, through bytes and back.
"""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.book.ledgers import bought, ledger, sold

from opensma.book.fold import fold
from opensma.book.journal import Booked, Entry, Kind
from opensma.book.posting import TaxpayerLedger
from opensma.book.snapshot import checksum, differences, pack, read, unpack
from opensma.book.state import AccountState, new_account
from opensma.errors import BookError, InvariantError, LotError
from opensma.units import CENTS, MICROS, notional_cents

START = 738_000
TAXED, OTHER, IRA = 1, 2, 3
ACCOUNTS = {TAXED: True, OTHER: True, IRA: False}
PARENT, CHILD = 1, 2
DOLLARS = 50_000
Step = tuple[str, int, int, int, int, int]

steps = st.lists(
    st.tuples(
        st.sampled_from(["deposit", "buy", "buy", "sell", "sell", "split", "spin_off", "dividend"]),
        st.sampled_from(list(ACCOUNTS)),
        st.integers(0, 40),  # days later
        st.integers(1, 60),  # shares, or a ratio
        st.integers(1, 400),  # dollars a share
        st.integers(0, 10_000),  # which lot
    ),
    min_size=1,
    max_size=30,
)


class Expected:
    """The same history kept the slow way: totals that every step moves by what it must."""

    def __init__(self) -> None:
        self.cash = dict.fromkeys(ACCOUNTS, 0)
        self.basis = dict.fromkeys(ACCOUNTS, 0)  # cents, wash adjustments left out


def step(book: TaxpayerLedger, expected: Expected, one: Step, day: int, number: int) -> None:
    """One event of the sequence, and what it must do to cash and basis."""
    what, account, _, size, price, pick = one
    state, source = book.states[account], f"{what}-{number}"
    if what == "deposit":
        book.deposit(account, size * price * CENTS, day, source)
        expected.cash[account] += size * price * CENTS
    elif what == "buy":
        shares = min(size, state.cash_cents // (price * CENTS))
        if shares:
            security = 1 + pick % 3
            book.buy(account, bought((security, shares, shares * price)), day, day + 1, source)
            expected.cash[account] -= shares * price * CENTS
            expected.basis[account] += shares * price * CENTS
    elif what == "sell" and len(state.lots):
        row = pick % len(state.lots)
        held = int(state.lots.quantity_micros[row])
        shares = min(size, held // MICROS)
        if shares:
            lot = int(state.lots.lot[row])
            book.sell(account, sold((lot, shares, shares * price)), day, day + 1, source)
            body = book.booked[-1].entry.body
            expected.cash[account] += shares * price * CENTS
            expected.basis[account] -= body["basis"][0]
    elif what == "split":
        body = {"security": PARENT, "numerator": 1 + size % 4, "denominator": 1 + pick % 3}
        for key in ACCOUNTS:
            book.post(Entry(key, Kind.SPLIT, day, day, source, body | {"ref": source}))
    elif what == "spin_off":
        body = {
            "parent": PARENT, "child": CHILD, "numerator": 1, "denominator": 1 + pick % 4,
            "parent_value": price * MICROS, "child_value": size * MICROS, "ref": source,
        }  # fmt: skip
        book.post(Entry(account, Kind.SPIN_OFF, day, day, source, body))
    elif what == "dividend" and len(state.lots):
        cents = notional_cents(int(state.lots.quantity_micros.sum()), size * 1000)
        body = {"security": [1], "quantity": [1], "rate": [1], "cents": [cents], "ref": [source]}
        book.post(Entry(account, Kind.DIVIDEND, day, day, source, body))
        expected.cash[account] += cents


def moved_by_washes(book: TaxpayerLedger, account: int) -> int:
    """Cents that adjustments added to the account's lots."""
    return sum(
        cents
        for b in book.booked
        if b.entry.account_key == account and b.entry.kind is Kind.WASH_ADJUSTMENT
        for cents, lost in zip(b.entry.body["cents"], b.entry.body["permanent"], strict=True)
        if not lost
    )


def live(sequence: list[Step]) -> tuple[TaxpayerLedger, Expected]:
    """Play a sequence, wash sales matched after every event, and check the shares at each."""
    book, expected, day = ledger(ACCOUNTS), Expected(), START
    for key in ACCOUNTS:
        book.deposit(key, DOLLARS * CENTS, day, "opening")
        expected.cash[key] += DOLLARS * CENTS
    for number, one in enumerate(sequence):
        day += one[2]
        before = {k: int(s.lots.quantity_micros.sum()) for k, s in book.states.items()}
        made = len(book.booked)
        step(book, expected, one, day, number)
        moved = {k: _shares_moved(b) for b in book.booked[made:] for k in [b.entry.account_key]}
        if one[0] in ("buy", "sell"):
            for key, state in book.states.items():
                now = int(state.lots.quantity_micros.sum())
                assert now == before[key] + moved.get(key, 0)
        held = {k: int(s.lots.quantity_micros.sum()) for k, s in book.states.items()}
        book.match_washes(day, f"wash-{number}")
        for key, state in book.states.items():  # a wash sale moves no share
            assert int(state.lots.quantity_micros.sum()) == held[key]
    return book, expected


def _shares_moved(booked: Booked) -> int:
    quantity = sum(booked.entry.body.get("quantity", []))
    return quantity if booked.entry.kind is Kind.BUY else -quantity


@given(steps)
def test_cash_and_basis_are_conserved_whatever_happens(sequence: list[Step]) -> None:
    """I2, I3 and D4: nothing is created and nothing is lost."""
    book, expected = live(sequence)
    for key, state in book.states.items():
        assert state.cash_cents == expected.cash[key]
        assert int(state.lots.basis_cents.sum()) - moved_by_washes(book, key) == expected.basis[key]
        assert (state.lots.quantity_micros > 0).all()
        assert (state.lots.wash_cents >= 0).all()
        assert len(np.unique(state.lots.lot)) == len(state.lots)
        assert state.settled_cents(START + 100_000) == state.cash_cents


@given(steps)
def test_every_disallowed_cent_arrives_or_is_gone_in_an_ira(sequence: list[Step]) -> None:
    book, _ = live(sequence)
    given_up = sum(
        sum(b.entry.body["cents"]) for b in book.booked if b.entry.kind is Kind.LOSS_DISALLOWED
    )
    arrived = sum(
        sum(b.entry.body["cents"]) for b in book.booked if b.entry.kind is Kind.WASH_ADJUSTMENT
    )
    by_year = sum(
        int(row[5] + row[6]) for state in book.states.values() for row in state.years.tolist()
    )
    assert given_up == arrived == by_year


@given(steps)
def test_the_state_is_the_fold_of_the_journal_and_survives_its_bytes(sequence: list[Step]) -> None:
    book, _ = live(sequence)
    for key, state in book.states.items():
        replayed = new_account(key)
        for booked in (b for b in book.booked if b.entry.account_key == key):
            replayed = fold(replayed, booked)
        assert differences(replayed, state) == []
        assert pack(replayed) == pack(state)
        assert differences(unpack(pack(state), state.head_hash), state) == []


# --- what the fold refuses -----------------------------------------------------------------------


def started() -> TaxpayerLedger:
    book = ledger({TAXED: True})
    book.deposit(TAXED, 1_000 * CENTS, START, "in")
    book.buy(TAXED, bought((PARENT, 5, 500)), START, START + 1, "buy")
    return book


def replayed(entries: list[Booked]) -> AccountState:
    state = new_account(TAXED)
    for booked in entries:
        state = fold(state, booked)
    return state


def test_an_account_never_overdraws() -> None:
    with pytest.raises(InvariantError, match="overdraws"):
        started().buy(TAXED, bought((PARENT, 6, 600)), START, START + 1, "more")


def test_more_than_a_lot_holds_cannot_be_sold_and_nothing_changes() -> None:
    book = started()
    before = book.states[TAXED]
    with pytest.raises(LotError) as caught:
        book.sell(TAXED, sold((1, 6, 600)), START + 1, START + 2, "sell")
    assert caught.value.code == "lots.oversold"
    assert book.states[TAXED] is before


def test_an_entry_out_of_its_place_is_refused() -> None:
    first, second = started().booked
    with pytest.raises(InvariantError, match="gap"):
        replayed([second])
    with pytest.raises(InvariantError, match="gap"):
        replayed([first, first])


def test_an_earlier_day_cannot_be_booked_after_a_later_one() -> None:
    book = started()
    with pytest.raises(InvariantError, match="order of days"):
        book.deposit(TAXED, 100, START - 1, "late")


def test_settled_cash_waits_for_the_settle_day() -> None:
    book = started()
    book.sell(TAXED, sold((1, 5, 600)), START + 10, START + 12, "sell")
    state = book.states[TAXED]
    assert state.cash_cents == 1_100 * CENTS
    assert [state.settled_cents(START + d) // CENTS for d in (10, 11, 12)] == [500, 500, 1_100]


def test_a_split_keeps_the_basis_and_scales_the_open_losses() -> None:
    book = started()
    book.sell(TAXED, sold((1, 2, 100)), START + 1, START + 2, "sell")
    split = {"security": PARENT, "numerator": 3, "denominator": 1, "ref": "x"}
    book.post(Entry(TAXED, Kind.SPLIT, START + 2, START + 2, "split", split))
    state = book.states[TAXED]
    assert state.lots.quantity_micros.tolist() == [9 * MICROS]
    assert state.lots.basis_cents.tolist() == [300 * CENTS]
    assert state.losses.quantity_micros.tolist() == [6 * MICROS]
    assert state.losses.loss_cents.tolist() == [100 * CENTS]


def test_any_flipped_bit_of_a_snapshot_is_noticed() -> None:
    state = started().states[TAXED]
    body = pack(state)
    good = checksum(body)
    for position in range(len(body)):
        damaged = body[:position] + bytes([body[position] ^ 1]) + body[position + 1 :]
        with pytest.raises(BookError, match="checksum"):
            read(damaged, good, state.head_hash, "A000001")
    assert pack(read(body, good, state.head_hash, "A000001")) == body


def test_the_harvested_total_counts_what_the_law_allows() -> None:
    book = started()
    book.sell(TAXED, sold((1, 5, 400), harvest=[1]), START + 5, START + 6, "sell")
    assert book.states[TAXED].harvested_cents == 100 * CENTS
    book.buy(TAXED, bought((PARENT, 2, 170)), START + 20, START + 21, "again")
    book.match_washes(START + 20, "wash")
    allowed = 100 * (1 - Fraction(2, 5))
    assert book.states[TAXED].harvested_cents == allowed * CENTS
