"""Events of a case: put in order (D6), and read field by field with errors that say what is wrong.

An event is read completely before anything changes (D7). A number is decimal text, never a JSON
number: those are binary floats in most programs (D2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import lru_cache
from typing import Any

from opensma.errors import LotError
from opensma.tax.replay.exact import Quantity
from opensma.units import CENTS, MICROS

MOST_DECIMALS = 12
LONGEST_NUMBER = 40  # characters
YEARS = range(1000, 9000)  # far from both ends of the calendar, since dates are moved
_DECIMAL = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_RATIO = re.compile(r"[0-9]+(\.[0-9]+)?(/[0-9]+(\.[0-9]+)?)?")


@dataclass(frozen=True, slots=True)
class Event:
    """One event: its place in time, and its fields as given."""

    day: int
    sequence: int
    kind: str
    fields: Mapping[str, Any]

    @property
    def where(self) -> str:
        """How errors name the event."""
        return f"event {self.sequence}"

    def has(self, name: str) -> bool:
        """Whether the field is given."""
        return self.fields.get(name) is not None

    def text(self, name: str) -> str:
        """A name: account, security, lot. LotError event.missing, event.not_text."""
        value = self._given(name)
        if not isinstance(value, str) or not value:
            raise self.invalid("event.not_text", f"'{name}' is not a name: {value!r}.")
        return value

    def quantity(self, name: str = "qty", of: Mapping[str, Any] | None = None) -> Quantity:
        """Shares, in micros: greater than zero, at most twelve decimals (D2)."""
        number = self._scaled(name, MOST_DECIMALS, MICROS, of)
        if number <= 0:
            given = (self.fields if of is None else of)[name]
            raise self.invalid(
                "event.bad_quantity",
                f"'{name}' must be greater than zero, and is {given}.",
                "Give the shares without a sign: the type of the event says where they go.",
            )
        return number

    def cents(self, name: str, *, negative: bool = False) -> int:
        """Money in cents; more than two decimals is an error, never a rounding (D1)."""
        number = self._scaled(name, 2, CENTS)
        if number < 0 and not negative:
            raise self.invalid("event.negative", f"'{name}' is negative.")
        return int(number)

    def amount(self, name: str) -> Fraction:
        """A price or a fraction, exact, not negative."""
        number = Fraction(self._scaled(name, 30, 1))
        if number < 0:
            raise self.invalid("event.negative", f"'{name}' is negative.")
        return number

    def ratio(self, name: str = "ratio") -> Fraction:
        """New shares per old share: '2', '3/2', '1/10' (C1). LotError event.bad_ratio."""
        value = self.text(name)
        known = len(value) <= LONGEST_NUMBER and _RATIO.fullmatch(value)
        if not known or not all(Fraction(part) for part in value.split("/")):
            raise self.invalid("event.bad_ratio", f"'{value}' is not a ratio such as 2 or 3/2.")
        first, _, second = value.partition("/")
        return Fraction(first) / Fraction(second or 1)

    def date(self, name: str) -> int:
        """Another day, as its ordinal."""
        return day_of(self.text(name), name, self.where)

    def invalid(self, code: str, message: str, remedy: str = "") -> LotError:
        """An error that names this event."""
        return LotError(
            code, message, where=self.where, remedy=remedy or "Correct this event and replay."
        )

    def _given(self, name: str, of: Mapping[str, Any] | None = None) -> Any:
        value = (self.fields if of is None else of).get(name)
        if value is None:
            raise self.invalid("event.missing", f"A {self.kind} needs '{name}'.")
        return value

    def _scaled(
        self, name: str, decimals: int, scale: int, of: Mapping[str, Any] | None = None
    ) -> Quantity:
        value = self._given(name, of)
        plain = isinstance(value, str) and len(value) <= LONGEST_NUMBER
        if not plain or not _DECIMAL.fullmatch(value):
            raise self.invalid(
                "event.not_decimal",
                f"'{name}' is not decimal text: {value!r}.",
                'Write numbers as text in plain decimals: "12.50".',
            )
        whole, _, rest = value.partition(".")
        if not rest:
            return int(whole) * scale
        if len(rest.rstrip("0")) > decimals:
            raise self.invalid(
                "event.decimals",
                f"'{name}' has more than {decimals} decimals: {value}.",
                "Round it yourself: this program never rounds what it is given.",
            )
        number, power = int(whole + rest) * scale, 10 ** len(rest)
        return number // power if number % power == 0 else Fraction(number, power)


class Located(dict[str, Any]):
    """The fields of an event that was read from a file, and the line where it starts."""

    __slots__ = ("file", "line")

    def __init__(self, fields: Mapping[str, Any], line: int, file: str) -> None:
        super().__init__(fields)
        self.line, self.file = line, file

    def like(self, fields: Mapping[str, Any]) -> Located:
        """Other fields from the same place."""
        return Located(fields, self.line, self.file)


def in_order(events: Sequence[Event]) -> list[Event]:
    """Events by date, then sequence; the order they are listed in has no meaning (D6)."""
    return sorted(events, key=lambda event: (event.day, event.sequence))


def sequence_of(fields: object) -> int | None:
    """The number of an event as given, None where it has none."""
    sequence = fields.get("seq") if isinstance(fields, Mapping) else None
    return sequence if isinstance(sequence, int) and not isinstance(sequence, bool) else None


def day_of(text: object, name: str, where: str) -> int:
    """A date written YYYY-MM-DD as its ordinal. LotError event.bad_date."""
    day = _ordinal(text) if isinstance(text, str) else None
    if day is not None:
        return day
    raise LotError(
        "event.bad_date",
        f"'{name}' is not a date: {text!r}.",
        where=where,
        remedy="Write dates as YYYY-MM-DD.",
    )


@lru_cache(maxsize=1 << 14)
def _ordinal(text: str) -> int | None:
    """A day of the calendar; a history names the same days often."""
    try:
        if len(text) == len("2024-01-31"):
            day = date.fromisoformat(text)
            return day.toordinal() if day.year in YEARS else None
    except ValueError:  # not a day of the calendar
        pass
    return None


def event_of(fields: Mapping[str, Any]) -> Event:
    """The frame of one event: number, date, type. LotError event.bad_seq, event.bad_date."""
    sequence = sequence_of(fields)
    if sequence is None:
        raise LotError(
            "event.bad_seq",
            f"An event has no whole number as 'seq': {fields!r:.80}.",
            where="events",
            remedy="Number the events; 'seq' orders the events of one date.",
        )
    day = day_of(fields.get("date"), "date", f"event {sequence}")
    kind = str(fields.get("type"))
    if kind == "worthless":  # a loss of the last day of the year, by section 165(g)
        day = date(date.fromordinal(day).year, 12, 31).toordinal()
    return Event(day, sequence, kind, fields)
