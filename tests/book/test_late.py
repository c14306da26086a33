"""A late trade ends where the same trade ends in order (I9, D10), and nothing is erased."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.book.households import FIRST, IRA, SECOND

from opensma.book.facts import History, Naming
from opensma.book.journal import Entry, Kind
from opensma.book.late import LateFact, place
from opensma.book.law import reading_of
from opensma.book.law_check import law_findings
from opensma.book.master import AccountRecord
from opensma.book.posting import Sales, TaxpayerLedger
from opensma.book.state import AccountState, new_account
from opensma.tax.cut import cut_in_turn
from opensma.tax.relief import fifo_order
from opensma.units import CENTS, MICROS

START = 738_886  # 1 January 2024
TAXED = {FIRST: True, SECOND: True, IRA: False}
IDENTICAL = [["1", "2"]]
GROUPS = np.array([0, 1, 1, 3])
WAITS = (0, 0, 0, 1, 2, 3, 5, 9, 14, 29, 30, 31, 60)
Columns = tuple[str, ...]


@dataclass(frozen=True)
class Step:
    """One event: a purchase by its number, a sale of all that is left of one, a split."""

    day: int
    kind: str
    number: int
    account: int
    security: int
    shares: int = 0
    cents: int = 0
    ratio: tuple[int, int] = (1, 1)


# Whole cents a share survive two splits by two or three, so that every cut is exact.
UNIT = 2**2 * 3**2
EXACT, ROUGH = ((2, 1), (3, 1)), ((2, 1), (3, 2), (1, 3))


def history(seed: int, length: int, ratios: Sequence[tuple[int, int]]) -> list[Step]:
    """A dense random history; sales come before purchases of a day, a purchase is sold once.

    With `EXACT` ratios every share has whole cents, with `ROUGH` ones hardly any.
    """
    odd = 0 if ratios is EXACT else 1
    chance, day, splits = random.Random(seed), START, 0
    steps: list[Step] = []
    held: list[Step] = []
    for number in range(1, length + 1):
        day += chance.choice(WAITS)
        kind = chance.choice(("buy",) * 4 + ("sell",) * 4 + ("split",))
        old = [s for s in held if s.day < day]
        if kind == "sell" and old:
            bought = chance.choice(old)
            held.remove(bought)
            of = bought.number, bought.account, bought.security
            cents = chance.randint(1, 40) * UNIT * bought.shares + odd
            steps.append(Step(day, "sell", *of, 0, cents))
        elif kind == "split" and splits < 2:
            splits += 1
            ratio, security = chance.choice(ratios), chance.choice((1, 2, 3))
            steps.append(Step(day, "split", number, 0, security, ratio=ratio))
        else:
            account, shares = chance.choice((FIRST, FIRST, SECOND, IRA)), chance.randint(1, 7)
            cents = chance.randint(1, 40) * UNIT * shares + odd
            security = chance.choice((1, 1, 1, 2, 3))
            steps.append(Step(day, "buy", number, account, security, shares, cents))
            held.append(steps[-1])
    order = ("split", "sell", "buy")
    return sorted(steps, key=lambda step: (step.day, order.index(step.kind)))


@dataclass
class World:
    """A taxpayer's book in memory, and the way from a purchase to its lot."""

    ledger: TaxpayerLedger = field(default_factory=lambda: fresh())
    lots: dict[int, tuple[int, int]] = field(default_factory=dict)  # number: lot, acquisition
    names_parts: bool = False  # a sale took several adjusted parts of one purchase

    def deliver(self, steps: list[Step]) -> None:
        """Book steps as the days bring them; washes are matched when a day is over."""
        for place_of, step in enumerate(steps):
            self.book(step)
            last = place_of + 1 == len(steps) or steps[place_of + 1].day > step.day
            if last or (step.kind == "split" and steps[place_of + 1].kind != "split"):
                self.ledger.match_washes(step.day, f"match/{step.day}/{place_of}")

    def book(self, step: Step) -> None:
        if step.kind == "buy":
            state = self.ledger.states[step.account]
            self.lots[step.number] = state.next_lot, state.next_acquisition
            entry = self.purchase(step)
            self.ledger.post(entry)
        elif step.kind == "sell":
            self.ledger.sell(step.account, self.sale(step), step.day, step.day, f"s{step.number}")
        else:
            for key in self.ledger.states:
                self.ledger.post(split(step, key))

    def purchase(self, step: Step) -> Entry:
        body = {
            "security": [step.security],
            "quantity": [step.shares * MICROS],
            "cost": [step.cents],
            "fee": [7],
            "price": [1],
            "ref": [f"b{step.number}"],
        }
        return Entry(step.account, Kind.BUY, step.day, step.day, f"b{step.number}", body)

    def sale(self, step: Step) -> Sales:
        """All that is left of a purchase, its adjusted parts first (L7)."""
        lots = self.ledger.states[step.account].lots
        _, acquisition = self.lots[step.number]
        rows = np.flatnonzero((lots.acquisition == acquisition) & (lots.origin == 0))
        rows = fifo_order(lots, rows)
        # A sale names the parts as they were then, in their order, and that order breaks ties.
        self.names_parts |= int(lots.used[rows].sum()) > 1
        quantity = lots.quantity_micros[rows]
        proceeds = np.array(cut_in_turn(step.cents, quantity.tolist()), dtype=np.int64)
        zeros = np.zeros(len(rows), dtype=np.int64)
        names = [f"s{step.number}"] * len(rows)
        return Sales(lots.lot[rows], quantity, proceeds, zeros, zeros, zeros + 1, names)


def fresh() -> TaxpayerLedger:
    made = TaxpayerLedger([new_account(key) for key in TAXED], TAXED, GROUPS, "t")
    for key in TAXED:
        made.deposit(key, 10_000 * CENTS, START - 1, "deposit")
    return made


def split(step: Step, key: int) -> Entry:
    numerator, denominator = step.ratio
    body = {"security": step.security, "numerator": numerator, "denominator": denominator}
    return Entry(
        key, Kind.SPLIT, step.day, step.day, f"x{step.number}", body | {"ref": f"x{step.number}"}
    )


def late_fact(step: Step, world: World, whole: int) -> LateFact:
    """The step as a fact of its own day; `whole` is what the lot held then."""
    if step.kind == "buy":
        return LateFact(world.purchase(step))
    if step.kind == "split":
        return LateFact(split(step, FIRST))
    body = {
        "lot": [world.lots[step.number][0]],
        "security": [step.security],
        "quantity": [whole],
        "proceeds": [step.cents],
        "fee": [0],
        "price": [0],
        "harvest": [1],
        "taxed": int(TAXED[step.account]),
        "ref": [f"s{step.number}"],
    }
    entry = Entry(step.account, Kind.SELL, step.day, step.day, f"s{step.number}", body)
    return LateFact(entry)


def read(ledger: TaxpayerLedger) -> History:
    """What `read_history` reads from a book, from a ledger in memory."""
    naming = Naming()
    states = {key: new_account(key) for key in TAXED}
    seen: dict[int, AccountState] = dict(states)
    from opensma.book.fold import fold

    for booked in sorted(ledger.booked, key=lambda b: (b.entry.account_key, b.seq)):
        key = booked.entry.account_key
        naming.see(seen[key], booked)
        seen[key] = fold(seen[key], booked)
    accounts = tuple(account(key) for key in TAXED)
    return History(accounts, naming, seen, IDENTICAL)


def account(key: int) -> AccountRecord:
    registration = "individual" if TAXED[key] else "ira"
    return AccountRecord(
        f"A{key}", key, "tp-1", "own-1", "st", "adv", "Ada", registration, "C", "2023-01-02",
        "active", 1, 40_000_000, None, 20, 150, 10_000,
    )  # fmt: skip


def content(ledger: TaxpayerLedger) -> dict[str, Any]:
    """Everything a taxpayer has, apart from the numbers that lots and entries were given."""
    found: dict[str, Any] = {}
    newest = max(state.last_day for state in ledger.states.values())
    for key, state in ledger.states.items():
        days = ("security", "acquired_day", "holding_day")
        found[f"lots {key}"] = counted(
            state.lots,
            (*days, "used", "purchase"),
            ("quantity_micros", "basis_cents", "wash_cents"),
        )
        open_losses = state.losses.take(
            (state.losses.sold_day + 30 >= newest) & (state.losses.loss_cents > 0)
        )
        found[f"losses {key}"] = counted(
            open_losses,
            (*days, "sold_day", "harvest"),
            ("quantity_micros", "loss_cents", "proceeds_cents"),
        )
        found[f"years {key}"] = {tuple(row) for row in state.years.tolist() if any(row[1:])}
        names = ("cash_cents", "deposited_cents", "withdrawn_cents", "fees_cents")
        found[f"money {key}"] = [getattr(state, name) for name in names]
    return found


def counted(table: Any, alike: Columns, amounts: Columns) -> dict[tuple[int, ...], list[int]]:
    """Sums of rows that are alike: equal parts of a lot may be one row or several."""
    found: dict[tuple[int, ...], list[int]] = {}
    for row in range(len(table)):
        key = tuple(int(getattr(table, name)[row]) for name in alike)
        sums = found.setdefault(key, [0] * len(amounts))
        for place_of, name in enumerate(amounts):
            sums[place_of] += int(getattr(table, name)[row])
    return found


def may_be_late(steps: list[Step]) -> list[Step]:
    """What can be missing while the others are booked: not a purchase that is sold, not a split."""
    sold = {step.number for step in steps if step.kind == "sell"}
    newest = steps[-1].day
    found = []
    for place_of, step in enumerate(steps):
        rest = steps[:place_of] + steps[place_of + 1 :]
        # A late trade comes after those of its day that were booked: nobody knows better (D6).
        last = not any(
            (s.day, s.kind, s.account) == (step.day, step.kind, step.account)
            for s in steps[place_of + 1 :]
        )
        fit = step.kind == "sell" or (step.kind == "buy" and step.number not in sold and last)
        if fit and rest and step.day <= max(s.day for s in rest) <= newest:
            found.append(step)
    return found


def worlds(
    seed: int, length: int, ratios: Sequence[tuple[int, int]]
) -> tuple[World, World, LateFact] | None:
    """The history in order, the history without one step, and that step."""
    steps = history(seed, length, ratios)
    choices = may_be_late(steps)
    if not choices:
        return None
    missing = random.Random(seed).choice(choices)
    in_order, without = World(), World()
    before = [s for s in steps if (s.day, s.kind != "split") < (missing.day, True)]
    until = World()
    until.deliver([s for s in before if s is not missing])
    in_order.deliver(steps)
    without.deliver([s for s in steps if s is not missing])
    whole = int(until.sale(missing).quantity_micros.sum()) if missing.kind == "sell" else 0
    return in_order, without, late_fact(missing, without, whole)


SEEDS = st.tuples(st.integers(0, 10**9), st.integers(4, 30))


@given(SEEDS)
def test_i9_a_late_trade_ends_where_it_ends_in_order(drawn: tuple[int, int]) -> None:
    made = worlds(*drawn, EXACT)
    if made is None:
        return
    in_order, without, late = made
    if in_order.names_parts or without.names_parts:
        return
    for entry in place(read(without.ledger), [late]).entries:
        without.ledger.post(entry)
    assert content(without.ledger) == content(in_order.ledger)
    assert proven(without.ledger)


@given(SEEDS)
def test_after_a_late_trade_the_book_is_what_the_law_gives(drawn: tuple[int, int]) -> None:
    """Cents and millionths of a share that divide badly: both engines still agree on each."""
    made = worlds(*drawn, ROUGH)
    if made is None:
        return
    in_order, without, late = made
    assert proven(in_order.ledger)
    assert proven(without.ledger)
    for entry in place(read(without.ledger), [late]).entries:
        without.ledger.post(entry)
    assert proven(without.ledger)


def proven(ledger: TaxpayerLedger) -> bool:
    """What `verify` asks of the reference engine."""
    again = read(ledger)
    found = law_findings(reading_of(again), again.states)
    assert found == []
    return not found


def test_the_random_histories_hold_what_is_to_be_tested() -> None:
    """A property that nothing can break proves nothing: late trades change lots of others."""
    changed = washed = 0
    for seed in range(60):
        made = worlds(seed, 30, EXACT)
        if made is not None:
            entries = place(read(made[1].ledger), [made[2]]).entries
            lots = sum(len(entry.body["lots"]["lot"]) for entry in entries)
            changed += len(entries) > 1 or lots > 1
            washed += any(entry.body["given"] for entry in entries)
    assert min(changed, washed) > 10
