"""What the law says that an account holds: lots, open losses, totals by year, cash.

The counterpart of `AccountState`, made from a `Reading` and from the amounts of the facts alone.
`verify` compares both; a late fact moves the one to the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction

from opensma.book.facts import Fact, Name, Side
from opensma.book.journal import SALES, Kind
from opensma.book.law import Reading
from opensma.book.state import YEAR_COLUMNS
from opensma.tax.lots import NO_LOSS_BASIS
from opensma.tax.replay.lots import Closed, Lot
from opensma.units import round_half_up

TOTALS = YEAR_COLUMNS[1:]
WASH_DAYS = 30  # W1
_TERMS = ("short", "long")


@dataclass(frozen=True, slots=True)
class LawLot:
    """An open lot: the columns of `Lots`, and its name instead of its number."""

    name: Name
    acquisition: int
    security: int
    acquired_day: int
    holding_day: int
    quantity_micros: int | Fraction
    basis_cents: int
    wash_cents: int
    used: int
    purchase: int
    inherited: int
    loss_basis_cents: int
    origin: int


@dataclass(frozen=True, slots=True)
class LawLoss:
    """A slice sold at a loss that nothing has replaced: the columns of `OpenLosses`."""

    seq: int
    name: Name
    given_lot: int  # the lot that the sale named
    acquisition: int
    security: int
    acquired_day: int
    holding_day: int
    sold_day: int
    quantity_micros: int
    loss_cents: int
    proceeds_cents: int
    harvest: int
    inherited: int
    origin: int


@dataclass
class LawAccount:
    """One account by the law."""

    lots: list[LawLot] = field(default_factory=list)
    losses: list[LawLoss] = field(default_factory=list)
    years: dict[int, dict[str, int]] = field(default_factory=dict)
    cash_cents: int = 0
    deposited_cents: int = 0
    withdrawn_cents: int = 0
    fees_cents: int = 0
    flows: list[tuple[int, int, int]] = field(default_factory=list)  # trade day, settle day, cents

    def add(self, day: int, name: str, cents: int) -> None:
        """Add to a total of the tax year that holds the day."""
        totals = self.years.setdefault(date.fromordinal(day).year, dict.fromkeys(TOTALS, 0))
        totals[name] += cents


def law_accounts(reading: Reading) -> dict[int, LawAccount]:
    """Every account of the taxpayer, by key."""
    found = {a.account_key: LawAccount() for a in reading.history.accounts}
    for position in reading.state.positions.values():
        for lot in position:
            if lot.quantity:
                found[reading.account_key(lot)].lots.append(_lot(reading, lot))
    _realised(reading, found)
    for fact in reading.history.facts:
        _cash(fact, found[fact.entry.account_key])
    return found


def wash_sides(reading: Reading) -> dict[Side, list[int]]:
    """Shares and cents that the law moves from each loss to each lot that replaced it."""
    accounts = {
        name: key for key, own in reading.history.naming.names.items() for name, _ in own.values()
    }
    found: dict[Side, list[int]] = {}
    for row in reading.state.closed:
        if row.replaced_by is None:
            continue
        fact, place = reading.source(row)
        key, (into, quantity) = fact.entry.account_key, row.replaced_by
        sold = reading.lot_number(row) or fact.entry.body["lot"][place]
        side = (key, fact.seq, sold, accounts[into], reading.numbers[accounts[into]][into, 0])
        sums = found.setdefault(side, [0, 0])
        sums[0] += int(quantity)
        sums[1] += row.disallowed_cents
    return found


def permanent_cents(reading: Reading) -> int:
    """Losses that replacements in retirement accounts made worthless (W14)."""
    return sum(row.permanent_cents for row in reading.state.closed)


def _lot(reading: Reading, lot: Lot) -> LawLot:
    key = reading.account_key(lot)
    origin, acquisition = reading.history.naming.order(lot.lot)
    return LawLot(
        name=(lot.lot, lot.part),
        acquisition=acquisition,
        security=reading.security_key(lot),
        acquired_day=lot.acquired_day,
        holding_day=lot.holding_day,
        quantity_micros=lot.quantity,
        basis_cents=lot.basis_cents,
        wash_cents=lot.wash_cents,
        used=int(lot.used),
        purchase=int(lot.purchase),
        inherited=int(lot.inherited),
        loss_basis_cents=NO_LOSS_BASIS if lot.loss_basis_cents is None else lot.loss_basis_cents,
        origin=0 if origin == key else origin,
    )


def _realised(reading: Reading, found: dict[int, LawAccount]) -> None:
    """Totals by year, a slice as it was sold, and the parts that no purchase has replaced."""
    taxed = {a.account_key: a.taxed for a in reading.history.accounts}
    slices: dict[tuple[int, str, int], list[Closed]] = {}
    for row in reading.state.closed:
        if taxed[reading.account_key(row)]:
            slices.setdefault((row.event, row.lot, row.part), []).append(row)
    for rows in slices.values():
        first = rows[0]
        fact, place = reading.source(first)
        account = found[reading.account_key(first)]
        term = _TERMS[first.long_term]
        harvest = fact.entry.body["harvest"][place] if fact.entry.kind in SALES else 0
        gain = sum(row.proceeds_cents - row.basis_cents for row in rows)
        disallowed = sum(row.disallowed_cents for row in rows)
        account.add(first.sold_day, f"{term}_{'loss' if gain < 0 else 'gain'}_cents", abs(gain))
        account.add(first.sold_day, f"disallowed_{term}_cents", disallowed)
        if harvest and gain < 0:
            account.add(first.sold_day, f"harvested_{term}_cents", -gain - disallowed)
        open_from = reading.history.states[reading.account_key(first)].last_day - WASH_DAYS
        if first.kind != "cash_in_lieu" and first.sold_day >= open_from:
            for row in rows:
                if row.gain_cents < 0:
                    account.losses.append(_loss(reading, row, fact, place, harvest))


def _loss(reading: Reading, row: Closed, fact: Fact, place: int, harvest: int) -> LawLoss:
    origin, acquisition = reading.history.naming.order(row.lot)
    quantity = Fraction(row.quantity) * _splits_since(reading, row)
    return LawLoss(
        seq=fact.seq,
        name=(row.lot, row.part),
        given_lot=fact.entry.body["lot"][place],
        acquisition=acquisition,
        security=reading.security_key(row),
        acquired_day=row.acquired_day,
        holding_day=row.holding_day,
        sold_day=row.sold_day,
        quantity_micros=round_half_up(quantity.numerator, quantity.denominator),
        loss_cents=-row.gain_cents,
        proceeds_cents=row.proceeds_cents,
        harvest=harvest,
        inherited=int(row.inherited),
        origin=0 if origin == reading.account_key(row) else origin,
    )


def _splits_since(reading: Reading, row: Closed) -> Fraction:
    """Shares of today for a share of the day of sale (W19)."""
    ratio = Fraction(1)
    for security, event, split in reading.splits:
        if security == row.security and event > row.event:
            ratio *= split
    return ratio


def _cash(fact: Fact, account: LawAccount) -> None:
    """What the fact itself moved: cash, deposits, fees, dividends."""
    entry, body = fact.entry, fact.entry.body
    moved = list(cash_rows(fact))
    cents = sum(amount for _, amount in moved)
    account.cash_cents += cents
    account.flows.append((entry.trade_day, entry.settle_day, cents))
    if entry.kind is Kind.DEPOSIT:
        account.deposited_cents += cents
    elif entry.kind is Kind.WITHDRAWAL:
        account.withdrawn_cents -= cents
    elif entry.kind is Kind.DIVIDEND:
        account.add(entry.trade_day, "dividend_cents", cents)
    if entry.kind is Kind.BUY or entry.kind in SALES:
        account.fees_cents += sum(body["fee"][row] for row, _ in moved)


def cash_rows(fact: Fact) -> Iterator[tuple[int, int]]:
    """Row of the body and cents of cash that it moved, rows taken back left out."""
    kind, body = fact.entry.kind, fact.entry.body
    if kind in (Kind.DEPOSIT, Kind.WITHDRAWAL):
        cents = [int(body["cents"]) if kind is Kind.DEPOSIT else -int(body["cents"])]
    elif kind is Kind.FEE:
        cents = [-int(body["cents"])]
    elif kind is Kind.BUY:
        cents = [-c for c in body["cost"]]
    elif kind in SALES:
        cents = body["proceeds"]
    elif kind is Kind.DIVIDEND:
        cents = body["cents"]
    elif kind in (Kind.STOCK_MERGER, Kind.RETURN_OF_CAPITAL):
        cents = body.get("cash", [])
    else:
        cents = []
    if not fact.gone:
        yield from enumerate(cents)
        return
    for row, amount in enumerate(cents):
        if row not in fact.gone:
            yield row, amount
