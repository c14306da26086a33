"""The demo's generated market: made once, made again for another seed, never over a real one."""

import json
from datetime import date
from pathlib import Path

import pytest

from opensma.errors import InputError
from opensma.market import Market, import_market
from opensma.simulate import generated
from opensma.simulate.generated import generated_store


def small(store: Path, seed: int) -> Market:
    days = (date(2023, 10, 2), date(2024, 6, 28))
    return generated_store(store, seed, securities=40, first=days[0], last=days[1])


def test_it_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = small(tmp_path / "sma.market", 3)

    def unwanted(*_: object, **__: object) -> None:
        raise AssertionError("generated twice")

    monkeypatch.setattr(generated, "generate_market", unwanted)
    assert small(tmp_path / "sma.market", 3).content_hash == first.content_hash


def test_another_seed_makes_another_market(tmp_path: Path) -> None:
    first = small(tmp_path / "sma.market", 3)
    second = small(tmp_path / "sma.market", 4)
    assert first.content_hash != second.content_hash
    assert small(tmp_path / "sma.market", 4).content_hash == second.content_hash
    assert small(tmp_path / "other.market", 3).content_hash == first.content_hash


def test_a_real_market_is_never_replaced(tmp_path: Path, small_market: Path) -> None:
    store = tmp_path / "sma.market"
    import_market(small_market / (small_market / "CURRENT").read_text().strip(), store)
    before = (store / "CURRENT").read_text()
    with pytest.raises(InputError, match="was not generated") as failure:
        small(store, 3)
    assert f"--market {store}" in failure.value.remedy
    assert (store / "CURRENT").read_text() == before


def test_a_store_that_was_left_half_made_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(generated, "import_market", killed)
    with pytest.raises(KeyboardInterrupt):
        small(tmp_path / "sma.market", 3)
    monkeypatch.undo()
    assert len(small(tmp_path / "sma.market", 3).security_id) == 40
    recipe = json.loads((tmp_path / "sma.market" / "generated.json").read_text())
    assert recipe["seed"] == 3
