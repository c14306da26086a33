"""Form 1099-B as the broker sees it, and how Form 8949 leads from it to the taxpayer's gain."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from tests.tax.forms_cases import case_of, trade, trade_lists, years_of

from opensma.errors import InputError
from opensma.tax import Setup, box_totals, differences, form_1099b, form_8949, run, two_views
from opensma.tax.forms.setup import COVERED_FROM, Kind

Row = dict[str, Any]
WASHED_ELSEWHERE = case_of(
    trade(1, "2022-01-03", "buy", 10, "100.00"),
    trade(2, "2024-06-03", "sell", 10, "60.00"),
    trade(3, "2024-06-10", "buy", 10, "60.00", security="Y"),
    trade(4, "2024-12-02", "sell", 10, "120.00", security="Y"),
    substantially_identical=[["X", "Y"]],
)


def filed(case: Row, year: int) -> list[Any]:
    taxpayer, broker = two_views(case)
    return form_8949(taxpayer, year, broker, Setup.of(case))


def reported(case: Row, year: int, *, joined: bool = False) -> list[Any]:
    return form_1099b(two_views(case)[1], year, Setup.of(case), joined=joined)


def sold_in(security: str, bought: str, sold: str, **more: Any) -> Row:
    return case_of(
        trade(1, bought, "buy", 10, "100.00", security=security),
        trade(2, sold, "sell", 10, "150.00", security=security),
        **more,
    )


def test_f1_the_boxes_of_a_sale_with_a_wash() -> None:
    case = case_of(
        trade(1, "2024-01-02", "buy", 10, "100.00"),
        trade(2, "2024-06-03", "sell", 10, "60.00"),
        trade(3, "2024-06-10", "buy", 4, "24.00"),
    )
    kept, washed = sorted(reported(case, 2024), key=lambda row: row.wash_disallowed_cents)
    assert (kept.description, kept.acquired, kept.sold) == ("6 X", "2024-01-02", "2024-06-03")
    assert (kept.proceeds_cents, kept.basis_cents, kept.gain_cents) == (36_00, 60_00, -24_00)
    assert (washed.description, washed.wash_disallowed_cents, washed.gain_cents) == (
        "4 X",
        16_00,
        0,
    )
    assert (kept.term, kept.noncovered, kept.basis_reported) == ("short", False, True)


def test_f1_lots_of_one_sale_may_be_joined_as_various_but_a_washed_row_stays_apart() -> None:
    case = case_of(
        trade(1, "2024-01-02", "buy", 10, "100.00"),
        trade(2, "2024-02-01", "buy", 10, "90.00"),
        trade(3, "2024-03-01", "buy", 10, "70.00"),
        trade(4, "2024-08-01", "sell", 30, "240.00"),
        trade(5, "2024-08-05", "buy", 5, "40.00"),
    )
    joined = reported(case, 2024, joined=True)
    apart = reported(case, 2024)
    (various,) = [row for row in joined if row.acquired == "VARIOUS"]
    assert various.quantity == 25_000_000
    assert [row.quantity for row in joined if row.wash_disallowed_cents] == [5_000_000]
    for box in ("proceeds_cents", "basis_cents", "wash_disallowed_cents", "gain_cents"):
        assert sum(getattr(r, box) for r in joined) == sum(getattr(r, box) for r in apart)


def test_f1_inherited_shares_say_so_on_the_brokers_form_too() -> None:
    death = {"seq": 1, "date": "2024-01-02", "type": "inherit", "account": "A", "security": "X"}
    case = case_of(
        death | {"lot": "L1", "qty": "5", "fmv": "50.00"},
        trade(2, "2024-02-01", "sell", 5, "60.00"),
    )
    (row,) = reported(case, 2024)
    assert (row.acquired, row.term) == ("INHERITED", "long")


@pytest.mark.parametrize(
    ("kind", "day_before", "first_day"),
    [
        ("stock", "2010-12-31", "2011-01-01"),
        ("fund", "2011-12-31", "2012-01-01"),
        ("drip", "2011-12-31", "2012-01-01"),
        ("debt", "2013-12-31", "2014-01-01"),
        ("digital", "2025-12-31", "2026-01-01"),
    ],
)
def test_f3_the_first_covered_day_depends_on_the_kind(
    kind: str, day_before: str, first_day: str
) -> None:
    boxes = []
    for bought in (day_before, first_day):
        case = sold_in("S", bought, "2027-06-01", forms={"securities": {"S": kind}})
        boxes += [row.box for row in filed(case, 2027)]
    assert boxes == (["K", "J"] if kind == "digital" else ["E", "D"])


def test_f3_every_kind_has_a_first_covered_day() -> None:
    assert set(COVERED_FROM) == set(Kind)


@pytest.mark.parametrize(("sold", "box"), [("2024-06-03", "C"), ("2025-06-03", "H")])
def test_f4_digital_assets_have_boxes_of_their_own_from_2025(sold: str, box: str) -> None:
    case = sold_in("BTC", f"{sold[:4]}-01-02", sold, forms={"securities": {"BTC": "digital"}})
    assert [row.box for row in filed(case, int(sold[:4]))] == [box]
    assert reported(case, int(sold[:4])) == []  # Form 1099-DA, or none


def test_f4_an_account_without_a_1099b_goes_under_c_and_f() -> None:
    case = sold_in("X", "2024-01-02", "2024-06-03", forms={"no_1099b": ["A"]})
    assert [row.box for row in filed(case, 2024)] == ["C"]
    assert reported(case, 2024) == []


def test_f4_gain_beyond_returned_capital_is_on_no_1099b() -> None:
    paid = {"seq": 2, "date": "2024-06-03", "type": "return_of_capital", "security": "X"}
    case = case_of(trade(1, "2020-01-02", "buy", 10, "100.00"), paid | {"per_share": "12"})
    (row,) = filed(case, 2024)
    assert (row.box, row.gain_cents) == ("F", 20_00)
    assert reported(case, 2024) == []


def test_f5_f6_a_loss_carried_from_elsewhere_corrects_basis_and_term() -> None:
    washed, corrected = sorted(filed(WASHED_ELSEWHERE, 2024), key=lambda row: row.lot)
    assert (washed.code, washed.adjustment_cents, washed.gain_cents) == ("W", 40_00, 0)
    assert (corrected.code, corrected.box) == ("BT", "D")
    # (e) is what the broker told the IRS; (g) leads to the right gain.
    assert (corrected.basis_cents, corrected.adjustment_cents) == (60_00, -40_00)
    assert corrected.gain_cents == 20_00


def test_f6_an_unreported_basis_is_simply_entered_right() -> None:
    case = case_of(
        trade(1, "2009-01-05", "buy", 10, "100.00"),
        trade(2, "2010-06-03", "sell", 10, "60.00"),
        trade(3, "2010-06-10", "buy", 10, "60.00", security="Y"),
        trade(4, "2012-12-03", "sell", 10, "120.00", security="Y"),
        substantially_identical=[["X", "Y"]],
    )
    (row,) = filed(case, 2012)
    assert (row.box, row.basis_cents, row.code, row.adjustment_cents) == ("E", 100_00, "", 0)


def test_f5_codes_of_a_person_join_ours_in_alphabetical_order() -> None:
    fee = {"account": "A", "lot": "L1", "sold": "2024-06-03", "code": "E", "amount": "-4.95"}
    other = fee | {"code": "O", "amount": "1.00"}
    case = WASHED_ELSEWHERE | {"forms": {"adjustments": [other, fee]}}
    (row,) = [row for row in filed(case, 2024) if row.lot == "L1"]
    assert (row.code, row.adjustment_cents, row.gain_cents) == ("EOW", 36_05, -3_95)


def test_f5_a_collectible_is_marked_and_its_box_3_too() -> None:
    case = sold_in("GLD", "2022-01-03", "2024-06-03", forms={"securities": {"GLD": "collectible"}})
    assert [row.code for row in filed(case, 2024)] == ["C"]
    assert [row.collectible for row in reported(case, 2024)] == [True]


@pytest.mark.parametrize("code", ["W", "Y", "Z", "P", "w", ""])
def test_f5_a_code_that_is_ours_or_unknown_is_refused(code: str) -> None:
    entry = {"account": "A", "lot": "L1", "sold": "2024-06-03", "code": code, "amount": "1.00"}
    with pytest.raises(InputError, match="cannot be given"):
        Setup.of(WASHED_ELSEWHERE | {"forms": {"adjustments": [entry]}})


def test_an_adjustment_without_its_sale_is_refused() -> None:
    entry = {"account": "A", "lot": "L9", "sold": "2024-06-03", "code": "O", "amount": "1.00"}
    with pytest.raises(InputError, match="No taxable sale of lot L9"):
        filed(WASHED_ELSEWHERE | {"forms": {"adjustments": [entry]}}, 2024)


@pytest.mark.parametrize(
    "forms",
    [
        {"kinds": {}},
        {"securities": {"X": "bond"}},
        {"securities": ["X"]},
        {"no_1099b": ["Z"]},
        {"no_1099b": "A"},
        {"adjustments": [{}]},
        {"adjustments": {}},
        ["X"],
    ],
)
def test_a_spoiled_forms_object_is_refused_by_name(forms: Any) -> None:
    with pytest.raises(InputError) as caught:
        Setup.of(WASHED_ELSEWHERE | {"forms": forms})
    assert caught.value.code == "forms.setup"


def test_w25_a_wash_on_a_digital_asset_is_refused() -> None:
    case = case_of(
        trade(1, "2025-01-02", "buy", 1, "100.00", security="BTC"),
        trade(2, "2025-02-03", "sell", 1, "60.00", security="BTC"),
        trade(3, "2025-02-04", "buy", 1, "60.00", security="BTC"),
        forms={"securities": {"BTC": "digital"}},
    )
    with pytest.raises(InputError, match="does not reach digital assets"):
        filed(case, 2025)
    assert filed(case | {"policy": {"wash_sales": "off"}}, 2025)[0].gain_cents == -40_00


def test_f7_no_row_of_a_retirement_account_and_owners_stay_apart() -> None:
    case = case_of(
        trade(1, "2024-01-02", "buy", 5, "50.00", account="IRA"),
        trade(2, "2024-01-02", "buy", 5, "50.00", account="B"),
        trade(3, "2024-02-01", "sell", 5, "60.00", account="IRA"),
        trade(4, "2024-02-01", "sell", 5, "60.00", account="B"),
    )
    assert [(row.account, row.owner) for row in filed(case, 2024)] == [("B", "Q")]
    assert [(row.account, row.owner) for row in reported(case, 2024)] == [("B", "Q")]


def test_the_brokers_form_is_not_made_of_the_taxpayers_view() -> None:
    with pytest.raises(InputError, match="broker's view"):
        form_1099b(run(WASHED_ELSEWHERE), 2024)


def test_lots_that_only_one_view_sells_are_named() -> None:
    case = case_of(
        trade(1, "2024-01-02", "buy", 10, "100.00"),
        trade(2, "2024-02-01", "buy", 10, "90.00", security="Y"),
        trade(3, "2024-02-02", "buy", 10, "105.00", security="Y"),
        trade(4, "2024-02-20", "sell", 10, "60.00"),  # L2 has a basis of 130 in one view only
        trade(5, "2024-06-03", "sell", 10, "200.00", security="Y"),
        substantially_identical=[["X", "Y"]],
        method="HIFO",
    )
    taxpayer, broker = two_views(case)
    for call in (lambda: form_8949(taxpayer, 2024, broker), lambda: differences(taxpayer, broker)):
        with pytest.raises(InputError, match="picks other lots"):
            call()


@given(trade_lists())
def test_i4_f2_every_row_adds_up_and_both_views_lead_to_the_taxpayers_gain(case: Row) -> None:
    taxpayer, broker = two_views(case)
    for year in years_of(case):
        rows, plain = form_8949(taxpayer, year, broker), form_8949(taxpayer, year)
        for row in rows:
            assert row.gain_cents == row.proceeds_cents - row.basis_cents + row.adjustment_cents
            assert list(row.code) == sorted(row.code)
        for account in ("A", "B"):
            for boxes in ("ABC", "DEF"):
                here = [r.gain_cents for r in rows if r.account == account and r.box in boxes]
                there = [r.gain_cents for r in plain if r.account == account and r.box in boxes]
                assert sum(here) == sum(there)
        # What the IRS hears from the broker is what columns (d) and (e) say.
        told = form_1099b(broker, year)
        assert sum(r.basis_cents for r in told) == sum(r.basis_cents for r in rows)
        assert sum(r.proceeds_cents for r in told) == sum(r.proceeds_cents for r in rows)
        assert sum(t.gain_cents for t in box_totals(rows)) == sum(r.gain_cents for r in rows)


@given(trade_lists())
def test_f6_rows_need_a_correction_exactly_where_the_views_differ(case: Row) -> None:
    taxpayer, broker = two_views(case)
    differing = {(d.account, d.lot, d.sold) for d in differences(taxpayer, broker)}
    for year in years_of(case):
        for row in form_8949(taxpayer, year, broker):
            if set(row.code) & set("BT"):
                assert (row.account, row.lot, row.sold) in differing
