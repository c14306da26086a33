"""Brochures and account facts as people deliver them, in the same file as the terms."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from opensma.billing import disclosed
from opensma.billing.cycle import Frequency, parse_period
from opensma.billing.fields import (
    E,
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
from opensma.billing.terms import Basis, HouseholdMethod, RefundRule, Timing
from opensma.calendar import parse_date

_DATES = {"version", "valid_from", "valid_to"}
_STATED = {
    "timing", "frequency", "basis", "day_basis", "household_method", "minimum", "flow_threshold",
    "refund", "highest_rate", "trade_away",
}  # fmt: skip
_FACTS = {"account", "statuses", "price_sources", "received", "charges"}


def read_brochure(record: Mapping[str, Any]) -> disclosed.Brochure:
    """The terms that a brochure states; a field that is null states that there is none."""
    only_known(record, _DATES | _STATED | {"brochure"})
    rate = record.get("highest_rate")
    return disclosed.Brochure(
        name=read_text(record, "brochure"),
        version=read_version(record),
        dates=read_dates(record, "valid_from", "valid_to", None),
        timing=_choice(record, "timing", Timing),
        frequency=_choice(record, "frequency", Frequency),
        basis=_choice(record, "basis", Basis),
        day_basis=_choice(record, "day_basis", DayBasis),
        method=_choice(record, "household_method", HouseholdMethod),
        annual_minimum=read_amount(record, "minimum"),
        flow_threshold=read_amount(record, "flow_threshold"),
        refund=_choice(record, "refund", RefundRule),
        highest_rate=None if rate is None else read_rate(rate, "highest_rate"),
        trade_away=read_amount(record, "trade_away") or Fraction(0),
        stated=frozenset(_STATED & record.keys()),
    )


def _choice(record: Mapping[str, Any], name: str, kind: type[E]) -> E | None:
    return None if record.get(name) is None else read_choice(record, name, kind)


def read_account(record: Mapping[str, Any]) -> disclosed.AccountFacts:
    """What is known of an account beside its terms."""
    only_known(record, _DATES | _FACTS)
    return disclosed.AccountFacts(
        name=read_text(record, "account"),
        version=read_version(record),
        dates=read_dates(record, "valid_from", "valid_to", None),
        statuses=tuple(read_each(record, "statuses", _status)),
        sources=tuple(read_each(record, "price_sources", _source)),
        received=tuple(read_each(record, "received", _received)),
        charges=tuple(read_each(record, "charges", _charge)),
    )


def _status(row: Mapping[str, Any]) -> disclosed.Status:
    only_known(row, {"status", "from", "to", "reason"})
    flag = read_choice(row, "status", disclosed.Flag)
    return disclosed.Status(flag, read_dates(row, "from", "to", None), read_text(row, "reason"))


def _source(row: Mapping[str, Any]) -> disclosed.ValueSource:
    only_known(row, {"asset", "source", "day"})
    day = None if row.get("day") is None else parse_date(read_text(row, "day"), "day")
    source = read_text(row, "source") if row.get("source") else ""
    return disclosed.ValueSource(read_text(row, "asset"), source, day)


def _received(row: Mapping[str, Any]) -> disclosed.Received:
    only_known(row, {"kind", "period", "amount"})
    period = parse_period(read_text(row, "period")).name
    amount = read_amount(row, "amount") or Fraction(0)
    return disclosed.Received(read_choice(row, "kind", disclosed.Offset), period, amount)


def _charge(row: Mapping[str, Any]) -> disclosed.Charge:
    only_known(row, {"kind", "day", "amount"})
    day = parse_date(read_text(row, "day"), "day")
    amount = read_amount(row, "amount") or Fraction(0)
    return disclosed.Charge(read_choice(row, "kind", disclosed.ChargeKind), day, amount)
