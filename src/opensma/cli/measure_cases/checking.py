"""Answer every case of a file, and compare what is expected; one wrong case stops no other."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from opensma.cli.measure_cases import after_tax, attribution, composites, fees, mwr, risk, twr
from opensma.cli.measure_cases.choices import Choices
from opensma.cli.measure_cases.fields import Fields, Written, refuse
from opensma.cli.measure_cases.operation import Operation
from opensma.cli.output import plain
from opensma.errors import OpensmaError

OPERATIONS: dict[str, Operation] = {
    name: operation
    for module in (twr, mwr, composites, risk, attribution, after_tax, fees)
    for name, operation in module.OPERATIONS.items()
}
_KNOWN = frozenset(name for operation in OPERATIONS.values() for name in operation.rules)
DEFAULT_TOLERANCE = 1e-9  # where a case expects a number and gives no tolerance for it


def read_cases(data: bytes, where: str) -> list[Any]:
    """The list in a file. InputError case.not_json, case.not_a_list."""
    try:
        cases = json.loads(data, parse_float=Written)
    except (ValueError, RecursionError) as error:  # also text that is not UTF-8
        refuse(
            "not_json",
            f"This file is not JSON: {error}.",
            where=where,
            remedy="Give one JSON list of cases.",
        )
    if not isinstance(cases, list):
        refuse(
            "not_a_list",
            "This file does not hold a JSON list.",
            where=where,
            remedy="Give one JSON list of cases, each with id, op, inputs and conventions.",
        )
    return cases


def check_cases(cases: list[Any]) -> list[dict[str, Any]]:
    """One answer for each case, in the order of the file."""
    seen: set[str] = set()
    return [_answer(case, seen) for case in cases]


def passed(answers: list[dict[str, Any]]) -> bool:
    """True when nothing differs and nothing failed; a case without `expected` cannot differ."""
    return all(a["ok"] is not False and "error" not in a for a in answers)


def _answer(case: object, seen: set[str]) -> dict[str, Any]:
    given = case if isinstance(case, Mapping) else {}
    answer: dict[str, Any] = {
        "id": plain(given.get("id")),
        "computed": None,
        "expected": plain(given.get("expected")),
        "ok": False,
    }
    try:
        answer["computed"] = _compute(Fields(case, "case"), seen)
        if "expected" in given:
            tolerance = given.get("tolerance")
            answer["ok"] = matches(given["expected"], answer["computed"], tolerance)
        else:
            answer["ok"] = None
    except OpensmaError as error:
        answer["computed"] = None
        answer["error"] = str(error)
    except ArithmeticError as error:  # a power or quotient that no float can hold
        answer["computed"] = None
        answer["error"] = f"case.arithmetic: {error}"
    return answer


def _compute(case: Fields, seen: set[str]) -> Any:
    name = case.text("id")
    if name in seen:
        refuse("id_twice", f"The id '{name}' appears twice.", where=name, remedy="Rename one.")
    seen.add(name)
    op = case.text("op")
    if op not in OPERATIONS:
        refuse(
            "op_unknown",
            f"There is no operation '{op}'.",
            where=f"{name}.op",
            remedy=f"Use one of {', '.join(OPERATIONS)}.",
        )
    operation = OPERATIONS[op]
    conventions = Fields(case.values.get("conventions", {}), f"{name}.conventions")
    choices = Choices(conventions, operation.rules, _KNOWN)
    inputs = Fields(case.values.get("inputs"), f"{name}.inputs")
    computed = operation.compute(inputs, choices)
    _check_finite(computed, name)
    return plain(computed)


def _check_finite(value: object, where: str) -> None:
    """A figure that is not finite is an error, never a null."""
    if hasattr(value, "tolist"):  # numpy scalars and arrays
        value = value.tolist()
    if isinstance(value, Mapping):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for item in value:
            _check_finite(item, where)
    elif isinstance(value, float) and not math.isfinite(value):
        refuse("not_finite", "A result is not finite.", where=where)


def matches(expected: object, computed: object, tolerance: object, key: str = "default") -> bool:
    """True when every part of `expected` is in `computed`, numbers within the tolerance."""
    if isinstance(expected, bool) or isinstance(computed, bool):
        return type(expected) is type(computed) and expected == computed
    if isinstance(expected, int | float) and isinstance(computed, int | float):
        close = abs(computed - expected) <= _tolerance(tolerance, key)
        return math.isfinite(computed) and close
    if isinstance(expected, Mapping) and isinstance(computed, Mapping):
        return all(
            name in computed and matches(item, computed[name], tolerance, name)
            for name, item in expected.items()
        )
    if isinstance(expected, list) and isinstance(computed, list):
        return len(expected) == len(computed) and all(
            matches(e, c, tolerance, key) for e, c in zip(expected, computed, strict=True)
        )
    return type(expected) is type(computed) and expected == computed


def _tolerance(given: object, key: str) -> float:
    if isinstance(given, Mapping):
        given = given.get(key, given.get("default"))
    if isinstance(given, bool) or not isinstance(given, int | float):
        return DEFAULT_TOLERANCE
    return float(given)
