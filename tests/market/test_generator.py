"""The generated market: same seed, same bytes; checked, eventful, and like a real one."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from opensma.errors import InputError
from opensma.market import ActionKind, Market, generate_market, import_market, open_market
from opensma.market.describe import compare, describe
from opensma.market.layout import TABLES


def test_the_same_seed_gives_the_same_bytes(small_folder: Path, tmp_path: Path) -> None:
    days = (date(2022, 1, 3), date(2023, 12, 29))
    generate_market(tmp_path / "a", seed=3, securities=40, start=days[0], end=days[1])
    generate_market(tmp_path / "b", seed=4, securities=40, start=days[0], end=days[1])
    for table in TABLES:
        name = f"{table.name}.parquet"
        assert (tmp_path / "a" / name).read_bytes() == (small_folder / name).read_bytes()
    assert open_market(tmp_path / "a").content_hash != open_market(tmp_path / "b").content_hash


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_it_passes_its_own_checks_without_a_word(seed: int, tmp_path: Path) -> None:
    generate_market(tmp_path / "in", seed=seed)
    assert import_market(tmp_path / "in", tmp_path / "store").findings == ()


def test_the_default_market_has_no_findings(generated: Market) -> None:
    assert generated.findings == ()


def test_everything_that_happens_to_owners_happens(generated: Market) -> None:
    kinds = {action.kind for action in generated.actions}
    assert kinds == set(ActionKind)
    spun = [a for a in generated.actions if a.kind is ActionKind.SPIN_OFF]
    assert any(a.child >= 0 for a in spun)
    assert any(a.child < 0 for a in spun)
    renamed = len(generated.symbols.label) - len(set(generated.symbols.security.tolist()))
    assert renamed > 10
    # A ticker that one company left is borne by another one later.
    bearers: dict[str, set[int]] = {}
    for symbol, security in zip(generated.symbols.label, generated.symbols.security, strict=True):
        bearers.setdefault(symbol, set()).add(int(security))
    reused = next(symbol for symbol, found in bearers.items() if len(found) > 1)
    first, last = generated.day(0), generated.day(-1)
    assert generated.resolve(reused, first) != generated.resolve(reused, last)
    # Share classes of one issuer are one group.
    assert len(set(generated.group.tolist())) < len(generated.security_id)


def test_members_come_and_go_and_stay_five_hundred(generated: Market) -> None:
    counts = [int(generated.members(generated.day(row)).sum()) for row in range(0, 986, 60)]
    assert 490 <= min(counts) <= max(counts) <= 510
    first, last = generated.members(generated.day(0)), generated.members(generated.day(-1))
    assert 40 < int((first & ~last).sum()) < 100


def test_too_small_a_market_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="too few"):
        generate_market(tmp_path / "x", seed=1, securities=29)
    with pytest.raises(InputError, match="too few"):
        generate_market(tmp_path / "x", seed=1, start=date(2024, 10, 1), end=date(2024, 12, 31))
    assert not (tmp_path / "x").exists()


# What was measured on real US large caps, 2021-02 to 2024-12, and how near a draw has to come.
MEASURED = {
    "index volatility, annual": (0.165, 0.25),
    "dispersion across securities, daily": (0.0179, 0.15),
    "volatility of a security, median": (0.288, 0.2),
    "kurtosis of a security, median": (7.46, 0.3),
    "beta of a security, median": (0.93, 0.25),
    "share down 10 % or more in a calendar year, mean": (0.291, 0.3),
    "share of correlation, eigenvalue 1": (0.311, 0.3),
    "share of correlation, eigenvalue 2": (0.0585, 0.35),
    "share of correlation, eigenvalue 3": (0.0481, 0.35),
    "share of correlation, eigenvalues 6 to 20": (0.118, 0.25),
    "weight of the ten largest, first day": (0.294, 0.15),
    "members that leave, a year": (18.1, 0.25),
    "dividends, a year": (1713, 0.2),
    "splits, a year": (11.2, 0.6),
    "spin-offs, a year": (4.34, 0.2),
    "cash takeovers, a year": (5.37, 0.2),
    "failures, a year": (0.77, 0.4),
    "ticker changes, a year": (5.37, 0.3),
}


def test_it_is_like_the_real_market_it_was_measured_on(generated: Market) -> None:
    facts = describe(generated)
    far = {
        name: (facts[name], measured)
        for name, (measured, near) in MEASURED.items()
        if abs(facts[name] / measured - 1) > near
    }
    assert not far


def test_the_figures_measured_are_those_of_the_real_market(real_market: Path) -> None:
    facts = describe(open_market(real_market))
    for name, (measured, _) in MEASURED.items():
        assert facts[name] == pytest.approx(measured, rel=0.01), name


def test_a_market_compared_with_itself_has_ratio_one(small: Market) -> None:
    for row in compare(small, small):
        assert row.first == row.second or np.isnan(row.first)
        assert row.ratio == 1 or np.isnan(row.ratio)


def test_returns_are_what_prices_and_actions_say(small: Market) -> None:
    """A buyer of every action's ex-day: price and distribution explain the total return."""
    moved = small.total_returns()
    seen = 0
    for action in small.recorded:
        row = small.row(action.ex_day)
        before, after = small.close_micros[row - 1 : row + 1, action.security]
        same_day = [
            a for a in small.recorded
            if a.security == action.security and a.ex_day == action.ex_day
        ]  # fmt: skip
        if row and before > 0 and action.kind is ActionKind.SPLIT and len(same_day) == 1:
            grown = after / before * action.numerator / action.denominator - 1
            assert moved[row, action.security] == pytest.approx(grown)
            seen += 1
        if row and before > 0 and action.kind is ActionKind.CASH_DIVIDEND and len(same_day) == 1:
            paid = (after + action.amount_micros) / before - 1
            assert moved[row, action.security] == pytest.approx(paid)
            seen += 1
    assert seen > 20
