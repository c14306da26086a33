"""Large and significant flows of an account by a dated policy (M10, M11)."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from opensma.book.master import AccountRecord, all_records
from opensma.book.series import DailyValues, account_series
from opensma.book.store import open_book
from opensma.calendar import sessions
from opensma.cli import run
from opensma.day import run_day
from opensma.errors import InputError
from opensma.market import Market, open_market
from opensma.measure.conventions import DatedConventions
from opensma.measure.dietz import large_flow_effect
from opensma.measure.flow_policy import PolicyMonth, policy_months, read_policy
from opensma.measure.performance import measure

ROW = {"effective": "2024-01-01", "recorded": "2023-12-20", "by": "Committee"}
DAYS = np.array([d.toordinal() for d in sessions(date(2024, 1, 2), date(2024, 3, 28))])


@pytest.fixture
def market(small_book: str, small_market: Path) -> Market:
    opened = open_market(small_market)
    run_day(open_book(small_book), opened, opened.day(-1), recorded_at="t", workers=1)
    return opened


def policy(**more: object) -> tuple[DatedConventions, ...]:
    return read_policy(json.dumps([ROW | more]).encode(), "p.json")


def series(flows: dict[date, int], worth: int = 100_000_00) -> DailyValues:
    """A flat January, then +1 % on every session of February, with flows at the close before."""
    value, into, out = (np.zeros(len(DAYS), dtype=np.int64) for _ in range(3))
    into[0] = worth
    for i, day in enumerate(DAYS.tolist()):
        moved = flows.get(date.fromordinal(day), 0)
        into[i], out[i] = into[i] + max(0, moved), max(0, -moved)
        worth += moved
        worth = round(worth * (1.01 if date.fromordinal(day).month == 2 else 1.0))
        value[i] = worth
    return DailyValues(DAYS, value, into, out)


def months(
    small_book: str, market: Market, one: DailyValues, rules: tuple[DatedConventions, ...]
) -> list[PolicyMonth]:
    with open_book(small_book).read() as connection:
        account = all_records(connection, AccountRecord)[0]
    nothing = np.zeros((3, len(one.days)), dtype=np.int64)
    found = measure(account, one, nothing, [], market, None, None)
    return policy_months(one, found, rules)


def test_m10_a_large_flow_breaks_its_month_on_its_day(small_book: str, market: Market) -> None:
    day = date(2024, 2, 15)
    one = series({day: 30_000_00})
    (found,) = months(small_book, market, one, policy(large_flow={"share": 0.1}))
    (flow,) = found.flows
    assert (flow.day, flow.net_cents, flow.share) == (day, 30_000_00, 0.3)
    assert not found.significant
    # Broken at the flow, the month is what each dollar earned: 20 sessions of one percent.
    assert found.time_weighted == pytest.approx(1.01**20 - 1, abs=1e-6)
    # The published way to tell the gap gives the same figures on the same month.
    row = int(np.searchsorted(DAYS, day.toordinal()))
    opened = int(np.searchsorted(DAYS, date(2024, 2, 1).toordinal())) - 1
    days = int(date(2024, 2, 29).toordinal() - DAYS[opened])
    effect = large_flow_effect(
        float(one.value_cents[opened]),
        float(one.value_cents[row - 1]),
        30_000_00.0,
        int(day.toordinal() - DAYS[opened]),
        float(one.value_cents[int(np.searchsorted(DAYS, date(2024, 2, 29).toordinal()))]),
        days,
        policy(large_flow={"share": 0.1})[0].conventions.large_flow,  # type: ignore[arg-type]
    )
    assert found.not_broken == pytest.approx(effect.modified_dietz)
    assert found.time_weighted == pytest.approx(effect.true_twr)
    assert found.difference_bp == pytest.approx(effect.difference_bp)


@pytest.mark.parametrize(
    ("rule", "large", "significant"),
    [
        ({"large_flow": {"share": 0.05}}, 2, False),  # greater or equal
        ({"large_flow": {"amount": 5_000.01}}, 0, None),
        ({"significant_flow": 0.1}, 0, True),  # the month's net flow, no single day
        ({"significant_flow": 0.11}, 0, None),
        ({"large_flow": {"share": 0.05}, "significant_flow": 0.1}, 2, True),
    ],
)
def test_m11_large_is_of_a_day_and_significant_of_a_month(
    small_book: str,
    market: Market,
    rule: dict[str, object],
    large: int,
    significant: bool | None,
) -> None:
    one = series({date(2024, 2, 7): 5_000_00, date(2024, 2, 21): 5_000_00})
    found = months(small_book, market, one, policy(**rule))
    assert len(found) == (significant is not None)
    for month in found:
        assert len(month.flows) == large
        assert month.significant is significant


def test_m9_a_month_that_leaves_no_base_has_no_dietz_return(
    small_book: str, market: Market
) -> None:
    """Ten times the money on the first session, nearly all of it gone on the second."""
    flat = series({})
    value, out = np.full(len(DAYS), 100_000_00), np.zeros(len(DAYS), dtype=np.int64)
    row = int(np.searchsorted(DAYS, date(2024, 2, 1).toordinal()))
    value[row:] = 1_000_000_00
    value[row + 1 :] = 10_000_00
    out[row + 1] = 990_000_00
    one = DailyValues(DAYS, value, flat.inflow_cents, out)
    (found,) = months(small_book, market, one, policy(large_flow={"share": 0.5}))
    assert found.not_broken is found.difference_bp is None
    assert found.time_weighted == pytest.approx(9.0)


def test_a_month_before_the_policy_is_an_error_and_never_the_default(
    small_book: str, market: Market
) -> None:
    late = ROW | {"effective": "2024-03-01", "recorded": "2024-02-20"}
    rules = read_policy(json.dumps([late | {"significant_flow": 0.1}]).encode(), "p.json")
    with pytest.raises(InputError, match=r"measure\.convention_missing"):
        months(small_book, market, series({date(2024, 2, 7): 1_00}), rules)


@pytest.mark.parametrize(
    ("row", "where"),
    [
        (ROW | {"colour": 1}, "p.json[0]"),
        (ROW | {"by": " "}, "p.json[0].by"),
        (ROW | {"effective": "2023-01-01"}, "p.json[0]"),
        (ROW | {"large_flow": {"share": 0.1, "amount": 1}}, "p.json[0].large_flow"),
        (ROW | {"significant_flow": True}, "p.json[0].significant_flow"),
    ],
)
def test_a_mistake_in_the_policy_is_told_by_its_place(row: dict[str, object], where: str) -> None:
    with pytest.raises(InputError) as told:
        read_policy(json.dumps([row]).encode(), "p.json")
    assert told.value.where == where


def test_the_command_tells_the_flows_of_the_policy(
    small_book: str,
    small_market: Path,
    market: Market,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    with open_book(small_book).read() as connection:
        people = all_records(connection, AccountRecord)
        known = account_series(connection, [a.account_key for a in people])
    later = {a.account_id: known[a.account_key].inflow_cents[60:] for a in people}
    name = next(name for name, paid in later.items() if (paid > 0).any())
    file = tmp_path / "p.json"
    rows = [ROW | {"effective": "2020-01-01", "recorded": "2019-12-20"}]
    file.write_text(json.dumps([rows[0] | {"large_flow": {"amount": 1}}]))
    command = ["measure", "account", name, "--book", small_book, "--market", str(small_market)]
    assert run([*command, "--policy", str(file), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["flow_policy"]
    assert found
    assert all(month["flows"][0]["share"] > 0 for month in found)
    assert run([*command, "--policy", str(file)]) == 0
    assert "Flows by the policy" in capsys.readouterr().out
    assert run([*command, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["flow_policy"] is None
