"""Invoices: every cent has a line, lines and payouts sum to the bill, parts make the whole."""

from dataclasses import replace
from datetime import date, timedelta
from fractions import Fraction as F  # noqa: N817 - every number of this page is one

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensma.billing.bases import AccountValues, ValuedBase, base_of
from opensma.billing.cycle import Frequency, Period, parse_period
from opensma.billing.exact import largest_remainder, to_cents
from opensma.billing.invoice import Invoice, LineKind, Served, draw_up, refund, sentence
from opensma.billing.periods import DayBasis
from opensma.billing.schedules import Schedule, Style, Tier
from opensma.billing.terms import (
    Agreement,
    Basis,
    Credit,
    Dates,
    Exclusion,
    FeeSchedule,
    HouseholdMethod,
    Member,
    Payee,
    Role,
    Timing,
    closed_versions,
    segments,
)
from opensma.calendar import sessions
from opensma.errors import InputError

Q4 = Period(2024, Frequency.QUARTERLY, 4)
ALWAYS = Dates(date(2020, 1, 1))
TIERS = Schedule(
    (Tier(F(250_000), F("0.012")), Tier(F(1_000_000), F("0.009")), Tier(None, F("0.006")))
)
TIERED = FeeSchedule("core", 1, ALWAYS, Style.BLENDED, TIERS)
PAYEES = (
    Payee("Platform", Role.PLATFORM, 1_000),
    Payee("Sponsor", Role.SPONSOR, 1_500),
    Payee("Advisor", Role.ADVISOR, 5_000),
    Payee("Manager", Role.MANAGER, 2_500),
)


def member(name: str, schedule: str = "") -> Member:
    return Member(name, ALWAYS, schedule, name)


def agreement(**changes: object) -> Agreement:
    made = Agreement(
        "house", 1, ALWAYS, "core", Timing.ARREARS, Frequency.QUARTERLY, Basis.PERIOD_END,
        DayBasis.ACTUAL_365, HouseholdMethod.AGGREGATE, (member("A"),), PAYEES,
    )  # fmt: skip
    return replace(made, **changes)  # type: ignore[arg-type]


def served(name: str, value: F | int, days: int = Q4.days, **more: object) -> Served:
    first = Q4.end - timedelta(days=days - 1)
    made = Served(member(name), first, Q4.end, ValuedBase(F(value), F(0)))
    return replace(made, **more)  # type: ignore[arg-type]


def bill(given: Agreement, *accounts: Served, schedules: tuple[FeeSchedule, ...] = ()) -> Invoice:
    return draw_up(given, schedules or (TIERED,), Q4, accounts)


# --- sums --------------------------------------------------------------------------------------

CENTS = st.integers(0, 10**11).map(lambda c: F(c, 100))
ACCOUNTS = st.lists(st.tuples(CENTS, st.integers(1, 92)), min_size=1, max_size=5)
LIMIT = st.one_of(st.none(), st.integers(0, 10**7).map(lambda c: F(c, 100)))


@given(
    ACCOUNTS,
    st.sampled_from(HouseholdMethod),
    st.sampled_from(DayBasis),
    st.integers(0, 100).map(lambda p: F(p, 100)),
    LIMIT,
    LIMIT,
    LIMIT,
)
def test_lines_and_payouts_sum_to_what_is_billed(
    accounts: list[tuple[F, int]],
    method: HouseholdMethod,
    day_basis: DayBasis,
    discount: F,
    minimum: F | None,
    cap: F | None,
    credit: F | None,
) -> None:
    terms = agreement(
        method=method, day_basis=day_basis, discount=discount, annual_minimum=minimum,
        annual_cap=cap, credits=(Credit("2024Q4", credit or F(0), "goodwill"),),
    )  # fmt: skip
    made = bill(terms, *(served(f"A{i}", v, days) for i, (v, days) in enumerate(accounts)))
    assert sum(line.cents for line in made.lines) == made.cents
    assert sum(payout.cents for payout in made.payouts) == made.cents
    for i in range(len(accounts)):
        mine = [p.cents for p in made.payouts if p.account_id == f"A{i}"]
        assert sum(mine) == made.account_cents(f"A{i}")
    exact = sum((line.exact for line in made.lines), F(0))
    limit = F(1, 2) if method is not HouseholdMethod.INDIVIDUAL else F(len(accounts), 2)
    assert abs(exact * 100 - made.cents) <= limit
    assert exact >= 0
    assert made.credit_left >= 0


@given(st.integers(0, 10**9), st.lists(st.integers(0, 10_000), min_size=1, max_size=6))
def test_largest_remainders_are_within_a_cent_and_sum(total: int, weights: list[int]) -> None:
    parts = largest_remainder(total, [F(w) for w in weights])
    assert sum(parts) == total
    whole = sum(weights)
    if whole:
        assert all(abs(p - F(total * w, whole)) < 1 for p, w in zip(parts, weights, strict=True))


@given(CENTS, st.integers(1, 91))
def test_b9_parts_of_a_period_sum_to_the_whole(value: F, cut: int) -> None:
    whole = bill(agreement(), served("A", value))
    left = served("A", value, last=Q4.start + timedelta(days=cut - 1), first=Q4.start)
    right = served("A", value, first=Q4.start + timedelta(days=cut))
    parts = [bill(agreement(), part) for part in (left, right)]
    assert sum(sum(x.exact for x in p.lines) for p in parts) == sum(x.exact for x in whole.lines)
    assert abs(sum(p.cents for p in parts) - whole.cents) <= 1


@given(CENTS)
def test_a_tiered_fee_is_continuous_one_cent_costs_at_most_its_top_rate(value: F) -> None:
    yearly = [sum(row.fee for _, row in TIERED.rows(v)) for v in (value, value + F(1, 100))]
    assert 0 <= yearly[1] - yearly[0] <= TIERED.top_rate / 100


@given(ACCOUNTS)
def test_the_order_of_accounts_changes_nothing(accounts: list[tuple[F, int]]) -> None:
    given = [served(f"A{i}", v, days) for i, (v, days) in enumerate(accounts)]
    assert bill(agreement(), *given) == bill(agreement(), *reversed(given))


@given(st.integers(0, 10**9), st.integers(1, 366), st.data())
def test_b10_refund_and_earned_are_what_was_billed(
    cents: int, days: int, data: st.DataObject
) -> None:
    kept = data.draw(st.integers(0, days))
    back = refund(cents, days, kept)
    assert 0 <= back <= cents
    assert abs((cents - back) - F(cents * kept, days)) <= F(1, 2)
    assert refund(cents, days, days) == 0
    assert refund(cents, days, 0) == cents


def test_b10_the_worked_refund() -> None:
    assert refund(2_500_00, 91, 31) == 1_648_35


# --- schedules and households --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "cents"),
    [
        (HouseholdMethod.AGGREGATE, 2_737_50),
        (HouseholdMethod.INDIVIDUAL, 3_210_00),
        (HouseholdMethod.OWN_SCHEDULE, 2_737_50),
    ],
)
def test_household_breakpoints_decide_by_method(method: HouseholdMethod, cents: int) -> None:
    terms = agreement(method=method, day_basis=DayBasis.DIVIDE_BY_FREQUENCY)
    values = (("A", 180_000), ("B", 420_000), ("C", 600_000))
    assert bill(terms, *(served(n, v) for n, v in values)).cents == cents


def test_own_schedules_at_the_households_value_may_differ() -> None:
    flat = FeeSchedule("flat", 1, ALWAYS, Style.BLENDED, Schedule((Tier(None, F("0.01")),)))
    terms = agreement(method=HouseholdMethod.OWN_SCHEDULE, day_basis=DayBasis.DIVIDE_BY_FREQUENCY)
    mixed = served("B", 600_000, member=member("B", "flat"))
    made = bill(terms, served("A", 600_000), mixed, schedules=(TIERED, flat))
    assert made.account_cents("B") == 1_500_00
    assert made.account_cents("A") == 1_368_75


def test_b5_the_rounding_difference_goes_to_the_largest_account() -> None:
    flat = FeeSchedule("core", 1, ALWAYS, Style.BLENDED, Schedule((Tier(None, F("0.0097")),)))
    terms = agreement(frequency=Frequency.MONTHLY, day_basis=DayBasis.DIVIDE_BY_FREQUENCY)
    month = parse_period("2024M10")
    accounts = [
        Served(member(n), month.start, month.end, ValuedBase(F(v), F(0)))
        for n, v in (("x", 200_000), ("y", 200_000), ("z", 350_000))
    ]
    made = draw_up(terms, (flat,), month, accounts)
    assert [made.account_cents(n) for n in "xyz"] == [161_67, 161_67, 282_91]


def test_a_line_keeps_base_rate_days_tier_and_version_and_says_so() -> None:
    made = bill(agreement(), served("A", 1_200_000))
    assert [(x.base_cents, x.rate, x.days, x.tier, x.schedule_version) for x in made.lines] == [
        (250_000_00, F("0.012"), 92, 1, 1),
        (750_000_00, F("0.009"), 92, 2, 1),
        (200_000_00, F("0.006"), 92, 3, 1),
    ]
    words = sentence(made.agreement, made.lines[0], Q4)
    assert words == "250,000.00 at 1.20 % for 92 of 365 days = 756.16"


def test_a_cliff_bills_the_whole_value_at_the_rate_reached() -> None:
    cliff = FeeSchedule("core", 1, ALWAYS, Style.CLIFF, TIERS)
    made = bill(agreement(), served("A", 1_200_000), schedules=(cliff,))
    assert [(x.tier, x.base_cents) for x in made.lines] == [(3, 1_200_000_00)]


def test_a_flat_amount_is_prorated_and_shared_by_value() -> None:
    flat = FeeSchedule("core", 1, ALWAYS, Style.BLENDED, None, F(3_650))
    made = bill(agreement(), served("A", 100), served("B", 300, 46), schedules=(flat,))
    assert made.account_cents("A") == 230_00
    assert made.account_cents("B") == 345_00


def test_b9_a_new_rate_bills_its_own_days() -> None:
    flat = [
        FeeSchedule("core", n, Dates(day), Style.BLENDED, Schedule((Tier(None, F(rate)),)))
        for n, day, rate in ((1, date(2020, 1, 1), "0.01"), (2, date(2024, 11, 1), "0.02"))
    ]
    made = bill(agreement(), served("A", 365_000), schedules=tuple(flat))
    assert [(x.days, x.schedule_version, x.cents) for x in made.lines] == [
        (31, 1, 310_00),
        (61, 2, 1_220_00),
    ]


def test_b18_versions_that_hold_on_the_same_day_are_refused() -> None:
    first = replace(TIERED, dates=Dates(date(2024, 1, 1), date(2024, 6, 30)))
    second = replace(TIERED, version=2, dates=Dates(date(2024, 6, 30)))
    with pytest.raises(InputError) as caught:
        closed_versions([second, first])
    assert caught.value.code == "billing.overlap"
    assert "2024-06-30" in caught.value.message


def test_a_day_without_a_schedule_is_refused() -> None:
    first = replace(TIERED, dates=Dates(date(2024, 1, 1), date(2024, 6, 30)))
    with pytest.raises(InputError) as caught:
        segments([first], "core", date(2024, 6, 1), date(2024, 7, 1))
    assert caught.value.code == "billing.schedule_missing"


# --- the order of steps ------------------------------------------------------------------------


def test_b16_minimum_cap_and_credit_in_this_order() -> None:
    flat = FeeSchedule("core", 1, ALWAYS, Style.BLENDED, Schedule((Tier(None, F("0.009")),)))
    year = Period(2024, Frequency.ANNUAL, 1)
    terms = agreement(
        frequency=Frequency.ANNUAL, day_basis=DayBasis.DIVIDE_BY_FREQUENCY, discount=F("0.15"),
        annual_cap=F(15_000), credits=(Credit("2024", F(250), "late report"),),
    )  # fmt: skip
    account = Served(member("A"), year.start, year.end, ValuedBase(F(2_400_000), F(0)))
    made = draw_up(terms, (flat,), year, [account])
    assert [(x.kind, x.cents) for x in made.lines] == [
        (LineKind.BASE, 21_600_00),
        (LineKind.DISCOUNT, -3_240_00),
        (LineKind.CAP, -3_360_00),
        (LineKind.CREDIT, -250_00),
    ]
    assert made.cents == 14_750_00
    both = replace(terms, annual_minimum=F(20_000), credits=())
    assert draw_up(both, (flat,), year, [account]).cents == 15_000_00


def test_b16_what_is_left_of_a_credit_is_carried() -> None:
    terms = agreement(credits=(Credit("2024Q4", F(10_000), "error of 2023"),))
    made = bill(terms, served("A", 250_000))
    assert made.cents == 0
    assert made.credit_left == 10_000 - F(250_000) * F("0.012") * 92 / 365
    later = draw_up(agreement(), (TIERED,), Q4, [served("A", 250_000)], F(100))
    assert later.cents == 756_16 - 100_00


def test_b14_arrears_take_off_the_days_before_a_flow() -> None:
    flat = FeeSchedule("core", 1, ALWAYS, Style.BLENDED, Schedule((Tier(None, F("0.01")),)))
    terms = agreement(day_basis=DayBasis.DIVIDE_BY_FREQUENCY, flow_threshold=F(5_000))
    flows = ((date(2024, 10, 31), F(50_000)), (date(2024, 11, 15), F(5_000)))
    made = bill(terms, served("A", 500_000, flows=flows), schedules=(flat,))
    assert [x.days for x in made.lines if x.kind is LineKind.FLOW] == [30]
    assert made.cents == to_cents(F(1_250) - F(50_000) * F("0.0025") * 30 / 92)


# --- the base ----------------------------------------------------------------------------------


def values(exclusions: tuple[Exclusion, ...] = (), skip: date | None = None) -> AccountValues:
    """500,000 until 28 December, then 100,000: 89 and 3 days of the quarter."""
    days = sessions(date(2024, 9, 25), Q4.end)
    cents = {d: 500_000_00 if d < date(2024, 12, 29) else 100_000_00 for d in days if d != skip}
    return AccountValues("A", cents, exclusions)


def base(given: AccountValues, basis: Basis, first: date = Q4.start) -> F:
    return base_of(given, basis, first, Q4.end, Q4.start).billed


def test_b11_each_basis_takes_its_own_days() -> None:
    assert base(values(), Basis.PERIOD_END) == 100_000
    assert base(values(), Basis.PERIOD_START) == 500_000
    assert base(values(), Basis.AVERAGE_DAILY) == F(500_000 * 90 + 100_000 * 2, 92)
    assert base(values(), Basis.AVERAGE_MONTH_ENDS) == F(1_100_000, 3)
    assert base(values(), Basis.FOUR_MONTH_ENDS) == F(1_600_000, 4)


def test_a_weekend_has_the_value_of_the_session_before_it() -> None:
    assert values().on(date(2024, 12, 29)).billed == 500_000  # Sunday


def test_a_missing_valuation_day_is_named() -> None:
    with pytest.raises(InputError) as caught:
        base(values(skip=date(2024, 11, 13)), Basis.AVERAGE_DAILY)
    assert caught.value.code == "billing.valuation_missing"
    assert "2024-11-13" in caught.value.message


def test_b12_exclusions_are_dated_and_shown() -> None:
    part = Exclusion("A", Dates(date(2024, 12, 1)), F(20_000), "held away")
    found = base_of(values((part,)), Basis.PERIOD_END, Q4.start, Q4.end, Q4.start)
    assert found == ValuedBase(F(80_000), F(20_000))
    before = Exclusion("A", Dates(date(2024, 1, 1), date(2024, 11, 30)), F(46_000), "held away")
    full = base(values(), Basis.AVERAGE_DAILY)
    assert base(values((before,)), Basis.AVERAGE_DAILY) == full - F(46_000 * 61, 92)


def test_a_negative_base_is_refused() -> None:
    too_much = Exclusion("A", ALWAYS, F(150_000), "held away")
    with pytest.raises(InputError) as caught:
        base(values((too_much,)), Basis.PERIOD_END)
    assert caught.value.code == "billing.negative_base"


# --- periods -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "start", "end", "days"),
    [
        ("2024Q1", "2024-01-01", "2024-03-31", 91),
        ("2024Q4", "2024-10-01", "2024-12-31", 92),
        ("2024M2", "2024-02-01", "2024-02-29", 29),
        ("2023H2", "2023-07-01", "2023-12-31", 184),
        ("2023", "2023-01-01", "2023-12-31", 365),
    ],
)
def test_b7_periods_have_names(name: str, start: str, end: str, days: int) -> None:
    period = parse_period(name)
    assert (period.start.isoformat(), period.end.isoformat(), period.days) == (start, end, days)
    assert period.name == name
    assert period.next.previous == period


@pytest.mark.parametrize("name", ["2024Q5", "2024Q0", "24Q1", "2024M13", "Q4", "", "2024H3"])
def test_other_names_of_periods_are_refused(name: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_period(name)
    assert caught.value.code == "billing.period"
