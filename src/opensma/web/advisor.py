"""The advisor's book: households, what needs somebody, and how far each account has drifted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from opensma.access import requests
from opensma.access.store import Access
from opensma.book.drift import Drift, sector_drift
from opensma.book.rights import Right
from opensma.book.views import ProgramRow
from opensma.book.visible import visible_accounts
from opensma.web.portal import Portal

PER_PAGE = 40
_STEPS = (0.005, 0.01, 0.02, 0.04)  # active weights at which the shade grows


@dataclass(frozen=True, slots=True)
class HouseholdRow:
    """One household: its accounts, their value, and what waits for somebody."""

    taxpayer: str
    rows: tuple[ProgramRow, ...]
    value_cents: int
    exceptions: int
    open_requests: int


@dataclass
class AdvisorPages:
    """Pages of whoever serves accounts."""

    portal: Portal
    access: Access

    def households(self, _request: Request) -> Response:
        """Households with exceptions and requests first."""
        view = self.portal.program_seen()
        asked = requests.of_accounts(self.access, [r.account.account_id for r in view.rows])
        waiting = [one.account_id for one in asked if one.open]
        groups: dict[str, list[ProgramRow]] = {}
        for row in view.rows:
            groups.setdefault(row.account.taxpayer_id, []).append(row)
        found = [_household(rows, waiting) for rows in groups.values()]
        found.sort(key=lambda h: (-h.exceptions, -h.open_requests, -h.value_cents))
        return self.portal.page("households.html", found=found[:500], total=len(found))

    def drift(self, request: Request) -> Response:
        """Account by sector: active weight, shaded; the accounts farthest away first."""
        with self.portal.book.read() as connection:
            accounts = visible_accounts(connection, self.portal.viewer, Right.EXCEPTIONS)
            newest = self.portal.program_seen().run
            day = date.fromisoformat(newest.day).toordinal() if newest else 0
            drift = sector_drift(connection, self.portal.market, accounts, day) if day else None
        page = request.query_params.get("page", "1")
        number = int(page) if page.isascii() and page.isdigit() and 0 < len(page) < 6 else 1
        order = [] if drift is None else farthest(drift)
        pages = max(1, -(-len(order) // PER_PAGE))
        number = min(max(number, 1), pages)
        shown = order[(number - 1) * PER_PAGE : number * PER_PAGE]
        return self.portal.page(
            "drift.html", drift=drift, shown=shown, page=number, pages=pages, shade=shade,
            total=len(order),
        )  # fmt: skip


def farthest(drift: Drift) -> list[int]:
    """Rows by the sum of absolute active weights, the largest first; those without value last."""
    size = np.nan_to_num(np.abs(drift.weights).sum(axis=1), nan=-1.0)
    return [int(row) for row in np.argsort(-size, kind="stable")]


def shade(weight: float) -> str:
    """Class of a cell: over or under the model, and how far; the figure stands in it too."""
    step = sum(abs(weight) >= bound for bound in _STEPS)
    side = "over" if weight > 0 else "under"
    return f"{side}-{step}" if step else ""


def _household(rows: list[ProgramRow], waiting: list[str]) -> HouseholdRow:
    names = {row.account.account_id for row in rows}
    return HouseholdRow(
        rows[0].taxpayer,
        tuple(rows),
        sum(row.measures.value_cents for row in rows if row.measures is not None),
        sum(row.exceptions for row in rows),
        sum(name in names for name in waiting),
    )
