"""Errors found in public engines: each test states the wrong answer, and fails with it (T1-T15)."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from opensma.tax.replay import replay
from opensma.tax.scenario import read

Row = dict[str, Any]
CASES = Path(__file__).parent / "cases"
HOUSE = """
account A taxable household H owner P
account B taxable household H owner P
account I ira household H owner P
"""


def answer(text: str, head: str = "") -> Row:
    """Replay a scenario in the usual household."""
    found = replay(read(head + HOUSE + text))
    assert "error" not in found, found["error"]
    return found


def refused(text: str, head: str = "") -> Row:
    found = replay(read(head + HOUSE + text))
    error: Row = found["error"]
    return error | {"open": found["open"]}


def published(name: str) -> tuple[Row, Row]:
    """A public case: totals and basis of open lots, as replayed and as published."""
    case = json.loads((CASES / f"{name}.json").read_text())
    given = {key: value for key, value in case.items() if not key.startswith("expect")}
    found = (replay(given), case["expect"])
    one, other = (
        a["totals"] | {"open lots": sorted((r["lot"], r["basis"]) for r in a["open"])}
        for a in found
    )
    return one, other


def only(rows: list[Row]) -> Row:
    (row,) = rows
    return row


def test_t1_the_earliest_replacement_takes_the_loss() -> None:
    """Wrong: the latest one, which pushes a chain's losses to the lot that is still open."""
    found = answer("""
2024-01-02 buy A X 10 @ 20.00 lot L1
2024-03-01 sell A X 10 @ 15.00
2024-03-05 buy A X 10 @ 15.00 lot L2
2024-03-10 buy A X 10 @ 15.00 lot L3
2024-06-03 sell A X 10 @ 30.00
""")
    assert found["totals"]["gain"] == "100.00"  # not 150.00
    assert only(found["open"])["basis"] == "150.00"  # not 200.00
    three_equal, want = published("jw_buy_buy_sell")
    assert three_equal == want


def test_t2_a_year_is_no_number_of_days() -> None:
    """Wrong: 365 days are long-term; or the day one year later is."""
    for bought, sold, term in (
        ("2015-02-28", "2016-02-28", "ST"),  # 365 days
        ("2015-02-28", "2016-02-29", "ST"),  # 366 days, and more than acquired + 1 year
        ("2015-02-28", "2016-03-01", "LT"),
        ("2012-09-19", "2013-09-19", "ST"),
        ("2012-09-19", "2013-09-20", "LT"),
    ):
        found = answer(f"{bought} buy A X 1 @ 1.00 lot L1\n{sold} sell A X 1 @ 2.00")
        assert only(found["closed"])["term"] == term


def test_t3_the_replacement_is_held_as_long_as_the_shares_it_replaces() -> None:
    """Wrong: no tacking, or the later date; wrong too: a purchase of January is another year."""
    found = answer("""
2023-01-03 buy A X 10 @ 20.00 lot L1
2023-12-20 sell A X 10 @ 15.00
2024-01-10 buy A X 10 @ 15.00 lot L2
2024-02-01 sell A X 10 @ 30.00
""")
    lost, won = found["closed"]
    assert lost["disallowed"] == "50.00"  # not 0.00
    assert (won["holding_date"], won["term"]) == ("2023-01-24", "LT")  # not 2024-01-10, ST


def test_t4_one_repurchase_is_used_for_one_loss_and_only_its_shares() -> None:
    """Wrong: the whole loss, for every sale, spread over all lots, looking ahead only."""
    found = answer("""
2024-01-02 buy A X 20 @ 20.00 lot L1
2024-03-01 buy A X 4 @ 16.00 lot L2
2024-03-05 sell A X 10 @ 15.00
2024-03-06 sell A X 10 @ 15.00
""")
    assert found["totals"]["disallowed"] == "20.00"  # four shares; not 50.00, 40.00 or 0.00
    assert found["open"] == [
        {"account": "A", "security": "X", "lot": "L2", "qty": "4", "acquired": "2024-03-01",
         "holding_date": "2023-12-29", "basis": "84.00"}
    ]  # fmt: skip


def test_t5_lots_sold_together_wash_nothing() -> None:
    """Wrong: the second lot of the order replaces the first, and no share carries the loss."""
    text = """
2024-03-01 buy A X 10 @ 20.00 lot L1
2024-03-04 buy A X 10 @ 20.00 lot L2
2024-03-08 sell A X 20 @ 15.00
"""
    found = answer(text)
    assert (found["totals"]["gain"], found["totals"]["disallowed"]) == ("-100.00", "0.00")
    case = read(HOUSE + text)
    assert replay(case | {"events": case["events"][::-1]}) == found  # rows in another order


def test_t6_a_lot_may_replace_although_its_sibling_was_replaced_by_what_is_sold() -> None:
    """Wrong: L1 is skipped, because another part of it was replaced by L2 before."""
    got, want = published("con_reciprocal")
    assert got == want
    assert Fraction(want["disallowed"]) > 0


def test_t7_a_retirement_account_takes_the_loss_for_good() -> None:
    """Wrong: its lot is adjusted; or the household and identical securities are not looked at."""
    found = answer(
        """
2024-01-02 buy A X 10 @ 20.00 lot L1
2024-03-01 sell A X 10 @ 15.00
2024-03-05 buy I Y 10 @ 15.00 lot L2
""",
        head="identical X Y\n",
    )
    assert found["totals"]["permanently_disallowed"] == "50.00"  # not 0.00
    assert only(found["open"])["basis"] == "150.00"  # not 200.00


def test_t8_shares_after_a_split_are_counted_in_the_units_of_the_sale() -> None:
    """Wrong: 120 new shares replace all 100 sold, or the split is applied twice."""
    found = answer("""
2024-01-02 buy A X 100 @ 20.00 lot L1
2024-03-01 sell A X 100 @ 15.00
2024-03-04 split X 2
2024-03-05 buy A X 120 @ 7.50 lot L2
""")
    assert found["totals"]["disallowed"] == "300.00"  # 60 old shares; not 500.00 or 150.00
    washed = next(row for row in found["closed"] if row.get("code") == "W")
    assert (washed["qty"], washed["replaced_by"][0]["qty"]) == ("60", "120")


def test_t9_an_oversell_books_nothing() -> None:
    """Wrong: it is accepted, at a cost of zero or with proceeds at cost."""
    error = refused("2024-01-02 buy A X 10 @ 20.00 lot L1\n2024-03-01 sell A X 11 @ 15.00")
    assert (error["code"], only(error["open"])["qty"]) == ("INSUFFICIENT_LOTS", "10")
    row = only(answer("2024-01-02 buy A X 10 @ 20.00 lot L1\n2024-03-01 sell A X 10 @ 15.00")
               ["closed"])  # fmt: skip
    assert (row["proceeds"], row["basis"]) == ("150.00", "200.00")  # not 200.00, 200.00


def test_t10_no_cent_is_lost_between_parts() -> None:
    """Wrong: a cost of 33.33 a share, three times, is 99.99."""
    sales = "".join(f"2024-03-0{day} sell A X 1 @ 50.00\n" for day in (1, 4, 5))
    found = answer("2024-01-02 buy A X 3 for 100.00 lot L1\n" + sales)
    assert found["totals"]["basis"] == "100.00"
    assert [row["basis"] for row in found["closed"]] == ["33.33", "33.34", "33.33"]


def test_t11_a_transfer_keeps_every_lot_as_it_is() -> None:
    """Wrong: one average lot arrives, dated on the day of transfer, or the wrong lot is sold."""
    found = answer("""
2020-01-02 buy A X 10 @ 10.00 lot L1
2024-01-02 buy A X 10 @ 30.00 lot L2
2024-03-01 transfer A to B X 20
2024-03-04 sell B X 10 @ 20.00
""")
    row = only(found["closed"])
    assert (row["lot"], row["gain"], row["term"]) == ("L1", "100.00", "LT")  # not 0.00, ST
    assert only(found["open"])["basis"] == "300.00"


def test_t12_two_equal_purchases_of_a_day_stay_two_acquisitions() -> None:
    """Wrong: they are merged into one lot, which cannot replace itself, so nothing washes."""
    found = answer("""
2024-03-01 buy A X 10 @ 20.00 lot L1
2024-03-01 buy A X 10 @ 20.00 lot L2
2024-03-08 sell A X 10 @ 15.00
""")
    assert found["totals"]["disallowed"] == "50.00"  # not 0.00
    one_order = answer("""
2024-03-01 buy A X 10 @ 20.00 lot L1 acquisition O
2024-03-01 buy A X 10 @ 20.00 lot L2 acquisition O
2024-03-08 sell A X 10 @ 15.00
""")
    assert one_order["totals"]["disallowed"] == "0.00"


def test_t12_a_part_of_the_history_gives_what_the_whole_gives() -> None:
    """Wrong: a rebuild of one security differs from the full one. Only X and its twin matter."""
    text = """
2024-01-02 buy A X 10 @ 20.00 lot L1
2024-01-03 buy A Z 10 @ 20.00 lot Z1
2024-03-01 sell A X 10 @ 15.00
2024-03-02 sell A Z 10 @ 15.00
2024-03-05 buy B Y 10 @ 15.00 lot L2
"""
    case = read("identical X Y\n" + HOUSE + text)
    scoped = [event for event in case["events"] if event["security"] != "Z"]
    whole, part = replay(case), replay(case | {"events": scoped})
    assert [r for r in whole["closed"] if r["security"] != "Z"] == part["closed"]
    assert whole["open"] == part["open"]


def test_t13_the_least_gain_of_a_short_is_its_opening_less_the_closing_price() -> None:
    """Wrong: sorted by opening price as longs are, which takes the greatest gain first."""
    found = answer(
        """
2024-01-02 short_sell A X 10 @ 30.00 lot S1
2024-01-03 short_sell A X 10 @ 22.00 lot S2
2024-02-01 cover A X 10 @ 20.00
""",
        head="method TLO\n",
    )
    row = only(found["closed"])
    assert (row["lot"], row["gain"]) == ("S2", "20.00")  # not S1, 100.00


def test_t13_cash_in_lieu_divides_by_all_shares_with_the_fraction() -> None:
    """Wrong: by whole shares only, 6,895 / 82 / 2 = 42.04."""
    found = answer("""
2020-01-02 buy A X 55 for 6895.00 lot L1
2024-01-02 split X 3/2
2024-01-03 cash_in_lieu A X 0.5 for 50.00
""")
    assert only(found["closed"])["basis"] == "41.79"


def test_t14_capital_is_returned_on_every_share_alike() -> None:
    """Wrong: off the dearest lot, so that no lot is ever exhausted."""
    found = answer("""
2020-01-02 buy A X 10 @ 1.00 lot L1
2020-01-03 buy A X 10 @ 50.00 lot L2
2024-01-02 return_of_capital X at 3.00
""")
    row = only(found["closed"])
    assert (row["lot"], row["gain"]) == ("L1", "20.00")  # not 0.00
    assert [lot["basis"] for lot in found["open"]] == ["0.00", "470.00"]  # not 10.00, 440.00


def test_t14_boot_is_not_netted_over_lots() -> None:
    """Wrong: the loss of L2 offsets the gain of L1."""
    found = answer("""
2020-01-02 buy A X 10 @ 10.00 lot L1
2020-01-03 buy A X 10 @ 50.00 lot L2
2024-01-02 stock_merger X to Y 1 cash_per_share 5.00 new_fmv 25.00
""")
    assert {row["lot"]: row["gain"] for row in found["closed"]} == {"L1": "50.00", "L2": "0.00"}
    assert [lot["basis"] for lot in found["open"]] == ["100.00", "450.00"]


@pytest.mark.parametrize(
    ("price", "basis"), [("12.00", "100.00"), ("5.00", "60.00"), ("8.00", "80.00")]
)
def test_t14_the_lower_basis_of_a_gift_is_for_losses_only(price: str, basis: str) -> None:
    """Wrong: the lower of both also for gains, 60.00 whatever the price."""
    found = answer(f"""
2024-01-02 gift A X 10 lot G donor_basis 100.00 donor_acquired 2010-01-04 fmv 60.00
2024-03-01 sell A X 10 @ {price}
""")
    assert only(found["closed"])["basis"] == basis


def test_t15_days_are_counted_not_copied_from_print() -> None:
    """Publication 550 prints 63 days; bought 11 July, ex 12 July, sold 13 September 2024 are 61."""
    found = answer("""
2024-07-11 buy A X 10 @ 10.00 lot L1
2024-07-12 dividend X at 0.50
2024-09-13 sell A X 10 @ 10.00
""")
    paid = only(found["dividends"])
    assert (paid["days_held"], paid["qualified"]) == (61, True)  # inside the window, which ends
