"""One history under two tax systems: where basis and gain differ (W26, R8).

A state without a wash sale rule recognises a loss that federal law moves into other shares, so the
same sale and the same open lot have two bases and two holding dates there.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from opensma.errors import ensure
from opensma.tax.replay.exact import Quantity, exact
from opensma.tax.replay.state import State

# States whose own policy differs; `Policy(jurisdiction=...)` knows the same names (P7).
OWN_BASIS = ("PA",)


@dataclass(frozen=True, slots=True)
class BasisDifference:
    """A lot, sold on a day or still open, with federal and state figures side by side."""

    account: str
    security: str
    lot: str
    sold_day: int | None  # None: open
    quantity: Quantity
    federal_basis_cents: int
    state_basis_cents: int
    federal_gain_cents: int  # recognised, 0 while open
    state_gain_cents: int
    federal_long: Quantity  # shares that are long-term on the day of sale, 0 while open
    state_long: Quantity


@dataclass(slots=True)
class _Sums:
    quantity: Quantity = 0
    basis_cents: int = 0
    gain_cents: int = 0
    long: Quantity = 0


Key = tuple[str, str, str, int | None]


def compare(federal: State, state: State) -> tuple[BasisDifference, ...]:
    """Lots whose figures differ, sales first; both states are one history under two policies."""
    ours, theirs = _by_lot(federal), _by_lot(state)
    ensure(set(ours) == set(theirs), "two jurisdictions of different histories")
    found = []
    for key in sorted(ours, key=lambda k: (k[3] is None, k[3] or 0, k)):
        a, b = ours[key], theirs[key]
        ensure(a.quantity == b.quantity, "a lot sold in one jurisdiction only", key=key)
        if (a.basis_cents, a.gain_cents, a.long) != (b.basis_cents, b.gain_cents, b.long):
            found.append(
                BasisDifference(
                    *key,
                    a.quantity,
                    a.basis_cents,
                    b.basis_cents,
                    a.gain_cents,
                    b.gain_cents,
                    a.long,
                    b.long,
                )
            )
    return tuple(found)


def year_gains(state: State, year: int, accounts: frozenset[str] | None = None) -> tuple[int, int]:
    """(short, long) recognised in a year in taxable accounts, all of them or those named."""
    short = long = 0
    for row in state.closed:
        account = state.accounts[row.account]
        wanted = account.taxable and (accounts is None or account.name in accounts)
        if wanted and date.fromordinal(row.sold_day).year == year:
            if row.long_term:
                long += row.gain_cents
            else:
                short += row.gain_cents
    return short, long


def _by_lot(state: State) -> dict[Key, _Sums]:
    sums: dict[Key, _Sums] = {}
    for row in state.closed:
        account = state.accounts[row.account]
        if not account.taxable:
            continue
        at = sums.setdefault((account.name, row.security, row.lot, row.sold_day), _Sums())
        at.quantity = exact(at.quantity + row.quantity)
        at.basis_cents += row.basis_cents
        at.gain_cents += row.gain_cents
        at.long = exact(at.long + row.quantity * row.long_term)
    for lots in state.positions.values():
        for lot in lots:
            account = state.accounts[lot.account]
            if account.taxable:
                key = (account.name, state.names[lot.security], lot.lot, None)
                at = sums.setdefault(key, _Sums())
                at.quantity = exact(at.quantity + lot.quantity)
                at.basis_cents += lot.basis_cents
    return sums
