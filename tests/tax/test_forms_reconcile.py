"""A custodian's 1099-B against ours: how its CSV is read, what pairs, and what explains what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from tests.tax.forms_cases import case_of, trade, trade_lists, years_of

from opensma.errors import InputError
from opensma.tax import (
    Fees,
    corrections,
    differences,
    form_1099b,
    read_custodian,
    reconcile,
    to_csv,
    two_views,
)
from opensma.tax.forms import Form1099BRow, Item, Reason, Status

Row = dict[str, Any]
HEAD = "account,security,quantity,acquired,sold,proceeds,basis,wash_disallowed,term\n"
TWO_LOTS = case_of(
    trade(1, "2024-01-02", "buy", 10, "100.00"),
    trade(2, "2024-02-01", "buy", 20, "220.00"),
    trade(3, "2024-08-01", "sell", 30, "450.00"),
)


def compared(case: Row, text: str, year: int = 2024, **options: Any) -> list[Item]:
    taxpayer, broker = two_views(case)
    theirs = read_custodian(text, **options)
    return reconcile(form_1099b(broker, year), theirs, differences(taxpayer, broker), Fees.of(case))


def outcome(items: Sequence[Item]) -> list[tuple[str, list[Reason]]]:
    return [(item.status.value, list(item.reasons)) for item in items]


# --- reading -------------------------------------------------------------------------------------


def test_f1_columns_go_by_name_or_box_in_any_order_and_money_as_people_write_it() -> None:
    text = (
        "\ufeff1c,Ignored,1d,Symbol,Cost or other basis,Shares,Date Acquired,"
        "Box 1g,Account Number,Term,Noncovered Security\n"
        '06/03/2024,x,"$1,234.50",X,"(1,000.00)","1,000",VARIOUS,,A,Long-Term,X\n\n'
    )
    (row,) = read_custodian(text)
    assert (row.account, row.security, row.quantity) == ("A", "X", 1_000_000_000)
    assert (row.proceeds_cents, row.basis_cents) == (1234_50, -1000_00)
    assert (row.acquired, row.sold, row.term) == ("VARIOUS", "2024-06-03", "long")
    assert (row.wash_disallowed_cents, row.noncovered) == (0, True)


@pytest.mark.parametrize("text", ["100 XYZ", "100.000 sh. XYZ", "100 shares of XYZ", " 100  XYZ "])
def test_f1_a_description_tells_shares_and_security(text: str) -> None:
    (row,) = read_custodian(f"description,sold,proceeds\n{text},2024-06-03,10\n", account="A")
    assert (row.security, row.quantity) == ("XYZ", 100_000_000)


@pytest.mark.parametrize(
    ("text", "code", "where"),
    [
        ("", "custodian.header", "line 1"),
        ("security,quantity,sold,proceeds\n", "custodian.header", "line 1"),  # no account
        ("account,security,quantity,sold\n", "custodian.header", "line 1"),
        ("account,security,symbol,quantity,sold,proceeds\n", "custodian.header", "line 1"),
        (HEAD + "A,X,ten,,2024-06-03,1,1,,\n", "custodian.row", "line 2"),
        (HEAD + "A,X,0,,2024-06-03,1,1,,\n", "custodian.row", "line 2"),
        (HEAD + "A,X,1,,3 June,1,1,,\n", "custodian.date", "line 2"),
        (HEAD + "A,X,1,,2024-06-03,1.005,1,,\n", "number.invalid", "line 2, proceeds"),
        (HEAD + "A,X,1,,2024-06-03,,1,,\n", "number.invalid", "line 2, proceeds"),
        (HEAD + "A,X,1,,2024-06-03,1,1,,medium\n", "custodian.row", "line 2"),
        (HEAD + "A,X,1,,2024-06-03,$1,234.50,1,,,\n", "custodian.row", "line 2"),
    ],
)
def test_a_statement_that_cannot_be_read_is_refused_by_line(
    text: str, code: str, where: str
) -> None:
    with pytest.raises(InputError) as caught:
        read_custodian(text)
    assert (caught.value.code, caught.value.where) == (code, where)


# --- comparing -----------------------------------------------------------------------------------


@given(trade_lists())
def test_our_own_form_leaves_nothing_unexplained_joined_or_not(case: Row) -> None:
    taxpayer, broker = two_views(case)
    household = differences(taxpayer, broker)
    for year in years_of(case):
        ours = form_1099b(broker, year)
        for joined in (False, True):
            told = form_1099b(broker, year, joined=joined)
            items = reconcile(ours, read_custodian(to_csv(told, Form1099BRow)), household)
            assert not [item for item in items if item.status is Status.UNEXPLAINED]
            assert sorted(lot for item in items for lot in item.lots) == sorted(
                row.lot for row in ours
            )


@given(trade_lists())
def test_a_dollar_more_on_any_line_is_never_explained(case: Row) -> None:
    _, broker = two_views(case)
    for year in years_of(case):
        ours = form_1099b(broker, year)
        theirs = read_custodian(to_csv(ours, Form1099BRow))
        for number in range(len(theirs)):
            line = theirs[number]
            bent = type(line)(**{n: getattr(line, n) for n in line.__slots__} | {
                "proceeds_cents": line.proceeds_cents + 1_00
            })  # fmt: skip
            items = reconcile(ours, [*theirs[:number], bent, *theirs[number + 1 :]])
            assert [item for item in items if item.status is Status.UNEXPLAINED]


def test_rows_that_agree_are_matched() -> None:
    text = HEAD + "A,X,10,2024-01-02,2024-08-01,150,100,,short\n"
    text += "A,X,20,02/01/2024,08/01/2024,$300.00,$220.00,0.00,S\n"
    assert outcome(compared(TWO_LOTS, text)) == [("matched", []), ("matched", [])]


def test_f1_a_joined_row_is_compared_by_its_sums() -> None:
    text = HEAD + "A,X,30,VARIOUS,2024-08-01,450,320,,short\n"
    assert outcome(compared(TWO_LOTS, text)) == [("explained", [Reason.JOINED])]
    wrong = compared(TWO_LOTS, text.replace("320", "330"))
    assert [item.status for item in wrong] == [Status.UNEXPLAINED]


def test_a_row_split_by_the_custodian_is_compared_by_its_sums() -> None:
    text = HEAD + "A,X,10,2024-01-02,2024-08-01,150,100,,short\n"
    text += "A,X,5,2024-02-01,2024-08-01,75,55,,short\n"
    text += "A,X,15,2024-02-01,2024-08-01,225,165,,short\n"
    assert outcome(compared(TWO_LOTS, text)) == [("matched", []), ("explained", [Reason.SPLIT])]
    # Whole dollars on both sides are no sign of rounding: a dollar more is a difference.
    assert compared(TWO_LOTS, text.replace("225", "226"))[1].status is Status.UNEXPLAINED


def test_a_custodian_that_joins_a_washed_part_with_the_rest_is_understood() -> None:
    case = case_of(
        trade(1, "2024-01-02", "buy", 10, "100.00"),
        trade(2, "2024-06-03", "sell", 10, "60.00"),
        trade(3, "2024-06-10", "buy", 4, "24.00"),
    )
    text = HEAD + "A,X,10,2024-01-02,2024-06-03,60,100,16,short\n"
    assert outcome(compared(case, text)) == [("explained", [Reason.JOINED])]
    assert compared(case, text.replace(",16,", ",0,"))[0].status is Status.UNEXPLAINED


def test_f6_a_wash_that_only_the_household_sees_is_explained() -> None:
    case = case_of(
        trade(1, "2024-01-02", "buy", 10, "100.00"),
        trade(2, "2024-06-03", "sell", 10, "60.00"),
        trade(3, "2024-06-10", "buy", 10, "60.00", account="IRA"),
    )
    (item,) = compared(case, HEAD + "A,X,10,2024-01-02,2024-06-03,60,100,0,short\n")
    assert outcome([item]) == [("explained", [Reason.TAXPAYER_WASH])]
    assert [(d.box, d.ours) for d in item.differences] == [("1g taxpayer less broker", "+40.00")]


def test_f6_a_custodian_that_shows_what_the_household_sees_is_explained_to_the_cent() -> None:
    case = case_of(
        trade(1, "2022-01-03", "buy", 10, "100.00"),
        trade(2, "2024-06-03", "sell", 10, "60.00"),
        trade(3, "2024-06-10", "buy", 10, "60.00", account="B"),
        trade(4, "2024-12-02", "sell", 10, "120.00", account="B"),
    )
    loss = HEAD + "A,X,10,2022-01-03,2024-06-03,60,100,{},long\n"
    text = loss + "B,X,10,2024-06-10,2024-12-02,120,{},,{}\n"
    view = ("explained", [Reason.TAXPAYER_VIEW])
    assert outcome(compared(case, text.format("40", "100", "long"))) == [view, view]
    brokers = ("explained", [Reason.TAXPAYER_WASH])
    assert outcome(compared(case, text.format("", "60", "short"))) == [brokers, brokers]
    for wrong in (("30", "60", "short"), ("", "90", "short")):
        statuses = [item.status for item in compared(case, text.format(*wrong))]
        assert statuses.count(Status.UNEXPLAINED) == 1


@pytest.mark.parametrize(
    ("proceeds", "basis", "status"),
    [
        ("445.00", "100.00", "explained"),  # gross: our net amount is without the fee of 5.00
        ("440.00", "93.00", "explained"),  # the fee of 7.00 is not in the basis
        ("445.00", "93.00", "explained"),
        ("444.00", "100.00", "unexplained"),  # no fee is 4.00
        ("435.00", "100.00", "unexplained"),  # the fee twice
        ("440.00", "107.00", "unexplained"),
    ],
)
def test_l11_a_fee_on_one_side_explains_exactly_its_amount(
    proceeds: str, basis: str, status: str
) -> None:
    case = case_of(
        trade(1, "2024-01-02", "buy", 10, "100.00", fee="7.00"),
        trade(2, "2024-08-01", "sell", 10, "440.00", fee="5.00"),
    )
    text = HEAD + f"A,X,10,2024-01-02,2024-08-01,{proceeds},{basis},,short\n"
    (item,) = compared(case, text)
    assert item.status.value == status
    assert item.reasons == ((Reason.FEE,) if status == "explained" else ())


def test_w10_a_term_without_the_days_tacked_on_is_explained() -> None:
    case = case_of(
        trade(1, "2023-01-03", "buy", 10, "100.00"),
        trade(2, "2023-12-01", "sell", 10, "60.00"),
        trade(3, "2023-12-04", "buy", 10, "60.00"),
        trade(4, "2024-06-03", "sell", 10, "200.00"),
    )
    text = HEAD + "A,X,10,2023-12-04,2024-06-03,200,100,,{}\n"
    assert outcome(compared(case, text.format("long"))) == [("matched", [])]
    assert outcome(compared(case, text.format("short"))) == [("explained", [Reason.TACKING])]


def test_an_untacked_term_does_not_excuse_a_wrong_one() -> None:
    case = case_of(
        trade(1, "2023-01-03", "buy", 10, "100.00"), trade(2, "2024-06-03", "sell", 10, "200.00")
    )
    (item,) = compared(case, HEAD + "A,X,10,2023-01-03,2024-06-03,200,100,,short\n")
    assert item.status is Status.UNEXPLAINED


def test_f3_a_noncovered_lot_may_come_without_basis_but_a_covered_one_may_not() -> None:
    for bought, status in (("2010-01-04", "explained"), ("2012-01-03", "unexplained")):
        case = case_of(
            trade(1, bought, "buy", 10, "100.00"), trade(2, "2024-06-03", "sell", 10, "200.00")
        )
        (item,) = compared(case, HEAD + "A,X,10,,2024-06-03,200,,,\n")
        assert item.status.value == status


@pytest.mark.parametrize(
    ("proceeds", "status"),
    [("450.01", "explained"), ("450.02", "unexplained"), ("451", "unexplained")],
)
def test_a_cent_a_row_is_rounding_and_more_is_not(proceeds: str, status: str) -> None:
    case = case_of(
        trade(1, "2024-01-02", "buy", 30, "320.37"), trade(2, "2024-08-01", "sell", 30, "450.00")
    )
    text = HEAD + f"A,X,30,2024-01-02,2024-08-01,{proceeds},320.37,,short\n"
    assert compared(case, text)[0].status.value == status


def test_a_statement_in_whole_dollars_rounds_by_half_a_dollar() -> None:
    case = case_of(
        trade(1, "2024-01-02", "buy", 30, "320.37"), trade(2, "2024-08-01", "sell", 30, "450.50")
    )
    text = HEAD + "A,X,30,2024-01-02,2024-08-01,451,320,,short\n"
    assert outcome(compared(case, text)) == [("explained", [Reason.ROUNDING])]
    assert compared(case, text.replace("451", "452"))[0].status is Status.UNEXPLAINED


def test_what_is_missing_on_either_side_is_told_and_never_explained() -> None:
    text = HEAD + "A,X,10,2024-01-02,2024-08-01,150,100,,short\n"
    text += "A,Z,1,2024-01-02,2024-08-01,1,1,,short\n"
    assert outcome(compared(TWO_LOTS, text)) == [
        ("matched", []),
        ("unexplained", [Reason.NOT_THERE]),
        ("unexplained", [Reason.NOT_HERE]),
    ]


def test_another_number_of_shares_is_one_difference_not_two_missing_rows() -> None:
    case = case_of(
        trade(1, "2024-01-02", "buy", 10, "100.00"), trade(2, "2024-08-01", "sell", 10, "150.00")
    )
    (item,) = compared(case, HEAD + "A,X,11,2024-01-02,2024-08-01,150,100,,short\n")
    assert [(d.box, d.ours, d.theirs) for d in item.differences] == [("quantity", "10", "11")]
    assert item.status is Status.UNEXPLAINED


def test_f7_a_retirement_account_on_a_statement_is_not_ours() -> None:
    case = case_of(
        trade(1, "2024-01-02", "buy", 10, "100.00", account="IRA"),
        trade(2, "2024-08-01", "sell", 10, "150.00", account="IRA"),
    )
    text = HEAD + "IRA,X,10,2024-01-02,2024-08-01,150,100,,short\n"
    assert outcome(compared(case, text)) == [("unexplained", [Reason.NOT_HERE])]


def test_f8_a_corrected_statement_keeps_both_versions() -> None:
    first = HEAD + "A,X,10,2024-01-02,2024-08-01,150,,,short\n"
    first += "A,X,20,2024-02-01,2024-08-01,300,220,,short\nA,Z,1,,2024-08-01,5,5,,\n"
    second = HEAD + "A,X,10,2024-01-02,2024-08-01,150,,,short\n"
    second += "A,X,20,2024-02-01,2024-08-01,300,200,,long\nA,Y,1,,2024-08-01,5,5,,\n"
    found = corrections(read_custodian(first), read_custodian(second))
    assert [(item.security, item.reasons) for item in found] == [
        ("X", (Reason.CORRECTED,)),
        ("Y", (Reason.ADDED,)),
        ("Z", (Reason.WITHDRAWN,)),
    ]
    assert [(d.box, d.ours, d.theirs) for d in found[0].differences] == [
        ("1e", "220.00", "200.00"),
        ("2", "short", "long"),
    ]
    assert corrections(read_custodian(first), read_custodian(first)) == []
