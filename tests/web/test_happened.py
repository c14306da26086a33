"""What a webhook is told: days, exceptions, invoices, each to who may see it."""

from tests.viewers import viewer
from tests.web.billed import Billed
from tests.web.shown import Shown

from opensma.access.happened import happened
from opensma.access.store import Access
from opensma.book.invoices import lines_of
from opensma.book.rights import Role, Scope


def test_released_and_reversed_invoices_are_told(billed: Billed) -> None:
    access, manager = Access(billed.book), viewer(Role.MANAGER, Scope.BOOK, "book")
    told = [body for _, body in happened(access, manager, 0)]
    released = {b["invoice_id"] for b in told if b["event"] == "invoice.released"}
    reversed_ones = {b["invoice_id"] for b in told if b["event"] == "invoice.reversed"}
    assert released
    assert reversed_ones
    with billed.book.read() as connection:
        shared = next(
            i.invoice_id for i in billed.invoices()
            if len({x.account_id for x in lines_of(connection, i.invoice_id)}) > 1
        )  # fmt: skip
    one = viewer(Role.OWNER, Scope.ACCOUNT, billed.members[0])
    ids = {b.get("invoice_id") for _, b in happened(access, one, 0)}
    assert shared in released
    assert shared not in ids


def test_nothing_from_before_the_hook_is_told(billed: Billed) -> None:
    later = 4_000_000_000
    access, manager = Access(billed.book), viewer(Role.MANAGER, Scope.BOOK, "book")
    told = [body for _, body in happened(access, manager, later)]
    assert [b for b in told if b["event"].startswith("invoice")] == []


def test_exceptions_and_days_are_told_to_who_serves_the_accounts(portal: Shown) -> None:
    access, trouble = Access(portal.book), portal.view.exceptions
    named = {(e.account_id, e.code) for e in trouble}
    mine = trouble[0].account_id
    serves = viewer(Role.ADVISOR, Scope.ACCOUNT, mine)
    told = [b for _, b in happened(access, serves, 0) if b["event"] == "exception.opened"]
    assert {(b["account_id"], b["code"]) for b in told} == {x for x in named if x[0] == mine}
    assert all(b["since"] <= "2024-12-31" for b in told)
    manager = viewer(Role.MANAGER, Scope.BOOK, "book")
    everything = [b for _, b in happened(access, manager, 0)]
    assert sum(b["event"] == "exception.opened" for b in everything) == len(named)
    assert "day.finished" in {b["event"] for b in everything}
    owner = viewer(Role.OWNER, Scope.ACCOUNT, mine)
    events = {b["event"] for _, b in happened(access, owner, 0)}
    assert events <= {"request.made", "request.decided"}
