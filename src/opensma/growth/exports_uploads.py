"""Milestones for ad networks: hashed ids and allowed fields, and a log of every row (B5, P6, P7).

The warehouse has no addresses, and keys that only this firm can make. A network matches on the
plain SHA-256 of an address, so the addresses come from outside for the length of an export: each is
keyed with the firm's secret to find its person, and hashed in the network's way. Nothing of it is
kept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from opensma.errors import InputError
from opensma.growth.exports_files import Exported, write_rows
from opensma.growth.privacy import email_key, lawful_sql
from opensma.growth.warehouse.store import query, setting

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection

OLDEST_UPLOAD_DAYS = 90  # older milestones are refused by the platforms (B5)
MILESTONES = ("meeting", "proposal", "approved", "opened", "funded")
_FIELDS = ("event", "event_time", "event_id", "hashed_email")
_LOG = ("platform", "event_id", "file", "as_of")
_DOTLESS = ("gmail.com", "googlemail.com")


@dataclass(frozen=True, slots=True)
class Matching:
    """What turns milestones into conversions of a network.

    `conversions` is the network's own name for each stage that is sent.
    """

    addresses: Sequence[str]
    secret: bytes
    conversions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class _Network:
    """A network's way to write a batch, and how many rows it takes."""

    most: int
    hashed: Callable[[str], str]
    body: Callable[[Sequence[Mapping[str, Any]]], dict[str, Any]]


def uploads(connection: Connection, kind: str, folder: Path, matching: Matching | None) -> Exported:
    """Milestones of the last 90 days for persons who agreed to ads.

    Without `matching` a table by this firm's own keys; with it the network's request bodies too.
    """
    if matching is not None:
        _check_stages(matching)
    as_of = date.fromisoformat(setting(connection, "as_of") or "1970-01-01")
    left: dict[str, int] = {}
    sent = []
    for row in _milestones(connection, as_of):
        if reason := _refusal(row):
            left[reason] = left.get(reason, 0) + 1
        else:
            sent.append(row)
    name = f"{kind}.csv"
    files = {name: write_rows(folder / name, _FIELDS, sent)}
    log = [{"platform": kind, "event_id": r["event_id"], "file": name, "as_of": as_of}
           for r in sent]  # fmt: skip
    if matching is not None:
        log = []
        for name, rows in _bodies(NETWORKS[kind], kind, sent, matching, left):
            body = NETWORKS[kind].body(rows)
            (folder / name).write_text(json.dumps(body, indent=1) + "\n", encoding="utf-8")
            files[name] = len(rows)
            log += [{"platform": kind, "event_id": r["event_id"], "file": name, "as_of": as_of}
                    for r in rows]  # fmt: skip
    files[f"{kind}_log.csv"] = write_rows(folder / f"{kind}_log.csv", _LOG, log)
    return Exported(kind, files, left)


def _milestones(connection: Connection, as_of: date) -> list[dict[str, Any]]:
    oldest = as_of - timedelta(days=OLDEST_UPLOAD_DAYS)
    allowed = lawful_sql("p.person_id", f"TIMESTAMP '{as_of} 23:59:59'", "ads")
    agreed = (
        "EXISTS (SELECT 1 FROM consent c WHERE c.person_id = p.person_id AND c.purpose = 'ads') "
        f"AND {allowed}"
    )
    stages = ", ".join(f"'{stage}'" for stage in MILESTONES)
    return query(
        connection,
        "SELECT s.stage AS event, s.ts AS event_time, s.opp_id || ':' || s.stage AS event_id, "
        "a.id_value AS hashed_email, p.role, s.ts < CAST(? AS TIMESTAMP) AS old, "
        f"({agreed}) AS agreed FROM stage_event s JOIN opportunity o USING (opp_id) "
        "JOIN person p ON p.office_id = o.office_id "
        "LEFT JOIN alias a ON a.person_id = p.person_id AND a.id_type = 'email_hmac' "
        f"WHERE s.stage IN ({stages}) ORDER BY s.ts, s.opp_id, p.person_id", [oldest],
    )  # fmt: skip


def _refusal(row: Mapping[str, Any]) -> str:
    if row["role"] == "investor":
        return "investor"
    if row["old"]:
        return "older than 90 days"
    if not row["agreed"]:
        return "no consent to ads"
    return "" if row["hashed_email"] else "no hashed address"


def _check_stages(matching: Matching) -> None:
    if unknown := sorted(set(matching.conversions) - set(MILESTONES)):
        raise InputError(
            "growth.milestone_unknown", f"'{unknown[0]}' is no milestone that is uploaded.",
            where="--conversion", remedy=f"Milestones are {', '.join(MILESTONES)}.",
        )  # fmt: skip
    if not matching.conversions:
        raise InputError(
            "growth.conversion_missing", "No conversion of the network is named.",
            where="--conversion", remedy="Name one for every stage to send: meeting=ID.",
        )  # fmt: skip


def _bodies(
    network: _Network, kind: str, sent: Sequence[Mapping[str, Any]], matching: Matching,
    left: dict[str, int],
) -> list[tuple[str, list[dict[str, Any]]]]:  # fmt: skip
    """Rows in the network's terms, in as many files as its limit asks; why others are left out."""
    known = {email_key(a, matching.secret): network.hashed(a) for a in matching.addresses}
    rows = []
    for row in sent:
        conversion, hashed = matching.conversions.get(row["event"]), known.get(row["hashed_email"])
        reason = "" if hashed else "address not among the contacts"
        reason = reason if conversion else "no conversion named for its stage"
        if reason:
            left[reason] = left.get(reason, 0) + 1
        else:
            rows.append({**row, "conversion": conversion, "sha256": hashed})
    starts = range(0, len(rows), network.most)
    return [(f"{kind}_{n:03d}.json", rows[at : at + network.most])
            for n, at in enumerate(starts, 1)]  # fmt: skip


# --- what each network asks for --------------------------------------------------------------


def _sha256(address: str) -> str:
    return hashlib.sha256(address.strip().lower().encode()).hexdigest()


def _sha256_dotless(address: str) -> str:
    """Of an address whose dots before the at sign its own provider ignores."""
    local, _, domain = address.strip().lower().partition("@")
    return _sha256(f"{local.replace('.', '')}@{domain}" if domain in _DOTLESS else address)


def _linkedin(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Body of POST /rest/conversionEvents with X-RestLi-Method BATCH_CREATE, read 2026-11-25."""
    return {"elements": [
        {
            "conversion": row["conversion"],
            "conversionHappenedAt": int(_utc(row["event_time"]).timestamp() * 1000),
            "eventId": row["event_id"],
            "user": {"userIds": [{"idType": "SHA256_EMAIL", "idValue": row["sha256"]}]},
        }
        for row in rows
    ]}  # fmt: skip


def _google(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Body of customers/ID:uploadClickConversions (enhanced for leads), read 2026-11-25."""
    return {
        "partialFailure": True,
        "conversions": [
            {
                "conversionAction": row["conversion"],
                "conversionDateTime": f"{_utc(row['event_time']):%Y-%m-%d %H:%M:%S}+00:00",
                "orderId": row["event_id"],
                "userIdentifiers": [{"hashedEmail": row["sha256"]}],
                "consent": {"adUserData": "GRANTED"},
            }
            for row in rows
        ],
    }


def _utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)


# LinkedIn's limit is B5's; Google's is that of its interface.
NETWORKS = {
    "google": _Network(2_000, _sha256_dotless, _google),
    "linkedin": _Network(5_000, _sha256, _linkedin),
}
