"""From touches to credit: events, journeys, weights of every model, open and null journeys (J1-J6).

The rules are the queries in `growth/sql`; what differs between engines is kept out of them, so
that the same rows come from every warehouse.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import numpy as np

from opensma.growth.credit import Options, credit_of
from opensma.growth.credit_paths import PathTable
from opensma.growth.identity import claims_from_rows, resolve
from opensma.growth.privacy import lawful_sql
from opensma.growth.warehouse.schema import UNATTRIBUTED
from opensma.growth.warehouse.store import put_setting, query, sql_text

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection

MODELS = ("first", "last", "linear", "position", "time-decay", "shapley", "markov")
MODEL_VERSION = "1"
_DECAY_UNIT = 1_000_000_000
_STRENGTH_UNIT = 4_000_000_000
_WEAKEST = 1_000  # a channel without removal effect still shares where no other has one


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings of a derivation; kept in the warehouse beside what came of them."""

    as_of: date
    lookback_days: int = 730  # J2
    half_life_days: int = 90  # C5
    inflow_threshold_c: int = 2_500_000  # J1
    null_after_days: int = 365  # J6
    by_tranches: bool = False  # T1-T5; else the funding event carries every fee of its account
    split_by_days: bool = False  # S2
    lookback_by_strategy: tuple[tuple[str, int], ...] = ()  # J2

    @property
    def longest_lookback(self) -> int:
        """Days of the longest look-back of any strategy."""
        return max([self.lookback_days, *(days for _, days in self.lookback_by_strategy)])


def derive_identities(connection: Connection, rules: Rules) -> None:
    """Persons behind records, and conflicts (I1-I4)."""
    persons = {
        str(r["person_id"]): r["crd"]
        for r in query(
            connection,
            "SELECT person_id, arg_max(crd, valid_from) AS crd FROM person "
            "WHERE valid_from <= ? GROUP BY ALL", [rules.as_of],
        )
    }  # fmt: skip
    claims = claims_from_rows(query(connection, "SELECT * FROM alias"))
    found = resolve(claims, persons, f"{rules.as_of} 23:59:59")
    put_rows(connection, "person_of", ("record_id", "person_id"), sorted(found.person_of.items()))
    conflicts = [
        (c.refused.id_type, c.refused.id_value, c.kept.record_id, c.refused.record_id,
         c.kept.basis, c.refused.basis, c.reason.value, c.refused.recorded_at)
        for c in found.conflicts
    ]  # fmt: skip
    names = ("id_type", "id_value", "kept", "refused", "kept_basis", "refused_basis", "reason",
             "recorded_at")  # fmt: skip
    put_rows(connection, "alias_conflict", names, conflicts)


def derive_journeys(connection: Connection, rules: Rules) -> None:
    """Events and the ordered touches before each (J1-J4)."""
    lawful = lawful_sql("p.person_id", f"TIMESTAMP '{rules.as_of} 23:59:59'")
    keep_table(
        connection, "no_basis",
        f"SELECT DISTINCT p.person_id FROM person p WHERE NOT ({lawful})",
    )  # fmt: skip
    without = query(connection, "SELECT count(*) AS n FROM no_basis")[0]["n"]
    put_setting(connection, {"without_basis": without})
    fill_temp(connection, "touch_group", sql_text("touch_group"))
    for name in ("event", "journey"):
        connection.execute(f"DELETE FROM {name}")
        connection.execute(f"INSERT INTO {name} BY NAME {sql_text(name)}")
    _null_journeys(connection, rules)


def _null_journeys(connection: Connection, rules: Rules) -> None:
    """J6: groups without an event; null after a quiet year, open before."""
    connection.execute("DELETE FROM null_journey")
    connection.execute(
        "INSERT INTO null_journey SELECT group_id, count(*), max(ts), "
        "CASE WHEN max(ts) + ? * INTERVAL 1 DAY < CAST(? AS DATE) THEN 'null' ELSE 'open' END "
        "FROM touch_group WHERE group_id NOT IN (SELECT group_id FROM event) GROUP BY group_id",
        [rules.null_after_days, rules.as_of],
    )


def derive_credit(connection: Connection, rules: Rules) -> None:
    """Weights of every event's touches under every model; credit is computed once (C1-C8)."""
    decay = [
        (days, max(1, round(_DECAY_UNIT * 2.0 ** (-days / rules.half_life_days))))
        for days in range(rules.longest_lookback + 2)
    ]
    strengths = {
        channel: max(_WEAKEST, round(share * _STRENGTH_UNIT))
        for channel, share in removal_shares(connection).items()
    }
    keep_table(connection, "credit_model", "SELECT CAST(NULL AS VARCHAR) AS model LIMIT 0")
    keep_table(connection, "decay", "SELECT 0::BIGINT AS days, 0::BIGINT AS weight LIMIT 0")
    keep_table(
        connection, "channel_strength", "SELECT '' AS channel, 0::BIGINT AS strength LIMIT 0"
    )
    put_rows(connection, "credit_model", ("model",), [(model,) for model in MODELS])
    put_rows(connection, "decay", ("days", "weight"), decay)
    put_rows(connection, "channel_strength", ("channel", "strength"), sorted(strengths.items()))
    fill_temp(connection, "credit_touched", sql_text("credit"))
    connection.execute("DELETE FROM credit")
    for source in ("SELECT * FROM credit_touched", sql_text("credit_rest")):
        connection.execute(
            f"INSERT INTO credit SELECT event_id, touch_id, model, '{MODEL_VERSION}', weight, "
            f"DATE '{rules.as_of}' FROM ({source})"
        )


def paths(connection: Connection) -> list[tuple[tuple[str, ...], int, int]]:
    """Channel paths with how many funded and how many ended in nothing (J6: open ones are out)."""
    converting = query(
        connection,
        "SELECT string_agg(channel, ' > ' ORDER BY position) AS path FROM journey j "
        "JOIN event e ON e.event_id = j.event_id WHERE e.kind = 'funding' GROUP BY j.event_id",
    )
    nothing = query(
        connection,
        "SELECT string_agg(channel, ' > ' ORDER BY ts, touch_id) AS path FROM touch_group "
        "WHERE group_id IN (SELECT group_id FROM null_journey WHERE state = 'null') "
        "GROUP BY group_id",
    )
    counts: dict[str, list[int]] = {}
    for index, rows in enumerate((converting, nothing)):
        for row in rows:
            counts.setdefault(str(row["path"]), [0, 0])[index] += 1
    return [(tuple(path.split(" > ")), c, u) for path, (c, u) in sorted(counts.items())]


def path_table(connection: Connection) -> PathTable:
    """The same paths in the form of the credit models that read files."""
    rows = paths(connection)
    channels = tuple(sorted({channel for path, _, _ in rows for channel in path}))
    place = {channel: index for index, channel in enumerate(channels)}
    lengths = [len(path) for path, _, _ in rows]
    return PathTable(
        channels,
        np.array([place[channel] for path, _, _ in rows for channel in path], dtype=np.int64),
        np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)]).astype(np.int64),
        np.array([funded for _, funded, _ in rows], dtype=float),
        np.array([nothing for _, _, nothing in rows], dtype=float),
        np.zeros(len(rows)),
        None,
    )


def removal_shares(connection: Connection) -> dict[str, float]:
    """Every channel's share by removal from the chain (C8); none where nothing converts."""
    table = path_table(connection)
    shares = credit_of(table, "markov", Options()).share if table.rows else np.zeros(0)
    found = dict(zip(table.channels, np.nan_to_num(shares).tolist(), strict=True))
    for row in query(connection, "SELECT DISTINCT channel FROM journey"):
        found.setdefault(str(row["channel"]), 0.0)
    return found


# --- tables --------------------------------------------------------------------------------------


def fill_temp(connection: Connection, name: str, sql: str) -> None:
    """A temporary table from a query."""
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {sql}")


def keep_table(connection: Connection, name: str, sql: str) -> None:
    """A table from a query that stays: other engines need it beside the queries."""
    connection.execute(f"CREATE OR REPLACE TABLE {name} AS {sql}")


def put_rows(
    connection: Connection, table: str, names: Sequence[str], rows: Sequence[Sequence[object]]
) -> None:
    """Replace a table's rows."""
    connection.execute(f"DELETE FROM {table}")
    if not rows:
        return
    columns = dict(zip(names, zip(*rows, strict=True), strict=True))
    arrays = {
        name: np.array(column, dtype=object if isinstance(column[0], str) else None)
        for name, column in columns.items()
    }
    connection.register("new_rows", arrays)
    connection.execute(f"INSERT INTO {table} BY NAME SELECT * FROM new_rows")
    connection.unregister("new_rows")


def is_touch(key: str) -> bool:
    """Whether a credit key is a touch, and not `(unattributed)` or a platform (J5)."""
    return key != UNATTRIBUTED and not key.startswith("platform:")
