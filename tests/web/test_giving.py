"""Giving securities: the lots of an amount, and asking for the gift."""

import re

import pytest
from tests.web.shown import Shown
from tests.web.signed import signed

from opensma.access import requests
from opensma.book.master import AccountRecord, Grant, User, add_records
from opensma.book.rights import Role, Scope
from opensma.trade.giving import gift_choices, gift_words
from opensma.trade.standing import ready_day, standing, standing_day


@pytest.fixture(scope="module")
def mine(portal: Shown) -> AccountRecord:
    """The taxed account with the most long-term gain, and its owner `giver`."""
    ready = ready_day(portal.book, portal.market, standing_day(portal.book, portal.market))

    def gain(account: AccountRecord) -> float:
        stands = standing(portal.book, ready, account.account_id)
        lots, price = stands.account.lots, ready.prepared.universe.price
        gains = lots.quantity * price[lots.security] - lots.basis
        return float(gains[lots.long_term & (gains > 0)].sum())

    accounts = [row.account for row in portal.view.rows if row.account.taxed]
    best = max((a for a in accounts if a.status != "closed"), key=gain)
    grant = Grant("gives", "giver", Role.OWNER, Scope.ACCOUNT, best.account_id, None,
                  "1970-01-01", None, "test")  # fmt: skip
    with portal.book.write() as connection:
        add_records(connection, [User("giver", "Gil Giver"), grant])
    return best


def test_given_lots_are_long_term_with_a_gain_and_add_up(
    portal: Shown, mine: AccountRecord
) -> None:
    ready = ready_day(portal.book, portal.market, standing_day(portal.book, portal.market))
    stands = standing(portal.book, ready, mine.account_id)
    by_gain, by_risk = gift_choices(stands, 500_000)
    assert (by_gain.with_risk, by_risk.with_risk) == (False, True)
    for choice in (by_gain, by_risk):
        assert 0 < choice.value_cents <= 500_000
        assert choice.value_cents == pytest.approx(sum(x.value_cents for x in choice.lots), abs=40)
        assert choice.gain_cents > 0
        assert all(x.gain_cents > 0 for x in choice.lots)
        assert all(x.long_since <= "2024-12-31" for x in choice.lots)
        assert len(gift_words(choice)) < requests.LONGEST_NOTE
    assert by_gain.gain_cents >= by_risk.gain_cents


def test_an_owner_looks_and_asks(portal: Shown, mine: AccountRecord) -> None:
    gated = signed(portal)
    client, path = gated.client("giver"), f"/accounts/{mine.account_id}/giving"
    page = client.get(f"{path}?amount=$5,000").text
    assert "Gain that is never taxed" in page
    csrf = re.search(r'name="csrf" value="(\w+)"', page)
    note = re.search(r'name="note" value="([^"]+)"', page)
    assert csrf
    assert note
    assert note[1].startswith("Please give to charity: ")
    form = {"csrf": csrf[1], "note": note[1]}
    assert client.post(f"/accounts/{mine.account_id}/requests", data=form).status_code == 303
    asked = requests.of_accounts(gated.app.state.gate.access, [mine.account_id])
    assert asked[0].note == note[1]


@pytest.mark.parametrize("amount", ["nothing", "-5", "0", "1e30", "999999999999"])
def test_an_amount_that_cannot_be_given_is_told(
    portal: Shown, mine: AccountRecord, amount: str
) -> None:
    client = signed(portal).client("giver")
    answer = client.get(f"/accounts/{mine.account_id}/giving", params={"amount": amount})
    assert answer.status_code == 200
    assert 'role="alert"' in answer.text
    assert "Ask for this gift" not in answer.text
