"""The risk model: how securities move together, from returns up to one day and never after.

Returns are explained in four steps: a market factor, one factor per sector, size, and principal
components of what is left. Loadings come from weighted regressions with shrinkage. Only the
market's variance follows the volatility of the last weeks; all others change slowly.

    covariance = loadings @ factor_cov @ loadings.T + diag(specific_var)      (annual)
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from opensma.errors import MarketError
from opensma.market.panel import Bools, Day, Floats, Market

YEAR = 252
SHORTEST_HISTORY = 60  # sessions below which a name gets its sector's typical values
FEWEST_SESSIONS = 60
LARGEST_MOVE = 0.5  # a daily return beyond it is a corporate event, not a habit


@dataclass(frozen=True, slots=True)
class RiskSettings:
    """Half-lives in sessions, shrinkages as weights of the typical value."""

    window: int = 504
    components: int = 6
    loading_half_life: float = 250.0
    correlation_half_life: float = 150.0
    market_half_life: float = 30.0  # of the market factor's variance
    factor_half_life: float = 126.0  # of the other factors' variances
    specific_half_life: float = 126.0
    regime_half_life: float = 21.0
    regime_weight: float = 0.5  # exponent of the market factor's volatility multiplier
    beta_shrinkage: float = 0.10
    correlation_shrinkage: float = 0.10
    specific_shrinkage: float = 0.15


@dataclass(frozen=True, eq=False, slots=True)
class RiskModel:
    """Annual covariance of all securities in factor form; rows of invalid names are zero.

    loadings (n, k), factor_cov (k, k), specific_var (n,), valid (n,).
    """

    as_of: int
    loadings: Floats
    factor_cov: Floats
    specific_var: Floats
    factor_name: tuple[str, ...]
    valid: Bools

    def variance(self, weights: Floats) -> Floats:
        """Annual variance of portfolios, weights (n,) or (portfolios, n)."""
        exposure = weights @ self.loadings
        common = np.einsum("...i,ij,...j->...", exposure, self.factor_cov, exposure)
        return np.asarray(common + weights**2 @ self.specific_var)

    def volatility(self, weights: Floats) -> Floats:
        """Annual volatility of portfolios, weights (n,) or (portfolios, n)."""
        return np.asarray(np.sqrt(self.variance(weights)))


def estimate_risk(market: Market, as_of: Day, settings: RiskSettings | None = None) -> RiskModel:
    """The risk model as known at the close of `as_of`; MarketError under 60 sessions of history."""
    settings = settings or RiskSettings()
    known = _recent(market.until(as_of), settings.window + 1)
    returns = known.total_returns()[1:]
    if len(returns) < FEWEST_SESSIONS:
        raise MarketError(
            "risk.short_history",
            f"A risk model needs {FEWEST_SESSIONS} sessions; there are {len(returns)}.",
            where=str(known.day(-1)),
            remedy="Choose a later day or import earlier prices.",
        )
    close, _ = known.last_price(len(known.days) - 1)
    valid = (close > 0) & np.isfinite(returns[-1])
    cap = np.sqrt(np.where(valid, known.capitalisation(as_of), 0.0))
    cap = np.where(valid & (cap == 0), np.median(cap[valid]), cap)
    columns = np.flatnonzero(valid)
    inner = _fit(
        np.clip(returns[:, columns], -LARGEST_MOVE, LARGEST_MOVE),
        known.sector_code[columns],
        len(known.sector_name),
        cap[columns],
        settings,
    )
    return _spread_out(inner, known, columns, valid)


def _recent(known: Market, sessions: int) -> Market:
    """The last sessions only: older prices would be worked through for nothing."""
    days = known.days[-sessions:]
    return replace(
        known,
        days=days,
        close_micros=known.close_micros[-sessions:],
        volume=known.volume[-sessions:],
        recorded=tuple(action for action in known.recorded if action.ex_day >= days[0]),
    )


@dataclass(frozen=True, eq=False, slots=True)
class _Fit:
    loadings: Floats
    factor_cov: Floats
    specific_var: Floats
    components: int


def _spread_out(
    inner: _Fit, known: Market, columns: npt.NDArray[np.intp], valid: Bools
) -> RiskModel:
    """From the valid names to all securities."""
    count = len(known.security_id)
    loadings = np.zeros((count, inner.loadings.shape[1]))
    specific = np.zeros(count)
    loadings[columns] = inner.loadings
    specific[columns] = inner.specific_var
    names = (
        "market",
        *known.sector_name,
        "size",
        *(f"component {i + 1}" for i in range(inner.components)),
    )
    return RiskModel(int(known.days[-1]), loadings, inner.factor_cov, specific, names, valid)


def _decay(length: int, half_life: float) -> Floats:
    """Weights by age that sum to 1, the last session weighing most."""
    weight = 0.5 ** (np.arange(length)[::-1] / half_life)
    return np.asarray(weight / weight.sum())


def _fit(
    returns: Floats, sector: npt.NDArray[np.int64], sectors: int, cap: Floats, s: RiskSettings
) -> _Fit:
    seen = np.isfinite(returns)
    enough = seen.sum(axis=0) >= SHORTEST_HISTORY
    weight = _decay(len(returns), s.loading_half_life)
    market = _weighted_mean(returns, seen, cap)
    filled = np.where(seen, returns, market[:, None])
    beta = _slopes(filled - filled.mean(axis=0), market[:, None], weight)
    beta = _towards_sector(beta, sector, sectors, enough, s.beta_shrinkage)
    rest = np.where(seen, returns - market[:, None] * beta, 0.0)

    member = np.zeros((len(cap), sectors))
    member[np.arange(len(cap)), sector] = 1.0
    sector_moves = np.stack(
        [_weighted_mean(rest, seen, cap * member[:, j]) for j in range(sectors)], axis=1
    )
    own = _slopes(rest, sector_moves[:, sector], weight)
    own = np.where(enough, (1 - s.beta_shrinkage) * own + s.beta_shrinkage, 1.0)
    rest = np.where(seen, rest - sector_moves[:, sector] * own, 0.0)

    size, size_moves = _size_factor(rest, seen, cap)
    rest = np.where(seen, rest - size_moves[:, None] * size, 0.0)
    component_loadings, component_moves = _components(rest, weight, enough, s.components)
    loadings = np.column_stack([beta, member * own[:, None], size, component_loadings])
    moves = np.column_stack([market, sector_moves, size_moves, component_moves])
    rest = np.where(seen, rest - component_moves @ component_loadings.T, np.nan)
    return _Fit(
        loadings,
        YEAR * _factor_covariance(moves, s),
        YEAR * _specific_variance(rest, sector, enough, s),
        component_loadings.shape[1],
    )


def _weighted_mean(values: Floats, seen: Bools, weight: Floats) -> Floats:
    weights = seen * weight
    total = weights.sum(axis=1)
    mean = np.where(seen, values, 0.0) * weights
    return np.asarray(mean.sum(axis=1) / np.where(total > 0, total, 1.0))


def _size_factor(rest: Floats, seen: Bools, cap: Floats) -> tuple[Floats, Floats]:
    """Loadings (n,) that grow with the logarithm of capitalisation, and daily moves (t,).

    The giants move together beyond their sectors; who holds fewer of them is exposed to that.
    """
    size = np.log(np.maximum(cap, 1.0))
    size = (size - np.average(size, weights=cap)) / max(float(size.std()), 1e-12)
    size = np.clip(size, -3.0, 3.0)
    weights = seen * cap
    above = (weights * rest * size).sum(axis=1)
    below = (weights * size**2).sum(axis=1)
    return size, np.asarray(above / np.where(below > 0, below, 1.0))


def _slopes(values: Floats, factor: Floats, weight: Floats) -> Floats:
    """Weighted least-squares slope of each column on its factor column; 0 for a dead factor."""
    above = (weight[:, None] * values * factor).sum(axis=0)
    below = (weight[:, None] * factor * factor).sum(axis=0)
    return np.asarray(above / np.where(below > 0, below, 1.0))


def _towards_sector(
    values: Floats, sector: npt.NDArray[np.int64], sectors: int, enough: Bools, shrinkage: float
) -> Floats:
    """Shrink to the sector's median; names with little history get the median itself."""
    result = values.copy()
    overall = float(np.median(values[enough])) if enough.any() else 1.0
    for code in range(sectors):
        inside = sector == code
        good = inside & enough
        typical = float(np.median(values[good])) if good.any() else overall
        result[inside] = np.where(
            enough[inside], (1 - shrinkage) * values[inside] + shrinkage * typical, typical
        )
    return result


def _components(rest: Floats, weight: Floats, enough: Bools, wanted: int) -> tuple[Floats, Floats]:
    """Principal components of standardised residuals: loadings (n, p) and unit-variance moves.

    Eigenvalues are cut by what noise alone would give, so chance is not taken for structure.
    """
    scale = np.sqrt((weight[:, None] * rest**2).sum(axis=0))
    usable = enough & (scale > 0)
    names = int(usable.sum())
    wanted = min(wanted, names // 10)
    loadings = np.zeros((rest.shape[1], wanted))
    if not wanted:
        return loadings, np.zeros((len(rest), 0))
    standard = rest[:, usable] / scale[usable]
    gram = np.sqrt(weight)[:, None] * standard
    value, vector = np.linalg.eigh(gram @ gram.T)
    value, vector = value[::-1][:wanted], vector[:, ::-1][:, :wanted]
    effective = 1.0 / float((weight**2).sum())
    bulk = max(0.1, 1.0 - float(value.sum()) / names)
    noise = bulk * (1.0 + np.sqrt(names / effective)) ** 2 / 2
    kept = np.sqrt(np.maximum(0.0, 1.0 - noise / value))
    right = gram.T @ vector / np.sqrt(value)
    # Signs are arbitrary in an eigenvector: fix them, so that runs and machines agree.
    right *= np.sign(right.sum(axis=0) + 1e-12)
    moves = standard @ right / np.sqrt(value)
    loadings[usable] = right * np.sqrt(value) * kept * scale[usable, None]
    return loadings, moves


def _factor_covariance(moves: Floats, s: RiskSettings) -> Floats:
    slow = _decay(len(moves), s.correlation_half_life)
    cross = (moves * slow[:, None]).T @ moves
    deviation = np.sqrt(np.maximum(np.diag(cross), 1e-16))
    correlation = (cross + cross.T) / 2 / np.outer(deviation, deviation)
    correlation *= 1 - s.correlation_shrinkage
    np.fill_diagonal(correlation, 1.0)
    variance = _decay(len(moves), s.factor_half_life) @ moves**2
    variance[0] = _decay(len(moves), s.market_half_life) @ moves[:, 0] ** 2
    variance = np.maximum(variance, 1e-12)
    variance[0] *= _regime(moves[:, 0] ** 2, float(variance[0]), s)
    volatility = np.sqrt(variance)
    return np.asarray(correlation * np.outer(volatility, volatility))


def _regime(squares: Floats, variance: float, s: RiskSettings) -> float:
    """Multiplier of the market's variance: how its last weeks compare with the model's variance.

    Only the market's: the volatility of sectors, size and single names reverts too fast for it.
    """
    recent = _decay(len(squares), s.regime_half_life)
    level = float(recent @ np.minimum(squares / variance, 25.0))
    return float(np.clip(level, 0.3, 4.0) ** s.regime_weight)


def _specific_variance(
    rest: Floats, sector: npt.NDArray[np.int64], enough: Bools, s: RiskSettings
) -> Floats:
    seen = np.isfinite(rest)
    weights = seen * _decay(len(rest), s.specific_half_life)[:, None]
    total = weights.sum(axis=0)
    variance = (weights * np.where(seen, rest, 0.0) ** 2).sum(axis=0)
    variance = np.maximum(variance / np.where(total > 0, total, 1.0), 1e-8)
    used = 1.0 + s.components / min(len(rest), 2 * s.loading_half_life)
    log = _towards_sector(
        np.log(variance), sector, int(sector.max()) + 1, enough, s.specific_shrinkage
    )
    return np.asarray(used * np.exp(log))
