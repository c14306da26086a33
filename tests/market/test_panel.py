"""The panel: who bears a ticker when, what is known on a day, and what ends a listing."""

from pathlib import Path

import numpy as np
import pytest
from tests.market.market_tables import DAYS, Tables

from opensma.errors import InputError, MarketError
from opensma.market import ActionKind, Market, open_market


def market_of(tables: Tables, tmp_path: Path) -> Market:
    return open_market(tables.write(tmp_path / "in"))


def test_a_ticker_that_is_used_again_means_its_bearer_of_the_day(
    tiny: Tables, tmp_path: Path
) -> None:
    tiny.rows["symbols"] = [
        ("S1", "AAA", DAYS[0], DAYS[9]),
        ("S1", "NEW", DAYS[10], DAYS[-1]),
        ("S2", "BET", DAYS[0], DAYS[19]),
        ("S2", "AAA", DAYS[20], DAYS[-1]),
        ("S3", "GAM", DAYS[0], DAYS[-1]),
    ]
    market = market_of(tiny, tmp_path)
    assert market.resolve("AAA", DAYS[5]) == 0
    assert market.resolve("aaa", DAYS[25]) == 1
    assert market.resolve("S1", DAYS[25]) == 0
    assert [market.symbol_at(0, DAYS[row]) for row in (0, 9, 10, 29)] == [
        "AAA",
        "AAA",
        "NEW",
        "NEW",
    ]
    with pytest.raises(InputError, match="No security bears the name 'AAA'"):
        market.resolve("AAA", DAYS[15])


def test_a_ticker_still_borne_at_the_end_is_borne_on_the_next_day(
    tiny: Tables, tmp_path: Path
) -> None:
    market = market_of(tiny, tmp_path)
    assert market.resolve("ALF", DAYS[-1].replace(year=2025)) == 0


def test_themes_are_masks_over_the_securities(tiny: Tables, tmp_path: Path) -> None:
    tiny.rows["themes"] += [("S3", "fossil_fuel", None), ("S2", "tobacco", "industry")]
    market = market_of(tiny, tmp_path)
    assert {name: mask.tolist() for name, mask in market.themes.items()} == {
        "fossil_fuel": [True, False, True],
        "tobacco": [False, True, False],
    }


def test_weights_are_those_of_the_members_of_the_day(tiny: Tables, tmp_path: Path) -> None:
    tiny.replace("constituents", "S2", 3, DAYS[14])
    market = market_of(tiny, tmp_path)
    before, after = market.target_weights(DAYS[14]), market.target_weights(DAYS[15])
    assert before.sum() == pytest.approx(1)
    assert after.sum() == pytest.approx(1)
    assert before[1] > 0 == after[1]
    close = market.close_micros[14] / 1e6 * np.array([1e6, 2e6, 3e6])
    assert before == pytest.approx(close / close.sum())


def test_a_listing_that_ends_pays_its_last_close_on_the_next_session(
    tiny: Tables, tmp_path: Path
) -> None:
    tiny.end_listing("S3", 20)
    tiny.replace("constituents", "S3", 3, DAYS[20])
    market = market_of(tiny, tmp_path)
    (end,) = [action for action in market.actions if action.derived]
    assert (end.kind, end.ex_day) == (ActionKind.CASH_MERGER, DAYS[21].toordinal())
    assert end.amount_micros == market.close_micros[20, 2]
    assert not [a for a in market.until(DAYS[20]).actions if a.derived]  # not known yet
    assert [a for a in market.until(DAYS[21]).actions if a.derived] == [end]


def test_a_listing_that_ends_after_a_collapse_is_worth_nothing(
    tiny: Tables, tmp_path: Path
) -> None:
    for row, close in ((18, 15.0), (19, 11.0), (20, 8.0)):
        tiny.set_close("S3", row, close, 90_000)
    tiny.end_listing("S3", 20)
    tiny.replace("constituents", "S3", 3, DAYS[20])
    market = market_of(tiny, tmp_path)
    (end,) = [action for action in market.actions if action.derived]
    assert (end.kind, end.amount_micros) == (ActionKind.WORTHLESS, 0)
    assert market.total_returns()[21, 2] == -1


def test_nothing_later_than_the_day_remains(generated: Market) -> None:
    row = 500
    day = generated.day(row)
    known, when = generated.until(day), day.toordinal()
    assert int(known.days[-1]) == when
    assert len(known.close_micros) == len(known.volume) == row + 1
    assert max(action.ex_day for action in known.actions) <= when
    assert known.symbols.first_day.max() <= when
    assert known.memberships.first_day.max() <= when
    assert known.shares_outstanding.day.max() <= when
    ends = np.concatenate([known.listed_until, known.symbols.last_day, known.memberships.last_day])
    assert not ((ends > when) & (ends < 3_000_000)).any()  # every end after the day is unknown
    assert np.array_equal(known.target_weights(day), generated.target_weights(day))
    assert np.array_equal(known.benchmark_index(), generated.benchmark_index()[: row + 1])


def test_costs_lie_between_half_a_basis_point_and_fifteen(generated: Market) -> None:
    cost = generated.cost_bps(generated.day(-1))
    weight = generated.target_weights(generated.day(-1))
    assert 0.5 <= cost.min() < cost.max() <= 15
    assert cost[np.argsort(-weight)[:10]].mean() < cost[weight > 0].mean()


def test_before_the_first_day_there_is_no_market(generated: Market) -> None:
    with pytest.raises(MarketError, match="begins on 2021-02-01"):
        generated.row(generated.day(0).replace(year=2020))
