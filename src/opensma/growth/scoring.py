"""Lead scores: the chance of the next stage, with three reasons in words (L1, L2, L4, L5).

An L2-penalised logistic regression over ranges and categories, so that every weight can be read.
The split is by time: the model never sees a day after the ones it is tested on. As outcomes of
later leads become known they move its weights, from where they were, as far as they can show. Below
100 events there is no model, only rules that somebody wrote, and the score says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from opensma.errors import InputError
from opensma.growth.scientific import scipy_part

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from opensma.growth.credit_paths import Floats, Ints

    Bools = NDArray[np.bool_]

FEWEST_EVENTS = 100  # L5
REASONS = 3
_RANGES = 8
_RARE = 20  # a category with fewer rows says too little of its own
_PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0)
_TUNING_SHARE = 0.8
_FOLDS = 5
_MISSING, _OTHER = "missing", "another value"
# Attributes that decide nothing here, and wealth that was bought rather than told (L5).
PROTECTED = ("age", "birth", "citizenship", "disability", "ethnic", "gender", "marital", "national",
             "pregnan", "race", "religion", "sex")  # fmt: skip
BOUGHT_WEALTH = ("income_estimate", "net_worth", "networth", "wealth")

Column = Sequence[Any]


def next_stage_within(
    scored_on: date, next_stage_on: date | None, observed_until: date, horizon_days: int
) -> bool | None:
    """The target: whether the next stage came within the horizon; None while it still may (L1)."""
    if next_stage_on is not None and 0 < (next_stage_on - scored_on).days <= horizon_days:
        return True
    return False if (observed_until - scored_on).days >= horizon_days else None


def check_features(names: Sequence[str], *, wealth_consent: bool = False) -> None:
    """Refuse protected attributes, and bought wealth without a consent basis (L5)."""
    for name in names:
        words = name.lower().replace("-", "_").split("_")
        protected = any(word.startswith(p) for p in PROTECTED for word in words if word != "agency")
        wealth = any(b in name.lower() for b in BOUGHT_WEALTH)
        if protected or (wealth and not wealth_consent):
            kind = "a protected attribute" if protected else "an estimate of wealth"
            raise InputError(
                "growth.score_feature", f"'{name}' is {kind}.", where=name,
                remedy="Leave the column out of the score.",
            )  # fmt: skip


# --- features ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Feature:
    """How one column turns into indicators: ranges of a number, or categories."""

    name: str
    edges: tuple[float, ...] | None  # of ranges; None for categories
    levels: tuple[str, ...]

    def levels_of(self, column: Column) -> Ints:
        """Which indicator each value switches on."""
        last = len(self.levels) - 1
        missing = np.array([_is_missing(value) for value in column], dtype=bool)
        if self.edges is not None:
            numbers = [0.0 if gone else float(v) for v, gone in zip(column, missing, strict=True)]
            found = np.searchsorted(self.edges, np.array(numbers), side="right")
        else:
            known = {text: place for place, text in enumerate(self.levels[:-2])}
            found = np.array([known.get(str(value), last - 1) for value in column], dtype=np.int64)
        return np.where(missing, last, found)

    def words(self, level: int) -> str:
        """The indicator as a person reads it."""
        return f"{self.name}: {self.levels[level]}"


def _is_missing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def learn_feature(name: str, column: Column) -> Feature:
    """Ranges by quantiles for numbers, frequent categories for words; from training rows only."""
    known = [value for value in column if value is not None and value != ""]
    numeric = bool(known) and all(
        isinstance(value, int | float) and not isinstance(value, bool) for value in known
    )
    if not numeric:
        counts: dict[str, int] = {}
        for value in known:
            counts[str(value)] = counts.get(str(value), 0) + 1
        frequent = sorted(text for text, count in counts.items() if count >= _RARE)
        return Feature(name, None, (*frequent, _OTHER, _MISSING))
    numbers = np.array([float(v) for v in known if not math.isnan(float(v))])
    edges = sorted(set(np.quantile(numbers, np.linspace(0, 1, _RANGES + 1)[1:-1]).tolist()))
    shown = [f"below {edges[0]:,.6g}"] if edges else []
    shown += [f"{a:,.6g} to below {b:,.6g}" for a, b in pairwise(edges)]
    shown += [f"{edges[-1]:,.6g} or more"] if edges else ["any"]
    return Feature(name, tuple(edges), (*shown, _MISSING))


def rows_where(columns: Mapping[str, Column], keep: Bools) -> dict[str, list[Any]]:
    """Every column with the rows that are kept."""
    return {
        name: [value for value, kept in zip(column, keep, strict=True) if kept]
        for name, column in columns.items()
    }


def design(features: Sequence[Feature], columns: Mapping[str, Column]) -> Floats:
    """Indicators of every row, one block for each feature."""
    blocks = []
    for feature in features:
        blocks.append(np.eye(len(feature.levels))[feature.levels_of(columns[feature.name])])
    return np.hstack(blocks)


# --- the model -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class ScoreModel:
    """A fitted score.

    `knots` turn its log-odds into chances that fit rows it had not seen; None: they fit as they
    are.
    """

    features: tuple[Feature, ...]
    weights: Floats
    intercept: float
    penalty: float
    knots: tuple[Floats, Floats] | None
    mean_design: Floats
    rows: int
    events: int

    def log_odds(self, columns: Mapping[str, Column]) -> Floats:
        """Log-odds of every row before calibration: what reasons add up in."""
        return np.asarray(design(self.features, columns) @ self.weights + self.intercept)

    def scores(self, columns: Mapping[str, Column]) -> Floats:
        """The chance of the next stage of every row."""
        raw = self.log_odds(columns)
        if self.knots is None:
            return np.asarray(scipy_part("special").expit(raw))
        return np.asarray(np.interp(raw, *self.knots))

    def reasons(self, columns: Mapping[str, Column]) -> list[list[dict[str, Any]]]:
        """What moves each row's score most against the average lead, in log-odds (L4)."""
        found: list[list[dict[str, Any]]] = [[] for _ in next(iter(columns.values()))]
        at = 0
        for feature in self.features:
            block = slice(at, at + len(feature.levels))
            effects = self.weights[block] - float(self.mean_design[block] @ self.weights[block])
            for row, level in zip(found, feature.levels_of(columns[feature.name]), strict=True):
                row.append({"reason": feature.words(level), "effect": float(effects[level])})
            at += len(feature.levels)
        return [
            sorted(row, key=lambda r: (-abs(r["effect"]), r["reason"]))[:REASONS] for row in found
        ]


def fit_score(columns: Mapping[str, Column], target: Floats) -> ScoreModel:
    """Fit on rows in the order of time; the penalty comes from their last part (L2)."""
    events = int(target.sum())
    if events < FEWEST_EVENTS or events == len(target):
        raise InputError(
            "growth.score_events",
            f"{events} events in {len(target)} rows are too few for a model.",
            where="--target", remedy=f"From {FEWEST_EVENTS} on; until then score by --rules.",
        )  # fmt: skip
    cut = int(_TUNING_SHARE * len(target))
    early = {name: column[:cut] for name, column in columns.items()}
    late = {name: column[cut:] for name, column in columns.items()}
    draft = [learn_feature(name, column) for name, column in early.items()]
    early_x, late_x = design(draft, early), design(draft, late)
    fits = []
    for penalty in _PENALTIES:
        weights, intercept = logistic(early_x, target[:cut], penalty)
        raw = late_x @ weights + intercept
        fits.append((_log_loss(raw, target[cut:]), penalty))
    _, penalty = min(fits)
    features = tuple(learn_feature(name, column) for name, column in columns.items())
    x = design(features, columns)
    weights, intercept = logistic(x, target, penalty)
    return ScoreModel(
        features, weights, intercept, penalty, _calibration(columns, target, penalty),
        x.mean(axis=0), len(target), events,
    )  # fmt: skip


def move_score(
    columns: Mapping[str, Column], target: Floats, first: int, penalty: float
) -> ScoreModel:
    """A model of the first rows whose weights the later rows move, as far as they can show.

    The weights of the first rows are the mean of the prior for the later ones: a value that the
    first rows lack begins at no effect, and the base rate is free.
    """
    features = tuple(learn_feature(name, column) for name, column in columns.items())
    x = design(features, columns)
    before = logistic(x[:first], target[:first], penalty)
    weights, intercept = logistic(x[first:], target[first:], penalty, before)
    return ScoreModel(
        features, weights, intercept, penalty, None, x.mean(axis=0), len(target), int(target.sum())
    )


def logistic(
    x: Floats, target: Floats, penalty: float, around: tuple[Floats, float] | None = None
) -> tuple[Floats, float]:
    """Weights and intercept; the intercept is not penalised (L1).

    The penalty is on the distance from `around`, weights and intercept; None: from no effect.
    """
    special, optimize = scipy_part("special"), scipy_part("optimize")
    rate = float(np.clip(target.mean(), 1e-6, 1 - 1e-6))
    middle, level = around or (np.zeros(x.shape[1]), math.log(rate / (1 - rate)))

    def loss(theta: Floats) -> tuple[float, Floats]:
        raw = x @ theta[1:] + theta[0]
        miss, moved = special.expit(raw) - target, theta[1:] - middle
        value = (np.logaddexp(0, raw) - target * raw).sum() + penalty / 2 * (moved**2).sum()
        return float(value), np.concatenate([[miss.sum()], x.T @ miss + penalty * moved])

    start = np.concatenate([[level], middle])
    found = optimize.minimize(loss, start, jac=True, method="L-BFGS-B", options={"maxiter": 1000})
    return np.asarray(found.x[1:]), float(found.x[0])


def _log_loss(raw: Floats, target: Floats) -> float:
    return float((np.logaddexp(0, raw) - target * raw).mean())


def _calibration(
    columns: Mapping[str, Column], target: Floats, penalty: float
) -> tuple[Floats, Floats]:
    """Log-odds and the chances behind them, every fifth of the rows scored by the other four."""
    fold = np.arange(len(target)) % _FOLDS
    raw = np.empty(len(target))
    for k in range(_FOLDS):
        learn, use = (rows_where(columns, rows) for rows in (fold != k, fold == k))
        features = [learn_feature(name, column) for name, column in learn.items()]
        weights, intercept = logistic(design(features, learn), target[fold != k], penalty)
        raw[fold == k] = design(features, use) @ weights + intercept
    scores, means = isotonic_knots(raw, target)
    least = 1 / (len(target) + 2)  # no chance is certain
    return scores, np.clip(means, least, 1 - least)


def isotonic_knots(chance: Floats, target: Floats) -> tuple[Floats, Floats]:
    """Scores and the chances at them, by pooling adjacent violators."""
    values, at = np.unique(chance, return_inverse=True)
    rows = np.bincount(at.reshape(-1)).astype(np.float64)
    outcome = np.bincount(at.reshape(-1), target) / rows
    pools: list[list[float]] = []  # lowest and highest score, mean outcome, rows
    for score, mean, count in zip(values.tolist(), outcome.tolist(), rows.tolist(), strict=True):
        pools.append([score, score, mean, count])
        while len(pools) > 1 and pools[-2][2] >= pools[-1][2]:
            _, high, mean_above, n = pools.pop()
            low, _, mean_below, m = pools[-1]
            pools[-1] = [low, high, (mean_below * m + mean_above * n) / (m + n), m + n]
    knots = np.array(pools)
    return knots[:, :2].reshape(-1), np.repeat(knots[:, 2], 2)


# --- rules ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PointsRule:
    """A rule that somebody wrote: points where a column is one of some values, or at least one."""

    column: str
    points: float
    words: str
    any_of: tuple[str, ...] = ()
    at_least: float | None = None

    def holds(self, value: Any) -> bool:
        """Whether a value earns the points."""
        if value is None or value == "":
            return False
        if self.at_least is not None:
            return float(value) >= self.at_least
        return str(value) in self.any_of


def rules_score(
    rules: Sequence[PointsRule], columns: Mapping[str, Column], row: int
) -> tuple[float, list[dict[str, Any]]]:
    """Points of a row and the rules behind them; points are no probability (L5)."""
    held = [rule for rule in rules if rule.holds(columns[rule.column][row])]
    largest = sorted(held, key=lambda rule: (-abs(rule.points), rule.words))[:REASONS]
    reasons = [{"reason": rule.words, "effect": rule.points} for rule in largest]
    return sum(rule.points for rule in held), reasons
