"""Checks against brochure and account facts: each is triggered by one term and by no other."""

import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.billing.test_desk import HOUSE, NOW, Q4, TIERED, Desk, book, desk  # noqa: F401
from tests.billing.test_invoice import agreement, bill, served

from opensma.billing.desk import load_terms
from opensma.billing.disclosure_checks import Disclosed, check_disclosed
from opensma.billing.invoice import LineKind
from opensma.errors import InputError

BROCHURE: dict[str, Any] = {
    "brochure": "2A", "version": 1, "valid_from": "2024-01-01", "timing": "arrears",
    "frequency": "quarterly", "basis": "average_daily", "minimum": None, "flow_threshold": None,
    "refund": "unearned_days", "highest_rate": "0.01", "trade_away": "100",
}  # fmt: skip
FACTS: dict[str, Any] = {"account": "A1", "version": 1, "valid_from": "2024-01-01"}


def load(
    desk: Desk,  # noqa: F811
    house: Any = None,
    brochure: Any = None,
    facts: Any = None,
) -> None:
    document = {
        "schedules": [TIERED],
        "agreements": [{**HOUSE, "brochure": "2A", **(house or {})}],
        "brochures": [{**BROCHURE, **(brochure or {})}],
        "accounts": [{**FACTS, **(facts or {})}],
    }
    path: Path = desk.folder / "told.json"
    path.write_text(json.dumps(document))
    load_terms(desk.book, path, NOW)


def test_terms_as_disclosed_say_nothing(desk: Desk) -> None:  # noqa: F811
    load(desk)
    assert not desk.findings()


@pytest.mark.parametrize(
    ("house", "brochure", "facts", "code", "level"),
    [
        ({}, {"timing": "advance"}, {}, "F18", "error"),
        ({}, {"basis": "period_end"}, {}, "F18", "error"),
        ({}, {"minimum": "750"}, {}, "F18", "error"),
        ({"minimum": "750"}, {}, {}, "F18", "error"),
        ({}, {"highest_rate": "0.009"}, {}, "F18", "error"),
        ({}, {"flow_threshold": "5000"}, {}, "F15", "error"),
        ({"timing": "advance"}, {"timing": "advance", "refund": "none"}, {}, "F14", "warning"),
        (
            {"timing": "advance", "refund": "on_request"},
            {"timing": "advance", "refund": "on_request"}, {}, "F14", "warning",
        ),
        (
            {}, {}, {"statuses": [{"status": "deceased", "from": "2024-11-02", "reason": "told"}]},
            "F25", "error",
        ),
        ({}, {}, {"price_sources": [{"asset": "note", "source": ""}]}, "F11", "warning"),
        (
            {"source_days": 30}, {},
            {"price_sources": [{"asset": "note", "source": "agent", "day": "2024-11-30"}]},
            "F11", "warning",
        ),
        (
            {}, {}, {"received": [{"kind": "12b-1", "period": "2024Q4", "amount": "40"}]},
            "F16", "error",
        ),
        (
            {"wrap": True}, {},
            {"charges": [{"kind": "commission", "day": "2024-11-04", "amount": "25.21"}]},
            "F27", "warning",
        ),
    ],
)  # fmt: skip
def test_what_differs_from_disclosure_is_found_alone(
    desk: Desk,  # noqa: F811
    house: Any, brochure: Any, facts: Any, code: str, level: str,
) -> None:  # fmt: skip
    load(desk, house, brochure, facts)
    assert desk.findings() == {code: level}


@pytest.mark.parametrize(
    ("house", "facts"),
    [
        ({}, {"statuses": [{"status": "frozen", "from": "2024-02-01", "to": "2024-09-30",
                            "reason": "court"}]}),
        ({}, {"statuses": [{"status": "disputed", "from": "2025-01-01", "reason": "letter"}]}),
        ({"source_days": 31},
         {"price_sources": [{"asset": "note", "source": "agent", "day": "2024-11-30"}]}),
        ({"credits": [{"period": "2024Q4", "amount": "40", "reason": "12b-1", "offset": "12b-1"}]},
         {"received": [{"kind": "12b-1", "period": "2024Q4", "amount": "40"}]}),
        ({}, {"received": [{"kind": "12b-1", "period": "2024Q3", "amount": "40"}]}),
        ({"wrap": True},
         {"charges": [{"kind": "commission", "day": "2024-11-04", "amount": "25.20"}]}),
        ({}, {"charges": [{"kind": "custody", "day": "2024-11-04", "amount": "90"}]}),
    ],
)  # fmt: skip
def test_what_is_within_terms_is_not_found(
    desk: Desk,  # noqa: F811
    house: Any,
    facts: Any,
) -> None:
    load(desk, house, None, facts)
    assert not desk.findings()


def test_f16_a_credit_for_another_kind_or_too_small_does_not_count(
    desk: Desk,  # noqa: F811
) -> None:
    short = {"period": "2024Q4", "amount": "39.99", "reason": "12b-1", "offset": "12b-1"}
    other = {"period": "2024Q4", "amount": "99", "reason": "late", "offset": "affiliate_fund"}
    received = [{"kind": "12b-1", "period": "2024Q4", "amount": "40"}]
    load(desk, {"credits": [short, other]}, None, {"received": received})
    assert desk.findings()["F16"] == "error"


def test_f15_a_flow_above_the_threshold_needs_its_line() -> None:
    terms = agreement(flow_threshold=5_000)
    flow = (date(2024, 11, 1), served("A", 1).base.billed * 5_001)
    made = bill(terms, served("A", 1_200_000, flows=(flow,)))
    assert not check_disclosed(made, (), Disclosed())
    lines = tuple(x for x in made.lines if x.kind is not LineKind.FLOW)
    found = check_disclosed(replace(made, lines=lines), (), Disclosed())
    assert [(f.code, f.severity, f.where) for f in found] == [("F15", "error", "A")]


def test_f18_a_brochure_that_has_ended_holds(desk: Desk) -> None:  # noqa: F811
    load(desk, None, {"valid_to": "2024-11-30"})
    assert desk.findings() == {"F18": "error"}


def test_an_unknown_brochure_is_refused(desk: Desk) -> None:  # noqa: F811
    with pytest.raises(InputError) as caught:
        desk.load(TIERED, {**HOUSE, "brochure": "2B"})
    assert caught.value.code == "billing.brochure_unknown"


def test_facts_of_an_unknown_account_are_refused(desk: Desk) -> None:  # noqa: F811
    with pytest.raises(InputError) as caught:
        load(desk, None, None, {"account": "A9"})
    assert caught.value.code == "billing.account_unknown"
    assert not desk.run(Q4)
