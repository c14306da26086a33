"""Rows of Forms 1099-B and 8949 from a replay, and where the two views differ (F1 to F7). Pure.

Two views of one history go in (W18): what the broker sees of one account and security, and what
the taxpayer owes, over the household. `two_views` runs both.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache
from itertools import groupby
from typing import Any

from opensma.errors import InputError, ensure
from opensma.tax.forms.setup import Kind, Sale, Setup
from opensma.tax.replay import run
from opensma.tax.replay.exact import Quantity, cut, exact, quantity_text
from opensma.tax.replay.lots import Closed
from opensma.tax.replay.state import State

Slice = tuple[Closed, Closed]  # the same shares as the taxpayer and as the broker sees them
Key = tuple[int, str, str, int, str]  # account, security, lot, day of sale, kind of closing


@dataclass(frozen=True, slots=True)
class Form8949Row:
    """One line of the form; `gain = proceeds - basis + adjustment` (F2)."""

    account: str
    owner: str
    box: str  # F4
    description: str  # column (a)
    acquired: str  # (b): a date, or INHERITED (F1)
    sold: str  # (c)
    proceeds_cents: int  # (d)
    basis_cents: int  # (e): what the broker reported, where it did
    code: str  # (f): alphabetical (F5)
    adjustment_cents: int  # (g)
    gain_cents: int  # (h)
    household: str = ""
    security: str = ""
    lot: str = ""


@dataclass(frozen=True, slots=True)
class Form1099BRow:
    """One sale as the broker reports it (F1); gain = 1d - 1e + 1g (F2)."""

    account: str
    owner: str
    security: str
    lot: str
    quantity: Quantity
    description: str  # 1a
    acquired: str  # 1b: a date, INHERITED or VARIOUS
    sold: str  # 1c
    proceeds_cents: int  # 1d
    basis_cents: int  # 1e: earlier wash adjustments included
    market_discount_cents: int  # 1f
    wash_disallowed_cents: int  # 1g: the broker's view only (F6)
    term: str  # 2: short or long
    collectible: bool  # 3
    noncovered: bool  # 5
    basis_reported: bool  # 12

    @property
    def gain_cents(self) -> int:
        """Recognised gain (F2)."""
        return self.proceeds_cents - self.basis_cents + self.wash_disallowed_cents


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


def two_views(case: Mapping[str, Any]) -> tuple[State, State]:
    """A trade list as the taxpayer sees it, and as the broker does (P6, W18)."""
    first = run(case)
    view = "broker" if first.policy.view == "taxpayer" else "taxpayer"
    second = run(case, replace(first.policy, view=view))
    return (first, second) if view == "broker" else (second, first)


def form_8949(
    state: State, year: int, broker: State | None = None, setup: Setup | None = None
) -> list[Form8949Row]:
    """Sales of a year in taxable accounts, in order of account, term, date and lot (F4, F7).

    With the broker's view, column (e) is what the broker reported, and codes B, T and W lead to
    the taxpayer's gain (F6). InputError forms.lots_differ, forms.adjustment, forms.digital_wash.
    """
    setup = setup or Setup()
    left = _adjustments_of(setup, year)
    if broker is None:
        rows = sorted(_of_year(state, year), key=_place)
        lines = [_line_8949(state, (row, row), setup, left) for row in rows]
    else:
        slices = sorted(_slices(state, broker, year), key=lambda pair: _place(pair[0]))
        lines = [_line_8949(state, pair, setup, left) for pair in slices]
    _check_used(left)
    return lines


def form_1099b(
    broker: State, year: int, setup: Setup | None = None, *, joined: bool = False
) -> list[Form1099BRow]:
    """What the broker reports of a year (F1, F7); run the history under `view: broker`.

    `joined` makes one row of the lots of one day's sales that are alike in term and coverage,
    acquired VARIOUS; rows with a disallowed loss stay apart (W23). InputError forms.view.
    """
    if broker.policy.view != "broker":
        raise InputError(
            "forms.view",
            "Form 1099-B is the broker's view, and this history was run for the taxpayer.",
            where="view",
            remedy="Run it with Policy(view='broker').",
        )
    setup = setup or Setup()
    left = _adjustments_of(setup, year)
    sold = [row for row in _of_year(broker, year) if _on_1099b(broker, row, setup)]
    lines = [_line_1099b(broker, row, setup, left) for row in sorted(sold, key=_place)]
    return _joined(lines) if joined else lines


def differences(taxpayer: State, broker: State) -> list[Difference]:
    """Lots sold whose basis, term or disallowed loss the broker sees otherwise (F6, W18).

    Both are the same history, run under `view: taxpayer` and `view: broker`.
    InputError forms.lots_differ.
    """
    mine, theirs = _by_sale(taxpayer), _by_sale(broker)
    _check_same_lots(set(mine), set(theirs))
    found = []
    for key in sorted(mine):
        basis, disallowed, long_term = (a - b for a, b in zip(mine[key], theirs[key], strict=True))
        marks = (("B", basis), ("T", long_term), ("W", disallowed))
        codes = "".join(code for code, difference in marks if difference)
        if codes:
            account, security, lot, sold_day = key
            name = taxpayer.accounts[account].name
            found.append(
                Difference(name, security, lot, _iso(sold_day), codes, int(basis), int(disallowed))
            )
    return found


# --- Form 8949 -----------------------------------------------------------------------------------


def _line_8949(
    state: State, pair: Slice, setup: Setup, left: dict[Sale, Mapping[str, int]]
) -> Form8949Row:
    row, seen = pair
    account, sold = state.accounts[row.account], _iso(row.sold_day)
    box = setup.box(account.name, row)
    # Where no basis went to the IRS the right one is entered at once; only what it was told
    # needs a correction (F5, F6).
    basis = seen.basis_cents if box in "ADGJ" else row.basis_cents
    codes = _codes(pair, setup, basis if box in "ADGJ" else None)
    if left:
        codes |= left.pop((account.name, row.lot, sold), {})
    adjustment = sum(codes.values()) if codes else 0
    return Form8949Row(
        account.name,
        account.owner,
        box,
        f"{quantity_text(row.quantity)} {row.security}",
        _acquired(row),
        sold,
        row.proceeds_cents,
        basis,
        "".join(sorted(codes)) if codes else "",
        adjustment,
        row.proceeds_cents - basis + adjustment,
        account.household,
        row.security,
        row.lot,
    )


def _codes(pair: Slice, setup: Setup, reported_cents: int | None) -> dict[str, int]:
    """Codes that follow from trades and kinds, with their part of column (g) (F5)."""
    row, seen = pair
    codes: dict[str, int] = {}
    kind = setup.kind(row.security)
    if row.disallowed_cents:
        _check_digital(row, kind)
        codes["W"] = row.disallowed_cents
    if reported_cents is not None and seen is not row:
        if reported_cents != row.basis_cents:
            codes["B"] = reported_cents - row.basis_cents
        if seen.long_term != row.long_term:
            codes["T"] = 0
    if setup.kinds and kind is Kind.COLLECTIBLE:
        codes["C"] = 0
    return codes


def _slices(state: State, broker: State, year: int) -> list[Slice]:
    ours, theirs = _by_key(_of_year(state, year)), _by_key(_of_year(broker, year))
    _check_same_lots(set(ours), set(theirs))
    return [pair for key in ours for pair in _aligned(ours[key], theirs[key])]


def _aligned(mine: Sequence[Closed], theirs: Sequence[Closed]) -> list[Slice]:
    """The same shares of a lot in both views, cut wherever either view cuts (W23).

    Shares of one lot are alike, so any pairing gives the same sums; this one needs few codes.
    """
    ours, seen = sorted(mine, key=_likeness), sorted(theirs, key=_likeness)
    pairs: list[Slice] = []
    while ours and seen:
        quantity = min(ours[0].quantity, seen[0].quantity)
        pairs.append((_take(ours, quantity), _take(seen, quantity)))
    ensure(not ours and not seen, "two views sold different numbers of shares of a lot (I3)")
    return pairs


def _take(rows: list[Closed], quantity: Quantity) -> Closed:
    """Shares off the first row; what is left of it stays first (D3)."""
    first = rows.pop(0)
    if first.quantity == quantity:
        return first
    disallowed = cut(first.disallowed_cents, quantity, first.quantity)
    rest = replace(first, disallowed_cents=first.disallowed_cents - disallowed)
    part = replace(rest.cut(quantity), disallowed_cents=disallowed)
    rows.insert(0, rest)
    return part


def _likeness(row: Closed) -> tuple[bool, bool, Quantity]:
    return row.long_term, row.disallowed_cents > 0, row.quantity


def _check_digital(row: Closed, kind: Kind) -> None:
    if kind is Kind.DIGITAL:
        raise InputError(
            "forms.digital_wash",
            f"{row.security} is a digital asset, and a wash sale was found: that rule does not"
            " reach digital assets (W25).",
            where=f"lot {row.lot}",
            remedy="Keep digital assets in a trade list of their own, with wash_sales off.",
        )


def _adjustments_of(setup: Setup, year: int) -> dict[Sale, Mapping[str, int]]:
    return {sale: codes for sale, codes in setup.adjustments.items() if sale[2][:4] == f"{year:04}"}


def _check_used(left: Mapping[Sale, object]) -> None:
    for account, lot, sold in left:
        raise InputError(
            "forms.adjustment",
            f"No taxable sale of lot {lot} in account {account} on {sold}.",
            where="forms.adjustments",
            remedy="Correct account, lot or date of this adjustment.",
        )


# --- Form 1099-B ---------------------------------------------------------------------------------


def _on_1099b(broker: State, row: Closed, setup: Setup) -> bool:
    """Digital assets have Form 1099-DA, and before that none at all."""
    box = setup.box(broker.accounts[row.account].name, row)
    return box in "ABDE" and setup.kind(row.security) is not Kind.DIGITAL


def _line_1099b(
    broker: State, row: Closed, setup: Setup, left: dict[Sale, Mapping[str, int]]
) -> Form1099BRow:
    account, covered = broker.accounts[row.account], setup.covered(row)
    codes = left.pop((account.name, row.lot, _iso(row.sold_day)), {})
    line = Form1099BRow(
        account=account.name,
        owner=account.owner,
        security=row.security,
        lot=row.lot,
        quantity=row.quantity,
        description=f"{quantity_text(row.quantity)} {row.security}",
        acquired=_acquired(row),
        sold=_iso(row.sold_day),
        proceeds_cents=row.proceeds_cents,
        basis_cents=row.basis_cents,
        market_discount_cents=-codes.get("D", 0),
        wash_disallowed_cents=row.disallowed_cents,
        term="long" if row.long_term else "short",
        collectible=setup.kind(row.security) is Kind.COLLECTIBLE,
        noncovered=not covered,
        basis_reported=covered,
    )
    ensure(line.gain_cents == row.gain_cents, "a row of Form 1099-B does not add up (F2)", row=line)
    return line


def _joined(lines: Sequence[Form1099BRow]) -> list[Form1099BRow]:
    apart = [line for line in lines if line.wash_disallowed_cents]
    alike = sorted((line for line in lines if not line.wash_disallowed_cents), key=_alike)
    merged = [_join(list(group)) for _, group in groupby(alike, key=_alike)]
    return sorted([*apart, *merged], key=lambda line: (line.account, line.term, line.sold))


def _alike(line: Form1099BRow) -> tuple[str, str, str, str, bool]:
    return line.account, line.security, line.sold, line.term, line.noncovered


def _join(lines: Sequence[Form1099BRow]) -> Form1099BRow:
    first, quantity = lines[0], exact(sum(line.quantity for line in lines))
    dates, lots = {line.acquired for line in lines}, {line.lot for line in lines}
    return replace(
        first,
        lot=first.lot if len(lots) == 1 else "",
        quantity=quantity,
        description=f"{quantity_text(quantity)} {first.security}",
        acquired=first.acquired if len(dates) == 1 else "VARIOUS",
        proceeds_cents=sum(line.proceeds_cents for line in lines),
        basis_cents=sum(line.basis_cents for line in lines),
        market_discount_cents=sum(line.market_discount_cents for line in lines),
    )


# --- shared --------------------------------------------------------------------------------------


def _of_year(state: State, year: int) -> list[Closed]:
    """What closed in a year in taxable accounts (F7)."""
    first, last = date(year, 1, 1).toordinal(), date(year, 12, 31).toordinal()
    return [row for row in _taxable(state) if first <= row.sold_day <= last]


def _place(row: Closed) -> tuple[int, bool, int, str, str]:
    return row.account, row.long_term, row.sold_day, row.security, row.lot


def _acquired(row: Closed) -> str:
    return "INHERITED" if row.inherited else _iso(row.acquired_day)


def _by_key(rows: Iterable[Closed]) -> dict[Key, list[Closed]]:
    grouped: dict[Key, list[Closed]] = {}
    for row in rows:
        key = (row.account, row.security, row.lot, row.sold_day, row.kind)
        grouped.setdefault(key, []).append(row)
    return grouped


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


def _check_same_lots(mine: set[tuple[Any, ...]], theirs: set[tuple[Any, ...]]) -> None:
    for _, security, lot, sold_day, *_ in sorted(mine ^ theirs):
        raise InputError(
            "forms.lots_differ",
            f"The method picks other lots in the broker's view than in the taxpayer's: lot {lot}"
            f" of {security}, sold {_iso(sold_day)}, is in one of them only.",
            where="events",
            remedy="Name the lots that were sold with 'picks': what was sold is a fact.",
        )


def _taxable(state: State) -> Iterable[Closed]:
    return (row for row in state.closed if state.accounts[row.account].taxable)


@lru_cache(maxsize=4096)
def _iso(day: int) -> str:
    return date.fromordinal(day).isoformat()
