"""Random decision problems of any size from a seed: what the benchmark solves and tests draw on.

The scale is a large-cap index bought over years: prices from $5 to $3,000, three or four lots a
name, half of them up, a fifth at a loss, a market factor, sectors and styles. Households hold
several accounts, some untaxed. `wishes` says how often each kind of limit appears.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from opensma.construct.problem import (
    Account,
    Codes,
    Floats,
    Limits,
    LotColumns,
    Taxpayer,
    Universe,
)
from opensma.tax.holding import is_long_term

AS_OF_DAY = 739_706  # 2026-03-31

_MARKET_VOLATILITY = 0.16
_BOUGHT_OVER = 6 * 365  # days over which lots were bought


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to generate; shares of accounts are probabilities."""

    names: int = 500
    accounts: int = 100
    lots: int = 1_750  # per account, where the account is large enough
    factors: int = 25
    sectors: int = 11
    wishes: float = 0.3  # how often each kind of limit appears
    households: float = 0.35  # taxpayers with more than one account
    whole: float = 0.8  # accounts in whole shares
    capped: float = 0.25  # accounts with a tracking-error cap instead of a risk aversion
    losses: float = 0.3  # taxpayers that sold something at a loss in the last 30 days
    dollars: tuple[float, float] = (100_000.0, 5_000_000.0)
    prices: tuple[float, float] = (5.0, 3_000.0)
    few: float = 0.0  # accounts that may hold only so many names, with tickets and least positions


def generate_problems(seed: int, recipe: Recipe) -> tuple[Universe, list[Taxpayer]]:
    """A universe and taxpayers with `recipe.accounts` accounts in all."""
    universe, taxpayers = stream_problems(seed, recipe)
    return universe, list(taxpayers)


def stream_problems(seed: int, recipe: Recipe) -> tuple[Universe, Iterator[Taxpayer]]:
    """The same taxpayers one after another: never more in memory than the caller keeps."""
    rng = np.random.default_rng([seed, recipe.names, recipe.lots])
    universe = generate_universe(rng, recipe)
    return universe, _taxpayers(rng, recipe, universe)


def _taxpayers(rng: np.random.Generator, recipe: Recipe, universe: Universe) -> Iterator[Taxpayer]:
    index = _index_weights(rng, recipe.names)
    left, number = recipe.accounts, 0
    while left:
        some = min(left, _household_size(rng, recipe))
        yield _taxpayer(rng, recipe, universe, index, number, some)
        left, number = left - some, number + 1


# --- securities --------------------------------------------------------------------------------


def generate_universe(rng: np.random.Generator, recipe: Recipe) -> Universe:
    """Securities with a risk model whose annual volatilities lie between 20 and 60 %."""
    n = recipe.names
    sector = rng.integers(0, recipe.sectors, n)
    loadings, covariance = _factors(rng, recipe, sector)
    volatility = np.clip(np.exp(rng.normal(np.log(0.32), 0.28, n)), 0.20, 0.60)
    common = np.einsum("ij,jk,ik->i", loadings, covariance, loadings)
    group = np.arange(n)
    twins = rng.choice(n, size=2 * max(1, n // 60), replace=False)
    group[twins[1::2]] = twins[0::2]  # two share classes of one company
    return Universe(
        security=tuple(f"S{i:04d}" for i in range(n)),
        price=np.round(np.clip(np.exp(rng.normal(4.7, 0.9, n)), *recipe.prices), 2),
        cost_bps=np.round(rng.uniform(1.0, 8.0, n), 2),
        sector=sector,
        sector_name=tuple(f"Sector {code + 1}" for code in range(recipe.sectors)),
        group=group,
        loadings=loadings,
        factor_cov=covariance,
        specific_var=np.maximum(volatility**2 - common, 0.35 * volatility**2),
    )


def _factors(rng: np.random.Generator, recipe: Recipe, sector: Codes) -> tuple[Floats, Floats]:
    """Market, then sectors as far as factors reach, then styles; styles correlate a little."""
    n, k = recipe.names, recipe.factors
    loadings = np.zeros((n, k))
    loadings[:, 0] = rng.normal(1.0, 0.22, n)
    industries = min(recipe.sectors, k - 1)
    for code in range(industries):
        loadings[:, 1 + code] = np.where(sector == code, rng.normal(1.0, 0.15, n), 0.0)
    loadings[:, 1 + industries :] = rng.normal(0.0, 1.0, (n, k - 1 - industries))
    scale = np.concatenate([[_MARKET_VOLATILITY], rng.uniform(0.02, 0.06, k - 1)])
    mixing = np.eye(k) + 0.1 * rng.normal(0.0, 1.0, (k, k)) / np.sqrt(k)
    root = scale[:, None] * mixing
    return loadings, root @ root.T


def _index_weights(rng: np.random.Generator, n: int) -> Floats:
    """Weights like those of a large-cap index: the first of 500 names has about 7 %."""
    weights: Floats = np.exp(rng.normal(0.0, 0.1, n)) / (np.arange(n) + 1.5) ** 0.95
    shuffled: Floats = rng.permutation(weights / weights.sum())
    return shuffled


# --- taxpayers and accounts --------------------------------------------------------------------


def _household_size(rng: np.random.Generator, recipe: Recipe) -> int:
    return int(rng.integers(2, 4)) if rng.random() < recipe.households else 1


def _taxpayer(
    rng: np.random.Generator,
    recipe: Recipe,
    universe: Universe,
    index: Floats,
    number: int,
    accounts: int,
) -> Taxpayer:
    rates = (round(rng.uniform(0.24, 0.54), 4), 0.0)
    rates = (rates[0], round(rates[0] * rng.uniform(0.4, 0.65), 4))
    members = []
    for position in range(accounts):
        untaxed = position > 0 and rng.random() < 0.5
        name = f"A{number:05d}-{position + 1}"
        members.append(
            _account(rng, recipe, universe, index, name, (0.0, 0.0) if untaxed else rates)
        )
    sold = rng.choice(recipe.names, size=max(1, recipe.names // 50), replace=False)
    lost = universe.group[sold] if rng.random() < recipe.losses else np.zeros(0, dtype=np.int64)
    return Taxpayer(f"T{number:05d}", tuple(members), np.unique(lost).astype(np.int64))


def _account(
    rng: np.random.Generator,
    recipe: Recipe,
    universe: Universe,
    index: Floats,
    account_id: str,
    rates: tuple[float, float],
) -> Account:
    low, high = np.log(recipe.dollars[0]), np.log(recipe.dollars[1])
    dollars = float(np.exp(rng.uniform(low, high)))
    whole = bool(rng.random() < recipe.whole)
    lots = _lots(rng, recipe, universe, index * dollars, whole)
    held = float(lots.quantity @ universe.price[lots.security])
    cash = round(max(held, 0.2 * dollars) * rng.uniform(0.005, 0.06), 2)
    cash_low = round(rng.uniform(0.0, 0.01), 4)
    cash_high = round(cash_low + rng.uniform(0.005, 0.02), 4)
    value = held + cash

    def sometimes(amount: float) -> float | None:
        return amount if rng.random() < recipe.wishes else None

    capped = rng.random() < recipe.capped
    account = Account(
        account_id=account_id,
        lots=lots,
        cash=cash,
        cash_low=cash_low,
        cash_high=cash_high,
        target=index * (1.0 - (cash_low + cash_high) / 2.0),
        limits=_limits(rng, recipe, universe, index, lots),
        st_rate=rates[0],
        lt_rate=rates[1],
        min_trade=round(min(float(rng.choice([0.0, 25.0, 100.0, 250.0])), value * 5e-4), 2),
        whole_shares=whole,
        risk_aversion=None if capped else round(float(np.exp(rng.uniform(1.6, 5.3))), 3),
        te_cap=round(rng.uniform(0.01, 0.04), 4) if capped else None,
        max_turnover=sometimes(round(rng.uniform(0.06, 0.25), 4)),
        st_gain_budget=sometimes(round(value * rng.uniform(0.0, 0.005), 2)),
        lt_gain_budget=sometimes(round(value * rng.uniform(0.0, 0.02), 2)),
    )
    few = recipe.few > 0.0 and rng.random() < recipe.few
    return _with_few_names(rng, account, value) if few else account


def _with_few_names(rng: np.random.Generator, account: Account, value: float) -> Account:
    """A limit at or below the names held, a charge for every ticket and a smallest position."""
    held = len(np.unique(account.lots.security))
    return replace(
        account,
        max_names=int(held * rng.uniform(0.6, 1.05)),
        ticket_cost=float(rng.choice([0.0, 1.0, 5.0])),
        min_position=float(rng.choice([0.0, 100.0, 500.0])) / value,
    )


def _lots(
    rng: np.random.Generator, recipe: Recipe, universe: Universe, dollars: Floats, whole: bool
) -> LotColumns:
    """Positions near the index, drifted, each cut into a few lots bought over years."""
    n = recipe.names
    held = dollars * np.exp(rng.normal(0.0, 0.25, n)) * (rng.random(n) > 0.04)
    shares = held / universe.price
    shares = np.rint(shares) if whole else np.round(shares, 4)
    pieces = 1 + rng.poisson(max(recipe.lots / n - 1.0, 0.0), n)
    pieces = np.minimum(pieces, shares.astype(np.int64) if whole else 50)
    pieces[shares <= 0.0] = 0
    security = np.repeat(np.arange(n), np.maximum(pieces, (shares > 0.0).astype(np.int64)))
    quantity = _cut(rng, security, shares, whole)
    kept = quantity > 0.0
    security, quantity = security[kept], quantity[kept]
    acquired = AS_OF_DAY - 1 - (_BOUGHT_OVER * rng.random(len(security)) ** 1.5).astype(np.int64)
    ratio = _gain_ratio(rng, AS_OF_DAY - acquired)
    basis = np.round(quantity * universe.price[security] / ratio, 2)
    return LotColumns(
        security=security.astype(np.int64),
        quantity=quantity,
        basis=np.maximum(basis, 0.01),
        acquired_day=acquired,
        long_term=np.asarray(is_long_term(acquired, AS_OF_DAY), dtype=bool),
    )


def _cut(rng: np.random.Generator, security: Codes, shares: Floats, whole: bool) -> Floats:
    """Cut each position into its lots by random fractions that add up to it."""
    part = rng.uniform(0.3, 1.0, len(security))
    reached = np.cumsum(part)
    first = np.searchsorted(security, security, side="left")
    last = np.searchsorted(security, security, side="right") - 1
    start = reached[first] - part[first]
    end = (reached - start) / (reached[last] - start)
    edge = end * shares[security]
    edge = np.rint(edge) if whole else np.round(edge, 4)
    before = np.concatenate([[0.0], edge[:-1]])
    before[first == np.arange(len(security))] = 0.0
    cut: Floats = edge - before
    return cut if whole else np.round(cut, 4)


def _gain_ratio(rng: np.random.Generator, age: Codes) -> Floats:
    """Price over basis: a fifth at a loss, three tenths about flat, half up."""
    kind = rng.random(len(age))
    lost = rng.uniform(0.6, 0.99, len(age))
    flat = rng.uniform(1.0, 1.08, len(age))
    years = np.sqrt(age / 365.0)
    up = 1.08 + np.abs(rng.normal(0.0, 0.35, len(age))) * years
    ratio: Floats = np.where(kind < 0.2, lost, np.where(kind < 0.5, flat, up))
    recent = np.exp(rng.normal(0.0, 0.07, len(age)))
    return np.where(age <= 45, recent, ratio)


def _limits(
    rng: np.random.Generator, recipe: Recipe, universe: Universe, index: Floats, lots: LotColumns
) -> Limits:
    """Wishes of every kind; none of them alone makes an account infeasible."""
    n, sectors = recipe.names, recipe.sectors

    def some() -> Codes:
        count = rng.integers(1, max(2, n // 80) + 1) if rng.random() < recipe.wishes else 0
        return rng.choice(n, size=min(int(count), n), replace=False).astype(np.int64)

    masks = [np.zeros(n, dtype=bool) for _ in range(3)]
    for mask in masks:
        mask[some()] = True
    exclude, no_buy, no_sell = masks
    no_sell &= ~exclude
    max_weight = np.full(n, np.inf)
    capped = some()
    capped = capped[~no_sell[capped]]
    max_weight[capped] = np.round(index[capped] * rng.uniform(0.5, 1.5, len(capped)), 6)
    weight = np.bincount(universe.sector, index, minlength=sectors)
    sector_max, sector_min = np.full(sectors, np.inf), np.zeros(sectors)
    if rng.random() < recipe.wishes:
        code = int(rng.integers(0, sectors))
        limit = round(weight[code] * rng.uniform(0.7, 1.1), 4)
        sector_max[code] = limit if np.any(universe.sector == code) else np.inf
    if rng.random() < recipe.wishes:
        code = int(rng.integers(0, sectors))
        if sector_max[code] == np.inf:
            sector_min[code] = round(weight[code] * rng.uniform(0.5, 1.0), 4)
    return Limits(exclude, no_buy, no_sell, max_weight, sector_max, sector_min)
