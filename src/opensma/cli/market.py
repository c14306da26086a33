"""`sma market`: import, generate, fetch, show, compare, and the risk model's quality."""

from __future__ import annotations

from collections import Counter
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensma.calendar import parse_date
from opensma.cli.output import Decorator, emit_json, json_option, note, progress, table

if TYPE_CHECKING:
    from opensma.errors import Finding
    from opensma.market import Market

FOLDER = click.Path(path_type=Path)
FINDINGS_SHOWN = 40
store_option = click.option(
    "--store",
    type=FOLDER,
    default=Path("sma.market"),
    show_default=True,
    help="The market store: a folder that sma market import makes.",
)
out_option = click.option(
    "--out", type=FOLDER, required=True, metavar="DIR", help="Folder for the seven tables."
)


def _day_option(flag: str, name: str, words: str, default: str | None = None) -> Decorator:
    def read(_context: click.Context, _parameter: click.Parameter, value: str) -> date:
        return parse_date(value, where=flag)

    return click.option(
        flag,
        name,
        metavar="DATE",
        default=default,
        required=default is None,
        show_default=True,
        callback=read,
        help=words,
    )


@click.group("market")
def group() -> None:
    """The world outside: prices, actions, members and the risk model.

    A market is a store that `import` makes, or a folder with the seven tables of docs/market.md.
    """


@group.command("import")
@click.argument("source", metavar="DIR", type=FOLDER)
@store_option
@json_option
def import_command(source: Path, store: Path, as_json: bool) -> None:
    """Check the tables in DIR and add what is new to the store.

    Errors stop the import and nothing is written; warnings are kept with the store. Importing
    the same files again adds nothing.
    """
    from opensma.market import import_market

    report = import_market(source, store)
    if as_json:
        emit_json({"store": store, **report.as_dict()})
        return
    table("", ("table", "rows added"), report.added.items())
    note(
        f"{store}: {report.securities:,} securities, {report.days:,} sessions from "
        f"{report.first_day} to {report.last_day}."
    )
    _show_findings(report.findings)


@group.command("generate")
@out_option
@click.option("--seed", type=click.IntRange(min=0), default=7, show_default=True)
@click.option("--securities", type=click.IntRange(30, 5000), default=590, show_default=True)
@_day_option("--from", "start", "First day.", "2021-02-01")
@_day_option("--to", "end", "Last day.", "2024-12-31")
@json_option
def generate_command(
    out: Path, seed: int, securities: int, start: date, end: date, as_json: bool
) -> None:
    """Write a fictional market in the import layout; the same seed gives the same bytes."""
    from opensma.market import generate_market

    generate_market(out, seed=seed, securities=securities, start=start, end=end)
    if as_json:
        emit_json({"out": out, "seed": seed, "securities": securities, "from": start, "to": end})
    else:
        note(f"{out}: {securities} fictional securities. Next: sma market import {out}")


@group.command("show")
@store_option
@json_option
def show_command(store: Path, as_json: bool) -> None:
    """What is in the store: sessions, securities, actions, findings."""
    from opensma.market import open_market

    market = open_market(store)
    facts = {"store": str(store), **_facts(market)}
    if as_json:
        emit_json({**facts, "findings": [finding.as_dict() for finding in market.findings]})
        return
    counted = ", ".join(f"{count:,} {kind}" for kind, count in facts["actions"].items())
    rows = [
        (name.replace("_", " "), f"{value:,}" if isinstance(value, int) else value)
        for name, value in (facts | {"actions": counted}).items()
    ]
    table("", ("fact", "value"), rows)
    _show_findings(market.findings)


def _facts(market: Market) -> dict[str, Any]:
    counts = Counter(action.kind.value for action in market.actions)
    return {
        "first_day": market.day(0),
        "last_day": market.day(-1),
        "sessions": len(market.days),
        "securities": len(market.security_id),
        "listed": int((market.listed_until > market.days[-1]).sum()),
        "benchmark": market.benchmark_id,
        "members": int(market.members(market.day(-1)).sum()),
        "actions": dict(sorted(counts.items())),
        "content_hash": market.content_hash,
    }


@group.command("compare")
@click.argument("first", metavar="DIR", type=FOLDER)
@click.argument("second", metavar="[DIR2]", type=FOLDER, required=False)
@json_option
def compare_command(first: Path, second: Path | None, as_json: bool) -> None:
    """Statistics of one market, or of two side by side."""
    from opensma.market import open_market
    from opensma.market.describe import compare, describe

    if second is None:
        facts = describe(open_market(first))
        if as_json:
            emit_json({"market": first, "statistics": facts})
        else:
            rows = [(name, f"{value:.4g}") for name, value in facts.items()]
            table("", ("statistic", str(first)), rows)
        return
    compared = compare(open_market(first), open_market(second))
    if as_json:
        emit_json({"first": first, "second": second, "statistics": compared})
        return
    table(
        f"first: {first}, second: {second}",
        ("statistic", "first", "second", "ratio"),
        [(c.statistic, f"{c.first:.4g}", f"{c.second:.4g}", f"{c.ratio:.2f}") for c in compared],
    )


@group.command("risk")
@click.argument("folder", metavar="[DIR]", type=FOLDER, required=False)
@store_option
@click.option(
    "--step",
    type=click.IntRange(5, 252),
    default=21,
    show_default=True,
    help="Sessions between two estimations.",
)
@click.option("--portfolios", type=click.IntRange(5, 1000), default=40, show_default=True)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@json_option
def risk_command(
    folder: Path | None, store: Path, step: int, portfolios: int, seed: int, as_json: bool
) -> None:
    """Out-of-sample bias of the risk model (1 is right), beside a plain sample covariance.

    Lower is better in the last two columns: the mean of |log bias| over portfolios, and QLIKE,
    which also punishes a forecast that is right on average and wrong at the time.
    """
    from opensma.market import open_market
    from opensma.market.risk_quality import bias_statistics, dates

    market = open_market(folder or store)
    with progress(len(dates(market, step)), "Estimating") as advance:
        rows = bias_statistics(
            market, portfolios=portfolios, step=step, seed=seed, progress=advance
        )
    if as_json:
        emit_json({"market": folder or store, "bias": rows})
        return
    table(
        f"{rows[0].days:,} days, {portfolios} portfolios a kind, estimated every {step} sessions",
        ("model", "portfolios", "bias", "5 %", "95 %", "mean |log bias|", "QLIKE"),
        [
            (r.model, r.family, *(f"{value:.3f}" for value in r.scores))
            for r in sorted(rows, key=lambda row: row.family)
        ],
    )


@group.command("fetch")
@click.argument("symbols", nargs=-1, required=True)
@_day_option("--from", "start", "First day.")
@_day_option("--to", "end", "Last day.")
@out_option
@json_option
def fetch_command(
    symbols: tuple[str, ...], start: date, end: date, out: Path, as_json: bool
) -> None:
    """Fetch closes and actions of SYMBOLS over the network into the import layout.

    Needs the extra `fetch` (pip install 'opensma[fetch]') and a network. Nothing is written when
    a symbol gives no prices.
    """
    from opensma.market.fetch import fetch_market

    with progress(len(set(symbols)), "Fetching") as advance:
        count = fetch_market(symbols, start, end, out, progress=advance)
    if as_json:
        emit_json({"out": out, "symbols": len(set(symbols)), "prices": count})
    else:
        note(f"{out}: {count:,} closes. Next: sma market import {out}")


def _show_findings(findings: tuple[Finding, ...]) -> None:
    if not findings:
        note("No findings.")
        return
    more = len(findings) - FINDINGS_SHOWN
    title = f"{len(findings):,} findings" + (f", {more:,} of them not shown" if more > 0 else "")
    shown = [(f.severity, f.code, f.where, f.what) for f in findings[:FINDINGS_SHOWN]]
    table(title, ("severity", "code", "where", "what"), shown)
