"""The store: idempotent, incremental, and never half written."""

import errno
from datetime import date
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.market.market_tables import DAYS, Tables, tiny_tables

from opensma.errors import MarketError
from opensma.market import import_market, open_market
from opensma.market import store as store_module


def first_part(tables: Tables, last: date) -> Tables:
    """What a vendor would have delivered on `last`."""
    part = Tables()
    rows = tables.rows
    part.rows["securities"] = [
        (*r[:9], min(r[9], last)) for r in rows["securities"] if r[8] <= last
    ]
    part.rows["symbols"] = [(*r[:3], min(r[3], last)) for r in rows["symbols"] if r[2] <= last]
    for name in ("prices", "shares_outstanding", "actions"):
        part.rows[name] = [r for r in rows[name] if r[1] <= last]
    part.rows["constituents"] = [
        (*r[:3], r[3] if r[3] and r[3] <= last else None)
        for r in rows["constituents"]
        if r[2] <= last
    ]
    part.rows["themes"] = list(rows["themes"])
    return part


def eventful() -> Tables:
    """A member that leaves, a listing that ends, a ticker that changes, a split, new shares."""
    tables = tiny_tables()
    tables.replace("constituents", "S2", 3, DAYS[14])
    tables.end_listing("S3", 20)
    tables.replace("constituents", "S3", 3, DAYS[20])
    tables.rows["symbols"][0] = ("S1", "OLD", DAYS[0], DAYS[11])
    tables.rows["symbols"].append(("S1", "ALF", DAYS[12], DAYS[-1]))
    tables.rows["actions"].append(("S2", DAYS[16], "split", 2.0, None, None))
    for row in range(16, 30):
        close = tables.rows["prices"][tables.price("S2", row)][2]
        tables.set_close("S2", row, close / 2)
    tables.rows["shares_outstanding"].append(("S2", DAYS[16], 4_000_000))
    return tables


def test_second_import_adds_nothing(tiny: Tables, tmp_path: Path) -> None:
    source = tiny.write(tmp_path / "in")
    first = import_market(source, tmp_path / "store")
    second = import_market(source, tmp_path / "store")
    assert first.added["prices"] == 90
    assert set(second.added.values()) == {0}
    assert second.content_hash == first.content_hash


def test_store_and_folder_are_the_same_market(tiny: Tables, tmp_path: Path) -> None:
    source = tiny.write(tmp_path / "in")
    report = import_market(source, tmp_path / "store")
    assert open_market(source).content_hash == report.content_hash
    assert open_market(tmp_path / "store").content_hash == report.content_hash


@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck))
@given(cuts=st.lists(st.integers(0, 28), min_size=1, max_size=2, unique=True))
def test_parts_then_all_equal_all_at_once(
    cuts: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("parts")
    tables = eventful()
    whole = tables.write(folder / "all")
    expected = import_market(whole, folder / "at-once")
    for cut in sorted(cuts):
        import_market(first_part(tables, DAYS[cut]).write(folder / f"in{cut}"), folder / "store")
    assert import_market(whole, folder / "store").content_hash == expected.content_hash


def test_only_the_new_days_may_be_given(tmp_path: Path) -> None:
    tables = eventful()
    later = Tables()
    later.rows = {name: list(rows) for name, rows in tables.rows.items()}
    later.rows["prices"] = [r for r in later.rows["prices"] if r[1] > DAYS[9]]
    later.rows["actions"] = [r for r in later.rows["actions"] if r[1] > DAYS[9]]
    later.rows["constituents"] = [
        (r[0], r[1], max(r[2], DAYS[10]), r[3]) for r in later.rows["constituents"]
    ]
    import_market(first_part(tables, DAYS[9]).write(tmp_path / "a"), tmp_path / "store")
    report = import_market(later.write(tmp_path / "b"), tmp_path / "store")
    at_once = import_market(tables.write(tmp_path / "c"), tmp_path / "other")
    assert report.content_hash == at_once.content_hash


@pytest.mark.parametrize("table", ["prices", "shares_outstanding", "actions", "constituents"])
def test_changed_past_is_an_error(table: str, tiny: Tables, tmp_path: Path) -> None:
    import_market(tiny.write(tmp_path / "in"), tmp_path / "store")
    before = open_market(tmp_path / "store").content_hash
    column, value = {
        "prices": (2, 99.0),
        "shares_outstanding": (2, 5),
        "actions": (4, 0.5),
        "constituents": (3, DAYS[9]),
    }[table]
    tiny.replace(table, "S1", column, value)
    with pytest.raises(MarketError, match=r"\.conflict|differs|before it was"):
        import_market(tiny.write(tmp_path / "again"), tmp_path / "store")
    assert open_market(tmp_path / "store").content_hash == before


@pytest.mark.parametrize("step", ["write_tables", "_sync", "_point"])
def test_full_disk_at_any_step_changes_nothing(
    step: str, tiny: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    import_market(first_part(tiny, DAYS[9]).write(tmp_path / "a"), store)
    before = open_market(store).content_hash

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(store_module, step, full)
    with pytest.raises(MarketError, match="disk is full"):
        import_market(tiny.write(tmp_path / "b"), store)
    assert open_market(store).content_hash == before
    monkeypatch.undo()
    assert import_market(tmp_path / "b", store).days == 30


def test_kill_before_the_pointer_changes_nothing(
    tiny: Tables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tmp_path / "store"
    import_market(first_part(tiny, DAYS[9]).write(tmp_path / "a"), store)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(store_module, "_point", killed)
    with pytest.raises(KeyboardInterrupt):
        import_market(tiny.write(tmp_path / "b"), store)
    monkeypatch.undo()
    assert len(open_market(store).days) == 10
    assert import_market(tmp_path / "b", store).added["prices"] == 60


def test_pointer_to_nowhere_is_named(tiny: Tables, tmp_path: Path) -> None:
    import_market(tiny.write(tmp_path / "in"), tmp_path / "store")
    (tmp_path / "store" / "CURRENT").write_text("v-gone\n")
    with pytest.raises(MarketError, match="not there"):
        open_market(tmp_path / "store")
