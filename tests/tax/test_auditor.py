"""The engine and the auditor replay the same random ledgers and must agree to the cent (I12)."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta
from typing import Any

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from opensma.tax import actions, wash
from opensma.tax.lots import Lots
from opensma.tax.relief import fifo_picks, highest_basis_picks, relieve
from opensma.units import MICROS

from .auditor import Auditor, Event

TAXABLE, OTHER, IRA = 0, 1, 2
GROUPS = {"A": "A", "B": "A", "C": "C"}  # A and B are substantially identical
KEYS = {"A": 1, "B": 2, "C": 3}
GROUP_OF_KEY = np.array([0, 1, 1, 3])
# Whole cents a share survive four splits by two or three, so that both sides are exact.
UNIT = 2**4 * 3**4

KINDS = ("buy",) * 4 + ("sell",) * 5 + ("split",)
WAITS = (0, 0, 0, 1, 2, 5, 9, 14, 16, 29, 30, 31, 60, 360)


def history(seed: int, length: int) -> list[tuple[Any, ...]]:
    """A dense random history: independent draws by hypothesis hardly ever make a wash sale."""
    chance = random.Random(seed)
    return [
        (
            chance.choice(KINDS),
            chance.choice(WAITS),
            chance.choice((TAXABLE, TAXABLE, TAXABLE, OTHER, IRA)),
            chance.choice("AAAAABBC"),
            chance.randint(1, 7),
            chance.randint(1, 9),
            chance.random() < 0.5,
        )
        for _ in range(length)
    ]


STEPS = st.builds(history, st.integers(0, 10**9), st.integers(4, 30))


class Engine:
    """The fast law as a book would drive it: event by event, losses expiring as days pass."""

    def __init__(self) -> None:
        self.lots = {account: Lots.empty() for account in (TAXABLE, OTHER, IRA)}
        self.losses = wash.Losses.empty()
        self.next_lot = 1
        self.sales: dict[int, list[int]] = {}  # proceeds, basis, disallowed, permanent, long

    def book(self, number: int, event: Event) -> None:
        day, key = event.day.toordinal(), KEYS[event.security]
        self.losses = wash.expire(self.losses, day)
        if event.kind == "buy":
            self._buy(number, event, day, key)
        elif event.kind == "sell":
            self._sell(number, event, day, key)
        else:
            self.lots = {a: actions.split(x, key, event.number, 1) for a, x in self.lots.items()}
            self.losses = wash.scale_losses(self.losses, key, event.number, 1)
        self._wash(day)

    def _buy(self, number: int, event: Event, day: int, key: int) -> None:
        bought = Lots.of(
            lot=[self.next_lot],
            acquisition=[number],
            security=[key],
            acquired_day=[day],
            holding_day=[day],
            quantity_micros=[event.number * MICROS],
            basis_cents=[event.number * event.unit],
            wash_cents=[0],
            used=[0],
        )
        self.next_lot += 1
        self.lots[event.account] = self.lots[event.account].joined(bought)

    def _sell(self, number: int, event: Event, day: int, key: int) -> None:
        lots = self.lots[event.account]
        method = highest_basis_picks if event.dearest else fifo_picks
        picks = method(lots, key, event.number * MICROS)
        slices, self.lots[event.account] = relieve(lots, picks, event.number * event.unit, day)
        long = int((slices.quantity_micros * slices.long_term).sum()) // MICROS
        totals = [int(slices.proceeds_cents.sum()), int(slices.basis_cents.sum())]
        self.sales[number] = [*totals, 0, 0, long]
        if event.account != IRA:
            group = GROUP_OF_KEY[slices.security]
            lost = wash.losses_of(slices, event.account, number, group, number)
            self.losses = self.losses.joined(lost)

    def _wash(self, day: int) -> None:
        tables = [
            wash.replacements_of(
                lots, account, GROUP_OF_KEY[lots.security], day, permanent=account == IRA
            )
            for account, lots in self.lots.items()
        ]
        matches = wash.match(self.losses, tables[0].joined(tables[1]).joined(tables[2]))
        self.losses = wash.unmatched(self.losses, matches)
        for i in range(len(matches)):
            sale = self.sales[int(matches.source[i])]
            sale[2] += int(matches.disallowed_cents[i])
            sale[3] += int(matches.disallowed_cents[i] * matches.permanent[i])
        for account in self.lots:
            self.lots[account], self.next_lot = wash.apply_matches(
                self.lots[account], matches, account, self.next_lot
            )

    def position(self) -> Counter[tuple[object, ...]]:
        """As the auditor counts it: shares of each kind, with basis per share."""
        names = {key: name for name, key in KEYS.items()}
        found: Counter[tuple[object, ...]] = Counter()
        for account, lots in self.lots.items():
            for i in range(len(lots)):
                number, rest = divmod(int(lots.quantity_micros[i]), MICROS)
                unit, cents_left = divmod(int(lots.basis_cents[i]), number)
                assert (rest, cents_left) == (0, 0)
                kind = (
                    account,
                    names[int(lots.security[i])],
                    date.fromordinal(int(lots.acquired_day[i])),
                    int(lots.acquisition[i]),
                    date.fromordinal(int(lots.holding_day[i])),
                    unit,
                    bool(lots.used[i]),
                )
                found[kind] += number
        return found


@given(STEPS)
def test_engine_and_auditor_agree_after_every_event(steps: list[tuple[Any, ...]]) -> None:
    auditor, engine = Auditor(frozenset({IRA}), GROUPS), Engine()
    day, splits = date(2023, 1, 3), 0
    for number, (kind, wait, account, security, size, price, dearest) in enumerate(steps, 1):
        day += timedelta(days=wait)
        shares = min(size, auditor.held(account, security)) if kind == "sell" else size
        if kind == "split":
            shares, splits = 2 + size % 2, splits + 1
        if not shares or splits > 4 or len(auditor.shares) > 150:
            continue
        event = Event(kind, day, account, security, shares, price * UNIT, dearest)
        auditor.book(number, event)
        engine.book(number, event)
        assert engine.position() == auditor.position()
        assert engine.sales == {
            key: [s.proceeds, s.basis, s.disallowed, s.permanent, s.long_term]
            for key, s in auditor.sales.items()
        }
        recognised, plain = auditor.identity()
        assert recognised == plain  # I1, at every prefix


def test_the_random_histories_wash_in_every_way() -> None:
    """A property that nothing can break proves nothing."""
    disallowed, permanent = 0, 0
    for seed in range(60):
        auditor, day = Auditor(frozenset({IRA}), GROUPS), date(2023, 1, 3)
        for number, (kind, wait, account, security, size, price, _) in enumerate(
            history(seed, 30), 1
        ):
            day += timedelta(days=wait)
            shares = min(size, auditor.held(account, security)) if kind == "sell" else size
            if shares and kind != "split":
                auditor.book(number, Event(kind, day, account, security, shares, price * UNIT))
        disallowed += any(sale.disallowed for sale in auditor.sales.values())
        permanent += any(sale.permanent for sale in auditor.sales.values())
    assert disallowed > 30
    assert permanent > 10


def test_the_auditor_gives_the_published_answer() -> None:
    """Publication 550: 100 shares lost 250, 100 bought four days later: basis 1,050."""
    auditor = Auditor(frozenset(), {"A": "A"})
    auditor.book(1, Event("buy", date(2014, 5, 1), 0, "A", 100, 1000))
    auditor.book(2, Event("sell", date(2014, 7, 1), 0, "A", 100, 750))
    auditor.book(3, Event("buy", date(2014, 7, 5), 0, "A", 100, 800))
    assert auditor.sales[2].gain == 0
    assert auditor.position() == {(0, "A", date(2014, 7, 5), 3, date(2014, 5, 5), 1050, True): 100}
