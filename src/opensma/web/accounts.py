"""What the account page shows besides the views: sectors, open lots, trades in order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from opensma.book.lotviews import LotRow, PositionRow
from opensma.book.tradeviews import TradeView
from opensma.book.views import AccountView, Decision
from opensma.measure.comparison import benchmark_cents, contributed_cents
from opensma.measure.returns import Floats
from opensma.report.charts import ValueLines
from opensma.report.explain import trade_facts
from opensma.report.reasons import sentence
from opensma.report.words import day_words, money
from opensma.units import Ints
from opensma.web.listing import page_number

TRADES_PER_PAGE = 20
HOLDINGS_PER_PAGE = 40
ACTIVITY_PER_PAGE = 15


@dataclass(frozen=True, slots=True)
class Sector:
    """A sector's weight in the account beside the model's; fractions of account value."""

    name: str
    weight: float
    target: float

    @property
    def active(self) -> float:
        """Weight less target."""
        return self.weight - self.target


def sectors(positions: Sequence[PositionRow]) -> list[Sector]:
    """Sectors by descending target."""
    weights: dict[str, tuple[float, float]] = {}
    for row in positions:
        weight, target = weights.get(row.sector, (0.0, 0.0))
        weights[row.sector] = (weight + row.weight, target + row.target)
    found = [Sector(name, weight, target) for name, (weight, target) in weights.items()]
    return sorted(found, key=lambda s: (-s.target, s.name))


def by_security(lots: Sequence[LotRow]) -> dict[int, list[LotRow]]:
    """Open lots of each security, oldest first."""
    found: dict[int, list[LotRow]] = {}
    for lot in sorted(lots, key=lambda x: (x.acquired, x.lot)):
        found.setdefault(lot.security_key, []).append(lot)
    return found


@dataclass(frozen=True, slots=True)
class TradeRow:
    """A trade with its sentence."""

    trade: TradeView
    gain_cents: int | None
    why: str


PositionKey = Callable[[PositionRow], str | float]
POSITION_SORTS: dict[str, PositionKey] = {
    "symbol": lambda p: p.symbol,
    "sector": lambda p: p.sector,
    "value": lambda p: p.value_cents,
    "basis": lambda p: p.basis_cents,
    "gain": lambda p: p.gain_cents,
    "weight": lambda p: p.weight,
    "active": lambda p: p.weight - p.target,
    "lots": lambda p: p.lots,
}


def decided_gain(trade: TradeView) -> int | None:
    """Gain of the lot sold as the plan saw it, before the fee; None for a purchase."""
    return None if trade.lot is None else trade.notional_cents - trade.lot.basis_cents


TradeKey = Callable[[TradeView], str | float]
TRADE_SORTS: dict[str, TradeKey] = {
    "symbol": lambda t: t.symbol,
    "amount": lambda t: t.notional_cents,
    "gain": lambda t: decided_gain(t) or 0,
    "risk": lambda t: t.risk_cents,
    "tax": lambda t: t.tax_cents,
    "cost": lambda t: t.cost_cents,
    "total": lambda t: t.total_cents,
}


@dataclass(frozen=True, slots=True)
class Look:
    """What the reader of an account page asked to see."""

    holding: str = ""  # search words for holdings
    hsort: str = "value"
    hdir: str = "desc"
    hpage: int = 1
    lots: str = ""  # a security key, or "all"
    reason: str = ""
    tsort: str = "total"  # what helps most stands first
    tdir: str = "asc"
    tpage: int = 1
    apage: int = 1

    def query(self, **changes: str | int) -> str:
        """The address of the same look with some changes."""
        default = Look()
        after = replace(self, **changes)  # type: ignore[arg-type]
        values = {name: getattr(after, name) for name in Look.__slots__}
        return urlencode({n: v for n, v in values.items() if v != getattr(default, n)})

    def holdings_by(self, sort: str) -> str:
        """The query that sorts holdings; the same column again turns the order round."""
        first = "asc" if sort in ("symbol", "sector") else "desc"
        after = _turned(self.hdir) if sort == self.hsort else first
        return self.query(hsort=sort, hdir=after, hpage=1)

    def trades_by(self, sort: str) -> str:
        """The query that sorts trades; the same column again turns the order round."""
        after = _turned(self.tdir) if sort == self.tsort else "asc"
        return self.query(tsort=sort, tdir=after, tpage=1)


def _turned(direction: str) -> str:
    return "asc" if direction == "desc" else "desc"


def read_look(given: Mapping[str, str]) -> Look:
    """The look in an address; words that mean nothing here are ignored."""
    default = Look()
    hsort, tsort, lots = given.get("hsort", ""), given.get("tsort", ""), given.get("lots", "")
    hdir, tdir = given.get("hdir", ""), given.get("tdir", "")
    return Look(
        holding=given.get("holding", "").strip()[:100],
        hsort=hsort if hsort in POSITION_SORTS else default.hsort,
        hdir=hdir if hdir in ("asc", "desc") else default.hdir,
        hpage=page_number(given.get("hpage", "")),
        lots=lots if lots == "all" or (lots.isascii() and lots.isdigit()) else "",
        reason=given.get("reason", "")[:40],
        tsort=tsort if tsort in TRADE_SORTS else default.tsort,
        tdir=tdir if tdir in ("asc", "desc") else default.tdir,
        tpage=page_number(given.get("tpage", "")),
        apage=page_number(given.get("apage", "")),
    )


def held(positions: Sequence[PositionRow], look: Look) -> list[PositionRow]:
    """Positions with lots that match the search, sorted."""
    words = look.holding.casefold().split()
    found = [
        p
        for p in positions
        if p.lots and all(w in f"{p.symbol} {p.name} {p.sector}".casefold() for w in words)
    ]
    return sorted(found, key=POSITION_SORTS[look.hsort], reverse=look.hdir == "desc")


def traded(decision: Decision, look: Look) -> list[TradeView]:
    """The plan's trades with the reason asked for, in the order asked for."""
    found = [t for t in decision.trades if not look.reason or t.reason == look.reason]
    return sorted(found, key=TRADE_SORTS[look.tsort], reverse=look.tdir == "desc")


def trade_rows(decision: Decision, trades: Sequence[TradeView]) -> list[TradeRow]:
    """Trades with their sentences; what is said of the whole plan stands above the table."""
    rows = []
    for trade in trades:
        facts = replace(trade_facts(trade, decision), te_before=None, te_after=None)
        if trade.side == "sell":  # what the plan buys instead stands in the same table
            facts = replace(facts, partners=())
        rows.append(TradeRow(trade, decided_gain(trade), sentence(facts)))
    return rows


def reason_counts(decision: Decision) -> dict[str, int]:
    """How many trades the plan makes for each reason, the most frequent first."""
    counts: dict[str, int] = {}
    for trade in decision.trades:
        counts[trade.reason] = counts.get(trade.reason, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def value_lines(view: AccountView, market_days: Ints, levels: Floats) -> ValueLines | None:
    """The value chart's data; None before the account has two valued days."""
    series = view.series
    if series is None or len(series.days) < 2:
        return None
    benchmark = benchmark_cents(series, market_days, levels)
    contributed = contributed_cents(series)
    first, last = day_words(int(series.days[0])), day_words(int(series.days[-1]))
    return ValueLines(
        f"Value of {view.account.account_id} from {first} to {last}",
        f"On {last} the account is worth {money(int(series.value_cents[-1]))}, the same deposits "
        f"and withdrawals in the benchmark {money(round(float(benchmark[-1])))}, and net "
        f"contributions are {money(int(contributed[-1]))}.",
        series.days,
        series.value_cents,
        benchmark,
        contributed,
    )


def month_ends(lines: ValueLines) -> list[tuple[int, int, int, int]]:
    """(day, value, benchmark, contributed) on each month's last session, newest first."""
    months = [day_words(int(day)).split(" ", 1)[1] for day in lines.days]
    last = [i for i, month in enumerate(months) if i + 1 == len(months) or months[i + 1] != month]
    return [
        (
            int(lines.days[i]),
            int(lines.value_cents[i]),
            round(float(lines.benchmark_cents[i])),
            int(lines.contributed_cents[i]),
        )
        for i in reversed(last)
    ]
