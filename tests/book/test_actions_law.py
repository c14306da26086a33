"""Random histories with every kind of action: book and reference engine agree to the cent."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.book.ledgers import bought, ledger, sold

from opensma.book.actionbook import Step, apply, check_conserved, picks_by
from opensma.book.actionfile import FileAction, parse_actions
from opensma.book.fold import fold
from opensma.book.posting import TaxpayerLedger
from opensma.book.snapshot import differences, pack, unpack
from opensma.book.state import new_account
from opensma.errors import LotError
from opensma.tax.cut import cut_in_turn
from opensma.tax.replay import replay
from opensma.units import CENTS, MICROS

START = date(2020, 1, 1).toordinal()
ACCOUNTS = (1, 2)  # of one taxpayer, both taxed
KINDS = (
    "buy", "buy", "buy", "sell", "sell", "sell", "sell", "split", "stock_merger", "boot",
    "exchange", "spin_off",
    "return_of_capital", "transfer", "gift_in", "inheritance",
)  # fmt: skip
Draw = tuple[str, int, int, int, int, int]

draws = st.lists(
    st.tuples(
        st.sampled_from(KINDS),
        st.sampled_from(ACCOUNTS),
        st.integers(1, 45),  # days later
        st.integers(1, 50),  # shares
        st.integers(1, 300),  # dollars a share
        st.integers(1, 9_999),  # anything else
    ),
    min_size=3,
    max_size=25,
)


class Histories:
    """One history told to both engines: entries of the book here, events of a case there."""

    def __init__(self) -> None:
        self.book: TaxpayerLedger = ledger(dict.fromkeys(ACCOUNTS, True), securities=100)
        self.events: list[dict[str, Any]] = []
        self.day, self.next_security, self.current = START, 3, [1, 2]
        for key in ACCOUNTS:
            self.book.deposit(key, 10**10, START, "opening")

    def tell(self, kind: str, **fields: Any) -> None:
        seq = len(self.events) + 1
        when = date.fromordinal(self.day).isoformat()
        self.events.append({"seq": seq, "date": when, "type": kind, **fields})

    def act(self, kind: str, account: int, security: int, new: int = 0, **cells: str) -> None:
        """An action through the file's own reader, in every account that holds it or in one."""
        name = f"a{len(self.book.booked)}"
        row = {"action": name, "kind": kind, "date": date.fromordinal(self.day).isoformat()}
        named = kind in ("exchange", "transfer", "gift_in", "inheritance")
        row |= {"account": str(account)} if named else {}
        row |= {"security": str(security)} | ({"new_security": str(new)} if new else {}) | cells
        action = action_of(row)
        before, first = dict(self.book.states), len(self.book.booked)
        for key in [account] if named else ACCOUNTS:
            if named or (self.book.states[key].lots.security == security).any():
                to = 3 - account if kind == "transfer" else 0
                apply(Step(self.book, action, key, security, new, to))
        self.book.match_washes(self.day, f"action/{name}")
        check_conserved(before, self.book, self.book.booked[first:])

    def held(self, account: int, security: int) -> int:
        """Whole shares of a position."""
        lots = self.book.states[account].lots
        return int(lots.quantity_micros[lots.security == security].sum()) // MICROS

    def fresh(self) -> int:
        self.next_security += 1
        return self.next_security


def action_of(row: dict[str, str]) -> FileAction:
    text = ",".join(row) + "\n" + ",".join(row.values())
    found = parse_actions(text)
    assert not found.findings
    return found.actions[0]


def play(history: Histories, one: Draw) -> None:
    """One event of the draw, where it is possible."""
    kind, account, later, size, price, other = one
    history.day += later
    place = other % 2
    security = history.current[place]
    held = history.held(account, security)
    some, text = min(size, held), str(security)
    if kind == "buy":
        history.book.buy(
            account,
            bought((security, size, size * price)),
            history.day,
            history.day + 1,
            f"b{history.day}",
        )
        history.book.match_washes(history.day, f"w{history.day}")
        history.tell("buy", account=str(account), security=text, lot=f"L{history.day}",
                     qty=str(size), amount=f"{size * price}.00")  # fmt: skip
    elif kind == "sell" and some:
        sell(history, account, security, some, some * price * CENTS + other % 100)
    elif kind == "split":
        history.act("split", account, security, ratio=str(1 + size % 3))
        history.tell("split", security=text, ratio=str(1 + size % 3))
    elif kind in ("stock_merger", "boot"):
        merge(history, account, place, one)
    elif kind == "exchange" and some:
        new = history.fresh()
        cells = {"ratio": "2", "quantity": str(some)}
        history.act("exchange", account, security, new, **cells)
        history.tell("exchange", account=str(account), security=text, new_security=str(new),
                     qty=str(some), ratio="2")  # fmt: skip
    elif kind == "spin_off":
        new = history.fresh()
        values = {"price": f"{price}.00", "new_price": f"{size}.00"}
        history.act("spin_off", account, security, new, ratio="2", **values)
        history.tell("spinoff", security=text, new_security=str(new), ratio="2",
                     parent_fmv=values["price"], spin_fmv=values["new_price"])  # fmt: skip
    elif kind == "return_of_capital":
        rate = f"{price}.{other % 100:02d}"
        history.act("return_of_capital", account, security, cash_per_share=rate)
        history.tell("return_of_capital", security=text, per_share=rate)
    elif kind == "transfer" and some:
        names = {"to_account": str(3 - account), "quantity": str(some)}
        history.act("transfer", account, security, **names)
        history.tell("transfer", security=text, qty=str(some), to=names["to_account"],
                     **{"from": str(account)})  # fmt: skip
    elif kind in ("gift_in", "inheritance"):
        arrive(history, kind, account, security, one)


def sell(history: Histories, account: int, security: int, shares: int, cents: int) -> None:
    picks = picks_by(history.book.states[account].lots, security, shares * MICROS, "FIFO")
    parts = cut_in_turn(cents, [micros for _, micros in picks])
    sale = sold(*((lot, 1, 1) for lot, _ in picks))
    sale.quantity_micros[:] = [micros for _, micros in picks]
    sale.proceeds_cents[:] = parts
    history.book.sell(account, sale, history.day, history.day + 1, f"s{history.day}")
    history.book.match_washes(history.day, f"w{history.day}")
    history.tell("sell", account=str(account), security=str(security), qty=str(shares),
                 amount=f"{cents // 100}.{cents % 100:02d}")  # fmt: skip


def merge(history: Histories, account: int, place: int, one: Draw) -> None:
    """All of a security becomes another; with boot in cash."""
    old, new = history.current[place], history.fresh()
    boot = {"cash_per_share": f"{one[4]}.{one[5] % 100:02d}", "new_price": f"{one[3]}.00"}
    cells = {"ratio": "3"} | (boot if one[0] == "boot" else {})
    history.act("stock_merger", account, old, new, **cells)
    told = {"cash_per_share": boot["cash_per_share"], "new_fmv": boot["new_price"]}
    history.tell("stock_merger", security=str(old), new_security=str(new), ratio="3",
                 **(told if one[0] == "boot" else {}))  # fmt: skip
    history.current[place] = new


def arrive(history: Histories, kind: str, account: int, security: int, one: Draw) -> None:
    """A gift with one basis or two, or an inheritance."""
    size, price, other = one[3], one[4], one[5]
    today = date.fromordinal(history.day).isoformat()
    donor = date.fromordinal(history.day - other % 800).isoformat()
    basis, value = f"{size * price}.00", f"{max(1, size * (price - 40 + other % 80))}.00"
    cells = {"quantity": str(size), "acquired": today, "basis": basis}
    shared = {"account": str(account), "security": str(security), "lot": f"L{history.day}"}
    if kind == "gift_in":
        history.act(kind, account, security, **cells, held_from=donor, value=value)
        history.tell("gift", **shared, qty=str(size), donor_basis=basis, donor_acquired=donor,
                     fmv=value)  # fmt: skip
    else:
        history.act(kind, account, security, **cells)
        history.tell("inherit", **shared, qty=str(size), fmv=basis)


def lots_of_book(book: TaxpayerLedger) -> list[tuple[Any, ...]]:
    names = ("security", "acquired_day", "holding_day", "quantity_micros", "basis_cents")
    found = [
        (key, *row)
        for key, state in book.states.items()
        for row in zip(*(getattr(state.lots, n).tolist() for n in names), strict=True)
    ]
    return sorted(found)


def lots_of_law(answer: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    for row in answer["open"]:
        yield (
            int(row["account"]),
            int(row["security"]),
            date.fromisoformat(row["acquired"]).toordinal(),
            date.fromisoformat(row["holding_date"]).toordinal(),
            round(float(row["qty"]) * MICROS),
            round(float(row["basis"]) * CENTS),
        )


@given(draws)
def test_the_book_and_the_reference_engine_agree_on_every_action(sequence: list[Draw]) -> None:
    """C1, C3 to C5, C7, C9, C10, C12, G1 to G6, H6, W1 to W23, I2: lots and gains to the cent."""
    history = Histories()
    for one in sequence:
        play(history, one)
    accounts = [
        {"id": str(key), "type": "taxable", "household": "H", "owner": "P"} for key in ACCOUNTS
    ]
    answer = replay({"method": "FIFO", "accounts": accounts, "events": history.events})
    assert "error" not in answer
    assert sorted(lots_of_law(answer)) == lots_of_book(history.book)
    years = np.concatenate([state.years for state in history.book.states.values()])
    gain, loss = (years[:, 1] + years[:, 3]).sum(), (years[:, 2] + years[:, 4]).sum()
    recognised = int(gain - loss + years[:, 5].sum() + years[:, 6].sum())
    assert recognised == round(float(answer["totals"]["gain"]) * CENTS)


@given(draws)
def test_the_state_is_the_fold_of_its_journal_and_survives_its_bytes(sequence: list[Draw]) -> None:
    history = Histories()
    for one in sequence:
        play(history, one)
    for key, state in history.book.states.items():
        replayed = new_account(key)
        for booked in (b for b in history.book.booked if b.entry.account_key == key):
            replayed = fold(replayed, booked)
        assert differences(replayed, state) == []
        assert differences(unpack(pack(state), state.head_hash), state) == []


def test_l9_more_than_is_held_cannot_leave() -> None:
    history = Histories()
    play(history, ("buy", 1, 1, 10, 5, 0))
    before = history.book.states[1]
    with pytest.raises(LotError) as caught:
        history.act("transfer", 1, 1, to_account="2", quantity="11")
    assert caught.value.code == "lots.oversold"
    assert history.book.states[1] is before
