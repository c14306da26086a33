"""Inputs of a case: numbers, dates and lists, each with an error that names its place."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from datetime import date
from fractions import Fraction
from typing import Any, NoReturn

from opensma.calendar import parse_date
from opensma.errors import InputError


class Written(float):
    """A number that remembers how it was written: fees are exact on the digits of the file."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> Written:
        """From the literal in the file."""
        number = super().__new__(cls, text)
        number.text = text
        return number


def refuse(code: str, message: str, *, where: str = "", remedy: str = "") -> NoReturn:
    """Raise the InputError `case.<code>`."""
    raise InputError(f"case.{code}", message, where=where, remedy=remedy)


class Fields:
    """One JSON object of a case; every reader knows where it is."""

    def __init__(self, values: object, where: str) -> None:
        if not isinstance(values, Mapping):
            refuse("not_an_object", "An object is expected here.", where=where)
        self.values: Mapping[str, Any] = values
        self.where = where

    def place(self, name: str) -> str:
        """The path of a field."""
        return f"{self.where}.{name}"

    def has(self, name: str) -> bool:
        """True when the field is there and not null."""
        return self.values.get(name) is not None

    def _get(self, name: str) -> Any:
        if not self.has(name):
            refuse(
                "missing",
                f"'{name}' is missing.",
                where=self.place(name),
                remedy="Supply the value; nothing is assumed for it.",
            )
        return self.values[name]

    def number(self, name: str) -> float:
        """A finite number."""
        return _number(self._get(name), self.place(name))

    def exact(self, name: str) -> Fraction:
        """A number exactly as written."""
        value = self._get(name)
        _number(value, self.place(name))
        return Fraction(value.text) if isinstance(value, Written) else Fraction(value)

    def exact_or_none(self, name: str) -> Fraction | None:
        """A number exactly as written, or null."""
        return self.exact(name) if self.has(name) else None

    def exacts(self, name: str) -> list[Fraction]:
        """A list of numbers exactly as written."""
        items = self._list(name)
        whole = Fields({str(i): item for i, item in enumerate(items)}, self.place(name))
        return [whole.exact(str(i)) for i in range(len(items))]

    def whole(self, name: str) -> int:
        """A whole number, as `31` or `31.0`."""
        value = self.number(name)
        if not value.is_integer():
            refuse("not_whole", f"{value} is not a whole number.", where=self.place(name))
        return int(value)

    def text(self, name: str) -> str:
        """Text that is not empty."""
        value = self._get(name)
        if not isinstance(value, str) or not value:
            refuse("not_text", "Text is expected here.", where=self.place(name))
        return value

    def day(self, name: str) -> date:
        """An ISO date."""
        return parse_date(self.text(name), where=self.place(name))

    def _list(self, name: str) -> list[Any]:
        value = self._get(name)
        if not isinstance(value, list):
            refuse("not_a_list", "A list is expected here.", where=self.place(name))
        return value

    def numbers(self, name: str) -> list[float]:
        """A list of finite numbers."""
        return [_number(v, f"{self.place(name)}[{i}]") for i, v in enumerate(self._list(name))]

    def days(self, name: str) -> list[date]:
        """A list of ISO dates."""
        items = self._list(name)
        return [self._nth_day(name, i, item) for i, item in enumerate(items)]

    def _nth_day(self, name: str, index: int, item: object) -> date:
        where = f"{self.place(name)}[{index}]"
        if not isinstance(item, str):
            refuse("flow_without_date", "A date is expected here.", where=where)
        return parse_date(item, where=where)

    def texts(self, name: str) -> list[str]:
        """A list of texts."""
        items = self._list(name)
        if not all(isinstance(item, str) for item in items):
            refuse("not_text", "Only texts are expected in this list.", where=self.place(name))
        return items

    def rows(self, name: str) -> list[Fields]:
        """A list of objects."""
        return [Fields(v, f"{self.place(name)}[{i}]") for i, v in enumerate(self._list(name))]

    def lists(self, name: str) -> list[list[Fields]]:
        """A list of lists of objects."""
        outer = self._list(name)
        whole = Fields({str(i): item for i, item in enumerate(outer)}, self.place(name))
        return [whole.rows(str(i)) for i in range(len(outer))]

    def part(self, name: str) -> Fields:
        """An object inside this one."""
        return Fields(self._get(name), self.place(name))

    def parts(self) -> Iterator[tuple[str, Fields]]:
        """Every field as an object of its own."""
        for name in self.values:
            yield name, self.part(name)

    def weights(self, name: str) -> dict[str, float]:
        """An object of numbers."""
        part = self.part(name)
        return {key: part.number(key) for key in part.values}


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        refuse(
            "not_a_number",
            f"{value!r} is not a number.",
            where=where,
            remedy="Write numbers without quotes.",
        )
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        refuse("not_finite", "This number is not finite.", where=where)
    return number
