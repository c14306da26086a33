"""The public study: no figure before the gate, figures from the engine, faults by line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from tests.web.shown import Shown

from opensma.errors import InputError
from opensma.web.shield import Shield
from opensma.web.study import read_brand, read_form


def form(portal: Shown, **more: str) -> dict[str, str]:
    names = [portal.market.symbol_at(row, int(portal.market.days[-1])) for row in range(3)]
    lots = [f"{name},300,{cost},2021-02-0{i + 1}" for i, (name, cost) in
            enumerate(zip(names, ("1000", "900000", "20000"), strict=True))]  # fmt: skip
    text = "\n".join(["symbol,shares,cost,acquired", *lots])
    return {"holdings": text, "state": "NY", "status": "joint", "income": "300000",
            "years": "2", "gate": "yes", **more}  # fmt: skip


def test_the_form_says_for_whom_and_what_it_assumes_and_has_data_for_machines(
    portal: Shown,
) -> None:
    page = portal.client.get("/study")
    assert page.status_code == 200
    for word in ("For whom", "Method", "Assumptions", "Risks", "hypothetical"):
        assert word in page.text
    found = re.search(r'<script type="application/ld\+json">(.*?)</script>', page.text)
    assert found
    assert json.loads(found[1])["@type"] == "WebApplication"
    assert "src=" not in page.text  # no script: the page works without


def test_no_figure_is_shown_before_the_gate(portal: Shown) -> None:
    page = portal.client.post("/study", data=form(portal, gate=""))
    assert page.status_code == 422
    assert "no figure is shown before" in page.text
    assert "Your study" not in page.text


def test_typed_and_uploaded_holdings_give_the_same_study(portal: Shown) -> None:
    typed = form(portal)
    first = portal.client.post("/study", data=typed).text
    upload = {name: value for name, value in typed.items() if name != "holdings"}
    files = {"file": ("lots.csv", typed["holdings"].encode(), "text/csv")}
    second = portal.client.post("/study", data=upload, files=files).text
    answers = [text[text.index("Your study") :] for text in (first, second)]
    assert answers[0] == answers[1]
    assert "Nothing was kept" in first
    assert "How fast to move" in first


def test_a_wrong_line_is_named(portal: Shown) -> None:
    text = form(portal)["holdings"] + "\nNOPE,1,1,2020-01-01"
    page = portal.client.post("/study", data=form(portal, holdings=text))
    assert page.status_code == 422
    assert "line 5" in page.text
    assert "NOPE" in page.text


def test_large_uploads_and_bad_colours_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="larger than 64 KB"):
        read_form(b"x" * 70_000, "")
    document = json.loads(Path("src/opensma/web/study.json").read_text())
    own = tmp_path / "study.json"
    own.write_text(json.dumps(document | {"colour": "red; }"}))
    with pytest.raises(InputError, match="no colour"):
        read_brand(own)


def test_a_variant_belongs_to_a_firm_and_never_to_a_visit() -> None:
    brand = read_brand()
    arms = {brand.variant(f"firm-{i}") for i in range(40)}
    assert arms == {"", "losses"}
    assert brand.variant("firm-1") == brand.variant("firm-1")
    assert brand.variant("") == ""


def test_only_named_origins_may_embed_the_page_and_no_other(portal: Shown) -> None:
    page = PlainTextResponse("study")
    origin = "https://www.example.com"
    client = TestClient(Shield(page, (origin,)), base_url="http://localhost")
    allowed, other = client.get("/study").headers, client.get("/").headers
    assert f"frame-ancestors {origin}" in allowed["content-security-policy"]
    assert "x-frame-options" not in allowed
    assert other["x-frame-options"] == "DENY"
    assert portal.client.get("/study").headers["x-frame-options"] == "DENY"
