"""Why the fees of a period are not those of the one before: a bridge, exact in cents (B33)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from opensma.billing.drafts import Drafts
from opensma.billing.exact import to_cents
from opensma.billing.sources import Sources
from opensma.book.invoices import FeeLedgerRow, InvoiceLineRow
from opensma.units import CENTS

STEPS = ("closed", "held", "new", "flows", "market", "days", "rate", "adjustments")


@dataclass(frozen=True, slots=True)
class Bridge:
    """From the fees of the period before to this one's; the steps sum to the difference."""

    before: str
    before_cents: int
    now_cents: int
    steps: Mapping[str, int]  # cents, by the names of STEPS


@dataclass(slots=True)
class _Side:
    """An account's fee of one period; `core` are its base and discount lines, in cents."""

    agreement: str
    last: str
    total: int = 0
    core: int = 0
    base: int = 0  # cents
    days: int = 0


_Rows = tuple[str, Sequence[InvoiceLineRow], Sequence[FeeLedgerRow]]


def bridge(sources: Sources, drafts: Drafts) -> Bridge:
    """The bridge over every account that is billed in one of the two periods.

    `flows` is the net money of the time between the two last days at the old rate and days,
    `market` the rest of the change in value; then days, then the rate with discounts.
    """
    past = sources.period.previous.name
    kept: list[_Rows] = [
        (r.agreement, sources.lines.get(r.invoice_id, ()), sources.ledger.get(r.invoice_id, ()))
        for r in sources.live
        if r.period in (past, sources.period.name)
    ]
    periods = [r.period for r in sources.live if r.period in (past, sources.period.name)]
    made: list[_Rows] = [(d.agreement, d.lines, d.ledger) for d in drafts.drafts if not d.held]
    old = _sides(rows for rows, name in zip(kept, periods, strict=True) if name == past)
    new = _sides([r for r, name in zip(kept, periods, strict=True) if name != past] + made)
    held = {d.agreement for d in drafts.drafts if d.held}
    steps = dict.fromkeys(STEPS, 0)
    for account in sorted(old.keys() | new.keys()):
        before, now = old.get(account), new.get(account)
        if before is None and now is not None:
            steps["new"] += now.total
        elif before is not None and now is None:
            steps["held" if before.agreement in held else "closed"] -= before.total
        elif before is not None and now is not None:
            for name, cents in _steps(before, now, _money(sources, account, before, now)).items():
                steps[name] += cents
    before_cents, now_cents = (sum(s.total for s in sides.values()) for sides in (old, new))
    return Bridge(past, before_cents, now_cents, steps)


def _sides(rows: Iterable[_Rows]) -> dict[str, _Side]:
    found: dict[str, _Side] = {}
    for agreement, lines, ledger in rows:
        for part in ledger:
            side = found.setdefault(part.account_id, _Side(agreement, part.service_end))
            side.last = max(side.last, part.service_end)
        spans: dict[tuple[str, str, int], int] = {}
        for line in lines:
            side = found.setdefault(line.account_id, _Side(agreement, ""))
            side.total += line.amount_cents
            side.core += line.amount_cents if line.kind in ("base", "discount") else 0
            if line.kind == "base":
                spans[line.account_id, line.schedule, line.schedule_version] = line.days
                side.base += line.base_cents * line.days
        for (account, _, _), days in spans.items():
            found[account].days += days
    return found


def _money(sources: Sources, account: str, before: _Side, now: _Side) -> Fraction:
    """Net flows in cents after the last day billed before, until the last day billed now."""
    if not before.last or not now.last or before.last >= now.last:
        return Fraction(0)
    first = date.fromisoformat(before.last) + timedelta(days=1)
    rows = sources.flows(account, first, date.fromisoformat(now.last))
    return sum((amount for _, amount in rows), Fraction(0)) * CENTS


def _steps(before: _Side, now: _Side, money: Fraction) -> dict[str, int]:
    """One account's way; every stop is rounded, so that the steps sum to the cent."""
    if not before.base or not now.base or not before.days or not now.days:
        return {"adjustments": now.total - before.total}
    value, other = Fraction(before.base, before.days), Fraction(now.base, now.days)
    core = Fraction(before.core, CENTS)
    stops = [before.core]
    stops.append(to_cents(core * (value + money) / value))
    stops.append(to_cents(core * other / value))
    stops.append(to_cents(core * other / value * Fraction(now.days, before.days)))
    stops.append(now.core)
    names = ("flows", "market", "days", "rate")
    found = {name: stops[i + 1] - stops[i] for i, name in enumerate(names)}
    rest = (now.total - now.core) - (before.total - before.core)
    return {**found, "adjustments": rest}
