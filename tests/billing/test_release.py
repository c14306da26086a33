"""Four eyes, the recomputed sample and the bridge from the period before (F26, B32, B33)."""

import json

import pytest
from tests.billing.test_desk import HOUSE, NOW, Q3, Q4, TIERED, Desk, book, desk  # noqa: F401
from tests.billing.test_disclosed import load

from opensma.billing.desk import preview, release, release_held
from opensma.book.invoices import runs_of
from opensma.errors import InputError

FROZEN = {"statuses": [{"status": "frozen", "from": "2024-11-02", "reason": "court"}]}


def test_f26_a_second_person_lets_a_held_agreement_through(desk: Desk) -> None:  # noqa: F811
    load(desk, None, None, FROZEN)
    assert preview(desk.book, Q4).held
    release_held(desk.book, Q4, "ada", "Ben", "court order lifted", NOW)
    for by, code in (("", "preparer_missing"), (" ben ", "same_person")):
        with pytest.raises(InputError) as caught:
            release(desk.book, Q4, NOW, by)
        assert caught.value.code == f"billing.{code}"
    done = release(desk.book, Q4, NOW, "Ann")
    assert [d.agreement for d in done.invoices] == ["ada"]
    with desk.book.read() as connection:
        ((_, text),) = runs_of(connection, Q4.name)
    said = [f["what"] for f in json.loads(text) if f["code"] == "F26"]
    assert said[0] == "Released by Ben: court order lifted"


def test_f26_what_comes_later_holds_again(desk: Desk) -> None:  # noqa: F811
    load(desk, None, None, FROZEN)
    release_held(desk.book, Q4, "ada", "Ben", "court order lifted", NOW)
    later = [*FROZEN["statuses"], {"status": "disputed", "from": "2024-12-01", "reason": "bill"}]
    more = {"version": 2, "valid_from": "2024-12-02", "statuses": later}
    load(desk, None, None, more)
    assert preview(desk.book, Q4).held


def test_f26_what_is_not_held_cannot_be_released(desk: Desk) -> None:  # noqa: F811
    load(desk)
    with pytest.raises(InputError) as caught:
        release_held(desk.book, Q4, "ada", "Ben", "no reason", NOW)
    assert caught.value.code == "billing.not_held"


def test_b32_the_slow_path_bills_the_same_cents_and_is_kept(desk: Desk) -> None:  # noqa: F811
    desk.load(TIERED, {**HOUSE, "minimum": "9000", "discount": "0.1"})
    made = release(desk.book, Q4, NOW, "Ann")
    assert len(made.sample) == 3
    assert [e.billed_cents for e in made.sample] == [e.recomputed_cents for e in made.sample]
    with desk.book.read() as connection:
        ((_, text),) = runs_of(connection, Q4.name)
    assert len(json.loads(text)[-1]["sample"]) == 3


def test_b33_the_bridge_sums_to_the_cent(desk: Desk) -> None:  # noqa: F811
    desk.load(TIERED, HOUSE)
    desk.run(Q3)
    desk.set(
        "update account_days set value_cents = value_cents * 2 "
        "where account_key = 1 and day >= '2024-11-01'"
    )
    way = preview(desk.book, Q4).bridge
    assert way is not None
    assert way.before_cents > 0
    assert way.steps["market"] > 0
    assert sum(way.steps.values()) == way.now_cents - way.before_cents
