"""Who chose the lots: standing orders, methods of one order, and choices changed until settlement.

A standing order is valid from a day on and changes nothing before it (L3). The choice for one
order goes before it and may change until the sale settles, then it is frozen (L2).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from opensma.calendar import settlement_date
from opensma.errors import InputError, LotError
from opensma.tax.replay.events import Event, day_of
from opensma.tax.replay.policy import METHODS

# AVERAGE is an election in writing for a whole position (L8), not an instruction for an order.
ORDERED = tuple(method for method in METHODS if method != "AVERAGE")
CHOICES = ("picks", "select", "method")
_DAY = len("2024-01-31")
# A sale that fails with one of these fails for the lots that were chosen.
_OF_THE_CHOICE = frozenset(
    {"lots.unknown", "lots.twice", "lots.ambiguous", "lots.oversold", "event.picks"}
    | {"event.picks_sum", "event.select", "event.method", "event.not_decimal"}
)

Told = Mapping[str, Any]  # as it is returned with the rows


@dataclass(frozen=True, slots=True)
class Standing:
    """A standing order of an account: the method of sales from a day on (L3)."""

    from_day: int
    method: str
    told: Told


@dataclass(frozen=True, slots=True)
class Choice:
    """A later choice of lots for a sale; `refusal` says why it came to nothing (L2)."""

    event: Event
    sale: int
    refusal: LotError | None


def standing_orders(entry: Mapping[str, Any]) -> list[Standing]:
    """The standing orders of an account, oldest first. InputError case.methods."""
    listed = entry.get("methods", [])
    if not isinstance(listed, list):
        raise _bad(entry, "'methods' is not a list.")
    found = sorted((_standing(entry, order) for order in listed), key=lambda order: order.from_day)
    if len({order.from_day for order in found}) != len(found):
        raise _bad(entry, "Two standing orders are valid from the same day.")
    return found


def method_of(
    event: Event, standing: Sequence[Standing], otherwise: str, choice: Event | None = None
) -> tuple[str, Told | None]:
    """The method of a sale, and the instruction to keep with its rows, where there was one.

    `choice` is the event that chose its lots later. LotError event.method, lots.frozen.
    """
    method, told = otherwise, None
    place = bisect_right(standing, event.day, key=lambda order: order.from_day)
    if place:
        method, told = standing[place - 1].method, standing[place - 1].told
    if event.has("method"):
        method = _own_method(event, otherwise)
    own = {name: event.text(name) for name in ("instructed_by", "instructed_at") if event.has(name)}
    if not own and not event.has("method"):
        return method, None if event.has("picks") or event.has("select") else told
    if "instructed_at" in own and choice is None:
        day = day_of(own["instructed_at"][:_DAY], "instructed_at", event.where)
        _check_in_time(event, event, day)
    chosen = next((name for name in ("picks", "select") if event.has(name)), method)
    return method, {"chosen": chosen, **own} | ({"event": choice.sequence} if choice else {})


def _own_method(event: Event, otherwise: str) -> str:
    method = event.text("method")
    if method not in ORDERED or otherwise == "AVERAGE" or event.has("picks"):
        raise event.invalid(
            "event.method",
            f"This sale cannot be relieved by the method {method!r}.",
            f"Methods are {', '.join(ORDERED)}; not with 'picks', nor where the case says AVERAGE.",
        )
    return method


def choices_of(events: Sequence[Event]) -> list[Choice]:
    """Choices made after the sale, in their order; the last good one of a sale counts (L2)."""
    sales = {event.sequence: event for event in events if event.kind == "sell"}
    return [_choice(event, sales) for event in events if event.kind == "choose_lots"]


def with_choice(sale: Event, choice: Event) -> Event:
    """The sale as the later choice has it."""
    kept = {name: value for name, value in sale.fields.items() if name not in CHOICES}
    chosen = {name: choice.fields[name] for name in CHOICES if choice.has(name)}
    by = choice.fields.get("instructed_by")
    at = choice.fields.get("instructed_at") or date.fromordinal(choice.day).isoformat()
    fields = {**kept, **chosen, "instructed_by": by, "instructed_at": at}
    return Event(sale.day, sale.sequence, sale.kind, fields)


def blame(choice: Event, error: LotError) -> LotError:
    """The error of a sale as the error of the choice that caused it."""
    if error.code not in _OF_THE_CHOICE:
        return error
    message = f"The lots chosen here cannot be sold in {error.where}: {error.message}"
    return choice.invalid(error.code, message, error.remedy)


def _choice(event: Event, sales: Mapping[int, Event]) -> Choice:
    number = event.fields.get("sell")
    sale = sales.get(number) if isinstance(number, int) and not isinstance(number, bool) else None
    try:
        if sale is None or (sale.day, sale.sequence) > (event.day, event.sequence):
            raise event.invalid(
                "event.no_such_sale",
                f"No sale before this event has the number {number!r}.",
                "Give as 'sell' the 'seq' of the sale whose lots are chosen.",
            )
        if sum(event.has(name) for name in CHOICES) != 1:
            raise event.invalid("event.choice", f"Give one of {', '.join(CHOICES)}.")
        _check_in_time(event, sale, event.day)
    except LotError as error:
        return Choice(event, -1, error)
    return Choice(event, sale.sequence, None)


def _check_in_time(event: Event, sale: Event, day: int) -> None:
    """A choice is frozen once the sale has settled (L2). LotError lots.frozen."""
    last = (
        sale.date("settles")
        if sale.has("settles")
        else settlement_date(date.fromordinal(sale.day)).toordinal()
    )
    if day > last:
        raise event.invalid(
            "lots.frozen",
            f"The lots were chosen on {date.fromordinal(day).isoformat()}, and the sale settled"
            f" on {date.fromordinal(last).isoformat()}.",
            "A choice of lots can change until settlement; the lots sold before it stay.",
        )


def _standing(entry: Mapping[str, Any], order: object) -> Standing:
    if not isinstance(order, Mapping) or order.get("method") not in ORDERED:
        raise _bad(entry, f"This is no standing order: {order!r:.80}.")
    told = {name: order[name] for name in ("instructed_by", "instructed_at") if order.get(name)}
    try:
        from_day = day_of(order.get("from"), "from", "")
        given = day_of(str(told.get("instructed_at", order["from"]))[:_DAY], "instructed_at", "")
    except LotError as error:
        raise _bad(entry, error.message) from error
    if given > from_day:
        raise _bad(entry, "A standing order is valid from a day before it was given (L3).")
    method = str(order["method"])
    return Standing(from_day, method, {"standing": method, "from": order["from"], **told})


def _bad(entry: Mapping[str, Any], message: str) -> InputError:
    return InputError(
        "case.methods",
        message,
        where=f"account {entry.get('id')}",
        remedy='Give "methods": [{"method": "HIFO", "from": "2025-01-02"}], each from its own day;'
        f" methods are {', '.join(ORDERED)}.",
    )
