"""Terms as people deliver them: a JSON file of schedules and agreements, or a CSV of schedules.

The file is read whole and every mistake is told at once. Each record becomes one dated version.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from opensma.billing import terms
from opensma.billing.cycle import Frequency, parse_period
from opensma.billing.exact import refuse
from opensma.billing.periods import DayBasis
from opensma.billing.schedules import Schedule, Style, Tier
from opensma.book.journal import canonical
from opensma.calendar import parse_date
from opensma.errors import InputError
from opensma.units import CENTS, parse_cents

_STYLES = {
    "flat_amount": Style.BLENDED,
    "flat_rate": Style.BLENDED,
    "tiered": Style.BLENDED,
    "cliff": Style.CLIFF,
}
_DATES = {"version", "valid_from", "valid_to"}
_SCHEDULE = _DATES | {"schedule", "style", "tiers", "amount"}
_AGREEMENT = _DATES | {
    "agreement", "schedule", "timing", "frequency", "basis", "day_basis", "household_method",
    "discount", "minimum", "cap", "flow_threshold", "members", "payees", "exclusions", "credits",
}  # fmt: skip
_CSV = ["schedule", "version", "valid_from", "valid_to", "style", "up_to", "rate", "amount"]
E = TypeVar("E", bound=Enum)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Record:
    """One version as loaded: its terms, and the canonical text that is kept."""

    terms: terms.FeeSchedule | terms.Agreement
    body: str


def read_terms(path: Path) -> list[Record]:
    """Every record of a file; InputError billing.terms lists all that is wrong."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        document = _from_csv(text) if path.suffix.lower() == ".csv" else _from_json(text)
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        refuse("file", f"The file cannot be read: {error}.", where=str(path), remedy="Correct it.")
    found, wrong = [], []
    for kind in ("schedules", "agreements"):
        for number, record in enumerate(document.get(kind, []), 1):
            try:
                found.append(parse_record(kind.removesuffix("s"), record))
            except InputError as error:
                place = f", {error.where}" if error.where else ""
                wrong.append(f"{kind} {number}{place}: {error.message}")
    if wrong:
        refuse("terms", "\n".join(wrong), where=str(path), remedy="Nothing was loaded.")
    return found


def _from_json(text: str) -> dict[str, Any]:
    document = json.loads(text, parse_float=Decimal)
    shape = isinstance(document, dict) and document.keys() <= {"schedules", "agreements"}
    if not shape or not all(isinstance(part, list) for part in document.values()):
        refuse(
            "file",
            "The file is one object with the lists schedules and agreements.",
            remedy="See docs/billing.md for an example.",
        )
    return dict(document)


def _from_csv(text: str) -> dict[str, Any]:
    """Rows of a schedule's version in order of tiers; a flat amount has one row."""
    reader = csv.DictReader(io.StringIO(text))
    if not set(reader.fieldnames or []) <= set(_CSV):
        refuse("file", f"The columns are {', '.join(_CSV)}.", where="header")
    grouped: dict[tuple[str, str], dict[str, Any]] = {}
    for row in reader:
        key = (row.get("schedule") or "", row.get("version") or "")
        head = {n: row[n] for n in ("schedule", "valid_from", "valid_to", "style") if row.get(n)}
        version = int(key[1]) if key[1].isdecimal() else key[1]
        record = grouped.setdefault(key, {**head, "version": version})
        if row.get("amount"):
            record["amount"] = row["amount"]
        if row.get("rate"):
            tier = {"up_to": row.get("up_to") or None, "rate": row["rate"]}
            record.setdefault("tiers", []).append(tier)
    return {"schedules": list(grouped.values())}


def parse_record(kind: str, record: Mapping[str, Any]) -> Record:
    """One schedule or agreement; InputError says which field is wrong."""
    if not isinstance(record, Mapping):
        refuse("terms", "A record is an object.")
    body = canonical(_plain(record))
    known = _SCHEDULE if kind == "schedule" else _AGREEMENT
    _known(record, known)
    made = _schedule(record) if kind == "schedule" else _agreement(record, body)
    return Record(made, body)


def stored(kind: str, body: str) -> terms.FeeSchedule | terms.Agreement:
    """The terms of a record that the book keeps."""
    return parse_record(kind, json.loads(body, parse_float=Decimal)).terms


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _known(record: Mapping[str, Any], names: set[str]) -> None:
    if extra := sorted(set(record) - names):
        refuse("field", f"Unknown field '{extra[0]}'; known are {', '.join(sorted(names))}.")


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    if not isinstance(value, str) or not value.strip():
        refuse("field", "A text is missing.", where=name)
    return value


def _choice(record: Mapping[str, Any], name: str, kind: type[E], default: E | None = None) -> E:
    value = record.get(name)
    if value is None and default is not None:
        return default
    values = {str(item.value): item for item in kind}
    if not isinstance(value, str) or value not in values:
        refuse("field", f"{value!r} is none of {', '.join(values)}.", where=name)
    return values[value]


def _amount(record: Mapping[str, Any], name: str) -> Fraction | None:
    value = record.get(name)
    if value is None:
        return None
    cents = parse_cents(str(value), name)
    if cents < 0:
        refuse("negative", "The amount must be zero or more.", where=name)
    return Fraction(cents, CENTS)


def _rate(value: Any, name: str) -> Fraction:
    """A yearly fraction with at most eight decimals (B3)."""
    try:
        rate = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        refuse("rate", f"'{value}' is no rate.", where=name)
    if rate < 0 or rate > 1 or (rate * 10**8).denominator != 1:
        refuse("rate", f"'{value}' is no yearly share with at most 8 decimals.", where=name)
    return rate


def _version(record: Mapping[str, Any]) -> int:
    version = record.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        refuse("field", "Versions are numbered from 1.", where="version")
    return version


def _dates(record: Mapping[str, Any], first: str, last: str, default: date | None) -> terms.Dates:
    if record.get(first) is None and default is not None:
        start = default
    else:
        start = parse_date(_text(record, first), first)
    end = None if record.get(last) is None else parse_date(_text(record, last), last)
    if end is not None and end < start:
        refuse("dates", f"The last day {end} is before the first, {start}.", where=last)
    return terms.Dates(start, end)


def _schedule(record: Mapping[str, Any]) -> terms.FeeSchedule:
    name, style = _text(record, "schedule"), record.get("style")
    if style not in _STYLES:
        refuse("field", f"{style!r} is none of {', '.join(_STYLES)}.", where=f"{name}, style")
    amount = _amount(record, "amount")
    if (style == "flat_amount") != (amount is not None) or (amount is None) != ("tiers" in record):
        refuse("field", "A flat amount has an amount, every other style tiers.", where=name)
    rows = _each(record, "tiers", _tier)
    if style == "flat_rate" and len(rows) != 1:
        refuse("field", "A flat rate has one tier.", where=f"{name}, tiers")
    dates = _dates(record, "valid_from", "valid_to", None)
    tiers = Schedule(tuple(rows)) if amount is None else None
    return terms.FeeSchedule(name, _version(record), dates, _STYLES[style], tiers, amount)


def _tier(row: Mapping[str, Any]) -> Tier:
    _known(row, {"up_to", "rate"})
    return Tier(_amount(row, "up_to"), _rate(row.get("rate"), "rate"))


def _each(record: Mapping[str, Any], name: str, read: Callable[[Mapping[str, Any]], T]) -> list[T]:
    rows = record.get(name) or []
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        refuse("field", "A list of objects is expected.", where=name)
    return [read(row) for row in rows]


def _agreement(record: Mapping[str, Any], body: str) -> terms.Agreement:
    dates = _dates(record, "valid_from", "valid_to", None)
    names = [m if isinstance(m, Mapping) else {"account": m} for m in record.get("members") or []]
    made = terms.Agreement(
        name=_text(record, "agreement"),
        version=_version(record),
        dates=dates,
        schedule=_text(record, "schedule"),
        timing=_choice(record, "timing", terms.Timing),
        frequency=_choice(record, "frequency", Frequency),
        basis=_choice(record, "basis", terms.Basis),
        day_basis=_choice(record, "day_basis", DayBasis, DayBasis.ACTUAL_365),
        method=_choice(
            record, "household_method", terms.HouseholdMethod, terms.HouseholdMethod.AGGREGATE
        ),
        members=tuple(_member(name, dates) for name in names),
        payees=tuple(_each(record, "payees", _payee)),
        flow_threshold=_amount(record, "flow_threshold"),
        discount=_rate(record.get("discount") or 0, "discount"),
        annual_minimum=_amount(record, "minimum"),
        annual_cap=_amount(record, "cap"),
        exclusions=tuple(_each(record, "exclusions", lambda row: _exclusion(row, dates))),
        credits=tuple(_each(record, "credits", _credit)),
        hash=hashlib.sha256(body.encode()).hexdigest(),
    )
    _check_agreement(made)
    return made


def _member(row: Mapping[str, Any], dates: terms.Dates) -> terms.Member:
    _known(row, {"account", "from", "to", "schedule", "pays_from"})
    account = _text(row, "account")
    inside = _dates(row, "from", "to", dates.first)
    own = _text(row, "schedule") if row.get("schedule") else ""
    payer = _text(row, "pays_from") if row.get("pays_from") else account
    return terms.Member(account, inside, own, payer)


def _payee(row: Mapping[str, Any]) -> terms.Payee:
    _known(row, {"payee", "role", "bps"})
    bps = row.get("bps")
    if not isinstance(bps, int) or isinstance(bps, bool) or not 0 <= bps <= terms.WHOLE_BPS:
        refuse("field", "A payee's part is whole basis points of the fee.", where="payees, bps")
    return terms.Payee(_text(row, "payee"), _choice(row, "role", terms.Role), bps)


def _exclusion(row: Mapping[str, Any], dates: terms.Dates) -> terms.Exclusion:
    _known(row, {"account", "from", "to", "amount", "reason"})
    inside = _dates(row, "from", "to", dates.first)
    amount = _amount(row, "amount")
    return terms.Exclusion(_text(row, "account"), inside, amount, _text(row, "reason"))


def _credit(row: Mapping[str, Any]) -> terms.Credit:
    _known(row, {"period", "amount", "reason"})
    period = parse_period(_text(row, "period")).name
    return terms.Credit(period, _amount(row, "amount") or Fraction(0), _text(row, "reason"))


def _check_agreement(made: terms.Agreement) -> None:
    """What contradicts itself inside one agreement."""
    if not made.members:
        refuse("field", "An agreement needs at least one member account.", where="members")
    accounts = [m.account_id for m in made.members]
    if len(set(accounts)) != len(accounts):
        refuse("field", "An account is a member twice.", where=f"{made.name}, members")
    if sum(p.bps for p in made.payees) != terms.WHOLE_BPS:  # F22
        refuse("field", "The payees' parts must sum to 10,000 bps.", where=f"{made.name}, payees")
    if len({p.name for p in made.payees}) != len(made.payees):
        refuse("field", "A payee is listed twice.", where=f"{made.name}, payees")
    plain = made.timing is terms.Timing.ADVANCE or made.basis is terms.Basis.PERIOD_END
    if made.flow_threshold is not None and not plain:
        refuse(
            "field",
            "Flows are adjusted in advance billing or on a period-end value only: an average "
            "holds them already.",
            where=f"{made.name}, flow_threshold",
        )
