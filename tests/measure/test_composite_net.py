"""Composites after fees, and members that a flow takes out for a while (M10, M11, M19, M29)."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from tests.billing.test_commands import Sma, sma  # noqa: F401 - a fixture
from tests.measure.test_composite_book import definition

from opensma.book.series import DailyValues
from opensma.book.store import open_book
from opensma.calendar import sessions
from opensma.cli import run
from opensma.errors import InputError
from opensma.market import open_market
from opensma.measure.account_month import AccountMonth, account_months, month_end
from opensma.measure.composite_book import record_of
from opensma.measure.composite_record import CompositeRecord, composite_record
from opensma.measure.composite_rules import CompositeRules, read_rules
from opensma.measure.conventions import CompositeMethod, Conventions, FeeTiming, LargeFlow
from opensma.measure.fees_book import BookedFee
from opensma.measure.membership import Definition, Reason, first_of_month

AGGREGATE = CompositeMethod.AGGREGATE
FIRST, LAST = date(2023, 1, 3), date(2024, 1, 31)
DAYS = np.array([d.toordinal() for d in sessions(FIRST, LAST)], dtype=np.int64)
QUARTERS = [(date(2023, m, 1), month_end(date(2023, m + 2, 1))) for m in (1, 4, 7, 10)]


def rule(**more: object) -> Definition:
    since, recorded, core = date(2023, 1, 1), date(2022, 12, 1), frozenset({"core"})
    return Definition("Core", since, recorded, "pm", core, **more)  # type: ignore[arg-type]


def fees(name: str, cents: int) -> list[BookedFee]:
    return [
        BookedFee(name, a.toordinal(), b.toordinal(), b.toordinal(), cents) for a, b in QUARTERS
    ]


def account(name: str, seed: int, charged: int | None, flows: dict[int, int] | None = None,
            timing: FeeTiming = FeeTiming.DEBIT_DATE) -> list[AccountMonth]:  # fmt: skip
    """An account with drawn returns, flows on some rows, and a fee for each quarter of 2023."""
    rng = np.random.default_rng(seed)
    value, into, out = (np.zeros(len(DAYS), dtype=np.int64) for _ in range(3))
    worth = 100_000_00 * seed
    into[0] = worth
    for i in range(len(DAYS)):
        worth = round(worth * (1 + rng.normal(4e-4, 0.01))) if i else worth
        moved = (flows or {}).get(i, 0)
        into[i] += max(0, moved)
        out[i] += max(0, -moved)
        worth += moved
        value[i] = worth
    own = () if charged is None else fees(name, charged)
    series = DailyValues(DAYS, value, into, out)
    return account_months(name, "core", series, first_of_month(LAST), own, timing)


def made(rows: list[AccountMonth], *rules: Definition) -> CompositeRecord:
    of = CompositeRules("Core", rules or (rule(),), Conventions())
    return composite_record(of, rows, {m.month: 0.01 for m in rows})


def by_month(rows: list[AccountMonth], month: date) -> list[AccountMonth]:
    return [m for m in rows if m.month == month]


# --- after fees --------------------------------------------------------------------------------


def test_m29_the_composite_is_the_aggregate_of_its_members_before_and_after_fees() -> None:
    """Every day all members' gains less all their fees over all they had, linked."""
    rows = account("A", 1, 250_00) + account("B", 3, 600_00, {40: 9_000_00, 90: -20_000_00})
    record = made(rows)
    assert next(m.month for m in record.months) == date(2023, 2, 1)
    for month in record.months:
        if month.month.year == 2024:
            continue
        of = by_month(rows, month.month)
        before = sum(m.begin_cents for m in of)
        growth = {False: 1.0, True: 1.0}
        for i in range(len(of[0].days)):
            base = before + sum(int(m.inflow_cents[i]) for m in of)
            end = sum(int(m.value_cents[i] + m.outflow_cents[i]) for m in of)
            fee = sum(int(m.fee_cents[i]) for m in of if m.fee_cents is not None)
            growth[False] *= end / base
            growth[True] *= (end - fee) / base
            before = sum(int(m.value_cents[i]) for m in of)
        assert month.net is not None
        assert month.returns[AGGREGATE] == pytest.approx(growth[False] - 1, abs=1e-13)
        assert month.net[AGGREGATE] == pytest.approx(growth[True] - 1, abs=1e-13)
        # The other methods weight the members' own returns after fees.
        own = [m.net for m in of]
        weights = [m.begin_cents for m in of]
        mean = np.average(np.array(own, dtype=float), weights=weights)
        assert month.net[CompositeMethod.BEGINNING] == pytest.approx(mean, abs=1e-13)
    assert sum(m.fee_cents for m in record.months) == 4 * (250_00 + 600_00)


def test_m19_a_year_is_after_fees_only_where_every_member_was_invoiced() -> None:
    record = made(account("A", 1, 250_00) + account("B", 2, 300_00))
    year, part = record.years
    assert year.net is not None
    assert year.net < year.composite
    months = [m.net for m in record.months if m.month.year == 2023]
    linked = np.prod([1 + m[AGGREGATE] for m in months if m is not None]) - 1
    assert year.net == pytest.approx(linked, abs=1e-14)
    # January 2024 has no invoice yet: no figure, never the gross one.
    assert part.net is None
    assert part.missing[0].startswith("net return: no invoice serves A all of 2024-01")
    assert record.whole_net is None
    one_free = made(account("A", 1, 250_00) + account("B", 2, None))
    assert one_free.years[0].net is None
    assert "no invoice serves B" in one_free.years[0].missing[0]


def test_m19_an_accrued_fee_lowers_every_month_and_keeps_every_cent() -> None:
    daily = account("A", 1, 250_01, timing=FeeTiming.ACCRUED_DAILY)
    charged = [int(m.fee_cents.sum()) for m in daily if m.fee_cents is not None]
    assert sum(charged) == 4 * 250_01
    assert min(charged) > 0
    for month in daily:
        if month.net is not None:
            assert month.net < month.time_weighted


def test_the_book_gives_the_fees_of_a_quarter_and_its_months(
    sma: Sma,  # noqa: F811
    small_market: Path,
) -> None:
    sma("run", "--period", "2024Q3")
    record = record_of(open_book(sma.book), open_market(small_market), None)
    known = [m for m in record.months if m.net is not None]
    assert [m.month for m in known] == [date(2024, m, 1) for m in (7, 8, 9)]
    assert known[-1].net is not None
    assert known[-1].net[AGGREGATE] < known[-1].returns[AGGREGATE]  # charged on its last day
    assert known[0].net == known[0].returns
    assert known[-1].fee_cents > 0
    assert all(y.net is None for y in record.years)


# --- flows -------------------------------------------------------------------------------------


def test_m11_a_significant_flow_removes_an_account_for_a_while_with_its_reason() -> None:
    row = int(np.searchsorted(DAYS, date(2023, 6, 14).toordinal()))
    moved = {row: 40_000_00}
    rows = account("A", 1, None, moved) + account("B", 3, None)
    record = made(rows, rule(significant_flow=0.25))
    without = {m.month for m in record.months if "A" not in m.members}
    assert without == {date(2023, 6, 1), date(2023, 7, 1)}  # back after one month that fits
    (out,) = record.removals
    assert (out.account_id, out.month, out.back) == ("A", date(2023, 6, 1), date(2023, 8, 1))
    assert out.net_flow_cents == 40_000_00
    assert out.net_flow_cents >= out.bound * out.begin_cents
    (a,) = [m for m in record.memberships if m.account_id == "A"]
    assert [i.left for i in a.intervals] == [Reason.SIGNIFICANT_FLOW, Reason.STILL_IN]
    # A larger bound keeps it, and so does no bound: a significant flow is never assumed.
    assert not made(rows, rule(significant_flow=0.60)).removals
    assert not made(rows).removals


def test_m11_money_that_comes_and_goes_in_one_month_is_no_significant_flow() -> None:
    row = int(np.searchsorted(DAYS, date(2023, 6, 14).toordinal()))
    rows = account("A", 1, None, {row: 40_000_00, row + 3: -40_000_00}) + account("B", 3, None)
    assert not made(rows, rule(significant_flow=0.25)).removals


def test_m26_the_bound_on_flows_holds_from_its_day_on() -> None:
    row = int(np.searchsorted(DAYS, date(2023, 6, 14).toordinal()))
    rows = account("A", 1, None, {row: 40_000_00}) + account("B", 3, None)
    core = frozenset({"core"})
    later = Definition(
        "Core", date(2023, 7, 1), date(2023, 6, 30), "pm", core, significant_flow=0.1
    )
    assert not made(rows, rule(), later).removals


def test_m10_large_flows_are_counted_and_never_remove_anybody() -> None:
    row = int(np.searchsorted(DAYS, date(2023, 6, 14).toordinal()))
    rows = account("A", 1, None, {row: 40_000_00, row + 40: -5_000_00}) + account("B", 3, None)
    share, amount = LargeFlow(share=0.10), LargeFlow(amount=5_000)
    assert made(rows, rule(large_flow=share)).large_flows == 1
    assert made(rows, rule(large_flow=amount)).large_flows == 2  # greater or equal
    assert made(rows).large_flows == 0
    assert not made(rows, rule(large_flow=share)).removals


def test_rules_of_a_file_set_both_bounds_and_when_fees_count() -> None:
    document = definition(fee_timing="accrued_daily")
    first = document["rules"][0]  # type: ignore[index]
    first["significant_flow"], first["large_flow"] = 0.3, {"share": 0.1}
    found = read_rules(json.dumps(document).encode(), "d.json")
    assert found.conventions.fee_timing is FeeTiming.ACCRUED_DAILY
    assert found.rules[0].significant_flow == 0.3
    assert found.rules[0].large_flow == LargeFlow(share=0.1)
    assert found.rules[1].large_flow is None
    for wrong, where in (
        ({"significant_flow": 0}, "d.json.rules[0].significant_flow"),
        ({"large_flow": {"share": 0.1, "amount": 5}}, "d.json.rules[0].large_flow"),
        ({"large_flow": {"share": -1}}, "d.json.rules[0].large_flow.share"),
    ):
        first |= {"significant_flow": 0.3, "large_flow": {"share": 0.1}} | wrong
        with pytest.raises(InputError) as told:
            read_rules(json.dumps(document).encode(), "d.json")
        assert told.value.where == where


def test_the_command_shows_gross_and_net_and_who_left_for_a_flow(
    sma: Sma,  # noqa: F811
    small_market: Path,
    tmp_path: Path,
) -> None:
    sma("run", "--period", "2024Q3")
    document = definition()
    first, later = document["rules"]  # type: ignore[misc]
    first |= {"significant_flow": 0.01, "minimum": 0}
    later |= {"large_flow": {"share": 0.001}, "minimum": 0, "most_excluded_weight": 1}
    file = tmp_path / "d.json"
    file.write_text(json.dumps(document))
    place = ["--book", sma.book, "--market", str(small_market), "--definition", str(file)]
    assert run(["measure", "composite", *place, "--json"]) == 0
    found = json.loads(sma.capsys.readouterr().out)
    assert found["removals"]
    assert found["large_flows"] > 0
    assert "who pays fees" not in found["basis"]
    assert run(["measure", "composite", *place]) == 0
    text = " ".join(sma.capsys.readouterr().out.split())
    assert "net" in text
    assert found["removals"][0]["account_id"] in text
    assert "Out for a while because of a flow" in text
