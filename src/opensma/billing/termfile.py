"""Terms as people deliver them: a JSON file of schedules and agreements, or a CSV of schedules.

The file is read whole and every mistake is told at once. Each record becomes one dated version.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from opensma.billing import terms
from opensma.billing.cycle import Frequency, parse_period
from opensma.billing.disclosed import AccountFacts, Brochure, Offset
from opensma.billing.disclosedfile import read_account, read_brochure
from opensma.billing.exact import refuse
from opensma.billing.fields import (
    only_known,
    read_amount,
    read_choice,
    read_dates,
    read_each,
    read_rate,
    read_text,
    read_version,
)
from opensma.billing.periods import DayBasis
from opensma.billing.schedules import Schedule, Style, Tier
from opensma.book.journal import canonical
from opensma.errors import InputError, ensure

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
    "brochure", "refund", "wrap", "source_days",
}  # fmt: skip
_CSV = ["schedule", "version", "valid_from", "valid_to", "style", "up_to", "rate", "amount"]


Terms = terms.FeeSchedule | terms.Agreement | Brochure | AccountFacts
_KINDS = {
    "schedules": "schedule", "agreements": "agreement", "brochures": "brochure",
    "accounts": "account",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Record:
    """One version as loaded: its terms, and the canonical text that is kept."""

    terms: Terms
    body: str


def read_terms(path: Path) -> list[Record]:
    """Every record of a file; InputError billing.terms lists all that is wrong."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        document = _from_csv(text) if path.suffix.lower() == ".csv" else _from_json(text)
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error) as error:
        refuse("file", f"The file cannot be read: {error}.", where=str(path), remedy="Correct it.")
    found, wrong = [], []
    for kind, one in _KINDS.items():
        for number, record in enumerate(document.get(kind, []), 1):
            try:
                found.append(parse_record(one, record))
            except InputError as error:
                place = f", {error.where}" if error.where else ""
                wrong.append(f"{kind} {number}{place}: {error.message}")
    if wrong:
        refuse("terms", "\n".join(wrong), where=str(path), remedy="Nothing was loaded.")
    return found


def _from_json(text: str) -> dict[str, Any]:
    document = json.loads(text, parse_float=Decimal)
    shape = isinstance(document, dict) and document.keys() <= _KINDS.keys()
    if not shape or not all(isinstance(part, list) for part in document.values()):
        refuse(
            "file",
            f"The file is one object with the lists {', '.join(_KINDS)}.",
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
    made: Terms
    if kind in ("brochure", "account"):
        made = read_brochure(record) if kind == "brochure" else read_account(record)
        return Record(made, body)
    only_known(record, _SCHEDULE if kind == "schedule" else _AGREEMENT)
    made = _schedule(record) if kind == "schedule" else _agreement(record, body)
    return Record(made, body)


def stored(kind: str, body: str) -> terms.FeeSchedule | terms.Agreement:
    """The schedule or agreement of a record that the book keeps."""
    made = parse_record(kind, json.loads(body, parse_float=Decimal)).terms
    ensure(isinstance(made, terms.FeeSchedule | terms.Agreement), "other terms", kind=kind)
    assert isinstance(made, terms.FeeSchedule | terms.Agreement)
    return made


def stored_facts(kind: str, body: str) -> Brochure | AccountFacts:
    """The brochure or account of a record that the book keeps."""
    made = parse_record(kind, json.loads(body, parse_float=Decimal)).terms
    ensure(isinstance(made, Brochure | AccountFacts), "other terms", kind=kind)
    assert isinstance(made, Brochure | AccountFacts)
    return made


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _schedule(record: Mapping[str, Any]) -> terms.FeeSchedule:
    name, style = read_text(record, "schedule"), record.get("style")
    if style not in _STYLES:
        refuse("field", f"{style!r} is none of {', '.join(_STYLES)}.", where=f"{name}, style")
    amount = read_amount(record, "amount")
    if (style == "flat_amount") != (amount is not None) or (amount is None) != ("tiers" in record):
        refuse("field", "A flat amount has an amount, every other style tiers.", where=name)
    rows = read_each(record, "tiers", _tier)
    if style == "flat_rate" and len(rows) != 1:
        refuse("field", "A flat rate has one tier.", where=f"{name}, tiers")
    dates = read_dates(record, "valid_from", "valid_to", None)
    tiers = Schedule(tuple(rows)) if amount is None else None
    return terms.FeeSchedule(name, read_version(record), dates, _STYLES[style], tiers, amount)


def _tier(row: Mapping[str, Any]) -> Tier:
    only_known(row, {"up_to", "rate"})
    return Tier(read_amount(row, "up_to"), read_rate(row.get("rate"), "rate"))


def _agreement(record: Mapping[str, Any], body: str) -> terms.Agreement:
    dates = read_dates(record, "valid_from", "valid_to", None)
    names = [m if isinstance(m, Mapping) else {"account": m} for m in record.get("members") or []]
    made = terms.Agreement(
        name=read_text(record, "agreement"),
        version=read_version(record),
        dates=dates,
        schedule=read_text(record, "schedule"),
        timing=read_choice(record, "timing", terms.Timing),
        frequency=read_choice(record, "frequency", Frequency),
        basis=read_choice(record, "basis", terms.Basis),
        day_basis=read_choice(record, "day_basis", DayBasis, DayBasis.ACTUAL_365),
        method=read_choice(
            record, "household_method", terms.HouseholdMethod, terms.HouseholdMethod.AGGREGATE
        ),
        members=tuple(_member(name, dates) for name in names),
        payees=tuple(read_each(record, "payees", _payee)),
        flow_threshold=read_amount(record, "flow_threshold"),
        discount=read_rate(record.get("discount") or 0, "discount"),
        annual_minimum=read_amount(record, "minimum"),
        annual_cap=read_amount(record, "cap"),
        exclusions=tuple(read_each(record, "exclusions", lambda row: _exclusion(row, dates))),
        credits=tuple(read_each(record, "credits", _credit)),
        brochure=read_text(record, "brochure") if record.get("brochure") else "",
        refund=read_choice(record, "refund", terms.RefundRule, terms.RefundRule.UNEARNED_DAYS),
        wrap=_yes(record, "wrap"),
        source_days=_count(record, "source_days"),
        hash=hashlib.sha256(body.encode()).hexdigest(),
    )
    _check_agreement(made)
    return made


def _yes(record: Mapping[str, Any], name: str) -> bool:
    value = record.get(name, False)
    if not isinstance(value, bool):
        refuse("field", "true or false is expected.", where=name)
    return value


def _count(record: Mapping[str, Any], name: str) -> int | None:
    value = record.get(name)
    if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 0):
        refuse("field", "A whole number of zero or more is expected.", where=name)
    return value


def _member(row: Mapping[str, Any], dates: terms.Dates) -> terms.Member:
    only_known(row, {"account", "from", "to", "schedule", "pays_from"})
    account = read_text(row, "account")
    inside = read_dates(row, "from", "to", dates.first)
    own = read_text(row, "schedule") if row.get("schedule") else ""
    payer = read_text(row, "pays_from") if row.get("pays_from") else account
    return terms.Member(account, inside, own, payer)


def _payee(row: Mapping[str, Any]) -> terms.Payee:
    only_known(row, {"payee", "role", "bps"})
    bps = row.get("bps")
    if not isinstance(bps, int) or isinstance(bps, bool) or not 0 <= bps <= terms.WHOLE_BPS:
        refuse("field", "A payee's part is whole basis points of the fee.", where="payees, bps")
    return terms.Payee(read_text(row, "payee"), read_choice(row, "role", terms.Role), bps)


def _exclusion(row: Mapping[str, Any], dates: terms.Dates) -> terms.Exclusion:
    only_known(row, {"account", "from", "to", "amount", "reason"})
    inside = read_dates(row, "from", "to", dates.first)
    amount = read_amount(row, "amount")
    return terms.Exclusion(read_text(row, "account"), inside, amount, read_text(row, "reason"))


def _credit(row: Mapping[str, Any]) -> terms.Credit:
    only_known(row, {"period", "amount", "reason", "offset"})
    period = parse_period(read_text(row, "period")).name
    offset = read_choice(row, "offset", Offset).value if row.get("offset") else ""
    amount = read_amount(row, "amount") or Fraction(0)
    return terms.Credit(period, amount, read_text(row, "reason"), offset)


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
