"""A custodian's Form 1099-B against ours, sale by sale: what agrees, what differs and why (F6, F8).

Ours is the broker's view. Rows are paired within account, security and day of sale: first those
that agree in lot, date and shares, then sums, since a custodian may join rows (VARIOUS) or split
them. A difference counts as explained only if its amount is the one its reason predicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Any

from opensma.tax.forms.custodian import CustodianRow
from opensma.tax.forms.rows import Difference, Form1099BRow
from opensma.tax.holding import is_long_term
from opensma.tax.replay.exact import Quantity, exact, money_text, quantity_text
from opensma.units import parse_cents, round_half_up

QUANTITY_TOLERANCE = 500  # micros a row: statements print three decimals


class Status(Enum):
    """What came of one comparison."""

    MATCHED = "matched"
    EXPLAINED = "explained"
    UNEXPLAINED = "unexplained"


class Reason(Enum):
    """Why two sides may differ and both be right, or why they cannot be compared."""

    TAXPAYER_WASH = "the household's view differs: Form 8949 corrects it"
    TAXPAYER_VIEW = "the custodian shows what the household sees"
    FEE = "a fee is counted on one side only"
    TACKING = "term by the date acquired, without the days tacked on"
    JOINED = "the custodian joined rows"
    SPLIT = "the custodian split a row"
    ROUNDING = "rounding"
    NONCOVERED = "noncovered: the custodian leaves this blank"
    NOT_THERE = "missing at the custodian"
    NOT_HERE = "missing in the trade list"
    CORRECTED = "corrected by the custodian"
    WITHDRAWN = "withdrawn by the custodian"
    ADDED = "added by the custodian"


@dataclass(frozen=True, slots=True)
class FieldDifference:
    """One box that differs, as text on both sides, and its reason where one was found."""

    box: str
    ours: str
    theirs: str
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class Item:
    """One comparison: rows of ours (by lot) against lines of the custodian's file."""

    account: str
    security: str
    sold: str
    status: Status
    reasons: tuple[Reason, ...]
    lots: tuple[str, ...]
    lines: tuple[int, ...]
    differences: tuple[FieldDifference, ...]


@dataclass(frozen=True, slots=True)
class Fees:
    """Fees of a trade list, where its events name them (`fee`): fee and net amount, in cents."""

    bought: Mapping[tuple[str, str], tuple[int, int]] = field(default_factory=dict)  # by lot
    sold: Mapping[tuple[str, str, str], tuple[int, int]] = field(default_factory=dict)  # by sale

    @staticmethod
    def of(case: Mapping[str, Any]) -> Fees:
        """From the `fee` of buys and sells. InputError number.invalid."""
        bought: dict[tuple[str, str], tuple[int, int]] = {}
        sold: dict[tuple[str, str, str], tuple[int, int]] = {}
        for event in case["events"]:
            kind, where = event.get("type"), f"event {event.get('seq')}, fee"
            if kind not in ("buy", "sell") or not (event.get("fee") and event.get("amount")):
                continue
            fee, amount = parse_cents(str(event["fee"]), where), parse_cents(event["amount"], where)
            if kind == "buy":
                bought[event["account"], event["lot"]] = fee, amount
            else:
                key = (event["account"], event["security"], event["date"])
                before = sold.get(key, (0, 0))
                sold[key] = before[0] + fee, before[1] + amount
        return Fees(bought, sold)


@dataclass(frozen=True, slots=True)
class Pairing:
    """Rows that are compared as one: often one and one."""

    ours: tuple[Form1099BRow, ...]
    theirs: tuple[CustodianRow, ...]

    @property
    def rows(self) -> int:
        """How many roundings can add up here."""
        return max(len(self.ours), len(self.theirs))


def reconcile(
    ours: Sequence[Form1099BRow],
    theirs: Sequence[CustodianRow],
    taxpayer: Iterable[Difference] = (),
    fees: Fees | None = None,
) -> list[Item]:
    """Compare our Form 1099-B with a custodian's, in order of account, security and day of sale.

    `taxpayer` are the lots on which the household's view differs from the broker's (F6).
    """
    household = {(d.account, d.lot, d.sold): d for d in taxpayer}
    cents_a_row = _cents_a_row(ours, theirs)
    groups: dict[tuple[str, str, str], tuple[list[Form1099BRow], list[CustodianRow]]] = {}
    for row in ours:
        groups.setdefault((row.account, row.security, row.sold), ([], []))[0].append(row)
    for line in theirs:
        groups.setdefault((line.account, line.security, line.sold), ([], []))[1].append(line)
    return [
        _item(key, pairing, household, fees or Fees(), cents_a_row)
        for key in sorted(groups)
        for pairing in _pairings(*groups[key])
    ]


def corrections(original: Sequence[CustodianRow], corrected: Sequence[CustodianRow]) -> list[Item]:
    """What a corrected Form 1099-B changed; both versions stay readable: ours is the first (F8)."""
    groups: dict[tuple[str, str, str], tuple[list[Form1099BRow], list[CustodianRow]]] = {}
    given: dict[int, CustodianRow] = {}
    for row in original:
        first = _as_ours(row)
        given[id(first)] = row
        groups.setdefault((row.account, row.security, row.sold), ([], []))[0].append(first)
    for row in corrected:
        groups.setdefault((row.account, row.security, row.sold), ([], []))[1].append(row)
    changes = [
        _change(key, [given[id(row)] for row in pairing.ours], pairing.theirs)
        for key in sorted(groups)
        for pairing in _pairings(*groups[key])
    ]
    return [change for change in changes if change.reasons]


# --- pairing -------------------------------------------------------------------------------------


def _pairings(ours: list[Form1099BRow], theirs: list[CustodianRow]) -> list[Pairing]:
    """Pairs from the closest likeness to the loosest; what is left stands alone."""
    mine, other, pairs = list(ours), list(theirs), list[Pairing]()
    for alike in (_identical, _same_lot, _same_shares):
        for row in list(mine):
            line = next((line for line in other if alike(row, line)), None)
            if line is not None:
                pairs.append(Pairing((row,), (line,)))
                mine.remove(row)
                other.remove(line)
    for ours_of, theirs_of in _SUMS:
        _pair_sums(mine, other, pairs, ours_of, theirs_of)
    if len(mine) == len(other) == 1:  # other shares or another date, but plainly one sale
        return [*pairs, Pairing((mine[0],), (other[0],))]
    alone = [Pairing((row,), ()) for row in mine] + [Pairing((), (line,)) for line in other]
    return pairs + alone


def _pair_sums(
    mine: list[Form1099BRow],
    other: list[CustodianRow],
    pairs: list[Pairing],
    ours_of: Callable[[Form1099BRow], str],
    theirs_of: Callable[[CustodianRow], str],
) -> None:
    """Pair groups of rows with equal numbers of shares, and take them off both lists."""
    for key in sorted({theirs_of(line) for line in other}):
        left = tuple(row for row in mine if ours_of(row) == key)
        right = tuple(line for line in other if theirs_of(line) == key)
        if left and _close(_shares(left), _shares(right), max(len(left), len(right))):
            pairs.append(Pairing(left, right))
            for row in left:
                mine.remove(row)
            for line in right:
                other.remove(line)


# Sums by lot, by date acquired, by term, and over the whole sale.
_SUMS: tuple[tuple[Callable[[Form1099BRow], str], Callable[[CustodianRow], str]], ...] = (
    (lambda row: row.lot, lambda line: line.lot),
    (lambda row: row.acquired, lambda line: line.acquired or ""),
    (lambda row: row.term, lambda line: line.term or ""),
    (lambda row: "", lambda line: ""),
)


def _identical(row: Form1099BRow, line: CustodianRow) -> bool:
    money = (row.proceeds_cents, row.basis_cents, row.wash_disallowed_cents)
    return _same_shares(row, line) and money == (
        line.proceeds_cents,
        line.basis_cents,
        line.wash_disallowed_cents,
    )


def _same_lot(row: Form1099BRow, line: CustodianRow) -> bool:
    return bool(line.lot) and row.lot == line.lot and _close(row.quantity, line.quantity, 1)


def _same_shares(row: Form1099BRow, line: CustodianRow) -> bool:
    dated = line.acquired in (None, row.acquired)
    named = not line.lot or line.lot == row.lot
    return dated and named and _close(row.quantity, line.quantity, 1)


def _shares(rows: Sequence[Form1099BRow] | Sequence[CustodianRow]) -> Quantity:
    quantities: list[Quantity] = [row.quantity for row in rows]
    return exact(sum(quantities))


def _close(ours: Quantity, theirs: Quantity, rows: int) -> bool:
    gap: Quantity = ours - theirs
    return -QUANTITY_TOLERANCE * rows <= gap <= QUANTITY_TOLERANCE * rows


# --- comparing -----------------------------------------------------------------------------------


def _item(
    key: tuple[str, str, str],
    pairing: Pairing,
    household: Mapping[tuple[str, str, str], Difference],
    fees: Fees,
    cents_a_row: int,
) -> Item:
    lots = sorted({row.lot for row in pairing.ours})
    others = [household[key[0], lot, key[2]] for lot in lots if (key[0], lot, key[2]) in household]
    both = pairing.ours and pairing.theirs
    found = _compare(pairing, fees, cents_a_row, others) if both else []
    reasons = [difference.reason for difference in found if difference.reason]
    if not both:
        reasons.append(Reason.NOT_THERE if pairing.ours else Reason.NOT_HERE)
    elif len(pairing.ours) != len(pairing.theirs):
        joined = len(pairing.ours) > len(pairing.theirs)
        reasons.append(Reason.JOINED if joined else Reason.SPLIT)
    if others and Reason.TAXPAYER_VIEW not in reasons:
        found += [line for other in others for line in _of_household(other)]
        reasons.append(Reason.TAXPAYER_WASH)
    if not both or any(difference.reason is None for difference in found):
        status = Status.UNEXPLAINED
    else:
        status = Status.EXPLAINED if reasons else Status.MATCHED
    return Item(
        *key,
        status=status,
        reasons=tuple(dict.fromkeys(reasons)),
        lots=tuple(row.lot for row in pairing.ours),
        lines=tuple(line.line for line in pairing.theirs),
        differences=tuple(found),
    )


def _of_household(other: Difference) -> list[FieldDifference]:
    """What Form 8949 will add on our side, as taxpayer less broker (F6)."""
    found = []
    for box, cents in (("1e", other.basis_cents), ("1g", other.disallowed_cents)):
        if cents:
            text = f"{'+' if cents > 0 else ''}{money_text(cents)}"
            label = f"{box} taxpayer less broker"
            found.append(FieldDifference(label, text, "", Reason.TAXPAYER_WASH))
    if "T" in other.codes:
        label = "2 taxpayer less broker"
        found.append(FieldDifference(label, "other term", "", Reason.TAXPAYER_WASH))
    return found


def _compare(
    pairing: Pairing, fees: Fees, cents_a_row: int, others: Sequence[Difference]
) -> list[FieldDifference]:
    ours, theirs = pairing.ours, pairing.theirs
    found = []
    mine, other = _shares(ours), _shares(theirs)
    if not _close(mine, other, pairing.rows):
        found.append(FieldDifference("quantity", quantity_text(mine), quantity_text(other), None))
    found += _compare_dates(pairing)
    slack = pairing.rows if cents_a_row == 1 else len(theirs) * cents_a_row + len(ours) - 1
    sale_fee, buy_fee = _fees(ours, fees)
    carried = sum(other.basis_cents for other in others)
    disallowed = sum(other.disallowed_cents for other in others)
    for box, name, fee, seen in (
        ("1d", "proceeds_cents", sale_fee, 0),
        ("1e", "basis_cents", -buy_fee, carried),
        ("1f", "market_discount_cents", 0, 0),
        ("1g", "wash_disallowed_cents", 0, disallowed),
    ):
        left, right = _sum(ours, name) or 0, _sum(theirs, name)
        if right is None and box == "1e":
            # Blank is right for noncovered lots only (F3); 1f may always be blank.
            reason = Reason.NONCOVERED if all(row.noncovered for row in ours) else None
            found.append(FieldDifference(box, money_text(left), "", reason))
        elif right is not None and left != right:
            reason = _reason_of_money(right - left, fee, seen, slack, pairing.rows)
            found.append(FieldDifference(box, money_text(left), money_text(right), reason))
    return found + _compare_terms(pairing, other_term=any("T" in other.codes for other in others))


def _reason_of_money(gap: int, fee: int, seen: int, slack: int, rows: int) -> Reason | None:
    """Why amounts differ: the household's view, a known fee left out, rounding; else None."""
    if seen and abs(gap - seen) <= rows:
        return Reason.TAXPAYER_VIEW
    if fee and abs(gap - fee) <= rows:
        return Reason.FEE
    return Reason.ROUNDING if abs(gap) <= slack else None


def _compare_dates(pairing: Pairing) -> list[FieldDifference]:
    ours = {row.acquired for row in pairing.ours}
    theirs = {line.acquired for line in pairing.theirs if line.acquired}
    mine = ours.pop() if len(ours) == 1 else "VARIOUS"
    other = theirs.pop() if len(theirs) == 1 else ("VARIOUS" if theirs else mine)
    if mine == other:
        return []
    reason = Reason.JOINED if other == "VARIOUS" and len(pairing.ours) > 1 else None
    return [FieldDifference("1b", mine, other, reason)]


def _compare_terms(pairing: Pairing, *, other_term: bool) -> list[FieldDifference]:
    found = []
    ours = {row.term for row in pairing.ours}
    theirs = {line.term for line in pairing.theirs if line.term}
    if theirs and ours != theirs:
        untacked = {_untacked(row) for row in pairing.ours}
        reason = Reason.TACKING if untacked == theirs else None
        if other_term:
            reason = Reason.TAXPAYER_VIEW
        texts = ("/".join(sorted(ours)), "/".join(sorted(theirs)))
        found.append(FieldDifference("2", *texts, reason))
    marks = {line.noncovered for line in pairing.theirs if line.noncovered is not None}
    own = {row.noncovered for row in pairing.ours}
    if marks and marks != own:
        texts = (_marks(own), _marks(marks))
        found.append(FieldDifference("5", *texts, None))
    return found


def _untacked(row: Form1099BRow) -> str:
    if not row.acquired[:1].isdigit():
        return row.term
    acquired, sold = date.fromisoformat(row.acquired), date.fromisoformat(row.sold)
    return "long" if is_long_term(acquired.toordinal(), sold.toordinal()) else "short"


def _marks(values: set[bool]) -> str:
    return "/".join("noncovered" if value else "covered" for value in sorted(values))


def _sum(rows: Sequence[Any], name: str) -> int | None:
    values: list[int | None] = [getattr(row, name) for row in rows]
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _cents_a_row(ours: Sequence[Form1099BRow], theirs: Sequence[CustodianRow]) -> int:
    """How far rounding can move an amount of one row: half a dollar on a whole-dollar statement."""
    exact_ones = any(
        cents % 100
        for row in ours
        for cents in (row.proceeds_cents, row.basis_cents, row.wash_disallowed_cents)
    )
    whole = not any(
        cents % 100
        for line in theirs
        for cents in (line.proceeds_cents, line.basis_cents or 0, line.wash_disallowed_cents)
    )
    return 50 if whole and exact_ones else 1


def _fees(ours: Sequence[Form1099BRow], fees: Fees) -> tuple[int, int]:
    """The parts of the sale's and of the purchases' fees that are in these rows (L11)."""
    sold = bought = 0
    for row in ours:
        fee, amount = fees.sold.get((row.account, row.security, row.sold), (0, 0))
        sold += round_half_up(fee * row.proceeds_cents, amount) if amount > 0 else 0
        fee, amount = fees.bought.get((row.account, row.lot), (0, 0))
        bought += round_half_up(fee * row.basis_cents, amount) if amount > 0 else 0
    return sold, bought


def _change(
    key: tuple[str, str, str], before: Sequence[CustodianRow], after: Sequence[CustodianRow]
) -> Item:
    """One sale in two versions of a statement."""
    if not (before and after):
        reasons: tuple[Reason, ...] = (Reason.WITHDRAWN if before else Reason.ADDED,)
        found = []
    else:
        texts = zip(_BOXES, _texts(before), _texts(after), strict=True)
        found = [
            FieldDifference(box, old, new, Reason.CORRECTED)
            for box, old, new in texts
            if old != new
        ]
        reasons = (Reason.CORRECTED,) if found else ()
    status = Status.EXPLAINED if reasons else Status.MATCHED
    lots, lines = tuple(row.lot for row in before), tuple(row.line for row in after)
    return Item(*key, status, reasons, lots, lines, tuple(found))


_BOXES = ("quantity", "1b", "1d", "1e", "1f", "1g", "2", "5")


def _texts(rows: Sequence[CustodianRow]) -> list[str]:
    """What a statement says of a sale, box by box; blank where it says nothing."""
    names = ("proceeds", "basis", "market_discount", "wash_disallowed")
    sums = [_sum(rows, f"{name}_cents") for name in names]
    return [
        quantity_text(_shares(rows)),
        "/".join(sorted({row.acquired or "" for row in rows})),
        *("" if cents is None else money_text(cents) for cents in sums),
        "/".join(sorted({row.term or "" for row in rows})),
        _marks({row.noncovered for row in rows if row.noncovered is not None}),
    ]


def _as_ours(row: CustodianRow) -> Form1099BRow:
    """A custodian's row in the place of ours, to compare two of its versions (F8)."""
    return Form1099BRow(
        account=row.account,
        owner="",
        security=row.security,
        lot=row.lot,
        quantity=row.quantity,
        description="",
        acquired=row.acquired or "",
        sold=row.sold,
        proceeds_cents=row.proceeds_cents,
        basis_cents=row.basis_cents or 0,
        market_discount_cents=row.market_discount_cents or 0,
        wash_disallowed_cents=row.wash_disallowed_cents,
        term=row.term or "",
        collectible=False,
        noncovered=bool(row.noncovered),
        basis_reported=not row.noncovered,
    )
