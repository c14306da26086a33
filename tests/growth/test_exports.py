"""What leaves the warehouse: uploads to ad networks, media-mix tables, dbt and metrics packages."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from tests.growth.programme import load_tables, programme

from opensma.cli import run
from opensma.errors import InputError
from opensma.growth import exports_uploads
from opensma.growth.exports import export
from opensma.growth.exports_uploads import Matching
from opensma.growth.journeys import Rules
from opensma.growth.privacy import email_key
from opensma.growth.publish import publish
from opensma.growth.warehouse.store import open_warehouse, query, setting

SECRET = b"a secret of thirty-two random bytes"


@pytest.fixture
def warehouse(tmp_path: Path) -> Any:
    connection = open_warehouse(None)
    tables, given = programme(60, 24, seed=41)
    last = given.as_of.isoformat()
    tables["opportunity"] = [
        (f"x{i}", "f0", f"o{i}", None, None, "2021-01-01 09:00:00") for i in range(3)
    ]
    tables["stage_event"] = [
        ("x0", "funded", f"{last} 10:00:00", "crm"),
        ("x0", "meeting", "2021-02-01 10:00:00", "crm"),
        ("x1", "funded", f"{last} 10:00:00", "crm"),
    ]
    tables["consent"] = [("o0-p0", "ads", "granted", "form", "2021-01-01 00:00:00")]
    tables["alias"] = [
        ("email_hmac", f"{i:064x}", f"o{o}-p{p}", None, "imported", "crm", "2021-01-01 00:00:00")
        for i, (o, p) in enumerate(((0, 0), (0, 1), (1, 0)))
    ]
    load_tables(connection, tmp_path / "in", tables)
    publish(connection, given, Rules(given.as_of))
    return connection


def test_uploads_hold_fresh_milestones_of_those_who_agreed_and_a_log(
    warehouse: Any, tmp_path: Path
) -> None:
    """B5, P6."""
    done = export(warehouse, "linkedin", tmp_path / "out")
    with (tmp_path / "out" / "linkedin.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(r["event_id"], r["hashed_email"]) for r in rows] == [("x0:funded", f"{0:064x}")]
    assert set(rows[0]) == {"event", "event_time", "event_id", "hashed_email"}
    assert done.files["linkedin_log.csv"] == 1
    assert done.left_out == {"older than 90 days": 2, "no consent to ads": 3}


def with_addresses(warehouse: Any, *addresses: str) -> None:
    """Persons of the first office get these addresses as keys, and agree to ads."""
    warehouse.execute("DELETE FROM alias")
    for number, address in enumerate(addresses):
        warehouse.execute(
            "INSERT INTO alias VALUES ('email_hmac', ?, ?, NULL, 'imported', 'crm', "
            "TIMESTAMP '2021-01-01')", [email_key(address, SECRET), f"o0-p{number}"],
        )  # fmt: skip
    warehouse.execute("DELETE FROM consent")
    warehouse.execute(
        "INSERT INTO consent SELECT person_id, 'ads', 'granted', 'form', TIMESTAMP '2021-01-01' "
        "FROM person WHERE office_id = 'o0'"
    )


def test_a_network_gets_its_own_request_bodies_and_no_address(
    warehouse: Any, tmp_path: Path
) -> None:
    """B5, P6: the address comes from outside, for the length of the export."""
    with_addresses(warehouse, "ann@adviser.example", "bob@adviser.example")
    matching = Matching([" Ann@Adviser.example"], SECRET, {"funded": "urn:lla:x:7"})
    done = export(warehouse, "linkedin", tmp_path, matching)
    text = (tmp_path / "linkedin_001.json").read_text()
    (sent,) = json.loads(text)["elements"]
    assert sent["conversion"] == "urn:lla:x:7"
    assert sent["eventId"] == "x0:funded"
    moment = datetime.fromtimestamp(sent["conversionHappenedAt"] / 1000, UTC)
    assert moment.isoformat(" ") == f"{setting(warehouse, 'as_of')} 10:00:00+00:00"
    (known,) = sent["user"]["userIds"]
    assert known == {"idType": "SHA256_EMAIL",
                     "idValue": hashlib.sha256(b"ann@adviser.example").hexdigest()}  # fmt: skip
    assert "ann" not in text
    assert done.left_out["address not among the contacts"] == 1
    assert done.files["linkedin_log.csv"] == 1


def test_google_ignores_dots_where_the_provider_does(warehouse: Any, tmp_path: Path) -> None:
    with_addresses(warehouse, "a.nn@gmail.com", "b.ob@adviser.example")
    matching = Matching(
        ["A.nn@gmail.com", "b.ob@adviser.example"], SECRET, {"funded": "customers/1/x/2"}
    )
    export(warehouse, "google", tmp_path, matching)
    body = json.loads((tmp_path / "google_001.json").read_text())
    assert body["partialFailure"] is True
    assert [c["userIdentifiers"][0]["hashedEmail"] for c in body["conversions"]] == [
        hashlib.sha256(a).hexdigest() for a in (b"ann@gmail.com", b"b.ob@adviser.example")
    ]
    day = setting(warehouse, "as_of")
    assert {c["conversionDateTime"] for c in body["conversions"]} == {f"{day} 10:00:00+00:00"}
    assert {c["consent"]["adUserData"] for c in body["conversions"]} == {"GRANTED"}


def test_stages_without_a_conversion_are_left_out_and_limits_are_kept(
    warehouse: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_addresses(warehouse, "a@adviser.example", "b@adviser.example")
    people = ["a@adviser.example", "b@adviser.example"]
    done = export(warehouse, "linkedin", tmp_path, Matching(people, SECRET, {"meeting": "m"}))
    assert done.left_out["no conversion named for its stage"] == 2
    assert set(done.files) == {"linkedin.csv", "linkedin_log.csv"}
    small = replace(exports_uploads.NETWORKS["linkedin"], most=1)
    monkeypatch.setitem(exports_uploads.NETWORKS, "linkedin", small)
    done = export(warehouse, "linkedin", tmp_path, Matching(people, SECRET, {"funded": "f"}))
    assert (done.files["linkedin_001.json"], done.files["linkedin_002.json"]) == (1, 1)


@pytest.mark.parametrize(
    ("kind", "conversions", "code"),
    [("linkedin", {"webinar": "x"}, "growth.milestone_unknown"),
     ("linkedin", {}, "growth.conversion_missing"),
     ("mmm", {"funded": "x"}, "growth.export_matching")],
)  # fmt: skip
def test_an_upload_that_cannot_be_matched_is_refused(
    warehouse: Any, tmp_path: Path, kind: str, conversions: dict[str, str], code: str
) -> None:
    with pytest.raises(InputError) as caught:
        export(warehouse, kind, tmp_path / "out", Matching(["a@b.example"], SECRET, conversions))
    assert caught.value.code == code
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


def test_media_tables_keep_all_spend_by_territory_and_lose_no_touch_unsaid(
    warehouse: Any, tmp_path: Path
) -> None:
    """B6, P5."""
    warehouse.execute(
        "UPDATE spend SET territory = CASE WHEN hash(spend_id) % 2 = 0 THEN 'east' END, "
        "impressions = amount_c // 5"
    )
    warehouse.execute(
        "INSERT INTO office SELECT DISTINCT office_id, firm_id, "
        "CASE WHEN hash(office_id) % 2 = 0 THEN 'east' ELSE 'west' END, DATE '2020-01-01', NULL "
        "FROM person"
    )
    done = export(warehouse, "mmm", tmp_path)
    spent, seen, touched, outcomes = query(
        warehouse,
        "SELECT (SELECT sum(amount_c) FROM spend), (SELECT sum(impressions) FROM spend), "
        "(SELECT count(*) FROM touch), (SELECT count(*) FROM event) + "
        "(SELECT count(*) FROM stage_event)",
    )[0].values()
    media = rows_of(tmp_path / "media.csv")
    assert {r["territory"] for r in media} == {"east", "(unknown)"}
    assert sum(int(r["spend_cents"]) for r in media) == spent
    assert sum(int(r["impressions"]) for r in media) == seen
    touches, outcome = rows_of(tmp_path / "touches.csv"), rows_of(tmp_path / "outcome.csv")
    lost = done.left_out
    few = "in cells of fewer than 10"
    assert sum(int(r["touches"]) for r in touches) + lost.get(f"touches {few}", 0) == touched
    assert sum(int(r["events"]) for r in outcome) + lost.get(f"events {few}", 0) == outcomes
    assert all(int(r["units"]) >= 10 for r in touches + outcome)


def test_cells_are_merged_over_territories_and_then_over_the_month(tmp_path: Path) -> None:
    """P5: nine persons are too few, and no cell is shown that the others give away."""
    connection = open_warehouse(None)
    # channel, day, territory, persons
    told = [("email", "2024-03-04", "east", 10), ("email", "2024-03-05", "west", 6),
            ("email", "2024-03-06", "north", 4), ("webinar", "2024-03-04", "east", 5),
            ("webinar", "2024-03-12", "east", 5), ("rfp", "2024-03-04", "east", 9)]  # fmt: skip
    number = 0
    for channel, day, territory, persons in told:
        connection.execute(
            "INSERT INTO office SELECT ?, NULL, ?, DATE '2020-01-01', NULL WHERE NOT EXISTS "
            "(SELECT 1 FROM office WHERE office_id = ?)", [territory, territory, territory],
        )  # fmt: skip
        for _ in range(persons):
            number += 1
            connection.execute(
                "INSERT INTO person VALUES (?, NULL, ?, NULL, 'advisor', 'contract', "
                "DATE '2020-01-01', NULL)", [f"p{number}", territory],
            )  # fmt: skip
            connection.execute(
                "INSERT INTO touch VALUES (?, ?, ?, NULL, ?, NULL, NULL, NULL, 'visit', NULL, "
                "NULL, NULL)", [f"t{number}", f"{day} 09:00:00", f"p{number}", channel],
            )  # fmt: skip
    done = export(connection, "mmm", tmp_path)
    found = [tuple(r.values()) for r in rows_of(tmp_path / "touches.csv")]
    assert found == [
        ("month", "2024-03-01", "(merged)", "webinar", "10", "10"),
        ("week", "2024-03-04", "(merged)", "email", "10", "10"),
        ("week", "2024-03-04", "east", "email", "10", "10"),
    ]
    assert done.left_out == {"touches in cells of fewer than 10": 9}


def test_an_older_warehouse_gets_the_columns_that_came_later(tmp_path: Path) -> None:
    path = tmp_path / "old.growth"
    connection = open_warehouse(path, create=True)
    connection.execute("ALTER TABLE spend DROP COLUMN impressions")
    connection.execute("ALTER TABLE spend DROP COLUMN territory")
    connection.execute("DROP TABLE office")
    connection.execute(
        "INSERT INTO spend VALUES ('a', '2024-01-03', 'email', NULL, 'media', 70, NULL, NULL)"
    )
    connection.close()
    connection = open_warehouse(path)
    assert export(connection, "mmm", tmp_path / "out").files["media.csv"] == 1
    connection.close()


def test_a_database_of_somebody_else_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "theirs.duckdb"
    connection = duckdb.connect(str(path))
    connection.execute("CREATE TABLE mine (a INTEGER)")
    connection.close()
    connection = open_warehouse(path)
    assert [row[0] for row in connection.execute("SHOW TABLES").fetchall()] == ["mine"]
    connection.close()


def test_a_dbt_package_refers_to_everything_it_reads(warehouse: Any, tmp_path: Path) -> None:
    export(warehouse, "dbt", tmp_path)
    known = {p.stem for p in tmp_path.rglob("*.sql")} | {p.stem for p in tmp_path.rglob("*.csv")}
    for path in (tmp_path / "models").glob("*.sql"):
        text = path.read_text()
        bare = re.findall(r"\b(?:FROM|JOIN) ([a-z_]+)\b(?!\.)", text)
        assert bare == [], f"{path.name} reads {bare}"
        assert set(re.findall(r"ref\('(\w+)'\)", text)) <= known
        assert path.stem not in re.findall(r"ref\('(\w+)'\)", text)


def test_metrics_are_written_for_a_metrics_layer(warehouse: Any, tmp_path: Path) -> None:
    export(warehouse, "metricflow", tmp_path)
    document = json.loads((tmp_path / "metrics.yml").read_text())
    assert {m["name"] for m in document["metrics"]} == {"billed_revenue", "net_revenue"}


# --- the command -------------------------------------------------------------------------------


def test_the_command_reads_contacts_and_writes_bodies(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "w.growth"
    connection = open_warehouse(path, create=True)
    for sql in (
        "INSERT INTO person VALUES ('p', NULL, 'o', NULL, 'advisor', 'contract', '2020-1-1', NULL)",
        "INSERT INTO opportunity VALUES ('x', NULL, 'o', NULL, NULL, '2024-01-01')",
        "INSERT INTO stage_event VALUES ('x', 'meeting', '2024-02-01 10:00:00', 'crm')",
        "INSERT INTO consent VALUES ('p', 'ads', 'granted', 'form', '2024-01-01')",
        "INSERT INTO setting VALUES ('as_of', '2024-02-15')",
    ):
        connection.execute(sql)
    connection.execute(
        "INSERT INTO alias VALUES ('email_hmac', ?, 'p', NULL, 'imported', 'crm', '2024-01-01')",
        [email_key("ann@adviser.example", SECRET)],
    )
    connection.close()
    secret, contacts = tmp_path / "secret", tmp_path / "contacts.csv"
    secret.write_bytes(SECRET)
    contacts.write_text("name,email\nAnn,ann@adviser.example\nNobody,\n")
    ask = ["growth", "export", "linkedin", "--out", str(tmp_path / "out"), "--warehouse", str(path),
           "--json", "--contacts", str(contacts)]  # fmt: skip

    def refused(*more: str, asked: list[str] = ask) -> str:
        capsys.readouterr()
        assert run([*asked, *more]) == 2
        return str(json.loads(capsys.readouterr().out)["error"]["code"])

    assert refused("--conversion", "meeting=urn:1") == "growth.secret_missing"
    assert refused("--secret-file", str(secret)) == "growth.conversion_missing"
    assert refused("--conversion", "meeting") == "growth.conversion"
    assert refused("--conversion", "meeting=urn:1", asked=ask[:-2]) == "growth.contacts"
    capsys.readouterr()
    assert run([*ask, "--conversion", "meeting=urn:1", "--secret-file", str(secret)]) == 0
    assert json.loads(capsys.readouterr().out)["files"]["linkedin_001.json"] == 1
    contacts.write_text("mail\nann@adviser.example\n")
    assert refused("--conversion", "m=1", "--secret-file", str(secret)) == "growth.contacts"
