"""`sma tax`: forms and reconciliation from a trade list, and the year of an account of the book."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Any

import click

from opensma.cli._tax_pack import command as pack_command
from opensma.cli._tax_year import command as year_command
from opensma.cli.output import date_option, emit_json, json_option
from opensma.errors import InputError

DIFFERENCE = 1
STATUSES = ("single", "joint", "head", "separate")
YEARS = click.IntRange(1990, 2100)


@click.group("tax")
def group() -> None:
    """Tax forms of a trade list, how they compare with the custodian's, and a year of the book."""


def _read_dollars(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> int | None:
    from opensma.units import parse_cents

    return None if value is None else parse_cents(value.replace(",", ""), f"--{parameter.name}")


_trades = click.argument(
    "trades", metavar="TRADES.json", type=click.Path(path_type=Path, allow_dash=True)
)
_year = click.option("--year", type=YEARS, required=True, help="The tax year.")


@group.command("forms")
@_trades
@_year
@click.option(
    "--form", type=click.Choice(("8949", "1099-B", "schedule-d")), default="8949", show_default=True
)
@click.option(
    "--format",
    "form_format",
    type=click.Choice(("table", "csv", "txf", "json")),
    default="table",
    show_default=True,
)
@click.option("--out", type=click.Path(path_type=Path), help="Write csv, txf or json here.")
@click.option("--owner", metavar="P1", help="Only the accounts of this owner.")
@click.option("--joined", is_flag=True, help="1099-B: one row for lots sold together (VARIOUS).")
@click.option("--whole-dollars", is_flag=True, help="8949, schedule-d: round to whole dollars.")
@click.option("--direct", is_flag=True, help="Leave rows without corrections off Form 8949.")
@click.option("--status", type=click.Choice(STATUSES), default="single", show_default=True)
@click.option("--short-carry", callback=_read_dollars, metavar="USD", help="Loss carried in.")
@click.option("--long-carry", callback=_read_dollars, metavar="USD", help="Loss carried in.")
@click.option(
    "--taxable-income", callback=_read_dollars, metavar="USD", help="Decides next year's carryover."
)
@date_option("--as-of", help="Today, for what can still change.  [default: the last event]")
@json_option
def forms_command(as_json: bool, form_format: str, out: Path | None, **given: Any) -> None:
    """Form 8949, Form 1099-B or Schedule D of a year, from a trade list (docs/forms.md).

    Retirement accounts are left out; owners and accounts stay apart. Schedule D is made for each
    return: the household with --status joint, otherwise each owner.
    """
    from opensma.cli import _tax_forms

    kind = "json" if as_json else form_format
    _check_options(given)
    if kind == "table" and out is not None:
        raise InputError(
            "forms.out",
            "A table goes to the terminal, not into a file.",
            where="--out",
            remedy="Choose --format csv, txf or json.",
        )
    request = _tax_forms.Request(
        as_of=given["as_of"],
        year=given["year"],
        form=given["form"],
        owner=given["owner"],
        joined=given["joined"],
        whole=given["whole_dollars"],
        direct=given["direct"],
        status=given["status"],
        short_carry_cents=given["short_carry"] or 0,
        long_carry_cents=given["long_carry"] or 0,
        taxable_income_cents=given["taxable_income"],
    )
    result = _tax_forms.make(_case(given["trades"]), request)
    _deliver(result, kind, out)


@group.command("reconcile")
@_trades
@click.argument("statement", metavar="1099B.csv", type=click.Path(path_type=Path))
@_year
@click.option(
    "--corrected",
    type=click.Path(path_type=Path),
    metavar="CSV",
    help="The corrected 1099-B: it is compared, and what it changed is listed.",
)
@click.option("--account", default="", metavar="A", help="Account of a CSV without that column.")
@json_option
def reconcile_command(
    trades: Path,
    statement: Path,
    year: int,
    corrected: Path | None,
    account: str,
    as_json: bool,
) -> int:
    """Compare a custodian's Form 1099-B with ours, sale by sale; 1 if a difference is unexplained.

    Ours is the broker's view of the trade list. Columns of the CSV: docs/forms.md.
    """
    from opensma.cli import _tax_reconcile

    texts = [_text(path) for path in (statement, corrected) if path is not None]
    answer = _tax_reconcile.compare(_case(trades), texts, year, account)
    if as_json:
        emit_json(answer.document())
    else:
        answer.show()
    return DIFFERENCE if answer.unexplained else 0


# What an option means for a form it does not list would be a guess.
_FORMS_OF = {
    "joined": ("1099-B",),
    "whole_dollars": ("8949", "schedule-d"),
    "direct": ("8949", "schedule-d"),
    "short_carry": ("schedule-d",),
    "long_carry": ("schedule-d",),
    "taxable_income": ("schedule-d",),
}


def _check_options(given: dict[str, Any]) -> None:
    for name, forms in _FORMS_OF.items():
        asked = given[name] is not None and given[name] is not False
        if asked and given["form"] not in forms:
            option = "--" + name.replace("_", "-")
            raise InputError(
                "forms.option",
                f"{option} does nothing for Form {given['form']}.",
                where=option,
                remedy=f"It is for --form {' and --form '.join(forms)}.",
            )


def _case(path: Path) -> dict[str, Any]:
    from opensma.cli.lots import read_case

    return read_case(path)


def _text(path: Path) -> str:
    """A statement's text; spreadsheets also write the code page of Windows."""
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def _deliver(result: Any, kind: str, out: Path | None) -> None:
    if kind == "table":
        result.show()
    elif kind == "json" and out is None:
        emit_json(result.document())
    else:
        text = _as_text(result, kind)
        if out is None:
            sys.stdout.write(text)
        else:
            out.write_bytes(text.encode("utf-8"))


def _as_text(result: Any, kind: str) -> str:
    if kind == "csv":
        return str(result.csv())
    if kind == "txf":
        return str(result.txf(date.today()))
    import json

    return json.dumps(result.document(), ensure_ascii=False, indent=2) + "\n"


group.add_command(year_command)
group.add_command(pack_command)
