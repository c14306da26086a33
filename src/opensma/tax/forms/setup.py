"""What forms need to know beyond the trades: kinds of securities, boxes, other codes (F3 to F5).

Given as `forms` in a trade list:

    {"securities": {"FUNDX": "fund"}, "no_1099b": ["A2"],
     "adjustments": [{"account": "A", "lot": "L1", "sold": "2024-06-03",
                      "code": "E", "amount": "-4.95"}]}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import Enum
from typing import Any

from opensma.calendar import parse_date
from opensma.errors import InputError
from opensma.tax.replay.lots import Closed
from opensma.units import parse_cents


class Kind(Enum):
    """What a security is for the forms; without a word it is stock."""

    STOCK = "stock"
    FUND = "fund"
    DRIP = "drip"  # dividend reinvestment plan
    DEBT = "debt"
    OPTION = "option"
    COLLECTIBLE = "collectible"  # also metal held by a grantor trust (R4)
    DIGITAL = "digital"


# F3: acquired from here on, the broker reports the basis. The day for debt and options, and that
# for digital assets (basis on Form 1099-DA), want a check against the regulation.
COVERED_FROM: Mapping[Kind, int] = {
    Kind.STOCK: date(2011, 1, 1).toordinal(),
    Kind.FUND: date(2012, 1, 1).toordinal(),
    Kind.DRIP: date(2012, 1, 1).toordinal(),
    Kind.DEBT: date(2014, 1, 1).toordinal(),
    Kind.OPTION: date(2014, 1, 1).toordinal(),
    Kind.COLLECTIBLE: date(2011, 1, 1).toordinal(),
    Kind.DIGITAL: date(2026, 1, 1).toordinal(),
}
DIGITAL_BOXES_FROM = 2025  # F4
# Nearly every row is stock: looking up members of an enum for each costs as much as the rest.
_STOCK, _STOCK_FROM = Kind.STOCK, COVERED_FROM[Kind.STOCK]
# F5. Y, Z and P exist but are not verified, so they are not taken.
CODES = {
    "B": "wrong basis",
    "C": "collectibles",
    "D": "market discount",
    "E": "expenses",
    "H": "home",
    "L": "other nondeductible loss",
    "M": "summary with statement",
    "N": "nominee",
    "O": "other",
    "Q": "small business stock",
    "R": "rollover",
    "S": "small business stock, ordinary loss",
    "T": "wrong term",
    "W": "wash sale",
    "X": "zone assets",
}
OWN_CODES = "BCTW"  # follow from trades and kinds; never typed in

Sale = tuple[str, str, str]  # account, lot, day of sale


@dataclass(frozen=True, slots=True)
class Setup:
    """Kinds by security, accounts without a Form 1099-B, and codes only a person can know."""

    kinds: Mapping[str, Kind] = field(default_factory=dict)
    no_1099b: frozenset[str] = frozenset()
    adjustments: Mapping[Sale, Mapping[str, int]] = field(default_factory=dict)  # code -> cents

    @staticmethod
    def of(case: Mapping[str, Any]) -> Setup:
        """From `forms` of a trade list. InputError forms.setup, forms.code."""
        given = case.get("forms") or {}
        known = {"securities", "no_1099b", "adjustments"}
        if not isinstance(given, Mapping) or set(given) - known:
            raise _bad(f"'forms' is an object with {', '.join(sorted(known))}.")
        kinds, accounts = given.get("securities", {}), given.get("no_1099b", [])
        if not isinstance(kinds, Mapping):
            raise _bad("'securities' is an object: a kind for each security.")
        if not isinstance(accounts, list):
            raise _bad("'no_1099b' is a list of accounts.")
        missing = {str(name) for name in accounts} - _accounts(case)
        if missing:
            raise _bad(f"'no_1099b' names unknown accounts: {', '.join(sorted(missing))}.")
        return Setup(
            {str(name): _kind(kind) for name, kind in kinds.items()},
            frozenset(str(name) for name in accounts),
            _adjustments(given.get("adjustments", [])),
        )

    def kind(self, security: str) -> Kind:
        """What a security is."""
        return self.kinds.get(security, _STOCK) if self.kinds else _STOCK

    def covered(self, row: Closed) -> bool:
        """Whether the broker reports the basis of a lot sold (F3)."""
        kind = self.kind(row.security)
        if kind is _STOCK:
            return row.acquired_day >= _STOCK_FROM
        if kind is Kind.DIGITAL and date.fromordinal(row.sold_day).year < DIGITAL_BOXES_FROM:
            return False
        return row.acquired_day >= COVERED_FROM[kind]

    def box(self, account: str, row: Closed) -> str:
        """The box of Form 8949 a slice belongs under (F4).

        Gain from a return of capital beyond basis is no sale: no Form 1099-B shows it.
        """
        unseen = account in self.no_1099b or row.kind == "excess_return_of_capital"
        place = 2 if unseen else 1 - self.covered(row)
        if not self.kinds or self.kind(row.security) is not Kind.DIGITAL:
            return ("DEF" if row.long_term else "ABC")[place]
        if date.fromordinal(row.sold_day).year < DIGITAL_BOXES_FROM:
            return "F" if row.long_term else "C"
        return ("JKL" if row.long_term else "GHI")[place]


def _accounts(case: Mapping[str, Any]) -> set[str]:
    listed = case.get("accounts")
    entries = listed if isinstance(listed, list) else []
    return {str(entry.get("id")) for entry in entries if isinstance(entry, Mapping)}


def _kind(text: object) -> Kind:
    for kind in Kind:
        if kind.value == text:
            return kind
    raise _bad(f"'{text}' is no kind: use {', '.join(kind.value for kind in Kind)}.")


def _adjustments(listed: object) -> dict[Sale, dict[str, int]]:
    entries: dict[Sale, dict[str, int]] = {}
    if not isinstance(listed, list):
        raise _bad("'adjustments' is a list.")
    for entry in listed:
        wanted = ("account", "lot", "sold", "code", "amount")
        if not isinstance(entry, Mapping) or any(
            not isinstance(entry.get(name), str) for name in wanted
        ):
            raise _bad(f"An adjustment needs {', '.join(wanted)}, all as text: {entry!r:.80}.")
        code = entry["code"]
        if code not in CODES or code in OWN_CODES:
            allowed = ", ".join(letter for letter in CODES if letter not in OWN_CODES)
            raise InputError(
                "forms.code",
                f"Code {code} cannot be given for a lot.",
                where="forms.adjustments",
                remedy=f"Use one of {allowed}; B, C, T and W follow from the trades.",
            )
        sold = parse_date(entry["sold"], where="forms.adjustments").isoformat()
        codes = entries.setdefault((entry["account"], entry["lot"], sold), {})
        codes[code] = codes.get(code, 0) + parse_cents(entry["amount"], "forms.adjustments")
    return entries


def _bad(message: str) -> InputError:
    return InputError(
        "forms.setup", message, where="forms", remedy="See docs/forms.md for the whole object."
    )
