"""A change of the model before it is released: every account's next plan with it and without.

Nothing is written. Each household is solved as a day would, with the new weights in the place of
the old; what an account excludes or may not sell still holds.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np

from opensma.book.master import AccountRecord
from opensma.book.store import Book
from opensma.construct.problem import Floats
from opensma.errors import BookError, InputError
from opensma.trade.standing import ReadyDay, standing
from opensma.trade.what_if import Outlook, outlook

COLUMNS = ("symbol", "weight")
_TOLERATED = 0.001  # that weights may miss their sum by


@dataclass(frozen=True, slots=True)
class Effect:
    """One account: its next plan as things stand and with the new model; `why` where none is."""

    account_id: str
    before: Outlook | None
    after: Outlook | None
    te_untraded: float  # against the new model, if nothing were traded
    turnover: float
    why: str = ""

    @property
    def solved(self) -> bool:
        """Whether both plans exist."""
        return bool(self.before and self.after and self.before.solved and self.after.solved)


@dataclass(frozen=True, slots=True)
class EffectTotals:
    """Sums over the accounts with both plans, cents; means of tracking error."""

    accounts: int
    unsolved: int
    trades: int
    tax_cents: int
    cost_cents: int
    short_gain_cents: int
    long_gain_cents: int
    te_untraded: float
    te_after: float
    turnover: float


def read_model(text: str, ready: ReadyDay) -> Floats:
    """(n,) weights of what is invested, sum 1, from CSV; InputError names line and field."""
    rows = list(csv.reader(io.StringIO(text.strip())))
    if not rows or [cell.strip().lower() for cell in rows[0]] != list(COLUMNS):
        raise _wrong(1, "The first line must be symbol,weight.")
    place = {symbol.upper(): row for row, symbol in enumerate(ready.symbols)}
    weights = np.zeros(len(ready.symbols))
    for line, cells in enumerate(rows[1:], 2):
        if not cells:
            continue
        if len(cells) != 2 or cells[0].strip().upper() not in place:
            raise _wrong(line, f"'{','.join(cells)[:60]}' names no security of the day.")
        row = place[cells[0].strip().upper()]
        if weights[row]:
            raise _wrong(line, f"'{cells[0].strip()}' stands there twice.")
        weights[row] = _weight(cells[1].strip(), line)
    total = float(weights.sum())
    if abs(total - 1.0) > _TOLERATED:
        raise _wrong(len(rows), f"The weights add up to {total:.4f}, not to 1.")
    return np.asarray(weights / total)


def preview(
    book: Book, ready: ReadyDay, accounts: Sequence[AccountRecord], target: Floats
) -> Iterator[Effect]:
    """The effect on each of these accounts, one after another."""
    for account in accounts:
        try:
            yield _effect(book, ready, account.account_id, target)
        except (BookError, InputError) as error:
            yield Effect(account.account_id, None, None, 0.0, 0.0, error.message)


def sample(accounts: Sequence[AccountRecord], most: int) -> list[AccountRecord]:
    """The same accounts for the same book, drawn by their ids, in order of id."""
    drawn = sorted(accounts, key=lambda a: sha256(a.account_id.encode()).digest())[:most]
    return sorted(drawn, key=lambda a: a.account_id)


def totals(effects: Sequence[Effect]) -> EffectTotals:
    """What the change comes to over accounts with both plans."""
    good = [e for e in effects if e.solved]
    pairs = [(e.before, e.after) for e in good if e.before is not None and e.after is not None]
    return EffectTotals(
        accounts=len(effects),
        unsolved=len(effects) - len(good),
        trades=sum(a.trades - b.trades for b, a in pairs),
        tax_cents=sum(a.tax_cents - b.tax_cents for b, a in pairs),
        cost_cents=sum(a.cost_cents - b.cost_cents for b, a in pairs),
        short_gain_cents=sum(a.short_gain_cents - b.short_gain_cents for b, a in pairs),
        long_gain_cents=sum(a.long_gain_cents - b.long_gain_cents for b, a in pairs),
        te_untraded=_mean([e.te_untraded for e in good]),
        te_after=_mean([a.tracking_error for _, a in pairs]),
        turnover=_mean([e.turnover for e in good]),
    )


def _effect(book: Book, ready: ReadyDay, account_id: str, target: Floats) -> Effect:
    stands = standing(book, ready, account_id)
    place = stands.position
    accounts = tuple(  # what an account keeps in cash it keeps
        replace(one, target=target * float(one.target.sum())) for one in stands.taxpayer.accounts
    )
    before = stands.plans(stands.taxpayer)[place]
    after = stands.plans(replace(stands.taxpayer, accounts=accounts))[place]
    return Effect(
        account_id,
        outlook(ready, stands.account, before),
        outlook(ready, accounts[place], after),
        after.te_before,
        after.turnover,
        ready.named(after.message) if after.message else "",
    )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _weight(text: str, line: int) -> float:
    try:
        value = float(text.removesuffix("%")) / (100.0 if text.endswith("%") else 1.0)
    except ValueError:
        raise _wrong(line, f"'{text}' is no weight.") from None
    if not 0.0 <= value <= 1.0:
        raise _wrong(line, f"'{text}' is not between 0 and 1.")
    return value


def _wrong(line: int, what: str) -> InputError:
    return InputError(
        "model.weights", what, where=f"model, line {line}",
        remedy="One security a line: symbol and weight, as 0.021 or 2.1%, adding up to 1.",
    )  # fmt: skip
