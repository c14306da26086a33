"""Which lots a sale takes: the order of every method, and selection by name or by criteria (L4)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from opensma.errors import LotError
from opensma.tax.replay.events import Event
from opensma.tax.replay.exact import Quantity, exact, quantity_text, worth
from opensma.tax.replay.lots import Lot
from opensma.tax.replay.policy import Policy

Picks = list[tuple[Lot, Quantity]]

# Classes in the order of relief: term (S, L) and sign (-, 0, +); then greatest first or not.
_CLASSES: dict[str, tuple[tuple[str, ...], bool]] = {
    "TLO": (("S-", "L-", "S0", "L0", "L+", "S+"), False),
    "MLG": (("L+", "S+", "S0", "L0", "S-", "L-"), True),
    "MLL": (("L-", "S-", "S0", "L0", "S+", "L+"), False),
    "MSG": (("S+", "L+", "L0", "S0", "L-", "S-"), True),
    "MSL": (("S-", "L-", "L0", "S0", "L+", "S+"), False),
}


def choose(
    lots: Sequence[Lot], event: Event, method: str, policy: Policy, amount_cents: int
) -> Picks:
    """The parts a sale takes, in order of relief; `lots` are those of its account and security.

    Picks and criteria go before the method (L2, L10). LotError lots.oversold, lots.unknown,
    lots.ambiguous, lots.twice, event.picks_sum; nothing has changed then (L9).
    """
    quantity = event.quantity()
    if event.has("picks"):
        return picked(lots, event, policy)
    if event.has("select"):
        return _selected(lots, event, policy)
    price = Fraction(amount_cents) / quantity if method in _CLASSES else Fraction(0)
    return take(ranked(lots, method, policy, event.day, price), quantity, event)


def first_in(lots: Sequence[Lot], event: Event, policy: Policy) -> Picks:
    """Parts named by picks, else first in, first out: transfers and exchanges (L1, C9, C10)."""
    if event.has("picks"):
        return picked(lots, event, policy)
    return take(ranked(lots, "FIFO", policy, event.day, Fraction(0)), event.quantity(), event)


def ranked(
    lots: Sequence[Lot], method: str, policy: Policy, day: int, price: Fraction
) -> list[Lot]:
    """Lots in the order a method relieves them; `price` is cents per micro, net (L4, L5, L6)."""
    base = sorted(lots, key=lambda lot: fifo_key(lot, policy))
    if method == "LIFO":
        return sorted(
            sorted(base, key=lambda lot: sublot_key(lot, policy)),
            key=lambda lot: (-lot.acquired_day, -lot.sequence),
        )
    key = _method_key(method, policy, day, price)
    return sorted(base, key=key) if key else base


def fifo_key(lot: Lot, policy: Policy) -> tuple[Any, ...]:
    """Acquired, sequence, and inside a lot its parts by P4 (L1, L6, L7)."""
    return (lot.acquired_day, lot.sequence, *sublot_key(lot, policy))


def sublot_key(lot: Lot, policy: Policy) -> tuple[Any, ...]:
    """Adjusted parts first and the most adjusted before the others, or the reverse (L7, P4)."""
    # So fine that different amounts per share stay different, and faster than fractions.
    adjusted = lot.wash_cents * 10**36 // lot.quantity if lot.wash_cents else 0
    if policy.sublot_depletion == "adjusted_first":
        return (not lot.used, -adjusted, lot.holding_day)
    return (lot.used, adjusted, lot.holding_day)


def take(ordered: Sequence[Lot], quantity: Quantity, event: Event, where: str = "") -> Picks:
    """Parts that make up a quantity, from the lots in their order. LotError lots.oversold (L9)."""
    picks: Picks = []
    left = quantity
    for lot in ordered:
        if not left:
            break
        taken = min(left, lot.quantity)
        picks.append((lot, taken))
        left = exact(left - taken)
    if left:
        held, asked = quantity_text(quantity - left), quantity_text(quantity)
        raise event.invalid(
            "lots.oversold",
            f"{where or 'The position'} holds {held} and this {event.kind} takes {asked}.",
            "Compare with the custodian; if an earlier purchase is missing, add it.",
        )
    return picks


def picked(lots: Sequence[Lot], event: Event, policy: Policy) -> Picks:
    """The lots an instruction names, each with its quantity (L2)."""
    wanted = _picks_of(event)
    named = [(name, part) for name, part, _ in wanted]
    if len(set(named)) != len(named):
        twice = next(name for name, part in named if named.count((name, part)) > 1)
        raise event.invalid(
            "lots.twice",
            f"Lot {twice} is picked twice.",
            "Name each lot once, with its whole quantity.",
        )
    total, asked = sum(quantity for _, _, quantity in wanted), event.quantity()
    if total != asked:
        raise event.invalid(
            "event.picks_sum",
            f"The picks sum to {quantity_text(total)} and 'qty' is {quantity_text(asked)}.",
        )
    picks: Picks = []
    for name, number, quantity in wanted:
        own = [lot for lot in lots if lot.lot == name]
        if not own:
            raise _unknown(event, f"There is no open lot {name} in this position.")
        part = [lot for lot in own if lot.part == number and lot.quantity >= quantity]
        if not part:  # the lot as a whole, or a part that is not there: by P4 (L7)
            own.sort(key=lambda lot: fifo_key(lot, policy))
        picks += take(part or own, quantity, event, f"Lot {name}")
    if any(sum(q for x, q in picks if x is lot) > lot.quantity for lot, _ in picks):
        raise event.invalid("lots.twice", "The picks take shares of one lot twice.")
    return picks


def _picks_of(event: Event) -> list[tuple[str, int | None, Quantity]]:
    given = event.fields["picks"]
    if not isinstance(given, list) or not all(isinstance(pick, Mapping) for pick in given):
        raise event.invalid("event.picks", "'picks' is not a list of lots and quantities.")
    return [
        (str(pick.get("lot")), _part_of(event, pick), event.quantity("qty", pick)) for pick in given
    ]


def _part_of(event: Event, pick: Mapping[str, Any]) -> int | None:
    """The part of a lot that a pick names, 0 for what no wash sale cut off (D8, W23)."""
    part = pick.get("part")
    if part is not None and (not isinstance(part, int) or isinstance(part, bool)):
        raise event.invalid("event.picks", f"'part' is not a whole number: {part!r}.")
    return part


def _selected(lots: Sequence[Lot], event: Event, policy: Policy) -> Picks:
    """Lots by date, unit basis or name; several must be exactly the order (L10)."""
    criteria = event.fields["select"]
    known = {"lot", "acquired", "unit_basis"}
    if not isinstance(criteria, Mapping) or not criteria or set(criteria) - known:
        raise event.invalid("event.select", f"'select' takes {', '.join(sorted(known))}.")
    inner = Event(event.day, event.sequence, event.kind, criteria)
    found = sorted(
        (lot for lot in lots if _fits(lot, inner)), key=lambda lot: fifo_key(lot, policy)
    )
    if not found:
        raise _unknown(event, "No open lot matches the criteria.")
    quantity, held = event.quantity(), sum(lot.quantity for lot in found)
    if len({lot.lot for lot in found}) > 1 and held > quantity:
        names = ", ".join(dict.fromkeys(lot.lot for lot in found))
        raise event.invalid(
            "lots.ambiguous",
            f"Lots {names} match and hold {quantity_text(held)}, more than the order.",
            "Name the lots with 'picks', or narrow the criteria to one lot.",
        )
    return take(found, quantity, event, "What matches")


def _fits(lot: Lot, criteria: Event) -> bool:
    if criteria.has("lot") and lot.lot != criteria.text("lot"):
        return False
    if criteria.has("acquired") and lot.acquired_day != criteria.date("acquired"):
        return False
    if criteria.has("unit_basis"):
        return worth(lot.quantity, criteria.amount("unit_basis")) == lot.basis_cents
    return True


def _unknown(event: Event, message: str) -> LotError:
    return event.invalid("lots.unknown", message, "List the open lots and name one of them.")


def _method_key(
    method: str, policy: Policy, day: int, price: Fraction
) -> Callable[[Lot], tuple[Any, ...]] | None:
    """The sort key before ties, None where ties are all there is (FIFO, SPECIFIC, AVERAGE)."""
    if method in ("HIFO", "HICO", "HC"):
        return lambda lot: (-lot.unit_basis(),)
    if method == "LOFO":
        return lambda lot: (lot.unit_basis(),)
    if method == "HICL":
        return lambda lot: (not lot.is_long(day), -lot.unit_basis())
    if method == "HICS":
        return lambda lot: (lot.is_long(day), -lot.unit_basis())
    if method in _CLASSES:
        return lambda lot: _class_key(lot, method, policy, day, price)
    return None


def _class_key(
    lot: Lot, method: str, policy: Policy, day: int, price: Fraction
) -> tuple[int, Fraction]:
    """Place of the lot's class, then the gain per share; zero is a gain but for TLO (L5, P3)."""
    classes, greatest_first = _CLASSES[method]
    gain = price - lot.unit_basis()
    zero = "0" if method == "TLO" or policy.zero_gain == "own_class" else "+"
    sign = "-" if gain < 0 else "+" if gain > 0 else zero
    place = classes.index(("L" if lot.is_long(day) else "S") + sign)
    return place, (-gain if greatest_first else gain)
