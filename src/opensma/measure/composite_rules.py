"""The definition of a composite as a firm writes it down: dated rules and its stated choices.

A JSON file, read whole or refused with the place of the mistake. Nothing in it is assumed that
changes who is a member: a rule names its strategies, its date and who recorded it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from typing import Any, TypeVar

from opensma.calendar import parse_date
from opensma.errors import InputError
from opensma.measure.conventions import (
    CompositeMethod,
    Conventions,
    Dispersion,
    FeeTiming,
    FlowWeight,
)
from opensma.measure.flow_policy import read_large, read_share
from opensma.measure.membership import Definition
from opensma.measure.refusals import refuse

OUTLIER_BPS = 50.0
LEAST_VALUE = 0.01  # an account at zero has no record to continue (M13)

_TOP = {"name", "rules", "method", "flow_weight", "dispersion", "ddof", "outlier_bps"}
_TOP |= {"fee_timing"}
_RULE = {"effective", "recorded", "by", "strategies", "minimum", "cutoff_day"}
_RULE |= {"most_excluded_weight", "significant_flow", "large_flow"}
Choice = TypeVar("Choice", bound=Enum)


@dataclass(frozen=True, slots=True)
class CompositeRules:
    """A composite's name, its dated rules and the choices that its figures state."""

    name: str
    rules: tuple[Definition, ...]
    conventions: Conventions
    outlier_bps: float = OUTLIER_BPS  # a member's month further away than this gets an entry
    provisional: bool = False  # made up by the product; nobody recorded it

    @property
    def first(self) -> date:
        """The first month may begin here; nothing is a member before (M26)."""
        return min(rule.effective for rule in self.rules)


def provisional_rules(strategy: str, first_month: date) -> CompositeRules:
    """All accounts of one strategy, for a look before the firm has written its definition."""
    rule = Definition(
        strategy, first_month, first_month, "nobody", frozenset({strategy}), minimum=LEAST_VALUE
    )
    return CompositeRules(strategy, (rule,), Conventions(), provisional=True)


def read_rules(data: bytes, where: str) -> CompositeRules:
    """The definition in a JSON file; InputError with the place of the first mistake."""
    try:
        document = json.loads(data)
    except ValueError as error:
        refuse("definition_file", f"The file is no JSON: {error}.", where=where)
    top = _object(document, where, _TOP)
    rows = top.get("rules")
    if not isinstance(rows, list) or not rows:
        refuse("definition_file", "A composite has at least one rule.", where=f"{where}.rules")
    name = _text(top, "name", where)
    rules = tuple(_rule(row, name, f"{where}.rules[{i}]") for i, row in enumerate(rows))
    ddof = top.get("ddof", 1)
    if ddof not in (0, 1) or isinstance(ddof, bool):
        refuse("definition_file", "ddof is 0 or 1 (M32).", where=f"{where}.ddof")
    conventions = Conventions(
        composite_method=_choice(top, "method", CompositeMethod.AGGREGATE, where),
        dietz_weight=_choice(top, "flow_weight", FlowWeight.END_OF_DAY, where),
        dispersion=_choice(top, "dispersion", Dispersion.EQUAL_STD, where),
        dispersion_ddof=ddof,
        risk_ddof=ddof,
        fee_timing=_choice(top, "fee_timing", FeeTiming.DEBIT_DATE, where),
    )
    outlier = _number(top, "outlier_bps", OUTLIER_BPS, where)
    return CompositeRules(name, rules, conventions, outlier)


def _rule(row: object, name: str, where: str) -> Definition:
    given = _object(row, where, _RULE)
    strategies = given.get("strategies")
    if not isinstance(strategies, list) or not all(isinstance(s, str) for s in strategies):
        refuse("definition_file", "strategies is a list of ids.", where=f"{where}.strategies")
    effective = _day(given, "effective", where)
    if effective.day != 1:
        refuse(
            "definition_file",
            "A rule holds from the first day of a month.",
            where=f"{where}.effective",
            remedy="Members are in or out for whole months.",
        )
    cutoff = _number(given, "cutoff_day", 15, where)
    significant = read_share(given, "significant_flow", where)
    large = read_large(given, "large_flow", where)
    try:
        return Definition(
            name,
            effective,
            _day(given, "recorded", where),
            _text(given, "by", where),
            frozenset(strategies),
            cutoff_day=int(cutoff),
            minimum=max(LEAST_VALUE, _number(given, "minimum", 0.0, where)),
            most_excluded_weight=_number(given, "most_excluded_weight", 1.0, where),
            significant_flow=significant,
            large_flow=large,
        )
    except InputError as error:  # the same refusal, with its place in the file
        raise InputError(error.code, error.message, where=where, remedy=error.remedy) from None


def _object(value: object, where: str, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        refuse("definition_file", "An object is expected here.", where=where)
    if unknown := sorted(value.keys() - known):
        refuse(
            "definition_file",
            f"Unknown: {', '.join(unknown)}.",
            where=where,
            remedy=f"Known are {', '.join(sorted(known))}.",
        )
    return value


def _text(given: Mapping[str, Any], name: str, where: str) -> str:
    value = given.get(name)
    if not isinstance(value, str) or not value.strip():
        refuse("definition_file", f"'{name}' is missing.", where=f"{where}.{name}")
    return value


def _day(given: Mapping[str, Any], name: str, where: str) -> date:
    return parse_date(_text(given, name, where), where=f"{where}.{name}")


def _number(given: Mapping[str, Any], name: str, default: float, where: str) -> float:
    value = given.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e15:
        refuse("definition_file", f"'{name}' is a number, zero or more.", where=f"{where}.{name}")
    return float(value)


def _choice(given: Mapping[str, Any], name: str, default: Choice, where: str) -> Choice:
    kind = type(default)
    value = given.get(name, default.value)
    found = [one for one in kind if one.value == value]
    if not found:
        names = ", ".join(str(one.value) for one in kind)
        refuse("definition_file", f"'{name}' is one of {names}.", where=f"{where}.{name}")
    return found[0]
