"""Does the risk model predict? Out-of-sample bias of portfolios, beside a sample covariance.

Every `step` sessions the models are estimated; the portfolios' daily returns until the next date
are divided by the predicted daily volatility. Over all days the standard deviation of these
ratios, the bias statistic, should be 1: above, risk was underestimated.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from opensma.errors import MarketError
from opensma.market.panel import Floats, Market
from opensma.market.risk import LARGEST_MOVE, YEAR, RiskModel, RiskSettings, estimate_risk

WARM_UP = 252
SAMPLE_WINDOW = 504


@dataclass(frozen=True, slots=True)
class BiasRow:
    """Bias of one family of portfolios under one model; `mean_error` is the mean of |log bias|.

    qlike: mean of ratio squared minus its logarithm minus 1, lower is better.
    """

    model: str
    family: str
    portfolios: int
    days: int
    mean_bias: float
    low_bias: float  # 5th percentile over portfolios
    high_bias: float  # 95th percentile
    mean_error: float
    qlike: float

    @property
    def scores(self) -> tuple[float, ...]:
        """The figures of the table: bias, its 5th and 95th percentile, mean error, QLIKE."""
        return self.mean_bias, self.low_bias, self.high_bias, self.mean_error, self.qlike


def bias_statistics(
    market: Market,
    *,
    portfolios: int = 40,
    step: int = 21,
    seed: int = 1,
    settings: RiskSettings | None = None,
    progress: Callable[[int], None] = lambda _dates: None,
) -> tuple[BiasRow, ...]:
    """Bias of random, benchmark-relative and optimised portfolios, risk model against sample.

    MarketError when the market has fewer than 252 + `step` sessions.
    """
    if not dates(market, step):
        raise MarketError(
            "risk.short_history",
            f"The quality test needs {WARM_UP + step + 1} sessions; there are {len(market.days)}.",
            where="market",
            remedy="Import a longer history.",
        )
    ratios: dict[tuple[str, str], list[Floats]] = {}
    squares: dict[tuple[str, str], list[Floats]] = {}
    for row in dates(market, step):
        for key, ratio, qlike in _one_date(market, row, step, portfolios, seed, settings):
            ratios.setdefault(key, []).append(ratio)
            squares.setdefault(key, []).append(qlike)
        progress(1)
    return tuple(
        _summary(key, np.concatenate(ratios[key]), np.concatenate(squares[key])) for key in ratios
    )


def dates(market: Market, step: int) -> range:
    """Rows of the sessions on which the quality test estimates; each is followed by returns."""
    return range(WARM_UP, max(WARM_UP, len(market.days) - step), step)


def _one_date(
    market: Market,
    row: int,
    step: int,
    count: int,
    seed: int,
    settings: RiskSettings | None,
) -> Iterator[tuple[tuple[str, str], Floats, Floats]]:
    """((model, family), ratios (days, portfolios), qlike (days, portfolios)) for one date."""
    day = int(market.days[row])
    model = estimate_risk(market, day, settings)
    sample = SampleCovariance.estimate(market, row, model)
    future = np.nan_to_num(market.total_returns()[row + 1 : row + 1 + step])
    # The same draws at every date give portfolios that live on, as real ones do.
    random = np.random.Generator(np.random.PCG64(seed))
    weights = _portfolios(random, market, day, model, count)
    score = random.standard_normal((count, len(model.valid)))
    for name, covariance in (("risk model", model), ("sample", sample)):
        best = {
            "optimised": covariance.optimise(score)
            if isinstance(covariance, SampleCovariance)
            else optimise(covariance, score)
        }
        for family, held in {**weights, **best}.items():
            realised = future @ held.T
            predicted = np.sqrt(np.maximum(covariance.variance(held), 1e-12) / YEAR)
            ratio = realised / predicted
            window = np.mean(ratio**2, axis=0, keepdims=True)
            yield (name, family), ratio, window - np.log(np.maximum(window, 1e-12)) - 1


def _portfolios(
    random: np.random.Generator, market: Market, day: int, model: RiskModel, count: int
) -> dict[str, Floats]:
    """Long portfolios of 50 members, and the same against the benchmark."""
    benchmark = np.where(model.valid, market.target_weights(day), 0.0)
    benchmark /= benchmark.sum()
    order = np.argsort(random.random((count, len(benchmark))), axis=1)
    drawn = np.zeros((count, len(benchmark)))
    for one in range(count):
        inside = order[one][benchmark[order[one]] > 0][:50]
        drawn[one, inside] = np.sqrt(benchmark[inside])
    drawn /= drawn.sum(axis=1, keepdims=True)
    return {"random": drawn, "benchmark-relative": drawn - benchmark}


def optimise(model: RiskModel, score: Floats) -> Floats:
    """Portfolios (p, n) proportional to inverse covariance times score, gross exposure 1."""
    inverse = np.where(model.valid, 1.0 / np.maximum(model.specific_var, 1e-12), 0.0)
    scaled = model.loadings * inverse[:, None]
    core = np.linalg.inv(np.linalg.inv(model.factor_cov) + model.loadings.T @ scaled)
    direct = score * inverse
    held = direct - (direct @ model.loadings) @ core @ scaled.T
    return np.asarray(held / np.abs(held).sum(axis=1, keepdims=True))


@dataclass(frozen=True, eq=False, slots=True)
class SampleCovariance:
    """The plain peer: equally weighted covariance of the last two years."""

    covariance: Floats  # (n, n) annual, zero for invalid names

    @classmethod
    def estimate(cls, market: Market, row: int, model: RiskModel) -> "SampleCovariance":
        """From returns up to `row`; missing returns count as no move."""
        past = market.total_returns()[max(1, row + 1 - SAMPLE_WINDOW) : row + 1]
        moves = np.clip(np.nan_to_num(past), -LARGEST_MOVE, LARGEST_MOVE) * model.valid
        return cls(YEAR * np.cov(moves.T))

    def variance(self, weights: Floats) -> Floats:
        """Annual variance of portfolios (p, n)."""
        return np.asarray(((weights @ self.covariance) * weights).sum(axis=1))

    def optimise(self, score: Floats) -> Floats:
        """As `optimise`; a small ridge stands in for the inverse that does not exist."""
        own = np.diag(self.covariance)
        ridge = np.diag(np.where(own > 0, 0.01 * np.median(own[own > 0]), 1.0))
        alive = own > 0
        held = np.linalg.solve(self.covariance + ridge, (score * alive).T).T * alive
        return np.asarray(held / np.abs(held).sum(axis=1, keepdims=True))


def _summary(key: tuple[str, str], ratios: Floats, qlike: Floats) -> BiasRow:
    bias = np.sqrt(np.mean(ratios**2, axis=0))
    low, high = np.percentile(bias, [5, 95])
    return BiasRow(
        *key,
        portfolios=ratios.shape[1],
        days=ratios.shape[0],
        mean_bias=float(bias.mean()),
        low_bias=float(low),
        high_bias=float(high),
        mean_error=float(np.abs(np.log(bias)).mean()),
        qlike=float(qlike.mean()),
    )
