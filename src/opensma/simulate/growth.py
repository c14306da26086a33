"""How a demo programme was won: firms, offices, persons, touches, spend, stages, and gates.

Everybody is invented, joined to the accounts of a demo book, and the same for the same seed. The
files are those that `sma growth load` takes.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np

from opensma.book.master import AccountRecord, Advisor
from opensma.growth.privacy import email_key
from opensma.growth.warehouse.schema import table_named
from opensma.simulate.growth_spend import TERRITORIES, monthly_spend

OFFICES = 6  # of every advisor
PLATFORMS = ("Summit Exchange", "Causeway Platform")
DEMO_KEY = b"this key of the demo is no secret"
_AGREES = 4  # of ten persons, to uploads for ads
_EPOCH = date(2021, 1, 1)


@dataclass(frozen=True, slots=True)
class Road:
    """One way to a first account: channels in order; where money is spent differs from credit."""

    name: str
    share: float
    steps: tuple[str, ...]
    since: int = 2020  # the year in which this way appears


ROADS = (
    Road("wholesaler", 0.27, ("wholesaler", "email", "webinar", "wholesaler", "wholesaler")),
    Road("search", 0.18, ("paid_search", "organic_search", "email", "webinar", "wholesaler")),
    Road("conference", 0.16, ("conference", "email", "direct", "wholesaler")),
    Road("content", 0.12, ("organic_search", "email", "webinar", "email", "direct")),
    Road("assistant", 0.09, ("ai_assistant", "direct", "webinar", "wholesaler"), since=2023),
    Road("social", 0.07, ("paid_social", "organic_social", "webinar", "email")),
    Road("partner", 0.06, ("referral_partner", "wholesaler")),
    Road("silent", 0.05, ()),  # nothing on record: unattributed
)
# An approved placement and nothing else on record.
_PLACED = 0.06
_DETOURS = ("email", "direct", "organic_search", "display", "webinar")


@dataclass
class Files:
    """Rows of every file that is written."""

    rows: dict[str, list[tuple[object, ...]]] = field(default_factory=dict)
    addresses: list[str] = field(default_factory=list)  # as a customer system would have them

    def add(self, table: str, *values: object) -> None:
        """One row, in the order of the table's columns."""
        self.rows.setdefault(table, []).append(values)

    def write(self, folder: Path) -> None:
        """The rows as CSV, sorted, so that the same seed gives the same bytes."""
        folder.mkdir(parents=True, exist_ok=True)
        for name, rows in sorted(self.rows.items()):
            table = table_named(name)
            assert table is not None
            with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as out:
                writer = csv.writer(out, lineterminator="\n")
                writer.writerow(table.names)
                texts = (["" if v is None else str(v) for v in row] for row in rows)
                writer.writerows(sorted(texts))

    def write_contacts(self, folder: Path) -> None:
        """Addresses and the key they were hashed with: what an upload to an ad network asks for."""
        (folder / "contacts.csv").write_text("\n".join(["email", *sorted(self.addresses), ""]))
        (folder / "demo.key").write_bytes(DEMO_KEY)


@dataclass(frozen=True, slots=True)
class Office:
    """An advisor team: the buying group."""

    office_id: str
    firm_id: str
    persons: tuple[str, ...]
    accounts: tuple[AccountRecord, ...]

    @property
    def first(self) -> date | None:
        """When its first account was funded."""
        return min((date.fromisoformat(a.opened) for a in self.accounts), default=None)


def generate_growth(
    accounts: Sequence[AccountRecord], advisors: Sequence[Advisor], last: date, seed: int
) -> Files:
    """The files of a programme whose accounts are these, until a last day."""
    files = Files()
    offices = _offices(accounts, advisors)
    _firms(files, advisors)
    for number, office in enumerate(offices):
        rng = np.random.default_rng([seed, 31, number])
        _people(files, office, rng)
        _office_story(files, office, rng, last)
    _bought(files, offices)
    _prospects(files, np.random.default_rng([seed, 32]), last)
    for row in monthly_spend(date(2020, 1, 1), last, seed):
        files.add("spend", *row)
    _experiments(files, offices, seed)
    return files


def _offices(accounts: Sequence[AccountRecord], advisors: Sequence[Advisor]) -> list[Office]:
    """Households keep to one office of their advisor; offices come one after the other."""
    first = min(date.fromisoformat(a.opened) for a in accounts)
    days = (max(date.fromisoformat(a.opened) for a in accounts) - first).days + 1
    mine: dict[str, list[AccountRecord]] = {}
    office_of: dict[str, str] = {}
    for account in sorted(accounts, key=lambda a: (a.opened, a.account_key)):
        since = (date.fromisoformat(account.opened) - first).days
        newest = since * OFFICES // days
        draw = int(hashlib.sha256(account.taxpayer_id.encode()).hexdigest()[:8], 16)
        number = newest if draw % 10 < 5 else draw // 10 % (newest + 1)
        name = office_of.setdefault(account.taxpayer_id, f"{account.advisor_id}-{number + 1}")
        mine.setdefault(name, []).append(account)
    found = []
    for advisor in advisors:
        for number in range(1, OFFICES + 1):
            name = f"{advisor.advisor_id}-{number}"
            persons = tuple(f"{name}-p{i}" for i in range(1, 3 + (number == 1)))
            found.append(Office(name, firm_id(advisor.firm), persons, tuple(mine.get(name, ()))))
    return found


def firm_id(name: str) -> str:
    """A firm's id from its name."""
    return "-".join("".join(c if c.isalnum() else " " for c in name.lower()).split())


def _firms(files: Files, advisors: Sequence[Advisor]) -> None:
    for number, name in enumerate(sorted({a.firm for a in advisors})):
        kind = ("ria", "ria", "family_office", "bd")[number % 4]
        files.add("firm", firm_id(name), None, 100_000 + number, kind, _domain(firm_id(name)),
                  _EPOCH, None)  # fmt: skip
    for name in PLATFORMS:
        files.add("firm", firm_id(name), None, None, "platform", None, _EPOCH, None)
    for firm in sorted({firm_id(a.firm) for a in advisors})[::2]:
        for step, status in enumerate(("requested", "approved")):
            at = datetime(2021, 1, 4 + step * 21, 15)
            files.add("gate", firm, firm_id(PLATFORMS[len(firm) % 2]), "large-cap-tax", status, at,
                      250_000 if status == "approved" else None)  # fmt: skip


def _people(files: Files, office: Office, rng: np.random.Generator) -> None:
    _territory(files, office)
    for person in office.persons:
        crd = int(hashlib.sha256(person.encode()).hexdigest()[:6], 16) + 2_000_000
        state = "legitimate_interest" if rng.random() < 0.97 else "unknown"
        files.add("person", person, office.firm_id, office.office_id, crd, "advisor", state,
                  _EPOCH, None)  # fmt: skip
        files.add("alias", "crd", crd, person, None, "verified", "public register",
                  datetime(2021, 1, 2))  # fmt: skip
        files.add("alias", "rep_code", f"R{crd % 10_000:04d}-{person}", person, None, "declared",
                  "custodian feed", datetime(2021, 1, 2))  # fmt: skip
        _address(files, office, person, crd)
        if rng.random() < 0.02:
            files.add("consent", person, "analytics", "withdrawn", "preference page",
                      datetime(2024, 6, 3, 9))  # fmt: skip


def _territory(files: Files, office: Office) -> None:
    draw = int(hashlib.sha256(office.firm_id.encode()).hexdigest()[:6], 16)
    territory = TERRITORIES[draw % len(TERRITORIES)]
    files.add("office", office.office_id, office.firm_id, territory, _EPOCH, None)


def _address(files: Files, office: Office, person: str, number: int) -> None:
    """An address at the firm's domain, as a key; some agree to uploads for ads."""
    address = f"{person}@{_domain(office.firm_id)}"
    files.addresses.append(address)
    files.add("alias", "email_hmac", email_key(address, DEMO_KEY), person, None, "imported",
              "customer system", datetime(2021, 1, 2))  # fmt: skip
    if number % 10 < _AGREES:
        files.add("consent", person, "ads", "granted", "preference page", datetime(2021, 6, 1, 9))


def _domain(firm: str) -> str:
    return firm.replace("-", "") + ".example"


def _office_story(files: Files, office: Office, rng: np.random.Generator, last: date) -> None:
    """From the first touch to the accounts, and what came after."""
    placed = rng.random() < _PLACED
    first = office.first
    if first is None:
        _touches(files, office, rng, _road(rng, last.year), last - timedelta(days=60), last)
        return
    road = ROADS[-1] if placed else _road(rng, first.year)
    _touches(files, office, rng, road, first, last)
    _links(files, office, rng, firm_id(PLATFORMS[0]) if placed else None)
    if road.steps:
        _stages(files, office, rng, first)
        _aftercare(files, office, rng, first, last)


def _bought(files: Files, offices: Sequence[Office]) -> None:
    """One office came with the book of an adviser who retired: the largest that began in 2023."""
    late = [o for o in offices if o.first is not None and o.first.year == 2023]
    for office in sorted(late, key=lambda o: (-len(o.accounts), o.office_id))[:1]:
        for account in office.accounts:
            if account.opened[:4] == "2023":
                files.add("acquisition", account.account_id, account.opened,
                          "book of an adviser who retired")  # fmt: skip


def _road(rng: np.random.Generator, year: int) -> Road:
    open_roads = [road for road in ROADS if road.since <= year]
    weights = np.array([road.share for road in open_roads])
    return open_roads[int(rng.choice(len(open_roads), p=weights / weights.sum()))]


def _touches(
    files: Files, office: Office, rng: np.random.Generator, road: Road, until: date, last: date
) -> None:
    """The road's steps in order over four to fifteen months before the funding, with detours."""
    steps = list(road.steps)
    for _ in range(int(rng.integers(0, 4)) if steps else 0):
        steps.insert(int(rng.integers(1, len(steps) + 1)), str(rng.choice(_DETOURS)))
    span = int(rng.integers(120, 460))
    offsets = sorted((int(x) for x in rng.integers(1, span, len(steps))), reverse=True)
    for channel, offset in zip(steps, offsets, strict=True):
        day = until - timedelta(days=offset)
        if day <= last:
            _touch(files, office, rng, channel, day)


def _touch(files: Files, office: Office, rng: np.random.Generator, channel: str, day: date) -> None:
    at = datetime(day.year, day.month, day.day, int(rng.integers(8, 19)), int(rng.integers(0, 60)))
    offline = channel in {"wholesaler", "conference", "webinar", "referral_partner"}
    person = str(rng.choice(office.persons))
    number = len(files.rows.get("touch", ()))
    campaign = campaign_of(channel, day)
    files.add(
        "touch", f"t{number:06d}", at, person, office.firm_id, channel, None, campaign, None,
        "visit" if not offline else "meeting", "crm" if offline else "utm", None, None,
    )  # fmt: skip


def campaign_of(channel: str, day: date) -> str | None:
    """The campaign that runs on a channel in a half-year; none where nothing is bought."""
    if channel in {"direct", "organic_search", "organic_social", "ai_assistant", "referral"}:
        return None
    return f"{channel}-{day.year}h{1 if day.month <= 6 else 2}"


def _links(files: Files, office: Office, rng: np.random.Generator, platform: str | None) -> None:
    """Who serves which account with which share; one in six is shared, one in twelve moves."""
    for account in office.accounts:
        opened = date.fromisoformat(account.opened)
        lead, other = office.persons[:2]
        draw = rng.random()
        shares = [(lead, 10_000)] if draw > 0.16 else [(lead, 6_000), (other, 4_000)]
        moved = date(2024, 4, 1)
        if draw < 0.08 and opened < date(2024, 1, 1):
            for person, bps in shares:
                _link(files, account, office, platform, (person, bps), (opened, date(2024, 3, 31)))
            shares, opened = [(lead, 5_000), (other, 5_000)], moved
        for share in shares:
            _link(files, account, office, platform, share, (opened, None))


def _link(
    files: Files, account: AccountRecord, office: Office, platform: str | None,
    share: tuple[str, int], dates: tuple[date, date | None],
) -> None:  # fmt: skip
    opportunity = f"opp-{office.office_id}" if platform is None else None
    files.add("account_link", account.account_id, office.firm_id, share[0], opportunity, platform,
              share[1], *dates, "advisory agreement")  # fmt: skip


def _stages(files: Files, office: Office, rng: np.random.Generator, first: date) -> None:
    """Targeted, met, proposed, opened, funded."""
    opp = f"opp-{office.office_id}"
    days = np.sort(rng.integers(20, 220, 3))[::-1]
    opened = first - timedelta(days=int(days[0]) + 30)
    files.add("opportunity", opp, office.firm_id, office.office_id, "large-cap-tax", None,
              datetime(opened.year, opened.month, opened.day, 9))  # fmt: skip
    moments = [first - timedelta(days=int(d)) for d in days] + [first]
    for stage, day in zip(("meeting", "proposal", "opened", "funded"), moments, strict=True):
        files.add("stage_event", opp, stage, datetime(day.year, day.month, day.day, 16), "crm")


def _aftercare(
    files: Files, office: Office, rng: np.random.Generator, first: date, last: date
) -> None:
    """Newsletters and visits go on after the first account."""
    day = first + timedelta(days=int(rng.integers(20, 90)))
    while day < last:
        channel = str(rng.choice(["email", "wholesaler", "webinar"], p=[0.6, 0.28, 0.12]))
        _touch(files, office, rng, channel, day)
        day += timedelta(days=int(rng.integers(45, 150)))


def _prospects(files: Files, rng: np.random.Generator, last: date) -> None:
    """Firms that were touched and never funded: some gave up, some are still talking."""
    for number in range(120):
        firm = f"prospect-{number + 1:03d}"
        files.add("firm", firm, None, 300_000 + number, "ria", f"{firm}.example", _EPOCH, None)
        office = Office(f"{firm}-o", firm, (f"{firm}-p1",), ())
        files.add("person", office.persons[0], firm, office.office_id, None, "advisor",
                  "legitimate_interest", _EPOCH, None)  # fmt: skip
        until = last - timedelta(days=int(rng.integers(0, 1100)))
        road = _road(rng, until.year)
        cut = Road(road.name, road.share, road.steps[: int(rng.integers(1, 4))])
        _touches(files, office, rng, cut, until, last)
        _territory(files, office)
        _address(files, office, office.persons[0], number)
        opened = datetime(until.year, until.month, until.day, 9) - timedelta(days=60)
        if rng.random() < 0.5:
            files.add("opportunity", f"opp-{firm}", firm, office.office_id, "large-cap-tax", None,
                      opened)  # fmt: skip
            files.add("stage_event", f"opp-{firm}", "meeting", opened + timedelta(days=40), "crm")
            over = opened + timedelta(days=180)
            if rng.random() < 0.5 and over.date() <= last:
                files.add("stage_event", f"opp-{firm}", "lost", over, "crm")


def _experiments(files: Files, offices: Sequence[Office], seed: int) -> None:
    """Two finished tests with the effect their analysis found, in share of meetings."""
    spec = (
        ("webinar-2023", "webinar", date(2023, 3, 1), (0.021, 0.004, 0.038), 0.016),
        ("search-2024", "paid_search", date(2024, 2, 1), (0.006, -0.011, 0.023), 0.49),
    )
    for name, channel, start, (effect, low, high), p_value in spec:
        arms, weights = json.dumps(["control", "treated"]), json.dumps([0.5, 0.5])
        salt = f"{name}-{seed}"
        files.add("experiment", name, "office", arms, weights, salt, start, "meeting rate",
                  "billed revenue", effect, low, high, p_value, channel)  # fmt: skip
        for office in offices:
            digest = hashlib.sha256(f"{salt}:{office.office_id}".encode()).hexdigest()[:16]
            arm = ("control", "treated")[int(digest, 16) >= 2**63]
            files.add("assignment", name, office.office_id, arm,
                      datetime(start.year, start.month, start.day))  # fmt: skip
