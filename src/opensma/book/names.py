"""Securities of a market in the book: one internal key each, given once and never reused."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from sqlalchemy import Connection

from opensma.book import schema
from opensma.book.master import Security, add_records, all_records
from opensma.errors import MarketError
from opensma.market import Action, ActionKind, Market
from opensma.units import Ints


@dataclass(frozen=True, slots=True)
class KeyMap:
    """Between the market's rows and the book's keys, both ways."""

    key_of_row: Ints  # (market securities,)
    row_of_key: Ints  # (largest key + 1,), -1 where the market has no such security
    group_of_key: Ints  # (largest key + 1,), code of the identical group

    def rows(self, keys: Ints) -> Ints:
        """Market rows of book keys; MarketError when the market lacks one."""
        rows = self.row_of_key[keys]
        if len(rows) and int(rows.min()) < 0:
            missing = [int(k) for k in np.unique(keys[rows < 0])][:10]
            raise MarketError(
                "market.security_missing",
                f"The market has no security for book keys {missing}.",
                where="sma.market",
                remedy="Import the market files that this book was made with.",
            )
        return rows


def register_securities(connection: Connection, market: Market) -> int:
    """Give keys to securities that the book has not met; returns how many were new."""
    known = {s.security_id: s for s in all_records(connection, Security)}
    next_key = 1 + max((s.security_key for s in known.values()), default=0)
    day = int(market.days[-1])
    wanted = [*_listed(market, day), *_unlisted_children(market)]
    fresh = [
        replace(security, security_key=next_key + position)
        for position, security in enumerate(s for s in wanted if s.security_id not in known)
    ]
    add_records(connection, fresh)
    _refresh_symbols(connection, market, known, day)
    return len(fresh)


def _listed(market: Market, day: int) -> list[Security]:
    _, first = np.unique(market.group, return_index=True)
    first_of_group = {int(market.group[row]): market.security_id[row] for row in first}
    return [
        Security(
            0,
            security_id,
            market.symbol_at(row, day),
            market.name[row],
            market.sector_name[int(market.sector_code[row])],
            first_of_group[int(market.group[row])],
        )
        for row, security_id in enumerate(market.security_id)
    ]


def unlisted_child(market: Market, action: Action) -> str:
    """Id under which the book keeps a spun-off security that the market does not list."""
    return f"{market.security_id[action.security]}/spin-off/{date.fromordinal(action.ex_day)}"


def _unlisted_children(market: Market) -> list[Security]:
    found = []
    for action in market.actions:
        if action.kind is ActionKind.SPIN_OFF and action.child < 0:
            name = unlisted_child(market, action)
            parent = action.security
            sector = market.sector_name[int(market.sector_code[parent])]
            symbol = f"{market.symbol_at(parent, action.ex_day)}.SPIN"
            title = f"Spun off from {market.name[parent]}"
            found.append(Security(0, name, symbol, title, sector, name))
    return found


def _refresh_symbols(
    connection: Connection, market: Market, known: dict[str, Security], day: int
) -> None:
    """Tickers change, keys don't (W20)."""
    table = schema.securities
    for security_id, security in known.items():
        row = market.index.get(security_id)
        symbol = security.symbol if row is None else market.symbol_at(row, day)
        if symbol != security.symbol:
            change = table.update().where(table.c.security_id == security_id)
            connection.execute(change.values(symbol=symbol))


def key_map(connection: Connection, market: Market) -> KeyMap:
    """Arrays between market rows and book keys; register the securities first."""
    known = all_records(connection, Security)
    size = 1 + max((s.security_key for s in known), default=0)
    key_of_id = {s.security_id: s.security_key for s in known}
    row_of_key = np.full(size, -1, dtype=np.int64)
    group_of_key = np.arange(size, dtype=np.int64)
    key_of_row = np.full(len(market.security_id), -1, dtype=np.int64)
    for security in known:
        row = market.index.get(security.security_id, -1)
        row_of_key[security.security_key] = row
        group_of_key[security.security_key] = key_of_id.get(
            security.group_id, security.security_key
        )
        if row >= 0:
            key_of_row[row] = security.security_key
    return KeyMap(key_of_row, row_of_key, group_of_key)
