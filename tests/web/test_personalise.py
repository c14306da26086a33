"""Personalise: what an owner sees before asking is what holds after approving (P13, rule 3a-4)."""

import re
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.web.shown import Shown
from tests.web.signed import Signed, copied

from opensma.access import requests
from opensma.access.audit import lines_of
from opensma.book.gain_budgets import read_budgets
from opensma.book.master import AccountRecord, Restriction, all_records, some_records
from opensma.book.store import Book
from opensma.book.visible import find_viewer, visible_accounts
from opensma.trade.change_text import read_change
from opensma.trade.standing import standing
from opensma.trade.what_if import Change, what_if
from opensma.web.what_if import ON_FILE, Desk


@pytest.fixture
def gated(portal: Shown, tmp_path: Path) -> Signed:
    """A copy of the book, since approving writes to it, with sign-in."""
    return copied(portal, tmp_path)


@pytest.fixture
def account(gated: Signed) -> AccountRecord:
    with book_of(gated).read() as connection:
        viewer = find_viewer(connection, "owner", "2024-12-31")
        return visible_accounts(connection, viewer)[0]


def book_of(gated: Signed) -> Book:
    return gated.app.state.gate.book


def word(client: TestClient, path: str) -> str:
    found = re.search(r'name="csrf" value="(\w+)"', client.get(path).text)
    assert found is not None
    return found[1]


def ask(gated: Signed, account_id: str, user: str = "owner", **fields: str) -> int:
    client, path = gated.client(user), f"/accounts/{account_id}/requests"
    form = {"csrf": word(client, "/me"), **fields}
    return client.post(path, data=form).status_code


def answer(gated: Signed, user: str, request_id: str, what: str, reason: str = "") -> int:
    client = gated.client(user)
    form = {"csrf": word(client, "/me"), "what": what, "reason": reason}
    return client.post(f"/requests/{request_id}", data=form).status_code


def only(gated: Signed) -> requests.Request:
    (found,) = requests.of_accounts(gated.app.state.gate.access, None)
    return found


FIELDS = {"exclude": "Energy", "te_cap": "1.5%", "budget": "20000"}


def test_what_is_approved_is_what_was_shown(gated: Signed, account: AccountRecord) -> None:
    book, market = book_of(gated), gated.app.state.gate.pages(None).portal.market
    name = account.account_id
    shown = what_if(standing(book, Desk(book, market).ready(), name, None, ON_FILE),
                    read_change(FIELDS))  # fmt: skip
    assert ask(gated, name, **FIELDS) == 303
    kept = only(gated)
    assert kept.preview["tax_cents"] == shown.tax_cents
    assert kept.preview["te_after"] == shown.after.tracking_error
    assert answer(gated, "manager", kept.request_id, "approve", "Reasonable.") == 303
    with book.read() as connection:
        (wish,) = [
            r for r in some_records(connection, Restriction, "account_id", [name])
            if r.restriction_id.startswith(kept.request_id)
        ]  # fmt: skip
        (now,) = some_records(connection, AccountRecord, "account_id", [name])
        (budget,) = read_budgets(connection, [account.account_key])
    assert (wish.kind, wish.scope, wish.scope_key) == ("exclude", "sector", "Energy")
    assert (now.te_cap_bps, now.risk_aversion_micros) == (150, None)
    assert (budget.long_cents, budget.short_cents) == (2_000_000, 0)
    stands = what_if(standing(book, Desk(book, market).ready(), name, None, ON_FILE), Change())
    assert stands.before.status == shown.after.status
    if stands.before.solved:  # the same plan, were it not for what the year realised before
        assert stands.before.tracking_error == pytest.approx(shown.after.tracking_error, abs=2e-4)
    answered = only(gated)
    assert (answered.state, answered.decided_by) == ("approved", "manager")
    assert len(answered.applied) == 3
    screens = [one.line.screen for one in lines_of(gated.app.state.gate.access, [name], size=10)]
    assert "request-approved" in screens
    assert "request" in screens


def test_a_refusal_needs_a_reason_and_changes_nothing(
    gated: Signed, account: AccountRecord
) -> None:
    name = account.account_id
    with book_of(gated).read() as connection:
        before = all_records(connection, Restriction)
    assert ask(gated, name, exclude="Energy") == 303
    kept = only(gated)
    assert answer(gated, "manager", kept.request_id, "refuse") == 422
    assert answer(gated, "manager", kept.request_id, "refuse", "Too much of the index.") == 303
    assert only(gated).reason == "Too much of the index."
    assert answer(gated, "manager", kept.request_id, "approve") == 422
    with book_of(gated).read() as connection:
        assert all_records(connection, Restriction) == before
    page = gated.client("owner").get(f"/accounts/{name}/requests").text
    assert "Too much of the index." in page


def test_a_wish_that_means_nothing_is_told_and_not_kept(
    gated: Signed, account: AccountRecord
) -> None:
    assert ask(gated, account.account_id, exclude="No such thing") == 422
    assert ask(gated, account.account_id) == 422
    assert requests.of_accounts(gated.app.state.gate.access, None) == []


def test_words_alone_can_be_asked_and_withdrawn(gated: Signed, account: AccountRecord) -> None:
    assert ask(gated, account.account_id, note="<b>Give</b> 10 shares to the museum") == 303
    page = gated.client("owner").get(f"/accounts/{account.account_id}/requests").text
    assert "&lt;b&gt;Give&lt;/b&gt;" in page
    assert answer(gated, "manager", only(gated).request_id, "withdraw") == 404
    assert answer(gated, "owner", only(gated).request_id, "withdraw") == 303
    assert only(gated).state == "withdrawn"


def test_nobody_else_asks_or_answers(gated: Signed, account: AccountRecord) -> None:
    name = account.account_id
    with book_of(gated).read() as connection:
        accounts = all_records(connection, AccountRecord)
    foreign = next(a.account_id for a in accounts if a.taxpayer_id != account.taxpayer_id)
    assert ask(gated, foreign, exclude="Energy") == 404
    assert ask(gated, name, user="household", exclude="Energy") == 404
    assert ask(gated, name, exclude="Energy") == 303
    kept = only(gated)
    for user in ("owner", "household", "auditor", "sponsor", "growth", "operations"):
        assert answer(gated, user, kept.request_id, "approve") == 404, user
    assert only(gated).open
    assert gated.client("owner").get("/requests").status_code == 404
    assert name in gated.client("manager").get("/requests").text


def cash_after(gated: Signed, account: AccountRecord) -> float:
    """Dollars in cash once the account's next plan is carried out."""
    book, market = book_of(gated), gated.app.state.gate.pages(None).portal.market
    told = what_if(standing(book, Desk(book, market).ready(), account.account_id, None, ON_FILE),
                   Change())  # fmt: skip
    assert told.before.solved
    return told.before.cash_cents / 100


def test_cash_that_was_granted_is_raised_by_the_next_plan_until_the_reserve_ends(
    gated: Signed, account: AccountRecord
) -> None:
    name, before = account.account_id, cash_after(gated, account)
    assert ask(gated, name, **{"raise": "20000"}) == 303
    assert answer(gated, "manager", only(gated).request_id, "approve", "For the house.") == 303
    assert "keeps them in cash until they were paid out" in only(gated).applied[0]
    assert cash_after(gated, account) >= before + 15_000  # a band has two edges
    manager = gated.client("manager")
    page = manager.get(f"/restrictions?q={name}+cash").text
    assert "Cash reserve" in page
    (number,) = re.findall(r'name="restriction" value="([^"]+/cash)"', page)
    form = {"csrf": word(manager, "/me"), "restriction": number}
    assert gated.client("auditor").post("/restrictions", data=form).status_code in (403, 404)
    assert manager.post("/restrictions", data=form).status_code == 303
    assert number not in manager.get(f"/restrictions?q={name}").text
    with book_of(gated).read() as connection:
        (ended,) = some_records(connection, Restriction, "restriction_id", [number])
    assert ended.valid_to == "2024-12-31"  # the newest day was its last
    screens = [one.line.screen for one in lines_of(gated.app.state.gate.access, [name], size=3)]
    assert "restriction-end" in screens


def test_more_cash_than_there_is_cannot_be_granted(gated: Signed, account: AccountRecord) -> None:
    assert ask(gated, account.account_id, note="All of it, please.") == 303
    kept = only(gated)
    form = {"raise": "999999999"}
    assert ask(gated, account.account_id, **form) in (303, 422)
    found = [r for r in requests.of_accounts(gated.app.state.gate.access, None) if r != kept]
    for one in found:  # the engine may have said already that it cannot be done
        assert answer(gated, "manager", one.request_id, "approve", "Yes.") == 422
        with book_of(gated).read() as connection:
            wishes = all_records(connection, Restriction)
        assert not [w for w in wishes if w.restriction_id.startswith(one.request_id)]
