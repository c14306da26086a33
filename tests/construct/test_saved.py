"""A saved problem is the whole problem: replayed anywhere, it gives the plan it gave here."""

import json
import zipfile
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from tests.construct import tiny

from opensma import __version__
from opensma.cli import run
from opensma.cli.construct_files import solving
from opensma.construct import saved
from opensma.construct.plan import Plan, Status, Trades
from opensma.construct.problem import Taxpayer, Universe
from opensma.construct.saved import SavedProblem, decide, file_name, pack, unpack
from opensma.construct.solve import Prepared, solve_taxpayer
from opensma.errors import InputError, InvariantError
from opensma.simulate.problems import AS_OF_DAY, Recipe, generate_problems


def generated() -> tuple[Universe, list[Taxpayer]]:
    return generate_problems(7, Recipe(names=40, accounts=6, lots=120, factors=5))


def save(universe: Universe, taxpayer: Taxpayer, *trouble: str) -> bytes:
    return pack(SavedProblem(universe, taxpayer, AS_OF_DAY, __version__, trouble))


def bits(thing: object) -> object:
    """Every number of a plan as its bytes; the time it took is the machine's, not the plan's."""
    if isinstance(thing, np.ndarray):
        return thing.dtype.str, thing.shape, thing.tobytes()
    if isinstance(thing, float):
        return thing.hex()
    if isinstance(thing, Plan | Trades):
        return {f.name: bits(getattr(thing, f.name)) for f in fields(thing) if f.name != "seconds"}
    return thing


def test_a_replayed_plan_is_the_original_bit_for_bit() -> None:
    universe, taxpayers = generated()
    prepared = Prepared(universe)
    trades = 0
    for taxpayer in taxpayers:
        there = unpack(save(universe, taxpayer), "test")
        again = solve_taxpayer(Prepared(there.universe), there.taxpayer, there.as_of_day)
        plans = solve_taxpayer(prepared, taxpayer, AS_OF_DAY)
        assert [bits(plan) for plan in again] == [bits(plan) for plan in plans]
        trades += sum(len(plan.trades.shares) for plan in plans)
    assert trades > 50


def test_the_same_problem_gives_the_same_bytes_and_survives_a_second_round() -> None:
    universe, taxpayers = generated()
    first = save(universe, taxpayers[0], "one: why")
    assert first == save(universe, taxpayers[0], "one: why")
    assert pack(unpack(first, "test")) == first


def test_every_field_is_kept_whatever_its_kind() -> None:
    account = tiny.account(
        account_id="ä/'\"", te_cap=0.01, risk_aversion=None, max_turnover=0.1,
        st_gain_budget=-5.0, limits=tiny.limits(exclude="A", max_weight={"B": 0.1}),
    )  # fmt: skip
    problem = SavedProblem(tiny.universe(), tiny.taxpayer(account), tiny.AS_OF, "9.9", ("why",))
    there = unpack(pack(problem), "test")
    assert (there.as_of_day, there.version, there.trouble) == (tiny.AS_OF, "9.9", ("why",))
    kept = there.taxpayer.accounts[0]
    for field in fields(account):
        if field.name not in ("lots", "limits"):
            assert bits(getattr(kept, field.name)) == bits(getattr(account, field.name))
    for part in ("lots", "limits"):
        one, other = getattr(account, part), getattr(kept, part)
        assert all(bits(getattr(one, f.name)) == bits(getattr(other, f.name)) for f in fields(one))
    assert np.isposinf(kept.limits.max_weight[0])


def rewritten(content: bytes, path: Path, **changes: object) -> bytes:
    """The same file with entries of its first account or of its document changed."""
    path.write_bytes(content)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(parts["problem.json"])
    for name, value in changes.items():
        place = document if name in document else document["accounts"][0]
        place[name] = value
    parts["problem.json"] = json.dumps(document).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    return path.read_bytes()


@pytest.mark.parametrize("code", ["no zip", "cut", "future limit", "future format"])
def test_what_is_no_saved_problem_is_refused_with_a_remedy(code: str, tmp_path: Path) -> None:
    universe, taxpayers = generated()
    whole = save(universe, taxpayers[0])
    content = {
        "no zip": b"PK nonsense",
        "cut": whole[: len(whole) // 2],
        "future limit": rewritten(whole, tmp_path / "a", lockup_days=30),
        "future format": rewritten(whole, tmp_path / "b", format=2),
    }[code]
    with pytest.raises(InputError) as caught:
        unpack(content, "the.file")
    assert caught.value.where == "the.file"
    assert caught.value.remedy


def test_a_file_name_is_safe_and_its_own_for_every_id() -> None:
    ids = ["tp-1", "../etc", "a/b", "a%2Fb", ".", "", "x" * 400, "x" * 401, "Ü"]
    names = [file_name(one) for one in ids]
    assert len(set(names)) == len(names)
    assert all("/" not in name and not name.startswith(".p") for name in names[:4])
    assert max(len(name) for name in names) < 200


def breaking(error: BaseException):  # type: ignore[no-untyped-def]
    def solve(prepared, taxpayer, as_of):  # type: ignore[no-untyped-def]
        raise error

    return solve


@pytest.mark.parametrize(
    "error", [InvariantError("invariant.broken", "Sums differ."), FloatingPointError("overflow")]
)
def test_an_exception_inside_is_a_failed_plan_that_says_so(error: BaseException) -> None:
    prepared, taxpayer = Prepared(tiny.universe()), tiny.taxpayer(tiny.account())
    decided = decide(prepared, taxpayer, tiny.AS_OF, breaking(error))
    (plan,) = decided.plans
    assert plan.status is Status.FAILED
    assert type(error).__name__ in plan.message
    assert decided.error is not None
    assert decided.error.remedy or isinstance(error, InvariantError)
    assert decided.trouble


def test_nobody_is_kept_from_stopping_the_program() -> None:
    prepared, taxpayer = Prepared(tiny.universe()), tiny.taxpayer(tiny.account())
    with pytest.raises(KeyboardInterrupt):
        decide(prepared, taxpayer, tiny.AS_OF, breaking(KeyboardInterrupt()))


# --- the commands ------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    words = ["construct", "example", "--out", str(tmp_path / "in"), "--accounts", "4"]
    assert run([*words, "--names", "30", "--lots", "60"]) == 0
    return tmp_path


def solve(folder: Path) -> list[str]:
    words = ["construct", "solve", str(folder / "in"), "--out", str(folder / "out")]
    return [*words, "--workers", "1", "--json"]


def test_solve_saves_what_failed_and_replay_solves_it_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    really = solving.decide
    with monkeypatch.context() as patch:
        patch.setattr(
            solving, "decide", lambda p, t, d: really(p, t, d, breaking(ValueError("singular")))
        )
        assert run(solve(folder)) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["failed"], summary["solved"]) == (4, 0)
    files = sorted((folder / "out" / "failed").iterdir())
    assert [str(file) for file in files] == sorted(summary["saved"])
    code = run(["construct", "replay", str(files[0]), "--json"])
    document = json.loads(capsys.readouterr().out)
    assert code == 0
    assert "singular" in document["trouble_then"][0]
    assert document["trouble_now"] == []
    assert document["accounts"][0]["status"] in ("solved", "infeasible")
    assert run(solve(folder)) == 0  # nothing fails now: what was saved is out of date
    assert not list((folder / "out" / "failed").iterdir())


def test_replay_shows_a_conflict_as_a_conflict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    account = tiny.account(limits=tiny.limits(exclude="A", no_sell="A"))
    problem = SavedProblem(tiny.universe(), tiny.taxpayer(account), tiny.AS_OF, "0.0", ())
    file = tmp_path / "conflict.problem.npz"
    file.write_bytes(pack(problem))
    assert run(["construct", "replay", str(file)]) == 0
    shown = capsys.readouterr()
    assert "one: infeasible: " in shown.out
    assert "exclude A" in shown.out
    assert "plans may differ" in shown.err


def test_trouble_that_stays_is_exit_code_1_and_never_an_empty_plan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    problem = SavedProblem(
        tiny.universe(), tiny.taxpayer(tiny.account()), tiny.AS_OF, __version__, ("one: before",)
    )
    file = tmp_path / "trouble.problem.npz"
    file.write_bytes(pack(problem))
    really = saved.decide
    monkeypatch.setattr(
        saved, "decide", lambda p, t, d: really(p, t, d, breaking(ZeroDivisionError("again")))
    )
    assert run(["construct", "replay", str(file)]) == 1
    shown = capsys.readouterr()
    assert "Then: one: before" in shown.out
    assert "one: failed: ZeroDivisionError: again" in shown.out


def test_a_missing_file_is_an_error_with_a_remedy(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["construct", "replay", "nowhere.npz"]) == 2
    assert "construct.file_missing at nowhere.npz" in capsys.readouterr().err


def test_a_field_that_an_older_file_lacks_keeps_its_default(tmp_path: Path) -> None:
    universe, taxpayers = generated()
    content = save(universe, replace(taxpayers[0], accounts=taxpayers[0].accounts[:1]))
    path = tmp_path / "old"
    path.write_bytes(content)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    document = json.loads(parts["problem.json"])
    del document["accounts"][0]["lt_gain_budget"]
    parts["problem.json"] = json.dumps(document).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, part)
    assert unpack(path.read_bytes(), "old").taxpayer.accounts[0].lt_gain_budget is None
