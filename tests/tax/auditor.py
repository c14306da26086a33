"""A slow and obvious reading of the rules: one object for every single share, exact fractions.

Written from the rules and sharing no code with the engine. It remembers every loss for ever and
looks at every share of the taxpayer again after every event, so there is nothing incremental in
it that could be wrong.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from fractions import Fraction


@dataclass(frozen=True)
class Event:
    """`kind` is buy, sell, split or transfer; `number` shares, or new for one old in a split."""

    kind: str
    day: date
    account: int
    security: str
    number: int
    unit: int = 0  # cents a share
    dearest: bool = False  # highest basis first instead of first in, first out
    method: str = "FIFO"  # any other order of relief
    target: int = 0  # account that receives a transfer


# Each method as the rule book words it: kinds of shares in their order, then the least gain first
# (`<`: the greatest loss, the highest basis) or the greatest first (`>`). All, or a term alone,
# means whatever the result is. A zero is a gain except in TLO.
ORDERS = {
    "HIFO": "all<",
    "LOFO": "all>",
    "HICL": "L< S<",
    "HICS": "S< L<",
    "TLO": "Sloss< Lloss< Szero< Lzero< Lgain< Sgain<",
    "MLG": "Lgain> Lzero> Sgain> Szero> Sloss> Lloss>",
    "MLL": "Lloss< Sloss< Szero< Sgain< Lzero< Lgain<",
    "MSG": "Sgain> Szero> Lgain> Lzero> Lloss> Sloss>",
    "MSL": "Sloss< Lloss< Lzero< Lgain< Szero< Sgain<",
}


@dataclass
class Share:
    """One share."""

    account: int
    security: str
    acquisition: int  # the purchase order, in order of time
    bought: date
    held_from: date
    cost: Fraction  # without adjustments
    added: Fraction = Fraction(0)  # losses of other shares that it carries
    used: bool = False

    @property
    def basis(self) -> Fraction:
        return self.cost + self.added


@dataclass
class LostShare:
    """One share sold at a loss that nothing has replaced yet."""

    event: int
    share: Share
    sold: date
    place: int  # in order of relief
    loss: Fraction


@dataclass
class Sale:
    """What came of one sell event."""

    proceeds: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)
    basis: Fraction = Fraction(0)
    disallowed: Fraction = Fraction(0)
    permanent: Fraction = Fraction(0)
    long_term: int = 0  # shares

    @property
    def gain(self) -> Fraction:
        return self.proceeds - self.basis + self.disallowed


@dataclass
class Auditor:
    """One taxpayer: shares, losses waiting for a replacement, and every sale so far."""

    retirement: frozenset[int]  # accounts where a replacement takes the loss for good
    groups: dict[str, str]  # security to what it is substantially identical with
    shares: list[Share] = field(default_factory=list)
    waiting: list[LostShare] = field(default_factory=list)
    sales: dict[int, Sale] = field(default_factory=dict)

    def book(self, number: int, event: Event) -> None:
        if event.kind == "buy":
            self._buy(number, event)
        elif event.kind == "sell":
            self._sell(number, event)
        elif event.kind == "transfer":
            for share in self._in_order(event)[: event.number]:
                share.account = event.target
        else:
            self._split(event)
        self._wash()

    def held(self, account: int, security: str) -> int:
        return sum((s.account, s.security) == (account, security) for s in self.shares)

    def _buy(self, number: int, event: Event) -> None:
        for _ in range(event.number):
            self.shares.append(
                Share(
                    event.account,
                    event.security,
                    number,
                    event.day,
                    event.day,
                    Fraction(event.unit),
                )
            )

    def _sell(self, number: int, event: Event) -> None:
        own = self._in_order(event)
        if event.method in ("LIFO", *ORDERS) or event.dearest:
            self._rank(own, event)
        sale = self.sales[number] = Sale()
        for place, share in enumerate(own[: event.number]):
            self.shares = [s for s in self.shares if s is not share]
            sale.proceeds += event.unit
            sale.cost += share.cost
            sale.basis += share.basis
            sale.long_term += self.is_long(share.held_from, event.day)
            loss = share.basis - event.unit
            if loss > 0 and event.account not in self.retirement:  # W14
                self.waiting.append(LostShare(number, share, event.day, place, loss))

    def _in_order(self, event: Event) -> list[Share]:
        own = [s for s in self.shares if s.account == event.account]
        own = [s for s in own if s.security == event.security]
        own.sort(key=lambda s: (s.bought, s.acquisition, not s.used, -s.added, s.held_from))
        return own

    def _rank(self, own: list[Share], event: Event) -> None:
        """Sort by the method; what ties stays first in, first out."""
        if event.dearest:
            own.sort(key=lambda s: -s.basis)
            return
        if event.method == "LIFO":
            # Newest purchase first; the parts of one purchase keep their order.
            own.sort(key=lambda s: (s.bought, s.acquisition), reverse=True)
            return
        words = ORDERS[event.method].split()
        kinds = [word.rstrip("<>") for word in words]

        def place(share: Share) -> tuple[int, Fraction]:
            gain = event.unit - share.basis
            term = "L" if self.is_long(share.held_from, event.day) else "S"
            sign = "loss" if gain < 0 else "gain" if gain > 0 else "zero"
            for position, kind in enumerate(kinds):
                if kind in (f"{term}{sign}", term, "all"):
                    return position, -gain if words[position].endswith(">") else gain
            raise AssertionError((event.method, term, sign))

        own.sort(key=place)

    def _split(self, event: Event) -> None:
        many = event.number
        split: list[Share] = []
        for share in self.shares:
            if share.security != event.security:
                split.append(share)
                continue
            for _ in range(many):
                split.append(replace(share, cost=share.cost / many, added=share.added / many))
        self.shares = split
        lost: list[LostShare] = []
        for old in self.waiting:
            copies = many if old.share.security == event.security else 1  # W19
            lost += [replace(old, loss=old.loss / copies) for _ in range(copies)]
        self.waiting = lost

    def _wash(self) -> None:
        order = sorted(
            self.waiting,
            key=lambda w: (w.sold, w.event, w.share.bought, w.share.acquisition, w.place),
        )
        for lost in order:  # W4
            found = [s for s in self.shares if self._replaces(s, lost)]
            if not found:
                continue
            best = min(found, key=lambda s: (s.bought, s.acquisition, s.account))  # W5
            best.used = True  # W7
            sale = self.sales[lost.event]
            sale.disallowed += lost.loss
            if best.account in self.retirement:
                sale.permanent += lost.loss
            else:
                best.added += lost.loss  # W9
                best.held_from -= lost.sold - lost.share.held_from  # W10
            self.waiting = [w for w in self.waiting if w is not lost]

    def _replaces(self, share: Share, lost: LostShare) -> bool:
        apart = abs((share.bought - lost.sold).days)
        return (
            not share.used
            and apart <= 30
            and share.acquisition != lost.share.acquisition  # W8
            and self.groups[share.security] == self.groups[lost.share.security]
        )

    @staticmethod
    def is_long(held_from: date, sold: date) -> bool:
        """Walk to the day after, then to the same day of the next year."""
        first = held_from + timedelta(days=1)
        year = first.year + 1
        if (first.month, first.day) == (2, 29):
            return sold >= date(year, 3, 1)
        return sold >= date(year, first.month, first.day)

    def position(self) -> Counter[tuple[object, ...]]:
        """How many shares there are of each kind."""
        return Counter(
            (s.account, s.security, s.bought, s.acquisition, s.held_from, s.basis, s.used)
            for s in self.shares
        )

    def identity(self) -> tuple[Fraction, Fraction]:
        """I1: recognised - deferred in open - lost for good, and proceeds - unadjusted cost."""
        recognised = sum((s.gain - s.permanent for s in self.sales.values()), Fraction(0))
        deferred = sum((s.added for s in self.shares), Fraction(0))
        plain = sum((s.proceeds - s.cost for s in self.sales.values()), Fraction(0))
        return recognised - deferred, plain
