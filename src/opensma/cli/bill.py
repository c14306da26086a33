"""`sma bill`: load fee terms, preview and release a period's invoices, take them back."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from opensma.cli import _bill_collect, _bill_corrections, _bill_documents, _bill_release
from opensma.cli.output import Decorator, book_option, emit_json, json_option, note, table
from opensma.units import dollars

if TYPE_CHECKING:
    from opensma.billing.desk import Released

_SHOWN = 50  # rows in the terminal; --json has them all

period_option: Decorator = click.option(
    "--period",
    "period_name",
    required=True,
    metavar="PERIOD",
    help="A quarter 2024Q4, a month 2024M10, a half-year 2024H2 or a year 2024.",
)


@click.group("bill")
def group() -> None:
    """Fees: schedules and agreements as dated data, invoices with a line for every cent."""


group.add_command(_bill_documents.command)
group.add_command(_bill_corrections.command)
group.add_command(_bill_release.command)
group.add_command(_bill_collect.collect_command)
group.add_command(_bill_collect.open_command)


@group.command("schedules")
@click.argument("file", type=click.Path(path_type=Path))
@book_option
@json_option
def schedules_command(file: Path, book: str, as_json: bool) -> None:
    """Load versions of schedules and agreements (JSON) or schedules (CSV); all of FILE or none."""
    from opensma.billing.desk import load_terms
    from opensma.book.store import open_book

    done = load_terms(open_book(book), file, _now())
    if as_json:
        emit_json({
            "added": [{"kind": r.kind, "name": r.name, "version": r.version} for r in done.added],
            "known": done.known,
            "inversions": done.inversions,
        })  # fmt: skip
        return
    rows = [(r.kind, r.name, r.version, r.valid_from, r.valid_to) for r in done.added]
    if rows:
        table("Added", ("kind", "name", "version", "from", "to"), rows)
    click.echo(f"{len(done.added):,} versions added, {done.known:,} were there already.")
    for text in done.inversions:
        note(f"A cliff: {text}.")


@group.command("preview")
@period_option
@book_option
@json_option
def preview_command(period_name: str, book: str, as_json: bool) -> int:
    """Show what a run would bill and hold; writes nothing. Exit code 1 when something is held."""
    from opensma.billing.cycle import parse_period
    from opensma.billing.desk import preview
    from opensma.book.store import open_book

    made = preview(open_book(book), parse_period(period_name))
    return _show(made, as_json, released=False)


@group.command("run")
@period_option
@click.option("--by", default="", metavar="NAME", help="Who prepares the run; kept with it.")
@book_option
@json_option
def run_command(period_name: str, by: str, book: str, as_json: bool) -> int:
    """Check and release a period's invoices; what fails a check is held, and the exit code 1.

    Running it again bills only what is new. No cash moves yet: `sma bill collect` takes it.
    """
    from opensma.billing.cycle import parse_period
    from opensma.billing.desk import release
    from opensma.book.store import open_book

    made = release(open_book(book), parse_period(period_name), _now(), by)
    return _show(made, as_json, released=True)


@group.command("reverse")
@period_option
@click.option(
    "--invoice", "invoice_ids", multiple=True, metavar="ID", help="Only this one; repeatable."
)
@book_option
@json_option
def reverse_command(
    period_name: str, invoice_ids: tuple[str, ...], book: str, as_json: bool
) -> None:
    """Take a period's invoices back by new entries; `run` then bills it again, corrected."""
    from opensma.billing.cycle import parse_period
    from opensma.billing.desk import take_back
    from opensma.book.store import open_book

    done = take_back(open_book(book), parse_period(period_name), _now(), invoice_ids)
    if as_json:
        pairs = [
            {"invoice": a.invoice_id, "reversal": b.invoice_id, "cents": b.amount_cents}
            for a, b in done.pairs
        ]
        emit_json({"run_id": done.run_id or None, "reversed": pairs})
        return
    rows = [
        (a.agreement, a.kind, a.invoice_id, b.invoice_id, dollars(b.amount_cents))
        for a, b in done.pairs
    ]
    if rows:
        table("Reversed", ("agreement", "kind", "invoice", "reversal", "amount"), rows)
    else:
        click.echo(f"No invoice of {period_name} stands: there is nothing to reverse.")


@group.command("show")
@click.argument("invoice_id", metavar="INVOICE")
@book_option
@json_option
def show_command(invoice_id: str, book: str, as_json: bool) -> None:
    """One released invoice: every line in words, and what each payee gets."""
    from opensma.billing.desk import invoice_document
    from opensma.book.store import open_book

    document: dict[str, Any] = invoice_document(open_book(book), invoice_id)
    if as_json:
        emit_json(document)
        return
    head = document["invoice"]
    state = "stands" if document["stands"] else "was taken back or takes one back"
    click.echo(
        f"{head['agreement']} version {head['agreement_version']}, {head['kind']} of "
        f"{head['period']} for {head['service_start']} to {head['service_end']}; it {state}."
    )
    click.echo(
        f"Billed value {dollars(head['value_cents'])}, excluded {dollars(head['excluded_cents'])}."
    )
    lines = [
        (x["account_id"], x["kind"], _version(x), x["sentence"], dollars(x["amount_cents"]))
        for x in document["lines"]
    ]
    table("", ("account", "line", "schedule", "how", "amount"), lines)
    paid = [
        (p["account_id"], p["role"], p["payee"], p["paying_account_id"], dollars(p["amount_cents"]))
        for p in document["payouts"]
    ]
    table("", ("account", "role", "payee", "paid from", "gets"), paid)
    click.echo(f"Total {dollars(head['amount_cents'])}.")


def _version(line: dict[str, Any]) -> str:
    return f"{line['schedule']} v{line['schedule_version']}" if line["schedule"] else ""


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _show(made: Released, as_json: bool, *, released: bool) -> int:
    """Print a preview or a run; the exit code."""
    from opensma.billing.desk import as_document, payee_totals

    billed = sum(d.invoice.amount_cents for d in made.invoices if d.invoice)
    nothing = not made.drafts.drafts
    status = "preview" if not released else "released" if made.run_id else "held"
    way = made.bridge
    document: dict[str, Any] = {
        "period": made.drafts.period.name,
        "status": "nothing_to_do" if nothing else status,
        "run_id": made.run_id or None,
        "billed_cents": billed,
        "payouts": payee_totals(made.invoices),
        "invoices": [as_document(d) for d in made.invoices],
        "held": [as_document(d) for d in made.held],
        "already": [{"agreement": r.agreement, "invoice": r.invoice_id, "cents": r.amount_cents}
                    for r in made.drafts.already],
        "sample": [asdict(e) for e in made.sample],
        "bridge": asdict(way) if way else None,
    }  # fmt: skip
    if as_json:
        emit_json(document)
    else:
        _print(made, document, released)
    return 1 if made.held else 0


def _print(made: Released, document: dict[str, Any], released: bool) -> None:
    period, already = document["period"], len(made.drafts.already)
    if not made.drafts.drafts and already:
        count = "1 invoice stands" if already == 1 else f"{already:,} invoices stand"
        click.echo(f"{period} is billed already: {count}, nothing was changed.")
        return
    if not made.drafts.drafts:
        click.echo(f"No agreement is billed for {period}: load some with sma bill schedules.")
        return
    rows = [
        (d.agreement, d.invoice.kind, d.invoice.invoice_id, dollars(d.invoice.value_cents),
         f"{d.invoice.service_start} to {d.invoice.service_end}", dollars(d.invoice.amount_cents))
        for d in made.invoices[:_SHOWN] if d.invoice
    ]  # fmt: skip
    if rows:
        title = "Released" if released else "Would be released"
        columns = ("agreement", "kind", "invoice", "billed value", "served", "amount")
        table(f"{title}: {period}", columns, rows)
        payouts = [(p["role"], p["payee"], dollars(p["cents"])) for p in document["payouts"]]
        table("", ("role", "payee", "gets"), payouts)
    findings = [
        ("hold" if f.severity == "error" else "note", f.code, f.where, f.what, f.remedy)
        for d in made.drafts.drafts for f in d.findings
    ]  # fmt: skip
    if findings:
        table("Checks", ("", "code", "where", "what", "remedy"), findings[:_SHOWN])
    hidden = max(len(made.invoices), len(findings)) - _SHOWN
    if hidden > 0:
        note(f"{hidden:,} more rows: --json has all of them.")
    way = made.bridge
    if way and way.before_cents:
        steps = [(name, dollars(cents)) for name, cents in way.steps.items() if cents]
        ends = (way.before, dollars(way.before_cents)), (period, dollars(way.now_cents))
        table("From the period before", ("", "amount"), [ends[0], *steps, ends[1]])
    if made.sample:
        differ = sum(e.billed_cents != e.recomputed_cents for e in made.sample)
        click.echo(f"Recomputed another way: {len(made.sample):,} accounts, {differ:,} differ.")
    click.echo(
        f"Invoices: {len(made.invoices):,}, {dollars(document['billed_cents'])} billed. "
        f"Agreements held: {len(made.held):,}. Billed before: {already:,}."
    )
