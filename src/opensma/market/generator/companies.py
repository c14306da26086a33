"""Who exists: sectors, industries, sizes, names and how each company loads on the factors."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from opensma.market.generator.names import invent_names, invent_ticker

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sector:
    """One sector: share of names, typical beta, specific volatility, factor volatility, growth."""

    name: str
    share: float
    beta: float
    specific: float  # annual, of the typical company
    factor: float  # annual volatility of the sector's own factor
    growth: float  # typical loading on the growth-value factor
    dividend: float  # typical annual yield of a payer
    industries: tuple[str, ...]


SECTORS = (
    Sector(
        "Communication Services",
        0.052,
        0.88,
        0.207,
        0.070,
        0.4,
        0.022,
        ("Interactive Media", "Broadcasting", "Telecommunication", "Entertainment"),
    ),
    Sector(
        "Consumer Discretionary",
        0.111,
        1.22,
        0.207,
        0.085,
        0.3,
        0.016,
        ("Apparel Retail", "Automobiles", "Hotels", "Casinos & Gaming", "Homebuilding"),
    ),
    Sector(
        "Consumer Staples",
        0.066,
        0.55,
        0.152,
        0.085,
        -0.4,
        0.027,
        ("Packaged Foods", "Household Products", "Brewers & Distillers", "Food Retail", "Tobacco"),
    ),
    Sector(
        "Energy",
        0.047,
        0.95,
        0.170,
        0.230,
        -1.2,
        0.034,
        ("Oil & Gas Production", "Oil & Gas Refining", "Oil & Gas Equipment", "Oil & Gas Storage"),
    ),
    Sector(
        "Financials",
        0.145,
        1.08,
        0.161,
        0.085,
        -0.7,
        0.024,
        ("Regional Banks", "Insurance", "Asset Management", "Diversified Banks", "Payments"),
    ),
    Sector(
        "Health Care",
        0.121,
        0.76,
        0.189,
        0.080,
        0.1,
        0.017,
        ("Biotechnology", "Health Care Equipment", "Pharmaceuticals", "Managed Care"),
    ),
    Sector(
        "Industrials",
        0.155,
        1.1,
        0.166,
        0.065,
        -0.3,
        0.016,
        ("Machinery", "Aerospace & Defense", "Airlines", "Building Products", "Railroads"),
    ),
    Sector(
        "Information Technology",
        0.145,
        1.2,
        0.198,
        0.085,
        1.1,
        0.013,
        ("Semiconductors", "Application Software", "IT Services", "Hardware", "Systems Software"),
    ),
    Sector(
        "Materials",
        0.050,
        1.08,
        0.175,
        0.090,
        -0.6,
        0.021,
        ("Specialty Chemicals", "Steel", "Packaging", "Construction Materials"),
    ),
    Sector(
        "Real Estate",
        0.057,
        1.0,
        0.138,
        0.115,
        -0.1,
        0.034,
        ("Office Properties", "Residential Properties", "Data Centers", "Storage Properties"),
    ),
    Sector(
        "Utilities",
        0.052,
        0.62,
        0.101,
        0.130,
        -0.4,
        0.033,
        ("Electric Utilities", "Gas Utilities", "Water Utilities", "Multi-Utilities"),
    ),
)

# Industry -> theme, and why; the basis is printed with every restriction that uses it.
THEMES = {
    "Oil & Gas Production": "fossil_fuel",
    "Oil & Gas Refining": "fossil_fuel",
    "Oil & Gas Equipment": "fossil_fuel",
    "Oil & Gas Storage": "fossil_fuel",
    "Aerospace & Defense": "aerospace_defense",
    "Tobacco": "tobacco",
    "Brewers & Distillers": "alcohol",
    "Casinos & Gaming": "gambling",
    "Regional Banks": "interest_based_finance",
    "Diversified Banks": "interest_based_finance",
    "Insurance": "interest_based_finance",
    "Electric Utilities": "fossil_power_candidate",
}

TOTAL_CAP_DOLLARS = 34e12
WIDER_BETA = 1.20  # the typical company follows the index more closely than its weight says
MEMBER_SHARE = 505 / 590  # of all securities of the window; the others enter later
DUAL_CLASS_RANKS = (4, 180, 260, 430, 470)  # companies with a second class, by size


@dataclass(frozen=True, slots=True)
class Companies:
    """One row per security; row order is creation order, ids follow it."""

    security_id: tuple[str, ...]
    name: tuple[str, ...]
    ticker: tuple[str, ...]
    sector: Ints  # into SECTORS
    industry: Ints  # into industry_name
    industry_name: tuple[str, ...]
    cik: Ints
    twin: Ints  # row of the other class that moves with it, -1 for none
    size: Floats  # capitalisation in dollars on the first day
    member: npt.NDArray[np.bool_]  # in the benchmark on the first day
    beta: Floats
    specific: Floats  # annual specific volatility
    styles: Floats  # (securities, 3): growth, size, quality
    taken: frozenset[str]  # tickers in use


def make_companies(random: np.random.Generator, securities: int) -> Companies:
    """Invent `securities` securities, largest first, then those that enter later."""
    members = round(securities * MEMBER_SHARE)
    twin = _twins(securities, members)
    size, member = _sizes(random, securities, members, twin)
    sector = _sectors(random, securities, twin)
    industry, industry_name = _industries(random, sector, twin)
    beta, specific, styles = _loadings(random, sector, size, twin)
    names, tickers, taken = _names(random, sector, twin)
    own = np.where(twin >= 0, np.minimum(np.arange(securities), twin), np.arange(securities))
    return Companies(
        security_id=tuple(f"G{100_001 + i}" for i in range(securities)),
        name=names,
        ticker=tickers,
        sector=sector,
        industry=industry,
        industry_name=industry_name,
        cik=9_000_001 + own,
        twin=twin,
        size=size,
        member=member,
        beta=beta,
        specific=specific,
        styles=styles,
        taken=taken,
    )


def _twins(securities: int, members: int) -> Ints:
    """Rows of second share classes: the last member rows are second classes of larger ones."""
    twin = np.full(securities, -1, np.int64)
    ranks = [rank for rank in DUAL_CLASS_RANKS if rank < members - len(DUAL_CLASS_RANKS)]
    for position, rank in enumerate(ranks):
        second = members - 1 - position
        twin[second], twin[rank] = rank, second
    return twin


def rank_size(rank: Floats, scale: float) -> Floats:
    """Relative capitalisation by rank from 1: a power law whose tail bends down."""
    stretched = rank * scale
    bent: Floats = np.exp(-0.73 * np.log(rank) - 0.00113 * stretched - 5.24e-6 * stretched**2)
    return bent


def _sizes(
    random: np.random.Generator, securities: int, members: int, twin: Ints
) -> tuple[Floats, npt.NDArray[np.bool_]]:
    member = np.arange(securities) < members
    scale = 505 / members
    rank = np.arange(1, securities + 1, dtype=float)
    # Names that enter later start around the lower half of the members and grow.
    rank[~member] = random.uniform(0.50, 1.02, securities - members) * members
    size = rank_size(rank, scale) * np.exp(0.06 * random.standard_normal(securities))
    for second in np.flatnonzero((twin >= 0) & (twin < np.arange(securities))):
        first = int(twin[second])
        part = random.uniform(0.35, 0.5)
        size[second], size[first] = size[first] * part, size[first] * (1 - part)
    return size / size[member].sum() * TOTAL_CAP_DOLLARS, member


def _sectors(random: np.random.Generator, securities: int, twin: Ints) -> Ints:
    share = np.array([sector.share for sector in SECTORS])
    exact = np.cumsum(share / share.sum()) * securities
    sector = np.searchsorted(exact, np.arange(securities) + 0.5)
    random.shuffle(sector)
    giants = ("Information Technology", "Information Technology", "Consumer Discretionary")
    names = [entry.name for entry in SECTORS]
    pattern = [
        *giants,
        "Information Technology",
        "Communication Services",
        "Communication Services",
    ]
    pattern += ["Information Technology", "Financials", "Health Care", "Information Technology"]
    for row, name in enumerate(pattern):  # technology weighs most, as in the real index
        wanted = names.index(name)
        other = row + int(np.argmax(sector[row:] == wanted))
        sector[row], sector[other] = sector[other], sector[row]
    copies = np.flatnonzero((twin >= 0) & (twin < np.arange(securities)))
    sector[copies] = sector[twin[copies]]
    return sector.astype(np.int64)


def _industries(
    random: np.random.Generator, sector: Ints, twin: Ints
) -> tuple[Ints, tuple[str, ...]]:
    names = tuple(industry for entry in SECTORS for industry in entry.industries)
    begin = np.cumsum([0, *(len(entry.industries) for entry in SECTORS)])
    pick = np.zeros(len(sector), np.int64)
    for code, entry in enumerate(SECTORS):
        rows = np.flatnonzero(sector == code)
        count = len(entry.industries)
        chances = np.linspace(1.6, 0.4, count)
        pick[rows] = begin[code] + random.choice(count, len(rows), p=chances / chances.sum())
    copies = np.flatnonzero((twin >= 0) & (twin < np.arange(len(sector))))
    pick[copies] = pick[twin[copies]]
    return pick, names


def _loadings(
    random: np.random.Generator, sector: Ints, size: Floats, twin: Ints
) -> tuple[Floats, Floats, Floats]:
    count = len(sector)
    risky = random.standard_normal(count)  # one trait drives both beta and specific volatility
    beta = np.array([SECTORS[s].beta for s in sector])
    beta = beta * np.exp(0.25 * risky + 0.14 * random.standard_normal(count))
    specific = np.array([SECTORS[s].specific for s in sector])
    tail = np.where(random.random(count) < 0.11, random.uniform(0.25, 0.85, count), 0.0)
    small = -0.05 * (np.log(size) - np.log(size).mean())
    specific = specific * np.exp(
        0.24 * risky + 0.17 * random.standard_normal(count) + tail + np.clip(small, -0.15, 0.1)
    )
    # Giants are spread over many businesses: calmer, and closer to the market.
    giants = np.argsort(-size)[: max(1, count // 50)]
    specific[giants] *= 0.78
    beta[giants] = 0.5 + 0.5 * beta[giants]
    beta /= (beta * size).sum() / size.sum()
    beta *= WIDER_BETA
    beta[giants] /= WIDER_BETA
    growth = np.array([SECTORS[s].growth for s in sector])
    growth = 0.75 * growth + 0.55 * random.standard_normal(count) + 0.3 * risky
    big = (np.log(size) - np.log(size).mean()) / np.log(size).std()
    quality = -0.6 * risky + 0.8 * random.standard_normal(count)
    styles = np.stack([growth, big, quality], axis=1)
    copies = np.flatnonzero((twin >= 0) & (twin < np.arange(count)))
    for values in (beta, specific, styles):
        values[copies] = values[twin[copies]]
    return beta, specific, styles


def _names(
    random: np.random.Generator, sector: Ints, twin: Ints
) -> tuple[tuple[str, ...], tuple[str, ...], frozenset[str]]:
    names = invent_names(random, [SECTORS[s].name for s in sector])
    taken: set[str] = set()
    tickers = [invent_ticker(random, name, taken) for name in names]
    titles = [f"{name} Common Stock" for name in names]
    for second in np.flatnonzero((twin >= 0) & (twin < np.arange(len(sector)))):
        first = int(twin[second])
        titles[first] = f"{names[first]} Class A Common Stock"
        titles[second] = f"{names[first]} Class C Common Stock"
        tickers[second] = tickers[first] + "C"
        taken.add(tickers[second])
    return tuple(titles), tuple(tickers), frozenset(taken)
