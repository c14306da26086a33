"""The generated market of a demo, kept beside its book and made again only when it has to be."""

from __future__ import annotations

import json
import shutil
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

from opensma.errors import InputError
from opensma.market import Market, generate_market, import_market, open_market

RECIPE = "generated.json"  # in the store: what it was made of, so that no real market is replaced
SECURITIES = 590
FIRST_DAY, LAST_DAY = date(2021, 2, 1), date(2024, 12, 31)


def generated_store(
    store: Path,
    seed: int,
    *,
    securities: int = SECURITIES,
    first: date = FIRST_DAY,
    last: date = LAST_DAY,
) -> Market:
    """The generated market of this seed in `store`; it is made when absent or of another seed.

    InputError where a market is that was not generated: it is never replaced.
    """
    wanted = {
        "seed": seed,
        "securities": securities,
        "first_day": first.isoformat(),
        "last_day": last.isoformat(),
    }
    if _recipe(store) == wanted and (store / "CURRENT").is_file():
        return open_market(store)
    if store.exists() and any(store.iterdir()) and _recipe(store) is None:
        raise InputError(
            "demo.market_exists",
            "There is a market here that was not generated; the demo does not replace it.",
            where=str(store),
            remedy=f"Use it with --market {store}, or give another --book.",
        )
    shutil.rmtree(store, ignore_errors=True)
    store.mkdir(parents=True)
    # Before the market itself: a store left half made is known as ours and made again.
    (store / RECIPE).write_text(json.dumps(wanted, indent=1) + "\n", encoding="utf-8")
    with TemporaryDirectory(prefix="sma-market-") as folder:
        generate_market(Path(folder), seed=seed, securities=securities, start=first, end=last)
        import_market(Path(folder), store)
    return open_market(store)


def _recipe(store: Path) -> object:
    """What a store says it was generated from; None when it does not say."""
    path = store / RECIPE
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
