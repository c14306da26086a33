"""The same queries elsewhere: identical rows on PostgreSQL, and SQL that others can parse."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from tests.growth.programme import load_tables, programme

from opensma.errors import InputError
from opensma.growth.dialects import DIALECTS, QUERIES, create_tables, script, transpiled
from opensma.growth.journeys import Rules
from opensma.growth.publish import publish
from opensma.growth.warehouse.schema import TABLES
from opensma.growth.warehouse.store import open_warehouse, sql_text

HELPERS = ("no_basis", "credit_model", "decay", "channel_strength")
MADE = ("touch_group", "event", "journey", "credit_touched", "split_weight", "line_split")


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Any:
    connection = open_warehouse(None)
    tables, given = programme(60, 36, seed=21)
    first, *_ = [row for row in given.accounts if row[5].year == 2021]
    tables["acquisition"] = [(first[0], first[5], "the book of an adviser who retired")]
    given = replace(given, months=with_a_move(given.months))
    load_tables(connection, tmp_path_factory.mktemp("files"), tables)
    publish(connection, given, Rules(given.as_of, by_tranches=True))
    return connection


def with_a_move(months: Any) -> list[tuple[Any, ...]]:
    """Two accounts of one owner between which money went, in every month that has two inflows."""
    found = list(months)
    by_month: dict[Any, list[int]] = {}
    for place, row in enumerate(found):
        if row[3] > 0:
            by_month.setdefault(row[1], []).append(place)
    for places in by_month.values():
        for place, cents in zip(places[:2], (700, -700), strict=False):
            if len(places) > 1:
                found[place] = (*found[place][:6], cents)
    return found


def plain(rows: Any) -> list[tuple[Any, ...]]:
    """Rows without the engines' own number types, in one order."""
    whole = [tuple(int(v) if isinstance(v, Decimal | float) else v for v in row) for row in rows]
    return sorted(whole, key=repr)


@pytest.fixture(scope="module")
def postgres(warehouse: Any, postgres_url: str) -> Any:
    """The loaded and published tables in PostgreSQL; nothing that a query makes."""
    import psycopg

    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for statement in create_tables("postgres"):
            connection.execute(statement)
        made = {"event", "journey", "credit", "revenue"}
        for table in TABLES:
            if table.name not in made:
                copy(warehouse, connection, table.name)
        for name in HELPERS:
            columns = warehouse.execute(f"DESCRIBE {name}").fetchall()
            types = ", ".join(f"{c[0]} {'TEXT' if c[1] == 'VARCHAR' else c[1]}" for c in columns)
            connection.execute(f"CREATE TABLE {name} ({types})")
            copy(warehouse, connection, name)
        yield connection


def copy(source: Any, target: Any, table: str) -> None:
    rows = source.execute(f"SELECT * FROM {table}").fetchall()
    with target.cursor().copy(f'COPY "{table}" FROM STDIN') as out:
        for row in rows:
            out.write_row(row)


def test_every_query_gives_identical_rows_on_duckdb_and_postgresql(
    warehouse: Any, postgres: Any
) -> None:
    """From touches to the tie: each engine works on what it made itself."""
    kept = {"event", "journey", "revenue"}
    compared = 0
    for name, fills in QUERIES:
        there = transpiled(name, "postgres")
        rows = postgres.execute(there).fetchall()
        assert plain(rows) == plain(warehouse.execute(sql_text(name)).fetchall()), name
        compared += len(rows)
        if fills in kept:
            columns = ", ".join(c.name for c in postgres.execute(there).description)
            postgres.execute(f"INSERT INTO {fills} ({columns}) {there}")
        elif fills and fills not in {"line_part"}:
            postgres.execute(f"CREATE TABLE {fills} AS {there}")
        if name == "credit_rest":
            for part in ("SELECT * FROM credit_touched", there):
                postgres.execute(
                    "INSERT INTO credit SELECT event_id, touch_id, model, '1', weight, "
                    f"DATE '2024-12-31' FROM ({part}) p"
                )
        if name == "revenue":  # reversals mirror their line on both sides (R5)
            postgres.execute(
                "INSERT INTO revenue SELECT r.model, v.line_id, r.person_id, r.tranche, "
                "r.event_id, r.touch_id, -r.amount_c, -r.platform_share_c FROM fee_ledger v "
                "JOIN revenue r ON r.line_id = v.reversal_of"
            )
    assert compared > 10_000
    tie = postgres.execute(transpiled("tie", "postgres")).fetchall()
    assert all(row[2] == row[3] and row[4] == row[5] for row in tie)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_every_dialect_can_be_parsed_again(dialect: str) -> None:
    sqlglot = pytest.importorskip("sqlglot")
    for name, _ in QUERIES:
        trees = sqlglot.parse(transpiled(name, dialect), read=dialect)
        assert len(trees) == 1
        assert trees[0].find(sqlglot.exp.Select)
    for statement in create_tables(dialect):
        assert sqlglot.parse_one(statement, read=dialect).find(sqlglot.exp.Schema), statement


def test_queries_use_joins_and_windows_only() -> None:
    """No lists, no unnest, no ordered aggregate window: what some engine would not take."""
    text = " ".join(sql_text(name).lower() for name, _ in QUERIES)
    for word in ("unnest", "list(", "array", "qualify", "filter ("):
        assert word not in text


def test_an_unknown_dialect_or_query_is_named() -> None:
    with pytest.raises(InputError, match="no dialect"):
        transpiled("tie", "cobol")
    with pytest.raises(InputError, match="no query"):
        script("duckdb", ["ties"])
