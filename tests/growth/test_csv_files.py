"""CSV files are read strictly: a row too long is named, never guessed around."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pytest

from opensma.errors import InputError
from opensma.growth.scoring_report import read_leads
from opensma.growth.warehouse.load import load_folder
from opensma.growth.warehouse.mapping import read_mapping
from opensma.growth.warehouse.store import open_warehouse, query

HEADER = "spend_id,date,channel,kind,amount_c\n"
GOOD = "s1,2024-01-03,email,media,70\n"


@pytest.mark.parametrize(
    ("content", "code", "where", "words"),
    [
        (HEADER + GOOD + "s2,2024-01-03,email,media,7,0\n", "growth.file_unreadable",
         "spend.csv:3", "6 fields, the header 5"),
        (HEADER + GOOD + "s2,2024-01-03,email,media\n", "growth.file_unreadable",
         "spend.csv:3", "4 fields, the header 5"),
        (HEADER + 's1,2024-01-03,email,"media,70\n', "growth.file_unreadable",
         "spend.csv:2", "quote"),
        ("spend_id,date,date\n", "growth.column_twice", "spend.csv:1", "'date'"),
        ("spend_id,Date,date\n", "growth.column_twice", "spend.csv:1", "'date'"),
        (",\n", "growth.file_unreadable", "spend.csv", "no header"),
        ("", "growth.file_unreadable", "spend.csv", "no header"),
        (HEADER + "s\xe9,2024-01-03,email,media,70\n", "growth.file_unreadable",
         "spend.csv:2", "UTF-8"),
        ("spend_id,d\xe9\n", "growth.file_unreadable", "spend.csv:1", "UTF-8"),
    ],
)  # fmt: skip
def test_a_broken_file_is_named_with_its_line_and_nothing_is_loaded(
    tmp_path: Path, content: str, code: str, where: str, words: str
) -> None:
    (tmp_path / "spend.csv").write_bytes(content.encode("latin-1"))
    connection = open_warehouse(None)
    with pytest.raises(InputError) as caught:
        load_folder(connection, tmp_path, read_mapping("plain", date(2024, 2, 1)), None)
    assert (caught.value.code, caught.value.where) == (code, where)
    assert words in caught.value.message
    assert query(connection, "SELECT count(*) AS n FROM spend")[0]["n"] == 0


def test_quotes_blank_lines_a_mark_and_other_line_ends_are_read(tmp_path: Path) -> None:
    text = "\ufeff" + HEADER + '"s ""1""",2024-01-03,email,media,70\n\ns2,2024-01-04,rfp,media,1\n'
    (tmp_path / "spend.csv").write_text(text.replace("\n", "\r\n"), encoding="utf-8", newline="")
    connection = open_warehouse(None)
    load_folder(connection, tmp_path, read_mapping("plain", date(2024, 2, 1)), None)
    rows = query(connection, "SELECT spend_id, amount_c FROM spend ORDER BY 1")
    assert [tuple(r.values()) for r in rows] == [('s "1"', 70), ("s2", 1)]


def test_a_column_of_leads_has_the_type_that_all_its_values_have(tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_text(
        "id,n,x,day,at,word,code\n"
        "a,1,1.5,2024-01-03,2024-01-03 10:00,yes,007x\n"
        "b,-2,,2024-02-03,2024-01-03T11:30:00,no,1\n"
        "c,,3e2,,,,\n"
    )
    found = read_leads(file)
    assert found["n"] == [1, -2, None]
    assert found["x"] == [1.5, None, 300.0]
    assert found["day"] == [date(2024, 1, 3), date(2024, 2, 3), None]
    assert found["at"] == [datetime(2024, 1, 3, 10), datetime(2024, 1, 3, 11, 30), None]
    assert found["word"] == ["yes", "no", None]
    assert found["code"] == ["007x", "1", None]


def test_spaces_about_a_name_and_a_comma_at_the_end_of_every_line_do_no_harm(
    tmp_path: Path,
) -> None:
    file = tmp_path / "leads.csv"
    file.write_text("id, n ,\na,1,\nb,2,\n")
    assert read_leads(file) == {"id": ["a", "b"], "n": [1, 2], "column2": [None, None]}


def test_a_lead_row_that_is_too_long_is_named(tmp_path: Path) -> None:
    file = tmp_path / "leads.csv"
    file.write_text("id,n\na,1\nb,2,3\n")
    with pytest.raises(InputError) as caught:
        read_leads(file)
    assert caught.value.where == "leads.csv:3"
