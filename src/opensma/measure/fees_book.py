"""Management fees of an account from the book's fee ledger, on days; net returns from them.

Net is gross less what was charged for the account, also where another account paid it (M19, B6).
A fee that was collected is missing in the account's values since its debit: gross gives it back,
and net takes it off once, on that day (B39). One that is not collected yet counts on its due day.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np

from opensma.book.debits import collected_days, fee_cash
from opensma.book.invoices import account_charges
from opensma.book.master import AccountRecord, all_records
from opensma.book.series import DailyValues
from opensma.book.store import Connection
from opensma.measure.conventions import FeeTiming
from opensma.measure.refusals import Floats, refuse
from opensma.measure.returns import gross_and_net
from opensma.units import Ints, split_cents


@dataclass(frozen=True, slots=True)
class BookedFee:
    """What one standing invoice charges one account; days as ordinals, refunds negative."""

    account_id: str
    first_day: int  # of the service
    last_day: int
    debit_day: int  # when it was collected; before, in advance the first day served, else the last
    cents: int
    taken_cents: int = 0  # cash that left this account on the debit day, for itself or another


def booked_fees(connection: Connection, account_ids: Sequence[str]) -> list[BookedFee]:
    """Fees of these accounts from invoices that were not reversed, in order of debit."""
    found, collected = [], collected_days(connection)
    for account_id, row, amount in account_charges(connection, account_ids):
        first, last = (
            date.fromisoformat(d).toordinal() for d in (row.service_start, row.service_end)
        )
        due = first if row.timing == "advance" else last
        found.append(BookedFee(account_id, first, last, collected.get(row.invoice_id, due), amount))
    found += _taken(connection, account_ids)
    return sorted(found, key=lambda fee: (fee.debit_day, fee.account_id, fee.first_day))


def _taken(connection: Connection, account_ids: Sequence[str]) -> list[BookedFee]:
    """Cash that fees moved, each a row that serves no day and charges nothing by itself."""
    wanted = set(account_ids)
    known = all_records(connection, AccountRecord)
    names = {a.account_key: a.account_id for a in known if a.account_id in wanted}
    return [
        BookedFee(names[key], day, day - 1, day, 0, cents)
        for key, rows in fee_cash(connection, sorted(names)).items()
        for day, cents in rows
    ]


def taken_days(fees: Sequence[BookedFee], days: Ints) -> Ints:
    """(days,) cents that fees took out of the account's cash on each session."""
    found = np.zeros(len(days), dtype=np.int64)
    for fee in fees:
        place = int(np.searchsorted(days, fee.debit_day))
        if fee.taken_cents and place < len(days):  # not valued yet: no value lacks it
            found[place] += fee.taken_cents
    return found


def before_fees(series: DailyValues, taken: Ints) -> DailyValues:
    """A series whose returns are gross: a fee that left is given back on its day (M6).

    For returns only: the outflow then holds what no client has withdrawn.
    """
    return replace(series, outflow_cents=series.outflow_cents + taken)


def as_gross(connection: Connection, account_id: str, series: DailyValues) -> DailyValues:
    """`before_fees` with what collected fees took out of this account."""
    return before_fees(series, taken_days(booked_fees(connection, [account_id]), series.days))


def fee_days(
    fees: Sequence[BookedFee], days: Ints, timing: FeeTiming = FeeTiming.DEBIT_DATE
) -> Ints:
    """(days,) cents charged on each session; a day without a session counts on the one before.

    Accrued daily, a fee is split over the calendar days of its service, to the cent; what falls
    outside the account's life counts on its nearest session.
    """
    found = np.zeros(len(days), dtype=np.int64)
    for fee in fees:
        if not fee.cents:
            continue
        if timing is FeeTiming.DEBIT_DATE:
            when, amounts = np.array([fee.debit_day]), np.array([fee.cents])
        else:
            when = np.arange(fee.first_day, fee.last_day + 1)
            amounts = np.array(split_cents(fee.cents, [1] * len(when)))
        place = np.clip(np.searchsorted(days, when, side="right") - 1, 0, None)
        np.add.at(found, place, amounts)
    return found


def not_invoiced(fees: Sequence[BookedFee], first: int, last: int) -> int:
    """How many calendar days from `first` to `last` no standing invoice serves."""
    served = np.zeros(max(0, last - first + 1), dtype=bool)
    for fee in fees:
        served[max(0, fee.first_day - first) : max(0, fee.last_day - first + 1)] = True
    return int(served.size - served.sum())


def net_returns(
    series: DailyValues, fees: Ints, fee_inside: Ints | None = None
) -> tuple[Floats, Floats]:
    """Daily gross and net returns of a series that starts from nothing.

    `fee_inside` is what left the account's own cash and is missing in its values (`taken_days`).

    On each day `gross - net = fee / base`, so no fee is lost or counted twice (M19).
    """
    if fee_inside is not None:
        series = before_fees(series, fee_inside)
    before = np.append(0, series.value_cents[:-1])
    base = before + series.inflow_cents
    if (
        bad := np.flatnonzero((fees > 0) & (fees > series.value_cents + series.outflow_cents))
    ).size:
        day = date.fromordinal(int(series.days[bad[0]]))
        refuse(
            "return_below_minus_100",
            f"A fee of {int(fees[bad[0]]) / 100:,.2f} is more than the account is worth.",
            where=day.isoformat(),
            remedy="Check the invoice: sma bill show.",
        )
    if (empty := np.flatnonzero((fees != 0) & (base <= 0))).size:
        refuse(
            "fee_without_base",
            "A fee is charged on a day on which nothing was invested.",
            where=date.fromordinal(int(series.days[empty[0]])).isoformat(),
            remedy="Accrue fees daily, or end the period before.",
        )
    nothing = np.zeros_like(fees)
    flows = series.inflow_cents, series.outflow_cents
    return gross_and_net(before, series.value_cents, *flows, nothing, fees)
