"""Risk-model files of vendors: exposures, factor covariance, specific risk.

Both vendors deliver text with a separator (`|`, comma, tab or semicolon), comment lines before the
header, and percent: volatilities in percent a year, covariances in percent squared.

    Barra    !Barrid|Factor|Exposure|DataDate        exposures, a row per security and factor
             !Factor1|Factor2|VarCovar|DataDate      covariances, each pair once
             !Barrid|…|SpecRisk%|…                   specific volatility; ends with [End of File]
    Axioma   #Columns: AxiomaID|<factor>|…           exposures, a column per factor; empty is 0
             #Columns: FactorName|<factor>|…         covariances, the whole matrix
             #Columns: AxiomaID|Specific Risk|…      specific volatility; #Type: and #Unit: follow

Either layout is read from either vendor, whatever the case and punctuation of the headers.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from opensma.construct.problem import Floats
from opensma.rebalancing.risk import FactorModel
from opensma.rebalancing.tables import bad, plain

_ID = ("barrid", "axiomaid", "assetid", "asset", "securityid", "security", "ticker", "sid", "id")
_FACTOR = ("factor", "factorname", "factorid")
_EXPOSURE = ("exposure", "loading", "beta")
_FIRST, _SECOND = ("factor1", "factori", "rowfactor"), ("factor2", "factorj", "columnfactor")
_COVARIANCE = ("varcovar", "covariance", "varcov", "cov", "value")
_RISK = ("specrisk", "specificrisk", "srisk", "specificvolatility", "adjspecrisk", "unadjspecrisk",
         "idiorisk")  # fmt: skip
_VARIANCE = ("specvar", "specificvariance", "specificvar", "idiovariance")
_IGNORED = ("datadate", "date", "currency", "country")
_SEPARATORS = "|\t;,"
_Paths = str | Path


@dataclass(frozen=True, slots=True)
class _Table:
    """A file's header and rows as text, with the line of each row."""

    file: str
    header: list[str]
    rows: list[list[str]]
    lines: list[int]

    def column(self, names: tuple[str, ...]) -> int | None:
        known = [plain(name) for name in self.header]
        return next((known.index(name) for name in names if name in known), None)

    def need(self, names: tuple[str, ...]) -> int:
        found = self.column(names)
        if found is None:
            raise bad(
                "column_missing", f"There is no column '{names[0]}' among {self.header}.",
                self.file, f"One of: {', '.join(names)}.",
            )  # fmt: skip
        return found

    def number(self, row: int, column: int, empty: float | None = None) -> float:
        text = self.rows[row][column].strip() if column < len(self.rows[row]) else ""
        if text == "" and empty is not None:
            return empty
        try:
            value = float(text)
        except ValueError:
            value = np.nan
        if not np.isfinite(value):
            raise bad(
                "value_number", f"'{text}' is no number.",
                f"{self.file}:{self.lines[row]}, {self.header[column]}", "Correct the value.",
            )  # fmt: skip
        return value


def read_barra(
    exposures: _Paths,
    covariance: _Paths,
    asset_data: _Paths,
    *,
    ids: Mapping[str, str] | None = None,
    percent: bool = True,
) -> FactorModel:
    """A Barra model from Asset_Exposure, Covariance and Asset_Data files.

    `ids` maps Barra ids to the names that your lots use; securities that it lacks are left out.
    `percent=False` where volatilities and covariances are fractions already.
    """
    return _model(exposures, covariance, asset_data, ids, percent)


def read_axioma(
    exposures: _Paths,
    covariance: _Paths,
    specific: _Paths,
    *,
    ids: Mapping[str, str] | None = None,
    percent: bool = True,
) -> FactorModel:
    """An Axioma model from .exp, .cov and .rsk files; issuer covariances (.isc) are not used.

    `ids` maps Axioma ids to the names that your lots use; securities that it lacks are left out.
    `percent=False` where volatilities and covariances are fractions already.
    """
    return _model(exposures, covariance, specific, ids, percent)


def _model(
    exposures: _Paths,
    covariance: _Paths,
    specific: _Paths,
    ids: Mapping[str, str] | None,
    percent: bool,
) -> FactorModel:
    unit = 100.0 if percent else 1.0
    factors, matrix = _covariance(_table(covariance, (*_FIRST, *_FACTOR)))
    own = _specific(_table(specific, _ID), unit)
    given = _exposures(_table(exposures, _ID), factors, str(exposures))
    kept = [name for name in given if name in own and (ids is None or name in ids)]
    if not kept:
        raise bad(
            "risk_empty", "No security is in both files and in ids.", str(exposures),
            "Give files of one model and one day, and ids with its own identifiers.",
        )  # fmt: skip
    names = tuple(kept if ids is None else (str(ids[name]) for name in kept))
    loadings = np.array([given[name] for name in kept])
    return FactorModel(
        names, loadings, matrix / unit**2, np.array([own[name] for name in kept]), factors
    )


def _covariance(table: _Table) -> tuple[tuple[str, ...], Floats]:
    first, second = table.column(_FIRST), table.column(_SECOND)
    if first is None or second is None:
        return _wide_covariance(table)
    value = table.need(_COVARIANCE)
    names = dict.fromkeys(row[c].strip() for row in table.rows for c in (first, second))
    place = {name: number for number, name in enumerate(names)}
    matrix = np.full((len(place), len(place)), np.nan)
    for number, row in enumerate(table.rows):
        i, j = place[row[first].strip()], place[row[second].strip()]
        matrix[i, j] = matrix[j, i] = table.number(number, value)
    missing = np.argwhere(np.isnan(matrix))
    if len(missing):
        i, j = missing[0]
        listed = list(place)
        raise bad(
            "risk_missing", f"There is no covariance of {listed[i]} and {listed[j]}.", table.file,
            "Give every pair once.",
        )  # fmt: skip
    return tuple(place), matrix


def _wide_covariance(table: _Table) -> tuple[tuple[str, ...], Floats]:
    label = table.need(_FACTOR)
    columns = _factor_columns(table, label)
    rows = {row[label].strip(): number for number, row in enumerate(table.rows)}
    missing = [name for name in columns if name not in rows]
    if missing or len(rows) != len(columns):
        raise bad(
            "risk_shape", f"{len(rows)} rows for {len(columns)} factors.", table.file,
            "Give a row for every factor column.",
        )  # fmt: skip
    matrix = [[table.number(rows[a], columns[b]) for b in columns] for a in columns]
    return tuple(columns), np.array(matrix)


def _factor_columns(table: _Table, label: int) -> dict[str, int]:
    return {
        name.strip(): number
        for number, name in enumerate(table.header)
        if number != label and plain(name) not in _IGNORED and name.strip()
    }


def _exposures(table: _Table, factors: tuple[str, ...], file: str) -> dict[str, Floats]:
    """Exposures by security; a factor that is not there, or an empty cell, is 0."""
    label, factor = table.need(_ID), table.column(_FACTOR)
    place = {name: number for number, name in enumerate(factors)}
    found: dict[str, Floats] = {}
    if factor is None:
        columns = _factor_columns(table, label)
        missing = [name for name in factors if name not in columns]
        if missing:
            raise _unknown_factor(missing[0], file)
        for number, row in enumerate(table.rows):
            exposed = [table.number(number, columns[name], 0.0) for name in factors]
            found[row[label].strip()] = np.array(exposed)
        return found
    value = table.need(_EXPOSURE)
    for number, row in enumerate(table.rows):
        name = row[factor].strip()
        if name not in place:
            raise _unknown_factor(name, f"{file}:{table.lines[number]}")
        line = found.setdefault(row[label].strip(), np.zeros(len(factors)))
        line[place[name]] = table.number(number, value)
    return found


def _unknown_factor(name: str, where: str) -> Exception:
    return bad(
        "risk_factor", f"The factor '{name}' is in one file only.", where,
        "Give exposures and covariance of the same model.",
    )  # fmt: skip


def _specific(table: _Table, unit: float) -> dict[str, float]:
    """Specific variances by security, from volatilities or from variances."""
    label, variance = table.need(_ID), table.column(_VARIANCE)
    column = table.need(_RISK) if variance is None else variance
    found = {}
    for number, row in enumerate(table.rows):
        value = table.number(number, column, 0.0)
        if value > 0.0:  # vendors leave currencies and cash at 0 or empty
            found[row[label].strip()] = (
                value / unit**2 if variance is not None else (value / unit) ** 2
            )
    return found


# --- text --------------------------------------------------------------------------------------


def _table(path: _Paths, names: tuple[str, ...]) -> _Table:
    """The first line that has one of these columns is the header; comments are left out."""
    try:
        lines = Path(path).read_text(encoding="utf-8-sig", errors="replace").splitlines()
    except OSError as error:
        raise bad(
            "file_missing", f"It cannot be read: {error.strerror}.", str(path), "Name the file."
        ) from error
    for number, line in enumerate(lines):
        text = line.removeprefix("#Columns:").lstrip("!# ")
        separator = max(_SEPARATORS, key=text.count)
        header = next(csv.reader([text], delimiter=separator), [])
        if separator in text and {plain(name) for name in header} & set(names):
            return _body(str(path), header, lines, number + 1, separator)
    raise bad(
        "file_header", "No line has the columns that are needed.", str(path),
        f"The header names one of: {', '.join(names)}.",
    )  # fmt: skip


def _body(file: str, header: list[str], lines: list[str], start: int, separator: str) -> _Table:
    numbers, rows = [], []
    for number, line in enumerate(lines[start:], start + 1):
        text = line.strip()
        if text and not text.startswith(("#", "!", "[")):
            numbers.append(number)
            rows.append(next(csv.reader([line], delimiter=separator)))
    width = len(header)
    for number, row in zip(numbers, rows, strict=True):
        if len(row) < min(width, 2):
            raise bad("file_row", f"The row is cut: {row}.", f"{file}:{number}", "Get it again.")
    return _Table(file, [name.strip() for name in header], rows, numbers)
