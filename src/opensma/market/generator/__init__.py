"""A seeded market of fictional companies in the import layout, calibrated to a real one.

Same seed, same bytes (with the same DuckDB release). Nothing here is a forecast: sizes, moves,
events and turnover follow the statistics in docs/market.md, names and tickers are invented.

    companies.py  who exists: sector, industry, size, name, ticker, loadings
    lives.py      what happens to them: listings, takeovers, failures, spin-offs, new tickers
    moves.py      daily total returns from factors, specific noise, earnings and events
    prices.py     closes, splits, dividends, shares and volume along those returns
    members.py    the benchmark's quarterly changes
    output.py     the seven tables
"""

from datetime import date
from pathlib import Path

import numpy as np

from opensma.calendar import sessions
from opensma.errors import InputError
from opensma.market.generator.companies import make_companies
from opensma.market.generator.lives import plan_lives
from opensma.market.generator.members import choose_members
from opensma.market.generator.moves import simulate_moves
from opensma.market.generator.output import write_market
from opensma.market.generator.prices import walk_prices

__all__ = ["generate_market"]

FEWEST_SECURITIES, FEWEST_SESSIONS = 30, 130


def generate_market(
    out: Path,
    *,
    seed: int,
    securities: int = 590,
    start: date = date(2021, 2, 1),
    end: date = date(2024, 12, 31),
) -> None:
    """Write a fictional market in the import layout to `out`; the same seed gives the same bytes.

    InputError for fewer than 30 securities or 130 sessions, where nothing could be calibrated.
    """
    days = sessions(start, end)
    if securities < FEWEST_SECURITIES or len(days) < FEWEST_SESSIONS:
        raise InputError(
            "generate.too_small",
            f"{securities} securities over {len(days)} sessions are too few.",
            where=str(out),
            remedy=f"Ask for {FEWEST_SECURITIES} securities, {FEWEST_SESSIONS} sessions or more.",
        )

    def stream(name: str) -> np.random.Generator:
        # A stream per part: a change in one leaves the draws of the others as they were.
        return np.random.Generator(np.random.PCG64([seed, *name.encode()]))

    companies = make_companies(stream("companies"), securities)
    lives = plan_lives(stream("lives"), companies, days)
    moves = simulate_moves(stream("moves"), companies, lives, days)
    paths = walk_prices(stream("prices"), companies, lives, moves, days)
    spans = choose_members(companies, lives, paths, days)
    write_market(out, companies, lives, paths, spans, days)
