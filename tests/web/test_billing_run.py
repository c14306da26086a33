"""A billing run in the portal: drawn up, held, let through by a second person, released once."""

import json
import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.web.billed import AT, Billed, bill
from tests.web.shown import Shown
from tests.web.signed import Signed

from opensma.access.audit import lines_of
from opensma.billing.desk import load_terms
from opensma.book.invoices import live_invoices
from opensma.book.master import Grant, User, add_records
from opensma.book.rights import Role, Scope
from opensma.web import create_app

AGREEMENT = "=HYPERLINK(1)"


@pytest.fixture
def billing(portal: Shown, tmp_path: Path) -> Billed:
    """A copy whose third quarter was taken back, with two people of the desk."""
    made = bill(portal, tmp_path)
    records: list[User | Grant] = []
    for name in ("ann", "ben"):
        records += [
            User(name, name.title()),
            Grant(f"desk-{name}", name, Role.OPERATIONS, Scope.BOOK, "book", None, "1970-01-01",
                  None, "test"),
        ]  # fmt: skip
    with made.book.write() as connection:
        add_records(connection, records)
    return made


@pytest.fixture
def gated(billing: Billed) -> Signed:
    return Signed(create_app(billing.book, billing.market, sign_in=True))


def send(client: TestClient, what: str, **more: str) -> int:
    page = client.get("/billing/run?period=2024Q3").text
    found = re.search(r'name="csrf" value="(\w+)"', page)
    assert found
    form = {"csrf": found[1], "what": what, "period": "2024Q3", **more}
    return client.post("/billing/run", data=form).status_code


def standing(billing: Billed) -> set[str]:
    with billing.book.read() as connection:
        return {row.period for row in live_invoices(connection)}


def test_a_period_is_drawn_up_and_released_once(gated: Signed, billing: Billed) -> None:
    ann = gated.client("ann")
    page = ann.get("/billing/run?period=2024Q3").text
    assert "Release 1 invoice of 2024Q3" in page
    assert "all agree to the cent" in page
    assert standing(billing) == {"2024Q4"}  # looking writes nothing
    assert send(ann, "release") == 303
    assert standing(billing) == {"2024Q3", "2024Q4"}
    assert "Nothing waits to be released" in ann.get("/billing/run?period=2024Q3").text
    newest = [one.line for one in lines_of(gated.app.state.gate.access, size=4)]
    assert ("ann", "billing-release") in {(line.user_id, line.screen) for line in newest}


def test_a_hold_needs_a_second_person(gated: Signed, billing: Billed, tmp_path: Path) -> None:
    facts = {
        "account": billing.members[0], "version": 1, "valid_from": "2024-07-01",
        "statuses": [{"status": "frozen", "from": "2024-08-01", "reason": "court"}],
    }  # fmt: skip
    path = tmp_path / "facts.json"
    path.write_text(json.dumps({"accounts": [facts]}))
    load_terms(billing.book, path, AT)
    ann, ben = gated.client("ann"), gated.client("ben")
    page = ann.get("/billing/run?period=2024Q3").text
    assert "court" in page
    assert "Nothing waits to be released" in page
    assert send(ann, "let-through", agreement=AGREEMENT, reason=" ") == 422
    assert send(ann, "let-through", agreement=AGREEMENT, reason="Order lifted.") == 303
    assert send(ann, "release") == 422  # whoever let it through cannot release it
    assert standing(billing) == {"2024Q4"}
    assert send(ben, "release") == 303
    assert standing(billing) == {"2024Q3", "2024Q4"}


def test_who_only_looks_or_sees_a_part_cannot(gated: Signed) -> None:
    for user in ("auditor", "manager", "owner", "advisor"):
        assert gated.client(user).get("/billing/run?period=2024Q3").status_code == 404, user


@pytest.mark.parametrize("period", ["x", "2024Q9", "../.."])
def test_a_period_that_is_none_is_not_there(gated: Signed, period: str) -> None:
    answer = gated.client("ann").get("/billing/run", params={"period": period})
    assert answer.status_code == 404
