"""The path file: channels in order, how often such a path converted, for how much, how often not.

CSV with `path,total_conversions,total_conversion_value,total_null` and, for models that know
time, `days_before`; touches are separated by ` > `. Every row is checked; the first that breaks
a rule is named by file and line. Large files are read in parallel by DuckDB, which gives up on
anything unusual and leaves it to the careful reader, so both accept and refuse the same.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from opensma.errors import InputError
from opensma.growth.csv_files import header_of, strict_source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

SEPARATOR = " > "
COLUMNS = ("path", "total_conversions", "total_conversion_value", "total_null")
DAYS = "days_before"
_LARGE_BYTES = 2_000_000
_MOST_COUNT = 2.0**53  # beyond it a count is no longer exact


@dataclass(frozen=True)
class PathTable:
    """Rows of a path file as arrays; touches of row i are `starts[i]:starts[i + 1]`."""

    channels: tuple[str, ...]  # every channel of the file, by name
    touch_channel: Ints
    starts: Ints
    conversions: Floats
    nulls: Floats
    value: Floats
    days_before: Floats | None  # for each touch

    @property
    def rows(self) -> int:
        """How many rows the file has."""
        return len(self.conversions)

    @property
    def lengths(self) -> Ints:
        """Touches of each row."""
        return np.diff(self.starts)

    @property
    def touch_row(self) -> Ints:
        """The row of each touch."""
        return np.repeat(np.arange(self.rows), self.lengths)


def read_paths(file: Path) -> PathTable:
    """Read and check a path file; InputError growth.path_... names file and line."""
    if file.stat().st_size >= _LARGE_BYTES and (fast := _read_fast(file)) is not None:
        return fast
    return _read_careful(file)


# --- the careful reader --------------------------------------------------------------------------


def _fail(code: str, message: str, where: str, remedy: str) -> InputError:
    return InputError(f"growth.path_{code}", message, where=where, remedy=remedy)


def lines_of(file: Path, needed: tuple[str, ...]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and fields of every row of a CSV file whose header has the columns needed."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = [name.strip() for name in next(reader, [])]
            _check_header(header, needed, file)
            for fields in reader:
                where = f"{file}:{reader.line_num}"
                if not fields:
                    continue
                if len(fields) != len(header):
                    raise InputError(
                        "growth.row_length",
                        f"The row has {len(fields)} fields, the header {len(header)}.",
                        where=where, remedy="Quote fields that contain a comma.",
                    )  # fmt: skip
                yield reader.line_num, dict(zip(header, fields, strict=True))
    except UnicodeDecodeError as error:
        raise InputError(
            "growth.not_text", f"The file is not UTF-8 text: {error.reason}.", where=str(file),
            remedy="Save it as CSV in UTF-8.",
        ) from error  # fmt: skip
    except csv.Error as error:
        raise InputError(
            "growth.not_csv", f"The file is not CSV: {error}.",
            where=f"{file}:{reader.line_num}", remedy="Save it as CSV in UTF-8.",
        ) from error  # fmt: skip


def _check_header(header: list[str], needed: tuple[str, ...], file: Path) -> None:
    missing = [name for name in needed if name not in header]
    twice = sorted({name for name in header if header.count(name) > 1})
    if missing or twice:
        what = f"missing: {', '.join(missing)}" if missing else f"twice: {', '.join(twice)}"
        raise InputError(
            "growth.columns", f"The header does not fit: {what}.", where=f"{file}:1",
            remedy=f"The first line names the columns: {', '.join(needed)}.",
        )  # fmt: skip


def number_of(text: str, column: str, where: str, *, least: float = -math.inf) -> float:
    """A finite number of at least `least`; InputError growth.number otherwise."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < least or "_" in text:
        legal = "a number" if least == -math.inf else f"a number of at least {least:g}"
        raise InputError(
            "growth.number", f"{column} is '{text}'.", where=where, remedy=f"Give {legal}."
        )
    return number


def _count(text: str, column: str, where: str) -> float:
    number = number_of(text, column, where, least=0)
    if number != math.floor(number) or number > _MOST_COUNT:
        raise _fail("count", f"{column} is '{text}'.", where, "Counts are whole numbers.")
    return number


def _channels_of(path: str, where: str) -> list[str]:
    parts = [part.strip() for part in path.split(SEPARATOR)]
    if any(_is_broken(part) for part in parts):
        raise _fail(
            "channel", f"A channel of the path '{path}' has no name.", where,
            "Put a name on both sides of every ' > '.",
        )  # fmt: skip
    return parts


def _is_broken(part: str) -> bool:
    return not part or part == ">" or part.startswith("> ") or part.endswith(" >")


def _days_of(text: str, touches: int, where: str) -> list[float]:
    parts = text.split(SEPARATOR) if text.strip() else []
    if len(parts) != touches:
        raise _fail(
            "days", f"{DAYS} has {len(parts)} entries, the path has {touches} touches.", where,
            "Give the days from each touch to the event, in the order of the path.",
        )  # fmt: skip
    return [number_of(part.strip(), DAYS, where, least=0) for part in parts]


def _read_careful(file: Path) -> PathTable:
    names: list[str] = []
    lengths: list[int] = []
    numbers: list[tuple[float, float, float]] = []
    days: list[float] | None = None
    for line, row in lines_of(file, COLUMNS):
        where = f"{file}:{line}"
        touches = _channels_of(row["path"], where)
        names += touches
        lengths.append(len(touches))
        numbers.append(_numbers_of(row, where))
        if DAYS in row:
            days = [] if days is None else days
            days += _days_of(row[DAYS], len(touches), where)
    channels = tuple(sorted(set(names)))
    place = {name: i for i, name in enumerate(channels)}
    table = np.array(numbers, dtype=np.float64).reshape(-1, 3)
    return PathTable(
        channels, np.array([place[name] for name in names], dtype=np.int64), _starts(lengths),
        table[:, 0], table[:, 1], table[:, 2], None if days is None else np.array(days),
    )  # fmt: skip


def _numbers_of(row: dict[str, str], where: str) -> tuple[float, float, float]:
    conversions = _count(row["total_conversions"], "total_conversions", where)
    nulls = _count(row["total_null"], "total_null", where)
    value = number_of(row["total_conversion_value"], "total_conversion_value", where)
    if value and not conversions:
        raise _fail(
            "value", f"The row has a value of {value:g} and no conversion.", where,
            "A value belongs to conversions: count them, or leave the value 0.",
        )  # fmt: skip
    return conversions, nulls, value


def _starts(lengths: Any) -> Ints:
    return np.concatenate([[0], np.cumsum(np.asarray(lengths, dtype=np.int64))]).astype(np.int64)


# --- the fast reader -----------------------------------------------------------------------------


def _read_fast(file: Path) -> PathTable | None:
    """The same table from DuckDB; None where the careful reader has to say what is wrong."""
    import duckdb

    connection = duckdb.connect()
    try:
        return _read_columns(connection, file)
    except (duckdb.Error, InputError):
        return None
    finally:
        connection.close()


def _read_columns(connection: Any, file: Path) -> PathTable | None:
    columns = header_of(file)
    source = strict_source(columns)
    if any(name not in columns for name in COLUMNS):
        return None
    has_days = DAYS in columns
    days = f"string_split({DAYS}, '{SEPARATOR}')" if has_days else "NULL"
    connection.execute(
        f"CREATE TEMP TABLE rows AS SELECT string_split(path, '{SEPARATOR}') AS parts, "
        "TRY_CAST(total_conversions AS DOUBLE) AS c, TRY_CAST(total_null AS DOUBLE) AS u, "
        f"TRY_CAST(total_conversion_value AS DOUBLE) AS v, {days} AS days FROM {source}",
        [str(file)],
    )
    fetched = connection.execute("SELECT len(parts) AS n, c, u, v FROM rows").fetchnumpy()
    if not _is_sound({name: np.ma.asarray(array) for name, array in fetched.items()}):
        return None
    codes = _codes(connection)
    if codes is None:
        return None
    times = _days_column(connection, fetched["n"]) if has_days else None
    if has_days and times is None:
        return None
    channels, touch_channel = codes
    c, u, v = (np.asarray(fetched[name], dtype=np.float64) for name in ("c", "u", "v"))
    return PathTable(channels, touch_channel, _starts(fetched["n"]), c, u, v, times)


def _is_sound(columns: dict[str, Any]) -> bool:
    if any(np.ma.is_masked(column) for column in columns.values()):
        return False
    c, u, v = (np.asarray(columns[name], dtype=np.float64) for name in "cuv")
    counts = np.concatenate([c, u])
    return bool(
        np.isfinite(v).all()
        and ((counts >= 0) & (counts <= _MOST_COUNT) & (counts == np.floor(counts))).all()
        and not ((v != 0) & (c == 0)).any()
    )


def _codes(connection: Any) -> tuple[tuple[str, ...], Ints] | None:
    raw = [
        str(name)
        for (name,) in connection.execute(
            "SELECT DISTINCT unnest(parts) AS name FROM rows ORDER BY name"
        ).fetchall()
    ]
    clean = [name.strip() for name in raw]
    if not raw or any(_is_broken(name) for name in clean):
        return None
    channels = tuple(sorted(set(clean)))
    place = {name: i for i, name in enumerate(channels)}
    listed = ", ".join("'" + name.replace("'", "''") + "'" for name in raw)
    connection.execute(f"CREATE TYPE channel AS ENUM ({listed})")
    codes = connection.execute(
        "SELECT enum_code(CAST(unnest(parts) AS channel)) AS code FROM rows"
    ).fetchnumpy()["code"]
    to_place = np.array([place[name] for name in clean], dtype=np.int64)
    return channels, to_place[np.asarray(codes)]


def _days_column(connection: Any, lengths: Any) -> Floats | None:
    uneven = connection.execute(
        "SELECT count(*) FROM rows WHERE days IS NULL OR len(days) <> len(parts)"
    ).fetchone()
    if uneven[0]:
        return None
    found = connection.execute(
        "SELECT TRY_CAST(unnest(days) AS DOUBLE) AS d FROM rows"
    ).fetchnumpy()["d"]
    if np.ma.is_masked(found):
        return None
    days = np.asarray(found, dtype=np.float64)
    return days if bool((np.isfinite(days) & (days >= 0)).all()) else None
