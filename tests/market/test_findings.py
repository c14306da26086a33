"""Each finding, by the smallest change of a clean market that causes it."""

import re
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from tests.market.market_tables import DAYS, Tables

from opensma.errors import InputError, MarketError
from opensma.market import import_market, open_market

Change = Callable[[Tables], object]


def _append(table: str, *row: object) -> Change:
    return lambda t: t.rows[table].append(row)


ERRORS: dict[str, Change] = {
    "price.not_positive": lambda t: t.set_close("S1", 3, 0.0),
    "price.not_a_number": lambda t: t.set_close("S1", 3, float("inf")),
    "price.too_large": lambda t: t.set_close("S1", 3, 2e9),
    "volume.negative": lambda t: t.set_close("S1", 3, 101.0, -1),
    "price.not_session": _append("prices", "S1", date(2024, 1, 6), 101.0, 10),
    "rows.duplicate": lambda t: t.rows["prices"].append(t.rows["prices"][0]),
    "security.unknown": _append("prices", "S9", DAYS[0], 10.0, 10),
    "action.kind_unknown": _append("actions", "S1", DAYS[8], "gift", None, 1.0, None),
    "action.ratio_bad": _append("actions", "S1", DAYS[8], "split", None, None, None),
    "action.amount_bad": _append("actions", "S1", DAYS[8], "cash_dividend", None, -1.0, None),
    "split.no_move": _append("actions", "S1", DAYS[8], "split", 4.0, None, None),
    "range.reversed": _append("symbols", "S1", "OLD", DAYS[9], DAYS[3]),
    "member.overlap": _append("constituents", "large_cap_500", "S1", DAYS[9], None),
    "member.no_price": lambda t: (t.drop_prices("S1", range(30)), t.rows["actions"].clear()),
    "shares.not_positive": _append("shares_outstanding", "S1", DAYS[9], 0),
    "value.missing": lambda t: t.replace("securities", "S1", 3, None),
}

WARNINGS: dict[str, Change] = {
    "price.gap": lambda t: t.drop_prices("S1", range(4, 6)),
    "price.stale": lambda t: [t.set_close("S1", row, 101.0) for row in range(8, 20)],
    "split.unrecorded": lambda t: [t.set_close("S1", row, 50.0 + row % 2) for row in range(9, 30)],
    "volume.missing": lambda t: t.set_close("S1", 3, 101.0, None),  # type: ignore[arg-type]
    "member.unlisted": lambda t: t.end_listing("S1", 15),
    "member.no_shares": lambda t: t.replace("shares_outstanding", "S1", 1, DAYS[4]),
    "security.unknown": _append("themes", "S9", "tobacco", None),
}


def test_clean_market_has_no_findings(tiny: Tables, tmp_path: Path) -> None:
    assert import_market(tiny.write(tmp_path / "in"), tmp_path / "store").findings == ()


@pytest.mark.parametrize("code", ERRORS)
def test_error_stops_the_import_and_writes_nothing(code: str, tiny: Tables, tmp_path: Path) -> None:
    ERRORS[code](tiny)
    with pytest.raises(MarketError) as failure:
        import_market(tiny.write(tmp_path / "in"), tmp_path / "store")
    assert code in f"{failure.value.code} {failure.value.message}"
    assert failure.value.remedy
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize("code", WARNINGS)
def test_warning_is_kept_in_the_store(code: str, tiny: Tables, tmp_path: Path) -> None:
    WARNINGS[code](tiny)
    report = import_market(tiny.write(tmp_path / "in"), tmp_path / "store")
    assert [(f.severity, f.code) for f in report.findings] == [("warning", code)]
    assert open_market(tmp_path / "store").findings == report.findings


def test_close_that_is_no_number_is_found_as_such(tiny: Tables, tmp_path: Path) -> None:
    from opensma.market.tables import connect, copy_query

    folder, before = tiny.write(tmp_path / "in"), tmp_path / "before.parquet"
    (folder / "prices.parquet").rename(before)
    close = f"CASE WHEN date = DATE '{DAYS[3]}' THEN 'nan'::DOUBLE ELSE close END"
    query = f"SELECT * REPLACE ({close} AS close) FROM read_parquet('{before}')"
    copy_query(connect(), query, folder / "prices.parquet")
    with pytest.raises(MarketError, match="finite number"):
        import_market(folder, tmp_path / "store")


def test_crash_on_heavy_volume_is_no_unrecorded_split(tiny: Tables, tmp_path: Path) -> None:
    for row in range(9, 30):
        tiny.set_close("S1", row, 50.0 + row % 2, 20_000 if row == 9 else 1_000)
    assert import_market(tiny.write(tmp_path / "in"), tmp_path / "store").findings == ()


def test_missing_file(tiny: Tables, tmp_path: Path) -> None:
    (tiny.write(tmp_path / "in") / "actions.parquet").unlink()
    with pytest.raises(MarketError, match=r"actions\.parquet"):
        import_market(tmp_path / "in", tmp_path / "store")


def test_missing_column_and_wrong_type_are_listed_together(tiny: Tables, tmp_path: Path) -> None:
    from opensma.market.tables import connect, copy_query

    folder = tiny.write(tmp_path / "in")
    copy_query(
        connect(),
        "SELECT 'S1' AS security_id, 'monday' AS date, 1.0 AS close",
        folder / "prices.parquet",
    )
    with pytest.raises(MarketError) as failure:
        import_market(folder, tmp_path / "store")
    assert "column.missing at prices.parquet:volume" in failure.value.message
    assert "column.type at prices.parquet:date" in failure.value.message


def test_file_that_is_not_parquet(tiny: Tables, tmp_path: Path) -> None:
    (tiny.write(tmp_path / "in") / "themes.parquet").write_text("no table")
    with pytest.raises(MarketError, match=r"themes\.parquet"):
        import_market(tmp_path / "in", tmp_path / "store")


def test_no_market_at_all(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is no market here"):
        open_market(tmp_path)
    with pytest.raises(InputError, match="There is no such folder"):
        import_market(tmp_path / "nowhere", tmp_path / "store")


def test_gap_carries_the_last_price_and_counts_its_age(tiny: Tables, tmp_path: Path) -> None:
    tiny.drop_prices("S1", range(4, 6))
    market = open_market(tiny.write(tmp_path / "in"))
    close, age = market.last_price(5)
    assert (close[0], age[0]) == (market.close_micros[3, 0], 2)
    assert np.all(market.close_micros[4:6, 0] == 0)


def test_every_finding_is_written_down() -> None:
    """docs/market.md names each code that the source can give."""
    root = Path(__file__).resolve().parents[2]
    source = "\n".join(p.read_text() for p in (root / "src/opensma/market").glob("*.py"))
    kinds = "file|column|value|rows|security|price|volume|shares|action|split|range|member"
    codes = set(re.findall(rf'"((?:{kinds})\.[a-z_]+)"', source))
    written = set(re.findall(r"`([a-z]+\.[a-z_]+)`", (root / "docs/market.md").read_text()))
    assert len(codes) > 25
    assert codes <= written, codes - written
    assert set(ERRORS) | set(WARNINGS) <= written
