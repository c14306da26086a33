"""A slow and obvious reading of the rules, to hold the fast ones to: exact fractions throughout.

Written from the rules and sharing no code with the engines. Everything is kept per share, so that
cutting a lot is only a smaller number of the same shares and nothing is ever rounded. There is no
index and no queue: every event looks at every share and at every loss again.

Reads a case as documented in `docs/tax.md`; answers in the same form, with numbers instead of
text: shares as fractions, money as fractions of a cent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

Row = dict[str, Any]
ZERO = Fraction(0)

# Each method as the rule book words it: kinds of shares in their order, then the least gain first
# (`<`: the greatest loss, the highest basis) or the greatest first (`>`). `all`, or a term alone,
# means whatever the result is.
ORDERS = {
    "HIFO": "all<",
    "HICO": "all<",
    "HC": "all<",
    "LOFO": "all>",
    "HICL": "L< S<",
    "HICS": "S< L<",
    "TLO": "Sloss< Lloss< Szero< Lzero< Lgain< Sgain<",
    "MLG": "Lgain> Lzero> Sgain> Szero> Sloss> Lloss>",
    "MLL": "Lloss< Sloss< Szero< Sgain< Lzero< Lgain<",
    "MSG": "Sgain> Szero> Lgain> Lzero> Lloss> Sloss>",
    "MSL": "Sloss< Lloss< Lzero< Lgain< Szero< Sgain<",
}
ZERO_APART = {  # P3: own_class
    "MLG": "Lgain> Sgain> Szero> Lzero> Sloss> Lloss>",
    "MLL": "Lloss< Sloss< Szero< Lzero< Sgain< Lgain<",
    "MSG": "Sgain> Lgain> Lzero> Szero> Lloss> Sloss>",
    "MSL": "Sloss< Lloss< Lzero< Szero< Lgain< Sgain<",
}
DEFAULTS = {
    "sold_together": "order",
    "earlier_acquired": "eligible",
    "zero_gain": "gain",
    "sublot_depletion": "adjusted_first",
    "spouse_adjustment": "carry",
    "view": "taxpayer",
    "wash_sales": "on",
    "jurisdiction": "US",
    "cash_in_lieu_lot": "fifo",
    "unknown_basis": "block",
}


class Refused(Exception):  # noqa: N818 - the answer to a history that cannot be
    """The event cannot be applied; the code is the one of the schema."""


@dataclass(eq=False)
class Shares:
    """A number of shares that are alike in everything; amounts are cents for one share."""

    account: str
    security: str
    lot: str
    order: str  # the purchase order (W8)
    bought: date
    seq: int
    held_from: date
    number: Fraction
    basis: Fraction  # with adjustments
    added: Fraction = ZERO  # losses of other shares that it carries
    used: bool = False
    purchase: bool = True
    inherited: bool = False
    loss_basis: Fraction | None = None
    # Dividends it was entitled to: which, where, and shares of that day for one of today.
    entitled: tuple[tuple[int, str, str, Fraction], ...] = ()

    def taken(self, number: Fraction) -> Shares:
        """So many of these shares, which are fewer from now on."""
        self.number -= number
        return replace(self, number=number)

    def each_becomes(self, many: Fraction) -> None:
        """As many shares for every old one, the same money in all."""
        self.number *= many
        self.basis /= many
        self.added /= many
        if self.loss_basis is not None:
            self.loss_basis /= many
        self.entitled = tuple((n, a, lot, each / many) for n, a, lot, each in self.entitled)


@dataclass(eq=False)
class Sold:
    """Shares that left; amounts are cents for one share of that day."""

    account: str
    security: str
    lot: str
    number: Fraction
    bought: date
    held_from: date
    day: date
    price: Fraction
    basis: Fraction
    long: bool
    kind: str = ""
    disallowed: Fraction = ZERO
    lost: Fraction = ZERO
    replaced_by: str = ""
    replaced: Fraction = ZERO  # shares of the replacement for one of these


@dataclass(eq=False)
class Waiting:
    """A loss that nothing has replaced yet."""

    row: Sold
    order: str
    seq: int
    security: str  # its name of today
    many: Fraction = Fraction(1)  # shares of today for one of the day of sale (W19)


@dataclass(eq=False)
class Short:
    """Shares sold short, and the price of one."""

    account: str
    security: str
    lot: str
    opened: date
    seq: int
    number: Fraction
    price: Fraction


def is_long(held_from: date, sold: date) -> bool:
    """Walk to the day after, then to the same day of the next year (H2)."""
    first = held_from + timedelta(days=1)
    if (first.month, first.day) == (2, 29):
        return sold >= date(first.year + 1, 3, 1)
    return sold >= date(first.year + 1, first.month, first.day)


def audit(case: Mapping[str, Any], policy: Mapping[str, str] | None = None) -> Row:
    """closed, open, totals and dividends; or error and open."""
    auditor = Auditor(case, policy)
    events = sorted(case["events"], key=lambda e: (day_of(e), e["seq"]))
    for place, event in enumerate(events):
        try:
            auditor.book(event, goes_on=_goes_on(event, events[place + 1 :]))
        except Refused as refusal:
            error = {"code": str(refusal), "seq": event["seq"]}
            return {"error": error, "open": auditor.open_rows()}
    return auditor.answer()


def _goes_on(event: Row, later: list[Row]) -> bool:
    """Whether a later sale belongs to the same order (W13)."""
    return order_of(event) is not None and any(order_of(e) == order_of(event) for e in later)


def day_of(event: Row) -> date:
    """What is worthless is lost on the last day of the year."""
    day = date.fromisoformat(event["date"])
    return day.replace(month=12, day=31) if event["type"] == "worthless" else day


def order_of(event: Row) -> str | None:
    """The order of a sale that is one of several: in its account, or a block over accounts."""
    if event["type"] != "sell" or not ("order" in event or "block" in event):
        return None
    if "block" in event:
        return f"{event['date']} block {event['block']}"
    return f"{event['date']} {event['account']} {event['order']}"


@dataclass
class Auditor:
    """Everybody's shares, losses, short sales and what has been sold."""

    case: Mapping[str, Any]
    given: Mapping[str, str] | None = None
    shares: list[Shares] = field(default_factory=list)
    shorts: list[Short] = field(default_factory=list)
    fresh: list[Waiting] = field(default_factory=list)  # of this event
    begun: dict[str, list[Waiting]] = field(default_factory=dict)  # of orders that go on
    waiting: list[Waiting] = field(default_factory=list)
    sold: list[Sold] = field(default_factory=list)
    dividends: list[tuple[str, date, Fraction]] = field(default_factory=list)
    paid: dict[tuple[int, str, str, int], Fraction] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        given = self.given or self.case.get("policy") or {}
        if self.given is not None:
            given = {**(self.case.get("policy") or {}), **self.given}
        self.policy = DEFAULTS | dict(given)
        self.method = self.case.get("method", "FIFO")
        self.accounts = {a["id"]: a for a in self.case["accounts"]}
        self.places = {a["id"]: place for place, a in enumerate(self.case["accounts"])}
        self.washes = self.policy["wash_sales"] == "on" and self.policy["jurisdiction"] == "US"

    # --- events --------------------------------------------------------------------------------

    def book(self, event: Row, *, goes_on: bool = False) -> None:
        """Apply one event; `goes_on` when a later sale belongs to its order."""
        day = day_of(event)
        if self.method == "AVERAGE" and event["type"] != "buy":
            self._average()
        getattr(self, f"_{event['type']}")(event, day)
        if order := order_of(event):
            self.fresh = self.begun.pop(order, []) + self.fresh
            if goes_on:
                self.begun[order], self.fresh = self.fresh, []
        self._order_is_complete()
        self.shares = [s for s in self.shares if s.number]
        self.shorts = [s for s in self.shorts if s.number]

    def held(self, account: str, security: str) -> list[Shares]:
        """What one account has of one security, first in first."""
        name = self.name(security)
        own = [s for s in self.shares if s.account == account and s.security == name]
        return sorted(own, key=self._first_in)

    def name(self, security: str) -> str:
        """The name of today."""
        while security in self.renamed:
            security = self.renamed[security]
        return security

    def _buy(self, event: Row, day: date) -> None:
        shares = self._new(event, day, Fraction(event.get("amount", 0)) * 100)
        shares.order = event.get("acquisition", event["lot"])
        shares.used = event.get("already_used", False)
        self._arrives(shares)

    def _gift(self, event: Row, day: date) -> None:
        shares = self._new(event, day, Fraction(event["donor_basis"]) * 100)
        value = Fraction(event["fmv"]) * 100 / shares.number
        shares.held_from, shares.purchase = date.fromisoformat(event["donor_acquired"]), False
        shares.loss_basis = value if value < shares.basis else None  # G2
        self.shares.append(shares)

    def _inherit(self, event: Row, day: date) -> None:
        shares = self._new(event, day, Fraction(event["fmv"]) * 100)
        shares.purchase, shares.inherited = False, True
        self.shares.append(shares)

    def _new(self, event: Row, day: date, cents: Fraction) -> Shares:
        number, lot = Fraction(event["qty"]), event["lot"]
        name = self.name(event["security"])
        return Shares(
            event["account"], name, lot, lot, day, event["seq"], day, number, cents / number
        )

    def _transfer_in(self, event: Row, day: date) -> None:
        """From an account that is not listed: everything is as the other side says (C9)."""
        shares = self._new(event, day, Fraction(event["basis"]) * 100)
        shares.bought = date.fromisoformat(event["acquired"])
        shares.held_from = date.fromisoformat(event["holding_date"])
        shares.order = event.get("acquisition", event["lot"])
        shares.added = Fraction(event.get("wash", 0)) * 100 / shares.number
        if "loss_basis" in event:
            shares.loss_basis = Fraction(event["loss_basis"]) * 100 / shares.number
        shares.used, shares.inherited = "already_used" in event, "inherited" in event
        shares.purchase = event.get("bought", True)
        self._arrives(shares)

    def _transfer_out(self, event: Row, day: date) -> None:
        for shares, number in self._named_or_first(event, event["account"]):
            shares.taken(number)

    def _sell(self, event: Row, day: date) -> None:
        own = self.held(event["account"], event["security"])
        price = Fraction(event["amount"]) * 100 / Fraction(event["qty"])
        chosen = self._chosen(own, event, day, price)
        if self.policy["sold_together"] == "line" and self.method != "AVERAGE":
            self._sell_line_by_line(own, chosen, price, day)
        else:
            for shares, number in chosen:
                self._leave(shares.taken(number), price, day)

    def _sell_line_by_line(
        self, own: list[Shares], chosen: list[tuple[Shares, Fraction]], price: Fraction, day: date
    ) -> None:
        """P1: lots and quantities are fixed, then every slice meets what is held by then."""
        lots: dict[str, Fraction] = {}
        for shares, number in chosen:
            lots[shares.lot] = lots.get(shares.lot, ZERO) + number
        account, security = own[0].account, own[0].security
        for lot, left in lots.items():
            while left:
                parts = [s for s in self.held(account, security) if s.lot == lot and s.number]
                number = min(left, parts[0].number)
                self._leave(parts[0].taken(number), price, day)
                self._order_is_complete()  # a slice is an order of its own
                left -= number

    def _leave(self, part: Shares, price: Fraction, day: date, kind: str = "") -> None:
        basis, held_from = part.basis, part.held_from
        if part.loss_basis is not None and price <= part.basis:  # G2, G3
            basis = max(price, part.loss_basis)
            held_from = part.bought if price < part.loss_basis else held_from
        long = part.inherited or is_long(held_from, day)
        row = Sold(part.account, part.security, part.lot, part.number, part.bought, held_from, day,
                   price, basis, long, kind)  # fmt: skip
        self.sold.append(row)
        self._count_days(part, day)
        tested = self.washes and kind != "cash_in_lieu"
        if basis > price and tested and self.accounts[part.account]["type"] == "taxable":  # W14
            self.fresh.append(Waiting(row, part.order, part.seq, part.security))

    def _transfer(self, event: Row, day: date) -> None:
        for shares, number in self._named_or_first(event, event["from"]):
            self.shares.append(replace(shares.taken(number), account=event["to"]))

    def _exchange(self, event: Row, day: date) -> None:
        for shares, number in self._named_or_first(event, event["account"]):
            part = replace(shares.taken(number), security=self.name(event["new_security"]))
            part.each_becomes(Fraction(event["ratio"]))
            self.shares.append(part)

    def _split(self, event: Row, day: date) -> None:
        name, many = self.name(event["security"]), Fraction(event["ratio"])
        for shares in self.shares:
            if shares.security == name:
                shares.each_becomes(many)
        for short in self.shorts:
            if short.security == name:
                short.number, short.price = short.number * many, short.price / many
        for loss in self._losses():
            if loss.security == name:
                loss.many *= many

    def _symbol_change(self, event: Row, day: date) -> None:
        old, new = self.name(event["security"]), event["new_security"]
        self.renamed[old] = new
        for thing in (*self.shares, *self.shorts, *self._losses()):
            if thing.security == old:
                thing.security = new

    def _spinoff(self, event: Row, day: date) -> None:
        name, many = self.name(event["security"]), Fraction(event["ratio"])
        if "spin_basis_fraction" in event:
            goes = Fraction(event["spin_basis_fraction"])
        else:
            value = Fraction(event["spin_fmv"]) * many
            goes = value / (value + Fraction(event["parent_fmv"]))
        child = self.name(event["new_security"])
        for shares in [s for s in self.shares if s.security == name]:
            spun = replace(shares, security=child, purchase=False, entitled=())
            spun.lot, spun.order = f"{shares.lot}/{child}", f"{shares.order}/{child}"
            for part, kept in ((spun, goes), (shares, 1 - goes)):
                part.basis *= kept
                part.added *= kept
                part.loss_basis = None if part.loss_basis is None else part.loss_basis * kept
            spun.each_becomes(many)
            self.shares.append(spun)

    def _stock_merger(self, event: Row, day: date) -> None:
        name, many = self.name(event["security"]), Fraction(event["ratio"])
        cash = Fraction(event.get("cash_per_share", 0)) * 100
        value = many * Fraction(event.get("new_fmv", 0)) * 100
        for shares in [s for s in self.shares if s.security == name]:
            if cash:
                gain = max(ZERO, min(value + cash - shares.basis, cash))  # C5
                self._paid_without_leaving(shares, cash, cash - gain, day, "merger_boot")
                self._lower(shares, cash - gain)
            shares.security = self.name(event["new_security"])
            shares.each_becomes(many)

    def _return_of_capital(self, event: Row, day: date) -> None:
        name, paid = self.name(event["security"]), Fraction(event["per_share"]) * 100
        for shares in [s for s in self.shares if s.security == name]:
            excess = max(ZERO, paid - shares.basis)
            self._lower(shares, paid - excess, paid)
            if excess:
                self._paid_without_leaving(shares, excess, ZERO, day, "excess_return_of_capital")

    @staticmethod
    def _lower(shares: Shares, by: Fraction, other: Fraction | None = None) -> None:
        """Both bases of a share go down, neither below zero."""
        shares.basis -= by
        if shares.loss_basis is not None:
            shares.loss_basis = max(ZERO, shares.loss_basis - (by if other is None else other))

    def _paid_without_leaving(
        self, s: Shares, price: Fraction, basis: Fraction, day: date, kind: str
    ) -> None:
        long = s.inherited or is_long(s.held_from, day)
        self.sold.append(Sold(s.account, s.security, s.lot, s.number, s.bought, s.held_from, day,
                              price, basis, long, kind))  # fmt: skip

    def _cash_in_lieu(self, event: Row, day: date) -> None:
        own = self.held(event["account"], event["security"])
        if self.policy["cash_in_lieu_lot"] == "fraction":  # P8
            lots: dict[str, Fraction] = {}
            for shares in own:
                lots[shares.lot] = lots.get(shares.lot, ZERO) + shares.number
            own.sort(key=lambda s: lots[s.lot].denominator == 1)
        price = Fraction(event["amount"]) * 100 / Fraction(event["qty"])
        for shares, number in self._enough(own, Fraction(event["qty"])):
            self._leave(shares.taken(number), price, day, "cash_in_lieu")

    def _cash_merger(self, event: Row, day: date) -> None:
        self._all_leave(event, day, Fraction(event["cash_per_share"]) * 100, "cash_merger")

    def _worthless(self, event: Row, day: date) -> None:
        self._all_leave(event, day, ZERO, "worthless")

    def _all_leave(self, event: Row, day: date, price: Fraction, kind: str) -> None:
        name = self.name(event["security"])
        while own := [s for s in self.shares if s.security == name and s.number]:
            first = min(own, key=lambda s: (*self._first_in(s), self.places[s.account]))
            self._leave(first.taken(first.number), price, day, kind)
            if self.policy["sold_together"] == "line":
                self._order_is_complete()

    def _dividend(self, event: Row, day: date) -> None:
        name, number = self.name(event["security"]), len(self.dividends)
        self.dividends.append((name, day, Fraction(event["per_share"]) * 100))
        for shares in self.shares:
            if shares.security == name and shares.bought < day:
                entitled = (number, shares.account, shares.lot, Fraction(1))
                shares.entitled = (*shares.entitled, entitled)

    def _count_days(self, part: Shares, last: date) -> None:
        """Q1, Q2: every day of the window that begins after the purchase and ends with the sale."""
        for number, account, lot, each in part.entitled:
            ex = self.dividends[number][1]
            window = (ex + timedelta(days=n) for n in range(-60, 61))
            key = (number, account, lot, sum(part.bought < day <= last for day in window))
            self.paid[key] = self.paid.get(key, ZERO) + part.number * each

    def _short_sell(self, event: Row, day: date) -> None:
        number = Fraction(event["qty"])
        price = Fraction(event["amount"]) * 100 / number
        self.shorts.append(Short(event["account"], self.name(event["security"]), event["lot"], day,
                                 event["seq"], number, price))  # fmt: skip

    def _cover(self, event: Row, day: date) -> None:
        price = Fraction(event["amount"]) * 100 / Fraction(event["qty"])
        begun: list[Shares] = []
        for short, number in self._closing(event, price):
            self.sold.append(Sold(short.account, short.security, short.lot, number, day, day, day,
                                  short.price, price, False, "short_close"))  # fmt: skip
            begun += self._begin_again(short, number, day, begun)

    def _begin_again(
        self, short: Short, number: Fraction, day: date, begun: list[Shares]
    ) -> list[Shares]:
        """S3: as many young shares of the household as were short, the earliest acquired first."""
        home = self.accounts[short.account]["household"]
        young = [
            s for s in self.shares
            if s.security == short.security and self.accounts[s.account]["household"] == home
            and not s.inherited and not is_long(s.held_from, short.opened)
            and not any(s is other for other in begun)
        ]  # fmt: skip
        done: list[Shares] = []
        for shares in sorted(young, key=lambda s: (*self._first_in(s), self.places[s.account])):
            if number:
                part = shares.taken(min(number, shares.number))
                part.held_from = day
                number -= part.number
                done.append(part)
        self.shares += done
        self.shares = [s for s in self.shares if s.number]
        return done

    def _deliver(self, event: Row, day: date) -> None:
        own = self.held(event["account"], event["security"])
        picks = [[shares, number] for shares, number in self._picked(own, event)]
        for short, left in self._closing(event, None):
            while left:
                shares, number = picks[0]
                part = shares.taken(min(left, number))
                left -= part.number
                picks[0][1] -= part.number
                picks = [pick for pick in picks if pick[1]]
                young = not part.inherited and not is_long(part.held_from, short.opened)
                since = day if young else part.held_from
                long = not young and (part.inherited or is_long(part.held_from, day))
                self.sold.append(Sold(part.account, part.security, part.lot, part.number,
                                      part.bought, since, day, short.price, part.basis, long,
                                      "short_close"))  # fmt: skip
                self._count_days(part, day)

    def _closing(self, event: Row, price: Fraction | None) -> list[tuple[Short, Fraction]]:
        """FIFO, or by TLO the greatest loss, zero, the least gain: opening less closing (S6)."""
        name = self.name(event["security"])
        own = [s for s in self.shorts if s.account == event["account"] and s.security == name]
        own.sort(key=lambda s: (s.opened, s.seq))
        if self.method == "TLO" and price is not None:
            own.sort(key=lambda s: s.price - price)
        taken = self._enough(own, Fraction(event["qty"]))
        for short, number in taken:
            short.number -= number
        return taken

    def _average(self) -> None:
        """L8: all shares of an account and security have the basis of their pool."""
        for key in {(s.account, s.security) for s in self.shares}:
            own = [s for s in self.shares if (s.account, s.security) == key]
            average = sum(s.basis * s.number for s in own) / sum(s.number for s in own)
            for shares in own:
                shares.basis = average

    # --- which shares leave --------------------------------------------------------------------

    def _first_in(self, s: Shares) -> tuple[Any, ...]:
        """L1, L6, L7: acquired, sequence, and inside a lot by P4."""
        if self.policy["sublot_depletion"] == "adjusted_first":
            return (s.bought, s.seq, not s.used, -s.added, s.held_from)
        return (s.bought, s.seq, s.used, s.added, s.held_from)

    def _chosen(
        self, own: list[Shares], event: Row, day: date, price: Fraction
    ) -> list[tuple[Shares, Fraction]]:
        if "picks" in event:
            return self._picked(own, event)
        if "select" in event:
            return self._selected(own, event)
        if self.method == "LIFO":  # the newest purchase first; its parts keep their order
            own = sorted(own, key=lambda s: (s.bought, s.seq), reverse=True)
        elif self.method in ORDERS:
            own = sorted(own, key=lambda s: self._rank(s, day, price))
        return self._enough(own, Fraction(event["qty"]))

    def _rank(self, shares: Shares, day: date, price: Fraction) -> tuple[int, Fraction]:
        apart = self.policy["zero_gain"] == "own_class"
        words = ({**ORDERS, **ZERO_APART} if apart else ORDERS)[self.method].split()
        gain = price - shares.basis
        term = "L" if shares.inherited or is_long(shares.held_from, day) else "S"
        sign = "loss" if gain < 0 else "gain" if gain > 0 else "zero"
        for position, word in enumerate(words):
            if word.rstrip("<>") in (f"{term}{sign}", term, "all"):
                return position, -gain if word.endswith(">") else gain
        raise AssertionError((self.method, term, sign))

    def _picked(self, own: list[Shares], event: Row) -> list[tuple[Shares, Fraction]]:
        taken = []
        for pick in event["picks"]:
            named = [s for s in own if s.lot == pick["lot"]]
            if not named:
                raise Refused("NO_MATCHING_LOT")
            taken += self._enough(named, Fraction(pick["qty"]))
        return taken

    def _selected(self, own: list[Shares], event: Row) -> list[tuple[Shares, Fraction]]:
        wanted, number = event["select"], Fraction(event["qty"])
        fits = [
            s for s in own
            if wanted.get("lot", s.lot) == s.lot
            and wanted.get("acquired", s.bought.isoformat()) == s.bought.isoformat()
            and Fraction(wanted.get("unit_basis", s.basis / 100)) * 100 == s.basis
        ]  # fmt: skip
        if not fits:
            raise Refused("NO_MATCHING_LOT")
        if len({s.lot for s in fits}) > 1 and sum(s.number for s in fits) > number:
            raise Refused("AMBIGUOUS_SELECTION")
        return self._enough(fits, number)

    def _named_or_first(self, event: Row, account: str) -> list[tuple[Shares, Fraction]]:
        own = self.held(account, event["security"])
        if "picks" in event:
            return self._picked(own, event)
        return self._enough(own, Fraction(event["qty"]))

    @staticmethod
    def _enough(own: list[Any], number: Fraction) -> list[tuple[Any, Fraction]]:
        """So many, in the order given; never more than there are (L9)."""
        if sum(s.number for s in own) < number:
            raise Refused("INSUFFICIENT_LOTS")
        taken = []
        for shares in own:
            part = min(number, shares.number)
            if part:
                taken.append((shares, part))
            number -= part
        return taken

    # --- wash sales ----------------------------------------------------------------------------

    def _losses(self) -> list[Waiting]:
        return [*self.waiting, *(loss for losses in self.begun.values() for loss in losses)]

    def _order_is_complete(self) -> None:
        """Losses meet all that is held once their order is complete, by acquisition (W4, W13)."""
        for loss in sorted(self.fresh, key=lambda w: (w.row.bought, w.seq)):
            if not self._replace(loss, self.shares):
                self.waiting.append(loss)
        self.fresh = []

    def _arrives(self, shares: Shares) -> None:
        """A purchase meets every loss so far, the earliest first (W4)."""
        self.shares.append(shares)
        parts = [shares]
        for loss in list(self.waiting):
            before = len(self.shares)
            if self._replace(loss, parts):
                self.waiting = [w for w in self.waiting if w is not loss]
            parts = [*parts, *self.shares[before:]]

    def _replace(self, loss: Waiting, among: list[Shares]) -> bool:
        """Share for share with the earliest first (W5, W6); True when nothing of the loss waits."""
        while fits := [s for s in among if s.number and self._replaces(s, loss)]:
            first = min(
                fits, key=lambda s: (s.bought, s.seq, self.places[s.account], *self._first_in(s))
            )
            row = loss.row
            number = min(first.number, row.number * loss.many)
            part = first.taken(number)
            self.shares.append(part)
            matched = replace(row, number=number / loss.many)
            row.number -= matched.number
            self.sold.append(matched)
            self._disallow(matched, part, loss.many)
            if not row.number:
                return True
        return False

    def _disallow(self, row: Sold, part: Shares, many: Fraction) -> None:
        row.disallowed = row.basis - row.price
        row.replaced_by, row.replaced = part.lot, many
        part.used = True  # W7
        seller, buyer = self.accounts[row.account], self.accounts[part.account]
        spouse = seller["owner"] != buyer["owner"]
        if buyer["type"] == "ira" or (spouse and self.policy["spouse_adjustment"] == "lost"):
            row.lost = row.disallowed  # W14, W15
        else:
            part.basis += row.disallowed / many  # W9
            part.added += row.disallowed / many
            part.held_from -= row.day - row.held_from  # W10

    def _replaces(self, s: Shares, loss: Waiting) -> bool:
        row = loss.row
        if s.used or not s.purchase or s.order == loss.order:  # W7, W2, W8
            return False
        if abs((s.bought - row.day).days) > 30:  # W1
            return False
        if self.policy["earlier_acquired"] == "ignored" and s.bought < row.bought:  # W12
            return False
        if self.policy["view"] == "broker":  # W18
            return (s.account, s.security) == (row.account, loss.security)
        home = self.accounts[s.account]["household"] == self.accounts[row.account]["household"]
        return home and self._identical(s.security, loss.security)

    def _identical(self, one: str, other: str) -> bool:
        """W17, W20: one name, or names that belonged to one group before they changed."""
        groups = self.case.get("substantially_identical") or []
        return one == other or any(
            any(self.name(x) == one for x in group) and any(self.name(y) == other for y in group)
            for group in groups
        )

    # --- the answer ----------------------------------------------------------------------------

    def answer(self) -> Row:
        """The position now and everything so far."""
        rows = self.open_rows()
        closed = [self._closed_row(row) for row in self.sold if row.number]
        totals = {
            name: sum((row[name] for row in closed), ZERO)
            for name in ("proceeds", "basis", "disallowed", "permanently_disallowed", "gain")
        }
        totals["reportable_gain"] = sum(
            (r["gain"] for r in closed if self.accounts[r["account"]]["type"] == "taxable"), ZERO
        )
        totals["open_basis"] = sum((row["basis"] for row in rows), ZERO)
        totals["deferred_in_open"] = sum((s.added * s.number for s in self.shares), ZERO)
        found: Row = {"closed": closed, "open": rows, "totals": totals}
        if self.dividends:
            found["dividends"] = paid = self._dividend_rows()
            for name, good in (("qualified_dividends", True), ("nonqualified_dividends", False)):
                totals[name] = sum((r["amount"] for r in paid if r["qualified"] == good), ZERO)
        return found

    def open_rows(self) -> list[Row]:
        """Shares and, with negative numbers, short sales."""
        if self.method == "AVERAGE":
            self._average()
        rows = []
        for s in self.shares:
            row = {"account": s.account, "security": s.security, "lot": s.lot, "qty": s.number,
                   "acquired": s.bought.isoformat(), "holding_date": s.held_from.isoformat(),
                   "basis": s.basis * s.number}  # fmt: skip
            if s.loss_basis is not None:
                row["loss_basis"] = s.loss_basis * s.number
            rows.append(row)
        for short in self.shorts:
            opened = short.opened.isoformat()
            rows.append({"account": short.account, "security": short.security, "lot": short.lot,
                         "qty": -short.number, "acquired": opened, "holding_date": opened,
                         "basis": -short.price * short.number})  # fmt: skip
        return rows

    @staticmethod
    def _closed_row(s: Sold) -> Row:
        row = {"account": s.account, "security": s.security, "lot": s.lot, "qty": s.number,
               "acquired": s.bought.isoformat(), "holding_date": s.held_from.isoformat(),
               "sold": s.day.isoformat(), "proceeds": s.price * s.number,
               "basis": s.basis * s.number, "disallowed": s.disallowed * s.number,
               "permanently_disallowed": s.lost * s.number,
               "gain": (s.price - s.basis + s.disallowed) * s.number,
               "term": "LT" if s.long else "ST"}  # fmt: skip
        if s.replaced_by:
            row["code"] = "W"
            row["replaced_by"] = [{"lot": s.replaced_by, "qty": s.number * s.replaced}]
        if s.kind:
            row["kind"] = s.kind
        return row

    def _dividend_rows(self) -> list[Row]:
        kept = dict(self.paid)
        for shares in self.shares:
            self._count_days(shares, date.max)
        rows = []
        for (number, account, lot, days), shares in self.paid.items():
            security, ex, each = self.dividends[number]
            rows.append({"account": account, "security": security, "lot": lot,
                         "ex_date": ex.isoformat(), "qty": shares, "amount": each * shares,
                         "days_held": days, "qualified": days > 60})  # fmt: skip
        self.paid = kept
        return rows
