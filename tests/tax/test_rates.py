"""The tables of rates: published figures, and what states do with a gain (R1 to R3, R8, R9)."""

from __future__ import annotations

import pytest

from opensma.errors import InputError
from opensma.tax.rates import (
    STATE_PARTS,
    federal_table,
    known_years,
    loss_limit_cents,
    marginal_rates,
    state_rules,
)

LONG_TERM = {
    (2025, "single"): (48_350, 533_400),
    (2025, "joint"): (96_700, 600_050),
    (2025, "head"): (64_750, 566_700),
    (2025, "separate"): (48_350, 300_000),
    (2026, "single"): (49_450, 545_500),
    (2026, "joint"): (98_900, 613_700),
    (2026, "head"): (66_200, 579_600),
    (2026, "separate"): (49_450, 306_850),
}
ORDINARY = {
    (2025, "single"): (11_925, 48_475, 103_350, 197_300, 250_525, 626_350),
    (2025, "joint"): (23_850, 96_950, 206_700, 394_600, 501_050, 751_600),
    (2025, "head"): (17_000, 64_850, 103_350, 197_300, 250_500, 626_350),
    (2025, "separate"): (11_925, 48_475, 103_350, 197_300, 250_525, 375_800),
    (2026, "single"): (12_400, 50_400, 105_700, 201_775, 256_225, 640_600),
    (2026, "joint"): (24_800, 100_800, 211_400, 403_550, 512_450, 768_700),
    (2026, "head"): (17_700, 67_450, 105_700, 201_750, 256_200, 640_600),
    (2026, "separate"): (12_400, 50_400, 105_700, 201_775, 256_225, 384_350),
}
STATES = sorted({"AK", "CA", "NY", "WA", "MA", "MD", "SC", "WI", "AZ", "MO", "PA", "NJ", "TX"})


@pytest.mark.parametrize(("year", "status"), LONG_TERM)
def test_r1_long_term_thresholds(year: int, status: str) -> None:
    steps = federal_table(year, status).long_term
    assert [s.rate for s in steps] == [0, 150_000, 200_000]
    assert tuple(s.over_cents // 100 for s in steps[1:]) == LONG_TERM[year, status]


@pytest.mark.parametrize(("year", "status"), ORDINARY)
def test_r2_ordinary_brackets(year: int, status: str) -> None:
    steps = federal_table(year, status).ordinary
    assert [s.rate // 10_000 for s in steps] == [10, 12, 22, 24, 32, 35, 37]
    assert tuple(s.over_cents // 100 for s in steps[1:]) == ORDINARY[year, status]


@pytest.mark.parametrize(
    ("status", "over"),
    [("single", 200_000), ("head", 200_000), ("joint", 250_000), ("separate", 125_000)],
)
def test_r3_threshold_of_the_investment_tax(status: str, over: int) -> None:
    steps = federal_table(2026, status).investment
    assert (steps[-1].rate, steps[-1].over_cents) == (38_000, over * 100)


def test_r6_the_loss_limit_is_data() -> None:
    assert loss_limit_cents("joint", 2025) == 3_000_00
    assert loss_limit_cents("separate", 2025) == 1_500_00


@pytest.mark.parametrize("state", STATES)
def test_r8_every_part_of_a_state_is_a_known_kind(state: str) -> None:
    for year in known_years():
        for part in state_rules(year, state).parts:
            assert part.kind in STATE_PARTS


def test_r8_shares_left_out_lower_the_long_term_rate() -> None:
    assert state_rules(2025, "SC").rate("exclude_long") == 440_000
    assert state_rules(2025, "WI").rate("exclude_long") == 300_000
    assert state_rules(2025, "AZ").term_rates() == (25_000, 18_750)
    assert state_rules(2025, "MO").term_rates() == (0, 0)
    assert state_rules(2024, "MO").term_rates() == (48_000, 48_000)


def test_r8_states_that_do_not_carry_losses() -> None:
    assert not state_rules(2025, "PA").carries
    assert state_rules(2025, "SC").carries


def test_r9_what_nobody_checked_is_said() -> None:
    assert marginal_rates(2025, "single", 10**8, 10**8).verified
    assert marginal_rates(2025, "single", 10**8, 10**8, "TX").verified
    assert not marginal_rates(2025, "single", 10**8, 10**8, "PA").verified
    assert not state_rules(2026, "WA").verified  # its indexed deduction is not known yet
    assert state_rules(2025, "WA").verified


def test_r9_an_unknown_year_is_refused() -> None:
    with pytest.raises(InputError) as error:
        federal_table(2019, "single")
    assert error.value.code == "rates.unknown_year"
