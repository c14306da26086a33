"""The checks see what is wrong with an invoice, also where the engine would be at fault."""

from dataclasses import replace
from datetime import timedelta
from fractions import Fraction as F  # noqa: N817 - every number of this page is one

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.billing.test_invoice import Q4, TIERED, agreement, bill, served

from opensma.billing.checks import Known, check, slow_fee
from opensma.billing.invoice import Invoice, LineKind, draw_up
from opensma.billing.periods import DayBasis
from opensma.billing.schedules import Style
from opensma.billing.terms import Dates, HouseholdMethod
from opensma.book.master import AccountRecord

CENTS = st.integers(0, 10**11).map(lambda c: F(c, 100))


def account(name: str) -> AccountRecord:
    return AccountRecord(
        name, 1, f"tp-{name}", "o", "s", "a", name, "individual", "C", "2020-01-02", "active", 1,
        1, None, 0, 0, 0,
    )  # fmt: skip


KNOWN = Known([TIERED], {"A": account("A")})


def codes(invoice: Invoice) -> set[str]:
    return {finding.code for finding in check(invoice, KNOWN)}


@pytest.fixture
def invoice() -> Invoice:
    made = bill(agreement(), served("A", 1_200_000))
    assert not codes(made)
    return made


@given(
    st.lists(st.tuples(CENTS, st.integers(1, 92)), min_size=1, max_size=4),
    st.sampled_from(HouseholdMethod),
    st.sampled_from(Style),
    st.sampled_from(DayBasis),
    st.integers(1, 91),
)
def test_f06_the_slow_path_agrees_with_the_engine(
    accounts: list[tuple[F, int]],
    method: HouseholdMethod,
    style: Style,
    day_basis: DayBasis,
    change: int,
) -> None:
    """Two versions of a schedule, the second from some day of the period."""
    first = replace(TIERED, style=style)
    later = Dates(Q4.start + timedelta(days=change))
    second = replace(first, version=2, dates=later, tiers=None, amount=F(1_234))
    schedules = (first, second)
    terms = agreement(method=method, day_basis=day_basis)
    made = draw_up(
        terms, schedules, Q4, [served(f"A{i}", v, d) for i, (v, d) in enumerate(accounts)]
    )
    base = sum((x.exact for x in made.lines if x.kind is LineKind.BASE), F(0))
    assert slow_fee(made, schedules) == base


def test_f06_a_wrong_tier_is_found(invoice: Invoice) -> None:
    wrong = replace(invoice.lines[0], exact=invoice.lines[0].exact + F(1, 1_000))
    assert "F06" in codes(replace(invoice, lines=(wrong, *invoice.lines[1:])))


def test_f22_a_lost_cent_is_found(invoice: Invoice) -> None:
    lost = replace(invoice.payouts[0], cents=invoice.payouts[0].cents - 1)
    assert codes(replace(invoice, payouts=(lost, *invoice.payouts[1:]))) == {"F22"}
    assert "F22" in codes(replace(invoice, cents=invoice.cents + 1))


def test_f03_more_than_the_schedules_top_rate_is_found(invoice: Invoice) -> None:
    assert "F03" in codes(replace(invoice, cents=invoice.cents * 2))


def test_f19_days_outside_the_period_are_found(invoice: Invoice) -> None:
    early = replace(invoice.served[0], first=Q4.start - timedelta(days=1))
    assert "F19" in codes(replace(invoice, served=(early,)))


def test_f20_a_negative_account_is_found() -> None:
    flows = ((Q4.end, F(5_000_000)),)
    terms = agreement(flow_threshold=F(0))
    made = bill(terms, served("A", 100_000, flows=flows), served("B", 9_000_000))
    known = Known([TIERED], {"A": account("A"), "B": account("B")})
    assert made.account_cents("A") < 0 < made.cents
    assert {(f.code, f.where) for f in check(made, known)} >= {("F20", "A")}


def test_f20_a_full_discount_is_a_waiver() -> None:
    assert not codes(bill(agreement(discount=F(1)), served("A", 100_000)))
