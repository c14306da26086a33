"""From the seven tables of one connection to a `Market`."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from opensma.errors import Finding, MarketError
from opensma.market.actions import Action, ActionKind, child_fraction, sort_actions, split_fraction
from opensma.market.panel import (
    DEFAULT_BENCHMARK,
    FOREVER,
    Bools,
    Intervals,
    Market,
    ShareCounts,
)
from opensma.market.tables import EPOCH_ORDINAL, fetch
from opensma.units import Ints, micros_from_float

if TYPE_CHECKING:
    import duckdb

_PRICES = """
    SELECT p.date - DATE '1970-01-01' AS day, s.i AS i,
           CAST(round(p.close * 1000000) AS BIGINT) AS micros, p.volume AS volume
    FROM {p}prices p JOIN market_ids s USING (security_id)
"""


def build_market(
    connection: duckdb.DuckDBPyConnection, prefix: str, findings: tuple[Finding, ...] = ()
) -> Market:
    """The panel of the `prefix` tables, which have passed the checks."""
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE market_ids AS SELECT security_id, "
        f"CAST(row_number() OVER (ORDER BY security_id) - 1 AS BIGINT) AS i FROM {prefix}securities"
    )
    table = fetch(connection, f"SELECT * FROM {prefix}securities ORDER BY security_id")
    days, close, volume = _price_panel(connection, prefix, len(table["security_id"]))
    sectors = tuple(sorted(set(table["sector"].tolist())))
    last = _ordinals(table["last_date"])
    symbols = _intervals(connection, prefix, "symbols", "symbol")
    memberships = _intervals(connection, prefix, "constituents", "benchmark_id")
    return Market(
        security_id=tuple(table["security_id"].tolist()),
        name=tuple(table["name"].tolist()),
        industry=tuple(value or "" for value in table["industry"].tolist()),
        sector_name=sectors,
        sector_code=np.array([sectors.index(s) for s in table["sector"].tolist()], np.int64),
        group=_groups(table["cik"]),
        themes=_themes(connection, prefix, len(last)),
        days=days,
        close_micros=close,
        volume=volume,
        listed_until=np.where(last < days[-1], last, FOREVER).astype(np.int64),
        symbols=Intervals(
            symbols.security,
            symbols.first_day,
            # A ticker still borne at the end of the data is borne until something else is known.
            np.where(symbols.last_day < days[-1], symbols.last_day, FOREVER).astype(np.int64),
            symbols.label,
        ),
        memberships=memberships,
        shares_outstanding=_share_counts(connection, prefix),
        recorded=_recorded(connection, prefix, symbols, days, close),
        findings=findings,
        benchmark_id=_benchmark(memberships),
    )


def _ordinals(values: npt.NDArray[Any]) -> Ints:
    days = np.asarray(values).astype("datetime64[D]")
    ordinals = days.astype(np.int64) + EPOCH_ORDINAL
    return np.where(np.isnat(days), FOREVER, ordinals).astype(np.int64)


def _price_panel(
    connection: duckdb.DuckDBPyConnection, prefix: str, securities: int
) -> tuple[Ints, Ints, Ints]:
    found = fetch(connection, _PRICES.format(p=prefix))
    if not len(found["day"]):
        raise MarketError(
            "market.empty", "There are no prices.", where="prices", remedy="Import some prices."
        )
    day = found["day"].astype(np.int64) + EPOCH_ORDINAL
    days = np.flatnonzero(np.bincount(day - day.min())) + day.min()
    close = np.zeros((len(days), securities), np.int64)
    volume = np.zeros((len(days), securities), np.int64)
    row = np.searchsorted(days, day)
    close[row, found["i"]] = found["micros"]
    volume[row, found["i"]] = found["volume"]
    return days.astype(np.int64), close, volume


def _groups(cik: Ints) -> Ints:
    """Share classes of one issuer (same cik) are one group; without a cik a group of its own."""
    codes: dict[int, int] = {}
    group = [codes.setdefault(int(c), i) if c > 0 else i for i, c in enumerate(cik)]
    return np.array(group, np.int64)


def _themes(
    connection: duckdb.DuckDBPyConnection, prefix: str, securities: int
) -> dict[str, Bools]:
    found = fetch(
        connection,
        f"SELECT theme, i FROM {prefix}themes JOIN market_ids USING (security_id) ORDER BY 1, 2",
    )
    names = sorted(set(found["theme"].tolist()))
    masks: dict[str, Bools] = {theme: np.zeros(securities, bool) for theme in names}
    for theme, security in zip(found["theme"].tolist(), found["i"].tolist(), strict=True):
        masks[theme][security] = True
    return masks


def _intervals(
    connection: duckdb.DuckDBPyConnection, prefix: str, table: str, label: str
) -> Intervals:
    found = fetch(
        connection,
        f"SELECT i, {label} AS label, valid_from, valid_to FROM {prefix}{table} "
        "JOIN market_ids USING (security_id) ORDER BY i, valid_from, label",
    )
    return Intervals(
        found["i"].astype(np.int64),
        _ordinals(found["valid_from"]),
        _ordinals(found["valid_to"]),
        tuple(found["label"].tolist()),
    )


def _benchmark(memberships: Intervals) -> str:
    names = sorted(set(memberships.label))
    return names[0] if names and DEFAULT_BENCHMARK not in names else DEFAULT_BENCHMARK


def _share_counts(connection: duckdb.DuckDBPyConnection, prefix: str) -> ShareCounts:
    found = fetch(
        connection,
        f"SELECT i, date, shares_outstanding AS n FROM {prefix}shares_outstanding "
        "JOIN market_ids USING (security_id) ORDER BY i, date",
    )
    days = _ordinals(found["date"])
    return ShareCounts(found["i"].astype(np.int64), days, found["n"].astype(np.int64))


def _recorded(
    connection: duckdb.DuckDBPyConnection, prefix: str, symbols: Intervals, days: Ints, close: Ints
) -> tuple[Action, ...]:
    found = fetch(
        connection,
        "SELECT security_id, i, ex_date, kind, split_ratio AS ratio, amount_per_share AS amount, "
        f"child_symbol AS child FROM {prefix}actions JOIN market_ids USING (security_id) "
        "ORDER BY i, ex_date, kind, ratio, amount",
    )
    found["ex_date"] = _ordinals(found["ex_date"])
    actions: list[Action] = []
    seen: dict[str, int] = {}
    for row in zip(*(found[name].tolist() for name in found), strict=True):
        security_id, security, ex_day, kind, ratio, amount, child_symbol = row
        name = f"{security_id}/{kind}/{_iso(ex_day)}"
        seen[name] = seen.get(name, 0) + 1
        action_id = name if seen[name] == 1 else f"{name}/{seen[name]}"
        fraction, child = Fraction(1), -1
        if kind == ActionKind.SPLIT:
            fraction, amount = split_fraction(ratio), 0.0
        elif kind == ActionKind.SPIN_OFF:
            fraction, child = _spun_off(child_symbol, ex_day, amount, symbols, days, close)
        actions.append(
            Action(
                action_id=action_id,
                security=security,
                ex_day=ex_day,
                kind=ActionKind(kind),
                numerator=fraction.numerator,
                denominator=fraction.denominator,
                amount_micros=micros_from_float(amount),
                child=child,
                child_symbol=child_symbol or "",
            )
        )
    return sort_actions(actions)


def _iso(day: int) -> str:
    return str(np.datetime64(day - EPOCH_ORDINAL, "D"))


def _spun_off(
    symbol: str | None, ex_day: int, amount: float, symbols: Intervals, days: Ints, close: Ints
) -> tuple[Fraction, int]:
    """Child and its ratio, when it bears the ticker and has a close on the ex-day itself.

    A child priced only later stays unknown: looking for it would be looking ahead.
    """
    row = int(np.searchsorted(days, ex_day))
    if not symbol or row >= len(days) or days[row] != ex_day:
        return Fraction(0), -1
    best, began = -1, -1
    for position in (i for i, label in enumerate(symbols.label) if label == symbol):
        first = int(symbols.first_day[position])
        if began < first <= ex_day <= symbols.last_day[position]:
            best, began = int(symbols.security[position]), first
    if best < 0 or close[row, best] <= 0:
        return Fraction(0), -1
    return child_fraction(amount, close[row, best] / 1e6), best
