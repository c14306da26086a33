"""A year's gains and losses netted, and what of a loss carries forward (R5, R6). Pure."""

from __future__ import annotations

from dataclasses import dataclass

from opensma.errors import InputError
from opensma.tax.rates import STATUSES

# IRC 1211(b): since 1978 and not indexed.
_LIMIT_CENTS = 3_000_00
_LIMIT_SEPARATE_CENTS = 1_500_00


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


def net_year(
    short_cents: int,
    long_cents: int,
    taxable_income_cents: int,
    *,
    status: str = "single",
    short_carry_cents: int = 0,
    long_carry_cents: int = 0,
) -> Netting:
    """Net a year's short- and long-term results; carryovers enter with their own term (R5, R6).

    Taxable income is without capital gains, before the deduction, and may be negative. A trust
    has the limit of a single person. InputError rates.unknown_status, netting.bad_carry.
    """
    _check(status, short_carry_cents, long_carry_cents)
    short, long = short_cents - short_carry_cents, long_cents - long_carry_cents
    limit = _LIMIT_SEPARATE_CENTS if status == "separate" else _LIMIT_CENTS
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
    if status not in STATUSES:
        raise InputError(
            "rates.unknown_status",
            f"'{status}' is no filing status.",
            where="status",
            remedy=f"Use one of {', '.join(STATUSES)}.",
        )
    if short_carry_cents < 0 or long_carry_cents < 0:
        raise InputError(
            "netting.bad_carry",
            "A carryover is the amount of a loss: zero or more.",
            where="carryover",
            remedy="Give losses carried from last year as positive amounts.",
        )
