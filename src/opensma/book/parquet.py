"""Rows of the book as a Parquet file, through DuckDB; the same rows give the same bytes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from opensma.errors import BookError


def write_parquet(path: Path, layout: Mapping[str, str], rows: Iterable[tuple[Any, ...]]) -> int:
    """Write rows whose columns have these names and SQL types; returns how many there were.

    BookError when the disk is full or the folder cannot be written.
    """
    import duckdb

    found = list(rows)
    columns = zip(*found, strict=True) if found else ([] for _ in layout)
    held = {name: _column(values) for name, values in zip(layout, columns, strict=True)}
    picks = ", ".join(f'CAST("{name}" AS {kind}) AS "{name}"' for name, kind in layout.items())
    target = str(path).replace("'", "''")
    connection = duckdb.connect(":memory:")
    try:
        connection.execute("SET threads = 1")
        connection.register("held", held)
        connection.execute(
            f"COPY (SELECT {picks} FROM held) TO '{target}' (FORMAT parquet, COMPRESSION zstd)"
        )
    except duckdb.Error as error:
        full = "space" in str(error).lower()
        raise BookError(
            "export.disk_full" if full else "export.write_failed",
            "The disk is full." if full else str(error).splitlines()[0],
            where=str(path.parent),
            remedy="Free some space, or choose another --out. Nothing was left behind.",
        ) from error
    finally:
        connection.close()
    return len(found)


def _column(values: Iterable[Any]) -> np.ndarray:
    listed = list(values)
    if listed and all(type(value) is int for value in listed):
        return np.array(listed, dtype=np.int64)
    column = np.empty(len(listed), dtype=object)
    column[:] = listed
    return column
