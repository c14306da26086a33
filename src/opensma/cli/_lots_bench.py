"""Generated households, and how fast they are replayed (`sma lots bench`)."""

from __future__ import annotations

import csv
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from opensma.tax.replay.state import State

FIRST_DAY = date(2023, 1, 3)
DAYS = 730
YEARS = range(FIRST_DAY.year, FIRST_DAY.year + DAYS // 365 + 1)
ACCOUNTS = [
    {"id": "OWN", "type": "taxable", "household": "H", "owner": "P1"},
    {"id": "HELD-AWAY", "type": "taxable", "household": "H", "owner": "P1"},
    {"id": "SPOUSE", "type": "taxable", "household": "H", "owner": "P2"},
    {"id": "IRA", "type": "ira", "household": "H", "owner": "P1"},
]
SHARES = (0.5, 0.2, 0.2, 0.1)  # of the trades, by account

PEER = "capital_gains"  # on PyPI: capital-gains, FIFO with wash sales on one account
PEER_TRADES, PEER_SECURITIES = 10_000, 50  # it slows down with the trades of a security


def measure(trades: int, taxpayers: int, securities: int, seed: int, method: str) -> dict[str, Any]:
    """Replay household after household, each with the form rows of every year.

    Only the law is timed, from plain events to form rows, in processor time of this one thread;
    a household is generated when its turn comes and then forgotten.
    """
    seconds, counts = 0.0, Counter[str]()
    for case in households(trades, taxpayers, securities, seed, method):
        used, state, rows = _timed(case)
        seconds += used
        counts["form_rows"] += rows
        counts["slices"] += len(state.closed)
        counts["washed_slices"] += sum(row.disallowed_cents > 0 for row in state.closed)
        counts["open_lots"] += sum(len(lots) for lots in state.positions.values())
    return {
        "trades": trades,
        "taxpayers": taxpayers,
        "securities": securities,
        "seed": seed,
        "method": method,
        "seconds": seconds,
        "trades_per_second": trades / seconds,
        "microseconds_per_trade": seconds / trades * 1e6,
        "microseconds_per_slice": seconds / max(1, counts["slices"]) * 1e6,
        **counts,
        **_peer(min(trades, PEER_TRADES), PEER_SECURITIES, seed),
    }


def households(
    trades: int, taxpayers: int, securities: int, seed: int, method: str
) -> Iterator[dict[str, Any]]:
    """One case for each taxpayer; the trades are divided among them."""
    for number in range(taxpayers):
        size = trades * (number + 1) // taxpayers - trades * number // taxpayers
        yield generate(size, securities, [seed, number], method)


def generate(
    trades: int, securities: int, seed: int | Sequence[int], method: str, accounts: int = 4
) -> dict[str, Any]:
    """A household that trades at random over two years; only what is held is sold."""
    chance = np.random.default_rng(seed)
    days = np.sort(chance.integers(0, DAYS, trades)).tolist()
    weights = np.array(SHARES[:accounts]) / sum(SHARES[:accounts])
    places = chance.choice(accounts, trades, p=weights).tolist()
    names = chance.integers(0, securities, trades).tolist()
    sizes = chance.integers(1, 100, trades).tolist()
    prices = chance.integers(20_00, 200_00, trades).tolist()
    sells = (chance.random(trades) < 0.5).tolist()
    held: Counter[tuple[int, int]] = Counter()
    events = []
    for number in range(trades):
        place = places[number], names[number]
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
    return {"method": method, "accounts": ACCOUNTS[:accounts], "events": events}


def _timed(case: dict[str, Any]) -> tuple[float, State, int]:
    """Processor seconds, the state, and how many form rows there are."""
    from opensma.tax.forms import form_8949
    from opensma.tax.replay import run

    started = time.process_time()
    state = run(case)
    rows = sum(len(form_8949(state, year)) for year in YEARS)
    return time.process_time() - started, state, rows


def _peer(trades: int, securities: int, seed: int) -> dict[str, Any]:
    """The same trades through another program, where it is installed: FIFO, one account."""
    if find_spec(PEER) is None:
        return {"peer": "capital-gains is not installed"}
    case = generate(trades, securities, seed, "FIFO", accounts=1)
    theirs, ours = _peer_seconds(case), _timed(case)[0]
    return {
        "peer": "capital-gains",
        "peer_trades": trades,
        "peer_securities": securities,
        "peer_microseconds_per_trade": theirs / trades * 1e6,
        "own_microseconds_per_trade": ours / trades * 1e6,
        "times_faster": theirs / ours,
    }


def _peer_seconds(case: dict[str, Any]) -> float:
    """Processor seconds of the peer, from its own file of trades to closed lots."""
    loader, logic = (import_module(f"{PEER}.{name}") for name in ("loader", "logic"))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "trades.csv"
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("date", "symbol", "name", "shares", "price", "fee"))
            writer.writerows(_peer_row(event) for event in case["events"])
        started = time.process_time()
        lots, sales = loader.load_transactions(path)
        for symbol, sold in sales.items():
            logic.process_sales(lots[symbol], sold, wash_sales=True)
        return time.process_time() - started


def _peer_row(event: dict[str, Any]) -> tuple[str, ...]:
    """A lot has a name and a sale has none: first in, first out. Prices here are whole cents."""
    quantity = int(event["qty"])
    cents = int(event["amount"].replace(".", "")) // quantity
    signed = str(quantity if event["type"] == "buy" else -quantity)
    price = f"{cents // 100}.{cents % 100:02d}"
    return event["date"], event["security"], event.get("lot", ""), signed, price, "0"
