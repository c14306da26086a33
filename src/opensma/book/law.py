"""The reference engine on the book: a taxpayer's journals as a case of `opensma.tax.replay`.

The book folds journals by the column law, account by account and day by day. Here the same facts
go through the wider reading of the law at once, in the order of their trade days (D6): for proof,
for late facts, for tax forms, and under other policies, such as the broker's view (W18).

A journal knows days, not times. So a taxpayer's sales of a day are one block (W4, W13): corporate
actions first (C11), then sales, then purchases, then sales of what was bought that day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from sqlalchemy import Connection

from opensma.book.facts import Fact, History, Name, Naming, lot_name, read_history
from opensma.book.journal import ARRIVALS, DEPARTURES, Kind
from opensma.book.ledger import iso_of
from opensma.errors import LotError
from opensma.tax.lots import NO_LOSS_BASIS
from opensma.tax.replay import Policy, run
from opensma.tax.replay.lots import Closed, Lot
from opensma.tax.replay.state import State
from opensma.units import CENTS, MICROS

Row = dict[str, Any]
_ACTIONS, _SALES, _PURCHASES, _DAY_TRADES = range(4)  # phases of a day


@dataclass(frozen=True, slots=True)
class Case:
    """A case of the engine, and the fact and row behind each of its events."""

    document: Row
    sources: tuple[tuple[Fact, int], ...]  # of event n: number n - 1


@dataclass(frozen=True, slots=True)
class Reading:
    """A taxpayer's history as the law reads it, with the way back into the book."""

    history: History
    case: Case
    state: State
    numbers: Mapping[int, Mapping[Name, int]]  # by account key: what the book calls each lot
    open_numbers: Mapping[int, Mapping[tuple[Name, int], int]]  # with its security, while open
    splits: Sequence[tuple[str, int, Fraction]]  # security, event, new shares for old (W19)

    def account_key(self, row: Lot | Closed) -> int:
        """The book's account of a lot or slice."""
        return self.history.accounts[row.account].account_key

    def security_key(self, row: Lot | Closed) -> int:
        """The book's security of a lot or slice."""
        name = row.security if isinstance(row, Closed) else self.state.names[row.security]
        return int(name)

    def lot_number(self, row: Lot | Closed) -> int | None:
        """The book's number of the lot; None for a part that the book did not cut off."""
        return self.number(self.account_key(row), (row.lot, row.part), self.security_key(row))

    def number(self, account_key: int, name: Name, security_key: int) -> int | None:
        """What the book calls a lot; an exchanged part has a number of its own (C10)."""
        known = self.open_numbers[account_key].get((name, security_key))
        return self.numbers[account_key].get(name) if known is None else known

    def source(self, row: Closed) -> tuple[Fact, int]:
        """The fact that closed a slice, and the row of its body."""
        return self.case.sources[row.event - 1]


def taxpayer_case(connection: Connection, taxpayer_id: str, *, dividends: bool = False) -> Case:
    """All facts of a taxpayer as a case of the engine; securities are named by their book keys.

    `dividends` adds ex-dates, which only the question of qualified dividends needs (Q1).
    """
    return case_of(read_history(connection, taxpayer_id), dividends=dividends)


def taxpayer_state(
    connection: Connection,
    taxpayer_id: str,
    policy: Policy | None = None,
    *,
    dividends: bool = False,
) -> Reading:
    """The law's reading of a taxpayer's history under a policy; the taxpayer's view by default."""
    return reading_of(read_history(connection, taxpayer_id), policy, dividends=dividends)


def reading_of(
    history: History, policy: Policy | None = None, *, dividends: bool = False
) -> Reading:
    """The law's reading of a history that has been read from the journals already."""
    case = case_of(history, dividends=dividends)
    names = history.naming.names
    numbers = {
        a.account_key: {name: number for number, name in names.get(a.account_key, {}).items()}
        for a in history.accounts
    }
    open_numbers = {
        key: {
            (names[key][lot], security): lot
            for lot, security in zip(
                state.lots.lot.tolist(), state.lots.security.tolist(), strict=True
            )
        }
        for key, state in history.states.items()
    }
    splits = [
        (event["security"], event["seq"], Fraction(event["ratio"]))
        for event in case.document["events"]
        if event["type"] == "split"
    ]
    state = run(case.document, policy or Policy())
    return Reading(history, case, state, numbers, open_numbers, splits)


def case_of(history: History, *, dividends: bool = False) -> Case:
    """The facts in the order of the law, each row of a trade as an event of its own."""
    ids = {account.account_key: account.account_id for account in history.accounts}
    found = []
    seen: set[tuple[object, ...]] = set()
    for fact in history.facts:
        key, day = fact.entry.account_key, fact.entry.trade_day
        for phase, row, event in _events(fact, ids, history.naming, dividends=dividends):
            if row in fact.gone:
                continue
            found.append(((day, phase, key, fact.seq, row), fact, event))
    found.sort(key=lambda item: item[0])
    events: list[Row] = []
    sources = []
    times: Counter[tuple[object, ...]] = Counter()
    for place, fact, event in found:
        # What happens to a security happens in every account that holds it: once is enough,
        # but twice alike in one account are two.
        if event.get("account") is None:
            alike = (place[0], *event.values())
            times[place[2], alike] += 1
            once = (*alike, times[place[2], alike])
            if once in seen:
                continue
            seen.add(once)
        events.append({"seq": len(events) + 1, "date": iso_of(place[0]), **event})
        sources.append((fact, place[4]))
    accounts = [
        {
            "id": a.account_id,
            "type": "taxable" if a.taxed else "ira",
            "household": a.taxpayer_id,
            "owner": a.owner_id,
        }
        for a in history.accounts
    ]
    document = {
        "method": "SPECIFIC",  # every sale of the book names its lots (L2)
        "accounts": accounts,
        "substantially_identical": [list(group) for group in history.identical],
        "events": events,
    }
    return Case(document, tuple(sources))


def _events(
    fact: Fact, ids: Mapping[int, str], naming: Naming, *, dividends: bool
) -> Iterator[tuple[int, int, Row]]:
    """Phase of the day, row of the body, event; nothing for facts that move only cash."""
    kind, body, account = fact.entry.kind, fact.entry.body, ids[fact.entry.account_key]
    if kind is Kind.BUY:
        yield from _purchases(fact, account)
    elif kind in (Kind.SELL, Kind.CASH_MERGER, Kind.WORTHLESS, Kind.CASH_IN_LIEU):
        yield from _sales(fact, account, naming)
    elif kind is Kind.SPLIT:
        ratio = _ratio(body)
        event = {"type": "split", "security": str(body["security"]), "ratio": ratio}
        yield _ACTIONS, 0, event | {"rounded": True}
    elif kind is Kind.SPIN_OFF:
        yield _ACTIONS, 0, _spin_off(body)
    elif kind in (Kind.STOCK_MERGER, Kind.RETURN_OF_CAPITAL):
        yield _ACTIONS, 0, _paid(kind, body)
    elif kind is Kind.EXCHANGE or kind in DEPARTURES:
        yield from _leaving(fact, account, ids)
    elif kind in ARRIVALS and body["from_account"] not in ids:
        yield from _arriving(fact, account)
    elif kind is Kind.DIVIDEND and dividends:
        for row, (security, rate) in enumerate(zip(body["security"], body["rate"], strict=True)):
            event = {"type": "dividend", "security": str(security), "per_share": _micros(rate)}
            yield -1, row, event


def _purchases(fact: Fact, account: str) -> Iterator[tuple[int, int, Row]]:
    key, body = fact.entry.account_key, fact.entry.body
    columns = zip(body["security"], body["quantity"], body["cost"], strict=True)
    for row, (security, micros, cents) in enumerate(columns):
        yield (
            _PURCHASES,
            row,
            {
                "type": "buy",
                "account": account,
                "security": str(security),
                "lot": f"{key}-{fact.first_lot + row}",
                "acquisition": f"{key}:{fact.first_acquisition + row}",
                "qty": _micros(micros),
                "amount": _cents(cents),
            },
        )


def _sales(fact: Fact, account: str, naming: Naming) -> Iterator[tuple[int, int, Row]]:
    """Each slice for its own proceeds, from the lot or part that it names (L2)."""
    body, kind = fact.entry.body, fact.entry.kind
    columns = zip(body["lot"], body["security"], body["quantity"], body["proceeds"], strict=True)
    for row, (lot, security, micros, cents) in enumerate(columns):
        event: Row = {
            "type": "cash_in_lieu" if kind is Kind.CASH_IN_LIEU else "sell",
            "account": account,
            "security": str(security),
            "qty": _micros(micros),
            "amount": _cents(cents),
        }
        phase = _SALES if kind is Kind.SELL else _ACTIONS
        if kind is not Kind.CASH_IN_LIEU:
            name, part = fact.names[lot]
            phase = _DAY_TRADES if naming.bought.get(name) == fact.entry.trade_day else phase
            event["picks"] = [{"lot": name, "part": part, "qty": event["qty"]}]
            event["block"] = str(phase)
        yield phase, row, event


def _spin_off(body: Row) -> Row:
    return {
        "type": "spinoff",
        "security": str(body["parent"]),
        "new_security": str(body["child"]),
        "ratio": _ratio(body),
        "spin_fmv": _micros(body["child_value"]),
        "parent_fmv": _micros(body["parent_value"]),
        "rounded": True,
    }


def _paid(kind: Kind, body: Row) -> Row:
    """A merger or capital paid back, in every account that holds the shares (C4, C5, C7)."""
    rate = body.get("rate")
    if "cash" in body and rate is None:
        raise LotError(
            "law.total_paid",
            "A payment of one total for all lots has no amount per share.",
            where=str(body["ref"]),
            remedy="Give the action with its cash per share.",
        )
    event: Row = {"type": kind.value, "security": str(body["security"])}
    if kind is Kind.RETURN_OF_CAPITAL:
        return event | {"per_share": _micros(body["rate"])}
    event |= {"new_security": str(body["new_security"]), "ratio": _ratio(body), "rounded": True}
    if rate is not None:
        event |= {"cash_per_share": _micros(rate), "new_fmv": _micros(body["new_value"])}
    return event


def _leaving(fact: Fact, account: str, ids: Mapping[int, str]) -> Iterator[tuple[int, int, Row]]:
    """Named lots go to another account or become other shares, row by row (C9, C10)."""
    body, kind = fact.entry.body, fact.entry.kind
    target = ids.get(body.get("to_account", 0))
    for row, (lot, micros) in enumerate(zip(body["lot"], body["quantity"], strict=True)):
        name, part = fact.names[lot]
        security = body["security"] if kind is Kind.EXCHANGE else body["security"][row]
        event: Row = {"security": str(security), "qty": _micros(micros)}
        event["picks"] = [{"lot": name, "part": part, "qty": event["qty"]}]
        if kind is Kind.EXCHANGE:
            into = {"new_security": str(body["new_security"]), "ratio": _ratio(body)}
            event |= {"type": "exchange", "account": account, **into}
        elif target is not None:
            event |= {"type": "transfer", "account": account, "from": account, "to": target}
        else:
            event |= {"type": "transfer_out", "account": account}
        yield _ACTIONS, row, event


def _arriving(fact: Fact, account: str) -> Iterator[tuple[int, int, Row]]:
    """Lots from outside: transfer, gift, inheritance (C9, G1 to G6)."""
    key, body = fact.entry.account_key, fact.entry.body
    for row, number in enumerate(body["lot"]):
        event: Row = {
            "type": "transfer_in",
            "account": account,
            "security": str(body["security"][row]),
            "lot": lot_name(key, number),
            "acquisition": f"{body['origin'][row] or key}:{body['acquisition'][row]}",
            "qty": _micros(body["quantity"][row]),
            "basis": _cents(body["basis"][row]),
            "acquired": iso_of(body["acquired"][row]),
            "holding_date": iso_of(body["holding"][row]),
            "wash": _cents(body["wash"][row]),
            "already_used": bool(body["used"][row]),
            "inherited": bool(body["inherited"][row]),
            "bought": bool(body["purchase"][row]),
        }
        if body["loss_basis"][row] != NO_LOSS_BASIS:
            event["loss_basis"] = _cents(body["loss_basis"][row])
        yield _ACTIONS, row, event


def _ratio(body: Row) -> str:
    return f"{body['numerator']}/{body['denominator']}"


def _micros(micros: int) -> str:
    return f"{micros // MICROS}.{micros % MICROS:06d}"


def _cents(cents: int) -> str:
    sign = "-" if cents < 0 else ""
    return f"{sign}{abs(cents) // CENTS}.{abs(cents) % CENTS:02d}"
