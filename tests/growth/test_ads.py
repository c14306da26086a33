"""Ads against dated rules: each version of a rule by the day of use, figures from the book."""

from __future__ import annotations

import hashlib
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.growth.programme import write_csv

from opensma.cli import run
from opensma.growth.ads.adv import adv_5l
from opensma.growth.ads.facts import Texts, read_ads
from opensma.growth.ads.rules import AdRules, load_ad_rules
from opensma.growth.ads.run import Checked, Result, check_ads, read_texts
from opensma.growth.warehouse.load import load_folder
from opensma.growth.warehouse.mapping import read_mapping
from opensma.growth.warehouse.store import open_warehouse

TODAY = date(2026, 6, 1)
YES = {"audience_size": "500", "substantiation": "yes"}
GROSS, NET = "gross", "net"
NO_TEXTS = Texts()


def warehouse(
    folder: Path, facts: dict[str, str], figures: list[tuple[Any, ...]] = [], *,  # noqa: B006
    flags: str = "", first: str = "2026-02-01", last: str | None = "2026-05-01",
    kept: str | None = "2031-12-31", spend: list[tuple[Any, ...]] = [],  # noqa: B006
) -> Any:  # fmt: skip
    """A warehouse with one ad, through the loader like anybody's."""
    marks = ["true" if name in flags else "false" for name in ("perf", "hypo", "test", "rate")]
    text = hashlib.sha256(b"text").hexdigest()
    write_csv(folder, "ad", [("a1", 1, text, "both", *marks, first, last, None, kept)])
    write_csv(folder, "ad_figure", figures)
    write_csv(folder, "ad_fact", [
        ("a1", 1, name, value, "compliance", None, "2026-01-15") for name, value in facts.items()
    ])  # fmt: skip
    write_csv(folder, "spend", spend)
    connection = open_warehouse(None)
    load_folder(connection, folder, read_mapping("plain", TODAY), None)
    return connection


def checked(connection: Any, rules: AdRules | None = None, texts: Texts = NO_TEXTS) -> Any:
    found = check_ads(read_ads(connection, TODAY, texts), rules or load_ad_rules())
    return {row.rule_id: row for row in found}


def figure(basis: str, start: str, end: str, value: float, size: int = 12, fee: int = 0) -> Any:
    return ("a1", 1, "core", start, end, basis, fee, value, size, 400, None)


def result(rows: dict[str, Checked], rule: str) -> tuple[Result, str]:
    return rows[rule].result, rows[rule].detail


def test_every_rule_of_the_table_is_there_and_answers_every_ad(tmp_path: Path) -> None:
    rows = checked(warehouse(tmp_path, YES))
    names = "A0 A1-7 B1 B2 B3 B4 B5 C1 D1 D2 D3 D4 D5 D5b D6 D6b D7 D8 R1 R2 F1 F2 F3 G1 G2"
    assert list(rows) == [f"AD-{name}" for name in names.split()]
    assert rows["AD-D1"].result is Result.NOT_APPLICABLE
    assert rows["AD-R1"].result is Result.NO_FINDING
    assert not any(row.result is Result.FINDING for row in rows.values())


def test_an_ad_is_checked_against_the_rules_of_its_first_and_last_use(tmp_path: Path) -> None:
    facts = YES | {"extracted_performance": "yes"}
    early = checked(
        warehouse(tmp_path / "a", facts, flags="perf", first="2023-01-05", last="2024-12-31")
    )
    assert early["AD-D5"].result is Result.NOT_APPLICABLE  # the FAQ came on 2025-03-19
    assert "2025-03-19" in early["AD-D5"].detail
    late = checked(
        warehouse(tmp_path / "b", facts, flags="perf", first="2023-01-05", last="2025-03-19")
    )
    assert late["AD-D5"].result is Result.FINDING


def test_a_rule_with_two_versions_is_checked_in_both_where_both_were_met(tmp_path: Path) -> None:
    row = json.loads((Path("src/opensma/growth/rules/ads.json")).read_text())["rules"][0]
    row |= {"rule_id": "AD-X", "when": "", "needs": ["tool_method"]}
    old = row | {"effective_to": "2026-03-01", "needs": []}
    new = row | {"version": "2", "effective_from": "2026-03-01"}
    file = tmp_path / "rules.json"
    file.write_text(json.dumps({"version": "x", "rules": [old, new]}))
    ads = read_ads(warehouse(tmp_path / "a", YES), TODAY, Texts())
    found = check_ads(ads, load_ad_rules(file))
    assert [(c.rule_version, c.result) for c in found] == [
        ("1", Result.NO_FINDING), ("2", Result.FINDING),
    ]  # fmt: skip


def test_gross_needs_net_of_the_same_period_as_prominent(tmp_path: Path) -> None:
    shown = [figure(GROSS, "2025-01-01", "2025-12-31", 0.1)]
    alone = checked(warehouse(tmp_path / "a", YES, shown, flags="perf"))
    assert alone["AD-D1"].result is Result.FINDING
    other = [*shown, figure(NET, "2025-02-01", "2025-12-31", 0.09)]
    assert checked(warehouse(tmp_path / "b", YES, other, flags="perf"))["AD-D1"].result is (
        Result.FINDING
    )
    small = [*shown, figure(NET, "2025-01-01", "2025-12-31", 0.09, size=8)]
    found = result(checked(warehouse(tmp_path / "c", YES, small, flags="perf")), "AD-D1")
    assert found[0] is Result.FINDING
    assert "font_px 8 against 12" in found[1]
    fair = [*shown, figure(NET, "2025-01-01", "2025-12-31", 0.09)]
    found = result(checked(warehouse(tmp_path / "d", YES, fair, flags="perf")), "AD-D1")
    assert found[0] is Result.NEEDS_HUMAN  # nobody computed them again
    assert "computed again" in found[1]


def test_standard_periods_end_at_the_last_year_end_and_life_stands_for_missing_years(
    tmp_path: Path,
) -> None:
    facts = YES | {"composite_inception": "2023-01-01"}
    whole = [figure(NET, "2025-01-01", "2025-12-31", 0.1),
             figure(NET, "2023-01-01", "2025-12-31", 0.1)]  # fmt: skip
    good = checked(warehouse(tmp_path / "a", facts, whole, flags="perf"))["AD-D2"]
    assert good.result is Result.NO_FINDING
    assert "until 2026-12-31" in good.detail
    no_life = checked(warehouse(tmp_path / "b", facts, whole[:1], flags="perf"))["AD-D2"]
    assert no_life.result is Result.FINDING
    assert "its life, 2023-01-01 to 2025-12-31" in no_life.detail
    old = checked(warehouse(tmp_path / "c", facts, whole, flags="perf", last="2027-01-02",
                            kept="2033-01-01"))["AD-D2"]  # fmt: skip
    assert old.result is Result.FINDING
    assert "before the last year-end" in old.detail


def test_a_promoter_over_a_thousand_dollars_needs_an_agreement_by_the_spend(tmp_path: Path) -> None:
    facts = YES | {
        "endorser_client": "no", "endorser_paid": "yes", "endorser_conflicts": "none",
        "disclosure_placement": "same_piece", "disclosure_font_px": "12",
        "testimonial_font_px": "12", "compensation_terms": "$500 for each lead",
        "promoter_payee_id": "p9", "ineligible_check": "yes",
    }  # fmt: skip
    pay = [("s1", "2025-06-01", "referral_partner", None, "promoter", 60_000, "6", "p9"),
           ("s2", "2026-04-01", "referral_partner", None, "promoter", 40_001, "6", "p9"),
           ("s3", "2025-04-30", "referral_partner", None, "promoter", 900_000, "6", "p9"),
    ]  # fmt: skip
    over = checked(warehouse(tmp_path / "a", facts, flags="test", spend=pay))
    assert result(over, "AD-B3") == (
        Result.FINDING, "The promoter was paid $1,000.01 in 12 months without an agreement."
    )  # fmt: skip
    assert over["AD-B4"].result is Result.NO_FINDING
    under = checked(warehouse(tmp_path / "b", facts, flags="test", spend=[pay[0], pay[2]]))
    assert under["AD-B3"].result is Result.NO_FINDING
    vague = checked(warehouse(tmp_path / "c", facts | {"compensation_terms": "compensated"},
                              flags="test"))  # fmt: skip
    assert vague["AD-B2"].result is Result.FINDING
    linked = checked(warehouse(tmp_path / "d", facts | {"disclosure_placement": "link_only"},
                               flags="test"))  # fmt: skip
    assert linked["AD-B1"].result is Result.FINDING
    assert linked["AD-B1"].severity == "flag"  # a risk alert is a view of the staff


def test_words_only_flag_and_another_text_than_the_approved_one_is_a_finding(
    tmp_path: Path,
) -> None:
    connection = warehouse(tmp_path / "w", YES)
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "a1-1.txt").write_bytes(b"text")
    assert checked(connection, texts=read_texts(folder))["AD-A1-7"].result is Result.NO_FINDING
    (folder / "a1-1.txt").write_text("The best tax alpha, reviewed by the SEC.")
    rows = checked(connection, texts=read_texts(folder))
    assert rows["AD-A1-7"].result is Result.FINDING
    assert "SHA-256 differs" in rows["AD-A1-7"].detail
    assert rows["AD-D3"].result is Result.NEEDS_HUMAN
    assert "No risk is named" in rows["AD-A1-7"].detail


def test_a_tool_of_the_reader_needs_its_own_statements_and_a_model_its_records(
    tmp_path: Path,
) -> None:
    tool = YES | {"interactive_tool": "yes", "tool_method": "x", "tool_results_vary": "x",
                  "tool_universe": "x"}  # fmt: skip
    rows = checked(warehouse(tmp_path / "a", tool, flags="hypo"))
    assert rows["AD-D6"].result is Result.NOT_APPLICABLE
    assert result(rows, "AD-D6b") == (Result.FINDING, "Tool hypothetical is not stated.")
    model = {f"hypothetical_{n}": "x" for n in ("criteria", "assumptions", "risks", "policy")}
    rows = checked(warehouse(tmp_path / "b", YES | model, flags="hypo"))
    assert result(rows, "AD-D6") == (
        Result.NEEDS_HUMAN, "No record of hypothetical audience."
    )  # fmt: skip


def test_one_reader_is_out_of_scope_unless_it_is_hypothetical(tmp_path: Path) -> None:
    one = checked(warehouse(tmp_path / "a", {"audience_size": "1"}, flags="perf"))
    assert one["AD-D1"].result is Result.NOT_APPLICABLE
    assert one["AD-R1"].result is Result.NO_FINDING  # books and records have their own rule
    two = checked(warehouse(tmp_path / "b", {"audience_size": "1"}, flags="perf hypo"))
    assert two["AD-D1"].result is Result.FINDING


def test_form_adv_answers_name_the_ads_behind_them(tmp_path: Path) -> None:
    facts = YES | {"endorser_client": "no", "endorser_paid": "yes", "specific_advice": "no"}
    ads = read_ads(warehouse(tmp_path, facts, flags="test perf"), TODAY, Texts())
    answers = {a.item: a for a in adv_5l(ads, date(2026, 1, 1), date(2026, 12, 31))}
    assert {item for item, a in answers.items() if a.answer} == {
        "5.L(1)(a)", "5.L(1)(d)", "5.L(2)",
    }  # fmt: skip
    assert answers["5.L(2)"].ads == ["a1 version 1"]
    before = adv_5l(ads, date(2025, 1, 1), date(2025, 12, 31))
    assert not any(a.answer for a in before)


def test_figures_are_computed_again_from_the_book(
    small_book: str, small_market: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    market = ["--market", str(small_market)]
    assert run(["measure", "composite", "--book", small_book, *market, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    method = record["rules"]["conventions"]["composite_method"]
    month = record["months"][-1]
    start = date.fromisoformat(month["month"])
    end = date(start.year + start.month // 12, start.month % 12 + 1, 1)
    last = date.fromordinal(end.toordinal() - 1)
    right = month["returns"][method]
    for name, shown in (("right", right), ("wrong", right + 0.001)):
        folder = tmp_path / name
        figures = [
            ("a1", 1, record["rules"]["name"], start, last, "gross", 0, shown, 12, 400, None)
        ]
        warehouse(folder, YES, figures, flags="perf").close()
        store = str(folder / "w.growth")
        where = ["--warehouse", store, "--book", small_book]
        assert run(["growth", "load", str(folder), *where, "--json"]) == 0
        capsys.readouterr()
        asked = ["growth", "ads", "check", *where, *market, "--recompute", "--json"]
        assert run(asked) == 1
        found = json.loads(capsys.readouterr().out)
        detail = next(c["detail"] for c in found["checks"] if c["rule_id"] == "AD-D1")
        assert ("is shown, the book gives" in detail) == (name == "wrong")
        assert "No net figure" in detail
        assert open_warehouse(Path(store)).execute("SELECT count(*) FROM ad_check").fetchone() == (
            len(found["checks"]),
        )


def test_no_finding_is_never_called_compliant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    warehouse(tmp_path, YES).close()
    where = ["--warehouse", str(tmp_path / "w.growth")]
    assert run(["growth", "load", str(tmp_path), *where]) == 0
    capsys.readouterr()
    assert run(["growth", "ads", "check", *where]) == 0
    out = capsys.readouterr()
    assert f"no finding from rules v{load_ad_rules().version}" in out.out
    assert "compliant" not in out.out + out.err
