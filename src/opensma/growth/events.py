"""First-party events from a server: checked as a batch, then all in the warehouse or none.

No cookies: an event names a person by a hashed address, and only with a lawful basis (P1, P2).
The channel is found by the dated rules; what a person says of the source stands beside it.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from opensma.errors import InputError
from opensma.growth.channels import classify, own_hosts_of
from opensma.growth.channels_lists import load_rules
from opensma.growth.privacy import PERSONAL, masked
from opensma.growth.warehouse.firms import firms_of_domains, record_links
from opensma.growth.warehouse.schema import CONSENT, LAWFUL
from opensma.growth.warehouse.store import first_row, one_transaction, query

if TYPE_CHECKING:
    from opensma.growth.warehouse.store import Connection

MOST_BYTES = 262_144
MOST_EVENTS = 500
LONGEST_TEXT = 2_000
_KEY = re.compile(r"[A-Za-z0-9._:-]{8,100}")
_HMAC = re.compile(r"[0-9a-f]{64}")
_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+", re.IGNORECASE)
_NEEDED = ("event_id", "ts", "kind")
_TEXTS = (*_NEEDED, "landing_url", "referrer", "campaign_id", "ad_id", "firm_id", "email_hmac",
          "email_domain", "self_reported", "variant")  # fmt: skip


@dataclass(frozen=True, slots=True)
class Received:
    """What a batch came to; `again` when the same batch had been taken before."""

    touches: int
    internal: int  # visits from within the site are no touches (K1)
    again: bool


def read_batch(body: bytes) -> tuple[str, list[dict[str, Any]]]:
    """The key and events of a request; InputError names every field that is wrong."""
    if len(body) > MOST_BYTES:
        raise _wrong("events_large", f"It has {len(body):,} bytes, {MOST_BYTES:,} are the most.")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:  # the latter for thousands of brackets
        raise _wrong("events_json", f"The body is no JSON: {error}.") from error
    if not isinstance(document, dict) or set(document) != {"idempotency_key", "events"}:
        raise _wrong("events_schema", "The body needs idempotency_key and events, nothing else.")
    key, events = document["idempotency_key"], document["events"]
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise _wrong("events_schema", "idempotency_key: 8 to 100 letters, digits, . _ : or -.")
    if not isinstance(events, list) or not 1 <= len(events) <= MOST_EVENTS:
        raise _wrong("events_schema", f"events: a list of 1 to {MOST_EVENTS}.")
    faults = [f"events[{i}].{fault}" for i, event in enumerate(events) for fault in _faults(event)]
    ids = [event.get("event_id") for event in events if isinstance(event, dict)]
    if len(set(map(str, ids))) < len(ids):
        faults.append("events: an event_id stands twice")
    if faults:
        raise _wrong("events_schema", "; ".join(faults[:10]))
    return key, events


def _faults(event: object) -> list[str]:
    if not isinstance(event, dict):
        return ["(itself): not an object"]
    found = [f"{name}: unknown" for name in event if name not in (*_TEXTS, "consent")]
    found += [f"{name}: missing" for name in _NEEDED if not event.get(name)]
    for name in _TEXTS:
        value = event.get(name)
        if value is not None and (not isinstance(value, str) or len(value) > LONGEST_TEXT):
            found.append(f"{name}: text of at most {LONGEST_TEXT} characters")
        elif value and name not in ("self_reported", "landing_url", "referrer", "email_hmac"):
            found += [f"{name}: holds an address or number"] if re.search(PERSONAL, value) else []
    if found:
        return found
    if _time(event["ts"]) is None:
        found.append("ts: a time with its zone, as 2024-12-31T16:30:00Z")
    if event.get("email_hmac") and not _HMAC.fullmatch(event["email_hmac"]):
        found.append("email_hmac: 64 hex digits; never an address")
    if event.get("email_domain") and not _DOMAIN.fullmatch(event["email_domain"]):
        found.append("email_domain: what stands after the @ of an address, as harbor.com")
    return found + _consent_faults(event)


def _consent_faults(event: Mapping[str, Any]) -> list[str]:
    said = event.get("consent")
    if said is None:
        named = next((n for n in ("email_hmac", "email_domain") if event.get(n)), None)
        return [f"consent: needed with {named}"] if named else []
    if not isinstance(said, dict) or set(said) != {"purpose", "state", "source", "ts"}:
        return ["consent: purpose, state, source and ts"]
    if not all(isinstance(value, str) for value in said.values()):
        return ["consent: four texts"]
    found = [] if said["purpose"] in ("analytics", "ads") else ["consent.purpose: analytics or ads"]
    found += [] if said["state"] in CONSENT else [f"consent.state: {', '.join(CONSENT)}"]
    at, seen = _time(said["ts"]), _time(event["ts"])
    if at is None:
        found.append("consent.ts: a time with its zone")
    elif seen is not None and at > seen:
        found.append("consent.ts: later than the event")
    return found


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC).replace(tzinfo=None) if found.tzinfo else None


def receive(
    connection: Connection, key: str, events: Sequence[Mapping[str, Any]],
    own_hosts: Sequence[str], now: datetime,
) -> Received:  # fmt: skip
    """Put a batch into the warehouse once; the same key with other content is refused."""
    digest = hashlib.sha256(json.dumps(events, sort_keys=True).encode()).hexdigest()
    with one_transaction(connection):
        known = first_row(
            connection,
            "SELECT sha256, touches, internal FROM event_batch WHERE idempotency_key = ?", [key],
        )  # fmt: skip
        if known:
            if known[0] != digest:
                raise _wrong("events_key", "This idempotency_key came before with other events.")
            return Received(int(known[1]), int(known[2]), again=True)
        touches, internal = _put(connection, events, own_hosts)
        connection.execute(
            "INSERT INTO event_batch VALUES (?, ?, ?, ?, ?)",
            [key, digest, touches, internal, now.astimezone(UTC).replace(tzinfo=None)],
        )
    return Received(touches, internal, again=False)


def _put(
    connection: Connection, events: Sequence[Mapping[str, Any]], own_hosts: Sequence[str]
) -> tuple[int, int]:
    rules, hosts = load_rules(), own_hosts_of(own_hosts)
    count = 0
    for event in events:
        taken = query(connection, "SELECT 1 FROM touch WHERE touch_id = ?", [event["event_id"]])
        if taken:
            raise _wrong("events_known", f"The event '{event['event_id']}' is there already.")
        found = classify(event.get("landing_url") or "", event.get("referrer") or "", hosts, rules)
        if found.channel == "internal":
            continue
        said = event.get("consent")
        lawful = said is not None and said["purpose"] == "analytics" and said["state"] in LAWFUL
        hashed = event.get("email_hmac") if lawful else None
        at = _time(event["ts"])
        connection.execute(
            "INSERT INTO touch VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [event["event_id"], at, _person(connection, hashed),
             _firm(connection, event) if lawful else None, found.channel, found.source or None,
             event.get("campaign_id"), event.get("ad_id"), event["kind"], found.evidence,
             found.rule, rules.version],
        )  # fmt: skip
        if said is not None:
            own_words = event.get("self_reported")
            connection.execute(
                "INSERT INTO capture VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                [event["event_id"], hashed, said["purpose"], said["state"], masked(said["source"]),
                 masked(own_words) if own_words else None, event.get("variant"),
                 _time(said["ts"])],
            )  # fmt: skip
        count += 1
    return count, len(events) - count


def _person(connection: Connection, hashed: str | None) -> str | None:
    """Who claimed the key first; nobody where no system knows it yet (I1, I4)."""
    if hashed is None:
        return None
    row = first_row(
        connection,
        "SELECT person_id FROM alias WHERE id_type = 'email_hmac' AND id_value = ? "
        "AND person_id IS NOT NULL ORDER BY recorded_at, person_id LIMIT 1", [hashed],
    )  # fmt: skip
    return str(row[0]) if row else None


def _firm(connection: Connection, event: Mapping[str, Any]) -> str | None:
    """The firm that the sender names, else the one whose own the address's domain is (I5)."""
    named, domain = event.get("firm_id"), (event.get("email_domain") or "").lower()
    if named or not domain:
        return str(named) if named else None
    links = firms_of_domains(connection, [domain])
    record_links(connection, links)
    return links.get(domain)


def _wrong(code: str, message: str) -> InputError:
    return InputError(
        f"growth.{code}", message, where="POST /events",
        remedy="Nothing was taken. docs/growth.md has the shape of an event.",
    )  # fmt: skip
