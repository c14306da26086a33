"""Form 8949 as TXF, the text that tax software imports: version 042, record format 5.

Record numbers, the order of the fields, blank dates and the place of the disallowed loss are those
of Intuit's specification, change of 30 November 2011, kept in simonmichael/hledger as
examples/TXF-spec-v042.org; taxdataexchange.org (txf/v042/form-1099-b) maps them to boxes A to F.
It has no numbers for digital assets and no field for codes other than W: those are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from opensma.errors import InputError
from opensma.tax.forms.rows import Form8949Row
from opensma.tax.replay.exact import money_text
from opensma.units import parse_cents

REFERENCE = {"A": 321, "B": 711, "C": 712, "D": 323, "E": 713, "F": 714}
_BOXES = {number: box for box, number in REFERENCE.items()}
_VERSION = "V042"
_FIELDS = ("T", "N", "C", "L", "P", "D", "D", "$", "$", "$")


@dataclass(frozen=True, slots=True)
class TxfRecord:
    """One sale of a TXF file. A date that is not known, or is several, is empty."""

    box: str
    description: str
    acquired: str
    sold: str
    basis_cents: int
    proceeds_cents: int
    wash_disallowed_cents: int


def to_txf(rows: Sequence[Form8949Row], exported: date) -> str:
    """A TXF file of the rows. InputError txf.box, txf.code."""
    for row in rows:
        _check(row)
    records = [_record(row) for row in rows]
    header = [_VERSION, "Aopensma", f"D{exported:%m/%d/%Y}", "^"]
    return "\r\n".join(header + [line for record in records for line in record]) + "\r\n"


def from_txf(text: str) -> list[TxfRecord]:
    """The sales of a TXF file in record format 5. InputError txf.invalid."""
    records: list[list[str]] = [[]]
    for line in text.splitlines():
        if line == "^":
            records.append([])
        else:
            records[-1].append(line)
    if records[0][:1] != [_VERSION]:
        raise _invalid(f"The file does not begin with {_VERSION}.")
    if records[-1]:
        raise _invalid("The last record is not closed: the file was cut off.")
    return [_read(lines) for lines in records[1:-1]]


def _check(row: Form8949Row) -> None:
    where = f"lot {row.lot} in account {row.account}, sold {row.sold}"
    if row.box not in REFERENCE:
        raise InputError(
            "txf.box",
            f"TXF has no record number for box {row.box} (digital assets).",
            where=where,
            remedy="Export these rows as CSV, and the others from a trade list without them.",
        )
    if "C" in row.code:
        raise InputError(
            "txf.code",
            "TXF has no mark for collectibles (code C), which have a rate of their own.",
            where=where,
            remedy="Enter these rows by hand from the CSV, and export the others without them.",
        )
    if row.code not in ("", "W"):
        raise InputError(
            "txf.code",
            f"TXF carries a disallowed loss (W) only, and this row has code {row.code}.",
            where=where,
            remedy="Import what the broker reported (--form 1099-B --format txf), then enter the"
            " corrections of --form 8949 in the tax software.",
        )


def _record(row: Form8949Row) -> list[str]:
    return [
        "TD",
        f"N{REFERENCE[row.box]}",
        "C1",
        "L1",
        "P" + " ".join("".join(c if c.isprintable() else " " for c in row.description).split()),
        f"D{_american(row.acquired)}",
        f"D{_american(row.sold)}",
        f"${money_text(row.basis_cents)}",
        f"${money_text(row.proceeds_cents)}",
        f"${money_text(row.adjustment_cents) if row.adjustment_cents else ''}",
        "^",
    ]


def _american(text: str) -> str:
    """A date as the format wants it; INHERITED and VARIOUS are no dates and stay blank."""
    return f"{date.fromisoformat(text):%m/%d/%Y}" if text[:1].isdigit() else ""


def _read(lines: Sequence[str]) -> TxfRecord:
    if tuple(line[:1] for line in lines) != _FIELDS:
        raise _invalid(f"This record is not in format 5: {' '.join(lines):.80}")
    _, number, _, _, description, acquired, sold, basis, proceeds, wash = (s[1:] for s in lines)
    if not number.isdigit() or int(number) not in _BOXES:
        raise _invalid(f"Record number {number} is not of boxes A to F.")
    return TxfRecord(
        box=_BOXES[int(number)],
        description=description,
        acquired=_iso(acquired),
        sold=_iso(sold),
        basis_cents=_cents(basis),
        proceeds_cents=_cents(proceeds),
        wash_disallowed_cents=_cents(wash),
    )


def _iso(text: str) -> str:
    if not text.strip():
        return ""
    try:
        month, day, year = (int(part) for part in text.split("/"))
        return date(year, month, day).isoformat()
    except ValueError as error:
        raise _invalid(f"'{text}' is not a date MM/DD/YYYY.") from error


def _cents(text: str) -> int:
    return parse_cents(text.replace(",", ""), "TXF amount") if text.strip() else 0


def _invalid(message: str) -> InputError:
    return InputError("txf.invalid", message, where="TXF", remedy="Export the file again.")
