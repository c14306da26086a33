"""Daily total returns: factors with changing volatility, fat-tailed noise, earnings and events."""

from datetime import date

import numpy as np

from opensma.market.generator.companies import SECTORS, Companies, Floats, Ints
from opensma.market.generator.lives import Lives

# One year in four is a bear market. Its log return and volatility, and those of other years.
CALM_DRIFT, CALM_VOLATILITY = 0.155, 0.104
STRESS_DRIFT, STRESS_VOLATILITY = -0.205, 0.193
GIANTS_DRIFT = 0.045  # log a year: in the measured years the largest names outgrew the others
STYLE_VOLATILITY = (0.084, 0.035, 0.068)
INDUSTRY_VOLATILITY = 0.065
EARNINGS_JUMP = 0.25  # of a company's annual specific volatility, once a quarter
DAY = 252**-0.5


def simulate_moves(
    random: np.random.Generator, companies: Companies, lives: Lives, days: list[date]
) -> Floats:
    """Log total returns (sessions, securities) for all sessions, listed or not."""
    year = np.array([day.year for day in days], np.int64)
    mood = _volatility_path(random, year)
    market = _market(random, year, mood)
    common = mood / mood.mean()
    moves = market[:, None] * companies.beta
    moves += _group_moves(random, common, companies)
    moves += _specific(random, common, companies)
    _earnings(random, companies, moves)
    _twins(random, companies, moves)
    _takeovers(random, lives, moves)
    _failures(random, lives, moves)
    return moves


def stressed(year: int) -> bool:
    """Bear markets come every fourth year, so that any window of four years has one."""
    return year % 4 == 2


def _volatility_path(random: np.random.Generator, year: Ints) -> Floats:
    level = np.array([STRESS_VOLATILITY if stressed(int(y)) else CALM_VOLATILITY for y in year])
    state, path = 0.0, np.empty(len(year))
    for row, shock in enumerate(random.standard_normal(len(year))):
        state = 0.965 * state + 0.065 * shock
        path[row] = state
    smooth = np.convolve(np.pad(np.log(level), 15, mode="edge"), np.ones(31) / 31, "valid")
    return np.asarray(np.exp(smooth + path - 0.5 * path.var()))


def _market(random: np.random.Generator, year: Ints, mood: Floats) -> Floats:
    shock = random.standard_t(9, len(year)) * (7 / 9) ** 0.5
    moves = np.asarray(mood * DAY * shock)
    for one in np.unique(year):
        rows = np.flatnonzero(year == one)
        drift = STRESS_DRIFT if stressed(int(one)) else CALM_DRIFT
        wanted = (drift + 0.02 * random.standard_normal()) * len(rows) / 252
        moves[rows] += (wanted - moves[rows].sum()) / len(rows)
    return moves


def _group_moves(random: np.random.Generator, common: Floats, companies: Companies) -> Floats:
    """Sector, industry and style factors; their volatility follows the market's half way."""
    breath = np.sqrt(common)[:, None] * DAY
    sessions = len(common)
    volatility = np.array([sector.factor for sector in SECTORS])
    sectors = breath * volatility * _fat(random, (sessions, len(SECTORS)), 7)
    industries = (
        breath * INDUSTRY_VOLATILITY * _fat(random, (sessions, len(companies.industry_name)), 6)
    )
    styles = breath * np.array(STYLE_VOLATILITY) * _fat(random, (sessions, 3), 6)
    reach = 0.8 + 0.4 * companies.specific / companies.specific.mean()
    return np.asarray(
        sectors[:, companies.sector]
        + industries[:, companies.industry] * reach
        + styles @ companies.styles.T
    )


def _fat(random: np.random.Generator, shape: tuple[int, int], freedom: int) -> Floats:
    draws: Floats = random.standard_t(freedom, shape) * ((freedom - 2) / freedom) ** 0.5
    return draws


def _specific(random: np.random.Generator, common: Floats, companies: Companies) -> Floats:
    count = len(companies.security_id)
    own = _slow_noise(random, (len(common), count), 0.985, 0.055)
    scale = np.exp(own) * common[:, None] ** 0.35
    drift = 0.75 * companies.specific * random.standard_normal(count) / 252
    drift[: max(1, count // 60)] += GIANTS_DRIFT / 252  # rows are in order of size
    noise = scale * companies.specific * DAY * _fat(random, (len(common), count), 4)
    return np.asarray(noise + drift - 0.5 * (companies.specific * DAY) ** 2)


def _slow_noise(
    random: np.random.Generator, shape: tuple[int, int], memory: float, shock: float
) -> Floats:
    """Autoregressive noise per column, started in its long-run spread."""
    noise = shock * random.standard_normal(shape)
    noise[0] /= (1 - memory**2) ** 0.5
    for row in range(1, shape[0]):
        noise[row] += memory * noise[row - 1]
    return noise - shock**2 / (1 - memory**2)


def _earnings(random: np.random.Generator, companies: Companies, moves: Floats) -> None:
    count = moves.shape[1]
    offset = random.integers(12, 50, count)
    for start in range(0, moves.shape[0], 63):
        row = np.add(offset, start + random.integers(-3, 4, count))
        size = EARNINGS_JUMP * companies.specific * _fat(random, (1, count), 5)[0]
        inside = np.flatnonzero(row < moves.shape[0])
        moves[row[inside], inside] += size[inside]


def _twins(random: np.random.Generator, companies: Companies, moves: Floats) -> None:
    """A second class follows the first with a small premium that comes and goes."""
    seconds = np.flatnonzero((companies.twin >= 0) & (companies.twin < np.arange(moves.shape[1])))
    premium = _slow_noise(random, (moves.shape[0], len(seconds)), 0.97, 0.0016)
    for column, second in enumerate(seconds):
        gap = np.diff(premium[:, column], prepend=premium[0, column])
        moves[:, second] = moves[:, companies.twin[second]] + gap


def _takeovers(random: np.random.Generator, lives: Lives, moves: Floats) -> None:
    """A jump on the announcement, then a quiet drift up to the price of the deal."""
    for security in np.flatnonzero(lives.announced >= 0):
        row, last = int(lives.announced[security]), int(lives.last_row[security])
        length = last - row
        moves[row, security] = random.uniform(0.14, 0.36)
        spread = random.uniform(0.01, 0.05)
        noise = 0.0022 * random.standard_normal(length)
        moves[row + 1 : last + 1, security] = spread / max(length, 1) + noise - noise.mean()


def _failures(random: np.random.Generator, lives: Lives, moves: Floats) -> None:
    """A run on a bank: most of the value goes within days, the rest by the delisting."""
    for security in np.flatnonzero(lives.failing >= 0):
        row, last = int(lives.failing[security]), int(lives.last_row[security])
        falls = np.abs(random.standard_normal(last - row + 1)) + 0.05
        falls[: min(3, len(falls))] *= 6
        total = -np.log(random.uniform(0.03, 0.30))
        moves[row : last + 1, security] = -falls / falls.sum() * total
