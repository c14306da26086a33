"""Sentences: every reason has one, and it says what, why, the price, and the consequence."""

from dataclasses import replace
from datetime import date

import pytest

from opensma.construct.plan import Reason
from opensma.report.reasons import (
    LABELS,
    NonTradeFacts,
    TradeFacts,
    label,
    limit_words,
    sentence,
)

DAY = date(2025, 6, 13).toordinal()
SALE = TradeFacts(
    reason="harvest_loss",
    symbol="ACME",
    day=DAY,
    quantity_micros=-40_000_000,
    notional_cents=279_000,
    risk_cents=1_250,
    tax_cents=-49_368,
    cost_cents=140,
    acquired_day=date(2025, 2, 3).toordinal(),
    basis_cents=400_000,
    long_term=False,
    partners=("BETA",),
    te_before=0.0092,
    te_after=0.0095,
)
PURCHASE = replace(
    SALE,
    reason="harvest_replacement",
    quantity_micros=12_500_000,
    tax_cents=0,
    acquired_day=None,
    basis_cents=None,
    long_term=None,
)


def test_a_harvest_says_what_why_its_price_and_its_consequence() -> None:
    assert sentence(SALE) == (
        "Sold 40 ACME (lot of 3 Feb 2025) for $2,790.00 to realise a short-term loss of $1,210.00; "
        "the loss is worth up to $493.68 at the taxpayer's rates; trading costs $1.40; "
        "adds $12.50 of risk against the target; the same plan buys BETA; "
        "ACME is not bought again before 14 Jul 2025; "
        "the whole plan takes expected tracking error from 0.92% to 0.95%."
    )


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_label_and_a_sentence_of_its_own(reason: Reason) -> None:
    facts = [replace(SALE, reason=reason), replace(PURCHASE, reason=reason)]
    made = {sentence(f) for f in facts} | {sentence(NonTradeFacts(reason, "ACME", 1_250))}
    assert len(made) == 3
    assert all(text.endswith(".") and "ACME" in text for text in made)
    assert "No known reason" not in " ".join(made)
    assert label(reason) == LABELS[reason]


def test_sentences_of_different_reasons_differ() -> None:
    trades = [sentence(replace(SALE, reason=reason)) for reason in Reason]
    others = [sentence(NonTradeFacts(reason, "ACME", 0)) for reason in Reason]
    assert len(set(trades)) == len(set(others)) == len(Reason)


def test_a_reason_that_nobody_knows_is_said_and_never_invented() -> None:
    assert "No known reason" in sentence(replace(SALE, reason="hunch"))
    assert label("hunch") == "No reason on record"


def test_a_retirement_account_has_neither_tax_nor_wash_window() -> None:
    text = sentence(replace(SALE, taxed=False, tax_cents=0))
    assert "no tax in a retirement account" in text
    assert "bought again" not in text


def test_a_gain_names_its_term_and_its_tax() -> None:
    text = sentence(
        replace(SALE, reason="cash_need", basis_cents=200_000, tax_cents=18_800, long_term=True)
    )
    assert "a long-term gain of $790.00 costs $188.00 in tax" in text


def test_a_blocked_purchase_names_the_day_until_which_it_waits() -> None:
    facts = NonTradeFacts("wash_blocked", "ACME", 1_250, until_day=DAY + 30)
    assert sentence(facts) == (
        "ACME was not traded until 13 Jul 2025: it was sold at a loss, and buying now would undo "
        "that loss; it would have been worth $12.50."
    )


def test_what_was_partly_traded_is_not_called_untraded() -> None:
    assert sentence(NonTradeFacts("gain_too_dear", "ACME", 0, partly=True)) == (
        "No more ACME was traded: the tax on the gain outweighs the risk it would remove."
    )


def test_limits_are_words_and_unknown_ones_are_shown() -> None:
    assert limit_words("te_cap") == "the cap on tracking error"
    assert limit_words("max_weight:ACME") == "the largest weight of ACME"
    assert limit_words("new_kind:X") == "new kind X"
