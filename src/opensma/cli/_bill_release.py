"""`sma bill release`: a second person lets a held agreement through."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from opensma.cli.output import book_option, emit_json, json_option


@click.command("release")
@click.option(
    "--period", "period_name", required=True, metavar="PERIOD", help="As in sma bill run."
)
@click.option("--agreement", required=True, metavar="A", help="The agreement that is held.")
@click.option("--by", required=True, metavar="NAME", help="Who releases it; not who runs it.")
@click.option("--reason", required=True, metavar="TEXT", help="Why; kept with the book.")
@book_option
@json_option
def command(
    period_name: str, agreement: str, by: str, reason: str, book: str, as_json: bool
) -> None:
    """Let a held agreement through as a second person; `run --by` then includes it.

    Only the findings of today are let through: a new or changed one holds it again.
    """
    from opensma.billing.cycle import parse_period
    from opensma.billing.desk import release_held
    from opensma.book.store import open_book

    now = datetime.now(UTC).isoformat(timespec="seconds")
    made = release_held(open_book(book), parse_period(period_name), agreement, by, reason, now)
    if as_json:
        emit_json({
            "agreement": made.agreement, "period": made.period, "by": made.by,
            "reason": made.reason, "cleared": [list(c) for c in made.cleared],
        })  # fmt: skip
        return
    codes = ", ".join(sorted({code for code, _, _ in made.cleared}))
    click.echo(f"{made.agreement} in {made.period}: {codes} let through by {made.by}.")
    click.echo(f"Now another person runs it: sma bill run --period {made.period} --by NAME.")
