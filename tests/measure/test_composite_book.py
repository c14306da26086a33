"""`sma measure composite`: members by rule, returns that are those of the members, outliers."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from opensma.book.master import AccountRecord, all_records
from opensma.book.runs import day_exceptions, latest_run
from opensma.book.series import DailyValues, account_series
from opensma.book.store import open_book
from opensma.calendar import sessions
from opensma.cli import run
from opensma.day import run_day
from opensma.errors import InputError
from opensma.market import Market, open_market
from opensma.measure.account_month import AccountMonth, account_months
from opensma.measure.composite_book import composite_of, record_outliers
from opensma.measure.composite_record import (
    CompositeMonth,
    CompositeRecord,
    composite_record,
    monthly_returns,
)
from opensma.measure.composite_rules import CompositeRules, read_rules
from opensma.measure.composites import dispersion
from opensma.measure.conventions import CompositeMethod, Conventions
from opensma.measure.membership import Definition, Reason, first_of_month
from opensma.measure.outliers import Cause, MonthMarket, Opening, Outlier, explain

AGGREGATE = CompositeMethod.AGGREGATE


@pytest.fixture
def market(small_book: str, small_market: Path) -> Market:
    opened = open_market(small_market)
    run_day(open_book(small_book), opened, opened.day(-1), recorded_at="t", workers=1)
    return opened


@pytest.fixture
def found(small_book: str, market: Market) -> tuple[CompositeRecord, list[Outlier]]:
    return composite_of(open_book(small_book), market, None)


@pytest.fixture
def series(small_book: str, market: Market) -> dict[str, DailyValues]:
    with open_book(small_book).read() as connection:
        names = {a.account_key: a.account_id for a in all_records(connection, AccountRecord)}
        return {names[k]: s for k, s in account_series(connection, list(names)).items()}


# --- the demo book -----------------------------------------------------------------------------


def test_m29_the_aggregate_is_the_return_of_all_members_as_one_account(
    found: tuple[CompositeRecord, list[Outlier]], series: dict[str, DailyValues]
) -> None:
    """Each day the members' returns, weighted by what they had that day, and the days linked."""
    record, _ = found
    assert len(record.months) > 12
    assert max(len(m.members) for m in record.months) == 12
    for month in record.months:
        growth = 1.0
        of = [series[name] for name in month.members]
        for day in of[0].days[of[0].days >= month.month.toordinal()]:
            if day >= first_of_month(month.month, 1).toordinal():
                break
            gained = invested = 0.0
            for one in of:
                i = int(np.searchsorted(one.days, day))
                base = int(one.value_cents[i - 1] + one.inflow_cents[i])
                own = int(one.value_cents[i] + one.outflow_cents[i]) / base - 1.0
                gained, invested = gained + base * own, invested + base
            growth *= 1.0 + gained / invested
        assert month.returns[AGGREGATE] == pytest.approx(growth - 1.0, abs=1e-12)


def test_m29_the_other_methods_weight_the_members_returns(
    found: tuple[CompositeRecord, list[Outlier]], series: dict[str, DailyValues]
) -> None:
    for month in found[0].months:
        begins = []
        for name in month.members:
            one = series[name]
            opened = int(np.searchsorted(one.days, month.month.toordinal())) - 1
            begins.append(int(one.value_cents[opened]))
        assert sum(begins) == month.begin_cents
        own = [month.member_returns[name] for name in month.members]
        mean = np.average(own, weights=begins)
        assert month.returns[CompositeMethod.BEGINNING] == pytest.approx(mean, abs=1e-12)
        for r in month.returns.values():
            assert min(own) - 0.002 < r < max(own) + 0.002


def test_m27_members_enter_by_the_cutoff_and_stay(
    found: tuple[CompositeRecord, list[Outlier]], series: dict[str, DailyValues]
) -> None:
    record, _ = found
    assert {m.account_id for m in record.memberships} == set(series)
    for one in record.memberships:
        funded = date.fromordinal(int(series[one.account_id].days[0]))
        (only,) = one.intervals
        assert only.first == first_of_month(funded, 1 if funded.day <= 15 else 2)
        assert (only.last, only.entered, one.outside) == (None, Reason.FUNDED, "")


def test_the_benchmark_of_the_whole_record_is_the_index(
    found: tuple[CompositeRecord, list[Outlier]], market: Market
) -> None:
    whole = found[0].benchmark
    assert whole is not None
    levels, days = market.benchmark_index(), market.days
    ends = np.searchsorted(days, [whole.start.toordinal(), whole.end.toordinal()], side="right") - 1
    assert whole.cumulative == pytest.approx(levels[ends[1]] / levels[ends[0]] - 1, abs=1e-12)


def test_outliers_are_all_months_beyond_the_bound_and_their_parts_add_up(
    found: tuple[CompositeRecord, list[Outlier]],
) -> None:
    record, outliers = found
    beyond = {
        (name, m.month)
        for m in record.months
        for name, r in m.member_returns.items()
        if abs(r - m.returns[AGGREGATE]) > record.rules.outlier_bps / 1e4
    }
    assert {(o.account_id, o.month) for o in outliers} == beyond
    assert len({o.cause for o in outliers}) > 1
    for one in outliers:
        assert sum(one.parts.values()) == pytest.approx(one.difference, abs=1e-12)
        assert np.sign(one.parts[one.cause]) == np.sign(one.difference)


def test_m25_m28_a_definition_file_decides_who_is_in(small_book: str, market: Market) -> None:
    rules = read_rules(json.dumps(definition()).encode(), "d.json")
    record, _ = composite_of(open_book(small_book), market, rules)
    assert record.rules.name == "Large"
    restricted = next(m for m in record.memberships if m.account_id == "A000001")
    assert restricted.intervals[-1].left is Reason.NON_DISCRETIONARY
    assert "excludes" in restricted.outside
    small = next(m for m in record.memberships if m.account_id == "A000011")
    assert (small.intervals, small.outside) == ((), "below the minimum of 200,000.00")


def definition(**changes: object) -> dict[str, object]:
    rule = {
        "effective": "2023-10-01", "recorded": "2023-09-15", "by": "Committee",
        "strategies": ["large-cap-tax"], "minimum": 100_000,
    }  # fmt: skip
    later = rule | {"effective": "2024-07-01", "minimum": 200_000, "most_excluded_weight": 0.1}
    return {"name": "Large", "rules": [rule, later]} | changes


def test_the_command_prints_tables_and_json_and_claims_nothing(
    small_book: str, small_market: Path, market: Market, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    file = tmp_path / "d.json"
    file.write_text(json.dumps(definition()))
    command = ["measure", "composite", "--book", small_book, "--market", str(small_market)]
    assert run(command) == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Provisional: no definition was named" in text
    assert "a firm can use when it prepares its own reports" in text
    assert run([*command, "--definition", str(file), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert set(document["months"][-1]["returns"]) == {m.value for m in CompositeMethod}
    assert document["years"][0]["months"] == 2
    assert document["years"][0]["deviation"] is None
    file.write_text(json.dumps(definition(rules=[])))
    assert run([*command, "--definition", str(file), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["where"].endswith("d.json.rules")


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"name": ""}, "d.json.name"),
        ({"colour": 1}, "d.json"),
        ({"ddof": 2}, "d.json.ddof"),
        ({"method": "best"}, "d.json.method"),
        ({"outlier_bps": -1}, "d.json.outlier_bps"),
        ({"rules": [{"effective": "2024-01-15"}]}, "d.json.rules[0].strategies"),
    ],
)
def test_a_mistake_in_the_definition_is_told_by_its_place(
    changes: dict[str, object], where: str
) -> None:
    with pytest.raises(InputError) as told:
        read_rules(json.dumps(definition(**changes)).encode(), "d.json")
    assert told.value.where == where


def test_m26_a_rule_never_reaches_back() -> None:
    text = json.dumps(definition()).replace("2023-09-15", "2023-11-15")
    with pytest.raises(InputError, match="definition_retroactive"):
        read_rules(text.encode(), "d.json")


# --- made by hand ------------------------------------------------------------------------------

FIRST, LAST = date(2021, 1, 4), date(2024, 3, 28)
DAYS = np.array([d.toordinal() for d in sessions(FIRST, LAST)], dtype=np.int64)
RULE = Definition("Core", date(2021, 1, 1), date(2020, 12, 1), "pm", frozenset({"core"}))


def record_of(count: int, **more: object) -> tuple[CompositeRecord, list[AccountMonth]]:
    """Accounts of growing size with drawn daily returns over 38 full months."""
    rng = np.random.default_rng(5)
    zeros = np.zeros(len(DAYS), dtype=np.int64)
    rows = []
    for i in range(count):
        growth = np.cumprod(1 + rng.normal(3e-4, 0.01, len(DAYS)))
        value = np.rint(growth * 10_000_000 * (i + 1)).astype(np.int64)
        inflow = zeros.copy()
        inflow[0] = value[0]
        one = DailyValues(DAYS, value, inflow, zeros)
        rows += account_months(f"A{i}", "core", one, first_of_month(LAST))
    levels = np.cumprod(1 + rng.normal(3e-4, 0.01, len(DAYS)))
    over = monthly_returns(levels, DAYS, sorted({m.month for m in rows}))
    rules = CompositeRules("Core", (RULE,), Conventions(**more))  # type: ignore[arg-type]
    return composite_record(rules, rows, over), rows


def test_m30_dispersion_is_of_members_of_the_full_year_from_six_on() -> None:
    six, rows = record_of(6)
    year = next(y for y in six.years if y.year == 2022)
    ends = {(m.account_id, m.month): m.end_cents for m in rows if m.month.month == 12}
    own = [
        ends[f"A{i}", date(2022, 12, 1)] / ends[f"A{i}", date(2021, 12, 1)] - 1 for i in range(6)
    ]
    spread = dispersion(own, [ends[f"A{i}", date(2021, 12, 1)] for i in range(6)])
    assert year.dispersion == pytest.approx(spread.equal_weighted_std, abs=1e-12)
    assert year.full_year_members == 6
    five, _ = record_of(5)
    fewer = next(y for y in five.years if y.year == 2022)
    assert fewer.dispersion is None
    assert any("dispersion" in why for why in fewer.missing)


def test_m31_three_years_are_the_last_36_months_and_nothing_with_fewer() -> None:
    record, _ = record_of(3)
    assert [y.deviation is None for y in record.years] == [True, True, True, False]
    assert len(record.months) == 38
    last = [m.returns[AGGREGATE] for m in record.months[-36:]]
    expected = float(np.std(last, ddof=1) * np.sqrt(12))
    assert record.years[-1].deviation == pytest.approx(expected, abs=1e-12)
    against = float(np.std([m.benchmark for m in record.months[-36:]], ddof=1) * np.sqrt(12))
    assert record.years[-1].benchmark_deviation == pytest.approx(against, abs=1e-12)


def test_a_part_of_a_year_is_called_so_and_never_annualised() -> None:
    record, _ = record_of(2)
    assert [(y.year, y.months) for y in record.years] == [
        (2021, 11), (2022, 12), (2023, 12), (2024, 3),
    ]  # fmt: skip
    assert record.whole is not None
    assert record.whole.start == date(2021, 1, 31)
    assert record.whole.annualised is not None


def test_m13_a_month_without_members_ends_the_record() -> None:
    zeros = np.zeros(len(DAYS), dtype=np.int64)
    rows = []
    for name, days in (("A", slice(0, 100)), ("B", slice(400, None))):
        value = zeros[days] + 100_000
        inflow = zeros[days].copy()
        inflow[0] = 100_000
        one = DailyValues(DAYS[days], value, inflow, zeros[days])
        rows += account_months(name, "core", one, first_of_month(LAST))
    gone = account_months(
        "C", "other", DailyValues(DAYS, zeros + 1, zeros, zeros), first_of_month(LAST)
    )
    over = monthly_returns(np.ones(len(DAYS)), DAYS, sorted({m.month for m in gone}))
    record = composite_record(CompositeRules("Core", (RULE,), Conventions()), rows + gone, over)
    assert {name for m in record.months for name in m.members} == {"B"}
    assert record.notes
    assert "ended" in record.notes[0]


def test_m27_an_account_that_ends_stays_through_its_last_full_month() -> None:
    zeros = np.zeros(len(DAYS), dtype=np.int64)
    rows = []
    for name, days in (("A", slice(0, None)), ("B", slice(0, 100))):
        inflow = zeros[days].copy()
        inflow[0] = 100_000
        one = DailyValues(DAYS[days], zeros[days] + 100_000, inflow, zeros[days])
        rows += account_months(name, "core", one, first_of_month(LAST))
    over = monthly_returns(np.ones(len(DAYS)), DAYS, sorted({m.month for m in rows}))
    record = composite_record(CompositeRules("Core", (RULE,), Conventions()), rows, over)
    ended = date.fromordinal(int(DAYS[99]))
    assert ended.day < 28  # within a month
    gone = next(m for m in record.memberships if m.account_id == "B")
    (only,) = gone.intervals
    assert (only.last, only.left) == (
        date.fromordinal(first_of_month(ended).toordinal() - 1), Reason.NOTICE,
    )  # fmt: skip
    assert gone.outside == f"its values end on {ended}"
    with_b = [m.month for m in record.months if "B" in m.members]
    assert with_b[-1] == first_of_month(ended, -1)
    assert len(record.months) == 38


MODEL = np.array([0.5, 0.3, 0.2, 0.0])
RETURNS = np.array([0.01, 0.05, -0.02, 0.10])
OVER = MonthMarket(MODEL, RETURNS, float(MODEL @ RETURNS))
NOTHING = np.zeros(4, dtype=bool)


@pytest.mark.parametrize(
    ("weights", "excluded", "inflow", "setting", "cause"),
    [
        ([0.7, 0.0, 0.3, 0.0], [1], 0, "usual", Cause.RESTRICTIONS),
        ([0.3, 0.3, 0.2, 0.2], [], 0, "usual", Cause.LEGACY),
        ([0.515, 0.27, 0.215, 0.0], [], 0, "loose", Cause.SETTING),
        ([0.25, 0.15, 0.1, 0.0], [], 0, "usual", Cause.CASH),
        ([0.5, 0.3, 0.2, 0.0], [], 500_000, "usual", Cause.FLOWS),
    ],
)
def test_the_likely_cause_is_the_part_that_explains_most(
    weights: list[float], excluded: list[int], inflow: int, setting: str, cause: Cause
) -> None:
    """Nine members hold the model; one differs in a single respect."""
    days = np.array([date(2024, 1, 2).toordinal()], dtype=np.int64)
    own = float(np.array(weights) @ RETURNS) - (0.004 if inflow else 0.0)
    members, returns, openings = {}, {}, {}
    for i in range(10):
        odd = i == 0
        r, flow = (own, inflow) if odd else (OVER.benchmark, 0)
        begin = 1_000_000
        end = np.array([round((begin + flow) * (1 + r))], dtype=np.int64)
        zero = np.zeros(1, dtype=np.int64)
        one = AccountMonth(f"A{i}", date(2024, 1, 1), begin, days, end, zero + flow, zero)
        members[one.account_id], returns[one.account_id] = one, r
        mask = NOTHING.copy()
        mask[excluded if odd else []] = True
        held = np.array(weights) if odd else MODEL
        words = setting if odd else "usual"
        openings[one.account_id] = Opening(held, 1 - float(held.sum()), mask, words)
    whole = float(np.mean(list(returns.values())))
    month = _month(members, returns, whole)
    entry = explain(month, AGGREGATE, 5.0, members, openings, OVER)[0]
    assert (entry.account_id, entry.cause) == ("A0", cause)
    assert sum(entry.parts.values()) == pytest.approx(entry.difference, abs=1e-12)
    assert entry.parts[cause] / entry.difference > 0.5  # what was bought instead has a part too
    assert entry.evidence


def _month(
    members: dict[str, AccountMonth], returns: dict[str, float], whole: float
) -> CompositeMonth:
    return CompositeMonth(
        date(2024, 1, 1),
        tuple(members),
        sum(m.begin_cents for m in members.values()),
        sum(m.end_cents for m in members.values()),
        dict.fromkeys(CompositeMethod, whole),
        OVER.benchmark,
        returns,
    )


def test_outliers_are_kept_once_among_the_exceptions_with_their_cause(
    small_book: str, found: tuple[CompositeRecord, list[Outlier]]
) -> None:
    record, outliers = found
    names = {o.account_id for o in outliers}
    assert names
    book = open_book(small_book)
    assert record_outliers(book, record, outliers) == len(names)
    assert record_outliers(book, record, outliers) == 0
    with book.read() as connection:
        run_of_day = latest_run(connection)
        assert run_of_day is not None
        kept = [e for e in day_exceptions(connection, run_of_day.run_id) if "outlier" in e.code]
    assert {e.account_id for e in kept} == names
    causes = {cause.value for cause in Cause}
    assert all(any(cause in e.message for cause in causes) for e in kept)
