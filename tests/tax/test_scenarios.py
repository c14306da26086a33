"""Trade lists as text: nothing is lost either way, and a mistake is named with its line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from opensma import cli
from opensma.errors import InputError
from opensma.tax.replay import replay
from opensma.tax.replay.engine import HANDLERS
from opensma.tax.scenario import SHAPES, read, write

from .ledgers import ledger, ledgers
from .test_lot_cases import CASES

Row = dict[str, Any]
PAGE = Path(__file__).resolve().parents[2] / "docs" / "tax.md"
HEAD = "account A taxable household H owner P\n"


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_every_public_case_survives_as_text(path: Path) -> None:
    """With its expectations, tolerances and notes."""
    case = json.loads(path.read_text())
    assert read(write(case)) == case


@given(ledgers())
def test_every_drawn_history_survives_as_text(drawn: tuple[Row, Row]) -> None:
    case, _ = drawn
    assert read(write(case)) == case


NAMES = st.text(min_size=1, max_size=6)
ODD_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | NAMES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=5,
)


@given(NAMES, NAMES, NAMES, st.integers(-5, 99), ODD_VALUES)
def test_any_name_and_any_extra_field_survives(
    account: str, security: str, lot: str, seq: int, odd: Any
) -> None:
    event = {"seq": seq, "date": "2024-05-01", "type": "buy", "account": account,
             "security": security, "lot": lot, "qty": "1", "amount": "2.00",
             "instructed": odd}  # fmt: skip
    sale = event | {"seq": seq + 1, "type": "sell", "picks": [{"lot": lot, "qty": "1"}],
                    "select": {"lot": lot}}  # fmt: skip
    del sale["lot"]
    case = {
        "title": lot,
        "policy": {},
        "accounts": [{"id": account, "type": "ira", "owner": lot}],
        "substantially_identical": [[security, lot]],
        "events": [event, sale],
        "methods": [odd],
    }
    assert read(write(case)) == case


def test_every_event_the_engine_knows_has_words() -> None:
    assert set(SHAPES) >= {*HANDLERS, "sell"}


def test_a_price_stands_only_where_it_gives_back_the_total() -> None:
    """Three shares for 100.00 have no price; 100 for 1000.00 have one."""
    lines = write(
        {
            "events": [
                {"seq": 1, "date": "2024-05-01", "type": "buy", "account": "A", "security": "X",
                 "lot": "L1", "qty": "3", "amount": "100.00"},
                {"seq": 2, "date": "2024-05-02", "type": "buy", "account": "A", "security": "X",
                 "lot": "L2", "qty": "100", "amount": "1000.00"},
            ]
        }
    ).splitlines()  # fmt: skip
    assert lines[-2:] == [
        "2024-05-01 buy A X 3 for 100.00 lot L1",
        "2024-05-02 buy A X 100 @ 10.00 lot L2",
    ]


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("2024-05-01 byu A X 1 @ 2.00 lot L1", "there is no event 'byu'"),
        ("2024-05-01", "the type of the event is missing at the end"),
        ("2024-05-01 buy A X", "'qty' is missing at the end"),
        ("2024-05-01 buy A X 3 @ 0.333 lot L1", "3 @ 0.333 is not whole cents"),
        ("2024-05-01 buy A X ten @ 2.00 lot L1", "ten @ 2.00 is no product"),
        ("2024-05-01 sell A X 1 @ 2.00 lot L1", "'lot' means nothing in a sell"),
        ("2024-05-01 sell A X 1 @ 2.00 picks L1", "L1 is not a lot and shares as LOT:QTY"),
        ("2024-05-01 sell A X 1 @ 2.00 seq one", "seq one is not a whole number"),
        ("2024-05-01 transfer A B X 1", "'to' belongs where 'B' stands"),
        ('2024-05-01 buy "A X 1 @ 2.00', "a quotation mark is open"),
        ("2024-05-01 buy A X 1 @ 2.00 lot L1 a:=[1", "[1 is not JSON"),
        ("acount A taxable", "'acount' begins no line"),
        ("policy view", "a value after 'view' is missing at the end"),
        ("policy view broker now", "'now' is too much"),
        ("expect everything a=1", "nothing is expected of 'everything'"),
    ],
)
def test_a_mistake_is_named_with_its_line(line: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        read(f"{HEAD}\n# a comment\n{line}\n")
    assert (caught.value.code, caught.value.where) == ("scenario.line", "line 4")
    assert told in caught.value.message
    assert caught.value.remedy


@given(st.integers(0, 10**6), st.text(max_size=3), st.integers(0, 400))
def test_a_spoiled_text_is_read_or_refused(seed: int, odd: str, at: int) -> None:
    text = write(ledger(Random(seed))[0])
    where = "line 1"
    try:
        read(text[:at] + odd + text[at + 1 :])
    except InputError as error:
        where = error.where
    assert re.fullmatch(r"line [0-9]+", where)


def test_a_case_without_words_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        write({"events": [{"seq": 1, "date": "2024-05-01", "type": "dream"}]})
    assert caught.value.code == "scenario.unwritable"


def example() -> str:
    section = PAGE.read_text().split("## Paste into a bug report")[1]
    return section.split("```text\n")[1].split("```")[0]


def test_the_example_of_the_page_gives_what_it_expects() -> None:
    case = read(example())
    answer = replay(case)
    for name, amount in case["expect"]["totals"].items():
        assert answer["totals"][name] == amount
    (expected,) = case["expect"]["open"]
    (row,) = answer["open"]
    assert expected.items() <= row.items()


def test_the_command_takes_text_and_gives_it_back(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`sma lots replay FILE` chooses by content, whatever the file is called."""
    path = tmp_path / "trades"
    path.write_text(example())
    assert cli.run(["lots", "replay", str(path)]) == 0
    assert json.loads(capsys.readouterr().out) == replay(read(example()))
    path.write_text(json.dumps(read(example())))
    assert cli.run(["lots", "replay", "--text", str(path)]) == 0
    assert read(capsys.readouterr().out) == read(example())


def test_the_command_names_the_line_of_an_event_that_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "trades.txt"
    path.write_text(f"{HEAD}\n2024-05-01 sell A X 1 @ 2.00\n")
    assert cli.run(["lots", "replay", str(path)]) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    assert (error["code"], error["line"]) == ("INSUFFICIENT_LOTS", 3)
