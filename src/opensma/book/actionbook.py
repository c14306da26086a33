"""One action of a file into one account's ledger: the entries that the law makes of it.

The file says what happened (a ratio, a payment, lots that came); what it does to every lot is
computed from what the account holds, recorded in the body, and checked again by the fold.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from opensma.book.actionfile import FileAction, FileLot
from opensma.book.corporate import cash_in_lieu, sell_picks
from opensma.book.fold_actions import BODY_COLUMNS
from opensma.book.journal import ARRIVALS, DEPARTURES, SALES, Booked, Entry, Kind, ints
from opensma.book.moves import Body
from opensma.book.posting import TaxpayerLedger
from opensma.book.state import AccountState
from opensma.errors import LotError, ensure
from opensma.tax import actions
from opensma.tax.cut import cut_in_turn
from opensma.tax.lots import NO_LOSS_BASIS, Lots
from opensma.tax.relief import (
    Picks,
    cut_off,
    fifo_order,
    fifo_picks,
    highest_basis_picks,
    take_in_order,
)
from opensma.units import Ints, notional_cents

CORPORATE = frozenset(
    {
        "split",
        "stock_dividend",
        "spin_off",
        "stock_merger",
        "exchange",
        "cash_merger",
        "worthless",
        "return_of_capital",
        "dividend",
    }
)
HELD = CORPORATE - {"exchange"} | {"symbol_change"}  # happen in every account that holds


@dataclass(frozen=True, slots=True)
class Step:
    """One action about to be booked in one account; keys are the book's, 0 where not needed."""

    ledger: TaxpayerLedger
    action: FileAction
    account: int
    security: int = 0
    new_security: int = 0
    to_account: int = 0
    symbol: str = ""  # of the security today
    whole: bool = False  # the account holds whole shares only
    method: str = "FIFO"  # standing instruction of the account (L3)

    @property
    def state(self) -> AccountState:
        """The account as it is now."""
        return self.ledger.states[self.account]

    @property
    def source(self) -> str:
        """Id of the entry."""
        return source_of(self.action.action_id)

    def body(self, **fields: Any) -> Body:
        """What every body of an action holds: its id, and the mark of what the file said."""
        return {"ref": self.action.action_id, "file": self.action.digest, **fields}

    def post(self, kind: Kind, body: Body, account: int | None = None) -> None:
        """Book one entry on the action's day."""
        key, day = self.account if account is None else account, self.action.day
        self.ledger.post(Entry(key, kind, day, day, self.source, body))


def source_of(action_id: str) -> str:
    """The id under which the journal knows an action."""
    return f"action/{action_id}"


def apply(step: Step) -> None:
    """Book the action in the account. LotError where lots cannot give what is asked (D7, L9)."""
    _APPLY[step.action.kind](step)


def _ratio(step: Step) -> dict[str, int]:
    return {"numerator": step.action.numerator, "denominator": step.action.denominator}


def _fraction(step: Step, security: int) -> None:
    """Cash in lieu where the file gives a price and the account takes no fractions (C2)."""
    price = step.action.fraction_price_micros
    if price is not None and (step.whole or step.action.account):
        cash_in_lieu(step.ledger, step.account, security, price, step.action.day, step.source)


def _split(step: Step) -> None:
    actions.split(step.state.lots, step.security, *_ratio(step).values())
    step.post(Kind.SPLIT, step.body(security=step.security, **_ratio(step)))
    _fraction(step, step.security)


def _spin_off(step: Step) -> None:
    body = step.body(
        parent=step.security,
        child=step.new_security,
        parent_value=step.action.price_micros,
        child_value=step.action.new_price_micros,
        **_ratio(step),
    )
    step.post(Kind.SPIN_OFF, body)
    _fraction(step, step.new_security)


def _paid(step: Step) -> Ints:
    """Cents that each held lot is paid: its shares at the rate, or its part of the total (D3)."""
    lots = step.state.lots
    if step.action.cash_cents is None:
        return actions.per_share_cents(lots, step.security, step.action.rate_micros or 0)
    held = lots.quantity_micros[lots.security == step.security].tolist()
    return np.array(cut_in_turn(step.action.cash_cents, held), dtype=np.int64)


def _payment(step: Step, cash: Ints, gain: Ints) -> dict[str, Any]:
    held = step.state.lots.take(step.state.lots.security == step.security)
    return {
        "rate": step.action.rate_micros,
        "lot": ints(held.lot),
        "cash": ints(cash),
        "gain": ints(gain),
        "long": [int(v) for v in held.long_from <= step.action.day],
        "taxed": int(step.ledger.taxed[step.account]),
    }


def _stock_merger(step: Step) -> None:
    ratio, action = _ratio(step), step.action
    body = step.body(security=step.security, new_security=step.new_security, **ratio)
    if action.rate_micros is not None:
        cash, value = _paid(step), action.new_price_micros or 0
        of = (action.numerator, action.denominator)
        _, gain = actions.boot(step.state.lots, step.security, cash, *of, value)
        body |= _payment(step, cash, gain) | {"new_value": value}
    actions.split(step.state.lots, step.security, *ratio.values())
    step.post(Kind.STOCK_MERGER, body)
    _fraction(step, step.new_security)


def _return_of_capital(step: Step) -> None:
    cash = _paid(step)
    _, gain = actions.return_of_capital(step.state.lots, step.security, cash)
    step.post(
        Kind.RETURN_OF_CAPITAL, step.body(security=step.security, **_payment(step, cash, gain))
    )


def _dividend(step: Step) -> None:
    lots, rate = step.state.lots, step.action.rate_micros or 0
    held = int(lots.quantity_micros[lots.security == step.security].sum())
    body = {
        "security": [step.security],
        "quantity": [held],
        "rate": [rate],
        "cents": [notional_cents(held, rate)],
        "ref": [step.action.action_id],
        "file": step.action.digest,
    }
    step.post(Kind.DIVIDEND, body)


def _closed(step: Step) -> None:
    """Cash merger: a sale at the stated price; worthless: a sale for nothing (C6)."""
    kind = Kind(step.action.kind)
    price = (step.action.rate_micros or 0) if kind is Kind.CASH_MERGER else 0
    picks = actions.closing_picks(step.state.lots, step.security)
    more = {"file": step.action.digest}
    sell_picks(step.ledger, step.account, picks, price, step.action.day, step.source, kind, more)


def _symbol_change(step: Step) -> None:
    names = {"old_symbol": step.symbol, "new_symbol": step.action.new_symbol}
    step.post(Kind.SYMBOL_CHANGE, step.body(security=step.security, **names))


def _picks(step: Step) -> Picks:
    """Named lots (L2), or a quantity by the account's standing method (L1, L3)."""
    rows, lots = step.action.lots, step.state.lots
    if rows[0].lot:
        named = []
        for row in rows:
            if not row.lot.isdigit():
                raise _bad_lot(row)
            named.append((int(row.lot), row.quantity_micros or 0))
        return named
    return picks_by(lots, step.security, rows[0].quantity_micros or 0, step.method)


def picks_by(lots: Lots, security: int, quantity_micros: int, method: str) -> Picks:
    """Which lots a quantity takes by a standing method; SPECIFIC names nothing, so FIFO (L1, L4).

    LotError lots.oversold (L9).
    """
    if method == "HIFO":
        return highest_basis_picks(lots, security, quantity_micros)
    if method not in ("LIFO", "LOFO"):
        return fifo_picks(lots, security, quantity_micros)
    rows = fifo_order(lots, np.flatnonzero(lots.security == security))
    basis, held = lots.basis_cents[rows].tolist(), lots.quantity_micros[rows].tolist()
    unit = [b * 10**36 // q for b, q in zip(basis, held, strict=True)]
    day, order = lots.acquired_day[rows].tolist(), lots.acquisition[rows].tolist()
    if method == "LOFO":
        ranked = sorted(range(len(rows)), key=lambda i: unit[i])
    else:
        ranked = sorted(range(len(rows)), key=lambda i: (-day[i], -order[i]))
    return take_in_order(lots, rows[ranked], quantity_micros, f"security {security}")


def _exchange(step: Step) -> None:
    picks, ratio = _picks(step), _ratio(step)
    _check_security(step, [lot for lot, _ in picks])
    keys = {"security": step.security, "new_security": step.new_security}
    columns = {"lot": [lot for lot, _ in picks], "quantity": [micros for _, micros in picks]}
    step.post(Kind.EXCHANGE, step.body(**keys, **columns, **ratio))


def _check_security(step: Step, lots: Sequence[int]) -> None:
    held = step.state.lots
    of = dict(zip(held.lot.tolist(), held.security.tolist(), strict=True))
    for number in lots:
        if of.get(number, step.security) != step.security:
            raise LotError(
                "lots.other_security",
                f"Lot {number} is of another security.",
                where=f"lot {number}",
                remedy=f"Name lots of {step.action.security}.",
            )


def _leaving(step: Step) -> Lots:
    """The parts that leave, as they are in the account; checked before anything is booked."""
    picks = _picks(step)
    _check_security(step, [lot for lot, _ in picks])
    lot, quantity = (np.array(c, dtype=np.int64) for c in zip(*picks, strict=True))
    return cut_off(step.state.lots, lot, quantity)[0]


def _columns(lots: Lots) -> dict[str, list[int]]:
    return {name: ints(getattr(lots, of)) for name, of in BODY_COLUMNS.items()}


def _out(step: Step) -> None:
    part = _leaving(step)
    kind = Kind.GIFT_OUT if step.action.kind == "gift_out" else Kind.TRANSFER_OUT
    step.post(kind, step.body(to_account=0, **_columns(part)))


def _transfer(step: Step) -> None:
    """Two entries, one for each account: everything a lot has goes along (C9)."""
    part = _leaving(step)
    step.post(Kind.TRANSFER_OUT, step.body(to_account=step.to_account, **_columns(part)))
    first = step.ledger.states[step.to_account].next_lot
    origin = np.where(part.origin == 0, step.account, part.origin)
    arrived = part.with_columns(
        lot=np.arange(first, first + len(part), dtype=np.int64),
        origin=np.where(origin == step.to_account, 0, origin),
    )
    body = step.body(from_account=step.account, from_lot=ints(part.lot), **_columns(arrived))
    step.post(Kind.TRANSFER_IN, body, step.to_account)


def _in(step: Step) -> None:
    """Lots from outside: transfer, gift with one basis or two, inheritance (C9, G1 to G6)."""
    kind, rows, state = Kind(step.action.kind), step.action.lots, step.state
    orders = list(dict.fromkeys(row.order or f"row {row.line}" for row in rows))
    place = {order: state.next_acquisition + i for i, order in enumerate(orders)}
    late = [r for r in rows if (r.acquired_day or 0) > step.action.day]
    if late:
        raise LotError(
            "lots.future",
            "The lot was acquired after it arrived.",
            where=f"line {late[0].line}",
            remedy="Correct 'acquired' or 'date'.",
        )
    bought = kind is Kind.TRANSFER_IN
    lots = Lots.of(
        lot=range(state.next_lot, state.next_lot + len(rows)),
        acquisition=[place[row.order or f"row {row.line}"] for row in rows],
        security=[step.security] * len(rows),
        acquired_day=[row.acquired_day for row in rows],
        holding_day=[row.held_from_day or row.acquired_day for row in rows],
        quantity_micros=[row.quantity_micros for row in rows],
        basis_cents=[row.basis_cents for row in rows],
        wash_cents=[row.wash_cents for row in rows],
        used=[int(row.used) for row in rows],
        purchase=[int(bought and row.bought) for row in rows],
        inherited=[int(kind is Kind.INHERITANCE)] * len(rows),
        loss_basis_cents=[_loss_basis(row, kind) for row in rows],
    )
    names = [row.lot for row in rows]
    step.post(kind, step.body(from_account=0, from_lot=names, **_columns(lots)))


def _loss_basis(row: FileLot, kind: Kind) -> int:
    """A second basis only where the gift was worth less than the donor's (G1, G2)."""
    value, basis = row.value_cents, row.basis_cents or 0
    if kind is not Kind.GIFT_IN or value is None or value >= basis:
        return NO_LOSS_BASIS
    return value


def _lot_method(step: Step) -> None:
    valid_from, action = _valid_from(step.action), step.action
    body = step.body(method=action.method, valid_from=valid_from, by=action.by, note=action.note)
    step.post(Kind.LOT_METHOD, body)


def _gain_budget(step: Step) -> None:
    """Net gains a year, in cents; without an end where the file says `none`."""
    action, valid_from = step.action, _valid_from(step.action)
    body = step.body(
        short=action.short_gain_cents,
        long=action.long_gain_cents,
        valid_from=valid_from,
        by=action.by,
        note=action.note,
    )
    step.post(Kind.GAIN_BUDGET, body)


def _valid_from(action: FileAction) -> int:
    """The day from which a standing instruction holds: its own, or a later one (L3)."""
    valid_from = action.day if action.valid_from_day is None else action.valid_from_day
    if valid_from < action.day:
        raise LotError(
            "lots.retroactive",
            "A standing instruction cannot begin before it is given (L3).",
            where=f"line {action.line}",
            remedy="Let 'valid_from' be the date of the instruction or later.",
        )
    return valid_from


def _lot_choice(step: Step) -> None:
    rows = step.action.lots
    lot, quantity = [], []
    for row in rows:
        if not row.lot.isdigit():
            raise _bad_lot(row)
        lot.append(int(row.lot))
        quantity.append(row.quantity_micros or 0)
    part, _ = cut_off(step.state.lots, np.array(lot), np.array(quantity, dtype=np.int64))
    names = {"order": rows[0].order, "by": step.action.by, "note": step.action.note}
    columns = {"lot": lot, "quantity": quantity, "security": ints(part.security)}
    step.post(Kind.LOT_CHOICE, step.body(**names, **columns))


def _bad_lot(row: FileLot) -> LotError:
    return LotError(
        "lots.unknown",
        f"'{row.lot}' is no lot number of the account.",
        where=f"line {row.line}",
        remedy="sma account lots shows the open lots with their numbers.",
    )


_APPLY: dict[str, Callable[[Step], None]] = {
    "split": _split,
    "stock_dividend": _split,
    "spin_off": _spin_off,
    "stock_merger": _stock_merger,
    "exchange": _exchange,
    "cash_merger": _closed,
    "worthless": _closed,
    "return_of_capital": _return_of_capital,
    "dividend": _dividend,
    "symbol_change": _symbol_change,
    "transfer": _transfer,
    "transfer_in": _in,
    "gift_in": _in,
    "inheritance": _in,
    "transfer_out": _out,
    "gift_out": _out,
    "lot_method": _lot_method,
    "lot_choice": _lot_choice,
    "gain_budget": _gain_budget,
}


# --- what stays on in production -----------------------------------------------------------------


def check_conserved(
    before: dict[int, AccountState], ledger: TaxpayerLedger, booked: Sequence[Booked]
) -> None:
    """Basis and cash of every account moved by what its entries say; InvariantError (I2, I3)."""
    for key, state in before.items():
        own = [b.entry for b in booked if b.entry.account_key == key]
        after = ledger.states[key]
        basis = int(after.lots.basis_cents.sum()) - int(state.lots.basis_cents.sum())
        ensure(basis == sum(_basis_of(e) for e in own), "basis is conserved", account=key)
        if all(e.kind in ARRIVALS | DEPARTURES | SALES | _STILL for e in own):
            shares = int(after.lots.quantity_micros.sum()) - int(state.lots.quantity_micros.sum())
            moved = sum(_shares_of(e) for e in own)
            ensure(shares == moved, "shares are conserved", account=key)


_STILL = {Kind.WASH_ADJUSTMENT, Kind.LOSS_DISALLOWED, Kind.RETURN_OF_CAPITAL, Kind.SYMBOL_CHANGE}


def _basis_of(entry: Entry) -> int:
    """Cents of basis that an entry brings to its account, negative when it takes them."""
    body = entry.body
    if entry.kind in ARRIVALS:
        return int(sum(body["basis"]))
    if entry.kind in DEPARTURES or entry.kind in SALES:
        return -int(sum(body.get("left", body["basis"])))
    if entry.kind is Kind.WASH_ADJUSTMENT:
        pairs = zip(body["cents"], body["permanent"], strict=True)
        return sum(cents for cents, permanent in pairs if not permanent)
    return int(sum(body.get("gain", ())) - sum(body.get("cash", ())))


def _shares_of(entry: Entry) -> int:
    if entry.kind in ARRIVALS:
        return int(sum(entry.body["quantity"]))
    return -int(sum(entry.body["quantity"])) if entry.kind in DEPARTURES | SALES else 0
