"""Files into the warehouse: mappings as data, named refusals, nothing half-loaded."""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from tests.growth.programme import programme, write_csv

from opensma.errors import InputError
from opensma.growth.privacy import email_key
from opensma.growth.warehouse.load import Loaded, load_folder
from opensma.growth.warehouse.mapping import read_mapping
from opensma.growth.warehouse.schema import LOADED, TABLES
from opensma.growth.warehouse.store import open_warehouse, query

DAY = date(2024, 12, 31)
SECRET = b"a secret of the tenant, 32 bytes"


@pytest.fixture
def warehouse() -> Any:
    return open_warehouse(None)


def load(warehouse: Any, folder: Path, mapping: str = "plain") -> Loaded:
    return load_folder(warehouse, folder, read_mapping(mapping, DAY), SECRET)


def count(warehouse: Any, table: str) -> int:
    return int(query(warehouse, f"SELECT count(*) AS n FROM {table}")[0]["n"])


def base(folder: Path) -> None:
    """One firm with two persons."""
    write_csv(folder, "firm", [("f1", None, None, "ria", None, "2021-01-01", None)])
    write_csv(
        folder,
        "person",
        [
            ("p1", "f1", "o1", 11, "advisor", "granted", "2021-01-01", None),
            ("p2", "f1", "o1", 12, "advisor", "unknown", "2021-01-01", None),
        ],
    )


TOUCH = (
    "t1",
    "2024-01-05 10:00:00",
    "p1",
    "f1",
    "email",
    None,
    None,
    None,
    "visit",
    "utm",
    None,
    None,
)


def touch(**changes: object) -> tuple[object, ...]:
    names = next(t for t in LOADED if t.name == "touch").names
    return tuple((dict(zip(names, TOUCH, strict=True)) | changes).values())


def refused(warehouse: Any, folder: Path, mapping: str = "plain") -> InputError:
    before = {t.name: count(warehouse, t.name) for t in TABLES}
    with pytest.raises(InputError) as caught:
        load(warehouse, folder, mapping)
    assert {t.name: count(warehouse, t.name) for t in TABLES} == before, "half-loaded"
    return caught.value


def test_the_sixteen_tables_are_there() -> None:
    names = {t.name for t in TABLES}
    assert names >= {
        "firm", "person", "alias", "touch", "spend", "opportunity", "stage_event", "gate",
        "account_link", "experiment", "assignment", "ad", "ad_figure", "ad_check", "credit",
        "close",
    }  # fmt: skip


def test_a_folder_loads_once_and_changes_nothing_when_loaded_again(
    warehouse: Any, tmp_path: Path
) -> None:
    tables, _ = programme(40, 12, seed=1)
    for name, rows in tables.items():
        write_csv(tmp_path, name, rows)
    first = load(warehouse, tmp_path)
    assert first.added["touch"] == len(tables["touch"])
    again = load(warehouse, tmp_path)
    assert sum(again.added.values()) == 0
    assert again.known == first.added


def test_an_unknown_channel_is_named_with_the_legal_ones(warehouse: Any, tmp_path: Path) -> None:
    base(tmp_path)
    write_csv(tmp_path, "touch", [touch(), touch(touch_id="t2", channel="telepathy")])
    error = refused(warehouse, tmp_path)
    assert (error.code, error.where) == ("growth.channel_unknown", "touch.csv:3")
    assert "telepathy" in error.message
    assert "paid_search" in error.remedy


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"ts": None}, "growth.value_missing"),
        ({"ts": "yesterday"}, "growth.time"),
        ({"person_id": "nobody"}, "growth.unknown_reference"),
        ({"touch_id": "jane@harbor.com"}, "growth.personal_data"),
        ({"campaign_id": "call 212-555-0199"}, "growth.personal_data"),
    ],
)
def test_a_touch_that_cannot_be_placed_is_refused(
    warehouse: Any, tmp_path: Path, changes: dict[str, object], code: str
) -> None:
    base(tmp_path)
    write_csv(tmp_path, "touch", [touch(**changes)])
    assert refused(warehouse, tmp_path).code == code


@pytest.mark.parametrize(
    ("row", "code"),
    [
        (("s1", None, "email", None, "media", 100, None, None), "growth.value_missing"),
        (("s1", "2024-13-01", "email", None, "media", 100, None, None), "growth.date"),
        (("s1", "2024-01-01", "email", None, "media", "100 EUR", None, None), "growth.amount"),
        (("s1", "2024-01-01", "email", None, "media", "$1,200", None, None), "growth.amount"),
        (("s1", "2024-01-01", "email", None, "gifts", 100, None, None), "growth.kind_unknown"),
    ],
)
def test_spend_without_a_date_or_with_a_currency_is_refused(
    warehouse: Any, tmp_path: Path, row: tuple[object, ...], code: str
) -> None:
    write_csv(tmp_path, "spend", [row])
    error = refused(warehouse, tmp_path)
    assert (error.code, error.where) == (code, "spend.csv:2")


def test_shares_that_do_not_sum_to_the_whole_name_account_day_and_sum(
    warehouse: Any, tmp_path: Path
) -> None:
    """S1; the day is the first on which it is so."""
    base(tmp_path)
    rows = [
        ("A1", "f1", "p1", None, None, 10_000, "2025-01-01", "2026-03-31", "agreement"),
        ("A1", "f1", "p1", None, None, 6_000, "2026-04-01", None, "agreement"),
        ("A1", "f1", "p2", None, None, 3_999, "2026-04-01", None, "agreement"),
    ]
    write_csv(tmp_path, "account_link", rows)
    error = refused(warehouse, tmp_path)
    assert error.code == "growth.splits"
    assert "'A1' sum to 9,999 on 2026-04-01" in error.message


def test_a_day_between_two_links_is_a_break_too(warehouse: Any, tmp_path: Path) -> None:
    base(tmp_path)
    rows = [
        ("A1", "f1", "p1", None, None, 10_000, "2025-01-01", "2025-06-30", "agreement"),
        ("A1", "f1", "p2", None, None, 10_000, "2025-07-02", None, "agreement"),
    ]
    write_csv(tmp_path, "account_link", rows)
    assert "sum to 0 on 2025-07-01" in refused(warehouse, tmp_path).message
    rows[1] = (*rows[1][:6], "2025-07-01", None, "agreement")
    write_csv(tmp_path, "account_link", rows)
    assert load(warehouse, tmp_path).added["account_link"] == 2


def test_an_opportunity_cannot_close_before_it_opened(warehouse: Any, tmp_path: Path) -> None:
    base(tmp_path)
    write_csv(tmp_path, "opportunity", [("x1", "f1", None, None, None, "2024-05-02 09:00:00")])
    write_csv(tmp_path, "stage_event", [("x1", "lost", "2024-05-01 09:00:00", "crm")])
    error = refused(warehouse, tmp_path)
    assert error.code == "growth.closed_before_opened"
    assert "2024-05-01" in error.message
    assert "2024-05-02" in error.message


def test_personal_data_in_free_text_is_masked_and_told(warehouse: Any, tmp_path: Path) -> None:
    base(tmp_path)
    text = "met jane.doe@harbor.com, (212) 555-0199, 123-45-6789"
    write_csv(tmp_path, "touch", [touch(source=text)])
    done = load(warehouse, tmp_path)
    assert (
        query(warehouse, "SELECT source FROM touch")[0]["source"] == "met [email], [phone], [ssn]"
    )
    assert [f.code for f in done.findings] == ["growth.personal_data_masked"]


def test_a_touch_without_a_lawful_basis_counts_in_totals_only(
    warehouse: Any, tmp_path: Path
) -> None:
    """P2: as of its own time, whatever was said later."""
    base(tmp_path)
    write_csv(
        tmp_path,
        "consent",
        [
            ("p1", "analytics", "withdrawn", "page", "2024-03-01 00:00:00"),
            ("p2", "analytics", "granted", "page", "2024-03-01 00:00:00"),
        ],
    )
    times = [("t1", "p1", "2024-01-05"), ("t2", "p1", "2024-04-05"), ("t3", "p2", "2024-01-05"),
             ("t4", "p2", "2024-04-05")]  # fmt: skip
    rows = [touch(touch_id=t, person_id=p, ts=f"{d} 10:00:00") for t, p, d in times]
    write_csv(tmp_path, "touch", rows)
    load(warehouse, tmp_path)
    kept = query(warehouse, "SELECT touch_id, person_id FROM touch ORDER BY 1")
    assert [r["person_id"] for r in kept] == ["p1", None, None, "p2"]


def test_a_row_with_the_same_key_and_other_content_is_refused(
    warehouse: Any, tmp_path: Path
) -> None:
    row = ("s1", "2024-01-01", "email", None, "media", 100, None, None)
    write_csv(tmp_path, "spend", [row])
    load(warehouse, tmp_path)
    write_csv(tmp_path, "spend", [(*row[:5], 101, None, None)])
    assert refused(warehouse, tmp_path).code == "growth.row_changed"
    write_csv(tmp_path, "spend", [row, (*row[:5], 101, None, None)])
    assert refused(warehouse, tmp_path).code == "growth.key_twice"


def test_an_unknown_column_and_an_empty_folder_are_named(warehouse: Any, tmp_path: Path) -> None:
    assert refused(warehouse, tmp_path).code == "growth.nothing_to_load"
    (tmp_path / "spend.csv").write_text("spend_id,dollars\n1,2\n")
    error = refused(warehouse, tmp_path)
    assert error.code == "growth.column_unknown"
    assert "amount_c" in error.remedy


# --- mappings ------------------------------------------------------------------------------------


def test_salesforce_contacts_come_without_their_addresses(warehouse: Any, tmp_path: Path) -> None:
    (tmp_path / "Account.csv").write_text(
        "Id,ParentId,CRD_Number__c,Website,Type,CreatedDate\n"
        "001A,,555,https://www.Harbor.com/team,RIA,2023-01-01\n"
    )
    (tmp_path / "Contact.csv").write_text(
        "Id,AccountId,Office__c,CRD_Number__c,Role__c,HasOptedOutOfEmail,Email,CreatedDate\n"
        "003A,001A,o1,77,,false, Jane@Harbor.com ,2023-01-01\n"
        "003B,001A,o1,,Gatekeeper,true,,2023-01-01\n"
    )
    load(warehouse, tmp_path, "salesforce")
    assert query(warehouse, "SELECT domain, kind FROM firm") == [
        {"domain": "harbor.com", "kind": "ria"}
    ]
    states = query(warehouse, "SELECT role, consent_state FROM person ORDER BY person_id")
    assert [tuple(r.values()) for r in states] == [
        ("advisor", "legitimate_interest"),
        ("gatekeeper", "withdrawn"),
    ]
    alias = query(warehouse, "SELECT id_value, person_id FROM alias")
    assert alias == [{"id_value": email_key("jane@harbor.com", SECRET), "person_id": "003A"}]


def test_hubspot_deals_become_stages(warehouse: Any, tmp_path: Path) -> None:
    (tmp_path / "deals.csv").write_text(
        "hs_object_id,associatedcompanyid,strategy,createdate,closedate,dealstage\n"
        "1,,core,2023-01-01 10:00:00,2023-03-01 10:00:00,closedwon\n"
        "2,,core,2023-01-01 10:00:00,,qualified\n"
    )
    done = load(warehouse, tmp_path, "hubspot")
    assert (done.added["opportunity"], done.added["stage_event"]) == (2, 1)


def test_addresses_need_the_secret(warehouse: Any, tmp_path: Path) -> None:
    (tmp_path / "Contact.csv").write_text(
        "Id,AccountId,Office__c,CRD_Number__c,Role__c,HasOptedOutOfEmail,Email,CreatedDate\n"
        "003A,,,,,false,jane@harbor.com,2023-01-01\n"
    )
    with pytest.raises(InputError) as caught:
        load_folder(warehouse, tmp_path, read_mapping("salesforce", DAY), None)
    assert caught.value.code == "growth.secret_missing"


def test_a_value_that_the_mapping_does_not_know_is_named(warehouse: Any, tmp_path: Path) -> None:
    (tmp_path / "OpportunityHistory.csv").write_text(
        "OpportunityId,CreatedDate,StageName\n1,2023-01-01 10:00:00,Dreaming\n"
    )
    error = refused(warehouse, tmp_path, "salesforce")
    assert (error.code, error.where) == ("growth.value_unmapped", "OpportunityHistory.csv:2")
    assert "'Dreaming'" in error.message
    assert "Funded" in error.remedy


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"versions": []}, "No version of the mapping holds"),
        ({"versions": [{"valid_from": "2020-01-01", "tables": [{"table": "x"}]}]}, "no table"),
        ({"versions": [{"valid_from": "2020-01-01", "tables": [
            {"table": "spend", "file": "s", "columns": {"spend_id": "a"}}]}]}, "which is needed"),
        ({"versions": [{"valid_from": "2020-01-01", "tables": [
            {"table": "spend", "file": "s", "columns": {"x": "a"}}]}]}, "no column 'x'"),
        ({"versions": [{"valid_from": "2020-01-01", "tables": [
            {"table": "spend", "file": "s", "columns": {"spend_id": {"columns": "a"}}}]}]},
         "A rule is a name"),
    ],
)  # fmt: skip
def test_a_wrong_mapping_says_what_is_wrong(
    tmp_path: Path, document: dict[str, Any], words: str
) -> None:
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps(document))
    with pytest.raises(InputError, match=words) as caught:
        read_mapping(str(path), DAY)
    assert caught.value.code == "growth.mapping"


def test_the_version_of_the_export_day_is_used(warehouse: Any, tmp_path: Path) -> None:
    def version(first: str, last: str | None, column: str) -> dict[str, Any]:
        rules = {
            "spend_id": {"row": "s"}, "date": "day", "channel": {"constant": "email"},
            "kind": {"constant": "tech"}, "amount_c": {"column": column, "as": "cents"},
        }  # fmt: skip
        table = {"table": "spend", "file": "bill", "columns": rules}
        return {"valid_from": first, "valid_to": last, "tables": [table]}

    path = tmp_path / "mapping.json"
    versions = [version("2020-01-01", "2023-12-31", "old"), version("2024-01-01", None, "new")]
    path.write_text(json.dumps({"mapping": "bills", "versions": versions}))
    (tmp_path / "bill.csv").write_text("day,old,new\n2024-01-01,1.10,12.34\n")
    load(warehouse, tmp_path, str(path))
    assert query(warehouse, "SELECT spend_id, amount_c FROM spend") == [
        {"spend_id": "s1", "amount_c": 1234}
    ]


def test_visits_of_a_web_site_get_their_channel_by_the_dated_rules(
    warehouse: Any, tmp_path: Path
) -> None:
    """K1, K2, K6, K10, K13; a page of our own that led here is no touch."""
    (tmp_path / "visits.csv").write_text(
        "visit,at,page,from\n"
        "v1,2024-03-01 10:00:00,https://sma.example/?gclid=1,\n"
        "v2,2024-03-01 11:00:00,https://sma.example/a,https://perplexity.ai/search\n"
        "v3,2024-03-01 12:00:00,https://sma.example/a,https://www.google.com/\n"
        "v4,2024-03-01 13:00:00,https://sma.example/a,https://sma.example/b\n"
        "v5,2024-03-01 14:00:00,https://sma.example/a,\n"
    )
    table = {
        "table": "touch", "file": "visits",
        "columns": {"touch_id": "visit", "ts": "at", "kind": {"constant": "visit"}},
        "classify": {"landing_url": "page", "referrer": "from", "own_hosts": ["sma.example"]},
    }  # fmt: skip
    path = tmp_path / "mapping.json"
    versions = [{"valid_from": "2020-01-01", "tables": [table]}]
    path.write_text(json.dumps({"mapping": "web", "versions": versions}))
    load(warehouse, tmp_path, str(path))
    rows = query(warehouse, "SELECT touch_id, channel, rule, rules_version FROM touch ORDER BY 1")
    assert [(r["touch_id"], r["channel"], r["rule"]) for r in rows] == [
        ("v1", "paid_search", "K2"),
        ("v2", "ai_assistant", "K6"),
        ("v3", "organic_search", "K10"),
        ("v5", "direct", "K13"),
    ]
    assert all(r["rules_version"] for r in rows)


MAVEN = {
    "mapping": "pipeline",
    "versions": [{"valid_from": "2010-01-01", "tables": [
        {"table": "firm", "file": "crm_maven_accounts", "columns": {
            "firm_id": "account", "kind": {"constant": "ria"},
            "valid_from": {"constant": "2016-01-01"}}},
        {"table": "opportunity", "file": "crm_maven_sales_pipeline", "columns": {
            "opp_id": "opportunity_id", "firm_id": "account", "office_id": "sales_agent",
            "strategy_id": "product", "opened_at": "created_on"}},
        {"table": "stage_event", "file": "crm_maven_sales_pipeline",
         "keep": {"column": "deal_stage", "in": ["Won", "Lost"]}, "columns": {
            "opp_id": "opportunity_id", "ts": "close_date",
            "stage": {"column": "deal_stage", "values": {"Won": "won", "Lost": "lost"}},
            "source_system": {"constant": "pipeline"}}},
        {"table": "touch", "file": "crm_clicks", "columns": {
            "touch_id": {"row": "click-"}, "ts": "created_on", "kind": {"constant": "click"},
            "source": "industry", "evidence": {"constant": "crm"},
            "channel": {"column": "source", "values": {
                "Referral": "referral", "Social": "organic_social", "Email": "email",
                "Paid": "paid_search", "Direct": "direct", "Organic": "organic_search"}}}}]}],
}  # fmt: skip


def test_a_real_pipeline_loads_through_a_mapping_file_and_no_code(
    warehouse: Any, tmp_path: Path
) -> None:
    folder = Path(os.environ.get("OPENSMA_DATA", "")) / "crm"
    if not (folder / "crm_maven_sales_pipeline.csv").is_file():
        pytest.skip("no real pipeline: set OPENSMA_DATA to a folder that holds crm/")
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps(MAVEN))
    done = load_folder(warehouse, folder, read_mapping(str(path), DAY), None)
    assert done.added == {"firm": 97, "opportunity": 14_277, "stage_event": 9_931, "touch": 30_244}
    won = query(warehouse, "SELECT count(*) AS n FROM stage_event WHERE stage = 'won'")
    assert won == [{"n": 6_438}]


# --- firms by domain (I5) ------------------------------------------------------------------------


def domain_mapping(folder: Path) -> str:
    """Firms and contacts; a contact without a company is known by the domain of its address."""
    version = {"valid_from": "2020-01-01", "valid_to": None, "tables": [
        {"table": "firm", "file": "companies", "columns": {
            "firm_id": "id", "domain": {"column": "site", "as": "domain"},
            "kind": {"constant": "ria"}, "valid_from": {"constant": "2021-01-01"}}},
        {"table": "person", "file": "contacts", "columns": {
            "person_id": "id", "role": {"constant": "advisor"},
            "firm_id": {"column": "company", "or": {"column": "mail", "as": "firm_by_domain"}},
            "consent_state": {"constant": "granted"}, "valid_from": {"constant": "2021-01-01"}}},
    ]}  # fmt: skip
    file = folder / "mapping.json"
    file.write_text(json.dumps({"mapping": "by domain", "versions": [version]}))
    return str(file)


def test_i5_a_contact_joins_the_firm_whose_own_domain_it_writes_from(
    warehouse: Any, tmp_path: Path
) -> None:
    (tmp_path / "companies.csv").write_text(
        "id,site\nf1,https://www.harbor.com/team\nf2,gmail.com\nf3,twin.com\nf4,twin.com\n"
    )
    (tmp_path / "contacts.csv").write_text(
        "id,company,mail\n"
        "p1,,jo@harbor.com\np2,,Al@Mail.Harbor.com\np3,,x@gmail.com\np4,,y@twin.com\n"
        "p5,f2,z@harbor.com\np6,,\n"
    )
    load(warehouse, tmp_path, domain_mapping(tmp_path))
    firms = query(warehouse, "SELECT person_id, firm_id FROM person ORDER BY 1")
    found = {row["person_id"]: row["firm_id"] for row in firms}
    nobody = {"p3": None, "p4": None, "p6": None}  # shared, claimed by two firms, no address
    assert found == {"p1": "f1", "p2": "f1", "p5": "f2", **nobody}
    links = query(warehouse, "SELECT id_value, firm_id FROM alias ORDER BY 1")
    assert links == [
        {"id_value": "harbor.com", "firm_id": "f1"},
        {"id_value": "mail.harbor.com", "firm_id": "f1"},
    ]


def test_i5_a_domain_gives_a_firm_and_nothing_else(tmp_path: Path) -> None:
    file = Path(domain_mapping(tmp_path))
    file.write_text(file.read_text().replace('"person_id": "id"',
        '"person_id": {"column": "mail", "as": "firm_by_domain"}'))  # fmt: skip
    with pytest.raises(InputError, match="firm_by_domain"):
        read_mapping(str(file), DAY)
