"""How fast accounts are measured, and how the same figures come out of other libraries.

    python benchmarks/measure.py [--accounts 1000] [--days 2520] [--months 120] [--sectors 11]

Peers are timed in the same run on a few accounts where they are installed (empyrical-reloaded,
quantstats, perfattr, pyxirr) and their time is scaled to all of them. None of them knows flows, so
they get our daily returns. `difference` is the largest one between their figures and ours.
"""

import argparse
import time
import warnings
from collections.abc import Callable
from datetime import date, timedelta
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

from opensma.measure import risk
from opensma.measure.after_tax import TaxRates
from opensma.measure.attribution import brinson, link_effects
from opensma.measure.money_weighted import internal_rates
from opensma.measure.returns import cumulative, daily_returns, link
from opensma.measure.shadow import shadow_benchmark

SAMPLE = 5  # accounts that peers are given
FLOWS = 122
YEAR = 252
START = date(2014, 12, 31)


def best(job: Callable[[], Any], times: int = 5) -> tuple[float, Any]:
    """Seconds of the fastest of some runs (the first one pays imports), and the last answer."""
    fastest, answer = float("inf"), None
    for _ in range(times):
        started = time.perf_counter()
        answer = job()
        fastest = min(fastest, time.perf_counter() - started)
    return fastest, answer


def show(job: str, seconds: float, peer: str = "", accounts: int = 0, *, ours: float = 0,
         difference: float | None = None) -> None:  # fmt: skip
    """One line: ours alone, or a peer scaled to all accounts beside its ratio to ours."""
    if not peer:
        print(f"{job:<46}{seconds * 1000:>12,.1f} ms")  # noqa: T201 - a script that reports
        return
    whole = seconds / SAMPLE * accounts
    line = f"  {peer:<44}{whole * 1000:>12,.0f} ms{whole / ours:>12,.1f} x"
    gap = "" if difference is None else f"   difference {difference:.1e}"
    print(line + gap)  # noqa: T201


def history(accounts: int, days: int) -> tuple[np.ndarray, ...]:
    """Values in cents (accounts, days + 1), in- and outflows of every 21st day, benchmark."""
    rng = np.random.default_rng(11)
    market = rng.normal(0.0003, 0.01, days)
    returns = market + rng.normal(0, 0.003, (accounts, days))
    inflow = np.zeros((accounts, days), dtype=np.int64)
    outflow = np.zeros_like(inflow)
    inflow[:, ::21] = rng.integers(0, 500_000, (accounts, len(range(0, days, 21))))
    outflow[:, 10::21] = rng.integers(0, 300_000, (accounts, len(range(10, days, 21))))
    value = np.empty((accounts, days + 1), dtype=np.int64)
    value[:, 0] = rng.integers(10_000_000, 500_000_000, accounts)
    for day in range(days):
        grown = (value[:, day] + inflow[:, day]) * (1 + returns[:, day])
        value[:, day + 1] = grown - outflow[:, day]
    return value, inflow, outflow, market


def daily_jobs(accounts: int, days: int) -> None:
    """Time-weighted returns and risk of every account."""
    value, inflow, outflow, market = history(accounts, days)

    def twr() -> np.ndarray:
        return daily_returns(value[:, :-1], value[:, 1:], inflow, outflow)

    seconds, returns = best(twr)
    show(f"daily returns with flows, {accounts:,} x {days:,}", seconds)
    seconds, _ = best(lambda: link(twr()))
    show("daily returns and total, linked", seconds)
    seconds, _ = best(lambda: cumulative(returns))
    show("cumulative index", seconds)

    def figures() -> list[np.ndarray]:
        return [
            risk.annualised_returns(returns, YEAR),
            risk.deviation(returns, 1) * np.sqrt(YEAR),
            risk.drawdowns(returns),
            risk.betas(returns, market),
        ]

    ours, found = best(figures, 3)
    show("return, volatility, drawdown, beta of all", ours)
    for name, calls in (("empyrical", _empyrical), ("quantstats", _quantstats)):
        if find_spec(name) is not None:
            theirs, answers = best(lambda calls=calls: calls(returns[:SAMPLE], market), 3)
            gap = max(
                float(np.max(np.abs(np.array(answers)[:, i] - found[i][:SAMPLE]))) for i in range(4)
            )
            show("", theirs, f"{name}, the same four", accounts, ours=ours, difference=gap)


def _empyrical(returns: np.ndarray, market: np.ndarray) -> list[list[float]]:
    peer = import_module("empyrical")
    return [
        [peer.annual_return(r), peer.annual_volatility(r), peer.max_drawdown(r),
         peer.beta(r, market)]
        for r in returns
    ]  # fmt: skip


def _quantstats(returns: np.ndarray, market: np.ndarray) -> list[list[float]]:
    peer, pandas = import_module("quantstats").stats, import_module("pandas")
    days = pandas.bdate_range("2015-01-01", periods=len(market))
    against = pandas.Series(market, days)
    rows = []
    for one in returns:
        r = pandas.Series(one, days)
        greeks = peer.greeks(r, against, periods=YEAR)
        rows.append([
            peer.cagr(r, periods=YEAR), peer.volatility(r, periods=YEAR), peer.max_drawdown(r),
            greeks["beta"],
        ])  # fmt: skip
    return rows


def rate_jobs(accounts: int) -> None:
    """Money-weighted returns of every account, solved together."""
    rng = np.random.default_rng(12)
    days = np.sort(rng.choice(3650, (accounts, FLOWS)), axis=1)
    days[:, 0], days[:, -1] = 0, 3650
    amounts = -rng.uniform(1, 100, (accounts, FLOWS))
    amounts[:, -1] = -amounts[:, :-1].sum(axis=1) * rng.uniform(0.7, 2.5, accounts)
    ours, found = best(lambda: internal_rates(amounts, days / 365))
    show(f"money-weighted returns, {FLOWS} flows each", ours)
    if find_spec("pyxirr") is not None:
        peer = import_module("pyxirr")
        dated = [[START + timedelta(days=int(d)) for d in row] for row in days[:SAMPLE]]
        theirs, rates = best(
            lambda: [peer.xirr(d, a) for d, a in zip(dated, amounts[:SAMPLE], strict=True)]
        )
        gap = float(np.max(np.abs(np.array(rates) - found[:SAMPLE])))
        show("", theirs, "pyxirr", accounts, ours=ours, difference=gap)


def attribution_jobs(accounts: int, months: int, sectors: int) -> None:
    """Brinson-Fachler with three effects, linked by Carino over all months."""
    rng = np.random.default_rng(13)
    shape = (accounts, months, sectors)
    wp, wb = (rng.dirichlet(np.ones(sectors) * 5, shape[:2]) for _ in range(2))
    rp, rb = rng.normal(0.006, 0.04, shape), rng.normal(0.006, 0.04, shape)
    ours, found = best(lambda: link_effects(brinson(wp, wb, rp, rb)), 3)
    residual = (found.allocation + found.selection + found.interaction).sum(-1) - found.excess
    show(f"attribution, {accounts:,} x {months} months x {sectors} sectors", ours)
    print(f"{'  largest residual':<46}{np.max(np.abs(residual)):>15.1e}")  # noqa: T201
    if find_spec("perfattr") is not None:
        frames = [_frames(wp[i], wb[i], rp[i], rb[i]) for i in range(SAMPLE)]
        theirs, answers = best(lambda: [_perfattr(*pair) for pair in frames], 2)
        gap = float(np.max(np.abs(np.array(answers) - found.allocation[:SAMPLE])))
        show("", theirs, "perfattr", accounts, ours=ours, difference=gap)


def _frames(wp: np.ndarray, wb: np.ndarray, rp: np.ndarray, rb: np.ndarray) -> tuple[Any, Any]:
    pandas = import_module("pandas")
    months, sectors = wp.shape
    ends = pandas.date_range(START, periods=months + 1, freq="ME")

    def frame(weights: np.ndarray, returns: np.ndarray) -> Any:
        return pandas.DataFrame({
            "from_date": np.repeat(ends[:-1] + pandas.Timedelta(days=1), sectors),
            "thru_date": np.repeat(ends[1:], sectors),
            "quantity_of_days": np.repeat((ends[1:] - ends[:-1]).days, sectors),
            "identifier": np.tile([f"S{s:02d}" for s in range(sectors)], months),
            "weight": weights.ravel(),
            "return": returns.ravel(),
        })  # fmt: skip

    return frame(wp, rp), frame(wb, rb)


def _perfattr(portfolio: Any, benchmark: Any) -> list[float]:
    """Linked allocation by sector; its preparation of the frames is not timed."""
    peer = import_module("perfattr")
    method = peer.AttributionMethod.BRINSON_FACHLER_THREE_EFFECT
    found = peer.calculate_attribution(portfolio, benchmark, method=method)
    detail = found.overall_detail.sort_values("identifier")
    return [float(x) for x in detail["linked_allocation_effect"]]


def shadow_jobs(accounts: int, months: int) -> None:
    """After-tax benchmarks with lots, a dividend every month, flows every quarter."""
    rng = np.random.default_rng(14)
    ends = [START + timedelta(days=30 * (m + 1)) for m in range(months)]
    flows = np.zeros((accounts, months))
    flows[:, ::3] = rng.uniform(-20, 40, flows[:, ::3].shape)
    growth, income = rng.normal(0.006, 0.04, months), np.full(months, 0.0012)
    value = rng.uniform(5_000, 9_000, accounts)
    rates = [TaxRates(0.408, 0.238, 0.238)] * accounts
    seconds, _ = best(
        lambda: shadow_benchmark(
            START, ends, value, value * 0.7, [START] * accounts, flows, growth, income, rates
        ),
        2,
    )
    show(f"after-tax shadow benchmarks, {accounts:,} x {months} months", seconds)


def main() -> None:
    """Read the command line and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--accounts", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=2_520)
    parser.add_argument("--months", type=int, default=120)
    parser.add_argument("--sectors", type=int, default=11)
    given = parser.parse_args()
    warnings.simplefilter("ignore")  # peers warn about their own dependencies
    daily_jobs(given.accounts, given.days)
    rate_jobs(given.accounts)
    attribution_jobs(given.accounts, given.months, given.sectors)
    shadow_jobs(given.accounts, given.months)
    names = ("empyrical", "quantstats", "pyxirr", "perfattr")
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        print(f"not installed, not compared: {', '.join(missing)}")  # noqa: T201


if __name__ == "__main__":
    main()
