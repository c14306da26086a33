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

    One HTML file without scripts, made to be printed, and a CSV of every table. Exit code 1 when
    something does not tie: the pack says where.
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
        click.echo(f"{files[0]} and {len(files) - 1} tables beside it.")
        click.echo(f"{len(pack.checks):,} checks, {bad:,} with a difference.")
    return 1 if bad else 0
