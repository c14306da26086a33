"""First-party events: once, whole or not at all, hashed and with consent."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from opensma.errors import InputError
from opensma.growth.events import MOST_BYTES, read_batch, receive
from opensma.growth.privacy import erase
from opensma.growth.warehouse.store import open_warehouse, query

NOW = datetime(2024, 12, 31, tzinfo=UTC)
HMAC = "a" * 64
GRANTED = {
    "purpose": "analytics",
    "state": "granted",
    "source": "study",
    "ts": "2024-12-01T00:00:00Z",
}


def event(name: str = "e1", **more: Any) -> dict[str, Any]:
    return {"event_id": name, "ts": "2024-12-01T10:00:00+01:00", "kind": "visit",
            "landing_url": "https://sma.example/?gclid=1", **more}  # fmt: skip


def body(*events: Any, key: str = "batch-0001") -> bytes:
    return json.dumps({"idempotency_key": key, "events": events}).encode()


def take(connection: Any, raw: bytes) -> Any:
    return receive(connection, *read_batch(raw), ["sma.example"], NOW)


def test_a_batch_is_taken_once_and_the_channel_is_found_by_the_rules() -> None:
    connection = open_warehouse(None)
    inside = event("e2", landing_url="https://sma.example/a", referrer="https://sma.example/b")
    first = take(connection, body(event(), inside))
    assert (first.touches, first.internal, first.again) == (1, 1, False)
    assert take(connection, body(event(), inside)).again
    row = query(connection, "SELECT * FROM touch")
    assert [(r["channel"], r["rule"], r["ts"].hour) for r in row] == [("paid_search", "K2", 9)]
    with pytest.raises(InputError, match="other events"):
        take(connection, body(event("e9")))


def test_nothing_is_half_loaded() -> None:
    connection = open_warehouse(None)
    take(connection, body(event("old")))
    with pytest.raises(InputError, match="'old' is there already"):
        take(connection, body(event("new"), event("old"), key="batch-0002"))
    assert [r["touch_id"] for r in query(connection, "SELECT touch_id FROM touch")] == ["old"]
    assert len(query(connection, "SELECT * FROM event_batch")) == 1


def test_a_person_is_named_only_with_a_lawful_basis_and_says_the_source_beside() -> None:
    connection = open_warehouse(None)
    connection.execute(
        "INSERT INTO alias VALUES ('email_hmac', ?, 'p1', NULL, 'verified', 'crm', '2024-01-01')",
        [HMAC],
    )
    told = event("e1", email_hmac=HMAC, consent=GRANTED, self_reported="a friend, jo@x.com")
    denied = event("e2", email_hmac=HMAC, consent=GRANTED | {"state": "denied"}, firm_id="f1")
    take(connection, body(told, denied))
    rows = query(connection, "SELECT person_id, firm_id, channel FROM touch ORDER BY touch_id")
    assert [(r["person_id"], r["firm_id"]) for r in rows] == [("p1", None), (None, None)]
    assert rows[0]["channel"] == "paid_search"
    said = query(connection, "SELECT email_hmac, self_reported FROM capture ORDER BY touch_id")
    assert said[0] == {"email_hmac": HMAC, "self_reported": "a friend, [email]"}
    assert said[1]["email_hmac"] is None


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"ts": "yesterday"}, r"events\[0\].ts"),
        ({"ts": "2024-12-01T10:00:00"}, r"events\[0\].ts"),
        ({"email_hmac": "jo@x.com", "consent": GRANTED}, "email_hmac: 64 hex"),
        ({"email_hmac": HMAC}, "consent: needed"),
        ({"consent": GRANTED | {"ts": "2025-01-01T00:00:00Z"}}, "later than the event"),
        ({"nickname": "Jo"}, "nickname: unknown"),
        ({"campaign_id": "jo@x.com"}, "campaign_id: holds an address"),
        ({"kind": ""}, "kind: missing"),
    ],
)
def test_a_wrong_field_is_named(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        read_batch(body(event(**wrong)))


@pytest.mark.parametrize(
    ("domain", "firm"), [("harbor.com", "f1"), ("mail.Harbor.com", "f1"), ("gmail.com", None)]
)
def test_i5_the_domain_of_an_address_names_a_firm_only_where_it_is_its_own(
    domain: str, firm: str | None
) -> None:
    connection = open_warehouse(None)
    connection.execute(
        "INSERT INTO firm VALUES ('f1', NULL, NULL, 'ria', 'harbor.com', '2021-01-01', NULL), "
        "('f2', NULL, NULL, 'ria', 'gmail.com', '2021-01-01', NULL)"
    )
    told = event("e1", email_domain=domain, consent=GRANTED)
    denied = event("e2", email_domain=domain, consent=GRANTED | {"state": "denied"})
    take(connection, body(told, denied))
    firms = query(connection, "SELECT touch_id, firm_id FROM touch ORDER BY touch_id")
    assert firms == [{"touch_id": "e1", "firm_id": firm}, {"touch_id": "e2", "firm_id": None}]
    links = query(connection, "SELECT firm_id, basis FROM alias WHERE id_type = 'email_domain'")
    basis = "domain of an e-mail address (I5)"
    assert links == ([{"firm_id": firm, "basis": basis}] if firm else [])


def test_large_bodies_and_batches_are_refused() -> None:
    with pytest.raises(InputError, match="bytes"):
        read_batch(b" " * (MOST_BYTES + 1))
    with pytest.raises(InputError, match="1 to 500"):
        read_batch(body(*(event(f"e{i}") for i in range(501))))


def test_an_erased_person_leaves_no_hashed_address_in_what_was_captured() -> None:
    connection = open_warehouse(None)
    connection.execute(
        "INSERT INTO person VALUES ('p1', NULL, NULL, NULL, 'advisor', 'granted', "
        "'2024-01-01', NULL)"
    )
    connection.execute(
        "INSERT INTO alias VALUES ('email_hmac', ?, 'p1', NULL, 'verified', 'crm', '2024-01-01')",
        [HMAC],
    )
    take(connection, body(event("e1", email_hmac=HMAC, consent=GRANTED)))
    assert erase(connection, "p1").removed["capture"] == 1
    assert query(connection, "SELECT * FROM capture") == []
    assert query(connection, "SELECT count(*) AS n FROM touch") == [{"n": 1}]
