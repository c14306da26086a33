"""`sma growth sql`: our queries for other warehouses."""

from __future__ import annotations

from pathlib import Path

import click

from opensma.cli.output import emit_json, json_option


@click.command("sql")
@click.argument("names", nargs=-1, metavar="[QUERY]...")
@click.option(
    "--dialect", default="duckdb", show_default=True, metavar="NAME",
    help="duckdb, postgres, snowflake, spark, databricks, redshift, bigquery or sqlite.",
)  # fmt: skip
@click.option("--tables", is_flag=True, help="The tables' CREATE statements, before the queries.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE",
    help="Write there instead of printing.",
)  # fmt: skip
@json_option
def sql_command(
    names: tuple[str, ...], dialect: str, tables: bool, out: Path | None, as_json: bool
) -> None:
    """Print the queries that make journeys, credit and revenue, for another warehouse.

    DuckDB runs them here and PostgreSQL gives identical rows in our tests; the others are parsed.
    """
    from opensma.growth.dialects import QUERIES, create_tables, script, transpiled

    text = script(dialect, names)
    if tables:
        text = ";\n".join([*create_tables(dialect), ""]) + "\n" + text
    if as_json:
        chosen = [name for name, _ in QUERIES if not names or name in names]
        emit_json({"dialect": dialect, "queries": {n: transpiled(n, dialect) for n in chosen}})
    elif out:
        out.write_text(text, encoding="utf-8")
        click.echo(f"{out} written.")
    else:
        click.echo(text, nl=False)
