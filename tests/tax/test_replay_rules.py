"""Points of the replay that no public case fixes: each test is one rule or one policy."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from opensma.tax.replay import replay

Row = dict[str, Any]
ACCOUNTS = [
    {"id": "A", "type": "taxable", "household": "H", "owner": "P"},
    {"id": "B", "type": "taxable", "household": "H", "owner": "P"},
    {"id": "S", "type": "taxable", "household": "H", "owner": "Q"},
]


def event(seq: int, day: str, kind: str, **fields: Any) -> Row:
    return {"seq": seq, "date": day, "type": kind, "security": "X", **fields}


def buy(seq: int, day: str, qty: str, amount: str, **fields: Any) -> Row:
    more = {"account": "A", "lot": f"L{seq}", **fields}
    return event(seq, day, "buy", qty=qty, amount=amount, **more)


def sell(seq: int, day: str, qty: str, amount: str, **fields: Any) -> Row:
    return event(seq, day, "sell", qty=qty, amount=amount, **{"account": "A", **fields})


def run(*events: Row, method: str = "FIFO", **policy: str) -> Row:
    case = {"method": method, "accounts": ACCOUNTS, "events": list(events), "policy": policy}
    answer = replay(case)
    assert "error" not in answer, answer["error"]
    return answer


def lots(rows: list[Row]) -> list[str]:
    return [row["lot"] for row in rows]


@pytest.mark.parametrize(
    ("zero_gain", "first"), [("gain", "L1"), ("own_class", "L2")], ids=["gain", "own_class"]
)
def test_p3_zero_is_a_gain_or_a_class_of_its_own(zero_gain: str, first: str) -> None:
    """MLG: long-term zero before a short-term gain, or after all gains."""
    events = (
        buy(1, "2020-01-02", "10", "100.00"),
        buy(2, "2024-01-02", "10", "90.00"),
        sell(3, "2024-02-01", "10", "100.00"),
    )
    assert lots(run(*events, method="MLG", zero_gain=zero_gain)["closed"]) == [first]


@pytest.mark.parametrize(("lot", "first"), [("fifo", "L1"), ("fraction", "L2")])
def test_p8_the_lot_that_is_paid_for_in_cash(lot: str, first: str) -> None:
    events = (
        buy(1, "2020-01-02", "10", "100.00"),
        buy(2, "2020-02-03", "10.5", "105.00"),
        event(3, "2020-03-02", "cash_in_lieu", account="A", qty="0.5", amount="6.00"),
    )
    (row,) = run(*events, cash_in_lieu_lot=lot)["closed"]
    assert (row["lot"], row["basis"], row["kind"]) == (first, "5.00", "cash_in_lieu")


@pytest.mark.parametrize("method", ["HICO", "HC"])
def test_l4_other_names_of_the_highest_cost(method: str) -> None:
    events = (
        buy(1, "2020-01-02", "10", "100.00"),
        buy(2, "2020-02-03", "10", "200.00"),
        sell(3, "2020-06-01", "5", "90.00"),
    )
    assert lots(run(*events, method=method)["closed"]) == ["L2"]


def test_l8_a_transfer_takes_the_average_basis_along() -> None:
    events = (
        buy(1, "2020-01-02", "10", "100.00"),
        buy(2, "2020-02-03", "10", "200.00"),
        event(3, "2020-03-02", "transfer", qty="10", **{"from": "A", "to": "B"}),
    )
    answer = run(*events, method="AVERAGE")
    assert {r["account"]: r["basis"] for r in answer["open"]} == {"A": "150.00", "B": "150.00"}


def test_c8_a_name_that_is_already_held_becomes_one_security() -> None:
    """The loss of the old name is replaced by a purchase of the new one."""
    events = (
        buy(1, "2024-01-02", "10", "100.00"),
        buy(2, "2024-01-02", "10", "100.00", security="Y", account="B"),
        sell(3, "2024-06-03", "10", "60.00"),
        event(4, "2024-06-10", "symbol_change", new_security="Y"),
        buy(5, "2024-06-11", "10", "70.00", security="Y"),
    )
    answer = run(*events)
    assert answer["totals"]["disallowed"] == "40.00"
    assert answer["closed"][0]["replaced_by"] == [{"lot": "L5", "qty": "10"}]
    assert {row["security"] for row in answer["open"]} == {"Y"}


def test_w15_a_purchase_of_the_spouse_takes_the_loss() -> None:
    events = (
        buy(1, "2024-01-02", "10", "100.00"),
        sell(2, "2024-06-03", "10", "60.00"),
        buy(3, "2024-06-10", "10", "70.00", account="S"),
    )
    assert run(*events)["open"][0]["basis"] == "110.00"
    lost = run(*events, spouse_adjustment="lost")
    assert (lost["open"][0]["basis"], lost["open"][0]["holding_date"]) == ("70.00", "2024-06-10")
    assert lost["totals"]["permanently_disallowed"] == "40.00"


def test_w2_shares_that_moved_to_another_account_still_replace() -> None:
    events = (
        buy(1, "2024-01-02", "10", "100.00"),
        buy(2, "2024-05-20", "10", "70.00"),
        event(3, "2024-05-27", "transfer", qty="4", picks=[{"lot": "L2", "qty": "4"}],
              **{"from": "A", "to": "B"}),
        sell(4, "2024-06-03", "10", "60.00", picks=[{"lot": "L1", "qty": "10"}]),
    )  # fmt: skip
    answer = run(*events)
    assert answer["totals"]["disallowed"] == "40.00"
    assert {(r["account"], r["qty"], r["basis"]) for r in answer["open"]} == {
        ("A", "6", "66.00"),
        ("B", "4", "44.00"),
    }


def test_s3_only_as_many_shares_as_were_short_start_again() -> None:
    events = (
        buy(1, "2024-01-02", "10", "100.00"),
        event(2, "2024-02-01", "short_sell", account="A", lot="S", qty="4", amount="60.00"),
        event(3, "2024-03-01", "cover", account="A", qty="4", amount="40.00"),
    )
    answer = run(*events)
    assert (answer["closed"][0]["gain"], answer["closed"][0]["term"]) == ("20.00", "ST")
    assert {(r["qty"], r["holding_date"]) for r in answer["open"]} == {
        ("4", "2024-03-01"),
        ("6", "2024-01-02"),
    }


def test_g5_both_bases_of_a_gift_go_through_a_spin_off() -> None:
    gift = event(1, "2024-01-02", "gift", account="A", lot="G", qty="10", donor_basis="100.00",
                 donor_acquired="2010-01-04", fmv="60.00")  # fmt: skip
    spun = event(2, "2024-03-01", "spinoff", new_security="Y", ratio="1/2",
                 spin_basis_fraction="0.25")  # fmt: skip
    found = {r["security"]: (r["basis"], r["loss_basis"]) for r in run(gift, spun)["open"]}
    assert found == {"X": ("75.00", "45.00"), "Y": ("25.00", "15.00")}


def test_i2_basis_goes_unchanged_through_everything_an_issuer_does() -> None:
    events = [
        buy(1, "2020-01-02", "7", "100.01"),
        buy(2, "2020-02-03", "3", "33.34"),
        event(3, "2020-03-02", "split", ratio="3/7"),
        event(4, "2020-04-01", "spinoff", new_security="Y", ratio="1/3", spin_basis_fraction="0.3"),
        event(5, "2020-05-01", "exchange", account="A", new_security="Z", qty="1", ratio="3"),
        event(6, "2020-06-01", "stock_merger", new_security="W", ratio="2/3"),
        event(7, "2020-07-01", "transfer", security="W", qty="1", **{"from": "A", "to": "B"}),
        event(8, "2020-08-03", "symbol_change", security="W", new_security="V"),
    ]
    for count in range(2, len(events) + 1):
        answer = run(*events[:count])
        assert answer["totals"]["open_basis"] == "133.35"
        assert sum(Fraction(row["basis"]) for row in answer["open"]) == Fraction("133.35")


def test_q3_a_split_after_the_ex_date_does_not_change_what_was_paid() -> None:
    events = (
        buy(1, "2024-01-02", "10", "100.00"),
        event(2, "2024-02-01", "dividend", per_share="0.50"),
        event(3, "2024-02-15", "split", ratio="2"),
        sell(4, "2024-02-20", "8", "50.00"),
    )
    paid = run(*events)["dividends"]
    rows = {r["qty"]: (r["amount"], r["days_held"], r["qualified"]) for r in paid}
    assert rows == {"4": ("2.00", 49, False), "6": ("3.00", 90, True)}


def test_d8_a_sale_can_name_the_part_that_a_wash_sale_cut_off() -> None:
    """W23: 100 of L3's 150 shares took a loss; the other 50 can be sold by their number."""
    events = [
        buy(1, "2024-01-02", "100", "1000.00"),
        sell(2, "2024-03-01", "100", "700.00"),
        buy(3, "2024-03-10", "150", "1200.00"),
        sell(4, "2024-05-01", "50", "500.00", picks=[{"lot": "L3", "part": 0, "qty": "50"}]),
    ]
    answer = replay({"accounts": ACCOUNTS, "events": events, "parts": True})
    assert answer["closed"][-1]["basis"] == "400.00"
    assert [(row["qty"], row["basis"], row["part"]) for row in answer["open"]] == [
        ("100", "1100.00", 1)
    ]


def test_w13_sales_of_one_block_are_one_order_over_all_accounts() -> None:
    """B's young lot left in the same block, so nothing is left to carry A's loss (W11)."""
    events = [
        buy(1, "2024-01-02", "10", "1000.00"),
        buy(2, "2024-03-01", "10", "800.00", account="B"),
        sell(3, "2024-03-10", "10", "700.00", block="1"),
        sell(4, "2024-03-10", "10", "900.00", account="B", block="1"),
    ]
    assert run(*events)["totals"]["disallowed"] == "0.00"
    later = buy(5, "2024-03-20", "4", "300.00")  # the block has closed, so its loss can be met
    assert run(*events, later)["totals"]["disallowed"] == "120.00"
    apart = [{k: v for k, v in event.items() if k != "block"} for event in events]
    assert run(*apart)["totals"]["disallowed"] == "300.00"


def test_d4_a_rounded_position_is_shared_by_its_lots() -> None:
    events = [
        buy(1, "2024-01-02", "1", "10.00"),
        buy(2, "2024-01-03", "1", "10.00"),
        event(3, "2024-02-01", "split", ratio="1/3", rounded=True),
    ]
    assert [row["qty"] for row in run(*events)["open"]] == ["0.333333", "0.333334"]
