"""`sma day preview-model`: what new weights would do to every account, before they are released."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from opensma.cli.output import book_option, emit_json, json_option, note, progress, table


@click.command("preview-model")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@book_option
@click.option("--accounts", "most", type=click.IntRange(min=1), default=None, metavar="N",
              help="Only a sample of N, drawn by id.  [default: all]")  # fmt: skip
@json_option
def command(file: Path, book: str, most: int | None, as_json: bool) -> None:
    """Decide accounts with today's model and with FILE's weights; nothing is saved.

    FILE is CSV with the columns symbol and weight.
    """
    from opensma.book.market_link import market_of
    from opensma.book.store import open_book
    from opensma.book.visible import visible_accounts
    from opensma.trade.model_change import preview, read_model, sample, totals
    from opensma.trade.standing import ready_day, standing_day

    opened = open_book(book)
    market = market_of(opened, None)
    ready = ready_day(opened, market, standing_day(opened, market))
    target = read_model(file.read_text("utf-8-sig"), ready)
    with opened.read() as connection:
        accounts = visible_accounts(connection, None)
    chosen = accounts if most is None else sample(accounts, most)
    effects = []
    with progress(len(chosen), "accounts") as advance:
        for effect in preview(opened, ready, chosen, target):
            effects.append(effect)
            advance(1)
    sums = totals(effects)
    if as_json:
        emit_json({"totals": asdict(sums), "accounts": [asdict(e) for e in effects]})
        return
    table("", ("figure", "value"), [(n.replace("_", " "), v) for n, v in asdict(sums).items()])
    for one in [e for e in effects if not e.solved][:20]:
        note(f"{one.account_id}: {one.why}")
