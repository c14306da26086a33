"""The loop: events in order, each by its own function, errors as the last word (D6, D7)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from opensma.errors import InputError, LotError
from opensma.tax.replay import acquiring, corporate, dividends, outside, selling, shorts
from opensma.tax.replay.events import Event, Located, event_of, in_order, sequence_of
from opensma.tax.replay.explain import explanations
from opensma.tax.replay.instructions import blame, choices_of, with_choice
from opensma.tax.replay.policy import Policy
from opensma.tax.replay.report import answer, average_all, open_rows
from opensma.tax.replay.state import State, state_of

HANDLERS: dict[str, Callable[[State, Event], None]] = {
    "buy": acquiring.buy,
    "gift": acquiring.gift,
    "inherit": acquiring.inherit,
    "transfer": acquiring.transfer,
    "transfer_in": outside.transfer_in,
    "transfer_out": outside.transfer_out,
    "cash_in_lieu": selling.cash_in_lieu,
    "cash_merger": selling.cash_merger,
    "worthless": selling.worthless,
    "split": corporate.split,
    "symbol_change": corporate.symbol_change,
    "spinoff": corporate.spinoff,
    "stock_merger": corporate.stock_merger,
    "exchange": corporate.exchange,
    "return_of_capital": corporate.return_of_capital,
    "dividend": dividends.dividend,
    "short_sell": shorts.short_sell,
    "cover": shorts.cover,
    "deliver": shorts.deliver,
}

# These say which lots they change, so positions stay in their order of relief.
KEEP_ORDER = frozenset({"buy", "sell", "gift", "inherit", "dividend", "short_sell", "choose_lots"})

# What an error means to whoever compares histories; the finer code is kept as its reason.
ANSWERS = {
    "lots.oversold": "INSUFFICIENT_LOTS",
    "lots.unknown": "NO_MATCHING_LOT",
    "lots.ambiguous": "AMBIGUOUS_SELECTION",
}


def replay(
    case: Mapping[str, Any], policy: Policy | None = None, *, explain: bool = False
) -> dict[str, Any]:
    """Closed slices, open lots and totals of a history; `policy` instead of the case's own.

    An event that cannot be ends the replay: the answer is `error` (code, reason, seq, message,
    where, remedy) and the lots open before it. InputError when the frame of the case is wrong.
    `explain` adds `explanations`, which account for every disallowed dollar (I13).
    """
    state = _start(case, policy)
    try:
        _book(state, case["events"])
    except LotError as error:
        return _refusal(state, error)
    return answer(state) | ({"explanations": explanations(state)} if explain else {})


def run(case: Mapping[str, Any], policy: Policy | None = None) -> State:
    """As `replay`, but the state itself, for forms; LotError where an event cannot be."""
    state = _start(case, policy)
    _book(state, case["events"])
    return state


def _start(case: Mapping[str, Any], policy: Policy | None) -> State:
    values = case.get("policy") or {}
    if not isinstance(values, Mapping):
        raise InputError(
            "case.policy",
            "'policy' is not an object of names and values.",
            where="case",
            remedy="Leave it out, or give only the policies that differ from the default.",
        )
    state = state_of(case, policy if policy is not None else Policy.of(values))
    if not isinstance(case.get("events"), list):
        raise InputError(
            "case.events",
            "The case has no list of events.",
            where="case",
            remedy="Give 'events': a list, which may be empty.",
        )
    return state


def _book(state: State, events: list[Mapping[str, Any]]) -> None:
    read = []
    for fields in events:
        state.at = fields
        read.append(event_of(fields))
    ordered = in_order(read)
    for choice in choices_of(ordered):
        state.choices.setdefault(choice.event.sequence, choice)
        if not choice.refusal:
            state.chosen[choice.sale] = choice.event
    for event, last_of_order in zip(ordered, _closes_order(ordered), strict=True):
        state.at = event.fields
        _apply(state, event, last_of_order)


def _apply(state: State, event: Event, last_of_order: bool) -> None:
    """One event, whole or not at all (D7). LotError event.unknown_type."""
    _check_new(state, event)
    if event.kind not in KEEP_ORDER:
        state.forget_order()
    if state.method == "AVERAGE" and event.kind != "buy":
        average_all(state)  # what leaves or changes now does so at the average (L8)
    if event.kind == "sell":
        _sell(state, event, last_of_order)
    elif event.kind == "choose_lots":
        _choose_lots(state, event)
    elif event.kind in HANDLERS:
        HANDLERS[event.kind](state, event)
        if event.kind not in KEEP_ORDER:
            state.uneven.update(state.positions)
    else:
        raise event.invalid(
            "event.unknown_type",
            f"There is no event type '{event.kind}'.",
            f"Types are sell, choose_lots, {', '.join(HANDLERS)}.",
        )


def _check_new(state: State, event: Event) -> None:
    """An event counts once: its number, and its `id` where it has one, are its own (I7)."""
    names: set[int | str] = {event.sequence}
    if event.has("id"):
        names.add(event.text("id"))
    for used in names & state.seen:
        raise event.invalid(
            "event.twice",
            f"There was an event {used} before: this one was not counted.",
            "Take it out, or give it a number (and id) of its own.",
        )
    state.seen |= names


def _sell(state: State, event: Event, last_of_order: bool) -> None:
    """A sale with the lots that were chosen for it, at once or until it settled (L2)."""
    choice = state.chosen.get(event.sequence)
    if choice is None:
        selling.sell(state, event, last_of_order=last_of_order)
        return
    try:
        sale = with_choice(event, choice)
        selling.sell(state, sale, last_of_order=last_of_order, choice=choice)
    except LotError as error:
        blamed = blame(choice, error)
        state.at = event.fields if blamed is error else choice.fields
        raise blamed from error


def _choose_lots(state: State, event: Event) -> None:
    """The sale has them already; a choice that came too late is refused here (L2)."""
    refusal = state.choices[event.sequence].refusal
    if refusal:
        raise refusal


def _closes_order(events: list[Event]) -> list[bool]:
    """Whether an event is the last sale of its order: matching waits for it (W13)."""
    keys = [_order_of(event) for event in events]
    last = {repr(key): place for place, key in enumerate(keys) if key is not None}
    return [key is None or last[repr(key)] == place for place, key in enumerate(keys)]


def _order_of(event: Event) -> tuple[object, ...] | None:
    """The order that a sale belongs to: in its account, or a block over all accounts."""
    if event.kind != "sell":
        return None
    if event.has("block"):
        return event.day, "block", event.fields["block"]
    if event.has("order"):
        return event.day, event.fields.get("account"), event.fields["order"]
    return None


def _refusal(state: State, error: LotError) -> dict[str, Any]:
    told = {
        "code": ANSWERS.get(error.code, "INVALID_EVENT"),
        "reason": error.code,
        "seq": sequence_of(state.at),
        "message": error.message,
        "where": error.where,
        "remedy": error.remedy,
    }
    if isinstance(state.at, Located):
        told |= {"line": state.at.line, "file": state.at.file}
    return {"error": told, "open": open_rows(state)}
