"""Fetching: as printed then, split by split; and plain words where nothing comes."""

import sys
from datetime import date, datetime
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from opensma.errors import InputError
from opensma.market import fetch as fetch_module
from opensma.market import open_market
from opensma.market.fetch import fetch_market

WINDOW = (date(2024, 1, 2), date(2024, 1, 5))


class Frame:
    """As much of a data frame as the fetch touches."""

    def __init__(self, index: list[datetime], columns: dict[str, np.ndarray]) -> None:
        self.index, self.columns = index, columns

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, wanted: Any) -> Any:
        if isinstance(wanted, str):
            return self.columns[wanted]
        rows = np.flatnonzero(wanted)
        return Frame([self.index[i] for i in rows], {n: v[rows] for n, v in self.columns.items()})


def history() -> Frame:
    """Four sessions with a 2:1 split on the third; another 5:1 split came after the window."""
    return Frame(
        [datetime(2024, 1, day) for day in (2, 3, 4, 5)],
        {
            "Close": np.array([10.0, 11.0, 11.5, np.nan]),
            "Volume": np.array([1_000.0, 2_000.0, 3_000.0, 0.0]),
            "Dividends": np.array([0.0, 0.05, 0.0, 0.0]),
            "Stock Splits": np.array([0.0, 0.0, 2.0, 0.0]),
        },
    )


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A stand-in for the extra's package; the test decides what it answers."""
    answers: dict[str, Any] = {"history": history, "asked": []}

    class Ticker:
        def __init__(self, symbol: str) -> None:
            answers["asked"].append(symbol)
            self.splits = {datetime(2024, 1, 4): 2.0, datetime(2024, 6, 10): 5.0}
            self.info = {"longName": "Alpha", "sector": "Energy", "sharesOutstanding": 1_000}

        def history(self, **_: object) -> Frame:
            found: Frame = answers["history"]()
            return found

    module = ModuleType("yfinance")
    module.Ticker = Ticker  # type: ignore[attr-defined]
    kinds = SimpleNamespace(YFException=type("YFException", (Exception,), {}))
    module.exceptions = kinds  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "yfinance", module)
    monkeypatch.setattr(fetch_module, "getproxies", dict)
    answers["module"] = module
    return answers


def test_prices_are_as_they_were_printed(service: dict[str, Any], tmp_path: Path) -> None:
    assert fetch_market(["alf", "ALF"], *WINDOW, tmp_path / "out") == 3
    assert service["asked"] == ["ALF"]
    market = open_market(tmp_path / "out")
    # 5:1 came later: times 5; and before the 2:1 split times 10.
    assert (market.close_micros[:, 0] / 1e6).tolist() == [100.0, 110.0, 57.5]
    assert market.volume[:, 0].tolist() == [100, 200, 600]
    dividend, split = market.recorded
    assert (dividend.amount_micros, split.numerator, split.denominator) == (500_000, 2, 1)
    assert market.findings == ()


def no_connection() -> Frame:
    raise ConnectionError("name resolution failed")


def test_without_a_network_it_says_so(
    service: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(fetch_module.socket, "create_connection", refused)
    for answer in (no_connection, lambda: Frame([], {"Close": np.array([])})):
        service["history"] = answer
        with pytest.raises(InputError, match="There is no network") as failure:
            fetch_market(["ALF"], *WINDOW, tmp_path / "out")
        assert failure.value.code == "fetch.no_network"
    assert not (tmp_path / "out").exists()


def test_a_name_that_the_service_does_not_know_is_named(
    service: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_module, "_answers", lambda: True)
    service["history"] = lambda: Frame([], {"Close": np.array([])})
    with pytest.raises(InputError, match="No prices came for NOPE"):
        fetch_market(["NOPE"], *WINDOW, tmp_path / "out")


def test_a_service_that_refuses_is_quoted(
    service: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch_module, "_answers", lambda: True)

    def limited() -> Frame:
        raise service["module"].exceptions.YFException("Too Many Requests")

    service["history"] = limited
    with pytest.raises(InputError, match="Too Many Requests"):
        fetch_market(["ALF"], *WINDOW, tmp_path / "out")


def test_without_the_extra_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "yfinance", None)
    with pytest.raises(InputError, match="optional package yfinance") as failure:
        fetch_market(["ALF"], *WINDOW, tmp_path / "out")
    assert "opensma[fetch]" in failure.value.remedy


def test_a_window_the_wrong_way_round_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="before it begins"):
        fetch_market(["ALF"], WINDOW[1], WINDOW[0], tmp_path / "out")
