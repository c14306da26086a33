"""Actions, transfers, gifts and instructions as people deliver them: one file, read whole.

CSV with a header, or JSON lines with the same names. Rows that share `action` are one action, one
row for each lot. Everything that is wrong is told at once, by line; nothing here knows the book.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from typing import Any

from opensma.book.journal import canonical
from opensma.errors import Finding, InputError
from opensma.units import parse_cents, parse_micros

LOT_FIELDS = (
    "quantity",
    "lot",
    "order",
    "acquired",
    "held_from",
    "basis",
    "value",
    "wash",
    "used",
    "bought",
)
HEAD_FIELDS = (
    "action",
    "kind",
    "date",
    "account",
    "to_account",
    "security",
    "new_security",
    "ratio",
    "cash_per_share",
    "cash",
    "price",
    "new_price",
    "fraction_price",
    "new_symbol",
    "method",
    "short_gain",
    "long_gain",
    "valid_from",
    "by",
    "note",
)
COLUMNS = (*HEAD_FIELDS, *LOT_FIELDS)


@dataclass(frozen=True, slots=True)
class Needs:
    """What a kind must and may say; `lot` names are asked of every row of the action."""

    must: tuple[str, ...]
    may: tuple[str, ...] = ()
    lot: tuple[str, ...] = ()
    lot_may: tuple[str, ...] = ()


_PICKED = ("quantity",)
_ARRIVES = ("quantity", "acquired", "basis")
KINDS = {
    "split": Needs(("security", "ratio"), ("account", "fraction_price")),
    "stock_dividend": Needs(("security", "ratio"), ("account", "fraction_price")),
    "spin_off": Needs(
        ("security", "new_security", "ratio", "price", "new_price"), ("account", "fraction_price")
    ),
    "stock_merger": Needs(
        ("security", "new_security", "ratio"),
        ("account", "cash_per_share", "cash", "new_price", "fraction_price"),
    ),
    "exchange": Needs(("account", "security", "new_security", "ratio"), (), _PICKED, ("lot",)),
    "cash_merger": Needs(("security", "cash_per_share"), ("account",)),
    "worthless": Needs(("security",), ("account",)),
    "return_of_capital": Needs(("security", "cash_per_share"), ("account", "cash")),
    "dividend": Needs(("security", "cash_per_share"), ("account",)),
    "symbol_change": Needs(("security", "new_symbol")),
    "transfer": Needs(("account", "to_account", "security"), (), _PICKED, ("lot",)),
    "transfer_in": Needs(
        ("account", "security"),
        (),
        _ARRIVES,
        ("lot", "order", "held_from", "wash", "used", "bought"),
    ),
    "transfer_out": Needs(("account", "security"), (), _PICKED, ("lot",)),
    "gift_in": Needs(
        ("account", "security"), (), (*_ARRIVES, "held_from", "value"), ("lot", "order")
    ),
    "gift_out": Needs(("account", "security"), (), _PICKED, ("lot",)),
    "inheritance": Needs(("account", "security"), (), _ARRIVES, ("lot", "order")),
    "lot_method": Needs(("account", "method", "by"), ("valid_from",)),
    "lot_choice": Needs(("account", "by"), ("security",), ("order", "lot", "quantity")),
    "gain_budget": Needs(("account", "short_gain", "long_gain", "by"), ("valid_from",)),
}
NO_BUDGET = "none"
METHODS = ("FIFO", "LIFO", "HIFO", "LOFO", "SPECIFIC")


@dataclass(frozen=True, slots=True)
class FileLot:
    """One row of an action: shares of a lot that come, go or are chosen; None where not given."""

    line: int
    quantity_micros: int | None
    lot: str
    order: str
    acquired_day: int | None
    held_from_day: int | None
    basis_cents: int | None
    value_cents: int | None
    wash_cents: int
    used: bool
    bought: bool


@dataclass(frozen=True, slots=True)
class FileAction:
    """One action as delivered; amounts in cents and micros, None where not given."""

    action_id: str
    kind: str
    day: int
    line: int
    digest: str  # of everything the file says about it
    account: str  # empty: every account that holds the security
    to_account: str
    security: str
    new_security: str
    numerator: int
    denominator: int
    rate_micros: int | None
    cash_cents: int | None
    price_micros: int | None
    new_price_micros: int | None
    fraction_price_micros: int | None
    new_symbol: str
    method: str
    valid_from_day: int | None
    by: str
    note: str
    lots: tuple[FileLot, ...]
    short_gain_cents: int | None = None  # of a gain_budget: a year, None without an end
    long_gain_cents: int | None = None


@dataclass(frozen=True, slots=True)
class ActionFile:
    """What a file says, and everything that is wrong with it; act on it only without findings."""

    actions: tuple[FileAction, ...]  # by date, then in the order of the file (C11, D6)
    findings: tuple[Finding, ...]


def read_actions(path: Path) -> ActionFile:
    """Read a file of actions. InputError only where it cannot be opened or is no text."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(
            "file.encoding",
            "The file is not UTF-8 text.",
            where=str(path),
            remedy="Save it as UTF-8, or export it again as CSV.",
        ) from None
    return parse_actions(text)


def parse_actions(text: str) -> ActionFile:
    """As `read_actions`, of text."""
    findings: list[Finding] = []
    rows = list(_rows(text, findings))
    if not rows and not findings:
        remedy = f"The first line names columns: {', '.join(COLUMNS[:3])}, ..."
        findings.append(error("file.empty", 1, "The file holds no action.", remedy))
    groups: dict[str, list[tuple[int, dict[str, str]]]] = {}
    for line, row in rows:
        name = row.get("action", "")
        if not name or "/" in name or len(name) > 100:
            what = f"'{name}' is no action id." if name else "The action has no id."
            remedy = "Give every action an id of its source, without '/'; the book knows it by it."
            findings.append(error("action.id", line, what, remedy))
            continue
        groups.setdefault(name, []).append((line, row))
    found = [_Reader(group, findings).action() for group in groups.values()]
    actions = sorted((a for a in found if a is not None), key=lambda a: (a.day, a.line))
    findings.sort(key=lambda f: int(f.where.split()[-1]))
    return ActionFile(tuple(actions), tuple(findings))


def error(code: str, line: int, what: str, remedy: str) -> Finding:
    """A finding about a line of the file."""
    return Finding("error", code, f"line {line}", what, remedy)


# --- rows ----------------------------------------------------------------------------------------


def _rows(text: str, findings: list[Finding]) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows with their line and what they say, blank cells left out."""
    read = _json_rows if text.lstrip().startswith("{") else _csv_rows
    for line, row in read(text, findings):
        if unknown := [name for name in row if name not in COLUMNS]:
            findings.append(_unknown_column(line, unknown[0]))
        yield line, {name: value for name, value in row.items() if name in COLUMNS and value}


def _csv_rows(text: str, findings: list[Finding]) -> Iterator[tuple[int, dict[str, str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        for name in header:
            if name not in COLUMNS:
                findings.append(_unknown_column(1, name))
            elif header.count(name) > 1 and name not in {f.what.split("'")[1] for f in findings}:
                what = f"The column '{name}' stands twice."
                findings.append(error("file.column", 1, what, "Name every column once."))
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(header):
                what = f"The row has {len(cells)} cells, the header {len(header)}."
                remedy = "Put text that contains a comma in quotation marks."
                findings.append(error("row.cells", reader.line_num, what, remedy))
                continue
            row = dict(zip(header, (cell.strip() for cell in cells), strict=False))
            yield reader.line_num, {n: v for n, v in row.items() if n in COLUMNS}
    except csv.Error as problem:
        what = f"The row is no CSV: {problem}."
        findings.append(error("file.csv", reader.line_num, what, "Close every quotation mark."))


def _json_rows(text: str, findings: list[Finding]) -> Iterator[tuple[int, dict[str, str]]]:
    for line, one in enumerate(text.splitlines(), 1):
        if not one.strip():
            continue
        try:
            row = json.loads(one)
        except json.JSONDecodeError as problem:
            findings.append(error("file.json", line, f"The line is no JSON: {problem}.", _JSON))
            continue
        if not isinstance(row, dict):
            findings.append(error("file.json", line, "The line is no JSON object.", _JSON))
            continue
        bad = [n for n, v in row.items() if not (v is None or isinstance(v, str | int))]
        for name in bad:
            what = f"'{name}' is no text: {row[name]!r}."
            findings.append(error("row.value", line, what, 'Write numbers as text: "12.50".'))
        yield line, {n: _json_text(v) for n, v in row.items() if n not in bad}


_JSON = "Write one object on each line, with the names of the columns."


def _json_text(value: str | int | None) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return "" if value is None else str(value).strip()


def _unknown_column(line: int, name: str) -> Finding:
    near = get_close_matches(name, COLUMNS, n=1)
    remedy = f"Did you mean '{near[0]}'?" if near else f"Columns are {', '.join(COLUMNS)}."
    return error("file.column", line, f"There is no column '{name}'.", remedy)


# --- one action ----------------------------------------------------------------------------------


@dataclass
class _Reader:
    """Reads the rows of one action; every problem becomes a finding, and then there is none."""

    rows: Sequence[tuple[int, Mapping[str, str]]]
    findings: list[Finding]
    wrong: bool = field(default=False)

    def action(self) -> FileAction | None:
        line, head = self.rows[0][0], self._head()
        kind = head.get("kind", "")
        if kind not in KINDS:
            near = get_close_matches(kind, KINDS, n=1)
            hint = f" Did you mean '{near[0]}'?" if near else ""
            self._say("action.kind", line, f"'{kind}' is no kind.{hint}", f"{', '.join(KINDS)}.")
            return None
        self._check_fields(kind, line, head)
        day = self._value(line, head, "date", _day)
        lots = tuple(self._lot(at, row) for at, row in self.rows)
        numerator, denominator = self._value(line, head, "ratio", _ratio) or (1, 1)
        method = head.get("method", "").upper()
        if method and method not in METHODS:
            self._say("row.value", line, f"'{method}' is no method.", f"{', '.join(METHODS)}.")
        micros = {
            name: self._value(line, head, name, _positive(parse_micros))
            for name in ("cash_per_share", "price", "new_price", "fraction_price")
        }
        cash = self._value(line, head, "cash", _positive(parse_cents))
        valid_from = self._value(line, head, "valid_from", _day)
        gains = [self._value(line, head, n, _budget) for n in ("short_gain", "long_gain")]
        self._check_together(kind, line, head)
        if self.wrong or day is None:
            return None
        given = [{**dict(row), "line": 0} for _, row in self.rows]
        return FileAction(
            head["action"],
            kind,
            day,
            line,
            hashlib.sha256(canonical(given).encode()).hexdigest()[:16],
            head.get("account", ""),
            head.get("to_account", ""),
            head.get("security", ""),
            head.get("new_security", ""),
            numerator,
            denominator,
            micros["cash_per_share"],
            cash,
            micros["price"],
            micros["new_price"],
            micros["fraction_price"],
            head.get("new_symbol", ""),
            method,
            valid_from,
            head.get("by", ""),
            head.get("note", ""),
            lots,
            *gains,
        )

    def _head(self) -> dict[str, str]:
        """What the rows say about the action; a later row may leave it blank or repeat it."""
        head: dict[str, str] = {}
        for line, row in self.rows:
            for name in HEAD_FIELDS:
                if name in row and head.setdefault(name, row[name]) != row[name]:
                    what = f"'{name}' is {row[name]} here and {head[name]} above."
                    remedy = "Rows of one action agree; give another action another id."
                    self._say("action.differs", line, what, remedy)
        return head

    def _check_fields(self, kind: str, line: int, head: Mapping[str, str]) -> None:
        needs = KINDS[kind]
        known = {"action", "kind", "date", "by", "note", *needs.must, *needs.may}
        for name in ("date", *needs.must):
            if name not in head:
                self._say("row.missing", line, f"A {kind} needs '{name}'.", _FILL[name])
        for name in sorted(set(head) - known):
            self._say("row.extra", line, f"A {kind} knows no '{name}'.", "Leave the cell blank.")
        for at, row in self.rows:
            for name in needs.lot:
                if name not in row:
                    code = "lots.no_basis" if name == "basis" else "row.missing"
                    self._say(code, at, f"A lot of a {kind} needs '{name}'.", _FILL[name])
            for name in sorted(set(row) & set(LOT_FIELDS) - {*needs.lot, *needs.lot_may}):
                self._say("row.extra", at, f"A {kind} knows no '{name}'.", "Leave the cell blank.")
        if not needs.lot and len(self.rows) > 1:
            what = f"A {kind} is one row; this id was used in line {line}."
            self._say("action.twice", self.rows[1][0], what, "Give every action its own id.")

    def _check_together(self, kind: str, line: int, head: Mapping[str, str]) -> None:
        """What fields say of each other."""
        if kind == "stock_merger" and ("cash_per_share" in head) != ("new_price" in head):
            remedy = "Boot needs both: cash per old share, and the value of one new share (C5)."
            self._say("row.missing", line, "Only one of cash_per_share and new_price.", remedy)
        if "cash" in head and not ("cash_per_share" in head and "account" in head):
            remedy = "Give 'account' and 'cash_per_share' with the account's total."
            self._say("row.missing", line, "'cash' is the total of one account.", remedy)
        unnamed = [at for at, row in self.rows if "lot" not in row]
        if kind in ("exchange", "transfer", "transfer_out", "gift_out") and (
            unnamed and len(self.rows) > 1
        ):
            remedy = "Name a lot in every row, or give one row with the whole quantity."
            self._say("row.missing", unnamed[0], "The row names no lot.", remedy)

    def _lot(self, line: int, row: Mapping[str, str]) -> FileLot:
        flags = {n: self._value(line, row, n, _flag) for n in ("used", "bought")}
        cents = {
            n: self._value(line, row, n, _not_negative(parse_cents))
            for n in ("basis", "value", "wash")
        }
        days = {n: self._value(line, row, n, _day) for n in ("acquired", "held_from")}
        acquired, held = days["acquired"], days["held_from"]
        if acquired is not None and held is not None and held > acquired:
            what = "'held_from' is later than 'acquired'."
            self._say("row.value", line, what, "A holding date only moves back (H5).")
        if cents["wash"] and cents["basis"] is not None and cents["wash"] > cents["basis"]:
            what = "The adjustment is more than the basis."
            self._say("row.value", line, what, "The basis includes its wash adjustments (W9).")
        return FileLot(
            line,
            self._value(line, row, "quantity", _positive(parse_micros)),
            row.get("lot", ""),
            row.get("order", ""),
            acquired,
            held,
            cents["basis"],
            cents["value"],
            cents["wash"] or 0,
            bool(flags["used"]),
            flags["bought"] is None or bool(flags["bought"]),
        )

    def _value(
        self, line: int, row: Mapping[str, str], name: str, read: Callable[[str], Any]
    ) -> Any:
        if name not in row:
            return None
        try:
            return read(row[name])
        except InputError as problem:
            self._say("row.value", line, f"'{name}': {problem.message}", problem.remedy)
        except (ValueError, ZeroDivisionError):
            self._say("row.value", line, f"'{name}' cannot be {row[name]!r}.", _FILL[name])
        return None

    def _say(self, code: str, line: int, what: str, remedy: str) -> None:
        self.wrong = True
        self.findings.append(error(code, line, what, remedy))


def _day(text: str) -> int:
    return date.fromisoformat(text).toordinal()


def _ratio(text: str) -> tuple[int, int]:
    ratio = Fraction(text)
    if ratio <= 0 or max(ratio.numerator, ratio.denominator) > 10**9 or "e" in text.lower():
        raise ValueError(text)
    return ratio.numerator, ratio.denominator


def _flag(text: str) -> bool:
    if text.lower() not in ("0", "1", "yes", "no"):
        raise ValueError(text)
    return text.lower() in ("1", "yes")


def _budget(text: str) -> int | None:
    """Dollars a year, zero or more; None for the word that sets no budget."""
    return None if text.lower() == NO_BUDGET else _not_negative(parse_cents)(text)


def _positive(read: Callable[[str], int]) -> Callable[[str], int]:
    def checked(text: str) -> int:
        value = read(text)
        if value <= 0:
            raise ValueError(text)
        return value

    return checked


def _not_negative(read: Callable[[str], int]) -> Callable[[str], int]:
    def checked(text: str) -> int:
        value = read(text)
        if value < 0:
            raise ValueError(text)
        return value

    return checked


_FILL = {
    "date": "Give a date as YYYY-MM-DD: the ex-date or effective date.",
    "account": "Give the account id; sma account list shows them.",
    "to_account": "Give the id of the account that receives.",
    "security": "Give the security id or the symbol.",
    "new_security": "Give the id or symbol of what is received.",
    "ratio": "Give new shares for old ones: 2, 3/2, 1/10; a 5% stock dividend is 1.05.",
    "cash_per_share": "Give dollars for each old share, greater than zero.",
    "cash": "Give dollars with at most two decimals, greater than zero.",
    "price": "Give the value of one share after the action, in dollars.",
    "new_price": "Give the value of one new share, in dollars.",
    "fraction_price": "Give the price at which fractions are sold, in dollars.",
    "new_symbol": "Give the new symbol.",
    "method": f"Give one of {', '.join(METHODS)}.",
    "short_gain": "Give dollars of net gain a year, zero or more; none for no budget.",
    "long_gain": "Give dollars of net gain a year, zero or more; none for no budget.",
    "valid_from": "Give a date as YYYY-MM-DD, not before the date of the instruction.",
    "by": "Say who decided.",
    "quantity": "Give shares, greater than zero, with at most six decimals.",
    "lot": "Name the lot; sma account lots shows them.",
    "order": "Give the id of the order.",
    "acquired": "Give the date of acquisition of each lot as YYYY-MM-DD; averages are no lots.",
    "held_from": "Give a date as YYYY-MM-DD: the donor's date, or where the holding period began.",
    "basis": "Wait for the basis, or ask the other side for it: unknown is never zero (L12).",
    "value": "Give the value on the day of the gift in dollars (G2).",
    "wash": "Give the deferred loss that is inside the basis, in dollars.",
    "used": "Give 1 where the shares have replaced shares sold at a loss, else 0.",
    "bought": "Give 0 where the shares were not bought, else 1.",
}
