"""All rules against all ads: each rule in the versions of the first and the last use."""

from __future__ import annotations

import hashlib
import html
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from opensma.errors import InputError
from opensma.growth.ads import checks, performance
from opensma.growth.ads.facts import CONCERNS, NO, Ad, Texts
from opensma.growth.ads.rules import AdRule, AdRules
from opensma.growth.ads.said import Context, Recompute, Said, recorded

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection


class Result(Enum):
    """What a check may come to."""

    FINDING = "finding"
    NO_FINDING = "no_finding"
    NOT_APPLICABLE = "not_applicable"
    NEEDS_HUMAN = "needs_human"


@dataclass(frozen=True, slots=True)
class Checked:
    """One rule version against one ad; the details are sentences."""

    ad_id: str
    version: int
    rule_id: str
    rule_version: str
    severity: str
    result: Result
    detail: str


# Rules that need more than their lists of facts and records.
CODED: Mapping[str, Callable[[Ad, Context], Said]] = {
    "AD-A0": checks.scope,
    "AD-A1-7": checks.general,
    "AD-B1": checks.placed,
    "AD-B2": checks.terms,
    "AD-B3": checks.agreement,
    "AD-B4": checks.ineligible,
    "AD-D1": performance.net_with_gross,
    "AD-D2": performance.standard_periods,
    "AD-D3": checks.approval,
    "AD-D4": checks.related,
    "AD-D5": performance.extract,
    "AD-D8": performance.audience_fee,
    "AD-R1": checks.retention,
    "AD-R2": checks.adv,
    "AD-F1": checks.principal,
    "AD-F3": checks.projection,
}
_MARKETING = ("AD-A", "AD-B", "AD-C", "AD-D")


def check_ads(
    ads: Sequence[Ad], rules: AdRules, recompute: Recompute | None = None
) -> list[Checked]:
    """Every ad against the rules of its first and last use."""
    return [
        check(ad, rule, Context(uses, recompute))
        for ad in ads
        for rule in rules.rules
        if (uses := [day for day in _uses(ad) if rule.holds(day)]) or not _older(rules, rule)
    ]


def _uses(ad: Ad) -> list[date]:
    return sorted({ad.first_use, ad.last_use})


def _older(rules: AdRules, rule: AdRule) -> bool:
    """A version beside others says nothing where it did not hold; a single one says why."""
    return sum(other.rule_id == rule.rule_id for other in rules.rules) > 1


def check(ad: Ad, rule: AdRule, context: Context) -> Checked:
    """The rule's facts and records first, then what only code can compare."""
    if not context.uses:
        text = f"In force from {rule.effective_from}; the ad was last used on {ad.last_use}."
        if rule.effective_to is not None and rule.effective_to <= ad.first_use:
            text = f"In force until {rule.effective_to}."
        return _checked(ad, rule, Result.NOT_APPLICABLE, text)
    outside = out_of_scope(ad)
    if outside and rule.rule_id.startswith(_MARKETING):
        return _checked(ad, rule, Result.NOT_APPLICABLE, outside)
    if not CONCERNS[rule.when](ad):
        return _checked(ad, rule, Result.NOT_APPLICABLE, "The ad holds nothing of this kind.")
    missing = [n for n in rule.needs if ad.said(n) in (None, NO) and not _may_be_no(n, ad)]
    wrong = [f"{_words(name)} is not stated" for name in missing]
    ask = [f"no record of {_words(name)}" for name in rule.records if not recorded(ad, name)]
    found = CODED[rule.rule_id](ad, context) if rule.rule_id in CODED else Said()
    wrong, ask = [*wrong, *found.wrong], [*ask, *found.ask]
    if wrong:
        return _checked(ad, rule, Result.FINDING, _sentences([*wrong, *ask]))
    if ask:
        return _checked(ad, rule, Result.NEEDS_HUMAN, _sentences(ask))
    return _checked(ad, rule, Result.NO_FINDING, found.fine)


def _may_be_no(name: str, ad: Ad) -> bool:
    """`endorser_client: no` is a disclosure as good as yes."""
    return name in ("endorser_client", "endorser_paid") and ad.said(name) == NO


def _words(name: str) -> str:
    return name.replace("_", " ")


def _sentences(parts: Sequence[str]) -> str:
    return " ".join(f"{part[0].upper()}{part[1:]}." for part in parts)


def _checked(ad: Ad, rule: AdRule, result: Result, detail: str) -> Checked:
    return Checked(ad.ad_id, ad.version, rule.rule_id, rule.version, rule.severity, result, detail)


def out_of_scope(ad: Ad) -> str:
    """Why the Marketing Rule does not reach this piece, or nothing (AD-A0)."""
    if ad.yes("oral_live"):
        return "Live oral talk is no advertisement."
    if ad.yes("regulatory_notice"):
        return "A notice that a regulator requires is no advertisement."
    size = ad.number("audience_size")
    if size is not None and size <= 1 and not ad.flags["hypothetical"]:
        return "It went to one person and holds no hypothetical performance."
    return ""


# --- what surrounds the checks -------------------------------------------------------------------


def read_texts(folder: Path | None) -> Texts:
    """Texts of ads from files AD_ID-VERSION.txt or .html; tags are taken out of the latter."""
    found = {}
    for path in sorted(folder.iterdir()) if folder else ():
        name = re.fullmatch(r"(.+)-(\d+)\.(txt|html)", path.name)
        if not name:
            raise InputError(
                "growth.ad_text", "The file's name is no ad and version.", where=str(path),
                remedy="Call it AD_ID-VERSION.txt or AD_ID-VERSION.html.",
            )  # fmt: skip
        raw = path.read_bytes()
        text = raw.decode("utf-8", errors="replace")
        if name[3] == "html":
            text = html.unescape(re.sub(r"<[^>]*>", " ", text))
        found[name[1], int(name[2])] = (text, hashlib.sha256(raw).hexdigest())
    return Texts(found)


def record_checks(connection: Connection, found: Sequence[Checked], checked_at: str) -> int:
    """Add the results as rows of `ad_check`; the same second adds nothing twice."""
    connection.execute("DELETE FROM ad_check WHERE checked_at = CAST(? AS TIMESTAMP)", [checked_at])
    rows = [
        (c.ad_id, c.version, c.rule_id, c.rule_version, c.result.value, c.detail, checked_at)
        for c in found
    ]
    if rows:
        connection.executemany(
            "INSERT INTO ad_check VALUES (?, ?, ?, ?, ?, ?, CAST(? AS TIMESTAMP))", rows
        )
    return len(rows)
