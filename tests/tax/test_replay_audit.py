"""Replay and auditor on the same random histories (I12), and what must hold on each (I1 to I10)."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensma.tax.replay import replay

from .auditor import ORDERS, Auditor, Event

Row = dict[str, Any]
NAMES = ("A", "B", "IRA")
TAXABLE, OTHER, IRA = 0, 1, 2
GROUPS = {"X": "X", "Y": "X", "Z": "Z"}  # X and Y are substantially identical
METHODS = ("FIFO", "LIFO", *ORDERS)
# Whole cents a share survive four splits by two or three, so that both sides are exact.
UNIT = 2**4 * 3**4
MOST_SPLITS, MOST_SHARES = 4, 150

KINDS = ("buy",) * 4 + ("sell",) * 5 + ("split", "transfer")
WAITS = (0, 0, 0, 1, 2, 5, 9, 14, 16, 29, 30, 31, 60, 360)


def history(seed: int, length: int) -> list[tuple[Any, ...]]:
    """A dense random history: independent draws by hypothesis hardly ever make a wash sale."""
    chance = random.Random(seed)
    return [
        (
            chance.choice(KINDS),
            chance.choice(WAITS),
            chance.choice((TAXABLE, TAXABLE, TAXABLE, OTHER, IRA)),
            chance.choice("XXXXXYYZ"),
            chance.randint(1, 7),
            chance.randint(1, 9),
        )
        for _ in range(length)
    ]


STEPS = st.builds(history, st.integers(0, 10**9), st.integers(4, 40))


def audit(steps: list[tuple[Any, ...]], method: str) -> tuple[Auditor, list[Event]]:
    """Book the steps that are possible, one share at a time."""
    auditor, events = Auditor(frozenset({IRA}), GROUPS), []
    day, splits = date(2023, 1, 3), 0
    for kind, wait, account, security, size, price in steps:
        day += timedelta(days=wait)
        number = size
        if kind in ("sell", "transfer"):
            number = min(size, auditor.held(account, security))
        if kind == "split":
            number, splits = 2 + size % 2, splits + 1
        if not number or splits > MOST_SPLITS or len(auditor.shares) > MOST_SHARES:
            continue
        target = (account + 1) % 2  # never into the IRA: that would be a contribution
        if kind == "transfer" and account == IRA:
            continue
        events.append(
            Event(kind, day, account, security, number, price * UNIT, method=method, target=target)
        )
        auditor.book(len(events), events[-1])
    return auditor, events


def case_of(events: list[Event], method: str = "FIFO", **frame: Any) -> Row:
    accounts = [
        {"id": name, "type": "ira" if name == "IRA" else "taxable", "household": "H", "owner": "P"}
        for name in NAMES
    ]
    rows = [row_of(number, event) for number, event in enumerate(events, 1)]
    identical = [["X", "Y"]]
    return {
        "method": method,
        "accounts": accounts,
        "substantially_identical": identical,
        "events": rows,
        **frame,
    }


def row_of(number: int, event: Event) -> Row:
    row: Row = {"seq": number, "date": event.day.isoformat(), "type": event.kind}
    row["security"] = event.security
    if event.kind == "split":
        return row | {"ratio": str(event.number)}
    row["qty"] = str(event.number)
    if event.kind == "transfer":
        return row | {"from": NAMES[event.account], "to": NAMES[event.target]}
    row |= {"account": NAMES[event.account], "amount": money(event.number * event.unit)}
    return row | ({"lot": f"L{number}"} if event.kind == "buy" else {})


def money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02d}"


def cents(text: str) -> Fraction:
    return Fraction(text) * 100


def test_the_random_histories_hold_what_is_to_be_tested() -> None:
    """A property that nothing can break proves nothing."""
    washed, lost, parts, long_term = 0, 0, 0, 0
    for seed in range(60):
        events = audit(history(seed, 30), "FIFO")[1]
        answer = replay(case_of(events))
        washed += answer["totals"]["disallowed"] != "0.00"
        lost += answer["totals"]["permanently_disallowed"] != "0.00"
        parts += len({r["lot"] for r in answer["open"]}) < len(answer["open"])
        long_term += any(r["term"] == "LT" for r in answer["closed"])
    assert min(washed, long_term) > 30
    assert min(lost, parts) > 10


@pytest.mark.parametrize("method", METHODS)
@given(steps=STEPS)
def test_replay_and_auditor_agree(method: str, steps: list[tuple[Any, ...]]) -> None:
    auditor, events = audit(steps, method)
    answer = replay(case_of(events, method))
    assert "error" not in answer
    assert positions(answer) == {
        (NAMES[a], s, bought.isoformat(), f"L{number}", held.isoformat(), basis): count
        for (a, s, bought, number, held, basis), count in without_used(auditor).items()
    }
    assert sales_of(answer) == sales_by_day(auditor, events)


def positions(answer: Row) -> Row:
    """Shares of each kind, with basis in cents a share."""
    found: Counter[tuple[object, ...]] = Counter()
    for row in answer["open"]:
        number = int(row["qty"])
        unit = cents(row["basis"]) / number
        names = ("account", "security", "acquired", "lot", "holding_date")
        found[(*(row[name] for name in names), unit)] += number
    return dict(found)


def without_used(auditor: Auditor) -> Counter[tuple[Any, ...]]:
    found: Counter[tuple[Any, ...]] = Counter()
    for key, count in auditor.position().items():
        found[key[:-1]] += count
    return found


def sales_of(answer: Row) -> dict[tuple[str, str, str], list[Fraction]]:
    """Proceeds, basis, disallowed, lost for good, long-term shares for account, security, day."""
    sums: dict[tuple[str, str, str], list[Fraction]] = {}
    for row in answer["closed"]:
        into = sums.setdefault((row["account"], row["security"], row["sold"]), [Fraction(0)] * 5)
        names = ("proceeds", "basis", "disallowed", "permanently_disallowed")
        added = [cents(row.get(name, "0")) for name in names]
        added.append(Fraction(row["qty"]) if row["term"] == "LT" else Fraction(0))
        sums[row["account"], row["security"], row["sold"]] = [
            a + b for a, b in zip(into, added, strict=True)
        ]
    return sums


def sales_by_day(
    auditor: Auditor, events: list[Event]
) -> dict[tuple[str, str, str], list[Fraction]]:
    sums: dict[tuple[str, str, str], list[Fraction]] = {}
    for number, sale in auditor.sales.items():
        event = events[number - 1]
        key = (NAMES[event.account], event.security, event.day.isoformat())
        added = [sale.proceeds, sale.basis, sale.disallowed, sale.permanent]
        added.append(Fraction(sale.long_term))
        into = sums.get(key, [Fraction(0)] * 5)
        sums[key] = [a + b for a, b in zip(into, added, strict=True)]
    return sums


@given(STEPS, st.sampled_from([*METHODS, "AVERAGE"]), st.sampled_from(["order", "line"]))
def test_money_and_shares_are_conserved(
    steps: list[tuple[Any, ...]], method: str, together: str
) -> None:
    _, events = audit(steps, "FIFO")
    answer = replay(case_of(events, method, policy={"sold_together": together}))
    totals = {name: cents(text) for name, text in answer["totals"].items()}
    bought = sum(e.number * e.unit for e in events if e.kind == "buy")
    sold_cost = bought - (totals["open_basis"] - totals["deferred_in_open"])
    later = totals["deferred_in_open"] + totals["permanently_disallowed"]
    assert totals["gain"] - later == totals["proceeds"] - sold_cost  # I1
    for row in answer["closed"]:
        gain = cents(row["proceeds"]) - cents(row["basis"]) + cents(row["disallowed"])
        assert cents(row["gain"]) == gain  # I4
        loss = cents(row["basis"]) - cents(row["proceeds"])
        assert cents(row["disallowed"]) in (0, loss)  # I5
    for security in GROUPS:
        held = sum(Fraction(r["qty"]) for r in answer["open"] if r["security"] == security)
        assert held == shares_left(events, security)  # I3


def shares_left(events: list[Event], security: str) -> int:
    left = 0
    for event in events:
        if event.security == security:
            if event.kind == "split":
                left *= event.number
            left += event.number * ((event.kind == "buy") - (event.kind == "sell"))
    return left


@given(STEPS, st.sampled_from(METHODS), st.randoms(use_true_random=False))
def test_shuffled_input_gives_the_same_answer(
    steps: list[tuple[Any, ...]], method: str, chance: Any
) -> None:
    case = case_of(audit(steps, method)[1], method)
    shuffled = list(case["events"])
    chance.shuffle(shuffled)
    assert replay(case | {"events": shuffled}) == replay(case)  # I6


@given(STEPS, st.sampled_from(METHODS))
def test_an_order_in_single_shares_gives_the_same_money(
    steps: list[tuple[Any, ...]], method: str
) -> None:
    case = case_of(audit(steps, method)[1], method)
    fills: list[Row] = []
    for event in case["events"]:
        many = int(event["qty"]) if event["type"] in ("buy", "sell") else 1
        for part in range(many):
            fill = event | {"seq": event["seq"] * 1_000 + part}  # MOST_SHARES fit between
            if many > 1:
                fill |= {"qty": "1", "amount": money(int(cents(event["amount"])) // many)}
            if event["type"] == "sell":
                fill["order"] = f"O{event['seq']}"
            if event["type"] == "buy":
                fill |= {"lot": f"{event['lot']}/{part}", "acquisition": event["lot"]}
            fills.append(fill)
    assert replay(case | {"events": fills})["totals"] == replay(case)["totals"]  # I6


@given(STEPS, st.sampled_from(METHODS), st.integers(0, 40))
def test_a_split_of_everything_changes_no_money(
    steps: list[tuple[Any, ...]], method: str, when: int
) -> None:
    _, events = audit(steps, method)
    case = case_of(events, method)
    before, after = case["events"][:when], case["events"][when:]
    day = after[0]["date"] if after else "2099-01-01"
    splits = [
        {"seq": 1000 + i, "date": day, "type": "split", "security": name, "ratio": "2"}
        for i, name in enumerate(GROUPS)
    ]
    late = [
        e | {"seq": e["seq"] + 2000} | ({"qty": str(2 * int(e["qty"]))} if "qty" in e else {})
        for e in after
    ]
    doubled = replay(case | {"events": [*before, *splits, *late]})
    assert doubled["totals"] == replay(case)["totals"]  # I6, W19


@given(STEPS, STEPS)
def test_no_event_of_one_household_changes_another(
    steps: list[tuple[Any, ...]], others: list[tuple[Any, ...]]
) -> None:
    case = case_of(audit(steps, "FIFO")[1])
    other = case_of(audit(others, "FIFO")[1])
    strangers = [a | {"id": f"{a['id']}2", "household": "H2"} for a in other["accounts"]]
    moved = []
    for event in other["events"]:
        if event["type"] == "split":
            continue  # a split is the issuer's: it changes both
        place = {k: f"{event[k]}2" for k in ("account", "from", "to") if k in event}
        moved.append(event | place | {"seq": event["seq"] + 500})
    own = [event for event in case["events"] if event["type"] != "split"]
    alone = replay(case | {"events": own})
    if "error" in alone or "error" in replay(other | {"events": list(no_splits(other))}):
        return  # without its splits this history sells what it does not have
    both = replay(case | {"accounts": case["accounts"] + strangers, "events": own + moved})
    for part in ("closed", "open"):
        mine = [row for row in both[part] if row["account"] in NAMES]
        assert sorted(map(str, mine)) == sorted(map(str, alone[part]))  # I10


def no_splits(case: Row) -> list[Row]:
    return [event for event in case["events"] if event["type"] != "split"]


@given(STEPS, st.sampled_from(METHODS))
def test_i7_an_event_listed_twice_is_never_booked_twice(
    steps: list[tuple[Any, ...]], method: str
) -> None:
    case = case_of(audit(steps, method)[1], method)
    if not case["events"]:
        return
    last = case["events"][-1]
    answer = replay(case | {"events": [*case["events"], last]})
    assert (answer["error"]["reason"], answer["error"]["seq"]) == ("event.twice", last["seq"])
    assert answer["open"] == replay(case)["open"]


@pytest.mark.parametrize("method", METHODS)
def test_without_the_wash_rule_nothing_is_deferred(method: str) -> None:
    steps = [("buy", 0, 0, "X", 7, 9), ("sell", 5, 0, "X", 3, 1), ("buy", 5, 0, "X", 7, 2)]
    events = audit(steps, method)[1]
    off = replay(case_of(events, method, policy={"wash_sales": "off"}))["totals"]
    on = replay(case_of(events, method))["totals"]
    assert cents(on["disallowed"]) > 0
    assert off["disallowed"] == "0.00"
    assert cents(off["gain"]) == cents(on["gain"]) - cents(on["deferred_in_open"])  # I11
