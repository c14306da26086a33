"""What is known about one version of an ad: its row, its figures, facts on record, its text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from opensma.errors import InputError
from opensma.growth.warehouse.store import query

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection

YES, NO = "yes", "no"


@dataclass(frozen=True, slots=True)
class Figure:
    """One performance figure as shown: a fraction, yearly where the period is over a year."""

    composite_id: str
    start: date
    end: date
    basis: str
    fee_bps: int | None
    value: float
    font_px: int | None
    weight: int | None
    contrast: float | None

    @property
    def period(self) -> tuple[str, date, date]:
        """What must be equal between gross and net."""
        return self.composite_id, self.start, self.end

    @property
    def words(self) -> str:
        """`growth 2024-01-01 to 2024-12-31 net`."""
        return f"{self.composite_id} {self.start} to {self.end} {self.basis}"


@dataclass(frozen=True, slots=True)
class Fact:
    """Something on record about an ad: in its text (needs), or kept beside it (records)."""

    value: str
    owner: str | None
    sha256: str | None
    recorded_on: date


@dataclass(frozen=True, slots=True)
class Ad:
    """One version of an ad with everything that its checks may ask."""

    ad_id: str
    version: int
    audience: str
    flags: Mapping[str, bool]
    first_use: date
    last_use: date  # today while it is in use
    in_use: bool
    sha256: str
    approver: str | None
    retention_until: date | None
    figures: Sequence[Figure]
    facts: Mapping[str, Fact]
    promoter_paid_c: int | None  # in the 12 months before the last use, from the spend
    text: str | None = None
    text_sha256: str | None = None

    def said(self, name: str) -> str | None:
        """The value of a fact, or None."""
        return self.facts[name].value if name in self.facts else None

    def yes(self, name: str) -> bool:
        """Whether a fact is on record as yes."""
        return self.said(name) == YES

    def number(self, name: str) -> int | None:
        """A fact that is a whole number."""
        text = self.said(name)
        if text is None:
            return None
        if not text.strip().lstrip("-").isdigit():
            raise InputError(
                "growth.ad_fact", f"'{text}' is no whole number.",
                where=f"{self.ad_id} version {self.version}, fact {name}",
                remedy="Load the fact again under a new version of the ad.",
            )  # fmt: skip
        return int(text)


# When a rule concerns an ad at all, by the word of the rule's data.
CONCERNS: Mapping[str, Callable[[Ad], bool]] = {
    "": lambda ad: True,
    "testimonial": lambda ad: ad.flags["testimonial"],
    "testimonial_paid": lambda ad: ad.flags["testimonial"] and ad.said("endorser_paid") != NO,
    "promoter": lambda ad: ad.flags["testimonial"] and ad.said("endorser_paid") != NO,
    "ineligible": lambda ad: ad.yes("ineligible_person"),
    "rating": lambda ad: ad.flags["rating"],
    "performance": lambda ad: ad.flags["performance"],
    "performance_not_private": lambda ad: ad.flags["performance"] and not ad.yes("private_fund"),
    "related": lambda ad: ad.yes("related_performance"),
    "extract": lambda ad: ad.yes("extracted_performance"),
    "characteristic": lambda ad: ad.yes("characteristic"),
    "hypothetical": lambda ad: ad.flags["hypothetical"] and not ad.yes("interactive_tool"),
    "tool": lambda ad: ad.yes("interactive_tool"),
    "predecessor": lambda ad: ad.yes("predecessor_performance"),
    "broker": lambda ad: ad.yes("via_broker_dealer"),
    "broker_projection": lambda ad: (
        ad.yes("via_broker_dealer") and (ad.flags["hypothetical"] or ad.yes("projection"))
    ),
    "gips": lambda ad: ad.yes("gips_claim"),
    "gips_performance": lambda ad: ad.yes("gips_claim") and ad.flags["performance"],
}
_FLAGS = ("performance", "hypothetical", "testimonial", "rating")


@dataclass(frozen=True, slots=True)
class Texts:
    """Ads' own texts by ad and version, with the hash of the file."""

    found: Mapping[tuple[str, int], tuple[str, str]] = field(default_factory=dict)


def read_ads(
    connection: Connection, today: date, texts: Texts, ad_id: str | None = None
) -> list[Ad]:
    """Every version of every ad, or of one; InputError for an ad that is not there."""
    rows = query(connection, "SELECT * FROM ad ORDER BY ad_id, version")
    if ad_id is not None:
        rows = [row for row in rows if row["ad_id"] == ad_id]
        if not rows:
            raise InputError(
                "growth.ad_unknown", f"There is no ad '{ad_id}'.", where="--ad",
                remedy="Load it: ad.csv, ad_figure.csv and ad_fact.csv of sma growth load.",
            )  # fmt: skip
    return [_ad(connection, row, today, texts) for row in rows]


def _ad(connection: Connection, row: Mapping[str, Any], today: date, texts: Texts) -> Ad:
    key = (row["ad_id"], row["version"])
    figures = query(
        connection,
        'SELECT * FROM ad_figure WHERE ad_id = ? AND version = ? ORDER BY composite_id, "from", '
        '"to", basis', key,
    )  # fmt: skip
    facts = query(connection, "SELECT * FROM ad_fact WHERE ad_id = ? AND version = ?", key)
    known = {f["fact"]: Fact(f["value"], f["owner"], f["sha256"], f["recorded_on"]) for f in facts}
    last = row["last_use"] or max(today, row["first_use"])
    text, digest = texts.found.get(key, (None, None))
    return Ad(
        row["ad_id"], row["version"], row["audience"],
        {name: row[f"contains_{name}"] for name in _FLAGS}, row["first_use"], last,
        row["last_use"] is None, row["sha256"], row["approver"], row["retention_until"],
        [_figure(f) for f in figures], known, _paid(connection, known, last), text, digest,
    )  # fmt: skip


def _figure(row: Mapping[str, Any]) -> Figure:
    return Figure(
        row["composite_id"], row["from"], row["to"], row["basis"], row["fee_bps"], row["value"],
        row["font_px"], row["weight"], row["contrast"],
    )  # fmt: skip


def _paid(connection: Connection, facts: Mapping[str, Fact], last: date) -> int | None:
    """What the promoter was paid in 12 months, by the spend that ties to the ledger (AD-B3)."""
    if "promoter_payee_id" not in facts:
        return None
    row = query(
        connection,
        "SELECT CAST(coalesce(sum(amount_c), 0) AS BIGINT) AS paid FROM spend "
        "WHERE kind = 'promoter' AND payee_id = ? AND date <= ? "
        "AND date > CAST(? AS DATE) - INTERVAL 12 MONTH",
        [facts["promoter_payee_id"].value, last, last],
    )[0]
    return int(row["paid"])
