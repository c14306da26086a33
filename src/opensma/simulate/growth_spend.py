"""What the demo programme spent, month by month, as its general ledger has it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import numpy as np

# Channel, kind, cents in a usual month, account of the general ledger.
_USUAL = (
    ("paid_search", "media", 380_000, "6110"),
    ("paid_social", "media", 210_000, "6110"),
    ("display", "media", 120_000, "6110"),
    ("webinar", "event", 150_000, "6120"),
    ("webinar", "people", 240_000, "6210"),
    ("email", "tech", 90_000, "6310"),
    ("wholesaler", "people", 1_450_000, "6210"),
    ("organic_search", "people", 160_000, "6210"),
    ("platform", "platform_fee", 125_000, "6410"),
)
_CONFERENCE_MONTHS = (3, 6, 10)
# Wholesaler territories and their share of what media are bought; the rest runs everywhere.
TERRITORIES = ("central", "east", "west")
_SHARES = (0.3, 0.4, 0.3)
_CENTS_PER_THOUSAND = 4_500  # of a thousand impressions


def monthly_spend(
    first: date, last: date, seed: int
) -> Iterator[tuple[str | int | date | None, ...]]:
    """Rows of the spend table, from a first month to the last whole one."""
    rng = np.random.default_rng([seed, 41])
    month = date(first.year, first.month, 1)
    while month <= last:
        half = f"{month.year}h{1 if month.month <= 6 else 2}"
        growth = 1 + 0.12 * (month.year - first.year)
        rows = [(c, k, int(usual * growth * rng.uniform(0.85, 1.2)), gl)
                for c, k, usual, gl in _USUAL]  # fmt: skip
        if month.month in _CONFERENCE_MONTHS:
            rows.append(("conference", "event", int(2_800_000 * rng.uniform(0.8, 1.25)), "6120"))
        if rng.random() < 0.35:
            rows.append(("referral_partner", "promoter", int(rng.uniform(40_000, 95_000)), "6510"))
        for channel, kind, cents, gl in rows:
            payee = "partner-1" if kind == "promoter" else None
            campaign = None if channel in {"organic_search", "platform"} else f"{channel}-{half}"
            name = f"sp-{month:%Y%m}-{channel}-{kind}"
            for part, territory, share in _parts(name, kind, cents):
                seen = share * 1000 // _CENTS_PER_THOUSAND if kind == "media" else None
                yield (part, month, channel, campaign, kind, share, f"{gl}-{month:%Y%m}", payee,
                       territory, seen)  # fmt: skip
        month = date(month.year + month.month // 12, month.month % 12 + 1, 1)


def _parts(name: str, kind: str, cents: int) -> Iterator[tuple[str, str | None, int]]:
    """Media are bought by territory, to the cent; everything else is one row."""
    if kind != "media":
        yield name, None, cents
        return
    left = cents
    for territory, share in zip(TERRITORIES, _SHARES, strict=True):
        part = left if territory == TERRITORIES[-1] else int(cents * share)
        left -= part
        yield f"{name}-{territory}", territory, part
