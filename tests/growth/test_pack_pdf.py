"""The pack as PDF says what the page says, with the same bytes each time."""

import re
from pathlib import Path

import pytest
from tests.growth.programme import load_tables, programme
from tests.report.documents.papers import TYPST, structure_of, text_of

from opensma.growth.journeys import Rules
from opensma.growth.pack import Pack, make_pack
from opensma.growth.pack_data import Options
from opensma.growth.pack_pdf import pack_data, pack_pdf
from opensma.growth.publish import publish
from opensma.growth.warehouse.store import open_warehouse

pytest.importorskip("typst", reason=TYPST)


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    connection = open_warehouse(None, create=True)
    tables, given = programme(160, 24, seed=8)
    load_tables(connection, tmp_path_factory.mktemp("pack"), tables)
    publish(connection, given, Rules(given.as_of))
    return make_pack(connection, Options())


def test_figures_tables_and_notes_of_the_page_are_in_the_document(pack: Pack) -> None:
    text = " ".join(text_of(pack_pdf(pack.page)).split())
    for figure in pack.page.figures:
        assert figure.value in text
    for section in pack_data(pack.page)["sections"]:
        assert section["title"] in text
        for table in section["tables"]:
            assert table["title"] in text
            assert " ".join(table["rows"][0]) in text or table["rows"][0][0] in text


def test_the_same_pack_gives_the_same_bytes(pack: Pack, tmp_path: Path) -> None:
    assert pack_pdf(pack.page) == pack_pdf(pack.page)
    names = {file.name for file in pack.write(tmp_path)}
    assert {"growth.html", "growth.pdf", "ties.csv"} <= names


def test_it_is_tagged_with_headings_tables_and_words_for_charts(pack: Pack, tmp_path: Path) -> None:
    tags = structure_of(pack_pdf(pack.page), tmp_path)
    for tag in ("H1", "H2", "Table", "TH", "Figure"):
        assert re.search(rf"^\s*{tag}\b", tags, re.MULTILINE), tag
