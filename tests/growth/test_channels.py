"""Channels of web touches: the cases through the real command, and every rule by its edges."""

import csv
from pathlib import Path

import pytest
from tests.growth.files import Command, case, command, data

from opensma.errors import InputError
from opensma.growth.channels import classify, own_hosts_of
from opensma.growth.channels_lists import host_and_path, load_rules, parse_list

LANDING = "https://www.example-sma.com/tax-managed"
RULES = load_rules()
OWN = own_hosts_of(["www.example-sma.com"])


@pytest.fixture
def sma(capsys: pytest.CaptureFixture[str]) -> Command:
    return command(capsys)


def touches(folder: Path, rows: list[dict[str, str]]) -> Path:
    file = folder / "touches.csv"
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ("id", "landing_url", "referrer"), extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return file


@pytest.mark.parametrize("longer", [False, True])
def test_cases_are_met_by_the_command(longer: bool, tmp_path: Path, sma: Command) -> None:
    expected = case("channel_classification")
    lists = ["--lists", data("data/growth/socials.yml").parent] if longer else []
    file = touches(tmp_path, expected["cases"])
    found = sma("classify", "--touches", file, "--own-host", expected["own_host"], *lists)
    for row, want in zip(found["rows"], expected["cases"], strict=True):
        assert (row["id"], row["channel"], row["evidence"]) == (
            want["id"], want["channel"], want["evidence"],
        )  # fmt: skip
        if want["source"] is not None:
            assert row["source"].lower() == want["source"].lower()
    assert found["rules_version"].startswith("2026-07-15")
    assert ("lists" in found["rules_version"]) == longer


@pytest.mark.parametrize(
    ("query", "referrer", "channel", "source", "rule"),
    [
        # K1: own hosts and what lies below, not what only looks alike
        ("", "http://blog.EXAMPLE-sma.com.:8443/x", "internal", "blog.example-sma.com", "K1"),
        ("?gclid=1", "https://example-sma.com", "internal", "example-sma.com", "K1"),
        ("", "https://notexample-sma.com/", "referral", "notexample-sma.com", "K12"),
        # K2: click ids before everything else that pays; an empty one is no evidence
        ("?GCLID=1&utm_medium=Display", "", "display", "google", "K2"),
        ("?wbraid=1", "", "paid_search", "google", "K2"),
        ("?msclkid=1&utm_medium=cpm", "", "paid_search", "microsoft", "K2"),
        ("?li_fat_id=1", "", "paid_social", "linkedin", "K2"),
        ("?dclid=1", "", "display", "google", "K2"),
        ("?gclid=", "", "direct", "", "K13"),
        ("?fbclid=1", "", "direct", "", "K13"),
        ("#?gclid=1", "", "direct", "", "K13"),
        # K3
        ("?utm_medium=PaidSocial&utm_source=x", "", "paid_social", "x", "K3"),
        ("?utm_medium=cpc&utm_source=t.co", "", "paid_social", "t.co", "K3"),
        ("?utm_medium=ppc&utm_source=bing", "", "paid_search", "bing", "K3"),
        ("?utm_medium=retargeting&utm_source=trade", "", "display", "trade", "K3"),
        ("?utm_medium=cpc&utm_source=chatgpt.com", "", "paid_search", "chatgpt.com", "K3"),
        # K4: the name or a host, never a part of one
        ("?utm_source=ChatGPT", "", "ai_assistant", "ChatGPT", "K4"),
        ("?utm_source=www.perplexity.ai", "", "ai_assistant", "Perplexity", "K4"),
        ("?utm_source=mychatgpt", "", "other_campaign", "mychatgpt", "K11"),
        ("?utm_source=le%20chat&utm_medium=email", "", "ai_assistant", "Le Chat", "K4"),
        # K5
        ("?utm_medium=E-Mail&utm_source=a", "", "email", "a", "K5"),
        ("?utm_medium=social-media&utm_source=a", "", "organic_social", "a", "K5"),
        ("?utm_source=linkedin&utm_medium=referral", "", "organic_social", "linkedin", "K5"),
        ("?utm_source=linkedin&utm_medium=bio", "", "other_campaign", "linkedin", "K11"),
        # K6 before social and search
        ("", "https://x.com/i/grok", "ai_assistant", "Grok", "K6"),
        ("", "https://x.com/i/grokking", "organic_social", "X", "K9"),
        ("", "https://chat.openai.com", "ai_assistant", "ChatGPT", "K6"),
        ("", "https://you.com/search?q=a", "ai_assistant", "You", "K6"),
        # K7 to K10
        ("", "https://abc.safeframe.googlesyndication.com/", "display", "Google", "K7"),
        ("", "https://outlook.office365.com/mail", "email", "Outlook", "K8"),
        ("", "https://uk.linkedin.com/", "organic_social", "LinkedIn", "K9"),
        ("", "https://www.google.co.uk/", "organic_search", "Google", "K10"),
        ("", "https://google.de", "organic_search", "Google", "K10"),
        ("", "https://google.evil.de/", "referral", "google.evil.de", "K12"),
        ("", "https://maps.google.com/", "referral", "maps.google.com", "K12"),
        ("", "https://uk.search.yahoo.com/", "organic_search", "Yahoo", "K10"),
        ("", "https://google.com.evil.example/", "referral", "google.com.evil.example", "K12"),
        ("", "https://google.com@evil.example/", "referral", "evil.example", "K12"),
        # K11 after referrers that are known
        ("?utm_source=partner", "https://www.bing.com/", "organic_search", "Bing", "K10"),
        ("?utm_source=partner", "https://news.example/", "other_campaign", "partner", "K11"),
        ("", "https://[broken", "direct", "", "K13"),
        ("", "www.duckduckgo.com", "organic_search", "DuckDuckGo", "K10"),
    ],
)
def test_the_first_rule_that_fires_wins(
    query: str, referrer: str, channel: str, source: str, rule: str
) -> None:
    found = classify(LANDING + query, referrer, OWN, RULES)
    assert (found.channel, found.source, found.rule) == (channel, source, rule)


def test_longer_lists_add_and_never_rename(tmp_path: Path) -> None:
    (tmp_path / "socials.yml").write_text('Mine:\n  - mine.example\n\n"Other":\n  - x.com\n')
    (tmp_path / "search_engines.yml").write_text(
        "Find:\n  -\n    urls:\n      - 'find.{}'\n      - a.example/look/\n"
        "    params:\n      - q\n"
    )
    rules = load_rules(tmp_path)

    def of(referrer: str) -> tuple[str, str]:
        found = classify(LANDING, referrer, OWN, rules)
        return found.channel, found.source

    assert of("https://m.mine.example") == ("organic_social", "Mine")
    assert of("https://x.com") == ("organic_social", "X")
    assert of("https://find.fr") == ("organic_search", "Find")
    assert of("https://a.example/look/at") == ("organic_search", "Find")
    assert of("https://a.example/lookout") == ("referral", "a.example")
    assert of("https://q") == ("referral", "q")
    (tmp_path / "socials.yml").write_text("Mine:\n  - other.example\n")
    assert load_rules(tmp_path).version != rules.version


def test_a_list_that_is_not_understood_is_named_by_line() -> None:
    with pytest.raises(InputError) as caught:
        parse_list("Mine:\n  - a.example\nwhat is this\n", "socials.yml")
    assert caught.value.where == "socials.yml:3"


def test_wrong_input_names_file_and_line(tmp_path: Path, sma: Command) -> None:
    file = tmp_path / "t.csv"
    file.write_text("id,landing_url\n1,x\n")
    error = sma("classify", "--touches", file, "--own-host", "a.example", status=2)["error"]
    assert (error["code"], error["where"]) == ("growth.columns", f"{file}:1")
    file.write_text("id,landing_url,referrer\n1,x,y,z\n")
    error = sma("classify", "--touches", file, "--own-host", "a.example", status=2)["error"]
    assert (error["code"], error["where"]) == ("growth.row_length", f"{file}:2")
    file.write_text("id,landing_url,referrer\n")
    assert sma("classify", "--touches", file, "--own-host", "a.example")["rows"] == []
    assert sma("classify", "--touches", file, "--own-host", "a.example", "--lists", tmp_path,
               status=2)["error"]["code"] == "growth.lists_missing"  # fmt: skip


def test_what_a_person_said_stands_beside_and_overwrites_nothing(
    tmp_path: Path, sma: Command
) -> None:
    file = tmp_path / "t.csv"
    file.write_text("id,landing_url,referrer,self_reported\n1,,https://www.google.com,a podcast\n")
    row = sma("classify", "--touches", file, "--own-host", "a.example")["rows"][0]
    assert (row["channel"], row["self_reported"]) == ("organic_search", "a podcast")


def test_hosts_are_read_as_browsers_read_them() -> None:
    assert host_and_path("HTTPS://WWW.Example.COM.:443/a?b") == ("example.com", "/a")
    assert host_and_path("https:\\\\evil.example\\@google.com") == ("evil.example", "/@google.com")
    assert host_and_path("android-app://com.google.android.gm/")[0] == "com.google.android.gm"
