"""What was disclosed, and what is known of an account: dated versions beside the agreements.

A brochure states terms as data (F14, F15, F18). An account's facts are flags on the client, where
values come from, what others paid to the firm, and charges beside the fee (F11, F16, F25, F27).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import Enum
from fractions import Fraction

from opensma.billing.cycle import Frequency
from opensma.billing.periods import DayBasis
from opensma.billing.terms import Basis, Dates, HouseholdMethod, RefundRule, Timing


class Flag(Enum):
    """Why a client is not billed before somebody has looked."""

    DECEASED = "deceased"
    FROZEN = "frozen"
    DISPUTED = "disputed"


class Offset(Enum):
    """Money from a third party that goes to the client's credit."""

    MARKETING = "12b-1"
    AFFILIATE = "affiliate_fund"


class ChargeKind(Enum):
    """What an account paid beside its fee."""

    COMMISSION = "commission"
    CUSTODY = "custody"


@dataclass(frozen=True, slots=True)
class Brochure:
    """One version of the terms that clients were told; None where it says nothing."""

    name: str
    version: int
    dates: Dates
    timing: Timing | None
    frequency: Frequency | None
    basis: Basis | None
    day_basis: DayBasis | None
    method: HouseholdMethod | None
    annual_minimum: Fraction | None
    flow_threshold: Fraction | None
    refund: RefundRule | None
    highest_rate: Fraction | None
    trade_away: Fraction  # dollars a year and account that were disclosed
    stated: frozenset[str]  # fields that the brochure has, also those that are null


@dataclass(frozen=True, slots=True)
class Status:
    """A flag on the client of an account."""

    flag: Flag
    dates: Dates
    reason: str


@dataclass(frozen=True, slots=True)
class ValueSource:
    """Where the value of something without a market price comes from, and of which day it is."""

    asset: str
    source: str  # empty: nobody can say
    day: date | None


@dataclass(frozen=True, slots=True)
class Received:
    """What a fund paid for the account's money in a period."""

    kind: Offset
    period: str
    amount: Fraction


@dataclass(frozen=True, slots=True)
class Charge:
    """A commission or custody charge on a day."""

    kind: ChargeKind
    day: date
    amount: Fraction


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """One version of what is known of an account."""

    name: str
    version: int
    dates: Dates
    statuses: tuple[Status, ...] = ()
    sources: tuple[ValueSource, ...] = ()
    received: tuple[Received, ...] = ()
    charges: tuple[Charge, ...] = ()
