"""Everything that follows from loaded and published rows, made again in one go.

Splits first, then tranches, then credit (R4); reversals mirror the cents of their line (R5).
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import numpy as np

from opensma.errors import InputError
from opensma.growth.journeys import (
    Rules,
    derive_credit,
    derive_identities,
    derive_journeys,
    fill_temp,
)
from opensma.growth.revenue import AccountMonths, split_cents, tranche_shares
from opensma.growth.warehouse.checks import check_all
from opensma.growth.warehouse.schema import BILLION
from opensma.growth.warehouse.store import put_setting, query, sql_text

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection


def derive(connection: Connection, rules: Rules) -> None:
    """Identities, journeys, credit and attributed revenue, from what is there."""
    put_setting(connection, asdict(rules))
    connection.execute("DELETE FROM setting WHERE name LIKE 'lookback_days:%'")
    put_setting(connection, {f"lookback_days:{s}": d for s, d in rules.lookback_by_strategy})
    check_all(connection)
    _check_reversals(connection)
    derive_identities(connection, rules)
    derive_journeys(connection, rules)
    derive_credit(connection, rules)
    derive_revenue(connection, rules)


def derive_revenue(connection: Connection, rules: Rules) -> None:
    """Fee lines over persons, tranches and touches, to the cent."""
    split = "split_weight_by_days" if rules.split_by_days else "split_weight"
    fill_temp(connection, "split_weight", sql_text(split))
    fill_temp(connection, "line_split", sql_text("line_split"))
    connection.execute("DELETE FROM line_part")
    if rules.by_tranches:
        _by_tranches(connection)
    else:
        connection.execute(
            "INSERT INTO line_part SELECT s.line_id, s.person_id, e.month, e.event_id, "
            "s.amount_c, s.platform_share_c FROM line_split s JOIN fee_ledger f USING (line_id) "
            "JOIN event e ON e.account_id = f.account_id AND e.kind = 'funding'"
        )
    _never_funded(connection, rules)
    connection.execute("DELETE FROM revenue")
    connection.execute(f"INSERT INTO revenue BY NAME {sql_text('revenue')}")
    connection.execute(
        "INSERT INTO revenue SELECT r.model, v.line_id, r.person_id, r.tranche, r.event_id, "
        "r.touch_id, -r.amount_c, -r.platform_share_c FROM fee_ledger v "
        "JOIN revenue r ON r.line_id = v.reversal_of"
    )


def _never_funded(connection: Connection, rules: Rules) -> None:
    """Lines of accounts without a funding on record stay, unattributed (R6)."""
    connection.execute(
        "INSERT INTO line_part SELECT s.line_id, s.person_id, date_trunc('month', f.period_end), "
        "f.account_id || ':none', s.amount_c, s.platform_share_c FROM line_split s "
        "JOIN fee_ledger f USING (line_id) "
        "WHERE s.line_id NOT IN (SELECT line_id FROM line_part)"
    )
    connection.execute(
        "INSERT INTO credit SELECT DISTINCT l.event_id, '(unattributed)', m.model, '1', "
        f"{BILLION}, DATE '{rules.as_of}' FROM line_part l CROSS JOIN credit_model m "
        "WHERE l.event_id LIKE '%:none' AND l.event_id NOT IN (SELECT event_id FROM credit)"
    )


def _by_tranches(connection: Connection) -> None:
    """T4: parts of persons split by the money that earned them, then tied to its event."""
    grid = query(
        connection,
        "SELECT account_id, month, beg_c, flow_c, mkt_c, end_c FROM account_month ORDER BY 1, 2",
    )
    if not grid:
        return
    accounts = {name: i for i, name in enumerate(dict.fromkeys(r["account_id"] for r in grid))}
    months = sorted({r["month"] for r in grid})
    place = {month: i for i, month in enumerate(months)}
    cells = {
        name: np.zeros((len(accounts), len(months)), dtype=np.int64)
        for name in ("beg_c", "flow_c", "mkt_c", "end_c")
    }
    rows = np.array([accounts[r["account_id"]] for r in grid])
    columns = np.array([place[r["month"]] for r in grid])
    for name, cell in cells.items():
        cell[rows, columns] = [r[name] for r in grid]
    lines = [
        line
        for line in query(
            connection,
            "SELECT s.line_id, s.person_id, s.amount_c, s.platform_share_c, f.account_id, "
            "CAST(date_trunc('month', f.period_end) AS DATE) AS month FROM line_split s "
            "JOIN fee_ledger f USING (line_id) ORDER BY 1, 2",
        )
        if line["account_id"] in accounts and line["month"] in place
    ]
    account = np.array([accounts[line["account_id"]] for line in lines], dtype=np.int64)
    month = np.array([place[line["month"]] for line in lines], dtype=np.int64)
    shares = tranche_shares(AccountMonths(**cells), account, month)
    amounts = np.array([line["amount_c"] for line in lines], dtype=np.int64)
    platform = np.array([line["platform_share_c"] for line in lines], dtype=np.int64)
    ids = np.array([[line["line_id"], line["person_id"], line["account_id"]] for line in lines])
    fill_temp(
        connection, "tranche_part",
        "SELECT '' AS line_id, '' AS person_id, '' AS account_id, DATE '2000-01-01' AS tranche, "
        "0::BIGINT AS amount_c, 0::BIGINT AS platform_share_c LIMIT 0",
    )  # fmt: skip
    connection.register("new_rows", {
        "line_id": ids[shares.line, 0].astype(object),
        "person_id": ids[shares.line, 1].astype(object),
        "account_id": ids[shares.line, 2].astype(object),
        "tranche": np.array(months, dtype="datetime64[us]")[shares.tranche],
        "amount_c": split_cents(amounts, shares.line, shares.weight, BILLION),
        "platform_share_c": split_cents(platform, shares.line, shares.weight, BILLION),
    })  # fmt: skip
    connection.execute("INSERT INTO tranche_part BY NAME SELECT * FROM new_rows")
    connection.unregister("new_rows")
    connection.execute(
        # The event of a tranche: the inflow itself, or the newest event before it.
        "INSERT INTO line_part SELECT p.line_id, p.person_id, p.tranche, "
        "arg_max(e.event_id, (e.month, e.kind)), any_value(p.amount_c), "
        "any_value(p.platform_share_c) FROM tranche_part p JOIN event e "
        "ON e.account_id = p.account_id AND e.month <= p.tranche GROUP BY 1, 2, 3"
    )


def _check_reversals(connection: Connection) -> None:
    """A reversal names a line that is there and turns its cents (R5)."""
    rows = query(
        connection,
        "SELECT v.line_id, v.reversal_of FROM fee_ledger v LEFT JOIN fee_ledger f "
        "ON f.line_id = v.reversal_of WHERE v.reversal_of IS NOT NULL AND (f.line_id IS NULL OR "
        "f.amount_c <> -v.amount_c OR f.platform_share_c <> -v.platform_share_c) "
        "ORDER BY 1 LIMIT 1",
    )
    if rows:
        raise InputError(
            "growth.reversal",
            f"The line '{rows[0]['line_id']}' does not turn the cents of "
            f"'{rows[0]['reversal_of']}'.",
            where=str(rows[0]["line_id"]),
            remedy="Publish the book again: sma growth publish.",
        )
