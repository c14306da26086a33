"""A comparison in words: direction and amount of every change, and an honest end without a plan."""

from dataclasses import replace

import pytest

from opensma.report.reasons import limit_words
from opensma.report.what_if import change_words, conflict_words, price_head, verdict
from opensma.trade.restriction_prices import RestrictionPrice
from opensma.trade.what_if import Change, Comparison, Outlook

BEFORE = Outlook(
    status="solved",
    message="",
    tax_cents=10_000,
    cost_cents=500,
    short_gain_cents=0,
    long_gain_cents=0,
    trades=10,
    securities=9,
    turnover=0.01,
    tracking_error=0.0100,
    risk_aversion=10.0,
    cash_cents=1_000,
    binding=(),
)
CHANGE = Change(exclude=("Energy",))


def told(change: Change = CHANGE, **after: object) -> Comparison:
    outlook = replace(BEFORE, **after)  # type: ignore[arg-type]
    return Comparison("a", 739_706, 10**8, 0.01, change, BEFORE, outlook, (), 0, None)


def test_more_is_more_and_less_is_less() -> None:
    more = verdict(told(tax_cents=15_000, cost_cents=700, trades=11, tracking_error=0.0112))
    assert more == (
        "Excluding Energy would mean $50.00 more tax and $2.00 more trading cost, raise tracking "
        "error by 12.0 bp to 1.12%, and take 1 more trade."
    )
    less = verdict(told(tax_cents=-5_000, cost_cents=500, trades=7, tracking_error=0.0090))
    assert less == (
        "Excluding Energy would mean $150.00 less tax and no change of trading cost, lower "
        "tracking error by 10.0 bp to 0.90%, and take 3 fewer trades."
    )
    assert "leave tracking error as it is, and take the same number of trades" in verdict(told())


def test_without_a_plan_the_conflict_is_spelled_out_and_a_failure_is_no_conflict() -> None:
    clash = "These cannot hold together: exclude ACME; te_cap; sector_min Energy."
    words = verdict(told(status="infeasible", message=clash))
    assert words == (
        "Excluding Energy: no plan exists. These cannot hold together: not holding ACME; the cap "
        "on tracking error; the smallest weight of the sector Energy."
    )
    free = " Any of these would free it: te_cap from 0.01 to 0.0126; st_gain_budget from 0 to 150."
    assert conflict_words(clash + free).endswith(
        "sector Energy. Any of these would do: the cap on tracking error, from 1.00% to 1.26%; "
        f"{limit_words('st_gain_budget')}, from $0.00 to $150.00."
    )
    failed = verdict(told(status="failed", message="No plan was found that keeps every limit."))
    assert failed == "Excluding Energy: no answer. No plan was found that keeps every limit."
    assert conflict_words("Something else.") == "Something else."


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (Change(), "no change"),
        (Change(te_cap_bps=75), "a cap of 0.75% on tracking error"),
        (Change(risk_aversion_micros=2_500_000), "a risk aversion of 2.5"),
        (Change(raise_cents=2_000_000), "raising $20,000.00"),
        (
            Change(gain_budget_cents=0),
            "a budget of $0.00 of long-term and $0.00 of short-term gains",
        ),
        (Change(exclude=("A", "B"), raise_cents=100), "excluding A and B and raising $1.00"),
    ],
)
def test_every_change_has_words(change: Change, words: str) -> None:
    assert change_words(change) == words


def test_prices_name_the_restriction_or_the_limit() -> None:
    blank = RestrictionPrice("exclude", "theme", "fossil_fuel", 0.0, 0, 0, 0)
    assert price_head(blank) == "Exclude theme fossil fuel"
    cap = RestrictionPrice("te_cap", "account", "", 0.0, 0, 0, 0, wider=True)
    assert price_head(cap) == "The cap on tracking error, against 10 bp more"
