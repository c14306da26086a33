"""`sma growth report`: the CFO pack as one page and its tables."""

from __future__ import annotations

from pathlib import Path

import click

from opensma.cli._growth_options import opened, warehouse_option, warehouse_path
from opensma.cli.output import book_option, emit_json, json_option


@click.command("report")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Where the page and its tables are written.  [default: growth-report, beside the book]",
)  # fmt: skip
@click.option(
    "--servicing-cents", type=click.IntRange(0), default=0, show_default=True,
    help="What serving an account costs a month; it lowers the margin.",
)  # fmt: skip
@click.option(
    "--discount", type=click.FloatRange(0, 1), default=0.10, show_default=True,
    help="A year, of modelled fees.",
)  # fmt: skip
@click.option("--model", default="linear", show_default=True, help="Whose weights divide spend.")
@warehouse_option
@book_option
@json_option
def report_command(
    out: Path | None, servicing_cents: int, discount: float, model: str,
    warehouse: Path | None, book: str, as_json: bool,
) -> int:  # fmt: skip
    """Write the CFO pack: bridge, revenue by channel, cost of new groups, cohorts, ties.

    One HTML file without scripts, the same as PDF (needs the extra `documents`), and a CSV of every
    table. Where anything does not tie no pack is written, only ties.csv, and the exit code is 1.
    """
    from opensma.growth.pack import make_pack
    from opensma.growth.pack_data import Options
    from opensma.growth.ties import broken
    from opensma.growth.why import check_model

    check_model(model)
    connection = opened(warehouse, book)
    pack = make_pack(connection, Options(servicing_cents, model, discount))
    connection.close()
    files = pack.write(out or warehouse_path(warehouse, book).with_name("growth-report"))
    bad = len(broken(pack.checks))
    if as_json:
        emit_json({"files": [str(f) for f in files], "checks": len(pack.checks), "broken": bad})
    else:
        if bad:
            click.echo(f"No pack was written: {bad:,} of {len(pack.checks):,} checks have a ")
            click.echo(f"difference. They are in {files[0]}; sma growth tie lists them.")
            return 1
        tables = sum(file.suffix == ".csv" for file in files)
        named = " and ".join(str(file) for file in files if file.suffix != ".csv")
        click.echo(f"{named}, with {tables} tables beside.")
        click.echo(f"{len(pack.checks):,} checks, 0 with a difference.")
    return 1 if bad else 0
