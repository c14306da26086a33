"""Random histories dense with what the rules are about, for differential tests (I12).

`ledger(chance)` draws one household or two, a method, policies and ten to twenty-five events in
which sales, repurchases, splits and transfers crowd into a few weeks. The auditor books along, so
that shares are sold which are there, and its answer comes with the case.

Prices are multiples of a number so divisible that no event leaves a fraction of a cent: an answer
must then agree exactly. Only averages cannot be kept whole.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from fractions import Fraction
from random import Random
from typing import Any

from hypothesis import strategies as st

from .auditor import ORDERS, Auditor, Refused, Shares, order_of

Row = dict[str, Any]
UNIT = 2**30 * 3**14 * 5**6  # cents
WAITS = (*(0,) * 8, *(1, 1, 2, 2, 3, 3, 5, 5, 9, 14, 16, 29, 30, 31), 360)
ACCOUNTS = (
    ("A", "taxable", "H", "P"),
    ("B", "taxable", "H", "P"),
    ("I", "ira", "H", "P"),
    ("S", "taxable", "H", "Q"),
    ("J", "ira", "H", "Q"),
    ("C", "taxable", "G", "R"),
    ("K", "ira", "G", "R"),
)
POLICIES = {
    "sold_together": ("order", "order", "line"),
    "earlier_acquired": ("eligible", "eligible", "ignored"),
    "zero_gain": ("gain", "own_class"),
    "sublot_depletion": ("adjusted_first", "unadjusted_first"),
    "spouse_adjustment": ("carry", "lost"),
    "view": ("taxpayer", "taxpayer", "taxpayer", "broker"),
    "wash_sales": ("on",) * 19 + ("off",),
    "jurisdiction": ("US",) * 19 + ("PA",),
    "cash_in_lieu_lot": ("fifo", "fraction"),
    "unknown_basis": ("block", "zero"),
}
METHODS = ("FIFO", "LIFO", *ORDERS, "SPECIFIC", "AVERAGE")
ALWAYS = ("buy",) * 10 + ("sell",) * 8 + ("order",) * 2
SOMETIMES = (
    *("split", "transfer", "gift", "inherit", "spinoff", "stock_merger", "exchange"),
    *("return_of_capital", "cash_in_lieu", "cash_merger", "symbol_change", "drip", "short"),
    *("transfer_in", "transfer_out", "worthless"),
    *("transfer", "short", "drip", "wrong"),
)  # fmt: skip


@dataclass(frozen=True)
class Bounds:
    """What may be drawn."""

    methods: tuple[str, ...] = METHODS
    sometimes: tuple[str, ...] = SOMETIMES
    policies: tuple[str, ...] = tuple(POLICIES)
    accounts: tuple[str, ...] = tuple(name for name, *_ in ACCOUNTS)
    ratios: tuple[str, ...] = ("2", "3", "3/2", "1/2", "5/2", "2/3")
    unit: int = UNIT
    halves: bool = True
    named: bool = True  # sales that name their lots
    blocks: bool = True
    fills: bool = True  # purchase orders of several lots
    tidy: bool = False  # issuers act before the trades of their day (C11), orders do not overlap
    length: tuple[int, int] = (10, 25)


ANYTHING = Bounds()


def ledger(chance: Random, bounds: Bounds = ANYTHING) -> tuple[Row, Row]:
    """A case and the auditor's answer to it."""
    maker = Maker(chance, bounds)
    for _ in range(chance.randint(*bounds.length)):
        if not maker.step():
            break
    return maker.finish()


def ledgers(bounds: Bounds = ANYTHING) -> st.SearchStrategy[tuple[Row, Row]]:
    """Histories for hypothesis: dense ones by seed, and drawn ones that shrink."""
    seeded = st.integers(0, 10**9).map(lambda seed: ledger(Random(seed), bounds))
    drawn = st.randoms(use_true_random=False).map(lambda chance: ledger(chance, bounds))
    return seeded | seeded | drawn


@dataclass
class Maker:
    """One history as it grows."""

    chance: Random
    bounds: Bounds
    day: date = date(2023, 1, 3)
    seq: int = 0
    names: int = 0
    events: list[Row] = field(default_factory=list)
    refused: Row | None = None
    merged: bool = False

    def __post_init__(self) -> None:
        chance, bounds = self.chance, self.bounds
        others = [a for a in ACCOUNTS[1:] if a[0] in bounds.accounts and chance.random() < 0.3]
        self.accounts = [ACCOUNTS[0], *others]
        method = chance.choice(bounds.methods)
        policy = {
            name: value for name in bounds.policies
            if (value := chance.choice(POLICIES[name])) != POLICIES[name][0]
        }  # fmt: skip
        if method == "AVERAGE":  # a pool has no lines
            policy.pop("sold_together", None)
        self.case: Row = {
            "method": method,
            "policy": policy,
            "accounts": [
                dict(zip(("id", "type", "household", "owner"), a, strict=True))
                for a in self.accounts
            ],
            "events": [],
        }
        if chance.random() < 0.6:
            self.case["substantially_identical"] = [["X", "Y"]]
        some = [kind for kind in bounds.sometimes if chance.random() < 0.25]
        self.kinds = (*ALWAYS, *some, *(("short",) * 3 if "short" in some else ()))
        self.auditor = Auditor(self.case)

    def step(self) -> bool:
        """One more event, or a few that belong together; False when the history has ended."""
        self.day += timedelta(days=self.chance.choice(WAITS))
        kind = self.chance.choice(self.kinds)
        if self.bounds.tidy and kind not in ALWAYS:
            self.day += timedelta(days=1)
        getattr(self, f"_{kind}")()
        return self.refused is None

    def finish(self) -> tuple[Row, Row]:
        """The case, its events in no order, and the auditor's answer."""
        events = list(self.events)
        if self.chance.random() < 0.3:
            self.chance.shuffle(events)
        case = self.case | {"events": events}
        if self.refused is not None:
            return case, {"error": self.refused, "open": self.auditor.open_rows()}
        return case, self.auditor.answer()

    # --- small draws ---------------------------------------------------------------------------

    def _event(self, kind: str, **fields: Any) -> Row:
        self.seq += self.chance.choice((1, 1, 1, 7))
        return {"seq": self.seq, "date": self.day.isoformat(), "type": kind, **fields}

    def _book(self, event: Row, *, goes_on: bool = False) -> None:
        """Book and keep the event; one that is refused ends the history or is forgotten."""
        if self.refused is not None:  # nobody gets that far, but an order stays as large as it is
            self.events += [event] if order_of(event) else []
            return
        try:
            self.auditor.book(event, goes_on=goes_on)
        except Refused as refusal:
            if order_of(event) is None and self.chance.random() < 0.5:
                return
            self.refused = {"code": str(refusal), "seq": event["seq"]}
        self.events.append(event)

    def _name(self, letter: str) -> str:
        self.names += 1
        return f"{letter}{self.names}"

    def _account(self) -> str:
        return self.chance.choice([*self.accounts, *self.accounts[:1] * 3])[0]

    def _security(self) -> str:
        return self.chance.choice("XXXXXXXYYZ")

    def _number(self) -> Fraction:
        half = self.bounds.halves and self.chance.random() < 0.1
        return self.chance.randint(1, 7) + Fraction(half, 2)

    def _price(self, most: int = 9, least: int = 1) -> int:
        cents = self.chance.randint(least, most) * self.bounds.unit
        if self.case["method"] == "AVERAGE":  # so that no average is exactly a price
            cents += self.chance.randint(1, 10**10) * 2**8 * 3**6
        return cents

    def _position(self) -> tuple[str, str, list[Shares]] | None:
        """An account and security that hold something."""
        keys = sorted({(s.account, s.security) for s in self.auditor.shares})
        if not keys:
            return None
        likely = [key for key in keys if key[1] in ("X", "Y")]
        account, security = self.chance.choice(likely or keys)
        return account, security, self.auditor.held(account, security)

    def _part(self, own: list[Shares]) -> Fraction | None:
        """A number of shares that can be written down, and that is there."""
        total = sum((s.number for s in own), Fraction(0))
        whole = written(total) if self.bounds.halves else total.denominator == 1
        if self.chance.random() < 0.4 and whole:
            return total
        most = int(total)
        if most:
            return Fraction(self.chance.randint(1, most))
        return Fraction(1, 2) if total >= Fraction(1, 2) and self.bounds.halves else None

    # --- trades --------------------------------------------------------------------------------

    def _buy(self, number: Fraction | None = None) -> None:
        number = number or self._number()
        account, security, lot = self._account(), self._security(), self._name("L")
        before = self.events[-1] if self.events else None
        event = self._event("buy", account=account, security=security, lot=lot, qty=text(number))
        event["amount"] = money(number * self._price(least=2))
        together = (
            before
            and self.bounds.fills
            and before["type"] == "buy"
            and before["date"] == event["date"]
        )
        if before and together and self.chance.random() < 0.4:  # a fill of one purchase order (W8)
            event |= {name: before[name] for name in ("account", "security")}
            event["acquisition"] = before.get("acquisition", before["lot"])
        if self.bounds.unit == UNIT and self.chance.random() < 0.04:
            event["already_used"] = True
        if self.auditor.policy["unknown_basis"] == "zero" and self.chance.random() < 0.1:
            del event["amount"]
        self._book(event)

    def _sell(self) -> None:
        if (found := self._position()) and (number := self._part(found[2])):
            account, security, own = found
            event = self._event("sell", account=account, security=security, qty=text(number))
            event["amount"] = money(number * self._price(7))
            draw = self.chance.random()
            if not self.bounds.named:
                pass
            elif draw < 0.12 or (self.case["method"] == "SPECIFIC" and draw < 0.6):
                self._pick(event, own)
            elif draw < 0.2 and self.bounds.unit == UNIT:
                self._select(event, own)
            self._book(event)

    def _pick(self, event: Row, own: list[Shares]) -> None:
        """Name lots in any order, as many shares as were to be sold."""
        left, picks = Fraction(event["qty"]), []
        lots = list(dict.fromkeys(s.lot for s in own))
        self.chance.shuffle(lots)
        for lot in lots:
            here = min(left, sum(s.number for s in own if s.lot == lot))
            if here and written(here):
                picks.append({"lot": lot, "qty": text(here)})
                left -= here
        if not left:
            event["picks"] = picks

    def _select(self, event: Row, own: list[Shares]) -> None:
        shares = self.chance.choice(own)
        basis = shares.basis
        criteria = {"lot": shares.lot, "acquired": shares.bought.isoformat()}
        if basis.denominator == 1:
            criteria["unit_basis"] = money(basis)
        keys = [key for key in criteria if self.chance.random() < 0.5]
        if keys:
            event["select"] = {key: criteria[key] for key in keys}

    def _order(self) -> None:
        """Two or three sales of one order, sometimes with other trades between them (W13)."""
        found = self._position()
        if not found:
            return
        account, name = found[0], {"order": self._name("O")}
        block = self.bounds.blocks and self.chance.random() < 0.2
        if block:  # one order over all accounts
            name = {"block": name["order"]}
        holders = sorted({s.account for s in self.auditor.shares}) if block else [account]
        sales = [
            self._part_of_order(self.chance.choice(holders), name)
            for _ in range(self.chance.randint(2, 3))
        ]
        sales = [sale for sale in sales if sale]
        for place, event in enumerate(sales):
            self.seq += 5
            event["seq"] = self.seq
            self._book(event, goes_on=place < len(sales) - 1)
            more = place < len(sales) - 1 and not self.bounds.tidy
            if more and self.chance.random() < 0.25:
                self.chance.choice((self._buy, self._sell))()

    def _part_of_order(self, account: str, name: dict[str, str]) -> Row | None:
        """A sale of a few of the shares that are there when the order begins."""
        keys = sorted({s.security for s in self.auditor.shares if s.account == account})
        security = self.chance.choice(keys)
        most = int(sum(s.number for s in self.auditor.held(account, security))) // 3
        if not most:
            return None
        number = Fraction(self.chance.randint(1, most))
        event = self._event("sell", account=account, security=security, qty=text(number))
        return event | {"amount": money(number * self._price(7))} | name

    def _wrong(self) -> None:
        """An event that cannot be (L9, L10)."""
        if not (found := self._position()):
            return
        account, security, own = found
        total = int(sum(s.number for s in own)) + 1
        event = self._event("sell", account=account, security=security, qty=text(Fraction(total)))
        event["amount"] = money(total * self.bounds.unit)
        if self.chance.random() < 0.5:
            event |= {"qty": "1", "picks": [{"lot": "nowhere", "qty": "1"}]}
        self._book(event)

    # --- what comes in or moves ----------------------------------------------------------------

    def _transfer(self) -> None:
        if (found := self._position()) and (number := self._part(found[2])):
            account, security, own = found
            mine = next(a for a in self.accounts if a[0] == account)
            to = [a[0] for a in self.accounts if a[1:] == mine[1:] and a[0] != account]
            if to:
                event = self._event("transfer", security=security, qty=text(number))
                event |= {"from": account, "to": self.chance.choice(to)}
                if self.bounds.named and self.chance.random() < 0.3:
                    self._pick(event, own)
                self._book(event)

    def _transfer_in(self) -> None:
        """A lot from another custodian, bought within the window or long before."""
        number, wash = self._number(), self.chance.choice((0, 0, 2))
        bought = self.day - timedelta(days=self.chance.choice((0, 3, 20, 30, 31, 400)))
        tacked = self.chance.choice((0, 0, 50)) if wash else 0
        event = self._event("transfer_in", account=self._account(), security=self._security(),
                            lot=self._name("T"), qty=text(number),
                            basis=money(number * self._price(9, 3)), acquired=bought.isoformat(),
                            holding_date=(bought - timedelta(days=tacked)).isoformat())  # fmt: skip
        if wash:
            event |= {"wash": money(number * wash * self.bounds.unit), "already_used": True}
        elif self.chance.random() < 0.2:
            event["bought"] = False
        self._book(event)

    def _transfer_out(self) -> None:
        if (found := self._position()) and (number := self._part(found[2])):
            self._book(
                self._event("transfer_out", account=found[0], security=found[1], qty=text(number))
            )

    def _worthless(self) -> None:
        """On the last day of the year, where the history goes on."""
        if (security := self._held_security()) and self._few("worthless"):
            said = self.day
            self.day = self.day.replace(month=12, day=31)
            event = self._event("worthless", security=security)
            self._book(event | {"date": said.isoformat()})

    def _gift(self) -> None:
        number, basis = self._number(), self._price()
        value = basis if self.case["method"] == "AVERAGE" else self._price()
        since = self.day - timedelta(days=self.chance.choice((5, 40, 360, 400, 3000)))
        self._book(
            self._event("gift", account=self._account(), security=self._security(),
                        lot=self._name("G"), qty=text(number), donor_basis=money(number * basis),
                        donor_acquired=since.isoformat(), fmv=money(number * value))
        )  # fmt: skip

    def _inherit(self) -> None:
        number = self._number()
        self._book(
            self._event("inherit", account=self._account(), security=self._security(),
                        lot=self._name("H"), qty=text(number), fmv=money(number * self._price()))
        )  # fmt: skip

    def _drip(self) -> None:
        """A dividend, and small purchases with it (W21); it opens its day."""
        self.day += timedelta(days=1)
        unit = self.bounds.unit // 4
        security = self._security()
        self._book(self._event("dividend", security=security, per_share=money(unit)))
        if self.chance.random() < 0.7:
            self._buy(Fraction(1, 2) if self.bounds.halves else None)

    def _short(self) -> None:
        open_shorts = self.auditor.shorts
        if not open_shorts or self.chance.random() < 0.4:
            number = self._number()
            self._book(
                self._event("short_sell", account=self._account(), security=self._security(),
                            lot=self._name("S"), qty=text(number),
                            amount=money(number * self._price()))
            )  # fmt: skip
            return
        short = self.chance.choice(open_shorts)
        most = sum(s.number for s in open_shorts
                   if (s.account, s.security) == (short.account, short.security))  # fmt: skip
        own = [s for s in self.auditor.held(short.account, short.security) if s.loss_basis is None]
        kind = "deliver" if own and self.chance.random() < 0.4 else "cover"
        if kind == "deliver":
            most = min(most, sum(s.number for s in own))
        number = Fraction(self.chance.randint(1, int(most) or 1))
        event = self._event(kind, account=short.account, security=short.security, qty=text(number))
        if kind == "deliver":
            self._pick(event, own)
            if "picks" not in event:
                return
        else:
            event["amount"] = money(number * self._price())
        self._book(event)

    # --- what issuers do -----------------------------------------------------------------------

    def _held_security(self) -> str | None:
        """Something held and not sold short."""
        short = {s.security for s in self.auditor.shorts}
        names = sorted({s.security for s in self.auditor.shares} - short)
        return self.chance.choice(names) if names else None

    def _split(self) -> None:
        if sum(e["type"] in ("split", "spinoff", "stock_merger") for e in self.events) < 6:
            security = self._security()
            self._book(
                self._event(
                    "split", security=security, ratio=self.chance.choice(self.bounds.ratios)
                )
            )

    def _spinoff(self) -> None:
        security = self._held_security()
        if security and self._few("spinoff"):
            event = self._event("spinoff", security=security, new_security=self._name("N"))
            event["ratio"] = self.chance.choice(("1", "1/2", "2"))
            if self.chance.random() < 0.5:
                event["spin_basis_fraction"] = self.chance.choice(("0.25", "0.5", "0.2"))
            else:
                event |= {"spin_fmv": "20.00", "parent_fmv": self.chance.choice(("20", "60.00"))}
                event["ratio"] = "1"
            self._book(event)

    def _stock_merger(self) -> None:
        security = self._held_security()
        if security and self._few("stock_merger"):
            into = self._name("N")
            if security == "X" and not self.merged and self._few("exchange"):
                into, self.merged = self.chance.choice((into, "Y")), True
            event = self._event("stock_merger", security=security, new_security=into)
            event["ratio"] = self.chance.choice(("1", "2", "1/2", "3/2"))
            if self.chance.random() < 0.6:
                event["cash_per_share"] = money(self._price(3))
                event["new_fmv"] = money(self._price())
            self._book(event)

    def _exchange(self) -> None:
        if (found := self._position()) and (number := self._part(found[2])):
            event = self._event("exchange", account=found[0], security=found[1], qty=text(number))
            event |= {"new_security": self._name("N"), "ratio": self.chance.choice(("1", "2"))}
            self._book(event)

    def _few(self, kind: str) -> bool:
        return sum(e["type"] == kind for e in self.events) < 2

    def _return_of_capital(self) -> None:
        self._book(
            self._event("return_of_capital", security=self._security(),
                        per_share=money(self._price(3) // 2))
        )  # fmt: skip

    def _cash_in_lieu(self) -> None:
        if found := self._position():
            account, security, own = found
            if sum(s.number for s in own) >= 1 and self.bounds.halves:
                event = self._event("cash_in_lieu", account=account, security=security, qty="0.5")
                event["amount"] = money(self._price() // 2)
                self._book(event)

    def _cash_merger(self) -> None:
        security = self._held_security()
        if security and self._few("cash_merger"):
            price = money(self._price())
            self._book(self._event("cash_merger", security=security, cash_per_share=price))

    def _symbol_change(self) -> None:
        names = sorted({s.security for s in self.auditor.shares})
        if names:
            security = self.chance.choice(names)
            self._book(
                self._event("symbol_change", security=security, new_security=self._name("N"))
            )


def written(number: Fraction) -> bool:
    """Whether a number of shares has few enough decimals to be written down."""
    return (number * 10**6).denominator == 1


def text(number: Fraction) -> str:
    """Shares as decimal text."""
    whole, rest = divmod(number.numerator * 10**6 // number.denominator, 10**6)
    assert Fraction(whole) + Fraction(rest, 10**6) == number
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")


def money(cents: Fraction | int) -> str:
    """Whole cents as dollars."""
    assert Fraction(cents).denominator == 1, cents
    return f"{int(cents) // 100}.{int(cents) % 100:02d}"


__all__ = ["ANYTHING", "METHODS", "UNIT", "Bounds", "ledger", "ledgers"]
