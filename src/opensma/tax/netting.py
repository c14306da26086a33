"""A year's gains and losses netted, what of a loss carries forward, year after year (R5, R6)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from opensma.errors import InputError, ensure
from opensma.tax.rates import check_status, known_years, loss_limit_cents


@dataclass(frozen=True, slots=True)
class Netting:
    """What a year's sales come to. Gains taxed and carryforwards are zero or more."""

    short_cents: int  # net short-term result, carryover included
    long_cents: int
    short_gain_cents: int  # taxed as ordinary income
    long_gain_cents: int  # taxed at the long-term rate
    used_cents: int  # deducted from other income this year
    short_carry_cents: int
    long_carry_cents: int


@dataclass(frozen=True, slots=True)
class YearResult:
    """What sales of one year came to, before any carryover."""

    year: int
    short_cents: int
    long_cents: int
    taxable_income_cents: int  # without capital gains, before the deduction


@dataclass(frozen=True, slots=True)
class LedgerYear:
    """One line of the carryforward ledger: what came in, what was done, what goes on (R6)."""

    result: YearResult
    short_in_cents: int
    long_in_cents: int
    netting: Netting


def carry_ledger(
    results: Iterable[YearResult],
    *,
    status: str = "single",
    short_carry_cents: int = 0,
    long_carry_cents: int = 0,
) -> tuple[LedgerYear, ...]:
    """Net years in turn; a carryforward keeps its term and has no end but death (R6).

    Years without sales may be left out only where nothing carries into them: every one of them
    would use its deduction. InputError as `net_year`.
    """
    lines: list[LedgerYear] = []
    short, long = short_carry_cents, long_carry_cents
    for result in sorted(results, key=lambda r: r.year):
        gap = bool(lines) and result.year != lines[-1].result.year + 1
        ensure(not (gap and (short or long)), "a year with a carryover is missing")
        netting = net_year(
            result.short_cents,
            result.long_cents,
            result.taxable_income_cents,
            status=status,
            short_carry_cents=short,
            long_carry_cents=long,
            year=result.year,
        )
        lines.append(LedgerYear(result, short, long, netting))
        short, long = netting.short_carry_cents, netting.long_carry_cents
    return tuple(lines)


def net_year(
    short_cents: int,
    long_cents: int,
    taxable_income_cents: int,
    *,
    status: str = "single",
    short_carry_cents: int = 0,
    long_carry_cents: int = 0,
    year: int | None = None,
) -> Netting:
    """Net a year's short- and long-term results; carryovers enter with their own term (R5, R6).

    Taxable income is without capital gains, before the deduction, and may be negative. A trust
    has the limit of a single person; `year` picks it, the newest of the table by default.
    InputError rates.unknown_status, netting.bad_carry.
    """
    _check(status, short_carry_cents, long_carry_cents)
    short, long = short_cents - short_carry_cents, long_cents - long_carry_cents
    limit = loss_limit_cents(status, known_years()[-1] if year is None else year)
    allowed = min(limit, max(0, -(short + long)))
    used = min(allowed, max(0, taxable_income_cents + allowed))
    short_loss, long_loss = max(0, -short), max(0, -long)
    short_gain, long_gain = max(0, short), max(0, long)
    return Netting(
        short_cents=short,
        long_cents=long,
        short_gain_cents=max(0, short_gain - long_loss),
        long_gain_cents=max(0, long_gain - short_loss),
        used_cents=used,
        short_carry_cents=max(0, short_loss - long_gain - used),
        long_carry_cents=max(0, long_loss - short_gain - max(0, used - short_loss)),
    )


def _check(status: str, short_carry_cents: int, long_carry_cents: int) -> None:
    check_status(status)
    if short_carry_cents < 0 or long_carry_cents < 0:
        raise InputError(
            "netting.bad_carry",
            "A carryover is the amount of a loss: zero or more.",
            where="carryover",
            remedy="Give losses carried from last year as positive amounts.",
        )
