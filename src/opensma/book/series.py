"""Daily values of accounts and where each account stands: kept, and read by the thousand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from sqlalchemy import Connection, func, select

from opensma.book import schema
from opensma.book.store import insert_rows
from opensma.units import Ints

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class DailyValues:
    """One account over sessions; every column (days,), cents, days as ordinals."""

    days: Ints
    value_cents: Ints
    inflow_cents: Ints
    outflow_cents: Ints


def account_series(connection: Connection, account_keys: Sequence[int]) -> dict[int, DailyValues]:
    """Series of the accounts that have one, in order of days."""
    table = schema.account_days
    ordinals: dict[str, int] = {}
    grouped: dict[int, list[tuple[int, ...]]] = {}
    for start in range(0, len(account_keys), _CHUNK):
        some = list(account_keys[start : start + _CHUNK])
        query = (
            select(table)
            .where(table.c.account_key.in_(some))
            .order_by(table.c.account_key, table.c.day)
        )
        for key, day, *cents in connection.execute(query):
            if day not in ordinals:
                ordinals[day] = date.fromisoformat(day).toordinal()
            grouped.setdefault(key, []).append((ordinals[day], *cents))
    return {
        key: DailyValues(*np.array(rows, dtype=np.int64).T.copy()) for key, rows in grouped.items()
    }


def put_days(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Append rows of `account_days`."""
    insert_rows(connection, schema.account_days, rows)


def put_measures(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Replace where these accounts stand."""
    table = schema.account_measures
    keys = [row[0] for row in rows]
    for start in range(0, len(keys), _CHUNK):
        some = keys[start : start + _CHUNK]
        connection.execute(table.delete().where(table.c.account_key.in_(some)))
    insert_rows(connection, table, rows)


def measured_total(connection: Connection, day: str) -> tuple[int, int]:
    """How many accounts stand at this day, and their value in cents."""
    table = schema.account_measures
    query = select(func.count(), func.coalesce(func.sum(table.c.value_cents), 0))
    count, value = connection.execute(query.where(table.c.day == day)).one()
    return int(count), int(value)
