"""Every rule that `docs/tax.md` lists is cited by a test; those of scope alone are tested here.

A test cites a rule in its name (`test_w4_...`), its docstring or a comment, as a whole word.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.construct import tiny

from opensma.construct.check import check_trades
from opensma.construct.solve import Prepared, solve_taxpayer
from opensma.tax.replay import replay
from opensma.tax.scenario import read

Row = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
RULE = r"[DLHWCGQSFRPTI]\d{1,2}"


def listed() -> list[str]:
    page = (ROOT / "docs" / "tax.md").read_text(encoding="utf-8")
    return re.findall(rf"^\| ({RULE}) \|", page, re.MULTILINE)


def cited_in(source: str) -> set[str]:
    """Rules in names, docstrings and comments; lots of examples have such names too: `L1`."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    words = [token.string for token in tokens if token.type == tokenize.COMMENT]
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            words.append(ast.get_docstring(node) or "")
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            parts = node.name.upper().split("_")
            found |= {part for part in parts if re.fullmatch(RULE, part)}
    return found | set(re.findall(rf"\b{RULE}\b", "\n".join(words)))


def test_every_rule_is_cited_by_a_test() -> None:
    files = sorted((ROOT / "tests").rglob("*.py"))
    cited = set().union(*(cited_in(path.read_text(encoding="utf-8")) for path in files))
    missing = [rule for rule in listed() if rule not in cited]
    assert not missing, f"no test cites {', '.join(missing)}"


def test_the_page_lists_every_rule_once() -> None:
    """All numbers of a section without a gap, so that no rule goes missing from the page."""
    rules = listed()
    assert len(rules) == len(set(rules))
    for letter in "DLHWCGQSFRPTI":
        numbers = sorted(int(rule[1:]) for rule in rules if rule[0] == letter)
        assert numbers == list(range(1, len(numbers) + 1)), letter


def test_a_citation_is_a_whole_word_of_a_name_docstring_or_comment() -> None:
    source = 'def test_w4_x() -> None:\n    """C11."""\n    lot = "L1"  # by H22, not XS3\n'
    assert cited_in(source) == {"W4", "C11", "H22"}


# --- rules that no other test cites: their meaning, or the documented limit -----------------------

HOUSE = """
account A taxable household H owner P
account B taxable household H owner P
account S taxable household H owner Q
"""


def answer(text: str, head: str = "") -> Row:
    found = replay(read(head + HOUSE + text))
    assert "error" not in found, found["error"]
    return found


def totals(text: str, *policies: str) -> Row:
    head = "".join(f"policy {policy}\n" for policy in policies)
    found: Row = answer(text, head)["totals"]
    return found


def test_d5_fees_come_within_the_amounts() -> None:
    """A purchase of 1,000.00 with 5.00 fees costs 1,005.00, a sale of 1,200.00 brings 1,195.00."""
    found = totals("2024-01-02 buy A X 100 for 1005.00 lot L\n2024-02-01 sell A X 100 for 1195.00")
    assert found["gain"] == "190.00"


@pytest.mark.parametrize(
    ("bought", "sold", "term"),
    [
        ("2012-11-30", "2013-11-30", "ST"),
        ("2012-11-30", "2013-12-01", "LT"),
        ("2016-02-29", "2017-02-28", "ST"),
        ("2016-02-29", "2017-03-01", "LT"),
        ("2015-02-28", "2016-02-29", "ST"),
    ],
)
def test_h1_h3_the_day_of_sale_counts_and_the_day_of_purchase_does_not(
    bought: str, sold: str, term: str
) -> None:
    found = answer(f"{bought} buy A X 1 @ 1.00 lot L\n{sold} sell A X 1 @ 2.00")
    assert found["closed"][0]["term"] == term


def test_h4_trade_dates_decide_not_settlement() -> None:
    """Sold on the last short-term day; the sale settles on the next one, which would be long."""
    text = "2023-01-03 buy A X 1 @ 1.00 lot L\n2024-01-03 sell A X 1 @ 2.00 settles=2024-01-04"
    assert answer(text)["closed"][0]["term"] == "ST"


def test_h5_the_purchase_date_stays_and_the_holding_date_moves() -> None:
    """The replacement is tacked back a year, and still counts as bought in March (W1)."""
    found = answer("""
2023-01-03 buy A X 10 @ 20.00 lot L1
2024-02-01 sell A X 10 @ 15.00
2024-02-20 buy A X 10 @ 15.00 lot L2
""")
    lot = found["open"][0]
    assert (lot["acquired"], lot["holding_date"]) == ("2024-02-20", "2023-01-22")


def test_h7_a_short_sale_starts_young_stock_again() -> None:
    found = answer("""
2024-01-02 buy A X 10 @ 20.00 lot L1
2024-02-01 short_sell A X 10 @ 22.00 lot S1
2024-03-01 cover A X 10 @ 21.00
""")
    assert found["open"][0]["holding_date"] == "2024-03-01"


def test_w3_a_gain_sold_together_with_a_loss_nets_nothing() -> None:
    """One sale of two lots: the loss of L1 washes in full, the gain of L2 is taxed in full."""
    found = totals("""
2023-01-03 buy A X 10 @ 20.00 lot L1
2023-01-04 buy A X 10 @ 10.00 lot L2
2024-02-01 sell A X 20 @ 15.00
2024-02-20 buy A X 10 @ 15.00 lot L3
""")
    assert (found["disallowed"], found["gain"]) == ("50.00", "50.00")


def test_l5_relief_sorts_by_the_basis_after_a_wash() -> None:
    """L2 cost less than L3, and carries a loss that makes it the dearest."""
    found = answer(
        """
2023-01-03 buy A X 10 @ 30.00 lot L1
2024-02-01 sell A X 10 @ 15.00
2024-02-20 buy A X 10 @ 15.00 lot L2
2024-04-20 buy A X 10 @ 20.00 lot L3
2024-06-20 sell A X 10 @ 40.00
""",
        head="method HIFO\n",
    )
    assert found["closed"][-1]["lot"] == "L2"


EARLIER = """
2024-01-20 buy A X 10 @ 10.00 lot L1
2024-01-22 buy A X 10 @ 20.00 lot L2
2024-02-01 sell A X 10 @ 15.00 picks L2:10
"""


def test_p2_shares_bought_before_the_sold_ones() -> None:
    assert totals(EARLIER)["disallowed"] == "50.00"
    assert totals(EARLIER, "earlier_acquired ignored")["disallowed"] == "0.00"


SPOUSE = """
2024-01-20 buy A X 10 @ 20.00 lot L1
2024-02-01 sell A X 10 @ 15.00
2024-02-02 buy S X 10 @ 15.00 lot L2
"""


def test_p5_a_loss_that_the_spouse_replaced() -> None:
    assert totals(SPOUSE)["deferred_in_open"] == "50.00"
    assert totals(SPOUSE, "spouse_adjustment lost")["permanently_disallowed"] == "50.00"


def test_p6_the_broker_sees_one_account_and_one_security() -> None:
    assert totals(SPOUSE, "view broker")["disallowed"] == "0.00"


def test_p7_no_rule_in_pennsylvania_or_where_it_is_off() -> None:
    assert totals(SPOUSE, "jurisdiction PA")["disallowed"] == "0.00"
    assert totals(SPOUSE, "wash_sales off")["disallowed"] == "0.00"


def test_p9_an_unknown_basis_blocks_unless_zero_is_chosen() -> None:
    text = "2024-01-20 buy A X 10 lot L1\n2024-02-01 sell A X 10 @ 15.00"
    assert replay(read(HOUSE + text))["error"]["reason"] == "lots.no_basis"
    assert totals(text, "unknown_basis zero")["gain"] == "150.00"


def test_g4_an_inheritance_steps_down_as_well_as_up() -> None:
    """Value at death is the basis, whatever was paid; here it is below what it is sold for."""
    found = answer("2024-01-20 inherit A X 10 lot L1 fmv 100.00\n2024-01-22 sell A X 10 @ 15.00")
    assert (found["totals"]["gain"], found["closed"][0]["term"]) == ("50.00", "LT")


def test_g7_gift_tax_paid_is_entered_by_hand() -> None:
    """The basis is what is given, here 100.00 with 20.00 of gift tax; nothing is added."""
    found = answer("""
2024-01-20 gift A X 10 lot L1 donor_basis 120.00 donor_acquired 2010-01-04 fmv 200.00
""")
    assert found["open"][0]["basis"] == "120.00"


def test_q4_hedged_days_are_not_known_here_and_count() -> None:
    """Documented limit: a short sale in the window takes no days off; the issuer's 1099 decides."""
    dividend = "2024-01-02 buy A X 10 @ 10.00 lot L\n2024-06-03 dividend X at 0.50\n"
    hedged = dividend + "2024-06-04 short_sell B X 10 @ 10.00 lot S\n"
    assert answer(hedged)["dividends"] == answer(dividend)["dividends"]


def test_l13_a_harvest_takes_the_lot_that_saves_most_after_tax() -> None:
    """The short-term loss of 100 saves 40, the long-term loss of 140 saves 28: term before cost."""
    mine = tiny.account(
        lots=tiny.lots(
            ("B", 10.0, 640.0, tiny.OLD),
            ("B", 10.0, 600.0, tiny.YOUNG),
            ("C", 50.0, 1000.0, tiny.OLD),
        ),
        limits=tiny.limits(max_weight={"B": 500.0 / 3000.0}, no_buy="ABCD", no_sell="C"),
    )
    owner = tiny.taxpayer(mine)
    (plan,) = solve_taxpayer(Prepared(tiny.universe()), owner, tiny.AS_OF)
    sold = {int(lot): float(shares) for lot, shares in
            zip(plan.trades.lot, plan.trades.shares, strict=True)}  # fmt: skip
    assert sold[1] == -10.0


def test_w28_what_replaces_a_harvest_is_outside_its_group() -> None:
    """C is B's twin and may not be bought when B is sold at a loss; D may."""
    twins = tiny.universe(group=np.array([0, 1, 1, 3]))
    rules = [
        [v.rule for v in check_trades(twins, tiny.taxpayer(tiny.account()),
                                      [tiny.moves(("B", 2, -5.0), (bought, -1, 5.0))], tiny.AS_OF)]
        for bought in "CD"
    ]  # fmt: skip
    assert rules == [["wash_buy"], []]
