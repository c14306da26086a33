"""The specification of an experiment: a JSON object whose fields are checked when they are read."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from opensma.calendar import parse_date
from opensma.errors import InputError


class Spec:
    """One JSON object with the place it came from; every mistake names the field."""

    def __init__(self, fields: dict[str, Any], where: str, folder: Path) -> None:
        self.fields, self.where, self.folder = fields, where, folder

    def fail(self, name: str, message: str, remedy: str) -> InputError:
        """The error about one field."""
        return InputError("growth.spec", message, where=f"{self.where}: {name}", remedy=remedy)

    def has(self, name: str) -> bool:
        """Whether the field is there and not null."""
        return self.fields.get(name) is not None

    def get(self, name: str, kind: type | tuple[type, ...], legal: str) -> Any:
        """A field of a kind; InputError growth.spec where it is missing or of another."""
        value = self.fields.get(name)
        if value is None:
            raise self.fail(name, f"The field '{name}' is missing.", f"Give {legal}.")
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise self.fail(name, f"The field '{name}' is {value!r}.", f"Give {legal}.")
        return value

    def number(
        self, name: str, default: float | None = None, *, least: float = -math.inf,
        most: float = math.inf, whole: bool = False,
    ) -> float:  # fmt: skip
        """A finite number between `least` and `most`."""
        if default is not None and not self.has(name):
            return default
        ends = f" from {least:g}" if math.isfinite(least) else ""
        ends += f" to {most:g}" if math.isfinite(most) else ""
        legal = f"a {'whole ' if whole else ''}number{ends}"
        value = float(self.get(name, (int, float), legal))
        sound = math.isfinite(value) and least <= value <= most
        if not sound or (whole and value != math.floor(value)):
            raise self.fail(name, f"The field '{name}' is {value:g}.", f"Give {legal}.")
        return value

    def fraction(self, name: str, default: float | None = None) -> float:
        """A number strictly between 0 and 1."""
        value = self.number(name, default, least=0, most=1)
        if value in (0.0, 1.0):
            raise self.fail(name, f"The field '{name}' is {value:g}.", "Give one inside 0 to 1.")
        return value

    def choice(self, name: str, legal: Sequence[str], default: str | None = None) -> str:
        """One of some words."""
        if default is not None and not self.has(name):
            return default
        value = str(self.get(name, str, f"one of {', '.join(legal)}"))
        if value not in legal:
            raise self.fail(name, f"'{value}' is not known.", f"Give one of {', '.join(legal)}.")
        return value

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        return bool(self.get(name, bool, "true or false")) if self.has(name) else default

    def numbers(self, name: str, *, least: float = 0.0, whole: bool = False) -> list[float]:
        """A list of numbers of at least `least`."""
        legal = f"a list of {'whole ' if whole else ''}numbers from {least:g}"
        values = self.get(name, list, legal)
        for value in values:
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not math.isfinite(value) or value < least:
                raise self.fail(name, f"{value!r} is not allowed here.", f"Give {legal}.")
            if whole and value != math.floor(value):
                raise self.fail(name, f"{value!r} is not a count.", f"Give {legal}.")
        return [float(value) for value in values]

    def part(self, name: str) -> Spec:
        """An object inside this one."""
        return Spec(self.get(name, dict, "an object"), f"{self.where}: {name}", self.folder)

    def period(self, name: str) -> tuple[date, date]:
        """Two dates, both included."""
        ends = self.get(name, list, "two dates [first, last]")
        if len(ends) != 2 or not all(isinstance(end, str) for end in ends):
            raise self.fail(name, f"{ends!r} are not two dates.", "Give [first, last].")
        first, last = (parse_date(end, where=f"{self.where}: {name}") for end in ends)
        if last < first:
            raise self.fail(name, f"{last} is before {first}.", "Give the earlier date first.")
        return first, last

    def file(self, name: str) -> Path:
        """A file, relative to the specification."""
        path = self.folder / str(self.get(name, str, "the path of a file"))
        if not path.is_file():
            raise self.fail(name, f"There is no file {path}.", "Paths start at the specification.")
        return path


def read_spec(file: Path) -> Spec:
    """Read a specification; InputError growth.spec_json names the line that is no JSON."""
    try:
        fields = json.loads(file.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise InputError(
            "growth.spec_json", f"This is not JSON: {error.msg}.", where=f"{file}:{error.lineno}",
            remedy="Write one JSON object.",
        ) from error  # fmt: skip
    except UnicodeDecodeError as error:
        raise InputError(
            "growth.spec_json", "The file is not UTF-8 text.", where=str(file),
            remedy="Write one JSON object in UTF-8.",
        ) from error  # fmt: skip
    if not isinstance(fields, dict):
        raise InputError(
            "growth.spec_json", "The file does not hold an object.", where=str(file),
            remedy="Write one JSON object.",
        )  # fmt: skip
    return Spec(fields, str(file), file.parent)
