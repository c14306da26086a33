"""`sma market`: import, generate, fetch, show, compare, and the risk model's quality."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensma.calendar import parse_date

if TYPE_CHECKING:
    from rich.table import Table

    from opensma.errors import Finding

DEFAULT_STORE = "sma.market"
FOLDER = click.Path(path_type=Path)
json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document.")
store_option = click.option(
    "--store", type=FOLDER, default=Path(DEFAULT_STORE), show_default=True, help="Market store."
)


@click.group("market")
def group() -> None:
    """The world outside: prices, actions, members and the risk model."""


@group.command("import")
@click.argument("source", metavar="DIR", type=FOLDER)
@store_option
@json_option
def import_command(source: Path, store: Path, as_json: bool) -> None:
    """Check the tables in DIR and add what is new to the store."""
    from opensma.market import import_market

    report = import_market(source, store)
    if as_json:
        _print_json({"store": str(store), **report.as_dict()})
        return
    table = _table("table", "rows added")
    for name, added in report.added.items():
        table.add_row(name, f"{added:,}")
    _print(table)
    click.echo(
        f"{store}: {report.securities:,} securities, {report.days:,} sessions from "
        f"{report.first_day} to {report.last_day}."
    )
    _print_findings(report.findings)


@group.command("generate")
@click.option("--out", type=FOLDER, required=True, help="Folder for the seven tables.")
@click.option("--seed", type=int, default=7, show_default=True)
@click.option("--securities", type=click.IntRange(30, 5000), default=590, show_default=True)
@click.option("--from", "start", default="2021-02-01", show_default=True)
@click.option("--to", "end", default="2024-12-31", show_default=True)
@json_option
def generate_command(
    out: Path, seed: int, securities: int, start: str, end: str, as_json: bool
) -> None:
    """Write a fictional market in the import layout; the same seed gives the same bytes."""
    from opensma.market import generate_market

    first, last = parse_date(start, "--from"), parse_date(end, "--to")
    generate_market(out, seed=seed, securities=securities, start=first, end=last)
    if as_json:
        _print_json({"out": str(out), "seed": seed, "securities": securities})
    else:
        click.echo(f"{out}: {securities} fictional securities. Next: sma market import {out}")


@group.command("show")
@store_option
@json_option
def show_command(store: Path, as_json: bool) -> None:
    """What is in the store: sessions, securities, actions, findings."""
    from collections import Counter

    from opensma.market import open_market

    market = open_market(store)
    counts = Counter(action.kind.value for action in market.actions)
    facts: dict[str, Any] = {
        "store": str(store),
        "first_day": str(market.day(0)),
        "last_day": str(market.day(-1)),
        "sessions": len(market.days),
        "securities": len(market.security_id),
        "listed": int((market.listed_until > market.days[-1]).sum()),
        "benchmark": market.benchmark_id,
        "members": int(market.members(market.day(-1)).sum()),
        "actions": dict(sorted(counts.items())),
        "content_hash": market.content_hash,
    }
    if as_json:
        _print_json({**facts, "findings": [finding.as_dict() for finding in market.findings]})
        return
    table = _table("fact", "value")
    for name, value in facts.items():
        if isinstance(value, dict):
            value = ", ".join(f"{count:,} {kind}" for kind, count in value.items())
        table.add_row(name.replace("_", " "), f"{value:,}" if isinstance(value, int) else value)
    _print(table)
    _print_findings(market.findings)


@group.command("compare")
@click.argument("first", metavar="DIR", type=FOLDER)
@click.argument("second", metavar="[DIR2]", type=FOLDER, required=False)
@json_option
def compare_command(first: Path, second: Path | None, as_json: bool) -> None:
    """Statistics of one market, or of two side by side. DIR is a store or a folder of tables."""
    from opensma.market import open_market
    from opensma.market.describe import compare, describe

    if second is None:
        facts = describe(open_market(first))
        if as_json:
            _print_json({"market": str(first), "statistics": _finite(facts)})
            return
        table = _table("statistic", str(first))
        for name, value in facts.items():
            table.add_row(name, f"{value:.4g}")
        _print(table)
        return
    rows = compare(open_market(first), open_market(second))
    if as_json:
        names = ("statistic", "first", "second", "ratio")
        statistics = [_finite({name: getattr(row, name) for name in names}) for row in rows]
        _print_json({"first": str(first), "second": str(second), "statistics": statistics})
        return
    table = _table("statistic", "first", "second", "ratio")
    for row in rows:
        table.add_row(row.statistic, f"{row.first:.4g}", f"{row.second:.4g}", f"{row.ratio:.2f}")
    _print(table)


@group.command("risk")
@click.argument("folder", metavar="[DIR]", type=FOLDER, required=False)
@store_option
@click.option("--step", type=click.IntRange(5, 252), default=21, show_default=True)
@click.option("--portfolios", type=click.IntRange(5, 1000), default=40, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True)
@json_option
def risk_command(
    folder: Path | None, store: Path, step: int, portfolios: int, seed: int, as_json: bool
) -> None:
    """Out-of-sample bias of the risk model (1 is right), beside a plain sample covariance."""
    from opensma.market import open_market
    from opensma.market.risk_quality import bias_statistics

    market = open_market(folder or store)
    rows = bias_statistics(market, portfolios=portfolios, step=step, seed=seed)
    if as_json:
        _print_json({"market": str(folder or store), "bias": [row.as_dict() for row in rows]})
        return
    table = _table("model", "portfolios", "bias", "5 %", "95 %", "mean |log bias|", "QLIKE")
    for row in rows:
        values = (row.mean_bias, row.low_bias, row.high_bias, row.mean_error, row.qlike)
        table.add_row(row.model, row.family, *(f"{value:.3f}" for value in values))
    _print(table)


@group.command("fetch")
@click.argument("symbols", nargs=-1, required=True)
@click.option("--from", "start", required=True, help="First day, YYYY-MM-DD.")
@click.option("--to", "end", required=True, help="Last day, YYYY-MM-DD.")
@click.option("--out", type=FOLDER, required=True, help="Folder for the seven tables.")
@json_option
def fetch_command(symbols: tuple[str, ...], start: str, end: str, out: Path, as_json: bool) -> None:
    """Fetch closes and actions of SYMBOLS over the network into the import layout."""
    from opensma.market.fetch import fetch_market

    first, last = parse_date(start, "--from"), parse_date(end, "--to")
    count = fetch_market(symbols, first, last, out)
    if as_json:
        _print_json({"out": str(out), "symbols": len(symbols), "prices": count})
    else:
        click.echo(f"{out}: {count:,} closes. Next: sma market import {out}")


def _table(*columns: str) -> Table:
    from rich.table import Table

    table = Table()
    for position, column in enumerate(columns):
        table.add_column(column, justify="left" if position == 0 else "right", overflow="fold")
    return table


def _print(table: Table) -> None:
    from rich.console import Console

    Console().print(table)


def _print_findings(findings: tuple[Finding, ...]) -> None:
    if not findings:
        click.echo("No findings.")
        return
    table = _table("severity", "code", "where", "what")
    for finding in findings:
        table.add_row(finding.severity, finding.code, finding.where, finding.what)
    _print(table)


def _finite(facts: dict[str, Any]) -> dict[str, Any]:
    """NaN is no JSON: unknown becomes null."""
    return {name: None if value != value else value for name, value in facts.items()}


def _print_json(document: dict[str, Any]) -> None:
    def plain(value: object) -> str:
        return value.isoformat() if isinstance(value, date) else str(value)

    click.echo(json.dumps(document, indent=2, default=plain))
