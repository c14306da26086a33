"""Open lots stay in the order that sorting them anew would give, and without sorting (L4 to L7)."""

from __future__ import annotations

import random
from collections import Counter
from fractions import Fraction
from typing import Any

import pytest

from opensma.cli._lots_bench import generate
from opensma.tax.holding import is_long_term
from opensma.tax.replay import Policy, run
from opensma.tax.replay.lots import Lot
from opensma.tax.replay.order import CLASSES, Order, Position, Sorted
from opensma.tax.replay.policy import METHODS

DAY = 738_000
ORDERED = [method for method in METHODS if method != "AVERAGE"]


def lot(chance: random.Random, serial: int) -> Lot:
    """Few different days, amounts and adjustments, so that ties are common."""
    acquired = DAY - 366 + chance.randrange(4)
    wash = chance.choice([0, 0, 30, 60])
    return Lot(
        account=0,
        security=0,
        lot=f"L{serial}",
        acquisition="",
        acquired_day=acquired,
        sequence=chance.randrange(3),
        holding_day=acquired - chance.choice([0, 0, 5]),
        quantity=chance.choice([1_000_000, 2_000_000, 3_000_000, Fraction(1_000_000, 3)]),
        basis_cents=chance.choice([100, 200, 300]) + wash,
        wash_cents=wash,
        used=wash > 0,
        inherited=chance.random() < 0.1,
        serial=serial,
    )


def sorted_anew(
    lots: list[Lot], method: str, policy: Policy, price: Fraction, day: int
) -> list[Lot]:
    """L4 in words: the slow reading, with fractions and one sort."""

    def ties(one: Lot) -> tuple[Any, ...]:
        adjusted = Fraction(one.wash_cents) / one.quantity
        if policy.sublot_depletion == "adjusted_first":
            return not one.used, -adjusted, one.holding_day, one.serial
        return one.used, adjusted, one.holding_day, one.serial

    def key(one: Lot) -> tuple[Any, ...]:
        unit = Fraction(one.basis_cents) / one.quantity
        long = one.inherited or is_long_term(one.holding_day, day)
        age = (one.acquired_day, one.sequence, *ties(one))
        if method == "LIFO":
            return (-one.acquired_day, -one.sequence, *ties(one))
        if method in ("HIFO", "HICO", "HC"):
            return (-unit, *age)
        if method == "LOFO":
            return (unit, *age)
        if method in ("HICL", "HICS"):
            return (long != (method == "HICL"), -unit, *age)
        if method in CLASSES:
            classes, greatest_first = CLASSES[method]
            gain = price - unit
            zero = "0" if method == "TLO" or policy.zero_gain == "own_class" else "+"
            sign = "-" if gain < 0 else "+" if gain > 0 else zero
            place = classes.index(("L" if long else "S") + sign)
            return (place, -gain if greatest_first else gain, *age)
        return age

    return sorted(lots, key=key)


@pytest.mark.parametrize("method", ORDERED)
@pytest.mark.parametrize("depletion", ["adjusted_first", "unadjusted_first"])
@pytest.mark.parametrize("zero_gain", ["gain", "own_class"])
def test_l4_the_kept_order_is_that_of_sorting_anew(
    method: str, depletion: str, zero_gain: str
) -> None:
    """Lots come, go and change between sales, and days pass, so that some become long-term."""
    policy = Policy(sublot_depletion=depletion, zero_gain=zero_gain)
    chance, position, day = random.Random(method), Position(), DAY
    for serial in range(1, 120):
        new = lot(chance, serial)
        position.hold(new)
        position.place(new)
        held = list(position)
        if chance.random() < 0.4:
            position.remove(chance.choice(held))
        changed = chance.choice(held)
        if changed in position:
            changed.basis_cents += 30
            changed.wash_cents += 30
            changed.holding_day -= chance.choice([0, 3])
            changed.used = True
            position.changed(changed)
        day += chance.random() < 0.05
        cents, quantity = chance.choice([0, 100, 200, 300]), chance.choice([1_000_000, 2_000_000])
        expected = sorted_anew(list(position), method, policy, Fraction(cents, quantity), day)
        got = list(position.in_order(method, policy, day, cents, quantity))
        assert [one.serial for one in got] == [one.serial for one in expected]


def test_a_long_sorted_list_stays_sorted() -> None:
    chance, kept, plain = random.Random(1), Sorted(), list[tuple[int, int]]()
    for serial in range(5_000):
        entry = (chance.randrange(500), serial)
        kept.add(entry)
        plain.append(entry)
        if chance.random() < 0.3:
            gone = plain.pop(chance.randrange(len(plain)))
            kept.remove(gone)
    plain.sort()
    assert list(kept) == plain
    assert list(kept.between((100,), (200,))) == [e for e in plain if 100 <= e[0] < 200]
    for entry in plain:
        kept.remove(entry)
    assert list(kept) == []


@pytest.mark.parametrize("method", ["FIFO", "LIFO", "HIFO", "LOFO", "HICL", "TLO", "MLG"])
def test_one_security_is_replayed_with_a_few_steps_for_every_slice(
    method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Places looked up in an order of relief, counted: no sale sorts or scans the position."""
    steps = Counter[str]()
    for name in ("add", "remove", "change"):
        plain = getattr(Order, name)

        def counted(order: Order, one: Lot, plain: Any = plain, name: str = name) -> None:
            steps[name] += 1
            plain(order, one)

        monkeypatch.setattr(Order, name, counted)
    state = run(generate(3_000, 1, 3, method))
    slices = len(state.closed)
    open_lots = sum(len(position) for position in state.positions.values())
    assert open_lots > 200  # so that a scan at every sale would be seen
    assert sum(steps.values()) < 6 * (slices + 3_000)
