"""`sma growth clv`: customer lifetime value from transactions, contracts or fees."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import click

from opensma.cli.output import date_option, emit_json, json_option, note, table
from opensma.errors import InputError

_MODELS = ("bgnbd", "pnbd", "gg", "sbg", "bgbb", "fee")
_FILE = click.Path(path_type=Path)
# Which file each model reads.
_NEEDS = {"bgnbd": "transactions", "pnbd": "transactions", "gg": "transactions",
          "sbg": "survival", "bgbb": "rfm", "fee": "account"}  # fmt: skip


@click.command("clv")
@click.option("--model", required=True, type=click.Choice(_MODELS), help="See below.")
@click.option("--transactions", type=_FILE, metavar="FILE", help="CSV customer_id,date,amount.")
@click.option(
    "--rfm", type=_FILE, metavar="FILE",
    help="CSV frequency,recency,periods,weights; or frequency,recency_weeks,T_weeks.",
)  # fmt: skip
@click.option("--survival", type=_FILE, metavar="FILE", help="CSV cohort,period,survivors.")
@click.option("--account", type=_FILE, metavar="FILE.json", help="Assets, schedule, closure.")
@click.option("--cohort", metavar="NAME", help="Of the survival file.")
@click.option("--fit-periods", type=click.IntRange(1), default=7, show_default=True)
@click.option(
    "--discount", type=click.FloatRange(0), default=0.1, show_default=True,
    help="Of a period, for the lifetime of a contract.",
)  # fmt: skip
@date_option("--observation-end", help="Later rows are kept to test.  [default: the last date]")
@click.option(
    "--predict", metavar="NAME=NUMBER,...",
    help="One customer: x,tx,T,t (gg: x,m; bgbb: x,tx,n,t).",
)  # fmt: skip
@json_option
def clv_command(
    model: str, observation_end: date | None, predict: str | None, cohort: str | None,
    fit_periods: int, discount: float, as_json: bool, **files: Path | None,
) -> None:  # fmt: skip
    """Fit a model of customer value and say what it expects.

    bgnbd, pnbd: purchases without a contract. gg: what is spent. sbg: renewals of a contract, and
    the life of accounts. bgbb: yearly opportunities. fee: discounted fees of accounts.
    """
    name = _NEEDS[model]
    if model in ("bgnbd", "pnbd", "gg") and files["transactions"] is None and files["rfm"]:
        name = "rfm"
    file = files[name]
    if file is None:
        raise InputError(
            "growth.file", f"The model {model} needs a file.", where=f"--{name}",
            remedy=f"Give --{name} FILE.",
        )  # fmt: skip
    if model == "fee":
        found = _fee(file)
    elif model == "sbg":
        from opensma.growth.clv.documents import contract_document

        found = contract_document(file, cohort, fit_periods, discount)
    elif model == "bgbb":
        from opensma.growth.clv.documents import opportunities_document

        found = opportunities_document(file, predict)
    else:
        found = _purchases(model, file, name, observation_end, predict)
    if as_json:
        emit_json(found)
    else:
        _show(found)


def _fee(file: Path) -> dict[str, Any]:
    from opensma.growth.clv.fees import fee_value
    from opensma.growth.experiments.spec import read_spec

    return fee_value(read_spec(file))


def _purchases(
    model: str, file: Path, name: str, end: date | None, predict: str | None
) -> dict[str, Any]:
    from opensma.growth.clv.documents import purchases_document, spend_document
    from opensma.growth.clv.histories import read_summary, read_transactions

    histories = read_transactions(file, end) if name == "transactions" else read_summary(file)
    if model == "gg":
        return spend_document(histories, predict)
    return purchases_document(model, histories, predict)


def _show(found: dict[str, Any]) -> None:
    rows: list[tuple[str, str]] = []
    for name, value in found.items():
        if name in ("model", "warnings", "rows") or value is None:
            continue
        if isinstance(value, dict):
            rows += [(f"{name} {key}".replace("_", " "), _text(v)) for key, v in value.items()]
        else:
            rows.append((name.replace("_", " "), _text(value)))
    table(found["model"], ("figure", "value"), rows)
    for warning in found["warnings"]:
        note(f"{warning['code']}: {warning['text']}")


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.6g}" if abs(value) < 1000 else f"{value:,.2f}"
    if isinstance(value, list):
        return ", ".join(_text(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items())
    return "" if value is None else str(value)
