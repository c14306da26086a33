"""Files of actions against a book: read whole, shown before they are booked, once, undone."""

from collections.abc import Callable
from datetime import date, timedelta

import numpy as np
import pytest

from opensma.book.actiondesk import ActionOutcome, Outcome, lot_figures, post, preview
from opensma.book.actionfile import parse_actions
from opensma.book.fold import fold
from opensma.book.instructions import method_on, read_instructions
from opensma.book.journal import Kind
from opensma.book.ledger import load_states, read_journal
from opensma.book.master import AccountRecord, Security, all_records
from opensma.book.proof import book_hash
from opensma.book.reversing import Undoing, reversal_findings, reverse
from opensma.book.snapshot import differences
from opensma.book.state import LOSS_COLUMNS, AccountState, new_account
from opensma.book.store import Book
from opensma.book.verify import verify
from opensma.day import run_day
from opensma.errors import Finding
from opensma.market import Market
from opensma.units import CENTS, MICROS

AT = "2025-01-01T00:00:00Z"


@pytest.fixture
def day(market: Market) -> str:
    """The morning after the book's last day."""
    return (market.day(-1) + timedelta(days=1)).isoformat()


def states(book: Book) -> dict[int, AccountState]:
    with book.read() as connection:
        return load_states(connection)


def household(book: Book) -> tuple[AccountRecord, AccountRecord]:
    """Two taxed accounts, or two retirement accounts, of one taxpayer."""
    with book.read() as connection:
        accounts = all_records(connection, AccountRecord)
    for one in accounts:
        for other in accounts:
            same = one.taxpayer_id == other.taxpayer_id and one.taxed == other.taxed
            if same and one.account_key < other.account_key:
                return one, other
    pytest.fail("the demo has no household with two accounts of one kind")


def holding(book: Book, least: int = 2) -> tuple[str, str, int, int]:
    """Account id, security id, account key and lot of a taxed account with `least` whole shares."""
    with book.read() as connection:
        accounts = [a for a in all_records(connection, AccountRecord) if a.taxed]
        ids = {s.security_key: s.security_id for s in all_records(connection, Security)}
        for account in accounts:
            lots = load_states(connection, [account.account_key])[account.account_key].lots
            rows = np.flatnonzero(lots.quantity_micros >= least * MICROS)
            if len(rows):
                row = rows[0]
                key = account.account_key
                return account.account_id, ids[int(lots.security[row])], key, int(lots.lot[row])
    pytest.fail("nobody holds enough")


def csv_of(*rows: dict[str, str]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return "\n".join([",".join(names), *(",".join(r.get(n, "") for n in names) for r in rows)])


def act(run: Callable[..., Outcome], book: Book, *rows: dict[str, str]) -> Outcome:
    found = parse_actions(csv_of(*rows))
    assert found.findings == ()
    return run(book, found.actions, AT)


def one(outcome: Outcome) -> ActionOutcome:
    assert outcome.findings == ()
    assert len(outcome.actions) == 1
    return outcome.actions[0]


def losses_of(state: AccountState) -> list[tuple[int, ...]]:
    columns = (getattr(state.losses, name).tolist() for name in LOSS_COLUMNS)
    return sorted(zip(*columns, strict=True))


def everything(book: Book) -> dict[int, tuple[object, ...]]:
    """What must be equal before an action and after its reversal."""
    return {
        key: (
            sorted(lot_figures(state).items()),
            state.cash_cents,
            losses_of(state),
            [row for row in state.years.tolist() if any(row[1:])],
            state.settled_cents(800_000),
        )
        for key, state in states(book).items()
    }


def wrong(book: Book) -> list[Finding]:
    """What `verify` finds: hashes, states, wash sales, and the reference engine's reading."""
    return list(verify(book))


# --- the file ------------------------------------------------------------------------------------


def test_everything_wrong_with_a_file_is_told_at_once_with_its_line() -> None:
    text = """action,kind,date,account,security,ratio,quantity,acquired,basis,colour
a,split,2025-13-01,,X,2,,,,
b,splitt,2025-01-02,,X,2,,,,
c,split,2025-01-02,,X,0,,,,
,split,2025-01-02,,X,2,,,,
d,transfer_in,2025-01-02,A,X,,10,2024-01-02,,
e,transfer_in,2025-01-02,A,X,,-1,,5.001,
f,split,2025-01-02,,,2,,,,
"""
    found = parse_actions(text)
    told = [(f.where, f.code) for f in found.findings]
    assert told == [
        ("line 1", "file.column"),
        ("line 2", "row.value"),
        ("line 3", "action.kind"),
        ("line 4", "row.value"),
        ("line 5", "action.id"),
        ("line 6", "lots.no_basis"),
        ("line 7", "row.missing"),
        ("line 7", "row.value"),
        ("line 7", "row.value"),
        ("line 8", "row.missing"),
    ]
    assert all(f.remedy for f in found.findings)
    assert "splitt" in found.findings[2].what
    assert "split" in found.findings[2].what


def test_l12_an_unknown_basis_is_never_zero() -> None:
    names = "action,kind,date,account,security,quantity,acquired"
    row = "a,transfer_in,2025-01-02,A,X,1,2024-01-02"
    assert [f.code for f in parse_actions(f"{names}\n{row}").findings] == ["lots.no_basis"]


def test_json_lines_say_the_same_as_csv() -> None:
    csv = parse_actions("action,kind,date,security,ratio\na,split,2025-01-02,X,3/2")
    json = parse_actions(
        '{"action":"a","kind":"split","date":"2025-01-02","security":"X","ratio":"3/2"}'
    )
    assert csv.findings == json.findings == ()
    assert csv.actions[0].digest == json.actions[0].digest
    floats = parse_actions('{"action":"a","kind":"split","date":"2025-01-02","ratio":1.5}')
    assert "row.value" in [f.code for f in floats.findings]


# --- look, book, know ----------------------------------------------------------------------------


def test_a_preview_says_what_posting_does_and_writes_nothing(filled: Book, day: str) -> None:
    account, security, key, lot = holding(filled)
    split = {"action": "s", "kind": "split", "date": day, "security": security, "ratio": "3"}
    digest, before = book_hash(filled), states(filled)[key]
    shown = one(act(preview, filled, split))
    assert book_hash(filled) == digest
    booked = act(post, filled, split)
    assert booked.written
    assert one(booked) == shown
    change = next(
        c for a in shown.accounts if a.account_id == account for c in a.lots if c.lot == lot
    )
    assert change.before is not None
    assert change.after is not None
    assert change.after.quantity_micros == 3 * change.before.quantity_micros
    assert change.after.basis_cents == change.before.basis_cents
    after = states(filled)[key]
    assert int(after.lots.basis_cents.sum()) == int(before.lots.basis_cents.sum())  # I2
    assert lot_figures(after)[lot][1] == change.after


def test_the_same_file_twice_is_known_and_other_content_is_refused(filled: Book, day: str) -> None:
    _, security, _, _ = holding(filled)
    split = {"action": "s", "kind": "split", "date": day, "security": security, "ratio": "3"}
    act(post, filled, split)
    digest = book_hash(filled)
    assert one(act(post, filled, split)).status == "known"
    changed = act(post, filled, split | {"ratio": "2"})
    assert [f.code for f in changed.findings] == ["book.duplicate"]
    assert book_hash(filled) == digest


def test_one_bad_action_keeps_the_whole_file_out_and_all_are_named(filled: Book, day: str) -> None:
    account, security, _, lot = holding(filled)
    digest = book_hash(filled)
    split = {"action": "s", "kind": "split", "date": day, "security": security, "ratio": "3"}
    out = {"kind": "transfer_out", "date": day, "account": account, "security": security}
    outcome = act(
        post,
        filled,
        split,
        out | {"action": "o", "lot": str(lot), "quantity": "9999999"},
        out | {"action": "p", "quantity": "1", "account": "nobody"},
        split | {"action": "q", "security": "NOTHING"},
        split | {"action": "r", "date": "2020-01-02"},
    )
    codes = {f.code for f in outcome.findings}
    assert codes == {"lots.oversold", "account.unknown", "security.unknown", "fact.backdated"}
    assert not outcome.written
    assert book_hash(filled) == digest


def test_t8_a_split_is_not_applied_twice_under_another_id(filled: Book, day: str) -> None:
    _, security, _, _ = holding(filled)
    split = {"action": "s", "kind": "split", "date": day, "security": security, "ratio": "3"}
    act(post, filled, split)
    again = act(post, filled, split | {"action": "t"})
    assert {f.code for f in again.findings} == {"action.booked"}


def test_c11_an_action_comes_before_the_trades_of_its_day(after: Book, market: Market) -> None:
    with after.read() as connection:
        journals = read_journal(connection, [1, 2, 3])
        ids = {s.security_key: s.security_id for s in all_records(connection, Security)}
        names = {a.account_key: a.account_id for a in all_records(connection, AccountRecord)}
    traded = next(b for b in reversed(journals) if b.entry.kind is Kind.BUY)
    row = {
        "action": "s",
        "kind": "split",
        "date": market.day(-1).isoformat(),
        "account": names[traded.entry.account_key],
        "security": ids[traded.entry.body["security"][0]],
        "ratio": "2",
    }
    assert [f.code for f in act(post, after, row).findings] == ["action.after_trades"]


# --- lots in kind --------------------------------------------------------------------------------


def test_c9_a_transfer_between_own_accounts_keeps_everything_a_lot_has(
    filled: Book, day: str
) -> None:
    giver, taker = household(filled)
    held = states(filled)[giver.account_key].lots
    with filled.read() as connection:
        ids = {s.security_key: s.security_id for s in all_records(connection, Security)}
    row = {
        "action": "t",
        "kind": "transfer",
        "date": day,
        "account": giver.account_id,
        "to_account": taker.account_id,
        "security": ids[int(held.security[0])],
        "quantity": str(int(held.quantity_micros[0]) // MICROS),
        "lot": str(int(held.lot[0])),
    }
    before = everything(filled)
    moved = one(act(post, filled, row))
    gone, come = (a.lots[0] for a in moved.accounts)
    if gone.after is None:
        assert come.after == gone.before
    assert come.before is None
    assert wrong(filled) == []
    assert reverse(filled, ["t"], AT).findings == ()
    assert everything(filled) == before


def test_c9_another_taxpayer_is_no_transfer(filled: Book, day: str) -> None:
    account, security, _, _ = holding(filled)
    with filled.read() as connection:
        accounts = {a.account_id: a for a in all_records(connection, AccountRecord)}
    other = next(a for a in accounts.values() if a.taxpayer_id != accounts[account].taxpayer_id)
    row = {"action": "t", "kind": "transfer", "date": day, "account": account, "quantity": "1"}
    row |= {"to_account": other.account_id, "security": security}
    assert [f.code for f in act(preview, filled, row).findings] == ["transfer.refused"]


def test_lots_from_outside_arrive_as_they_are(filled: Book, day: str) -> None:
    account, security, key, _ = holding(filled)
    common = {"date": day, "account": account, "security": security, "quantity": "10"}
    rows = [
        common | {"action": "t", "kind": "transfer_in", "acquired": "2020-02-03", "basis": "500.00",
                  "held_from": "2020-01-15", "wash": "12.50", "used": "1", "bought": "1"},
        common | {"action": "g", "kind": "gift_in", "acquired": day, "basis": "4000.00",
                  "held_from": "2015-05-05", "value": "2300.00"},
        common | {"action": "i", "kind": "inheritance", "acquired": day, "basis": "1900.00"},
    ]  # fmt: skip
    before = everything(filled)
    assert act(post, filled, *rows).written
    lots = states(filled)[key].lots
    came, today = (
        lots.take(np.arange(len(lots) - 3, len(lots))),
        date.fromisoformat(day).toordinal(),
    )
    assert came.basis_cents.tolist() == [500 * CENTS, 4_000 * CENTS, 1_900 * CENTS]
    assert came.wash_cents.tolist() == [1_250, 0, 0]
    assert came.used.tolist() == [1, 0, 0]
    assert came.purchase.tolist() == [1, 0, 0]  # G6
    assert came.loss_basis_cents.tolist() == [-1, 2_300 * CENTS, -1]  # G2
    assert came.inherited.tolist() == [0, 0, 1]
    assert came.long_from[2] <= today  # H6
    assert wrong(filled) == []
    assert reverse(filled, ["t", "g", "i"], AT).findings == ()
    assert everything(filled) == before


def test_a_day_trades_on_what_actions_brought(filled: Book, market: Market) -> None:
    """G2: a gift with two bases may be sold by the day's plan, and the books still close."""
    account, security, key, _ = holding(filled)
    newest = max(state.last_day for state in states(filled).values())
    common = {"date": date.fromordinal(newest).isoformat(), "account": account}
    common |= {"security": security, "quantity": "40"}
    acquired = {"acquired": common["date"], "held_from": "2015-05-05"}
    rows = [
        common | acquired | {"action": "g", "kind": "gift_in", "basis": "900000.00"}
        | {"value": "800000.00"},
        common | {"action": "i", "kind": "inheritance", "acquired": common["date"]}
        | {"basis": "950000.00"},
    ]  # fmt: skip
    assert act(post, filled, *rows).written
    run_day(filled, market, market.day(-1), recorded_at=AT)
    with filled.read() as connection:
        sold = [b.entry.body for b in read_journal(connection, [key]) if b.entry.kind is Kind.SELL]
    assert any("left" in body for body in sold)
    assert wrong(filled) == []


# --- undoing -------------------------------------------------------------------------------------


def undo(book: Book, *names: str) -> Undoing:
    return reverse(book, names, AT, "test")


def corporate(book: Book, day: str) -> list[dict[str, str]]:
    """One action of every corporate kind on what accounts hold."""
    account, security, _, lot = holding(book, 3)
    with book.read() as connection:
        listed = all_records(connection, Security)
    new = next(s.security_id for s in listed if s.security_id != security)
    head = {"date": day, "security": security}
    boot = {"cash_per_share": "1.25", "new_price": "20.00"}
    return [
        head | {"action": "split", "kind": "split", "ratio": "3/2", "fraction_price": "10.00"},
        head | {"action": "dividend", "kind": "stock_dividend", "ratio": "1.05"},
        head | {"action": "spin", "kind": "spin_off", "new_security": new, "ratio": "1/2",
                "price": "80.00", "new_price": "20.00"},
        head | {"action": "merge", "kind": "stock_merger", "new_security": new, "ratio": "2"},
        head | {"action": "boot", "kind": "stock_merger", "new_security": new, "ratio": "2"} | boot,
        head | {"action": "part", "kind": "exchange", "account": account, "new_security": new,
                "ratio": "2", "quantity": "2", "lot": str(lot)},
        head | {"action": "cash", "kind": "cash_merger", "cash_per_share": "7.77"},
        head | {"action": "gone", "kind": "worthless"},
        head | {"action": "capital", "kind": "return_of_capital", "cash_per_share": "500.00"},
        head | {"action": "paid", "kind": "dividend", "cash_per_share": "0.27"},
        head | {"action": "name", "kind": "symbol_change", "new_symbol": "NEWNAME"},
        head | {"action": "out", "kind": "gift_out", "account": account, "quantity": "1"},
    ]  # fmt: skip


def test_d9_every_action_can_be_undone_to_the_cent(filled: Book, day: str) -> None:
    """State before = state after: shares, basis, dates, cash, open losses, totals of the year."""
    before = everything(filled)
    for row in corporate(filled, day):
        assert one(act(post, filled, row)).status == "new", row
        if row["kind"] != "symbol_change":
            assert everything(filled) != before, row
        undone = undo(filled, row["action"])
        assert undone.findings == ()
        assert everything(filled) == before, row
        assert undo(filled, row["action"]).actions[0].status == "known"
    assert wrong(filled) == []


def test_an_action_that_later_entries_stand_on_is_not_undone(filled: Book, day: str) -> None:
    _, security, _, _ = holding(filled)
    head = {"date": day, "security": security}
    split = head | {"action": "s", "kind": "split", "ratio": "3"}
    paid = head | {"action": "p", "kind": "dividend", "cash_per_share": "0.27"}
    back = head | {"action": "c", "kind": "return_of_capital", "cash_per_share": "0.10"}
    act(post, filled, split)
    act(post, filled, paid)
    act(post, filled, back)
    digest = book_hash(filled)
    refused = undo(filled, "s")
    assert {f.code for f in refused.findings} == {"action.depended_on"}
    assert "action/p" in refused.findings[0].what
    assert "action/c" in refused.findings[0].what
    assert book_hash(filled) == digest
    before_split = undo(filled, "s", "p", "c")  # the newest first: nothing stands on it any more
    assert before_split.findings == ()


def washed(book: Book) -> tuple[str, str, int, int]:
    """Account, security, largest lot number and shares of a loss whose window is open."""
    with book.read() as connection:
        accounts = {a.account_key: a for a in all_records(connection, AccountRecord)}
        ids = {s.security_key: s.security_id for s in all_records(connection, Security)}
    for key, state in states(book).items():
        rows = np.flatnonzero(state.losses.quantity_micros >= MICROS)
        if accounts[key].taxed and len(rows):
            security = int(state.losses.security[rows[0]])
            return (
                accounts[key].account_id,
                ids[security],
                key,
                int(state.losses.loss_cents[rows[0]]),
            )
    pytest.fail("the day sold nothing at a loss")


def test_w2_bought_lots_that_arrive_wash_open_losses_and_undoing_opens_them_again(
    after: Book, market: Market
) -> None:
    account, security, key, _ = washed(after)
    day = (market.day(-1) + timedelta(days=3)).isoformat()
    row = {"action": "t", "kind": "transfer_in", "date": day, "account": account, "quantity": "1"}
    row |= {"security": security, "acquired": market.day(-1).isoformat(), "basis": "9.00"}
    before = everything(after)
    moved = one(act(post, after, row))
    deferred = sum(change.disallowed_cents for change in moved.accounts)
    assert deferred > 0
    assert states(after)[key].lots.used[-1] == 1
    assert wrong(after) == []
    assert undo(after, "t").findings == ()
    assert everything(after) == before
    again = one(act(post, after, row | {"action": "u"}))
    assert sum(change.disallowed_cents for change in again.accounts) == deferred
    assert wrong(after) == []


def test_g6_a_gift_that_arrives_washes_nothing(after: Book, market: Market) -> None:
    account, security, _, _ = washed(after)
    day = (market.day(-1) + timedelta(days=3)).isoformat()
    row = {"action": "g", "kind": "gift_in", "date": day, "account": account, "quantity": "1"}
    row |= {"security": security, "acquired": day, "held_from": market.day(-1).isoformat()}
    moved = one(act(post, after, row | {"basis": "9.00", "value": "8.00"}))
    assert sum(change.disallowed_cents for change in moved.accounts) == 0


def test_a_reversal_that_puts_back_something_else_is_found(filled: Book, day: str) -> None:
    key = holding(filled, 3)[2]
    row = corporate(filled, day)[0]
    act(post, filled, row)
    undo(filled, row["action"])
    with filled.read() as connection:
        journal = read_journal(connection, [key])
    assert reversal_findings("A", journal) == []
    journal[-1].entry.body["lots"]["acquired_day"][0] -= 400
    assert [f.code for f in reversal_findings("A", journal)] == ["journal.reversal"]


def test_an_action_that_was_never_booked_cannot_be_undone(filled: Book) -> None:
    assert [f.code for f in undo(filled, "nothing").findings] == ["action.unknown"]


def test_the_stored_state_of_a_reversal_is_the_fold_of_its_journal(filled: Book, day: str) -> None:
    key = holding(filled, 3)[2]
    for row in corporate(filled, day)[:3]:
        act(post, filled, row)
        undo(filled, row["action"])
    state = new_account(key)
    with filled.read() as connection:
        for booked in read_journal(connection, [key]):
            state = fold(state, booked)
    assert differences(state, states(filled)[key]) == []


# --- instructions --------------------------------------------------------------------------------


def test_l3_a_standing_instruction_begins_on_its_day_and_keeps_who_and_when(
    filled: Book, day: str
) -> None:
    account, _, key, _ = holding(filled)
    later = (date.fromisoformat(day) + timedelta(days=30)).isoformat()
    row = {"action": "m", "kind": "lot_method", "date": day, "account": account, "method": "HIFO"}
    act(post, filled, row | {"by": "Ms Client", "valid_from": later})
    with filled.read() as connection:
        found = read_instructions(connection, [key])[key]
    assert method_on(found, date.fromisoformat(day).toordinal()) == "FIFO"
    assert method_on(found, date.fromisoformat(later).toordinal()) == "HIFO"
    assert (found[0].by, found[0].recorded_at) == ("Ms Client", AT)
    early = row | {"action": "n", "by": "x", "valid_from": "2020-01-02"}
    assert [f.code for f in act(post, filled, early).findings] == ["lots.retroactive"]
    undo(filled, "m")
    with filled.read() as connection:
        assert read_instructions(connection, [key]) == {}


def test_l2_lots_of_an_order_that_is_booked_cannot_be_chosen_any_more(
    after: Book, day: str
) -> None:
    with after.read() as connection:
        accounts = {a.account_key: a.account_id for a in all_records(connection, AccountRecord)}
        booked = read_journal(connection, sorted(accounts))
    sale = next(b for b in reversed(booked) if b.entry.kind is Kind.SELL)
    lots = states(after)[sale.entry.account_key].lots
    row = {
        "action": "c",
        "kind": "lot_choice",
        "date": day,
        "account": accounts[sale.entry.account_key],
        "by": "Ms Client",
        "order": sale.entry.body["ref"][0],
        "lot": str(int(lots.lot[0])),
        "quantity": "1",
    }
    settled = date.fromordinal(sale.entry.settle_day + 1).isoformat()
    assert [f.code for f in act(preview, after, row | {"date": settled}).findings] == [
        "lots.settled"
    ]
    assert act(post, after, row | {"order": "tomorrow-1"}).written
