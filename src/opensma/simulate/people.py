"""Seeded owners: households, their taxes, accounts, wishes and the advisors who serve them.

Everybody is invented. The same seed and index give the same household, whatever is drawn around
it, so that a book of 50 accounts is the beginning of a book of 1,000.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from importlib.resources import files

import numpy as np

from opensma.book.master import (
    AccountRecord,
    Advisor,
    Grant,
    Household,
    Owner,
    Program,
    Restriction,
    Strategy,
    TaxpayerRecord,
    TaxProfile,
    User,
)
from opensma.book.rights import Role, Scope
from opensma.market import Market
from opensma.tax.rates import marginal_rates
from opensma.units import MICROS

FIRST, LAST = (
    tuple(line.split())
    for line in files("opensma.simulate").joinpath("names.txt").read_text().splitlines()
)
FIRMS = (
    "Harbor Lane Advisors",
    "Copperfield Wealth",
    "Juniper & Vale",
    "Tidewater Family Office",
    "Meridian Oak Planning",
    "Lantern Street Partners",
    "Northgate Fiduciary",
    "Blue Heron Advisory",
)
STATES = {
    "CA": 18,
    "NY": 14,
    "TX": 12,
    "FL": 11,
    "NJ": 7,
    "IL": 7,
    "MA": 7,
    "PA": 6,
    "WA": 5,
    "CO": 4,
    "GA": 3,
    "NC": 3,
    "OR": 2,
    "MN": 1,
}
RECENT = 19  # sessions within which a harvest keeps its wash window open
CUSTODIANS = ("Custodian A", "Custodian B", "Custodian C")
PROGRAM = Program("direct", "Direct Indexing")
STRATEGY = Strategy("large-cap-tax", "direct", "Large Cap 500 Tax-Managed", "large_cap_500")


@dataclass(frozen=True, slots=True)
class World:
    """What owners know of the market: its sessions, sectors, and themes they may object to."""

    days: tuple[date, ...]
    sectors: tuple[str, ...]
    themes: tuple[str, ...]


def world_of(market: Market) -> World:
    """The owners' view of a market; only themes that some security has can be excluded."""
    return World(
        tuple(date.fromordinal(int(day)) for day in market.days),
        market.sector_name,
        tuple(theme for theme in _THEMES if theme in market.themes),
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """What an owner does with an account: when it is funded, with how much, and what follows."""

    funded_row: int  # session
    initial_cents: int
    legacy: tuple[tuple[int, int], ...]  # (rank by size, cents): large positions from the start
    contributions: tuple[tuple[int, int], ...]  # (session, cents), invested the same day
    arrived: tuple[int, int] | None  # (session, cents) of the last days, not invested yet
    sweeps_dividends_out: bool  # takes the cash each quarter instead of investing it
    harvests: tuple[int, ...]  # sessions; after all but a recent one the cash is invested again


@dataclass(frozen=True, slots=True)
class SimulatedHousehold:
    """One taxpayer with owners, accounts, wishes and the plan of each account."""

    household: Household
    owners: tuple[Owner, ...]
    plans: tuple[Plan, ...]  # aligned with the household's accounts


def advisors() -> list[Advisor]:
    """The advisors of the demo's firms."""
    found = []
    for number in range(24):
        name = f"{FIRST[(number * 7) % len(FIRST)]} {LAST[(number * 11 + 5) % len(LAST)]}"
        found.append(Advisor(f"adv-{number + 1:02d}", name, FIRMS[number % len(FIRMS)]))
    return found


def users(advised: list[Advisor], first_owner: Owner, year: int) -> list[User | Grant]:
    """One user of each role, and what each may see; the accountant one tax year."""
    program, owner, payer = PROGRAM.program_id, first_owner.owner_id, first_owner.taxpayer_id
    people: list[tuple[str, str, Role, Scope, str, int | None]] = [
        ("manager", "Portfolio manager", Role.MANAGER, Scope.PROGRAM, program, None),
        ("operations", "Operations desk", Role.OPERATIONS, Scope.PROGRAM, program, None),
        ("auditor", "Auditor", Role.AUDITOR, Scope.PROGRAM, program, None),
        ("sponsor", "Program sponsor", Role.SPONSOR, Scope.PROGRAM, program, None),
        ("growth", "Growth team", Role.GROWTH, Scope.PROGRAM, program, None),
        ("advisor", advised[0].name, Role.ADVISOR, Scope.ADVISOR, advised[0].advisor_id, None),
        ("owner", first_owner.name, Role.OWNER, Scope.OWNER, owner, None),
        ("household", "Household member", Role.HOUSEHOLD, Scope.TAXPAYER, payer, None),
        ("accountant", "Accountant", Role.ACCOUNTANT, Scope.TAXPAYER, payer, year),
    ]
    found: list[User | Grant] = [User(user, name) for user, name, *_ in people]
    for user, _, role, scope, key, only in people:
        grant = Grant(f"first/{user}", user, role, scope, key, only, "1970-01-01", None, "demo")
        found.append(grant)
    return found


def household(
    seed: int, number: int, first_account_key: int, room: int, world: World
) -> SimulatedHousehold:
    """Household `number` with at most `room` accounts, funded on some of the world's sessions."""
    rng = np.random.default_rng([seed, 11, number])
    status = str(rng.choice(["single", "joint", "head", "trust"], p=[0.36, 0.48, 0.06, 0.10]))
    state = str(rng.choice(list(STATES), p=np.array(list(STATES.values())) / 100))
    family = LAST[int(rng.integers(len(LAST)))]
    firsts = [FIRST[int(i)] for i in rng.choice(len(FIRST), 2, replace=False)]
    name = _household_name(status, firsts, family)
    taxpayer = TaxpayerRecord(f"tp-{number + 1:05d}", number + 1, name, status, state)
    owners = tuple(
        Owner(f"own-{number + 1:05d}-{i + 1}", taxpayer.taxpayer_id, person)
        for i, person in enumerate(_people(status, firsts, family, name))
    )
    count = min(room, 1 + int(rng.choice(3, p=[0.76, 0.19, 0.05])))
    accounts, plans, wishes = [], [], {}
    for i in range(count):
        plan = _plan(rng, len(world.days))
        opened = world.days[plan.funded_row].isoformat()
        account = _account(rng, taxpayer, owners, i, first_account_key + i, opened)
        wishes[account.account_id] = _wishes(rng, account, world)
        accounts.append(_within_reach(account, wishes[account.account_id]))
        plans.append(plan)
    profile = _profile(rng, taxpayer, world.days[-1].year)
    return SimulatedHousehold(
        Household(taxpayer, profile, tuple(accounts), wishes), owners, tuple(plans)
    )


def _household_name(status: str, firsts: list[str], family: str) -> str:
    if status == "trust":
        return f"{family} Family Trust"
    if status == "joint":
        return f"{firsts[0]} & {firsts[1]} {family}"
    return f"{firsts[0]} {family}"


def _people(status: str, firsts: list[str], family: str, name: str) -> list[str]:
    if status == "joint":
        return [f"{first} {family}" for first in firsts]
    return [name]


def _profile(rng: np.random.Generator, taxpayer: TaxpayerRecord, year: int) -> TaxProfile:
    """Marginal rates of the day's year for an income drawn from the affluent half."""
    income = int(np.exp(rng.normal(np.log(310_000), 0.65))) * 100
    rates = marginal_rates(year, taxpayer.filing_status, income, income, taxpayer.state)
    return TaxProfile(
        taxpayer.taxpayer_id,
        "2021-01-01",
        income,
        rates.short_millionths,
        rates.long_millionths,
    )


def _plan(rng: np.random.Generator, sessions: int) -> Plan:
    """Funded on any session that leaves two months; sizes from $100,000 up, most below $1m."""
    latest = sessions - 45
    funded = int(latest * rng.beta(1.5, 1.0))
    initial = int(100_000 * np.exp(abs(rng.normal(0.0, 1.15)))) // 500 * 500 * 100
    return Plan(
        funded,
        initial,
        _legacy(rng, initial),
        _contributions(rng, initial, funded, sessions),
        _arrived(rng, initial, sessions),
        bool(rng.random() < 0.2),
        _harvests(rng, funded, sessions),
    )


def _legacy(rng: np.random.Generator, initial: int) -> tuple[tuple[int, int], ...]:
    """One owner in fourteen arrives with one or two names that are far too large."""
    if rng.random() >= 0.07:
        return ()
    ranks = rng.choice(120, int(rng.integers(1, 3)), replace=False)
    return tuple((int(rank), int(initial * rng.uniform(0.08, 0.25))) for rank in ranks)


def _contributions(
    rng: np.random.Generator, initial: int, funded: int, sessions: int
) -> tuple[tuple[int, int], ...]:
    rows = np.unique(rng.integers(funded + 5, sessions - 6, int(rng.integers(0, 6))))
    return tuple((int(row), _thousands(initial * rng.uniform(0.05, 0.35))) for row in rows)


def _arrived(rng: np.random.Generator, initial: int, sessions: int) -> tuple[int, int] | None:
    """Money that came in this week: the day's first task for one account in eight."""
    if rng.random() >= 0.12:
        return None
    return sessions - 1 - int(rng.integers(0, 4)), _thousands(initial * rng.uniform(0.02, 0.25))


def _thousands(cents: float) -> int:
    return int(cents) // 100_000 * 100_000 + 100_000


def _harvests(rng: np.random.Generator, funded: int, sessions: int) -> tuple[int, ...]:
    """A harvest in most quarters, and for three in ten one whose wash window is still open."""
    first = funded + 40 + int(rng.integers(0, 63))
    seasons = {row for row in range(first, sessions - RECENT, 63) if rng.random() < 0.8}
    if sessions - RECENT > funded + 40 and rng.random() < 0.6:
        seasons.add(sessions - RECENT - int(rng.integers(0, 20)))
    recent = sessions - 1 - int(rng.integers(RECENT // 5, RECENT))
    return tuple(sorted(seasons | ({recent} if rng.random() < 0.3 else set())))


def _account(
    rng: np.random.Generator,
    taxpayer: TaxpayerRecord,
    owners: tuple[Owner, ...],
    position: int,
    key: int,
    opened: str,
) -> AccountRecord:
    owner = owners[position % len(owners)]
    registration = _registration(rng, taxpayer.filing_status, position)
    capped = rng.random() < 0.25
    leaving = rng.random() < 0.06  # a withdrawal is planned: cash has to be raised
    titles = {
        "joint": "Joint",
        "ira": "IRA",
        "roth_ira": "Roth IRA",
        "trust": "Trust",
        "individual": "Individual",
    }
    holder = taxpayer.name if registration in ("joint", "trust") else owner.name
    return AccountRecord(
        account_id=f"A{key:06d}",
        account_key=key,
        taxpayer_id=taxpayer.taxpayer_id,
        owner_id=owner.owner_id,
        strategy_id=STRATEGY.strategy_id,
        advisor_id=f"adv-{int(rng.integers(24)) + 1:02d}",
        name=f"{holder} · {titles[registration]}",
        registration=registration,
        custodian=CUSTODIANS[int(rng.integers(len(CUSTODIANS)))],
        opened=opened,
        status="active",
        whole_shares=1,
        risk_aversion_micros=None if capped else int(rng.choice([40, 60, 90])) * MICROS,
        te_cap_bps=int(rng.choice([150, 200, 250])) if capped else None,
        cash_low_bps=400 if leaving else 20,
        cash_high_bps=600 if leaving else int(rng.choice([150, 200])),
        min_trade_cents=int(rng.choice([10_000, 20_000])),
    )


def _registration(rng: np.random.Generator, status: str, position: int) -> str:
    if position == 0:
        return {"joint": "joint", "trust": "trust"}.get(status, "individual")
    if status == "trust":
        return "trust"
    return str(rng.choice(["ira", "roth_ira", "individual"], p=[0.55, 0.2, 0.25]))


def _within_reach(account: AccountRecord, wishes: tuple[Restriction, ...]) -> AccountRecord:
    """Whoever excludes names follows the index as well as can be, not within a fixed cap."""
    if account.te_cap_bps is None or not any(wish.kind == "exclude" for wish in wishes):
        return account
    return replace(account, te_cap_bps=None, risk_aversion_micros=60 * MICROS)


_THEMES = ("fossil_fuel", "tobacco", "firearms", "gambling", "alcohol", "aerospace_defense")


def _wishes(
    rng: np.random.Generator, account: AccountRecord, world: World
) -> tuple[Restriction, ...]:
    """A third of the owners exclude something, some cap a position or a sector."""
    found: list[Restriction] = []

    def add(kind: str, scope: str, key: str, value: int | None, reason: str) -> None:
        number = len(found) + 1
        found.append(
            Restriction(
                f"{account.account_id}-r{number}",
                account.account_id,
                kind,
                scope,
                key,
                value,
                account.opened,
                None,
                reason,
            )
        )

    if rng.random() < 0.26 and world.themes:
        wanted = min(int(rng.integers(1, 3)), len(world.themes))
        for theme in rng.choice(world.themes, wanted, replace=False):
            add("exclude", "theme", str(theme), None, "Owner's values")
    if rng.random() < 0.08:
        add("exclude", "sector", str(rng.choice(world.sectors)), None, "Employer's industry")
    if rng.random() < 0.05:
        chosen = str(rng.choice(world.sectors))
        add("sector_max", "sector", chosen, 4_000, "Concentration limit")
    return tuple(found)
