"""`POST /events` over HTTP: status codes, named faults, nothing without JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from opensma.growth.warehouse.store import open_warehouse, query
from opensma.web.events import Events


def receiver(folder: Path) -> Any:
    return Events(folder / "w.growth", ["sma.example"]).post


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    return TestClient(Starlette(routes=[Route("/events", receiver(tmp_path), methods=["POST"])]))


def batch(**more: Any) -> dict[str, Any]:
    event = {"event_id": "e1", "ts": "2024-12-01T10:00:00Z", "kind": "visit"}
    return {"idempotency_key": "batch-0001", "events": [event | more]}


def test_a_batch_is_created_once(client: TestClient, tmp_path: Path) -> None:
    assert client.post("/events", json=batch()).status_code == 201
    again = client.post("/events", json=batch())
    assert (again.status_code, again.json()["again"]) == (200, True)
    other = client.post("/events", json=batch(kind="other"))
    assert (other.status_code, other.json()["error"]["code"]) == (409, "growth.events_key")
    rows = query(open_warehouse(tmp_path / "w.growth"), "SELECT channel, rule FROM touch")
    assert rows == [{"channel": "direct", "rule": "K13"}]


def test_faults_are_named_and_forms_are_refused(client: TestClient) -> None:
    wrong = client.post("/events", json=batch(ts="now"))
    assert wrong.status_code == 422
    assert "events[0].ts" in wrong.json()["error"]["message"]
    assert client.post("/events", data={"a": "b"}).status_code == 415
    large = client.post(
        "/events", content=json.dumps(batch()) + " " * 300_000,
        headers={"content-type": "application/json"},
    )  # fmt: skip
    assert large.status_code == 413
