"""Which lots a sale takes: the order of every method, and selection by name or by criteria (L4)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from opensma.errors import LotError
from opensma.tax.replay.events import Event
from opensma.tax.replay.exact import Quantity, exact, quantity_text, worth
from opensma.tax.replay.lots import Lot
from opensma.tax.replay.order import Position, sublot_key
from opensma.tax.replay.policy import Policy

Picks = list[tuple[Lot, Quantity]]


def choose(
    position: Position, event: Event, method: str, policy: Policy, amount_cents: int
) -> Picks:
    """The parts a sale takes, in order of relief; `position` is that of its account and security.

    Picks and criteria go before the method (L2, L10). LotError lots.oversold, lots.unknown,
    lots.ambiguous, lots.twice, event.picks_sum; nothing has changed then (L9).
    """
    quantity = event.quantity()
    if event.has("picks"):
        return picked(position, event, policy)
    if event.has("select"):
        return _selected(position, event, policy)
    ordered = position.in_order(method, policy, event.day, amount_cents, quantity)
    return take(ordered, quantity, event)


def first_in(position: Position, event: Event, policy: Policy) -> Picks:
    """Parts named by picks, else first in, first out: transfers and exchanges (L1, C9, C10)."""
    if event.has("picks"):
        return picked(position, event, policy)
    return take(by_age(position, policy), event.quantity(), event)


def by_age(lots: Iterable[Lot], policy: Policy) -> list[Lot]:
    """First in, first out (L1, L6)."""
    return sorted(lots, key=lambda lot: fifo_key(lot, policy))


def fifo_key(lot: Lot, policy: Policy) -> tuple[Any, ...]:
    """Acquired, sequence, and inside a lot its parts by P4 (L1, L6, L7)."""
    return (lot.acquired_day, lot.sequence, *sublot_key(lot, policy))


def take(ordered: Iterable[Lot], quantity: Quantity, event: Event, where: str = "") -> Picks:
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
        account = event.fields.get("account", event.fields.get("from"))
        place = where or f"Account {account}"
        day = date.fromordinal(event.day).isoformat()
        raise event.invalid(
            "lots.oversold",
            f"{place} holds {held} {event.fields.get('security')} at this point of {day}, and this"
            f" {event.kind} takes {asked}.",
            "Compare with the custodian; if an earlier purchase is missing, add it.",
        )
    return picks


def picked(position: Position, event: Event, policy: Policy) -> Picks:
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
        own = position.named(name)
        if not own:
            raise _unknown(event, f"There is no open lot {name} in this position.")
        part = [lot for lot in own if lot.part == number and lot.quantity >= quantity]
        if not part:  # the lot as a whole, or a part that is not there: by P4 (L7)
            own.sort(key=lambda lot: fifo_key(lot, policy))
        picks += take(part or own, quantity, event, f"Lot {name}")
    taken: dict[int, Quantity] = {}
    for lot, quantity in picks:
        taken[lot.serial] = taken.get(lot.serial, 0) + quantity
        if taken[lot.serial] > lot.quantity:
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


def _selected(position: Position, event: Event, policy: Policy) -> Picks:
    """Lots by date, unit basis or name; several must be exactly the order (L10)."""
    criteria = event.fields["select"]
    known = {"lot", "acquired", "unit_basis"}
    if not isinstance(criteria, Mapping) or not criteria or set(criteria) - known:
        raise event.invalid("event.select", f"'select' takes {', '.join(sorted(known))}.")
    inner = Event(event.day, event.sequence, event.kind, criteria)
    found = by_age((lot for lot in position if _fits(lot, inner)), policy)
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
