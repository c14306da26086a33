"""The set named for an account without a plan conflicts, and every part of it is needed.

Judged by a linear program of the same wishes that knows nothing of the search.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from opensma.construct.conflict import Item, smallest_conflict
from opensma.construct.meet import limits_meet
from opensma.construct.prepare import Prepared
from opensma.construct.problem import Account, Limits, LotColumns, Taxpayer, Universe

linprog = pytest.importorskip("scipy.optimize").linprog

DAY, N, LOTS, SECTORS = 738_000, 14, 40, 3
SLACK = 0.01  # of a limit over the whole account, as the search allows
SEEDS = range(60)


def question(seed: int, te_cap: float | None = None) -> tuple[Prepared, Account]:
    """A small account with every kind of wish, and a cash need that may be too large for them."""
    rng = np.random.default_rng(seed)
    universe = Universe(
        security=tuple(f"S{i:02d}" for i in range(N)),
        price=rng.uniform(20.0, 300.0, N),
        cost_bps=np.full(N, 5.0),
        sector=np.arange(N) % SECTORS,
        sector_name=tuple(f"Sector{s}" for s in range(SECTORS)),
        group=np.arange(N),
        loadings=np.c_[np.ones(N), rng.normal(size=(N, 1))],
        factor_cov=np.diag([0.03, 0.002]),
        specific_var=rng.uniform(0.02, 0.1, N),
    )
    security = np.sort(rng.integers(0, N, LOTS))
    quantity = rng.integers(10, 300, LOTS).astype(float)
    value = quantity * universe.price[security]
    lots = LotColumns(
        security,
        quantity,
        value * rng.uniform(0.4, 1.2, LOTS),
        DAY - rng.integers(60, 900, LOTS),
        rng.random(LOTS) < 0.6,
    )
    exclude = rng.random(N) < 0.2
    limits = Limits(
        exclude,
        rng.random(N) < 0.3,
        (rng.random(N) < 0.2) & ~exclude,
        np.where(rng.random(N) < 0.3, 0.1, np.inf),
        rng.choice([0.4, 0.6, np.inf], SECTORS),
        rng.choice([0.0, 0.1, 0.3], SECTORS),
    )
    total, cash = float(value.sum()), float(rng.choice([0.0, 0.1, 0.25]))

    def maybe(limit: float) -> float | None:
        return limit if rng.random() < 0.5 else None

    return Prepared(universe), Account(
        "A", lots, 0.02 * total, cash, cash + 0.02, np.full(N, 0.98 / N), limits, 0.4, 0.2,
        100.0, True,
        risk_aversion=None if te_cap else 20.0,
        te_cap=te_cap,
        max_turnover=maybe(0.15),
        st_gain_budget=maybe(0.0),
        lt_gain_budget=maybe(0.01 * total),
    )  # fmt: skip


def core_of(prepared: Prepared, account: Account) -> list[Item]:
    taxpayer = Taxpayer("T", (account,), np.zeros(0, dtype=np.int64))
    return smallest_conflict(prepared, taxpayer, 0, DAY)


def everything(prepared: Prepared, account: Account) -> list[Item]:
    """Each wish of the account by name."""
    limits, universe = account.limits, prepared.universe
    found: list[Item] = [("cash_low", ""), ("cash_high", "")]
    for kind in ("exclude", "no_buy", "no_sell"):
        found += [(kind, universe.security[i]) for i in np.flatnonzero(getattr(limits, kind))]
    finite = np.flatnonzero(np.isfinite(limits.max_weight))
    found += [("max_weight", universe.security[i]) for i in finite]
    for code, name in enumerate(universe.sector_name):
        found += [("sector_max", name)] if np.isfinite(limits.sector_max[code]) else []
        found += [("sector_min", name)] if limits.sector_min[code] > 0.0 else []
    whole = ("max_turnover", "st_gain_budget", "lt_gain_budget")
    return found + [(kind, "") for kind in whole if getattr(account, kind) is not None]


def possible(prepared: Prepared, account: Account, items: list[Item], slack: float) -> bool:
    """Whether lots sold and dollars bought exist that keep these wishes: one linear program."""
    universe, lots, limits = prepared.universe, account.lots, account.limits
    price = universe.price[lots.security]
    value = account.cash + float((lots.quantity * price).sum())
    width, gain = lots.quantity * price / value, 1.0 - lots.basis / (lots.quantity * price)
    owner = np.eye(N)[:, lots.security]
    held = owner @ width
    after = np.hstack([-owner, np.eye(N)])  # of lots sold and bought, added to held
    sales, buys = width.copy(), np.full(N, 10.0)  # no sale beside a buy: it starts from held
    band = 2e-4 if slack else 1e-9  # of sectors and cash, as the search allows
    rows: list[np.ndarray] = []
    most: list[float] = []

    def at_most(row: np.ndarray, limit: float) -> None:
        rows.append(row)
        most.append(limit)

    short = np.concatenate([gain * ~lots.long_term, np.zeros(N)])
    long = np.concatenate([gain * lots.long_term, np.zeros(N)])
    for kind, key in items:
        i = universe.security.index(key) if key in universe.security else -1
        s = universe.sector_name.index(key) if key in universe.sector_name else -1
        inside = universe.sector == s
        if kind in ("exclude", "no_buy", "max_weight"):
            bound = {"exclude": 0.0, "no_buy": held[i], "max_weight": limits.max_weight[i]}[kind]
            at_most(after[i], bound - held[i] + 1e-9)
            buys[i] = min(buys[i], max(bound - held[i], 0.0))
        elif kind == "no_sell":
            sales[lots.security == i] = 0.0
        elif kind == "sector_max":
            at_most(inside @ after, limits.sector_max[s] - inside @ held + band)
        elif kind == "sector_min":
            at_most(-(inside @ after), inside @ held - limits.sector_min[s] + band)
        elif kind == "cash_low":
            at_most(after.sum(axis=0), 1.0 - account.cash_low - held.sum() + band)
        elif kind == "cash_high":
            at_most(-after.sum(axis=0), held.sum() - (1.0 - account.cash_high) + band)
        else:
            row = {
                "max_turnover": np.full(len(short), 0.5),
                "st_gain_budget": short,
                "lt_gain_budget": long,
            }[kind]
            limit = getattr(account, kind) / (1.0 if kind == "max_turnover" else value)
            at_most(row, limit + slack * abs(limit) + (1e-5 if slack else 1e-9))
    room = [(0.0, most_sold) for most_sold in sales] + [(0.0, most_bought) for most_bought in buys]
    table, right = (np.array(rows), np.array(most)) if rows else (None, None)
    return linprog(np.zeros(len(short)), A_ub=table, b_ub=right, bounds=room).status == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_the_named_set_conflicts_and_every_part_of_it_is_needed(seed: int) -> None:
    prepared, account = question(seed)
    core, items = core_of(prepared, account), everything(prepared, account)
    if not core:
        assert possible(prepared, account, items, 2.0 * SLACK)
        return
    assert set(core) <= set(items)
    assert not possible(prepared, account, core, 0.0)
    for left_out in core:
        rest = [item for item in core if item != left_out]
        assert possible(prepared, account, rest, 2.0 * SLACK), left_out


def test_accounts_of_these_tests_conflict_in_many_ways() -> None:
    cores = [core_of(*question(seed)) for seed in SEEDS]
    kinds = {kind for core in cores for kind, _ in core}
    assert kinds >= {"cash_low", "st_gain_budget", "max_turnover", "exclude", "sector_min"}
    assert any(not core for core in cores)


@pytest.mark.parametrize("seed", range(12))
def test_a_cap_below_every_mixture_is_named_and_a_wide_one_is_not(seed: int) -> None:
    prepared, account = question(seed, te_cap=1e-4)
    core = core_of(prepared, account)
    assert core
    assert ("te_cap", "") not in core_of(prepared, replace(account, te_cap=5.0))


def test_limits_meet_where_two_plans_mixed_keep_what_neither_keeps_alone() -> None:
    plans = np.array([[0.0, 0.0, 3.0, 0.0], [0.0, 0.0, 0.0, 3.0]])

    def cheapest(prices: np.ndarray) -> np.ndarray:
        return plans[int(np.argmin(plans @ prices))]

    half = np.array([np.inf, np.inf, 1.6, 1.6])
    assert limits_meet(cheapest, half)
    assert not limits_meet(cheapest, half - 0.2)
