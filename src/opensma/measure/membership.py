"""Who is in a composite, since when, why: derived from dated rules, never picked (M25 to M28)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import Enum

from opensma.measure.conventions import LargeFlow
from opensma.measure.dietz import is_large, significant_months
from opensma.measure.refusals import refuse


class Reason(Enum):
    """Why an account entered or left."""

    FUNDED = "funded"
    NOTICE = "notice of termination"
    NON_DISCRETIONARY = "not discretionary"
    BELOW_MINIMUM = "below the minimum"
    BACK_ABOVE_MINIMUM = "back above the minimum"
    SIGNIFICANT_FLOW = "significant flow"
    MANDATE_CHANGED = "mandate changed"
    STILL_IN = "still in"


def first_of_month(day: date, months: int = 0) -> date:
    """The first day of the month some months after a day's own."""
    number = day.year * 12 + day.month - 1 + months
    return date(number // 12, number % 12 + 1, 1)


def entry_date(funded: date, cutoff_day: int = 15) -> date:
    """First of the next month when funded by the cutoff day, else of the month after (M27)."""
    if not 1 <= cutoff_day <= 31:
        refuse("cutoff_day", "A cutoff day lies between 1 and 31.", where="cutoff_day")
    return first_of_month(funded, 1 if funded.day <= cutoff_day else 2)


def last_day_after_notice(notice: date) -> date:
    """The last day of the month before the notice: the last full month stays for ever (M27)."""
    return first_of_month(notice) - timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Minimum:
    """A minimum asset level from a month on; it never reaches back (M26)."""

    amount: float
    effective_from: date

    @property
    def restates_history(self) -> bool:
        """Never: months before it began are left as they were (M26)."""
        return False

    @property
    def disclosed(self) -> bool:
        """Always: a minimum that is set or changed is disclosed (M26)."""
        return True

    def keeps(self, month: date, begin: float) -> bool:
        """True when an account with this beginning value is in during the month."""
        return month < self.effective_from or begin >= self.amount


@dataclass(frozen=True, slots=True)
class Definition:
    """What a composite is, from a day on; `recorded` is when somebody wrote it down."""

    name: str
    effective: date
    recorded: date
    by: str
    strategies: frozenset[str]
    cutoff_day: int = 15
    minimum: float = 0.0
    most_excluded_weight: float = 1.0  # above it an account no longer represents the strategy (M28)
    sponsors: frozenset[str] | None = None  # wrap sponsors taken in; None: all of them
    significant_flow: float | None = None  # share of the opening value that removes a while (M11)
    large_flow: LargeFlow | None = None  # from which flow on a period is valued and broken (M10)

    def __post_init__(self) -> None:
        if self.effective < self.recorded:
            refuse(
                "definition_retroactive",
                f"A definition recorded on {self.recorded} cannot hold from {self.effective}.",
                where=self.name,
                remedy="Let it hold from the day it is recorded, or later.",
            )

    def is_significant(self, begin: float, net_flow: float) -> bool:
        """True when a month's net flow takes the account out for a while (M11)."""
        if self.significant_flow is None or begin <= 0:
            return False
        return bool(significant_months([begin], [[net_flow]], self.significant_flow)[0, 0])

    def is_large(self, begin: float, flow: float) -> bool:
        """True when a day's flow asks for a value on its day (M10)."""
        return self.large_flow is not None and begin > 0 and is_large(flow, begin, self.large_flow)

    def fits(self, account: AccountFacts) -> Reason | None:
        """None when the account belongs here, else the reason why not (M25, M28)."""
        if not account.discretionary or account.excluded_weight > self.most_excluded_weight:
            return Reason.NON_DISCRETIONARY
        wrong_sponsor = self.sponsors is not None and account.sponsor not in self.sponsors
        if account.strategy not in self.strategies or wrong_sponsor:
            return Reason.MANDATE_CHANGED
        return None


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What is known of an account in one month; a later row holds until the next."""

    account_id: str
    month: date  # its first day
    begin: float
    strategy: str
    discretionary: bool = True
    fee_paying: bool = True
    excluded_weight: float = 0.0  # share of the target that the client's wishes exclude
    sponsor: str | None = None
    significant_flow: bool = False


@dataclass(frozen=True, slots=True)
class Interval:
    """Months an account was in: first and last day, and why both; `last` is None while it is."""

    account_id: str
    first: date
    last: date | None
    entered: Reason
    left: Reason


def memberships(
    definitions: Sequence[Definition],
    funded: Mapping[str, date],
    notices: Mapping[str, date],
    months: Iterable[AccountFacts],
) -> list[Interval]:
    """Intervals of every account, month by month, by the definition in force that month.

    An account without facts in a month after its funding cannot be judged: that is an error.
    """
    by_account: dict[str, list[AccountFacts]] = {}
    for facts in months:
        by_account.setdefault(facts.account_id, []).append(facts)
    found: list[Interval] = []
    for account_id in sorted(by_account):
        rows = sorted(by_account[account_id], key=lambda row: row.month)
        if account_id not in funded:
            refuse("not_funded", "An account has no funding date.", where=account_id)
        found += _intervals(definitions, funded[account_id], notices.get(account_id), rows)
    return found


def _intervals(
    definitions: Sequence[Definition],
    funded: date,
    notice: date | None,
    rows: Sequence[AccountFacts],
) -> list[Interval]:
    found: list[Interval] = []
    until = None if notice is None else last_day_after_notice(notice)
    entry, why_in = date.min, Reason.FUNDED
    start: date | None = None
    expected: date | None = None
    for row in rows:
        _in_sequence(row, expected)
        expected = first_of_month(row.month, 1)
        rule = definition_in_force(definitions, row.month)
        entry = max(entry, entry_date(funded, rule.cutoff_day))
        reason = _why_out(rule, row, until)
        if reason is None and row.month >= entry and start is None:
            start = row.month
        elif reason is not None:
            if start is not None:
                day_before = row.month - timedelta(days=1)
                found.append(Interval(row.account_id, start, day_before, why_in, reason))
            if reason in (Reason.BELOW_MINIMUM, Reason.SIGNIFICANT_FLOW, Reason.MANDATE_CHANGED):
                # Back by the rule for new accounts: the month after the first one that fits again.
                entry, why_in = first_of_month(row.month, 2), _back(reason)
            start = None
    if start is not None:
        left = Reason.STILL_IN if until is None else Reason.NOTICE
        if until is None or until > start:
            found.append(Interval(rows[-1].account_id, start, until, why_in, left))
    return found


def _in_sequence(row: AccountFacts, expected: date | None) -> None:
    if row.month.day != 1 or (expected is not None and row.month != expected):
        refuse(
            "month_missing",
            f"Facts of {row.month} follow where those of {expected} were expected.",
            where=row.account_id,
            remedy="Give each month by its first day, without a gap.",
        )


def _why_out(rule: Definition, row: AccountFacts, until: date | None) -> Reason | None:
    if until is not None and row.month > until:
        return Reason.NOTICE
    if row.significant_flow:
        return Reason.SIGNIFICANT_FLOW
    if not Minimum(rule.minimum, rule.effective).keeps(row.month, row.begin):
        return Reason.BELOW_MINIMUM
    return rule.fits(row)


def _back(reason: Reason) -> Reason:
    return Reason.BACK_ABOVE_MINIMUM if reason is Reason.BELOW_MINIMUM else Reason.FUNDED


def definition_in_force(definitions: Sequence[Definition], day: date) -> Definition:
    """The newest definition that holds on a day; a day before the first one is an error."""
    known = [d for d in definitions if d.effective <= day]
    if not known:
        refuse(
            "definition_missing",
            f"The composite has no definition on {day}.",
            where=day.isoformat(),
            remedy="Record a definition before the first month.",
        )
    return max(known, key=lambda d: (d.effective, d.recorded))


def unassigned(accounts: Iterable[AccountFacts], fits: Callable[[AccountFacts], bool]) -> list[str]:
    """Fee-paying discretionary accounts that no composite takes: there must be none (M25)."""
    return sorted(
        a.account_id for a in accounts if a.discretionary and a.fee_paying and not fits(a)
    )
