"""A custodian's Form 1099-B from CSV: columns in any order, by name or by box number (F1).

Columns: account, security, quantity, acquired (1b), sold (1c), proceeds (1d), basis (1e),
market_discount (1f), wash_disallowed (1g), term (2), noncovered (5), lot. Needed are security and
quantity (or a description such as "100 XYZ"), sold and proceeds; the others are compared where
they are given.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from opensma.errors import InputError
from opensma.tax.replay.exact import Quantity, exact
from opensma.units import MICROS, parse_cents

# Names of columns as custodians write them, without case, spaces and punctuation.
ALIASES: Mapping[str, str] = {
    alias: name
    for name, aliases in {
        "account": "account accountnumber accountid",
        "security": "security symbol ticker securityid cusip",
        "quantity": "quantity qty shares",
        "description": "description 1a box1a 1adescription descriptionofproperty",
        "acquired": "acquired 1b box1b dateacquired acquisitiondate acquireddate opendate",
        "sold": "sold 1c box1c datesold dateofsale saledate datesoldordisposed solddate",
        "proceeds": "proceeds 1d box1d salesprice saleproceeds",
        "basis": "basis 1e box1e costbasis cost costorotherbasis",
        "market_discount": "marketdiscount 1f box1f accruedmarketdiscount",
        "wash_disallowed": "washdisallowed 1g box1g washsalelossdisallowed washsale"
        " washsaledisallowed disallowedloss",
        "term": "term 2 box2 typeofgainorloss holdingperiod",
        "noncovered": "noncovered 5 box5 noncoveredsecurity",
        "lot": "lot lotid",
    }.items()
    for alias in aliases.split()
}
_DESCRIBED = re.compile(r"\s*([\d.,]+)\s+(?:(?:sh|shs|shares)\b\.?\s*)?(?:of\s+)?(\S.*?)\s*", re.I)
_YES = {"x", "y", "yes", "true", "1", "noncovered"}
_NO = {"", "n", "no", "false", "0", "covered"}


@dataclass(frozen=True, slots=True)
class CustodianRow:
    """One line of the statement; what it leaves blank is None and not compared."""

    line: int
    account: str
    security: str
    lot: str
    quantity: Quantity
    acquired: str | None  # a date, INHERITED or VARIOUS
    sold: str
    proceeds_cents: int
    basis_cents: int | None
    market_discount_cents: int | None
    wash_disallowed_cents: int
    term: str | None
    noncovered: bool | None


def read_custodian(text: str, account: str = "") -> list[CustodianRow]:
    """Rows of a custodian's CSV; `account` for a file without that column.

    InputError custodian.header, custodian.row, custodian.date, number.invalid.
    """
    lines = [
        (number, cells)
        for number, cells in enumerate(csv.reader(io.StringIO(text.removeprefix("\ufeff"))), 1)
        if any(cell.strip() for cell in cells)
    ]
    if not lines:
        raise _header("The file is empty.")
    names = _columns(lines[0][1])
    if "account" not in names and not account:
        raise _header("There is no column 'account'.", "Add it, or name the account: --account A.")
    return [_row(number, names, cells, account) for number, cells in lines[1:]]


def _columns(cells: list[str]) -> list[str]:
    names = [ALIASES.get(re.sub(r"[^a-z0-9]", "", cell.lower()), "") for cell in cells]
    known = [name for name in names if name]
    if len(set(known)) != len(known):
        twice = sorted({name for name in known if known.count(name) > 1})
        raise _header(f"Two columns are {', '.join(twice)}.")
    described = "description" in known
    for name in ("sold", "proceeds", *(() if described else ("security", "quantity"))):
        if name not in known:
            raise _header(f"There is no column '{name}'.")
    return names


def _row(number: int, names: list[str], cells: list[str], account: str) -> CustodianRow:
    if len(cells) > len(names):
        raise _bad(
            number, f"{len(cells)} cells under {len(names)} columns: quote cells with commas."
        )
    given = {n: cell.strip() for n, cell in zip(names, cells, strict=False) if n}
    quantity, security = _what(number, given)
    where = f"line {number}"
    return CustodianRow(
        line=number,
        account=given.get("account") or account,
        security=security,
        lot=given.get("lot", ""),
        quantity=quantity,
        acquired=_acquired(given.get("acquired", ""), where),
        sold=_day(given.get("sold", ""), where),
        proceeds_cents=_money(given.get("proceeds", ""), f"{where}, proceeds"),
        basis_cents=_optional(given, "basis", where),
        market_discount_cents=_optional(given, "market_discount", where),
        wash_disallowed_cents=_optional(given, "wash_disallowed", where) or 0,
        term=_term(given.get("term", ""), number),
        noncovered=_mark(given.get("noncovered"), number),
    )


def _what(number: int, given: Mapping[str, str]) -> tuple[Quantity, str]:
    quantity, security = given.get("quantity", ""), given.get("security", "")
    if not (quantity and security):
        found = _DESCRIBED.fullmatch(given.get("description", ""))
        if not found:
            raise _bad(number, "Neither security and quantity nor a description like '100 XYZ'.")
        quantity, security = quantity or found[1], security or found[2]
    try:
        shares = Fraction(quantity.replace(",", "")) * MICROS
    except (ValueError, ZeroDivisionError) as error:
        raise _bad(number, f"'{quantity}' is not a number of shares.") from error
    if shares <= 0:
        raise _bad(number, f"A sale of {quantity} shares: the number must be above zero.")
    return exact(shares), security.removeprefix("'")


def _optional(given: Mapping[str, str], name: str, where: str) -> int | None:
    text = given.get(name, "")
    return None if text in ("", "-", "--", "...", "N/A") else _money(text, f"{where}, {name}")


def _money(text: str, where: str) -> int:
    """Dollars with signs as people write them: $1,234.50, (12.00), -12.00."""
    plain = text.replace("$", "").replace(",", "").replace(" ", "")
    if plain.startswith("(") and plain.endswith(")"):
        plain = f"-{plain[1:-1]}"
    return parse_cents(plain, where)


def _acquired(text: str, where: str) -> str | None:
    word = text.upper()
    if word in ("INHERITED", "INHERIT"):
        return "INHERITED"
    if word in ("VARIOUS", "VAR", "VARIES"):
        return "VARIOUS"
    return _day(text, where) if text else None


def _day(text: str, where: str) -> str:
    """A date: 2024-06-03, 06/03/2024 or 06/03/24."""
    try:
        if "/" not in text:
            return date.fromisoformat(text).isoformat()
        month, day, year = (int(part) for part in text.split("/"))
        return date(year + 2000 if year < 100 else year, month, day).isoformat()
    except ValueError as error:
        raise InputError(
            "custodian.date",
            f"'{text}' is not a date.",
            where=where,
            remedy="Write YYYY-MM-DD or MM/DD/YYYY.",
        ) from error


def _term(text: str, number: int) -> str | None:
    word = re.sub(r"[^a-z]", "", text.lower()).removesuffix("term")
    known = {"": None, "short": "short", "s": "short", "st": "short"}
    known |= {"long": "long", "l": "long", "lt": "long"}
    if word not in known:
        raise _bad(number, f"'{text}' is no term: write short or long.")
    return known[word]


def _mark(text: str | None, number: int) -> bool | None:
    if text is None:
        return None
    word = re.sub(r"[^a-z0-9]", "", text.lower())
    if word not in _YES | _NO:
        raise _bad(number, f"'{text}' is no mark for noncovered: write X or nothing.")
    return word in _YES


def _bad(number: int, message: str) -> InputError:
    return InputError(
        "custodian.row", message, where=f"line {number}", remedy="Correct this line of the CSV."
    )


def _header(message: str, remedy: str = "") -> InputError:
    columns = "account, security, quantity, acquired, sold, proceeds, basis, wash_disallowed, term"
    return InputError(
        "custodian.header",
        message,
        where="line 1",
        remedy=remedy or f"Begin with a line of column names: {columns}; see docs/forms.md.",
    )
