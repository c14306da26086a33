"""Figures in words: signs, separators, and nothing invented where a figure is missing."""

import math
from datetime import date

import pytest

from opensma.book.journal import Kind
from opensma.book.views import ActivityRow
from opensma.report import words
from opensma.report.activity import activity_words, kind_label


def test_money_has_separators_two_decimals_and_a_sign() -> None:
    assert words.money(121_000) == "$1,210.00"
    assert words.money(-5) == "-$0.05"
    assert words.signed_money(0) == "$0.00"
    assert words.signed_money(100) == "+$1.00"


def test_a_missing_percentage_is_words_and_a_rounded_zero_has_no_sign() -> None:
    assert words.percent(None) == words.percent(math.nan) == "not available"
    assert words.percent(-0.000001) == words.signed_percent(0.000001) == "0.00%"
    assert words.signed_percent(0.01234) == "+1.23%"


def test_days_are_long_in_every_locale() -> None:
    assert words.day_words("2025-02-03") == words.day_words(date(2025, 2, 3).toordinal())
    assert words.day_words("2025-02-03") == "3 Feb 2025"


def test_lists_end_in_and() -> None:
    assert [words.listed(list("ABCDE")[:n]) for n in range(5)] == [
        "", "A", "A and B", "A, B and C", "A, B, C and 1 more"
    ]  # fmt: skip
    assert words.counted(1, "lot") == "1 lot"
    assert words.counted(1204, "entry", "entries") == "1,204 entries"


@pytest.mark.parametrize("kind", Kind)
def test_every_business_event_has_words(kind: Kind) -> None:
    sale = kind.value in ("sell", "cash_in_lieu", "cash_merger", "worthless")
    source = "fee/I1/D1" if kind is Kind.FEE else ""
    row = ActivityRow(
        1, kind.value, date(2025, 1, 2), date(2025, 1, 3), "", source, ("ACME",), 100,
        -50 if sale else None, 20 if kind.value in ("wash_adjustment", "loss_disallowed") else None,
        "",
    )  # fmt: skip
    assert kind_label(kind.value) != kind.value
    assert activity_words(row).endswith(".")
    if sale:
        assert "loss $0.50" in activity_words(row)
