"""Visits of a web site become touches with a channel, by the dated rules (K1-K13)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opensma.growth.channels import classify, own_hosts_of
from opensma.growth.channels_lists import load_rules
from opensma.growth.warehouse.mapping import Classified, Rule

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection

# The warehouse's columns that the rules fill, and how they are called beside the file's own.
FILLED = {
    "channel": "_channel",
    "source": "_source",
    "evidence": "_evidence",
    "rule": "_rule",
    "rules_version": "_version",
}


def rules_for_filled() -> dict[str, Rule]:
    """Mapping rules of the columns that are filled here."""
    return {target: Rule(column=column) for target, column in FILLED.items()}


def classify_rows(connection: Connection, raw: str, given: Classified) -> None:
    """Add the columns to a table of raw rows; visits from within the site are no touches (K1)."""
    rules, hosts = load_rules(), own_hosts_of(given.own_hosts)
    landing, referrer = (f"coalesce(\"{c}\", '')" for c in (given.landing_url, given.referrer))
    pairs = connection.execute(f"SELECT DISTINCT {landing}, {referrer} FROM {raw}").fetchall()
    connection.execute(
        "CREATE OR REPLACE TEMP TABLE web_channels (landing VARCHAR, referrer VARCHAR, "
        + ", ".join(f"{column} VARCHAR" for column in FILLED.values())
        + ")"
    )
    found = []
    for page, origin in pairs:
        one = classify(page, origin, hosts, rules)
        found.append((page, origin, one.channel, one.source or None, one.evidence, one.rule,
                      rules.version))  # fmt: skip
    if found:
        connection.executemany(f"INSERT INTO web_channels VALUES ({', '.join('?' * 7)})", found)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {raw} AS SELECT r.*, w.* EXCLUDE (landing, referrer) "
        f"FROM {raw} r JOIN web_channels w ON w.landing = {_of('r', given.landing_url)} "
        f"AND w.referrer = {_of('r', given.referrer)} WHERE w._channel <> 'internal'"
    )
    connection.execute("DROP TABLE web_channels")


def _of(table: str, column: str) -> str:
    return f"coalesce({table}.\"{column}\", '')"
