"""`sma bill collect` and `sma bill open`: fees leave accounts' cash, and what is still to come."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from opensma.cli.output import book_option, date_option, emit_json, json_option, note, table
from opensma.units import dollars

if TYPE_CHECKING:
    from opensma.billing.debits import Collected, Item

_SHOWN = 50  # rows in the terminal; --json has them all


@click.command("collect")
@click.option("--period", "period_name", required=True, metavar="PERIOD", help="As 2024Q4.")
@date_option(help="The day on which cash moves; without it the next session to be run.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the debits that are sent as CSV: account, amount, period, invoice, key.",
)
@click.option(
    "--results",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Book a custodian's answers (CSV: key,status,amount,reason) and send nothing new.",
)
@click.option("--await-results", is_flag=True, help="Send only: cash moves when results come.")
@click.option("--retry", is_flag=True, help="Send again what was rejected, and rests of partials.")
@book_option
@json_option
def collect_command(
    period_name: str,
    date: date | None,
    out: Path | None,
    results: Path | None,
    await_results: bool,
    retry: bool,
    book: str,
    as_json: bool,
) -> int:
    """Debit a period's fees from the paying accounts, and give refunds and reversals back.

    Without results every debit counts as accepted. What cash does not cover is listed, not sent.
    Exit code 1 when something stays open.
    """
    from opensma.billing.cycle import parse_period
    from opensma.billing.debits import collect, debit_file, read_answers
    from opensma.book.store import open_book

    parse_period(period_name)
    _check_options(results, out, await_results=await_results, retry=retry)
    done = collect(
        open_book(book),
        period_name,
        datetime.now(UTC).isoformat(timespec="seconds"),
        day=date,
        answers=None if results is None else read_answers(results),
        await_results=await_results,
        retry=retry,
    )
    if out is not None:
        out.write_text(debit_file(done.debits), encoding="utf-8")
    if as_json:
        emit_json(_document(period_name, done))
    else:
        _print(period_name, done, out)
    return 1 if done.shortfalls or done.held or done.findings else 0


def _check_options(
    results: Path | None, out: Path | None, *, await_results: bool, retry: bool
) -> None:
    from opensma.errors import InputError

    if results is not None and (out is not None or await_results or retry):
        raise InputError(
            "billing.options",
            "Results answer debits that were sent; nothing new is sent with them.",
            where="--results",
            remedy="Leave --out, --await-results and --retry away, or run them first.",
        )


def _document(period: str, done: Collected) -> dict[str, object]:
    return {
        "period": period,
        "day": done.day,
        "status": "done" if done.debits or done.results else "nothing_to_do",
        "debits": [asdict(d) for d in done.debits],
        "results": [asdict(r) for r in done.results],
        "shortfalls": [asdict(s) for s in done.shortfalls],
        "held": [_item(i) for i in done.held],
        "findings": [f.as_dict() for f in done.findings],
        "settled": done.settled,
    }


def _item(item: Item) -> dict[str, object]:
    return {
        "invoice": item.cites,
        "agreement": item.invoice.agreement,
        "period": item.invoice.period,
        "account": item.account_id,
        "due_cents": item.due_cents,
        "paid_cents": item.paid_cents,
        "open_cents": item.open_cents,
        "state": item.state,
        "since": item.since,
    }


def _print(period: str, done: Collected, out: Path | None) -> None:
    if not (done.debits or done.results or done.shortfalls or done.held):
        click.echo(
            f"{period} is collected already: {done.settled:,} items are settled, nothing moved."
            if done.settled
            else f"{period} has no standing invoice: there is nothing to collect."
        )
        return
    results = {r.debit_id: r for r in done.results}
    rows = [
        (d.paying_account_id, dollars(d.amount_cents), d.invoice_id, d.debit_id,
         results[d.debit_id].status if d.debit_id in results else "sent")
        for d in done.debits[:_SHOWN]
    ]  # fmt: skip
    if rows:
        table(f"Debits: {period}", ("account", "amount", "invoice", "key", "result"), rows)
    if not done.debits and done.results:
        answered = [(r.debit_id, r.status, dollars(r.paid_cents), r.reason) for r in done.results]
        table("Results", ("key", "status", "moved", "reason"), answered[:_SHOWN])
    if done.shortfalls:
        short = [
            (s.account_id, s.invoice_id, dollars(s.amount_cents), dollars(s.cash_cents))
            for s in done.shortfalls
        ]
        table("Not enough settled cash", ("account", "invoice", "amount", "cash"), short[:_SHOWN])
    if done.held:
        _items("Waiting: no retry without an answer or --retry", done.held)
    for finding in done.findings:
        note(f"{finding.code} {finding.where}: {finding.what} {finding.remedy}")
    moved = sum(r.paid_cents for r in done.results)
    click.echo(
        f"Sent {len(done.debits):,} debits; {dollars(moved)} moved on {done.day}. "
        f"Not sent for lack of cash: {len(done.shortfalls):,}. Waiting: {len(done.held):,}."
        + (f" Debit file: {out}." if out is not None else "")
    )


def _items(title: str, some: list[Item]) -> None:
    rows = [
        (i.account_id, i.invoice.period, i.cites, dollars(i.due_cents), dollars(i.open_cents),
         i.state)
        for i in some[:_SHOWN]
    ]  # fmt: skip
    table(title, ("account", "period", "invoice", "due", "open", "state"), rows)


@click.command("open")
@date_option(help="Count ages to this day; without it to the newest day of the book.")
@book_option
@json_option
def open_command(date: date | None, book: str, as_json: bool) -> int:
    """Fees that are billed and not settled, with their age, and the receivables' balance (F23).

    Exit code 1 when a custodian's result differs from its instruction.
    """
    from opensma.billing.debits import fee_balance, item_findings, open_items
    from opensma.book.store import open_book

    opened = open_book(book)
    some, balance = open_items(opened), fee_balance(opened)
    until = date or balance.day
    findings = item_findings(some)
    ages = [max(0, (until - item.since).days) for item in some]
    if as_json:
        emit_json({
            "day": until,
            "items": [{**_item(i), "age_days": a} for i, a in zip(some, ages, strict=True)],
            "balance": {"receivable_cents": balance.receivable_cents,
                        "collected_cents": balance.collected_cents,
                        "payable_cents": balance.payable_cents},
            "findings": [f.as_dict() for f in findings],
        })  # fmt: skip
        return 1 if findings else 0
    rows = [
        (i.account_id, i.invoice.agreement, i.invoice.period, i.cites, dollars(i.due_cents),
         dollars(i.open_cents), i.state, age)
        for i, age in zip(some[:_SHOWN], ages, strict=False)
    ]  # fmt: skip
    columns = ("account", "agreement", "period", "invoice", "due", "open", "state", "days")
    if rows:
        table(f"Open on {until}", columns, rows)
    for finding in findings:
        note(f"{finding.code} {finding.where}: {finding.what} {finding.remedy}")
    click.echo(
        f"Open items: {len(some):,}. Billed for payees {dollars(balance.payable_cents)} = "
        f"collected {dollars(balance.collected_cents)} + receivable "
        f"{dollars(balance.receivable_cents)}."
    )
    return 1 if findings else 0
