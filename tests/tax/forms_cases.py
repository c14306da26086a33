"""Trade lists for the tests of forms: short ones by hand, and random ones of a household."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from hypothesis import strategies as st

Row = dict[str, Any]
ACCOUNTS = [
    {"id": "A", "type": "taxable", "household": "H", "owner": "P"},
    {"id": "B", "type": "taxable", "household": "H", "owner": "Q"},
    {"id": "IRA", "type": "ira", "household": "H", "owner": "P"},
]
FIRST = date(2023, 9, 1)


def trade(seq: int, day: str, kind: str, qty: object, amount: str, **more: str) -> Row:
    """A purchase or sale of X in account A, unless told otherwise."""
    row = {"seq": seq, "date": day, "type": kind, "account": "A", "security": "X"}
    return row | {"qty": str(qty), "amount": amount, "lot": f"L{seq}"} | more


def case_of(*events: Row, **more: Any) -> Row:
    """A trade list of one household: two owners and a retirement account."""
    return {"method": "FIFO", "accounts": ACCOUNTS, "events": list(events)} | more


@st.composite
def trade_lists(draw: st.DrawFn) -> Row:
    """Purchases and sales close together, at prices that make losses and odd cents."""
    steps = draw(
        st.lists(
            st.tuples(
                st.integers(0, 40),  # days since the last event
                st.sampled_from(["A", "A", "B", "IRA"]),
                st.sampled_from(["X", "X", "Y"]),
                st.booleans(),
                st.integers(1, 9),
                st.integers(1, 2000),  # cents a share
            ),
            min_size=4,
            max_size=25,
        )
    )
    held: dict[tuple[str, str], int] = {}
    events, day = [], FIRST
    for seq, (days, account, security, sells, quantity, price) in enumerate(steps, 1):
        day += timedelta(days=days)
        place = (account, security)
        have = held.get(place, 0)
        kind = "sell" if sells and have else "buy"
        quantity = min(quantity, have) if kind == "sell" else quantity
        held[place] = have + (quantity if kind == "buy" else -quantity)
        cents = quantity * price + seq % 3
        money = f"{cents // 100}.{cents % 100:02}"
        more = {"account": account, "security": security}
        events.append(trade(seq, day.isoformat(), kind, quantity, money, **more))
    return case_of(*events, substantially_identical=[["X", "Y"]])


def years_of(case: Row) -> list[int]:
    """Years in which something happened."""
    return sorted({int(event["date"][:4]) for event in case["events"]})
