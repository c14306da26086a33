"""The ad rules as dated data: which version of which rule held on a day (AD-A0 to AD-G2)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from opensma.errors import InputError

NOTE = "A working aid, not legal advice: no finding does not mean that an ad keeps the law."


@dataclass(frozen=True, slots=True)
class AdRule:
    """One version of a rule. `needs` are facts that must stand in the ad, `records` are kept."""

    rule_id: str
    version: str
    effective_from: date
    effective_to: date | None
    kind: str  # D data, T text that only flags, H a record of people
    severity: str  # block, or flag where it rests on a view of the staff
    title: str
    text: str
    source: str
    verified: str
    verified_on: date | None
    when: str
    needs: tuple[str, ...]
    records: tuple[str, ...]

    def holds(self, day: date) -> bool:
        """Whether this version was in force on a day."""
        return self.effective_from <= day and (self.effective_to is None or day < self.effective_to)


@dataclass(frozen=True, slots=True)
class AdRules:
    """All versions of all rules, under the version of the file."""

    version: str
    rules: tuple[AdRule, ...]


def load_ad_rules(path: Path | None = None) -> AdRules:
    """Our own rules, or those of a file in the same shape."""
    if path is None:
        text = files("opensma.growth").joinpath("rules/ads.json").read_text(encoding="utf-8")
    else:
        text = path.read_text(encoding="utf-8")
    where = "ads.json" if path is None else str(path)
    try:
        document = json.loads(text)
        rules = tuple(_rule(row) for row in document["rules"])
        version = str(document["version"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            "growth.ad_rules", f"The rules cannot be read: {error}.", where=where,
            remedy="Take src/opensma/growth/rules/ads.json as the pattern.",
        ) from error  # fmt: skip
    _check_versions(rules, where)
    return AdRules(version, rules)


def _rule(row: dict[str, Any]) -> AdRule:
    dates = {name: _day(row[name]) for name in ("effective_to", "verified_on")}
    return AdRule(**{
        **row, **dates, "effective_from": date.fromisoformat(row["effective_from"]),
        "needs": tuple(row["needs"]), "records": tuple(row["records"]),
    })  # fmt: skip


def _day(text: str | None) -> date | None:
    return None if text is None else date.fromisoformat(text)


def _check_versions(rules: Sequence[AdRule], where: str) -> None:
    """Two versions of one rule never hold on the same day."""
    for rule in rules:
        twins = [r for r in rules if r is not rule and r.rule_id == rule.rule_id]
        if any(twin.holds(rule.effective_from) for twin in twins):
            raise InputError(
                "growth.ad_rules", f"Two versions of {rule.rule_id} hold on one day.", where=where,
                remedy="End the older one on the day the newer begins.",
            )  # fmt: skip
