"""A generated ledger of a household, and how fast it is replayed (`sma lots bench`)."""

from __future__ import annotations

import time
from collections import Counter
from datetime import date, timedelta
from typing import Any

import numpy as np

FIRST_DAY = date(2023, 1, 3)
DAYS = 730
ACCOUNTS = [
    {"id": "OWN", "type": "taxable", "household": "H", "owner": "P1"},
    {"id": "HELD-AWAY", "type": "taxable", "household": "H", "owner": "P1"},
    {"id": "SPOUSE", "type": "taxable", "household": "H", "owner": "P2"},
    {"id": "IRA", "type": "ira", "household": "H", "owner": "P1"},
]


def measure(trades: int, securities: int, seed: int, method: str) -> dict[str, Any]:
    """Replay with wash sales over the household, and write the form rows of every year."""
    from opensma.tax.forms import form_8949
    from opensma.tax.replay import run

    case = generate(trades, securities, seed, method)
    started = time.perf_counter()
    state = run(case)
    years = range(FIRST_DAY.year, FIRST_DAY.year + DAYS // 365 + 1)
    rows = sum(len(form_8949(state, year)) for year in years)
    seconds = time.perf_counter() - started
    return {
        "trades": trades,
        "securities": securities,
        "seed": seed,
        "method": method,
        "seconds": seconds,
        "trades_per_second": trades / seconds,
        "form_rows": rows,
        "washed_slices": sum(row.disallowed_cents > 0 for row in state.closed),
        "open_lots": sum(len(lots) for lots in state.positions.values()),
    }


def generate(trades: int, securities: int, seed: int, method: str) -> dict[str, Any]:
    """A household that trades at random over two years; only what is held is sold."""
    chance = np.random.default_rng(seed)
    days = np.sort(chance.integers(0, DAYS, trades)).tolist()
    accounts = chance.choice(len(ACCOUNTS), trades, p=[0.5, 0.2, 0.2, 0.1]).tolist()
    names = chance.integers(0, securities, trades).tolist()
    sizes = chance.integers(1, 100, trades).tolist()
    prices = chance.integers(20_00, 200_00, trades).tolist()
    sells = (chance.random(trades) < 0.5).tolist()
    held: Counter[tuple[int, int]] = Counter()
    events = []
    for number in range(trades):
        place = accounts[number], names[number]
        size, selling = sizes[number], sells[number] and held[place] > 0
        if selling:
            size = min(size, held[place])
        held[place] += -size if selling else size
        cents = size * prices[number]
        event: dict[str, Any] = {
            "seq": number,
            "date": (FIRST_DAY + timedelta(days=days[number])).isoformat(),
            "type": "sell" if selling else "buy",
            "account": ACCOUNTS[place[0]]["id"],
            "security": f"S{place[1]}",
            "qty": str(size),
            "amount": f"{cents // 100}.{cents % 100:02d}",
        }
        events.append(event if selling else event | {"lot": f"L{number}"})
    return {"method": method, "accounts": ACCOUNTS, "events": events}
