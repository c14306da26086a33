"""Rows of Form 8949 from a replay, and where the broker's 1099-B will differ (F1 to F7). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from opensma.errors import ensure
from opensma.tax.replay.exact import Quantity, quantity_text
from opensma.tax.replay.lots import Closed
from opensma.tax.replay.state import State

# F3: brokers report the basis of stock bought from here on. Funds and reinvestment plans follow
# a year later: pass another day for them.
COVERED_FROM_DAY = date(2011, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Form8949Row:
    """One line of the form; `gain = proceeds - basis + adjustment` (F2)."""

    account: str
    owner: str
    box: str  # A, B short-term; D, E long-term: basis reported or not (F4)
    description: str  # column (a)
    acquired: str  # (b): a date, or INHERITED (F1)
    sold: str  # (c)
    proceeds_cents: int  # (d)
    basis_cents: int  # (e), earlier wash adjustments included
    code: str  # (f)
    adjustment_cents: int  # (g)
    gain_cents: int  # (h)


@dataclass(frozen=True, slots=True)
class Difference:
    """Shares on which broker and taxpayer view differ, with the codes to correct it (F6)."""

    account: str
    security: str
    lot: str
    sold: str
    codes: str  # B basis, T term, W wash sale: alphabetical (F5)
    basis_cents: int  # taxpayer less broker
    disallowed_cents: int


def form_8949(
    state: State, year: int, covered_from_day: int = COVERED_FROM_DAY
) -> list[Form8949Row]:
    """Sales of a year in taxable accounts, in order of account, term, date and lot (F4, F7).

    Box C, F and the boxes of digital assets are not decided here: they need the broker's forms.
    """
    rows = [row for row in state.closed if _reported(state, row, year)]
    rows.sort(key=lambda row: (row.account, row.long_term, row.sold_day, row.security, row.lot))
    lines = [_line(state, row, covered_from_day) for row in rows]
    for line in lines:
        total = line.proceeds_cents - line.basis_cents + line.adjustment_cents
        ensure(line.gain_cents == total, "a row of Form 8949 does not add up (F2)", row=line)
    return lines


def differences(taxpayer: State, broker: State) -> list[Difference]:
    """Lots sold whose basis, term or disallowed loss the broker sees otherwise (F6, W18).

    Both are the same history, run under `view: taxpayer` and `view: broker`.
    """
    mine, theirs = _by_sale(taxpayer), _by_sale(broker)
    ensure(set(mine) == set(theirs), "two views of different histories")
    found = []
    for key in sorted(mine):
        basis, disallowed, long_term = (a - b for a, b in zip(mine[key], theirs[key], strict=True))
        marks = (("B", basis), ("T", long_term), ("W", disallowed))
        codes = "".join(code for code, difference in marks if difference)
        if codes:
            account, security, lot, sold_day = key
            name = taxpayer.accounts[account].name
            sold = date.fromordinal(sold_day).isoformat()
            found.append(Difference(name, security, lot, sold, codes, int(basis), int(disallowed)))
    return found


def _reported(state: State, row: Closed, year: int) -> bool:
    in_year = date.fromordinal(row.sold_day).year == year
    return in_year and state.accounts[row.account].taxable


def _line(state: State, row: Closed, covered_from_day: int) -> Form8949Row:
    account = state.accounts[row.account]
    covered = row.acquired_day >= covered_from_day
    boxes = ("D", "E") if row.long_term else ("A", "B")
    return Form8949Row(
        account=account.name,
        owner=account.owner,
        box=boxes[0] if covered else boxes[1],
        description=f"{quantity_text(row.quantity)} {row.security}",
        acquired="INHERITED" if row.inherited else date.fromordinal(row.acquired_day).isoformat(),
        sold=date.fromordinal(row.sold_day).isoformat(),
        proceeds_cents=row.proceeds_cents,
        basis_cents=row.basis_cents,
        code="W" if row.disallowed_cents else "",
        adjustment_cents=row.disallowed_cents,
        gain_cents=row.gain_cents,
    )


def _by_sale(state: State) -> dict[tuple[int, str, str, int], tuple[int, int, Quantity]]:
    """Basis, disallowed loss and long-term shares of every lot and day of sale."""
    sums: dict[tuple[int, str, str, int], tuple[int, int, Quantity]] = {}
    for row in _taxable(state):
        key = (row.account, row.security, row.lot, row.sold_day)
        basis, disallowed, long_term = sums.get(key, (0, 0, 0))
        sums[key] = (
            basis + row.basis_cents,
            disallowed + row.disallowed_cents,
            long_term + row.quantity * row.long_term,
        )
    return sums


def _taxable(state: State) -> Iterable[Closed]:
    return (row for row in state.closed if state.accounts[row.account].taxable)
