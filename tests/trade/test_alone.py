"""An account that cannot be decided stops alone: with a reason, a remedy, and its holdings."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from opensma.book.ledger import load_states
from opensma.book.master import AccountRecord, Restriction, add_records, all_records
from opensma.book.names import key_map
from opensma.book.plans import day_plans
from opensma.book.state import AccountState
from opensma.book.store import Book, open_book
from opensma.book.verify import verify
from opensma.construct.saved import unpack
from opensma.construct.solve import Prepared
from opensma.day import DayReport, run_day
from opensma.errors import PlanError
from opensma.market import Market, open_market
from opensma.trade import propose


@pytest.fixture(scope="module")
def market(small_market: Path) -> Market:
    return open_market(small_market)


@pytest.fixture
def book(small_book: str) -> Book:
    return open_book(small_book)


def run(book: Book, market: Market) -> DayReport:
    report = run_day(book, market, market.day(-1), recorded_at="t")
    assert verify(book) == []
    return report


def states(book: Book) -> dict[str, AccountState]:
    with book.read() as connection:
        names = {a.account_key: a.account_id for a in all_records(connection, AccountRecord)}
        return {names[key]: state for key, state in load_states(connection).items()}


def solved(book: Book, report: DayReport) -> set[str]:
    with book.read() as connection:
        plans = day_plans(connection, report.run.run_id)
    return {plan.account_id for plan in plans if plan.status == "solved"}


def wish(account: str, kind: str, scope: str, key: str, bps: int | None = None) -> Restriction:
    name = f"{account}-{kind}-{scope}"
    return Restriction(name, account, kind, scope, key, bps, "2024-01-01", None, "test")


def add(book: Book, *wishes: Restriction) -> None:
    with book.write() as connection:
        add_records(connection, wishes)


def test_a_held_security_without_a_price_stops_its_holders_only(book: Book, market: Market) -> None:
    held = {n: set(s.lots.security.tolist()) for n, s in states(book).items()}
    common = {
        key: [n for n, keys in held.items() if key in keys]
        for keys in held.values()
        for key in keys
    }
    key, holders = min(common.items(), key=lambda item: (len(item[1]), item[0]))
    assert 0 < len(holders) < 12
    with book.read() as connection:
        column = int(key_map(connection, market).row_of_key[key])
    closes = market.close_micros.copy()
    closes[-1, column] = 0
    before = states(book)
    report = run(book, replace(market, close_micros=closes))
    stopped = [e for e in report.exceptions if e.code == "price.missing"]
    assert [e.account_id for e in stopped] == holders
    symbol = market.symbol_at(column, market.day(-1))
    assert all(symbol in e.message and "Import the missing prices" in e.remedy for e in stopped)
    after = states(book)
    for name in holders:
        assert np.array_equal(after[name].lots.lot, before[name].lots.lot)
    assert solved(book, report)
    assert not solved(book, report) & set(holders)


def test_a_wish_that_nobody_understands_stops_its_account_and_not_its_household(
    book: Book, market: Market
) -> None:
    with book.read() as connection:
        accounts = all_records(connection, AccountRecord)
    payers = [a.taxpayer_id for a in accounts]
    shared = next(a for a in accounts if payers.count(a.taxpayer_id) > 1)
    sibling = next(a for a in accounts if a.taxpayer_id == shared.taxpayer_id and a is not shared)
    add(book, wish(shared.account_id, "exclude", "theme", "unicorns"))
    report = run(book, market)
    found = [e for e in report.exceptions if e.code == "restriction.unknown"]
    assert [e.account_id for e in found] == [shared.account_id]
    assert "unicorns" in found[0].message
    assert shared.account_id not in solved(book, report)
    with book.read() as connection:
        planned = {p.account_id for p in day_plans(connection, report.run.run_id)}
    assert sibling.account_id in planned


def test_wishes_that_contradict_each_other_stop_their_account_only(
    book: Book, market: Market
) -> None:
    sector = market.sector_name[0]
    add(
        book,
        wish("A000001", "sector_min", "sector", sector, 9_000),
        wish("A000001", "sector_max", "sector", sector, 100),
    )
    before = states(book)["A000001"]
    report = run(book, market)
    own = [e for e in report.exceptions if e.account_id == "A000001"]
    assert [e.stage for e in own] == ["decide"]
    assert own[0].remedy
    assert np.array_equal(states(book)["A000001"].lots.lot, before.lots.lot)
    assert solved(book, report)


def test_a_decision_that_fails_is_an_exception_of_its_taxpayer_and_the_day_goes_on(
    book: Book, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = propose.solve_taxpayer

    def solve(prepared, problem, day):  # type: ignore[no-untyped-def]
        if problem.taxpayer_id == "tp-00001":
            raise PlanError("plan.broken", "No plan.", remedy="Look.")
        return really(prepared, problem, day)

    monkeypatch.setattr(propose, "solve_taxpayer", solve)
    report = run(book, market)
    with book.read() as connection:
        accounts = all_records(connection, AccountRecord)
    own = sorted(a.account_id for a in accounts if a.taxpayer_id == "tp-00001")
    assert [e.account_id for e in report.exceptions if e.code == "plan.broken"] == own
    assert solved(book, report)


def test_the_problem_of_a_failed_decision_is_saved_beside_the_book_for_replay(
    book: Book, market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = propose.solve_taxpayer

    def solve(prepared, problem, day):  # type: ignore[no-untyped-def]
        if problem.taxpayer_id == "tp-00001":
            raise ZeroDivisionError("a price of nothing")
        return really(prepared, problem, day)

    with monkeypatch.context() as patch:
        patch.setattr(propose, "solve_taxpayer", solve)
        report = run(book, market)
    assert book.path is not None
    day = market.day(-1).isoformat()
    file = book.path.with_suffix(".failed") / day / "tp-00001.problem.npz"
    told = [e for e in report.exceptions if e.code == "plan.error"]
    assert told
    assert all(f"sma construct replay {day}/{file.name}" in e.remedy for e in told)
    assert all("a price of nothing" in e.message for e in told)
    assert [f.name for f in file.parent.iterdir()] == [file.name]
    saved = unpack(file.read_bytes(), str(file))
    assert {a.account_id for a in saved.taxpayer.accounts} == {e.account_id for e in told}
    plans = really(Prepared(saved.universe), saved.taxpayer, saved.as_of_day)
    assert all(plan.status.value in ("solved", "infeasible") for plan in plans)
    assert solved(book, report)


def test_a_folder_that_cannot_be_written_does_not_stop_the_day(
    book: Book, market: Market, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def solve(prepared, problem, day):  # type: ignore[no-untyped-def]
        raise PlanError("plan.broken", "No plan.", remedy="Look.")

    monkeypatch.setattr(propose, "solve_taxpayer", solve)
    (tmp_path / "taken").write_text("a file, no folder")
    report = run_day(book, market, market.day(-1), recorded_at="t", failed=tmp_path / "taken")
    assert report.run.status == "done"
    remedies = {e.remedy for e in report.exceptions if e.code == "plan.broken"}
    assert all(r.startswith("Look. The problem could not be saved: ") for r in remedies)
    assert remedies
