"""`sma bill corrections`: standing invoices that today's book would bill otherwise."""

from __future__ import annotations

from dataclasses import asdict

import click

from opensma.cli.output import book_option, emit_json, json_option, table
from opensma.units import dollars


@click.command("corrections")
@click.option("--period", "period_name", required=True, metavar="PERIOD", help="As 2024Q4.")
@book_option
@json_option
def command(period_name: str, book: str, as_json: bool) -> int:
    """List invoices that late prices, flows or terms would change; writes nothing.

    A person decides: `reverse` the invoice and `run` the period again. Exit code 1 when any differ.
    """
    from opensma.billing.corrections import propose
    from opensma.billing.cycle import parse_period
    from opensma.book.store import open_book

    found = propose(open_book(book), parse_period(period_name))
    if as_json:
        rows = [
            {"agreement": c.invoice.agreement, "invoice": c.invoice.invoice_id,
             "value_cents": c.invoice.value_cents, "value_now_cents": c.value_now_cents,
             "difference_cents": c.difference_cents,
             "accounts": [asdict(a) for a in c.accounts],
             "holds": [f.as_dict() for f in c.holds]}
            for c in found
        ]  # fmt: skip
        emit_json({"period": period_name, "corrections": rows})
        return 1 if found else 0
    changed = [
        (c.invoice.agreement, c.invoice.invoice_id, a.account_id, dollars(a.billed_cents),
         dollars(a.now_cents), dollars(a.now_cents - a.billed_cents))
        for c in found for a in c.accounts
    ]  # fmt: skip
    if changed:
        columns = ("agreement", "invoice", "account", "billed", "now", "difference")
        table(f"Proposed corrections: {period_name}", columns, changed)
    held = [
        (c.invoice.agreement, f.code, f.where, f.what, f.remedy) for c in found for f in c.holds
    ]
    if held:
        table("Cannot be recomputed", ("agreement", "code", "where", "what", "remedy"), held)
    differ = [c.difference_cents for c in found if c.difference_cents is not None]
    click.echo(
        f"Invoices that differ: {len(differ):,}, by {dollars(sum(differ))} in all. "
        f"Cannot be recomputed: {len(found) - len(differ):,}."
    )
    return 1 if found else 0
