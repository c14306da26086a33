"""Column mappings: which columns of somebody's files become which columns of the warehouse.

A mapping is data with dates: a file may hold several versions, and the one of the export's day is
used. A rule is a column's name, or an object with `column`, `constant`, `template` or `row`, and
for a column `values`, `default`, `as` (cents, lower, domain, percent_bps, email_hmac,
firm_by_domain) and `or`, another rule for where this one finds nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from importlib.resources import files
from pathlib import Path
from typing import Any

from opensma.calendar import parse_date
from opensma.errors import InputError
from opensma.growth.warehouse.schema import LOADED, table_named

TRANSFORMS = ("cents", "lower", "domain", "percent_bps", "email_hmac", "firm_by_domain")
_RULE_KEYS = {"column", "constant", "template", "row", "values", "default", "as", "or"}


@dataclass(frozen=True, slots=True)
class Rule:
    """Where one column's value comes from; exactly one of the first four is given."""

    column: str = ""
    constant: str | None = None
    template: str = ""
    row: str | None = None
    values: Mapping[str, str] | None = None
    default: str | None = None
    transform: str = ""
    otherwise: Rule | None = None

    @property
    def finds_firms(self) -> bool:
        """Whether the rule, or the one behind it, finds a firm by a domain (I5)."""
        return self.transform == "firm_by_domain" or (
            self.otherwise is not None and self.otherwise.finds_firms
        )


@dataclass(frozen=True, slots=True)
class Classified:
    """Columns of a web log from which the channel of a touch is found."""

    landing_url: str
    referrer: str
    own_hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TableMapping:
    """One file's columns for one table; `keep` chooses rows by the values of a column."""

    table: str
    file: str  # name without its ending
    rules: Mapping[str, Rule]
    keep: tuple[str, tuple[str, ...]] | None
    optional: bool
    classified: Classified | None = None


@dataclass(frozen=True, slots=True)
class Mapped:
    """The version of a mapping that holds on a day; `plain` takes columns by their own names."""

    name: str
    version: str
    tables: tuple[TableMapping, ...]
    plain: bool = False


def known_mappings() -> list[str]:
    """Names of the mappings that come with the package."""
    folder = files("opensma.growth").joinpath("warehouse/mappings")
    return sorted(["plain", *(f.name.removesuffix(".json") for f in folder.iterdir())])


def read_mapping(name: str, day: date) -> Mapped:
    """A mapping by its name or file, as of a day; InputError growth.mapping_... where wrong."""
    if name == "plain":
        plain = tuple(TableMapping(t.name, t.name, {}, None, True) for t in LOADED)
        return Mapped("plain", "1", plain, plain=True)
    document = _document(name)
    for version in document.get("versions", ()):
        first = parse_date(version["valid_from"], where=name)
        last = version.get("valid_to")
        if first <= day and (last is None or day <= parse_date(last, where=name)):
            tables = tuple(_table(name, spec) for spec in version["tables"])
            return Mapped(str(document.get("mapping", name)), version["valid_from"], tables)
    raise _wrong(name, f"No version of the mapping holds on {day}.", "Give --exported DATE.")


def _document(name: str) -> dict[str, Any]:
    path = Path(name)
    if name in known_mappings():
        text = files("opensma.growth").joinpath(f"warehouse/mappings/{name}.json").read_text()
    elif path.is_file():
        text = path.read_text(encoding="utf-8")
    else:
        known = ", ".join(known_mappings())
        raise _wrong(name, "There is no such mapping.", f"Give a JSON file, or one of {known}.")
    try:
        found = json.loads(text)
    except json.JSONDecodeError as error:
        raise _wrong(f"{name}:{error.lineno}", error.msg, "Correct the JSON.") from error
    if not isinstance(found, dict) or not isinstance(found.get("versions"), list):
        raise _wrong(name, "The file has no list `versions`.", "See docs/growth.md, Warehouse.")
    return found


def _table(name: str, spec: Mapping[str, Any]) -> TableMapping:
    table = table_named(str(spec.get("table", "")))
    if table is None or not table.loaded:
        legal = ", ".join(t.name for t in LOADED)
        raise _wrong(name, f"'{spec.get('table')}' is no table.", f"Known are {legal}.")
    rules = {target: _rule(name, rule) for target, rule in spec["columns"].items()}
    if unknown := sorted(set(rules) - set(table.names)):
        message = f"Table '{table.name}' has no column '{unknown[0]}'."
        raise _wrong(name, message, f"Its columns are {', '.join(table.names)}.")
    if wrong := [t for t, rule in rules.items() if rule.finds_firms and t != "firm_id"]:
        message = f"`firm_by_domain` gives a firm, and stands at {wrong[0]}."
        raise _wrong(name, message, "Use it for firm_id.")
    classified = _classified(name, table.name, spec.get("classify"))
    given = {*rules, "channel"} if classified else set(rules)
    if missing := [c.name for c in table.columns if c.needed and c.name not in given]:
        message = f"Nothing is mapped to {table.name}.{missing[0]}, which is needed."
        raise _wrong(name, message, "Add a rule for it.")
    keep = spec.get("keep")
    chosen = (str(keep["column"]), tuple(keep["in"])) if keep else None
    return TableMapping(
        table.name, str(spec["file"]), rules, chosen, bool(spec.get("optional", False)), classified
    )


def _classified(name: str, table: str, spec: object) -> Classified | None:
    """`classify` of a touch table: the landing page, the referrer, and the firm's own hosts."""
    if spec is None:
        return None
    keys = {"landing_url", "referrer", "own_hosts"}
    if table != "touch" or not isinstance(spec, dict) or set(spec) != keys:
        message = "`classify` stands in a touch table and names landing_url, referrer, own_hosts."
        raise _wrong(name, message, "Give the two columns and a list of hosts.")
    hosts = tuple(str(host) for host in spec["own_hosts"])
    return Classified(str(spec["landing_url"]), str(spec["referrer"]), hosts)


def _rule(name: str, rule: object) -> Rule:
    if isinstance(rule, str):
        return Rule(column=rule)
    if not isinstance(rule, dict) or (unknown := set(rule) - _RULE_KEYS):
        raise _wrong(name, f"A rule is a name or an object of {sorted(_RULE_KEYS)}.", "Correct it.")
    del unknown
    if len({"column", "constant", "template", "row"} & set(rule)) != 1:
        message = f"The rule {json.dumps(rule)} has not one of column, constant, template, row."
        raise _wrong(name, message, "Give exactly one.")
    transform = str(rule.get("as", ""))
    if transform and transform not in TRANSFORMS:
        raise _wrong(name, f"'{transform}' changes nothing.", f"Known: {', '.join(TRANSFORMS)}.")
    return Rule(
        column=str(rule.get("column", "")), constant=rule.get("constant"),
        template=str(rule.get("template", "")), row=rule.get("row"),
        values=rule.get("values"), default=rule.get("default"), transform=transform,
        otherwise=_rule(name, rule["or"]) if "or" in rule else None,
    )  # fmt: skip


def _wrong(where: str, message: str, remedy: str) -> InputError:
    return InputError("growth.mapping", message, where=where, remedy=remedy)
