"""Late, corrected and cancelled events: replay them where they belong, and say what changed (D10).

The events of record stay as they are (D9). A late event is one more; a correction names the event
it takes the place of (`corrects`), a cancellation the one that never was (`cancels`). Everything
is then replayed, so a late trade gives what it would have given in order (I9).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

from opensma.errors import InputError
from opensma.tax.replay.engine import replay
from opensma.tax.replay.events import Located, sequence_of
from opensma.tax.replay.exact import money_text, quantity_text
from opensma.tax.replay.policy import Policy
from opensma.units import CENTS, MICROS

Row = dict[str, Any]

_MONEY = (*("proceeds", "basis", "disallowed", "permanently_disallowed", "gain", "loss_basis"),
          "amount")  # fmt: skip
_PLACES = {  # what names the same shares in both answers
    "closed": ("account", "security", "lot", "sold", "kind"),
    "open": ("account", "security", "lot"),
    "dividends": ("account", "security", "lot", "ex_date"),
}


def restate(
    case: Mapping[str, Any],
    late_events: Sequence[Any],
    policy: Policy | None = None,
    *,
    explain: bool = False,
) -> Row:
    """The answer with late events in their place, and under `changes` what they changed.

    Where the history with late events cannot be, the answer is its error; where they repair one
    that could not be, `changes` holds the error they repair. InputError late.*.
    """
    amended = amend(case, late_events)
    after = replay(amended, policy, explain=explain)
    if "error" in after:
        return after
    before = replay(case, policy)
    if "error" in before:
        return after | {"changes": {"repairs": before["error"]}}
    return after | {"changes": changes(case, before, after)}


def amend(case: Mapping[str, Any], late_events: Sequence[Any]) -> Row:
    """The case with late events inserted, corrected ones replaced, cancelled ones left out.

    A correction without a `seq` keeps that of the event it corrects. InputError late.*.
    """
    events = case.get("events")
    kept = list(events) if isinstance(events, list) else []
    known = {sequence_of(event) for event in kept}
    replaced: dict[int, Row | None] = {}
    added: list[Any] = []
    for late in late_events:
        target = _target(late, known, replaced)
        if target is None:
            added.append(late)
        elif "cancels" in late:
            replaced[target] = None
        else:
            fields = {name: value for name, value in late.items() if name != "corrects"}
            fields = {"seq": target, **fields}
            replaced[target] = late.like(fields) if isinstance(late, Located) else fields
    result = [_as_corrected(event, replaced) for event in kept]
    return {**case, "events": [event for event in result if event is not None] + added}


def changes(case: Mapping[str, Any], before: Row, after: Row) -> Row:
    """What differs between two answers: lots, gains, terms, wash rows, totals, forms (D10)."""
    closed = _differences(before, after, "closed")
    taxable = {entry["id"] for entry in case["accounts"] if entry["type"] == "taxable"}
    home = {entry["id"]: str(entry.get("household", "")) for entry in case["accounts"]}
    opened = _differences(before, after, "open")
    paid = _differences(before, after, "dividends")
    return {
        "closed": closed,
        "terms": [row for row in map(_terms, closed) if row],
        "wash_sales": [row for row in map(_washes, closed) if row],
        "open": opened,
        "dividends": paid,
        "totals": _totals(before["totals"], after["totals"]),
        "forms": _forms(closed, paid, taxable),
        "households": sorted({home[row["account"]] for row in (*closed, *opened, *paid)}),
    }


# --- late events -------------------------------------------------------------------------------


def _target(late: Any, known: set[int | None], replaced: Mapping[int, object]) -> int | None:
    """The event that a correction or cancellation names, None for a new event."""
    if not isinstance(late, Mapping):
        raise _bad("late.not_event", f"This is no event: {late!r:.80}.", "Give a list of events.")
    names = [name for name in ("corrects", "cancels") if name in late]
    if not names:
        return None
    target = sequence_of({"seq": late[names[0]]})
    if len(names) == 2 or target is None or target not in known:
        raise _bad(
            "late.no_target",
            f"There is no event {late[names[0]]!r} to correct or cancel.",
            "Give the 'seq' of one event of the case, as 'corrects' or as 'cancels'.",
        )
    if target in replaced:
        raise _bad(
            "late.twice",
            f"Event {target} is corrected or cancelled twice.",
            "Keep the last correction only.",
        )
    return target


def _as_corrected(event: Any, replaced: Mapping[int, Row | None]) -> Any:
    sequence = sequence_of(event)
    return event if sequence is None else replaced.get(sequence, event)


def _bad(code: str, message: str, remedy: str) -> InputError:
    return InputError(code, message, where="late events", remedy=remedy)


# --- differences -------------------------------------------------------------------------------


def _differences(before: Row, after: Row, section: str) -> list[Row]:
    """Lots whose rows are not the same shares at the same amounts, with both versions."""
    old, new = (_by_place(answer.get(section, []), section) for answer in (before, after))
    found = []
    for key in sorted({*old, *new}):
        was, now = old.get(key, []), new.get(key, [])
        if _sums(was) != _sums(now):
            names = zip(_PLACES[section], key, strict=True)
            row: Row = {name: value for name, value in names if value}
            row |= {"before": was, "after": now}
            if section == "closed":
                row["gain_change"] = _text(_cents(now, "gain") - _cents(was, "gain"))
            found.append(row)
    return found


def _by_place(rows: Iterable[Row], section: str) -> dict[tuple[str, ...], list[Row]]:
    grouped: dict[tuple[str, ...], list[Row]] = {}
    for row in rows:
        key = tuple(str(row.get(name, "")) for name in _PLACES[section])
        grouped.setdefault(key, []).append(row)
    return grouped


def _sums(rows: Iterable[Row]) -> dict[str, list[Fraction]]:
    """Shares and money by everything else: how a lot is cut into rows is no difference."""
    sums: dict[str, list[Fraction]] = {}
    for row in rows:
        texts = {k: v for k, v in row.items() if k not in (*_MONEY, "qty", "replaced_by", "part")}
        replaced = sorted({into["lot"] for into in row.get("replaced_by", [])})
        total = sums.setdefault(repr((sorted(texts.items(), key=repr), replaced)), [])
        values = [Fraction(row.get(name, "0")) for name in ("qty", *_MONEY)]
        total[:] = [a + b for a, b in zip(total, values, strict=True)] if total else values
    return sums


def _terms(change: Row) -> Row | None:
    """Shares by term, where that changed."""
    both = [_shares_by_term(change[side]) for side in ("before", "after")]
    if both[0] == both[1] or len({*both[0], *both[1]}) == 1 or not all(both):
        return None  # nothing, only how many shares, or a sale that is new or gone
    return _place(change) | {"before": both[0], "after": both[1]}


def _shares_by_term(rows: Iterable[Row]) -> dict[str, str]:
    shares: dict[str, Fraction] = {}
    for row in rows:
        shares[row["term"]] = shares.get(row["term"], Fraction(0)) + Fraction(row["qty"])
    return {term: quantity_text(shares[term] * MICROS) for term in sorted(shares)}


def _washes(change: Row) -> Row | None:
    """Disallowed losses and what replaced them, where that changed."""
    sides: Row = {}
    for side in ("before", "after"):
        washed = [row for row in change[side] if row.get("replaced_by")]
        sides[side] = {
            "disallowed": _text(_cents(washed, "disallowed")),
            "permanently_disallowed": _text(_cents(washed, "permanently_disallowed")),
            "replaced_by": sorted({into["lot"] for row in washed for into in row["replaced_by"]}),
        }
    return None if sides["before"] == sides["after"] else _place(change) | sides


def _place(change: Row) -> Row:
    return {name: change[name] for name in _PLACES["closed"] if name in change}


def _totals(before: Row, after: Row) -> Row:
    return {
        name: {
            "before": before.get(name, "0.00"),
            "after": after[name],
            "change": _text(_to_cents(after[name]) - _to_cents(before.get(name, "0.00"))),
        }
        for name in after
        if after[name] != before.get(name, "0.00")
    }


def _forms(closed: Sequence[Row], paid: Sequence[Row], taxable: set[str]) -> list[Row]:
    """The years and forms of taxable accounts that are to be issued again (W22, F8)."""
    affected: dict[tuple[int, str], Row] = {}
    for change in closed:
        if change["account"] in taxable:
            key = int(change["sold"][:4]), "1099-B, 8949"
            row = affected.setdefault(key, {"accounts": set(), "ST": 0, "LT": 0})
            row["accounts"].add(change["account"])
            for term in ("ST", "LT"):
                now, was = (
                    _cents((r for r in change[side] if r["term"] == term), "gain")
                    for side in ("after", "before")
                )
                row[term] += now - was
    for change in paid:
        if change["account"] in taxable:
            key = int(change["ex_date"][:4]), "1099-DIV"
            affected.setdefault(key, {"accounts": set()})["accounts"].add(change["account"])
    return [_form(year, forms, affected[year, forms]) for year, forms in sorted(affected)]


def _form(year: int, forms: str, row: Row) -> Row:
    told: Row = {"year": year, "forms": forms.split(", "), "accounts": sorted(row["accounts"])}
    if "ST" in row:
        told["short_term_gain_change"] = _text(row["ST"])
        told["long_term_gain_change"] = _text(row["LT"])
    return told


def _cents(rows: Iterable[Row], name: str) -> int:
    return sum(_to_cents(row.get(name, "0.00")) for row in rows)


def _to_cents(text: str) -> int:
    return int(Fraction(text) * CENTS)


def _text(cents: int) -> str:
    return money_text(cents)
