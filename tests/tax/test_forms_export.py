"""CSV and TXF: what was written is read back, and nothing a spreadsheet would run gets through."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.tax.forms_cases import case_of, trade, trade_lists, years_of
from tests.tax.test_forms_summary import row_of

from opensma.errors import InputError
from opensma.tax import form_1099b, form_8949, from_csv, from_txf, to_csv, to_txf, two_views
from opensma.tax.forms import Form1099BRow, Form8949Row, TxfRecord

Row = dict[str, Any]
TODAY = date(2025, 2, 3)


@given(trade_lists())
def test_csv_gives_back_the_rows_it_was_made_of(case: Row) -> None:
    taxpayer, broker = two_views(case)
    for year in years_of(case):
        filed, told = form_8949(taxpayer, year, broker), form_1099b(broker, year)
        assert from_csv(to_csv(filed, Form8949Row), Form8949Row) == filed
        assert from_csv(to_csv(told, Form1099BRow), Form1099BRow) == told


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12))
def test_csv_gives_back_any_name_and_starts_none_as_a_formula(name: str) -> None:
    row = replace(row_of("A", 1_00, 2_00), account=name, description=name)
    text = to_csv([row], Form8949Row)
    assert from_csv(text, Form8949Row) == [row]
    cell = list(csv.reader(io.StringIO(text, newline="")))[1][0]
    assert not cell.lstrip(" ").startswith(("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d"))


def test_csv_leaves_negative_amounts_as_numbers() -> None:
    text = to_csv([row_of("A", 1_00, 2_50)], Form8949Row)
    assert "-1.50" in next(csv.reader(io.StringIO(text.splitlines()[1])))


@pytest.mark.parametrize("text", ["", "a,b\r\n1,2\r\n", "account\r\nA\r\n"])
def test_csv_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not the columns"):
        from_csv(text, Form8949Row)


def test_csv_with_a_broken_line_is_refused_by_its_number() -> None:
    text = to_csv([row_of("A", 1_00, 2_50)], Form8949Row).removesuffix("\r\n") + ",more\r\n"
    with pytest.raises(InputError) as caught:
        from_csv(text, Form8949Row)
    assert (caught.value.code, caught.value.where) == ("csv.row", "line 2")


# Example 2G of the format's specification: long-term, basis not reported, a loss disallowed.
EXAMPLE = "TD\r\nN713\r\nC1\r\nL1\r\nP50 QCOM\r\nD01/02/2010\r\nD01/15/2011\r\n"
EXAMPLE += "$1500.00\r\n$1300.00\r\n$200.00\r\n^\r\n"


def test_txf_writes_the_example_of_its_specification() -> None:
    row = Form8949Row(
        "A", "P", "E", "50 QCOM", "2010-01-02", "2011-01-15", 1300_00, 1500_00, "W", 200_00, 0
    )
    assert to_txf([row], TODAY) == "V042\r\nAopensma\r\nD02/03/2025\r\n^\r\n" + EXAMPLE


@pytest.mark.parametrize(
    ("box", "number"), list(zip("ABCDEF", (321, 711, 712, 323, 713, 714), strict=True))
)
def test_txf_has_a_number_for_every_box_of_securities(box: str, number: int) -> None:
    text = to_txf([row_of(box, 1_00, 2_00)], TODAY)
    assert f"\r\nN{number}\r\n" in text
    assert [record.box for record in from_txf(text)] == [box]


@given(trade_lists())
def test_txf_gives_back_every_sale(case: Row) -> None:
    _, broker = two_views(case)
    for year in years_of(case):
        rows = form_8949(broker, year)
        assert from_txf(to_txf(rows, TODAY)) == [
            TxfRecord(
                row.box,
                row.description,
                row.acquired,
                row.sold,
                row.basis_cents,
                row.proceeds_cents,
                row.adjustment_cents,
            )
            for row in rows
        ]


@pytest.mark.parametrize("word", ["INHERITED", "VARIOUS"])
def test_txf_leaves_a_date_blank_that_is_none(word: str) -> None:
    row = replace(row_of("D", 1_00, 2_00), acquired=word)
    assert [record.acquired for record in from_txf(to_txf([row], TODAY))] == [""]


@pytest.mark.parametrize("box", "GHIJKL")
def test_txf_refuses_digital_assets(box: str) -> None:
    with pytest.raises(InputError, match=f"no record number for box {box}"):
        to_txf([row_of(box, 1_00, 2_00)], TODAY)


@pytest.mark.parametrize("code", ["B", "BT", "BW", "C", "E", "O", "T"])
def test_txf_refuses_codes_it_cannot_carry(code: str) -> None:
    with pytest.raises(InputError) as caught:
        to_txf([row_of("A", 1_00, 2_00), row_of("A", 1_00, 2_00, code, 5)], TODAY)
    assert caught.value.code == "txf.code"
    assert "L1" in caught.value.where


def test_txf_takes_no_line_break_from_a_name() -> None:
    row = replace(row_of("A", 1_00, 2_00), description="1 X\r\n^\nTD")
    assert [record.description for record in from_txf(to_txf([row], TODAY))] == ["1 X ^ TD"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "V041\n^\n",
        "V042\nAx\nD01/01/2025\n^\nTD\nN321\n",
        "V042\nAx\nD01/01/2025\n^\nTD\nN321\nC1\n^\n",
        "V042\nAx\nD01/01/2025\n^\n" + EXAMPLE.replace("N713", "N682"),
        "V042\nAx\nD01/01/2025\n^\n" + EXAMPLE.replace("01/15/2011", "15/01/2011"),
    ],
)
def test_txf_that_is_cut_off_or_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(InputError) as caught:
        from_txf(text)
    assert caught.value.code == "txf.invalid"


def test_txf_holds_a_year_without_sales() -> None:
    case = case_of(trade(1, "2024-01-02", "buy", 10, "100.00"))
    assert from_txf(to_txf(form_8949(two_views(case)[0], 2024), TODAY)) == []
