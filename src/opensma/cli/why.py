"""`sma why`: the whole record of one trade, from the decision to the journal."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import click

from opensma.cli.account import trade_document
from opensma.cli.output import book_option, emit_json, json_option, plain, table

if TYPE_CHECKING:
    from opensma.book.records import TradeRecord
    from opensma.book.tradeviews import LotSold


@click.command("why")
@click.argument("trade_id", metavar="TRADE_ID")
@book_option
@json_option
def command(trade_id: str, book: str, as_json: bool) -> None:
    """Explain one trade: its reason, lot, tax, risk and cost, its order, fill and journal entries.

    Trade ids are listed by `sma account why ID`.
    """
    from opensma.book.records import trade_record
    from opensma.book.store import open_book
    from opensma.report.explain import why_traded

    record = trade_record(open_book(book), trade_id)
    why = why_traded(record.trade, record.decision)
    if as_json:
        document = plain(record)
        document["decision"] = {
            "plan": record.decision.plan,
            "gap": record.decision.gap,
            "gap_bps": record.decision.gap_bps,
        }
        emit_json({**document, "trade": trade_document(record.trade), "why": why})
        return
    click.echo(f"{trade_id}  {record.account.name}")
    click.echo(textwrap.fill(why, 98))
    table("", ("decided", "dollars"), _decided(record))
    if record.trade.lot is not None:
        table("The lot sold", ("fact", "value"), _lot(record.trade.lot))
    table("What happened to it", ("step", "record"), _steps(record))
    if record.matches:
        rows = [
            (
                str(match.day),
                f"{match.loss_account_id} lot {match.loss_lot}",
                f"{match.into_account_id} lot {match.into_lot}",
                _shares(match.quantity_micros),
                _money(match.disallowed_cents),
                "gone for good" if match.permanent else "moved into the basis",
            )
            for match in record.matches
        ]
        columns = ("day", "sold at a loss", "replaced by", "shares", "loss", "which is")
        table("Wash sales", columns, rows)


def _decided(record: TradeRecord) -> list[tuple[str, str]]:
    from opensma.report.reasons import label
    from opensma.report.words import money, percent, signed_money

    trade, plan = record.trade, record.decision.plan
    rows = [
        ("reason", label(trade.reason)),
        ("notional", money(trade.notional_cents)),
        ("risk", signed_money(trade.risk_cents)),
        ("tax", signed_money(trade.tax_cents)),
        ("cost", signed_money(trade.cost_cents)),
        ("change of the objective", signed_money(trade.total_cents)),
    ]
    if trade.shadow_cents:
        rows.append(("risk at the cap's multiplier", signed_money(trade.shadow_cents)))
    if plan is not None:
        change = plan.objective_cents - plan.objective_before_cents
        te = f"{percent(plan.te_before)} -> {percent(plan.te_after)}"
        rows += [
            ("the whole plan", signed_money(change)),
            ("its tracking error", te),
            ("its binding constraints", ", ".join(plan.binding_names) or "none"),
        ]
    return rows


def _lot(lot: LotSold) -> list[tuple[str, str]]:
    from opensma.report.words import signed_money

    term = "long-term" if lot.long_term else f"short-term; long-term from {lot.long_from}"
    rows = [
        ("lot", str(lot.lot)),
        ("acquired", str(lot.acquired)),
        ("holding period from", str(lot.holding_from)),
        ("term", term),
        ("shares in the lot before", _shares(lot.held_micros)),
        ("basis of the shares sold", _money(lot.basis_cents)),
        ("proceeds after cost", _money(lot.proceeds_cents)),
        ("gain", signed_money(lot.gain_cents)),
        ("rate", f"{lot.rate_micros / 10_000:.1f}%" if lot.taxed else "none: retirement account"),
    ]
    if lot.wash_until is not None:
        rows.append(("wash window", f"no purchase by the taxpayer through {lot.wash_until}"))
        rows.append(("loss disallowed so far", _money(lot.disallowed_cents)))
    return rows


def _steps(record: TradeRecord) -> list[tuple[str, str]]:
    from opensma.units import MICROS

    plan, order, fill, given = (
        record.decision.plan,
        record.order,
        record.fill,
        record.allocation,
    )
    steps = [("review", plan.review if plan else "none")]
    if order is not None and fill is not None and given is not None:
        block = f"{order.side} {_shares(order.quantity_micros)} for {order.accounts:,} accounts"
        price = f"{fill.price_micros / MICROS:,.2f}"
        part = f"{_shares(given.quantity_micros)} for {_money(given.notional_cents)}"
        place = f"number {order.position + 1:,} of the day, {order.route}"
        steps += [
            ("order", f"{order.order_id}: {block}, {place}"),
            ("fill", f"{fill.fill_id}: {_shares(fill.quantity_micros)} at {price}"),
            ("allocation", f"{part}, fee {_money(given.fee_cents)}"),
        ]
    else:
        steps.append(("order", "not sent"))
    for entry in record.entries:
        place = f"{entry.account_id} entry {entry.seq}: {entry.kind}, {entry.source_id}"
        dates = f"traded {entry.trade_day}, settles {entry.settle_day}"
        steps.append(("journal", f"{place}; {dates}; {entry.hash[:16]}"))
    return steps


def _shares(micros: int) -> str:
    from opensma.units import shares

    return shares(micros)


def _money(cents: int) -> str:
    from opensma.report.words import money

    return money(cents)
