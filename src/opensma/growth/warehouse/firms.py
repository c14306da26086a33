"""Firms by the domain of an address: resolved on the way in, with basis, never guessed (I5, I6).

Only the domain is looked at, and kept only where it is a firm's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from opensma.growth.identity import firm_by_domain
from opensma.growth.warehouse.store import query

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection

MARK = "@"  # stands before a domain that has still to become a firm
BASIS = "domain of an e-mail address (I5)"


def firms_of_domains(
    connection: Connection, domains: Iterable[str], sources: Iterable[str] = ("firm",)
) -> dict[str, str]:
    """The firm of each domain that is a firm's own; a domain that two firms claim is nobody's."""
    claims: dict[str, set[str]] = {}
    for source in sources:
        rows = query(
            connection, f"SELECT DISTINCT lower(domain) AS d, firm_id FROM {source} "
            "WHERE domain IS NOT NULL",
        )  # fmt: skip
        for row in rows:
            claims.setdefault(str(row["d"]), set()).add(str(row["firm_id"]))
    own = {domain: min(firms) for domain, firms in claims.items() if len(firms) == 1}
    found = {domain: firm_by_domain(domain, own) for domain in sorted(set(domains))}
    return {domain: firm for domain, firm in found.items() if firm is not None}


def record_links(connection: Connection, links: Mapping[str, str]) -> None:
    """One alias row for each domain that named a firm, so that the link can be seen and undone."""
    for domain, firm in sorted(links.items()):
        connection.execute(
            "INSERT INTO alias SELECT 'email_domain', ?, NULL, ?, 'declared', ?, min(valid_from) "
            "FROM firm WHERE firm_id = ? AND NOT EXISTS (SELECT 1 FROM alias WHERE "
            "id_type = 'email_domain' AND id_value = ? AND firm_id = ?) HAVING count(*) > 0",
            [domain, firm, BASIS, firm, domain, firm],
        )
