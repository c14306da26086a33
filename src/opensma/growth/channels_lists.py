"""Dated lists of hosts behind the channels: the built-in core, and longer ones from files.

A host fits an entry when equal or below it; on the search list only when equal, where `{}` stands
for one country label or a pair such as co.uk. An entry with a path needs that path or one below.
Nothing is ever matched by a part of a name.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from opensma.errors import InputError

_COUNTRY = r"(?:[a-z]{2}|(?:ac|co|com|edu|go|gov|ne|net|or|org)\.[a-z]{2})"
LONGER = {"ai_assistants.yml": "ai_assistant", "search_engines.yml": "search",
          "socials.yml": "social"}  # fmt: skip
_HOST_LISTS = ("ai_assistant", "ad_server", "webmail", "social", "search")


def host_and_path(url: str) -> tuple[str, str]:
    """The normalised host and the path of an address; empty where it has no readable host."""
    text = url.strip().replace("\\", "/")  # as browsers read it
    if "//" not in text.split("?", 1)[0]:
        text = f"//{text}"
    try:
        parts = urlsplit(text)
        host = parts.hostname or ""
    except ValueError:
        return "", ""
    return host.lower().rstrip(".").removeprefix("www."), parts.path


@dataclass(frozen=True)
class HostList:
    """Hosts of one kind with the brand behind each; `exact` lists do not cover subdomains."""

    plain: Mapping[str, tuple[tuple[str, str], ...]]  # host -> (path, brand), longest path first
    patterns: tuple[tuple[re.Pattern[str], str, str], ...]
    brands: Mapping[str, str]  # in lower case -> as written
    exact: bool = False

    def brand_of(self, host: str, path: str = "") -> str | None:
        """The brand of a host, or None; the most specific entry wins."""
        name = host
        while name:
            for needed, brand in self.plain.get(name, ()):
                if _is_below(path, needed):
                    return brand
            _, _, name = ("", "", "") if self.exact else name.partition(".")
        for pattern, needed, brand in self.patterns:
            if pattern.fullmatch(host) and _is_below(path, needed):
                return brand
        return None

    def brand_of_source(self, source: str) -> str | None:
        """The brand that a utm_source names: by its name, or by a host."""
        text = source.strip()
        if (named := self.brands.get(text.lower())) is not None:
            return named
        return None if " " in text else self.brand_of(*host_and_path(text))


def _is_below(path: str, needed: str) -> bool:
    return not needed or path == needed or path.startswith(f"{needed}/")


def host_list(entries: Iterable[tuple[str, str]], *, exact: bool = False) -> HostList:
    """A list from pairs of brand and entry; the first brand of an entry keeps it."""
    plain: dict[str, dict[str, str]] = {}
    patterns: dict[tuple[str, str], str] = {}
    brands: dict[str, str] = {}
    for brand, entry in entries:
        host, slash, rest = entry.lower().partition("/")
        host = host.rstrip(".").removeprefix("www.")
        path = f"{slash}{rest}".rstrip("/")
        brands.setdefault(brand.lower(), brand)
        if "{}" in host:
            patterns.setdefault((host, path), brand)
        else:
            plain.setdefault(host, {}).setdefault(path, brand)
    return HostList(
        {h: tuple(sorted(p.items(), key=lambda x: -len(x[0]))) for h, p in plain.items()},
        tuple(
            (re.compile(re.escape(host).replace(r"\{\}", _COUNTRY)), path, brand)
            for (host, path), brand in sorted(patterns.items(), key=lambda x: -len(x[0][1]))
        ),
        brands,
        exact,
    )


@dataclass(frozen=True)
class ChannelRules:
    """One dated version of the rule data."""

    version: str
    effective_from: str
    lists: Mapping[str, HostList]
    click_ids: tuple[tuple[str, str, str], ...]
    media: Mapping[str, frozenset[str]]
    limits: tuple[str, ...]


def load_rules(longer: Path | None = None) -> ChannelRules:
    """The newest built-in rules, with the longer lists of a folder where one is given."""
    record = _records()[-1]
    pairs = {name: _pairs(record[name]) for name in _HOST_LISTS}
    version = str(record["version"])
    if longer is not None:
        digest = _add_longer(pairs, longer)
        version = f"{version}+lists-{digest}"
    words = ("paid_social_media", "paid_media", "display_media", "email_media")
    return ChannelRules(
        version, str(record["effective_from"]),
        {name: host_list(pairs[name], exact=name == "search") for name in _HOST_LISTS},
        tuple((k, c, s) for k, c, s in record["click_ids"]),
        {name: frozenset(record[name]) for name in words}, tuple(record["limits"]),
    )  # fmt: skip


@cache
def _records() -> list[dict[str, Any]]:
    text = files("opensma.growth").joinpath("rules/channels.json").read_text(encoding="utf-8")
    return sorted(json.loads(text), key=lambda record: str(record["effective_from"]))


def _pairs(brands: Mapping[str, list[str]]) -> list[tuple[str, str]]:
    return [(brand, entry) for brand, entries in brands.items() for entry in entries]


def _add_longer(pairs: dict[str, list[tuple[str, str]]], folder: Path) -> str:
    digest = hashlib.sha256()
    found = [name for name in LONGER if (folder / name).is_file()]
    if not found:
        raise InputError(
            "growth.lists_missing", "The folder has none of the lists.", where=str(folder),
            remedy=f"Put {', '.join(LONGER)} there.",
        )  # fmt: skip
    for name in found:
        data = (folder / name).read_bytes()
        digest.update(name.encode() + b"\0" + data)
        pairs[LONGER[name]] += parse_list(data.decode("utf-8", "replace"), str(folder / name))
    return digest.hexdigest()[:12]


def parse_list(text: str, where: str) -> list[tuple[str, str]]:
    """Brand and host from the list format: names with hosts, or with blocks that have `urls`."""
    found: list[tuple[str, str]] = []
    brand, taking = "", False
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#") or line == "---":
            continue
        if line.startswith("- ") and taking:
            found.append((brand, _unquoted(line[2:])))
        elif not raw[0].isspace() and line.endswith(":"):
            brand, taking = _unquoted(line[:-1]), True
        elif brand and (line.startswith("-") or ":" in line):
            taking = line == "urls:"
        else:
            raise InputError(
                "growth.list_line", f"The line '{line[:60]}' is not understood.",
                where=f"{where}:{number}", remedy="Lists hold names, and hosts below them.",
            )  # fmt: skip
    return found


def _unquoted(text: str) -> str:
    return text.strip().strip("'\"")
