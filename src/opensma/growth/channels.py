"""The channel of a web touch from its landing address and referrer (K1-K13).

The first rule that fires decides, and the touch keeps the rule and the version of the lists, so
that another version makes new rows beside it and changes none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from opensma.errors import InputError
from opensma.growth.channels_lists import ChannelRules, host_and_path

OFFLINE = ("wholesaler", "conference", "webinar", "rfp", "platform", "referral_partner")
COLUMNS = ("id", "landing_url", "referrer")


@dataclass(frozen=True, slots=True)
class Channel:
    """Where a touch came from, what says so, and the rule that decided."""

    channel: str
    source: str
    evidence: str  # click_id, utm, referrer or none
    rule: str


@dataclass(frozen=True)
class _Touch:
    query: Mapping[str, str]
    host: str
    path: str
    own_hosts: Sequence[str]
    rules: ChannelRules

    @property
    def source(self) -> str:
        return self.query.get("utm_source", "")

    @property
    def medium(self) -> str:
        return self.query.get("utm_medium", "").lower()

    def medium_is(self, *words: str) -> bool:
        return any(self.medium in self.rules.media[word] for word in words)

    @property
    def is_social_source(self) -> bool:
        return bool(self.source) and bool(self.rules.lists["social"].brand_of_source(self.source))


def classify(
    landing_url: str, referrer: str, own_hosts: Sequence[str], rules: ChannelRules
) -> Channel:
    """The channel of one touch; the first rule that fires wins."""
    host, path = host_and_path(referrer) if referrer.strip() else ("", "")
    touch = _Touch(_query_of(landing_url), host, path, own_hosts, rules)
    for rule in _RULES:
        if (found := rule(touch)) is not None:
            return found
    return Channel("direct", "", "none", "K13")


def _query_of(url: str) -> Mapping[str, str]:
    """The first value that is not empty of every key, keys in lower case."""
    query = url.partition("#")[0].partition("?")[2]
    found: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if value.strip():
            found.setdefault(key.strip().lower(), value.strip())
    return found


def _internal(touch: _Touch) -> Channel | None:
    if touch.host and any(touch.host == h or touch.host.endswith(f".{h}") for h in touch.own_hosts):
        return Channel("internal", touch.host, "referrer", "K1")
    return None


def _click_id(touch: _Touch) -> Channel | None:
    for key, channel, vendor in touch.rules.click_ids:
        if key in touch.query:
            shown = vendor == "google" and touch.medium_is("display_media")
            return Channel("display" if shown else channel, vendor, "click_id", "K2")
    return None


def _paid_medium(touch: _Touch) -> Channel | None:
    if touch.medium_is("paid_social_media"):
        channel = "paid_social"
    elif touch.medium_is("paid_media"):
        channel = "paid_social" if touch.is_social_source else "paid_search"
    elif touch.medium_is("display_media"):
        channel = "display"
    else:
        return None
    return Channel(channel, touch.source, "utm", "K3")


def _assistant_source(touch: _Touch) -> Channel | None:
    brand = touch.rules.lists["ai_assistant"].brand_of_source(touch.source)
    return Channel("ai_assistant", brand, "utm", "K4") if brand else None


def _free_medium(touch: _Touch) -> Channel | None:
    if touch.medium_is("email_media"):
        return Channel("email", touch.source, "utm", "K5")
    if touch.medium.startswith("social"):
        return Channel("organic_social", touch.source, "utm", "K5")
    if touch.medium in ("", "referral") and touch.is_social_source:
        return Channel("organic_social", touch.source, "utm", "K5")
    return None


def _listed(kind: str, channel: str, rule: str) -> Callable[[_Touch], Channel | None]:
    def apply(touch: _Touch) -> Channel | None:
        brand = touch.rules.lists[kind].brand_of(touch.host, touch.path)
        return Channel(channel, brand, "referrer", rule) if brand else None

    return apply


def _unknown_campaign(touch: _Touch) -> Channel | None:
    return Channel("other_campaign", touch.source, "utm", "K11") if touch.source else None


def _referral(touch: _Touch) -> Channel | None:
    return Channel("referral", touch.host, "referrer", "K12") if touch.host else None


_RULES: tuple[Callable[[_Touch], Channel | None], ...] = (
    _internal,
    _click_id,
    _paid_medium,
    _assistant_source,
    _free_medium,
    _listed("ai_assistant", "ai_assistant", "K6"),
    _listed("ad_server", "display", "K7"),
    _listed("webmail", "email", "K8"),
    _listed("social", "organic_social", "K9"),
    _listed("search", "organic_search", "K10"),
    _unknown_campaign,
    _referral,
)


def own_hosts_of(given: Sequence[str]) -> tuple[str, ...]:
    """Own hosts, normalised; InputError growth.own_host for one that is none."""
    hosts = []
    for text in given:
        host, _ = host_and_path(text)
        if not host:
            raise InputError(
                "growth.own_host", f"'{text}' is not a host.", where="--own-host",
                remedy="Give a name such as www.example.com.",
            )  # fmt: skip
        hosts.append(host)
    return tuple(hosts)


def classify_file(file: Path, own_hosts: Sequence[str], rules: ChannelRules) -> dict[str, Any]:
    """Every touch of a CSV file with its channel; what a person said stands beside it."""
    from opensma.growth.credit_paths import lines_of

    hosts = own_hosts_of(own_hosts)
    rows = []
    for line, row in lines_of(file, COLUMNS):
        if not row["id"].strip():
            raise InputError(
                "growth.touch_id", "A touch has no id.", where=f"{file}:{line}",
                remedy="Give every touch an id.",
            )  # fmt: skip
        found = classify(row["landing_url"], row["referrer"], hosts, rules)
        shown: dict[str, Any] = {
            "id": row["id"], "channel": found.channel, "source": found.source,
            "evidence": found.evidence, "rule": found.rule,
        }  # fmt: skip
        if "self_reported" in row:
            shown["self_reported"] = row["self_reported"].strip() or None
        rows.append(shown)
    return {"rules_version": rules.version, "rows": rows, "limits": list(rules.limits)}
