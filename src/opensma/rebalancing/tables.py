"""Tables of any library to numpy columns, and back to the library they came from.

Nothing is imported: a table is known by what it can do. pandas, polars, Arrow (pyarrow, or
anything with the Arrow PyCapsule interface), numpy records, mappings and lists of mappings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from opensma.calendar import parse_date
from opensma.construct.problem import Floats
from opensma.errors import InputError

Column = npt.NDArray[Any]
Columns = dict[str, Column]

# Names of the same thing, as different systems write it: letters and digits only, lower case.
SECURITY = ("security", "securityid", "ticker", "symbol", "asset", "assetid", "name", "id")
QUANTITY = ("quantity", "shares", "qty", "units")
BASIS = ("basis", "costbasis", "totalbasis", "totalcost", "taxcost")
UNIT_COST = ("unitcost", "unitbasis", "costpershare", "basispershare", "purchaseprice")
ACQUIRED = ("acquired", "acquiredon", "acquisitiondate", "dateacquired", "purchasedate",
            "purchased", "tradedate", "opendate", "date")  # fmt: skip
LOT = ("lotid", "lot", "taxlot", "taxlotid")
ACCOUNT = ("accountid", "account")
LONG_TERM = ("longterm", "islongterm")
PRICE = ("price", "close", "last", "closingprice")
WEIGHT = ("weight", "target", "targetweight", "wgt")


def bad(code: str, message: str, where: str, remedy: str) -> InputError:
    """An error of this door: every one names the argument and what to do."""
    return InputError(f"rebalance.{code}", message, where=where, remedy=remedy)


def plain(name: object) -> str:
    """A header without case, blanks and punctuation."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


# --- reading -----------------------------------------------------------------------------------


def columns_of(table: Any, where: str) -> Columns:
    """The table's columns as numpy arrays of one length, by their own names."""
    found = {str(name): _array(values) for name, values in _pairs(table, where)}
    lengths = {name: len(values) for name, values in found.items()}
    if len(set(lengths.values())) > 1:
        raise bad("ragged", f"Columns differ in length: {lengths}.", where, "Give one table.")
    return found


def _pairs(table: Any, where: str) -> Iterable[tuple[object, Any]]:
    if isinstance(table, np.ndarray) and table.dtype.names:
        return [(name, table[name]) for name in table.dtype.names]
    if isinstance(table, Mapping):
        return list(table.items())
    if hasattr(table, "iloc") and hasattr(table, "columns"):  # pandas
        index = [(table.index.name, table.index)] if table.index.name is not None else []
        return [*index, *((name, table[name]) for name in table.columns)]
    if hasattr(table, "to_pydict"):  # pyarrow
        return list(table.to_pydict().items())
    if hasattr(table, "get_column") and hasattr(table, "columns"):  # polars
        return [(name, table.get_column(name).to_list()) for name in table.columns]
    if hasattr(table, "__arrow_c_stream__"):
        import duckdb

        return list(duckdb.from_arrow(table).fetchnumpy().items())
    if isinstance(table, Sequence) and table and all(isinstance(row, Mapping) for row in table):
        names = list(dict.fromkeys(name for row in table for name in row))
        return [(name, [row.get(name) for row in table]) for name in names]
    raise bad(
        "table", f"A {type(table).__name__} is no table that can be read.", where,
        "Give a pandas, polars or Arrow table, numpy records, or a mapping of columns.",
    )  # fmt: skip


def _array(values: Any) -> Column:
    if isinstance(values, np.ma.MaskedArray):
        return np.array([None if v is np.ma.masked else v for v in values], dtype=object)
    if hasattr(values, "to_numpy"):
        return np.asarray(values.to_numpy())
    if isinstance(values, np.ndarray):
        return values
    made = np.empty(len(values), dtype=object)
    made[:] = list(values)
    return made


def pick(columns: Columns, names: Sequence[str]) -> str | None:
    """The column that carries one of these names; the first name that is there wins."""
    known = {plain(column): column for column in columns}
    return next((known[name] for name in names if name in known), None)


def need(columns: Columns, names: Sequence[str], where: str) -> Column:
    """The column of one of these names; InputError where there is none."""
    found = pick(columns, names)
    if found is None:
        raise bad(
            "column_missing",
            f"There is no column '{names[0]}' among {sorted(columns)}.", where,
            f"Name it '{names[0]}' (or {', '.join(names[1:5])}).",
        )  # fmt: skip
    return columns[found]


# --- values ------------------------------------------------------------------------------------


def texts(values: Column, where: str) -> list[str]:
    """Ids as text; an empty one is an error with its row."""
    made = []
    for row, value in enumerate(values.tolist()):
        if value is None or value != value or value == "":
            raise bad("value_missing", f"Row {row} has no name.", where, "Fill it in.")
        made.append(str(value))
    return made


def numbers(values: Column, where: str) -> Floats:
    """Finite floats; what is no number is an error with its row."""
    made = np.empty(len(values))
    for row, value in enumerate(values.tolist()):
        try:
            made[row] = float(value)
        except (TypeError, ValueError):
            made[row] = np.nan
        if not np.isfinite(made[row]):
            raise bad(
                "value_number", f"Row {row} is {value!r}; a finite number is needed.", where,
                "Correct the value.",
            )  # fmt: skip
    return made


def day_of(value: Any, where: str) -> int:
    """A date of any kind as its ordinal: date, datetime, pandas, numpy, or ISO text."""
    if isinstance(value, datetime):
        return value.date().toordinal()
    if isinstance(value, date):
        return value.toordinal()
    if isinstance(value, np.datetime64) and not np.isnat(value):
        return date.fromisoformat(str(value.astype("datetime64[D]"))).toordinal()
    return parse_date(str(value)[:10], where=where).toordinal()


def days(values: Column, where: str) -> npt.NDArray[np.int64]:
    """A column of dates as ordinals."""
    return np.array([day_of(v, f"{where}, row {r}") for r, v in enumerate(values)], dtype=np.int64)


def named_numbers(
    given: Any, where: str, names: Sequence[str], securities: Sequence[str] | None = None
) -> dict[str, float]:
    """A number per security: a mapping, a Series, a table, or an array in the order of ids."""
    if isinstance(given, Mapping) and not any(_is_column(value) for value in given.values()):
        ids, values = [str(key) for key in given], _array(list(given.values()))
    elif hasattr(given, "index") and hasattr(given, "to_numpy") and not hasattr(given, "columns"):
        ids, values = [str(key) for key in given.index], _array(given)
    elif _is_plain_vector(given):
        ids, values = _in_order(given, securities, where)
    else:
        columns = columns_of(given, where)
        ids, values = texts(need(columns, SECURITY, where), where), need(columns, names, where)
    if len(set(ids)) != len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise bad("duplicate", f"'{twice}' appears twice.", where, "Keep one of the rows.")
    return dict(zip(ids, numbers(values, where).tolist(), strict=True))


def _is_column(value: Any) -> bool:
    return isinstance(value, Sequence | np.ndarray) and not isinstance(value, str)


def _is_plain_vector(given: Any) -> bool:
    if isinstance(given, np.ndarray):
        return given.ndim == 1 and not given.dtype.names
    if isinstance(given, Sequence):
        return not any(isinstance(row, Mapping) for row in given)
    return hasattr(given, "to_list") and not hasattr(given, "columns")  # a polars Series


def _in_order(given: Any, securities: Sequence[str] | None, where: str) -> tuple[list[str], Column]:
    values = _array(given if hasattr(given, "__len__") else list(given))
    if securities is None or len(securities) != len(values):
        have = "no securities" if securities is None else f"{len(securities)} securities"
        raise bad(
            "order", f"{len(values)} plain values for {have}.", where,
            "Name them: a mapping, a Series or a table; or give securities=[...] in their order.",
        )  # fmt: skip
    return list(securities), values


def names_of(given: Any, where: str) -> tuple[str, ...]:
    """A list of names: one text, or any sequence of them."""
    if given is None:
        return ()
    if isinstance(given, str):
        return (given,)
    if isinstance(given, Mapping) or hasattr(given, "columns"):
        raise bad("names", "A list of names is needed.", where, "Give a list of texts.")
    return tuple(str(name) for name in given)


# --- writing -----------------------------------------------------------------------------------


def like(table: Any, columns: Columns) -> Any:
    """These columns as a table of the same library; a mapping where it cannot be made."""
    plain_columns = {name: _as_list(values) for name, values in columns.items()}
    if isinstance(table, np.ndarray):
        kinds = [(name, values.dtype) for name, values in columns.items()]
        records = np.empty(len(next(iter(columns.values()))), dtype=kinds)
        for name, values in columns.items():
            records[name] = values
        return records
    if hasattr(table, "iloc"):
        return type(table)(columns)
    if hasattr(type(table), "from_pydict"):
        return type(table).from_pydict(plain_columns)
    if hasattr(table, "get_column"):
        return type(table)(plain_columns)
    if isinstance(table, Sequence):
        rows = zip(*plain_columns.values(), strict=True)
        return [dict(zip(plain_columns, row, strict=True)) for row in rows]
    return columns


def _as_list(values: Column) -> list[Any]:
    listed: list[Any] = values.tolist()
    return listed
