"""Errors carry code, place, what and remedy, through text, JSON and other processes."""

import pickle

import pytest

from opensma import errors

KINDS = [
    errors.OpensmaError,
    errors.InputError,
    errors.MarketError,
    errors.LotError,
    errors.PlanError,
    errors.BookError,
    errors.InvariantError,
]


@pytest.mark.parametrize("kind", KINDS)
def test_an_error_survives_the_way_back_from_a_worker(kind: type[errors.OpensmaError]) -> None:
    error = kind("lots.oversold", "L1 holds 100.", where="trades.csv:118", remedy="Compare.")
    returned = pickle.loads(pickle.dumps(error))
    assert type(returned) is kind
    assert returned.as_dict() == error.as_dict()
    assert str(returned) == "lots.oversold at trades.csv:118: L1 holds 100. Remedy: Compare."


def test_text_leaves_out_what_is_not_known() -> None:
    assert str(errors.BookError("book.locked", "Another run is at work.")) == (
        "book.locked: Another run is at work."
    )


def test_every_kind_is_caught_as_one() -> None:
    assert all(issubclass(kind, errors.OpensmaError) for kind in KINDS)


def test_ensure_names_the_facts() -> None:
    errors.ensure(True, "fine")
    with pytest.raises(errors.InvariantError) as caught:
        errors.ensure([], "cash does not add up", account="A1", cents=-1)
    assert caught.value.code == "invariant.broken"
    assert caught.value.message == "cash does not add up (account='A1', cents=-1)"
    assert "Nothing was written" in caught.value.remedy


def test_a_finding_is_plain_data() -> None:
    finding = errors.Finding("warning", "prices.gap", "ABC 2025-01-10", "No price.", "Ask again.")
    assert finding.as_dict() == {
        "severity": "warning",
        "code": "prices.gap",
        "where": "ABC 2025-01-10",
        "what": "No price.",
        "remedy": "Ask again.",
    }
