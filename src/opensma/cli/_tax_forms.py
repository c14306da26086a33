"""What `sma tax forms` makes: a year's form as a table, a document, CSV or TXF."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date
from fractions import Fraction
from itertools import groupby
from typing import Any

import click

from opensma.cli.output import table
from opensma.errors import InputError
from opensma.tax.forms import (
    Finality,
    Form1099BRow,
    Form8949Row,
    ScheduleD,
    Setup,
    Total,
    box_totals,
    finality,
    form_1099b,
    form_8949,
    off_the_form,
    schedule_d,
    to_csv,
    to_txf,
    two_views,
    whole_dollars,
)
from opensma.tax.replay.exact import money_text, quantity_text
from opensma.tax.replay.state import State
from opensma.units import dollars


@dataclass(frozen=True, slots=True)
class Request:
    """What was asked for."""

    year: int
    form: str
    owner: str | None
    joined: bool
    whole: bool
    direct: bool
    status: str
    short_carry_cents: int
    long_carry_cents: int
    taxable_income_cents: int | None
    as_of: date | None


@dataclass(frozen=True, slots=True)
class Result:
    """A year's form, ready to be printed or written."""

    request: Request
    rows: list[Form8949Row]  # as filed
    broker_rows: list[Form8949Row]  # as the broker alone would have it
    statement: list[Form1099BRow]
    returns: list[tuple[str, ScheduleD]]
    final: Finality
    policy: Mapping[str, str]

    def document(self) -> dict[str, Any]:
        """One JSON document; money and shares as text."""
        told: dict[str, Any] = {"form": self.request.form, "year": self.request.year}
        if self.request.form == "schedule-d":
            told["returns"] = [{"return": name} | plain(made) for name, made in self.returns]
        elif self.request.form == "1099-B":
            told["rows"] = [
                plain(row) | {"gain": money_text(row.gain_cents)} for row in self.statement
            ]
            told["totals"] = plain(_total_1099b(self.statement))
        else:
            told["rows"] = [plain(row) for row in self.rows]
            told["totals"] = [plain(total) for total in box_totals(self.rows)]
        return told | {"finality": plain(self.final), "policy": dict(self.policy)}

    def csv(self) -> str:
        """The rows of the form, or the lines of one Schedule D."""
        if self.request.form == "1099-B":
            return to_csv(self.statement, Form1099BRow)
        if self.request.form == "8949":
            return to_csv(self.rows, Form8949Row)
        if len(self.returns) > 1:
            raise _one_return("A CSV holds one Schedule D.")
        return to_csv(_printed_lines(self.returns[0][1]) if self.returns else [], Total)

    def txf(self, exported: date) -> str:
        """Sales for tax software: as filed, or with --form 1099-B as the broker reported them."""
        if self.request.form == "schedule-d":
            raise InputError(
                "forms.txf",
                "TXF carries sales; tax software makes Schedule D of them itself.",
                where="--format",
                remedy="Use --form 8949 --format txf.",
            )
        rows = self.rows if self.request.form == "8949" else self.broker_rows
        if len({row.household or row.owner for row in rows}) > 1:
            raise _one_return("A TXF file is for one return.")
        return to_txf(rows, exported)

    def show(self) -> None:
        """Tables, and until when the year can change."""
        if self.request.form == "schedule-d":
            for name, made in self.returns:
                _show_schedule(name, made, self.request)
        elif self.request.form == "1099-B":
            _show_1099b(self.statement, self.request.year)
        else:
            _show_8949(self.rows, self.request.year)
        _show_finality(self.final, self.request.year)


def make(case: Mapping[str, Any], request: Request) -> Result:
    """Replay the trade list in both views and write the year's forms."""
    taxpayer, broker = two_views(case)
    setup = Setup.of(case)
    _check_owner(taxpayer, request.owner)
    filed = _of_owner(form_8949(taxpayer, request.year, broker, setup), request.owner)
    if request.whole:
        filed = whole_dollars(filed)
    off = set(off_the_form(filed)) if request.direct else set()
    # Only where asked for: the broker's view alone may be refused for reasons that do not matter.
    sees_broker = request.form == "1099-B"
    statement = form_1099b(broker, request.year, setup, joined=request.joined)
    plainly = replace(setup, adjustments={})
    alone = form_8949(broker, request.year, None, plainly) if sees_broker else []
    return Result(
        request=request,
        rows=[row for row in filed if row not in off],
        broker_rows=[row for row in _of_owner(alone, request.owner) if row.box in "ABDE"],
        statement=[row for row in statement if request.owner in (None, row.owner)],
        returns=_returns(filed, request) if request.form == "schedule-d" else [],
        final=finality(taxpayer, request.year, request.as_of or _last_day(case, request.year)),
        policy=taxpayer.policy.as_dict(),
    )


def plain(value: Any) -> dict[str, Any]:
    """A dataclass as a document: cents as dollars in text, shares as decimal text."""
    return {
        field.name.removesuffix("_cents"): _plain(field.name, getattr(value, field.name))
        for field in fields(value)
    }


def _plain(name: str, value: Any) -> Any:
    if name.endswith("_cents"):
        return money_text(value)
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    return (
        quantity_text(value) if name == "quantity" and isinstance(value, int | Fraction) else value
    )


def _returns(rows: Sequence[Form8949Row], request: Request) -> list[tuple[str, ScheduleD]]:
    """Schedule D of every return: a household filing jointly, otherwise every owner."""
    joint = request.status == "joint"

    def filer(row: Form8949Row) -> str:
        return (row.household if joint else row.owner) or row.account

    filers = {name: list(part) for name, part in groupby(sorted(rows, key=filer), key=filer)}
    carried = request.short_carry_cents or request.long_carry_cents
    if len(filers) > 1 and (carried or request.taxable_income_cents is not None):
        raise _one_return("Carryovers and income belong to one return.")
    if not filers:  # a year without sales still carries its losses on
        filers = {request.owner or "": []}
    return [
        (
            name,
            schedule_d(
                part,
                status=request.status,
                short_carry_cents=request.short_carry_cents,
                long_carry_cents=request.long_carry_cents,
                taxable_income_cents=request.taxable_income_cents,
                direct=request.direct,
            ),
        )
        for name, part in filers.items()
    ]


def _last_day(case: Mapping[str, Any], year: int) -> date:
    """The day of the last event: what a trade list can know."""
    days = [str(event["date"]) for event in case["events"]]
    return date.fromisoformat(max(days)) if days else date(year, 12, 31)


def _of_owner(rows: Iterable[Form8949Row], owner: str | None) -> list[Form8949Row]:
    return [row for row in rows if owner in (None, row.owner)]


def _check_owner(state: State, owner: str | None) -> None:
    owners = sorted({account.owner for account in state.accounts if account.owner})
    if owner is not None and owner not in owners:
        raise InputError(
            "forms.owner",
            f"No account belongs to '{owner}'.",
            where="--owner",
            remedy=f"Owners are {', '.join(owners) or 'not named in this trade list'}.",
        )


def _one_return(message: str) -> InputError:
    return InputError(
        "forms.several_returns",
        f"{message} This trade list has several.",
        where="--owner",
        remedy="Name one owner, or --status joint for a household that files together.",
    )


# --- tables --------------------------------------------------------------------------------------


def _show_8949(rows: Sequence[Form8949Row], year: int) -> None:
    columns = ["box", "description", "acquired", "sold", "proceeds", "basis"]
    columns += ["code", "adjustment", "gain"]
    for (owner, account), part in groupby(rows, key=lambda row: (row.owner, row.account)):
        table(_title("8949", year, account, owner), columns, [_cells_8949(row) for row in part])
    heads = ("box", "rows", "proceeds", "basis", "adjustment", "gain")
    if rows:
        table("Totals", heads, [_total_cells(total) for total in box_totals(rows)])
    else:
        click.echo(f"No rows on Form 8949 for {year}.")


def _cells_8949(row: Form8949Row) -> tuple[str, ...]:
    return (
        row.box,
        row.description,
        row.acquired,
        row.sold,
        dollars(row.proceeds_cents),
        dollars(row.basis_cents),
        row.code,
        _or_blank(row.adjustment_cents),
        dollars(row.gain_cents),
    )


def _show_1099b(rows: Sequence[Form1099BRow], year: int) -> None:
    columns = ["1a", "1b acquired", "1c sold", "1d proceeds", "1e basis"]
    columns += ["1g wash", "2 term", "5 noncovered", "12 reported", "lot"]
    for (owner, account), part in groupby(rows, key=lambda row: (row.owner, row.account)):
        table(_title("1099-B", year, account, owner), columns, [_cells_1099b(row) for row in part])
    if rows:
        cells = _total_cells(_total_1099b(rows))[1:]
        table("Totals", ("rows", "1d", "1e", "1g", "gain"), [cells])
    else:
        click.echo(f"No sales on Form 1099-B for {year}.")


def _cells_1099b(row: Form1099BRow) -> tuple[str, ...]:
    return (
        row.description,
        row.acquired,
        row.sold,
        dollars(row.proceeds_cents),
        dollars(row.basis_cents),
        _or_blank(row.wash_disallowed_cents),
        row.term,
        "X" if row.noncovered else "",
        "X" if row.basis_reported else "",
        row.lot,
    )


def _title(form: str, year: int, account: str, owner: str) -> str:
    return f"Form {form}, {year}: account {account}" + (f" of {owner}" if owner else "")


def _show_schedule(name: str, made: ScheduleD, request: Request) -> None:
    title = f"Schedule D, {request.year}" + (f": {name}" if name else "")
    columns = ("line", "what", "proceeds (d)", "basis (e)", "adjustment (g)", "gain (h)")
    body: list[tuple[str, ...]] = []
    for line in _printed_lines(made):
        money = [line.proceeds_cents, line.basis_cents, line.adjustment_cents]
        shown = [dollars(cents) for cents in money] if line.rows else ["", "", ""]
        body.append((line.line, line.text, *shown, dollars(line.gain_cents)))
    table(title, columns, body)
    if made.next_short_carry_cents or made.next_long_carry_cents:
        income = "" if request.taxable_income_cents is not None else ", if income is ample"
        short, long = made.next_short_carry_cents, made.next_long_carry_cents
        click.echo(f"Carries into {request.year + 1}{income}: {dollars(short)} short-term and "
                   f"{dollars(long)} long-term.")  # fmt: skip


def _printed_lines(made: ScheduleD) -> list[Total]:
    """Lines 1a to 21 in the order of the form."""

    def sum_line(line: str, text: str, cents: int) -> Total:
        return Total(line, text, 0, 0, 0, 0, cents)

    return [
        *made.lines[:4],
        sum_line("6", "short-term loss carried in", made.short_carry_cents),
        sum_line("7", "net short-term", made.short_cents),
        *made.lines[4:],
        sum_line("14", "long-term loss carried in", made.long_carry_cents),
        sum_line("15", "net long-term", made.long_cents),
        sum_line("16", "total", made.total_cents),
        sum_line("21", "loss deducted from other income", made.deduction_cents),
    ]


def _show_finality(final: Finality, year: int) -> None:
    if final.final:
        click.echo(f"{year} is past its wash-sale window as of {final.as_of}.")
        return
    reach = final.losses_in_reach
    losses = (
        f"{reach} loss{'' if reach == 1 else 'es'} of the 30 days before" if reach else "no loss"
    )
    click.echo(
        f"As of {final.as_of}, {year} can still change: purchases up to {final.last_purchase} "
        f"(processed {final.processed}) may wash its losses; {losses} within reach now."
    )


def _total_1099b(rows: Sequence[Form1099BRow]) -> Total:
    return Total(
        line="",
        text="all rows",
        rows=len(rows),
        proceeds_cents=sum(row.proceeds_cents for row in rows),
        basis_cents=sum(row.basis_cents for row in rows),
        adjustment_cents=sum(row.wash_disallowed_cents for row in rows),
        gain_cents=sum(row.gain_cents for row in rows),
    )


def _total_cells(total: Total) -> tuple[str, ...]:
    money = (total.proceeds_cents, total.basis_cents, total.adjustment_cents, total.gain_cents)
    return (total.line, str(total.rows), *(dollars(cents) for cents in money))


def _or_blank(cents: int) -> str:
    return dollars(cents) if cents else ""
