"""The open lots of one position, kept in the order of relief while they change.

Sorting a position at every sale is quadratic: here a purchase, a sale and a wash adjustment each
cost the logarithm of the position, for every method (L4 to L7). What the sort key cannot hold,
the term and the sign of the gain, is found when a sale asks: young and long-term lots are kept
apart, and the sale price divides both.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from heapq import heappop, heappush
from itertools import chain
from typing import Any

from opensma.tax.replay.exact import Quantity
from opensma.tax.replay.lots import Lot, long_from
from opensma.tax.replay.policy import Policy

# A place in the order: compared from the left; the serial number is unique, so lots never are.
Entry = tuple[Any, ...]

_BUCKET = 256  # entries; a longer list costs more to move, a shorter one more to find
# Cents per micro, times this, rounded down: so fine that different amounts per share stay
# different, and faster than fractions.
_FINE = 10**48

# Classes in the order of relief: term (S, L) and sign (-, 0, +); then greatest gain first or not.
CLASSES: dict[str, tuple[tuple[str, ...], bool]] = {
    "TLO": (("S-", "L-", "S0", "L0", "L+", "S+"), False),
    "MLG": (("L+", "S+", "S0", "L0", "S-", "L-"), True),
    "MLL": (("L-", "S-", "S0", "L0", "S+", "L+"), False),
    "MSG": (("S+", "L+", "L0", "S0", "L-", "S-"), True),
    "MSL": (("S-", "L-", "L0", "S0", "L+", "S+"), False),
}
_HIGHEST_COST = ("HIFO", "HICO", "HC", "HICL", "HICS")


def sublot_key(lot: Lot, policy: Policy) -> tuple[bool, int, int]:
    """Adjusted parts first and the most adjusted before the others, or the reverse (L7, P4)."""
    adjusted = fine(lot.wash_cents, lot.quantity) if lot.wash_cents else 0
    if policy.sublot_depletion == "adjusted_first":
        return not lot.used, -adjusted, lot.holding_day
    return lot.used, adjusted, lot.holding_day


def fine(cents: int, quantity: Quantity) -> int:
    """An amount per share as an integer that sorts and compares like the exact quotient."""
    return int(cents * _FINE // quantity)


def key_of(method: str, policy: Policy) -> Callable[[Lot], Entry]:
    """The sort key of a method before term and sign of the gain; ties by L6 and L7."""
    if method == "LIFO":
        return lambda lot: (-lot.acquired_day, -lot.sequence, *sublot_key(lot, policy))
    if method in _HIGHEST_COST or (method in CLASSES and not CLASSES[method][1]):
        return lambda lot: (
            -fine(lot.basis_cents, lot.quantity),
            lot.acquired_day,
            lot.sequence,
            *sublot_key(lot, policy),
        )
    if method == "LOFO" or method in CLASSES:
        return lambda lot: (
            fine(lot.basis_cents, lot.quantity),
            lot.acquired_day,
            lot.sequence,
            *sublot_key(lot, policy),
        )
    return lambda lot: (lot.acquired_day, lot.sequence, *sublot_key(lot, policy))


class Position:
    """Open lots of one account and security, in order of arrival, and their orders of relief."""

    __slots__ = ("_by_name", "_lots", "_orders")

    def __init__(self) -> None:
        self._lots: dict[int, Lot] = {}
        self._orders: dict[str, Order] = {}
        self._by_name: dict[str, dict[int, Lot]] = {}  # built when a sale first names a lot

    def __iter__(self) -> Iterator[Lot]:
        return iter(self._lots.values())

    def __len__(self) -> int:
        return len(self._lots)

    def __contains__(self, lot: Lot) -> bool:
        return lot.serial in self._lots

    def hold(self, lot: Lot) -> None:
        """Take in a lot whose serial number is new."""
        self._lots[lot.serial] = lot
        if self._by_name:
            self._by_name.setdefault(lot.lot, {})[lot.serial] = lot

    def place(self, lot: Lot) -> None:
        """Put a lot into the orders of relief."""
        for order in self._orders.values():
            order.add(lot)

    def remove(self, lot: Lot) -> None:
        """Let go of a lot, which is sold or moves."""
        del self._lots[lot.serial]
        if self._by_name:
            del self._by_name[lot.lot][lot.serial]
        for order in self._orders.values():
            order.remove(lot)

    def changed(self, lot: Lot) -> None:
        """Put a lot where its basis, quantity or dates now belong."""
        for order in self._orders.values():
            order.change(lot)

    def forget_order(self) -> None:
        """Lots change in ways that nobody reports: sort again when asked."""
        self._orders.clear()

    def named(self, name: str) -> list[Lot]:
        """The parts of one lot."""
        if not self._by_name:
            for serial, lot in self._lots.items():
                self._by_name.setdefault(lot.lot, {})[serial] = lot
        return list(self._by_name.get(name, {}).values())

    def in_order(
        self, method: str, policy: Policy, day: int, amount_cents: int, quantity: Quantity
    ) -> Iterator[Lot]:
        """Lots in the order a sale for this net amount relieves them; change nothing meanwhile."""
        order = self._orders.get(method)
        if order is None:
            by_term = method in CLASSES or method in ("HICL", "HICS")
            order = self._orders[method] = (TermOrder if by_term else Order)(method, policy)
            for lot in self._lots.values():
                order.add(lot)
        return order.in_order(day, amount_cents, quantity)


class Sorted:
    """A sorted list in buckets: adding and removing stays cheap when it is long."""

    __slots__ = ("_buckets", "_lasts")

    def __init__(self) -> None:
        self._buckets: list[list[Entry]] = []
        self._lasts: list[Entry] = []  # of every bucket

    def __iter__(self) -> Iterator[Entry]:
        return chain.from_iterable(self._buckets)

    def add(self, entry: Entry) -> None:
        """Put an entry in its place."""
        if not self._buckets:
            self._buckets, self._lasts = [[entry]], [entry]
            return
        place = min(bisect_left(self._lasts, entry), len(self._lasts) - 1)
        bucket = self._buckets[place]
        insort(bucket, entry)
        if len(bucket) > 2 * _BUCKET:
            self._buckets.insert(place + 1, bucket[_BUCKET:])
            del bucket[_BUCKET:]
            self._lasts.insert(place, bucket[-1])
            bucket = self._buckets[place + 1]
            place += 1
        self._lasts[place] = bucket[-1]

    def remove(self, entry: Entry) -> None:
        """Take out an entry that is there."""
        place = bisect_left(self._lasts, entry)
        bucket = self._buckets[place]
        del bucket[bisect_left(bucket, entry)]
        if bucket:
            self._lasts[place] = bucket[-1]
        else:
            del self._buckets[place], self._lasts[place]

    def between(self, low: Entry, high: Entry | None) -> Iterator[Entry]:
        """Entries from `low`, before `high`; either may be the beginning of a key."""
        for place in range(bisect_left(self._lasts, low), len(self._buckets)):
            bucket = self._buckets[place]
            start = bisect_left(bucket, low)
            for entry in bucket[start:] if start else bucket:
                if high is not None and entry >= high:
                    return
                yield entry


class Order:
    """A method whose key says everything: FIFO, LIFO, HIFO, LOFO."""

    __slots__ = ("_entries", "_key", "_places", "_policy", "_term")

    def __init__(self, method: str, policy: Policy) -> None:
        self._key, self._policy = key_of(method, policy), policy
        self._entries = Sorted()
        self._places: dict[int, Entry] = {}

    def add(self, lot: Lot) -> None:
        """Put a lot in its place."""
        entry = self._places[lot.serial] = (*self._key(lot), lot.serial, lot)
        self._entries.add(entry)

    def remove(self, lot: Lot) -> None:
        """Take a lot out."""
        self._entries.remove(self._places.pop(lot.serial))

    def change(self, lot: Lot) -> None:
        """Move a lot to its place of now."""
        old = self._places.get(lot.serial)
        if old is None:
            return  # not placed yet
        new = (*self._key(lot), lot.serial, lot)
        if new != old:
            self._entries.remove(old)
            self._places[lot.serial] = new
            self._entries.add(new)

    def in_order(self, day: int, amount_cents: int, quantity: Quantity) -> Iterator[Lot]:
        """Lots in the order of relief."""
        return (entry[-1] for entry in self._entries)


class TermOrder(Order):
    """A method that asks for the term too, and perhaps for the sign of the gain (L5, P3)."""

    __slots__ = ("_long", "_long_serials", "_maturing", "_method")

    def __init__(self, method: str, policy: Policy) -> None:
        super().__init__(method, policy)  # `_entries` are the short-term lots
        self._method = method
        self._long, self._long_serials = Sorted(), set[int]()
        self._maturing: list[tuple[int, int, Entry]] = []  # a heap: day, serial, entry

    def add(self, lot: Lot) -> None:
        """Put a lot among the short-term ones; the next sale finds it mature (H2, H6)."""
        super().add(lot)
        ripe = 0 if lot.inherited else long_from(lot.holding_day)
        heappush(self._maturing, (ripe, lot.serial, self._places[lot.serial]))

    def remove(self, lot: Lot) -> None:
        """Take a lot out of the term it is in."""
        entry = self._places.pop(lot.serial)
        if lot.serial in self._long_serials:
            self._long_serials.remove(lot.serial)
            self._long.remove(entry)
        else:
            self._entries.remove(entry)

    def change(self, lot: Lot) -> None:
        """Move a lot to its place of now; its key holds the holding day too."""
        old = self._places.get(lot.serial)
        if old is not None and (*self._key(lot), lot.serial, lot) != old:
            self.remove(lot)
            self.add(lot)

    def in_order(self, day: int, amount_cents: int, quantity: Quantity) -> Iterator[Lot]:
        """Lots in the order of relief of a sale on a day at a net price."""
        self._mature(day)
        if self._method not in CLASSES:
            first, second = self._long, self._entries
            if self._method == "HICS":
                first, second = second, first
            return (entry[-1] for entry in chain(first, second))
        ranges = self._ranges(fine(amount_cents, quantity))
        classes = (
            (self._long if kind[0] == "L" else self._entries).between(*ranges[kind[1]])
            for kind in CLASSES[self._method][0]
        )
        return (entry[-1] for entry in chain.from_iterable(classes))

    def _mature(self, day: int) -> None:
        while self._maturing and self._maturing[0][0] <= day:
            _, serial, entry = heappop(self._maturing)
            # An entry that has been replaced since has its own time.
            if self._places.get(serial) is entry:
                self._entries.remove(entry)
                self._long.add(entry)
                self._long_serials.add(serial)

    def _ranges(self, price: int) -> dict[str, tuple[Entry, Entry | None]]:
        """Where the keys of losses, zeros and gains lie; zero may be a gain (P3)."""
        greatest_first = CLASSES[self._method][1]
        key = price if greatest_first else -price
        below: tuple[Entry, Entry | None] = ((), (key,))
        above: tuple[Entry, Entry | None] = ((key + 1,), None)
        zero: tuple[Entry, Entry | None] = ((key,), (key + 1,))
        if self._method != "TLO" and self._policy.zero_gain == "gain":
            below, above = (((), (key + 1,)), above) if greatest_first else (below, ((key,), None))
            zero = ((), ())
        return {"-": above if greatest_first else below, "0": zero,
                "+": below if greatest_first else above}  # fmt: skip
