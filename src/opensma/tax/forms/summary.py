"""Totals by box, whole dollars, and Schedule D (R5, R6); when a year can still change (W22)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from opensma.calendar import is_session, previous_session, settlement_date
from opensma.errors import ensure
from opensma.tax.forms.rows import Form8949Row
from opensma.tax.netting import net_year
from opensma.tax.replay.state import State

# Line of Schedule D, its words, and the boxes of Form 8949 that lead to it. "1a" and "8a" take
# rows of A, G, D, J without any code, where the filer leaves them off Form 8949.
LINES: tuple[tuple[str, str, str], ...] = (
    ("1a", "short-term, basis reported, no adjustments, not on Form 8949", ""),
    ("1b", "short-term, Form 8949 box A or G", "AG"),
    ("2", "short-term, Form 8949 box B or H", "BH"),
    ("3", "short-term, Form 8949 box C or I", "CI"),
    ("8a", "long-term, basis reported, no adjustments, not on Form 8949", ""),
    ("8b", "long-term, Form 8949 box D or J", "DJ"),
    ("9", "long-term, Form 8949 box E or K", "EK"),
    ("10", "long-term, Form 8949 box F or L", "FL"),
)
AMPLE_INCOME_CENTS = 10**15


@dataclass(frozen=True, slots=True)
class Total:
    """A line of sums: a box of Form 8949, or a line of Schedule D; gain as in F2."""

    line: str
    text: str
    rows: int
    proceeds_cents: int  # (d)
    basis_cents: int  # (e)
    adjustment_cents: int  # (g)
    gain_cents: int  # (h)


@dataclass(frozen=True, slots=True)
class ScheduleD:
    """Lines 1a to 21 as far as sales decide them, and what carries into next year."""

    lines: tuple[Total, ...]
    short_carry_cents: int  # line 6, as a negative amount
    short_cents: int  # line 7
    long_carry_cents: int  # line 14, as a negative amount
    long_cents: int  # line 15
    total_cents: int  # line 16
    deduction_cents: int  # line 21: the loss deducted, as a negative amount; zero after a gain
    next_short_carry_cents: int
    next_long_carry_cents: int


@dataclass(frozen=True, slots=True)
class Finality:
    """Until when purchases can still change a year, and how many losses they could reach (W22)."""

    as_of: str
    last_purchase: str  # 30 January
    processed: str  # settlement of that day's trades
    final: bool
    losses_in_reach: int  # slices whose loss a later purchase could still wash


def box_totals(rows: Iterable[Form8949Row]) -> list[Total]:
    """Sums of every box that has rows (F4); they add up as the rows do (F2)."""
    by_box: dict[str, list[Form8949Row]] = {}
    for row in rows:
        by_box.setdefault(row.box, []).append(row)
    return [_total(box, f"box {box}", by_box[box]) for box in sorted(by_box)]


def whole_dollars(rows: Iterable[Form8949Row]) -> list[Form8949Row]:
    """Columns (d), (e), (g) rounded to dollars, 50 cents away from zero; (h) follows from them."""
    rounded = []
    for row in rows:
        proceeds, basis = _dollars(row.proceeds_cents), _dollars(row.basis_cents)
        adjustment = _dollars(row.adjustment_cents)
        rounded.append(
            replace(
                row,
                proceeds_cents=proceeds,
                basis_cents=basis,
                adjustment_cents=adjustment,
                gain_cents=proceeds - basis + adjustment,
            )
        )
    return rounded


def off_the_form(rows: Iterable[Form8949Row]) -> list[Form8949Row]:
    """Rows that may go to line 1a or 8a at once: basis reported, and nothing to correct.

    A lot of which a part is corrected stays on the form whole, as the broker reported it.
    """
    listed = list(rows)
    corrected = {(row.account, row.lot, row.sold) for row in listed if row.code}
    return [
        row
        for row in listed
        if row.box in "ADGJ" and (row.account, row.lot, row.sold) not in corrected
    ]


def schedule_d(
    rows: Sequence[Form8949Row],
    *,
    status: str = "single",
    short_carry_cents: int = 0,
    long_carry_cents: int = 0,
    taxable_income_cents: int | None = None,
    direct: bool = False,
) -> ScheduleD:
    """Schedule D of one return; carryovers are last year's losses as positive amounts (R5, R6).

    `direct` sends rows without corrections to lines 1a and 8a. Without an income it is taken as
    ample, so the whole allowed loss is used. InputError rates.unknown_status, netting.bad_carry.
    """
    off = set(off_the_form(rows)) if direct else set()
    lines = tuple(
        _total(line, text, _rows_of(line, boxes, rows, off)) for line, text, boxes in LINES
    )
    short = sum(total.gain_cents for total in lines[:4])
    long = sum(total.gain_cents for total in lines[4:])
    ensure(short + long == sum(row.gain_cents for row in rows), "Schedule D lost a row (D4)")
    income = AMPLE_INCOME_CENTS if taxable_income_cents is None else taxable_income_cents
    carried = {"short_carry_cents": short_carry_cents, "long_carry_cents": long_carry_cents}
    net = net_year(short, long, income, status=status, **carried)
    # Line 21 does not look at income; the worksheet for next year's carryover does.
    allowed = net_year(short, long, AMPLE_INCOME_CENTS, status=status, **carried)
    return ScheduleD(
        lines=lines,
        short_carry_cents=-short_carry_cents,
        short_cents=net.short_cents,
        long_carry_cents=-long_carry_cents,
        long_cents=net.long_cents,
        total_cents=net.short_cents + net.long_cents,
        deduction_cents=-allowed.used_cents,
        next_short_carry_cents=net.short_carry_cents,
        next_long_carry_cents=net.long_carry_cents,
    )


def finality(state: State, year: int, as_of: date) -> Finality:
    """Whether a year's forms are final as of a day: after 30 January and its processing (W22)."""
    last_purchase = date(year, 12, 31) + timedelta(days=30)
    traded = last_purchase if is_session(last_purchase) else previous_session(last_purchase)
    processed = settlement_date(traded)
    first = max(date(year, 1, 1), as_of - timedelta(days=30)).toordinal()
    in_reach = [
        row
        for row in state.closed
        if first <= row.sold_day <= date(year, 12, 31).toordinal()
        and state.accounts[row.account].taxable
        and row.gain_cents < 0
        and row.kind in ("", "cash_merger")
    ]
    return Finality(
        as_of=as_of.isoformat(),
        last_purchase=last_purchase.isoformat(),
        processed=processed.isoformat(),
        final=as_of > processed,
        losses_in_reach=len(in_reach) if state.policy.washes else 0,
    )


def _rows_of(
    line: str, boxes: str, rows: Sequence[Form8949Row], off: set[Form8949Row]
) -> list[Form8949Row]:
    if line in ("1a", "8a"):
        wanted = "AG" if line == "1a" else "DJ"
        return [row for row in rows if row.box in wanted and row in off]
    return [row for row in rows if row.box in boxes and row not in off]


def _total(line: str, text: str, rows: Sequence[Form8949Row]) -> Total:
    proceeds, basis = (
        sum(row.proceeds_cents for row in rows),
        sum(row.basis_cents for row in rows),
    )
    adjustment = sum(row.adjustment_cents for row in rows)
    gain = sum(row.gain_cents for row in rows)
    ensure(gain == proceeds - basis + adjustment, "a total does not add up (F2)", line=line)
    return Total(line, text, len(rows), proceeds, basis, adjustment, gain)


def _dollars(cents: int) -> int:
    whole = (abs(cents) + 50) // 100 * 100
    return whole if cents >= 0 else -whole
