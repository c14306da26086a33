"""Any risk model as factors: `Sigma = L C L' + D`, annual.

A dense covariance becomes factors by eigenvectors of its correlation matrix. Up to 100 securities
this is exact: the smallest eigenvalue stays as the diagonal, the rest are factors. Above, as many
factors as asked for are fitted to the off-diagonal (principal axes), the diagonal is kept exact,
and `correlation_error` says by how much the worst correlation is off.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from opensma.construct.problem import Floats
from opensma.rebalancing.tables import (
    SECURITY,
    bad,
    columns_of,
    named_numbers,
    pick,
    plain,
)

EXACT_UP_TO = 100  # securities: as many factors as this cost the solver little
MAX_FACTORS = 60
_ROUNDS = 60  # of fitting the diagonal
_SETTLED = 1e-7
_TINY, _NEARLY = 1e-9, 0.9  # columns that are surely independent
_LEAST_SPECIFIC = 1e-4  # of a security's variance, so that nothing is free of risk
_SYMMETRIC = 1e-8
_CALM, _WILD = 0.04, 3.0  # median annual volatility beyond which the unit must be wrong

LOADINGS = ("loadings", "exposures", "loadingmatrix", "factorloadings", "betas")
FACTOR_COV = ("factorcov", "factorcovariance", "covariance")
SPECIFIC = ("specificvar", "specificvariance", "idiovariances", "idiovariance", "residualvariance")


@dataclass(frozen=True, slots=True)
class FactorModel:
    """`Sigma = loadings @ factor_cov @ loadings.T + diag(specific_var)`, annual variances."""

    securities: tuple[str, ...]
    loadings: Floats  # (n, k)
    factor_cov: Floats  # (k, k)
    specific_var: Floats  # (n,)
    factors: tuple[str, ...] = ()
    correlation_error: float = 0.0  # largest, where factors stand for a dense covariance

    def covariance(self) -> Floats:
        """The dense matrix, (n, n)."""
        dense: Floats = self.loadings @ self.factor_cov @ self.loadings.T
        return dense + np.diag(self.specific_var)

    def volatility(self) -> Floats:
        """Annual volatility of every security, (n,)."""
        systematic = ((self.loadings @ self.factor_cov) * self.loadings).sum(axis=1)
        root: Floats = np.sqrt(systematic + self.specific_var)
        return root

    def rows(self, securities: Sequence[str]) -> FactorModel:
        """The same model for these securities, in this order."""
        row_of = {name: row for row, name in enumerate(self.securities)}
        take = [row_of[name] for name in securities]
        return replace(
            self,
            securities=tuple(securities),
            loadings=np.ascontiguousarray(self.loadings[take]),
            specific_var=self.specific_var[take],
        )


def factor_model(
    risk: Any,
    securities: Sequence[str] | None = None,
    *,
    periods_per_year: float | None = None,
    max_factors: int | None = None,
) -> FactorModel:
    """Any risk model as factors; `periods_per_year` scales one that is not annual (252: daily)."""
    found = _checked(_read(risk, securities, max_factors))
    scaled = replace(
        found,
        factor_cov=found.factor_cov * (periods_per_year or 1.0),
        specific_var=found.specific_var * (periods_per_year or 1.0),
    )
    median = float(np.median(scaled.volatility()))
    if periods_per_year is None and not _CALM <= median <= _WILD:
        raise bad(
            "risk_unit",
            f"The median volatility is {median:.2%} a year: the risk model is not annual, or in "
            "percent.", "risk",
            "Give annual variances of returns as fractions, or periods_per_year=252 for a model of "
            "daily returns (1 says that these numbers are meant).",
        )  # fmt: skip
    return scaled


def _read(risk: Any, securities: Sequence[str] | None, most: int | None) -> FactorModel:
    if isinstance(risk, FactorModel):
        return risk
    names = getattr(risk, "feature_names_in_", None)
    ids = securities if names is None else [str(name) for name in names]
    inner = getattr(risk, "return_distribution_", risk)
    model = getattr(inner, "factor_model", None)
    if model is not None:  # a fitted factor prior of skfolio
        own = getattr(model, "asset_names", None)
        return _of_skfolio(model, ids if own is None else [str(name) for name in own])
    for name in ("covariance_", "covariance"):
        dense = getattr(inner, name, None)
        if dense is not None and not callable(dense) and not hasattr(inner, "columns"):
            return from_dense(*_dense(dense, ids), max_factors=most)
    parts = _parts(risk)
    if parts is not None:
        return _of_parts(*parts, securities or getattr(risk, "securities", None))
    return from_dense(*_dense(risk, securities), max_factors=most)


def _parts(risk: Any) -> tuple[Any, Any, Any] | None:
    """Loadings, factor covariance and specific variance of a tuple, a mapping or an object."""
    if isinstance(risk, tuple):
        if len(risk) == 3:
            return risk
        raise bad(
            "risk_parts", f"{len(risk)} parts.", "risk",
            "Give (loadings, factor covariance, specific variances).",
        )  # fmt: skip
    if isinstance(risk, Mapping):
        by_name = {plain(name): value for name, value in risk.items()}
    else:
        by_name = {"loadings": getattr(risk, "loadings", None)}
        by_name["factorcov"] = getattr(risk, "factor_cov", None)
        by_name["specificvar"] = getattr(risk, "specific_var", None)
    found = [
        next((by_name[n] for n in names if by_name.get(n) is not None), None)
        for names in (LOADINGS, FACTOR_COV, SPECIFIC)
    ]
    return None if any(part is None for part in found) else (found[0], found[1], found[2])


def _of_skfolio(model: Any, ids: Sequence[str] | None) -> FactorModel:
    """Loadings and idiosyncratic variances; securities that are not investable (NaN) are left."""
    loadings = np.asarray(model.loading_matrix, dtype=np.float64)
    own = getattr(model, "idio_variances", None)
    last = np.asarray(model.idio_covariance if own is None else own, dtype=np.float64)
    same = last.ndim == 2 and last.shape[0] == last.shape[1] == len(loadings)
    specific = np.diag(last) if same else np.atleast_2d(last)[-1]
    if ids is None:
        raise _nameless()
    good = np.isfinite(loadings).all(axis=1) & np.isfinite(specific)
    kept = tuple(name for name, fine in zip(ids, good, strict=True) if fine)
    covariance = np.asarray(model.factor_covariance, dtype=np.float64)
    factors = tuple(str(name) for name in getattr(model, "factor_names", ()))
    return FactorModel(kept, loadings[good], covariance, specific[good], factors)


def _of_parts(loadings: Any, cov: Any, specific: Any, securities: Any) -> FactorModel:
    rows, factors, matrix = _matrix(loadings, "risk loadings")
    ids = rows or (None if securities is None else [str(name) for name in securities])
    if ids is None:
        raise _nameless()
    cov_rows, cov_factors, factor_cov = _matrix(cov, "risk factor covariance")
    if factors and cov_factors and set(factors) == set(cov_factors):  # columns in another order
        across = [cov_factors.index(name) for name in factors]
        down = [cov_rows.index(name) for name in factors] if cov_rows else across
        factor_cov = factor_cov[np.ix_(down, across)]
    own = named_numbers(specific, "risk specific variances", ("specificvar", *SPECIFIC), ids)
    missing = [name for name in ids if name not in own]
    if missing:
        raise bad(
            "risk_missing", f"'{missing[0]}' has loadings but no specific variance.", "risk",
            "Give one for every security.",
        )  # fmt: skip
    values = np.array([own[name] for name in ids])
    return FactorModel(tuple(ids), matrix, factor_cov, values, tuple(factors or ()))


def _matrix(given: Any, where: str) -> tuple[list[str] | None, list[str] | None, Floats]:
    """Names of rows and columns where there are any, and the numbers."""
    if isinstance(given, np.ndarray) and not given.dtype.names:
        return None, None, np.array(given, dtype=np.float64, ndmin=2)
    if isinstance(given, Sequence) and not isinstance(given[0], Mapping):
        return None, None, np.array(given, dtype=np.float64, ndmin=2)
    columns = columns_of(given, where)
    label = pick(columns, (*SECURITY, "factor", "factorname"))
    rows: list[str] | None = None
    if label is not None and columns[label].dtype.kind in "OUST":
        rows = [str(name) for name in columns.pop(label)]
    elif hasattr(given, "index") and hasattr(given, "iloc"):
        index = [str(name) for name in given.index]
        counted = [str(row) for row in range(len(index))]
        rows = None if index == counted else index
        columns.pop(str(given.index.name), None)
    names = list(columns)
    try:
        numbers = [np.asarray(columns[name], dtype=np.float64) for name in names]
    except (TypeError, ValueError) as error:
        raise bad("risk_number", f"Not all are numbers: {error}.", where, "Correct it.") from error
    return rows, names, np.column_stack(numbers)


def _dense(given: Any, ids: Sequence[str] | None) -> tuple[tuple[str, ...], Floats]:
    rows, names, matrix = _matrix(given, "risk")
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise bad(
            "risk_shape", f"A covariance of shape {matrix.shape} is not square.", "risk",
            "Give one row and one column per security.",
        )  # fmt: skip
    found = rows or names or (None if ids is None else [str(name) for name in ids])
    if found is None:
        raise _nameless()
    if rows and names and rows != names and set(rows) == set(names):
        matrix = matrix[:, [names.index(name) for name in rows]]
    if len(found) != len(matrix):
        what = f"{len(found)} names for {len(matrix)} rows."
        raise bad("risk_shape", what, "risk", "Name every row.")
    good = np.isfinite(np.diag(matrix))  # skfolio: not investable today
    return tuple(n for n, fine in zip(found, good, strict=True) if fine), matrix[np.ix_(good, good)]


def _nameless() -> Exception:
    return bad(
        "risk_names", "The risk model does not say which securities its rows are.", "risk",
        "Give securities=[...] in the order of its rows, or a table with names.",
    )  # fmt: skip


# --- checks ------------------------------------------------------------------------------------


def _checked(model: FactorModel) -> FactorModel:
    n, k = model.loadings.shape
    if model.factor_cov.shape != (k, k) or model.specific_var.shape != (n,):
        raise bad(
            "risk_shape",
            f"Loadings {model.loadings.shape}, factor covariance {model.factor_cov.shape}, "
            f"specific variances {model.specific_var.shape} do not fit.", "risk",
            "Give (n, k), (k, k) and (n,).",
        )  # fmt: skip
    if len(set(model.securities)) != n:
        raise bad("duplicate", "A security appears twice.", "risk", "Keep one of the rows.")
    arrays = (model.loadings, model.factor_cov, model.specific_var)
    if not all(np.isfinite(array).all() for array in arrays):
        raise bad("risk_number", "A number is missing or infinite.", "risk", "Fill it in.")
    wrong = np.flatnonzero(model.specific_var <= 0.0)
    if len(wrong):
        raise bad(
            "risk_specific", f"The specific variance of '{model.securities[wrong[0]]}' is "
            f"{model.specific_var[wrong[0]]:g}.", "risk", "Specific variances are above 0.",
        )  # fmt: skip
    return replace(model, factor_cov=_semidefinite(model.factor_cov, "factor covariance"))


def _semidefinite(matrix: Floats, what: str) -> Floats:
    scale = float(np.abs(matrix).max(initial=0.0))
    off = float(np.abs(matrix - matrix.T).max(initial=0.0))
    if off > _SYMMETRIC * scale:
        raise bad(
            "risk_symmetric", f"The {what} is not symmetric (by {off:g}).", "risk",
            "Give the whole matrix.",
        )  # fmt: skip
    lowest = float(np.linalg.eigvalsh(matrix)[0])
    if lowest < -1e-6 * scale:
        raise bad(
            "risk_semidefinite", f"The {what} has a negative eigenvalue ({lowest:g}).", "risk",
            "Give a covariance matrix, or repair it (nearest positive semidefinite).",
        )  # fmt: skip
    return (matrix + matrix.T) / 2.0


# --- dense to factors --------------------------------------------------------------------------


def from_dense(
    securities: tuple[str, ...], covariance: Floats, *, max_factors: int | None = None
) -> FactorModel:
    """Factors and a diagonal in place of a dense covariance; exact up to 100 securities."""
    if not np.isfinite(covariance).all():
        raise bad("risk_number", "A covariance is missing or infinite.", "risk", "Fill it in.")
    variance = np.diag(covariance)
    if (variance <= 0.0).any():
        name = securities[int(np.argmin(variance))]
        raise bad("risk_variance", f"The variance of '{name}' is not above 0.", "risk", "Correct.")
    scale = np.sqrt(variance)
    correlation = _semidefinite(covariance / np.outer(scale, scale), "covariance")
    n = len(securities)
    if n <= (EXACT_UP_TO if max_factors is None else max_factors):
        factor, own = _exact(correlation)
    else:
        factor, own = _fitted(correlation, min(max_factors or MAX_FACTORS, n - 1))
    error = float(np.abs(factor @ factor.T + np.diag(own) - correlation).max())
    k = factor.shape[1]
    names = tuple(f"pc{j + 1}" for j in range(k))
    return FactorModel(securities, factor * scale[:, None], np.eye(k), own * variance, names, error)


def _exact(correlation: Floats) -> tuple[Floats, Floats]:
    values, vectors = np.linalg.eigh(correlation)
    # A singular matrix keeps a sliver of its own: nothing may be free of risk.
    own = max(float(values[0]), _LEAST_SPECIFIC**2)
    left = np.maximum(values - own, 0.0)
    kept = left > 1e-14
    factor: Floats = (vectors[:, kept] * np.sqrt(left[kept]))[:, ::-1]
    return factor, np.full(len(correlation), own)


def _fitted(correlation: Floats, k: int) -> tuple[Floats, Floats]:
    """Principal axes: factors for the off-diagonal, the diagonal what is left of 1.

    Subspace iteration from the last round's vectors, so a round costs one n x n x k product.
    """
    n = len(correlation)
    own = np.full(n, 0.5)
    basis = np.linalg.qr(np.random.default_rng(0).standard_normal((n, k)))[0]
    factor = np.zeros((n, k))
    for turn in range(_ROUNDS):
        reduced = correlation - np.diag(own)
        basis = _orthonormal(reduced @ basis, settled=turn > 2)
        values, vectors = np.linalg.eigh(basis.T @ reduced @ basis)
        basis = (basis @ vectors)[:, ::-1]
        factor = basis * np.sqrt(np.maximum(values[::-1], 0.0))
        before, own = own, np.maximum(1.0 - (factor * factor).sum(axis=1), _LEAST_SPECIFIC)
        if float(np.abs(own - before).max()) < _SETTLED:
            break
    return factor, own


def _orthonormal(columns: Floats, *, settled: bool) -> Floats:
    """The same space, orthonormal; once settled it nearly is, and a small Cholesky step does."""
    norms = np.linalg.norm(columns, axis=0)
    if settled and norms.min() > _TINY * norms.max():
        unit = columns / norms
        gram = unit.T @ unit
        if float(np.abs(gram - np.eye(len(gram))).max()) < _NEARLY / len(gram):
            solved: Floats = np.linalg.solve(np.linalg.cholesky(gram), unit.T).T
            return solved
    orthonormal: Floats = np.linalg.qr(columns)[0]
    return orthonormal
