"""The real set, where it is at hand: loads, and grows by its later part."""

from pathlib import Path

import pytest

from opensma.market import ActionKind, estimate_risk, import_market, open_market


def test_it_imports_with_warnings_only_and_twice_the_same(
    real_market: Path, tmp_path: Path
) -> None:
    first = import_market(real_market, tmp_path / "store")
    assert (first.securities, first.days) == (595, 986)
    assert (str(first.first_day), str(first.last_day)) == ("2021-02-01", "2024-12-31")
    assert {f.code for f in first.findings} == {"price.gap", "security.unknown"}
    again = import_market(real_market, tmp_path / "store")
    assert set(again.added.values()) == {0}
    assert again.content_hash == first.content_hash


def test_banks_that_failed_are_worthless_and_takeovers_pay(real_market: Path) -> None:
    market = open_market(real_market)
    failed = {market.symbol_at(a.security, a.ex_day): a for a in market.actions
              if a.kind is ActionKind.WORTHLESS}  # fmt: skip
    assert {"SIVB", "SBNY", "FRC"} <= {symbol.rstrip("Q") for symbol in failed} | set(failed)
    paid = [a for a in market.actions if a.kind is ActionKind.CASH_MERGER]
    assert len(paid) > 15
    assert all(a.amount_micros > 0 for a in paid)


@pytest.mark.slow
def test_later_dates_are_added_and_the_past_stays(real_market: Path, tmp_path: Path) -> None:
    later = real_market.parent / "market-later"
    if not later.is_dir():
        pytest.skip("no later part of the real market")
    store = tmp_path / "store"
    import_market(real_market, store)
    before = open_market(store)
    report = import_market(later, store)
    assert str(report.last_day) == "2026-08-21"
    assert report.added["prices"] > 190_000
    assert set(import_market(later, store).added.values()) == {0}
    market = open_market(store)
    known = market.until(before.day(-1))
    assert (known.close_micros[:, [market.index[s] for s in before.security_id]]
            == before.close_micros).all()  # fmt: skip
    kinds = {ActionKind.CASH_DIVIDEND, ActionKind.SPLIT, ActionKind.SPIN_OFF}
    assert {(a.action_id, a.amount_micros) for a in known.recorded if a.kind in kinds} == {
        (a.action_id, a.amount_micros) for a in before.recorded if a.kind in kinds
    }
    assert int(market.members(market.day(-1)).sum()) in range(498, 508)
    assert estimate_risk(market, market.day(-1)).valid.sum() > 490
