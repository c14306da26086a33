"""Late facts as people deliver them: one JSON document, read whole before anything is done.

{"facts": [{"id": "T-1", "account": "A000001", "kind": "buy", "date": "2024-11-05",
            "security": "AAAA", "quantity": "10", "amount": "1234.50", "fee": "0.50"}]}
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from opensma.book.journal import SALES, Entry, Kind
from opensma.book.late import KINDS, LateFact
from opensma.book.master import AccountRecord, Security, all_records
from opensma.book.moves import Body
from opensma.calendar import settlement_date
from opensma.errors import InputError
from opensma.units import CENTS, MICROS, parse_cents, parse_micros, ratio

FIELDS = (
    *("id", "account", "kind", "date", "settle", "corrects", "security", "new_security"),
    *("quantity", "amount", "fee", "lot", "ratio", "price", "new_price"),
)


@dataclass(frozen=True, slots=True)
class _Names:
    accounts: Mapping[str, AccountRecord]
    securities: Mapping[str, int]  # by id, and by symbol where only one has it


def read_late(connection: Connection, path: Path) -> list[LateFact]:
    """The facts of a file. InputError late.file, late.field, account.unknown, security.unknown."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise _bad("late.file", f"This is not JSON: {error}", str(path)) from None
    facts = document.get("facts") if isinstance(document, dict) else None
    if not isinstance(facts, list) or not all(isinstance(fact, dict) for fact in facts):
        raise _bad("late.file", "The file has no list of 'facts'.", str(path))
    names = _names(connection)
    return [_fact(_Fields(fact, f"fact {n}"), names) for n, fact in enumerate(facts, 1)]


def _names(connection: Connection) -> _Names:
    accounts = {a.account_id: a for a in all_records(connection, AccountRecord)}
    known = all_records(connection, Security)
    symbols = [s.symbol for s in known]
    securities = {s.symbol: s.security_key for s in known if symbols.count(s.symbol) == 1}
    return _Names(accounts, securities | {s.security_id: s.security_key for s in known})


@dataclass(frozen=True, slots=True)
class _Fields:
    """One fact as given, read field by field."""

    given: Mapping[str, Any]
    where: str

    def text(self, name: str, default: str | None = None) -> str:
        value = self.given.get(name, default)
        if not isinstance(value, str) or (not value and default is None):
            raise _bad("late.field", f"'{name}' is missing or no text: {value!r}.", self.where)
        return value

    def day(self, name: str) -> date:
        try:
            return date.fromisoformat(self.text(name))
        except ValueError:
            what = f"'{name}' is not a date: {self.given.get(name)!r}."
            raise _bad("late.field", what, self.where) from None

    def cents(self, name: str, default: str | None = None) -> int:
        return parse_cents(self.text(name, default), f"{self.where}, {name}")

    def micros(self, name: str) -> int:
        number = parse_micros(self.text(name), f"{self.where}, {name}")
        if number <= 0:
            raise _bad("late.field", f"'{name}' must be greater than zero.", self.where)
        return number

    def security(self, name: str, names: _Names) -> int:
        key = names.securities.get(self.text(name))
        if key is None:
            what = f"The book knows no security '{self.given[name]}', or several."
            raise _bad("security.unknown", what, self.where)
        return key


def _fact(fields: _Fields, names: _Names) -> LateFact:
    if unknown := [name for name in fields.given if name not in FIELDS]:
        what = f"There is no field '{unknown[0]}'; fields are {', '.join(FIELDS)}."
        raise _bad("late.field", what, fields.where)
    account = names.accounts.get(fields.text("account"))
    if account is None:
        what = f"The book has no account {fields.given['account']}."
        raise _bad("account.unknown", what, fields.where)
    kind = fields.text("kind")
    if kind not in KINDS:
        what = f"A late fact cannot be '{kind}'; kinds are {', '.join(sorted(KINDS))}."
        raise _bad("late.kind", what, fields.where)
    corrects = fields.text("corrects", "")
    day, settle = _days(fields, Kind(kind), corrects)
    body = _body(fields, Kind(kind), names, account)
    entry = Entry(account.account_key, Kind(kind), day, settle, fields.text("id"), body)
    return LateFact(entry, corrects)


def _days(fields: _Fields, kind: Kind, corrects: str) -> tuple[int, int]:
    if kind is Kind.CANCELLATION and not corrects:
        what = "A cancellation needs 'corrects': the id of what it cancels."
        raise _bad("late.field", what, fields.where)
    day = fields.day("date")
    if "settle" in fields.given:
        return day.toordinal(), fields.day("settle").toordinal()
    trade = kind is Kind.BUY or kind in SALES
    return day.toordinal(), (settlement_date(day) if trade else day).toordinal()


def _body(fields: _Fields, kind: Kind, names: _Names, account: AccountRecord) -> Body:
    if kind is Kind.CANCELLATION:
        return {}
    if kind in (Kind.DEPOSIT, Kind.WITHDRAWAL):
        return {"cents": fields.cents("amount")}
    if kind is Kind.SPLIT:
        return {"security": fields.security("security", names), **_ratio(fields)}
    if kind is Kind.SPIN_OFF:
        return {
            "parent": fields.security("security", names),
            "child": fields.security("new_security", names),
            "parent_value": fields.micros("price"),
            "child_value": fields.micros("new_price"),
            **_ratio(fields),
        }
    micros, cents = fields.micros("quantity"), fields.cents("amount")
    row = {"security": fields.security("security", names), "quantity": micros}
    if kind is Kind.DIVIDEND:
        row |= {"cents": cents, "rate": cents * MICROS * MICROS // (CENTS * micros)}
    else:
        fee = fields.cents("fee", "0")
        gross = cents - fee if kind is Kind.BUY else cents + fee
        row |= {"fee": fee, "price": gross * MICROS * MICROS // (CENTS * micros)}
        row["cost" if kind is Kind.BUY else "proceeds"] = cents
    body: Body = {name: [value] for name, value in row.items()} | {"ref": [fields.text("id")]}
    if kind in SALES:
        lot = fields.text("lot")
        if not lot.isdigit():
            raise _bad("late.field", f"'lot' is not a lot's number: {lot!r}.", fields.where)
        body |= {"lot": [int(lot)], "harvest": [0], "taxed": int(account.taxed)}
    return body


def _ratio(fields: _Fields) -> Body:
    first, _, second = fields.text("ratio").partition("/")
    where = f"{fields.where}, ratio"
    numbers = parse_micros(first, where), parse_micros(second or "1", where)
    if min(numbers) <= 0:
        raise _bad("late.field", "'ratio' is new shares for old: 2, 3/2, 1/10.", fields.where)
    exact = ratio(*numbers)
    found = {"numerator": exact.numerator, "denominator": exact.denominator}
    return found | {"ref": fields.text("id")}


def _bad(code: str, message: str, where: str) -> InputError:
    return InputError(
        code, message, where=where, remedy="Correct the file; docs/book.md describes it."
    )
