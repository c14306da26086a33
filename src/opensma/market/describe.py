"""What a market looks like in numbers: to compare a generated one with a real one."""

from dataclasses import dataclass

import numpy as np

from opensma.market.actions import ActionKind
from opensma.market.panel import Floats, Market

YEAR = 252
DOWN = -0.10  # a fall over a calendar year that is worth harvesting


@dataclass(frozen=True, slots=True)
class Comparison:
    """One statistic of two markets; `ratio` is first over second, NaN when that has no meaning."""

    statistic: str
    first: float
    second: float
    ratio: float


def describe(market: Market) -> dict[str, float]:
    """Named statistics of a market with at least two sessions; unknown ones are NaN."""
    index = np.diff(np.log(market.benchmark_index()))
    returns = market.total_returns()
    return {
        **_index_statistics(index),
        **_security_statistics(market, returns, index),
        **_correlation_statistics(returns),
        **_size_statistics(market),
        **_event_statistics(market),
    }


def compare(first: Market, second: Market) -> tuple[Comparison, ...]:
    """The statistics of two markets side by side."""
    left, right = describe(first), describe(second)
    return tuple(
        Comparison(
            name, left[name], right[name], left[name] / right[name] if right[name] else np.nan
        )
        for name in left
    )


def _index_statistics(index: Floats) -> dict[str, float]:
    centred = index - index.mean()
    return {
        "index volatility, annual": float(index.std() * YEAR**0.5),
        "index kurtosis, daily": float((centred**4).mean() / max(centred.var() ** 2, 1e-30)),
        "index return, annual": float(np.exp(index.mean() * YEAR) - 1),
    }


def _security_statistics(market: Market, returns: Floats, index: Floats) -> dict[str, float]:
    long = np.isfinite(returns).sum(axis=0) >= min(YEAR, len(returns) - 1)
    moves = np.where(np.isfinite(returns[1:, long]), returns[1:, long], np.nan)
    volatility = np.nanstd(moves, axis=0) * YEAR**0.5
    centred = np.nan_to_num(moves - np.nanmean(moves, axis=0))
    beta = (centred * (index - index.mean())[:, None]).mean(axis=0) / index.var()
    kurtosis = (centred**4).mean(axis=0) / np.maximum((centred**2).mean(axis=0) ** 2, 1e-30)
    down, spread = _calendar_years(market, returns)
    return {
        "dispersion across securities, daily": float(np.nanmean(np.nanstd(moves, axis=1))),
        "volatility of a security, median": float(np.median(volatility)),
        "volatility of a security, 5th percentile": float(np.percentile(volatility, 5)),
        "volatility of a security, 95th percentile": float(np.percentile(volatility, 95)),
        "kurtosis of a security, median": float(np.median(kurtosis)),
        "beta of a security, median": float(np.median(beta)),
        "beta of a security, 95th percentile": float(np.percentile(beta, 95)),
        "share down 10 % or more in a calendar year, mean": down,
        "dispersion across securities, calendar year": spread,
    }


def _calendar_years(market: Market, returns: Floats) -> tuple[float, float]:
    """(mean share of names down 10 % or more, mean dispersion) over years of 200+ sessions."""
    year = np.array([market.day(row).year for row in range(len(market.days))])
    down, spread = [], []
    for one in np.unique(year):
        inside = returns[year == one]
        whole = inside[:, np.isfinite(inside).all(axis=0)] if len(inside) >= 200 else inside[:, :0]
        if whole.shape[1] >= 10:
            total = np.prod(1 + whole, axis=0) - 1
            down.append(float((total <= DOWN).mean()))
            spread.append(float(total.std()))
    return (float(np.mean(down)), float(np.mean(spread))) if down else (np.nan, np.nan)


def _correlation_statistics(returns: Floats) -> dict[str, float]:
    whole = returns[1:, np.isfinite(returns[1:]).all(axis=0)]
    whole = whole[:, whole.std(axis=0) > 0]
    if whole.shape[1] < 10:
        return {f"share of correlation, eigenvalue {i}": np.nan for i in range(1, 6)}
    share = np.linalg.eigvalsh(np.corrcoef(whole.T))[::-1] / whole.shape[1]
    named = {f"share of correlation, eigenvalue {i}": float(share[i - 1]) for i in range(1, 6)}
    return {**named, "share of correlation, eigenvalues 6 to 20": float(share[5:20].sum())}


def _size_statistics(market: Market) -> dict[str, float]:
    result: dict[str, float] = {}
    for label, row in (("first day", 0), ("last day", -1)):
        weight = np.sort(market.target_weights(market.day(row)))[::-1]
        result[f"weight of the ten largest, {label}"] = float(weight[:10].sum())
        result[f"effective number of names, {label}"] = float(1 / (weight**2).sum())
    result["members, last day"] = float(market.members(market.day(-1)).sum())
    return result


def _event_statistics(market: Market) -> dict[str, float]:
    years = len(market.days) / YEAR
    counts = dict.fromkeys(ActionKind, 0)
    for action in market.actions:
        counts[action.kind] += 1
    first, last = int(market.days[0]), int(market.days[-1])
    table = market.memberships
    left = np.count_nonzero(table.last_day < last)
    entered = np.count_nonzero((table.first_day > first) & (table.first_day <= last))
    payers = {a.security for a in market.actions if a.kind is ActionKind.CASH_DIVIDEND}
    renamed = len(market.symbols.label) - len(set(market.symbols.security.tolist()))
    return {
        "securities": float(len(market.security_id)),
        "members that leave, a year": left / years,
        "members that enter, a year": entered / years,
        "dividends, a year": counts[ActionKind.CASH_DIVIDEND] / years,
        "share of securities that pay dividends": len(payers) / len(market.security_id),
        "splits, a year": counts[ActionKind.SPLIT] / years,
        "spin-offs, a year": counts[ActionKind.SPIN_OFF] / years,
        "cash takeovers, a year": counts[ActionKind.CASH_MERGER] / years,
        "failures, a year": counts[ActionKind.WORTHLESS] / years,
        "ticker changes, a year": renamed / years,
    }
