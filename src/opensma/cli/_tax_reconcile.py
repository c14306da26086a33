"""What `sma tax reconcile` answers: every comparison, and what a corrected statement changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click

from opensma.cli.output import table
from opensma.errors import InputError
from opensma.tax.forms import (
    CustodianRow,
    Fees,
    Item,
    Setup,
    Status,
    corrections,
    differences,
    form_1099b,
    read_custodian,
    reconcile,
    two_views,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """All comparisons of a year, and the changes between two versions of the statement (F8)."""

    year: int
    items: list[Item]
    changes: list[Item]
    left_out: list[str]  # accounts with sales that the statement does not name

    @property
    def unexplained(self) -> int:
        """Comparisons that nothing explains."""
        return self._count(Status.UNEXPLAINED)

    def document(self) -> dict[str, Any]:
        """One JSON document."""
        counts = {status.value: self._count(status) for status in Status}
        items = [_plain(item) for item in self.items]
        told: dict[str, Any] = {"year": self.year, "counts": counts, "items": items}
        told["accounts_not_on_the_statement"] = self.left_out
        if self.changes:
            told["corrections"] = [_plain(item) for item in self.changes]
        return told

    def show(self) -> None:
        """A table of what differs; what agrees is only counted."""
        differing = [item for item in self.items if item.status is not Status.MATCHED]
        if differing:
            _table(f"Form 1099-B, {self.year}: what differs", differing, "ours", "custodian")
        if self.changes:
            _table("What the corrected statement changed", self.changes, "first", "corrected")
        counts = ", ".join(f"{self._count(status)} {status.value}" for status in Status)
        click.echo(f"{len(self.items)} compared: {counts}.")
        if self.left_out:
            click.echo(f"Not on this statement, so not compared: {', '.join(self.left_out)}.")

    def _count(self, status: Status) -> int:
        return sum(item.status is status for item in self.items)


def compare(case: Mapping[str, Any], statements: Sequence[str], year: int, account: str) -> Answer:
    """Ours against the last of the statements; the one before it is the version it corrects."""
    taxpayer, broker = two_views(case)
    versions = [_of_year(read_custodian(text, account), year) for text in statements]
    ours = form_1099b(broker, year, Setup.of(case))
    # A statement says nothing about accounts it does not name: those of another custodian.
    named = {row.account for rows in versions for row in rows} | ({account} - {""})
    if not named:
        raise InputError(
            "custodian.empty",
            "The statement has no rows, so it names no account.",
            where="1099B.csv",
            remedy="If it is one account's, name it: --account A.",
        )
    compared = [row for row in ours if row.account in named]
    items = reconcile(compared, versions[-1], differences(taxpayer, broker), Fees.of(case))
    changes = corrections(*versions) if len(versions) > 1 else []
    left_out = sorted({row.account for row in ours} - named)
    return Answer(year, items, changes, left_out)


def _of_year(rows: Sequence[CustodianRow], year: int) -> list[CustodianRow]:
    for row in rows:
        if row.sold[:4] != f"{year:04}":
            raise InputError(
                "custodian.year",
                f"A sale of {row.sold} is not of {year}.",
                where=f"line {row.line}",
                remedy="Give the statement of this year, or another --year.",
            )
    return list(rows)


def _plain(item: Item) -> dict[str, Any]:
    return {
        "account": item.account,
        "security": item.security,
        "sold": item.sold,
        "status": item.status.value,
        "reasons": [reason.name.lower() for reason in item.reasons],
        "lots": list(item.lots),
        "lines": list(item.lines),
        "differences": [
            {
                "box": difference.box,
                "ours": difference.ours,
                "theirs": difference.theirs,
                "reason": difference.reason.name.lower() if difference.reason else None,
            }
            for difference in item.differences
        ],
    }


def _table(title: str, items: Sequence[Item], ours: str, theirs: str) -> None:
    columns = ("account", "security", "sold", "lots", "lines", "box", ours, theirs, "why")
    table(title, columns, [cells for item in items for cells in _cells(item)])


def _cells(item: Item) -> list[tuple[str, ...]]:
    """A line for each box that differs, and for each reason that no box shows."""
    lines = " ".join(str(line) for line in item.lines)
    place = (item.account, item.security, item.sold, " ".join(item.lots), lines)
    named = {found.reason for found in item.differences}
    told: list[tuple[str, ...]] = []
    for found in item.differences:
        why = found.reason.value if found.reason else "UNEXPLAINED"
        told.append((*place, found.box, found.ours, found.theirs, why))
    bare = [reason.value for reason in item.reasons if reason not in named]
    return told + [(*place, "", "", "", why) for why in bare]
