"""Figures of ads from the book of record: composites by the composite engine, net by its fees."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from opensma.growth.ads.facts import Figure
from opensma.growth.ads.said import Recompute
from opensma.measure.composite_record import CompositeMonth, CompositeRecord
from opensma.measure.conventions import CompositeMethod
from opensma.measure.length import PeriodReturn
from opensma.measure.returns import linked


def recompute_from(record: CompositeRecord) -> Recompute:
    """How a figure of the record's composite is computed again; why not where it cannot be."""
    by_month = {month.month: month for month in record.months}
    method = record.rules.conventions.composite_method

    def again(figure: Figure) -> tuple[float | None, str]:
        if figure.composite_id != record.rules.name:
            return None, f"the definition given is of '{record.rules.name}'"
        months = _months(figure.start, figure.end)
        if not months:
            return None, "its period is not made of whole months"
        absent = [m for m in months if m not in by_month]
        if absent:
            return None, f"the composite has no month {absent[0]:%Y-%m}"
        returns = []
        for month in (by_month[m] for m in months):
            value, why = _one(month, figure, month.returns[method], method)
            if value is None:
                return None, why
            returns.append(value)
        period = PeriodReturn(figure.start - timedelta(days=1), figure.end,
                              linked(np.array(returns)))  # fmt: skip
        yearly = period.annualised
        return (period.cumulative if yearly is None else yearly), ""

    return again


def _one(
    month: CompositeMonth, figure: Figure, gross: float, method: CompositeMethod
) -> tuple[float | None, str]:
    """A month's return on the figure's basis."""
    if figure.basis == "gross":
        return gross, ""
    if figure.basis == "model_net":
        if figure.fee_bps is None:
            return None, "its model fee is not on record"
        return float((1.0 + gross) * (1.0 - figure.fee_bps / 1e4) ** (1 / 12) - 1.0), ""
    if month.net is None:
        return None, f"not every member was invoiced in {month.month:%Y-%m}"
    return month.net[method], ""


def _months(start: date, end: date) -> list[date]:
    """First days of the months from `start` to `end`, empty unless they are whole."""
    if start.day != 1 or (end + timedelta(days=1)).day != 1 or end < start:
        return []
    found = []
    day = start
    while day <= end:
        found.append(day)
        day = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return found
