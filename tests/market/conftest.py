"""Markets for the tests of this room: a tiny one by hand, a generated one, the real one."""

import os
from datetime import date
from pathlib import Path

import pytest
from tests.market.market_tables import Tables, tiny_tables

from opensma.market import Market, generate_market, open_market


@pytest.fixture
def tiny() -> Tables:
    """Three securities over 30 sessions, every fact in reach; no findings."""
    return tiny_tables()


@pytest.fixture(scope="session")
def generated_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The default generated market, seed 7."""
    folder = tmp_path_factory.mktemp("generated")
    generate_market(folder, seed=7)
    return folder


@pytest.fixture(scope="session")
def generated(generated_folder: Path) -> Market:
    return open_market(generated_folder)


@pytest.fixture(scope="session")
def small_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A generated market of 40 securities and two years."""
    folder = tmp_path_factory.mktemp("small")
    generate_market(folder, seed=3, securities=40, start=date(2022, 1, 3), end=date(2023, 12, 29))
    return folder


@pytest.fixture(scope="session")
def small(small_folder: Path) -> Market:
    return open_market(small_folder)


@pytest.fixture(scope="session")
def real() -> Market:
    """The real market that OPENSMA_DATA points to."""
    root = os.environ.get("OPENSMA_DATA")
    if not root or not (Path(root) / "market").is_dir():
        pytest.skip("OPENSMA_DATA is not set: the real market is not part of the project")
    return open_market(Path(root) / "market")
