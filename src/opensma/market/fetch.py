"""Closes and actions from the network through the optional `fetch` extra, in the import layout.

The service gives no point-in-time members and no old share counts: every symbol is a member of
the benchmark from its first close, and today's share count stands for the whole window.
"""

from __future__ import annotations

import math
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.request import getproxies

from opensma.errors import InputError
from opensma.market.layout import TABLE
from opensma.market.panel import DEFAULT_BENCHMARK
from opensma.market.tables import connect, fill_table, write_tables

SERVICE = ("query1.finance.yahoo.com", 443)
PATIENCE = 5.0  # seconds


@dataclass(slots=True)
class Fetched:
    """Rows per table, in the column order of the layout."""

    rows: dict[str, list[tuple[Any, ...]]] = field(
        default_factory=lambda: {name: [] for name in TABLE}
    )


def fetch_market(
    symbols: Sequence[str],
    start: date,
    end: date,
    out: Path,
    progress: Callable[[int], None] = lambda _symbols: None,
) -> int:
    """Write the tables of `symbols` to `out`; returns the number of closes.

    InputError when the extra is missing, the network is down or a symbol has no prices; nothing
    is written then.
    """
    if start > end:
        raise InputError(
            "fetch.reversed",
            f"The window ends on {end}, before it begins on {start}.",
            where="--from, --to",
            remedy="Put the earlier day into --from.",
        )
    try:
        import yfinance
    except ImportError as error:
        raise InputError(
            "fetch.extra_missing",
            "Fetching needs the optional package yfinance.",
            where="sma market fetch",
            remedy="Run: pip install 'opensma[fetch]'",
        ) from error
    fetched = Fetched()
    for symbol in sorted({symbol.upper() for symbol in symbols}):
        _one_symbol(yfinance, symbol, start, end, fetched)
        progress(1)
    connection = connect()
    for name, rows in fetched.rows.items():
        fill_table(connection, "fetched_", name, rows)
    out.mkdir(parents=True, exist_ok=True)
    write_tables(connection, "fetched_", out)
    return len(fetched.rows["prices"])


def _one_symbol(yfinance: Any, symbol: str, start: date, end: date, fetched: Fetched) -> None:
    ticker = yfinance.Ticker(symbol)
    try:
        history = ticker.history(
            start=str(start), end=str(end + timedelta(days=1)), auto_adjust=False, actions=True
        )
        splits = list(ticker.splits.items())
        facts = dict(ticker.info)
    except (OSError, yfinance.exceptions.YFException) as error:  # connection errors are OSErrors
        raise _nothing_came(symbol, str(error)) from error
    history = history[history["Close"] > 0]  # days that the service knows nothing about are NaN
    if not len(history):
        raise _nothing_came(symbol, "")
    days = [moment.date() for moment in history.index]
    later = math.prod(float(ratio) for moment, ratio in splits if moment.date() > end)
    factor = _later_splits(list(history["Stock Splits"]), later)
    rows = fetched.rows
    closes = zip(days, history["Close"], history["Volume"], factor, strict=True)
    # The service divides old closes by later splits; the layout wants them as they were printed.
    rows["prices"] += [
        (symbol, day, round(float(close) * later, 6), int(volume / later))
        for day, close, volume, later in closes
    ]
    actions = zip(days, history["Dividends"], history["Stock Splits"], factor, strict=True)
    for day, dividend, split, later in actions:
        if dividend:
            amount = round(float(dividend) * later, 6)
            rows["actions"].append((symbol, day, "cash_dividend", None, amount, None))
        if split:
            rows["actions"].append((symbol, day, "split", float(split), None, None))
    _describe(symbol, facts, days, rows)


def _describe(
    symbol: str, facts: dict[str, Any], days: list[date], rows: dict[str, list[tuple[Any, ...]]]
) -> None:
    name, sector = facts.get("longName") or symbol, facts.get("sector") or "Unknown"
    about = (facts.get("industry"), facts.get("exchange"), facts.get("country"), None)
    rows["securities"].append((symbol, symbol, name, sector, *about, days[0], days[-1]))
    rows["symbols"].append((symbol, symbol, days[0], days[-1]))
    rows["constituents"].append((DEFAULT_BENCHMARK, symbol, days[0], None))
    if facts.get("sharesOutstanding"):
        rows["shares_outstanding"].append((symbol, days[0], int(facts["sharesOutstanding"])))


def _later_splits(splits: list[float], after: float) -> list[float]:
    """Product of the splits after each session; `after` is that of those after the window."""
    product, result = after, []
    for split in reversed(splits):
        result.append(product)
        product *= float(split) or 1.0
    return result[::-1]


def _nothing_came(symbol: str, words: str) -> InputError:
    if not getproxies() and not _answers():
        return InputError(
            "fetch.no_network",
            f"There is no network: {SERVICE[0]} cannot be reached.",
            where=symbol,
            remedy="Connect and try again, or run sma market generate for a fictional market.",
        )
    return InputError(
        "fetch.no_prices",
        f"No prices came for {symbol}. {words}".rstrip(),
        where=symbol,
        remedy="Check the ticker and the days; the service may also ask you to wait.",
    )


def _answers() -> bool:
    """Whether the service can be reached at all; asked only after a failure."""
    try:
        socket.create_connection(SERVICE, timeout=PATIENCE).close()
    except OSError:
        return False
    return True
