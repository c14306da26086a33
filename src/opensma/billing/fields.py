"""Fields of a record of terms: each read once, and what is wrong said with its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from enum import Enum
from fractions import Fraction
from typing import Any, TypeVar

from opensma.billing import terms
from opensma.billing.exact import refuse
from opensma.calendar import parse_date
from opensma.units import CENTS, parse_cents

E = TypeVar("E", bound=Enum)
T = TypeVar("T")


def only_known(record: Mapping[str, Any], names: set[str]) -> None:
    """Refuse a field that nobody reads."""
    if extra := sorted(set(record) - names):
        refuse("field", f"Unknown field '{extra[0]}'; known are {', '.join(sorted(names))}.")


def read_text(record: Mapping[str, Any], name: str) -> str:
    """A text that must be there."""
    value = record.get(name)
    if not isinstance(value, str) or not value.strip():
        refuse("field", "A text is missing.", where=name)
    return value


def read_choice(record: Mapping[str, Any], name: str, kind: type[E], default: E | None = None) -> E:
    """One of the values of an enum."""
    value = record.get(name)
    if value is None and default is not None:
        return default
    values = {str(item.value): item for item in kind}
    if not isinstance(value, str) or value not in values:
        refuse("field", f"{value!r} is none of {', '.join(values)}.", where=name)
    return values[value]


def read_amount(record: Mapping[str, Any], name: str) -> Fraction | None:
    """Dollars of zero or more in whole cents; None where there are none."""
    value = record.get(name)
    if value is None:
        return None
    cents = parse_cents(str(value), name)
    if cents < 0:
        refuse("negative", "The amount must be zero or more.", where=name)
    return Fraction(cents, CENTS)


def read_rate(value: Any, name: str) -> Fraction:
    """A yearly fraction with at most eight decimals (B3)."""
    try:
        rate = Fraction(str(value))
    except (ValueError, ZeroDivisionError):
        refuse("rate", f"'{value}' is no rate.", where=name)
    if rate < 0 or rate > 1 or (rate * 10**8).denominator != 1:
        refuse("rate", f"'{value}' is no yearly share with at most 8 decimals.", where=name)
    return rate


def read_version(record: Mapping[str, Any]) -> int:
    """A whole number from 1."""
    version = record.get("version")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        refuse("field", "Versions are numbered from 1.", where="version")
    return version


def read_dates(
    record: Mapping[str, Any], first: str, last: str, default: date | None
) -> terms.Dates:
    """First and last day; the first may have a default."""
    if record.get(first) is None and default is not None:
        start = default
    else:
        start = parse_date(read_text(record, first), first)
    end = None if record.get(last) is None else parse_date(read_text(record, last), last)
    if end is not None and end < start:
        refuse("dates", f"The last day {end} is before the first, {start}.", where=last)
    return terms.Dates(start, end)


def read_each(
    record: Mapping[str, Any], name: str, read: Callable[[Mapping[str, Any]], T]
) -> list[T]:
    """Every object of a list, read."""
    rows = record.get(name) or []
    if not isinstance(rows, list) or not all(isinstance(row, Mapping) for row in rows):
        refuse("field", "A list of objects is expected.", where=name)
    return [read(row) for row in rows]
