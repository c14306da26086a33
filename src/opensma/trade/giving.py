"""A gift of securities as an owner sees it: which lots to give for an amount, and what that saves.

Nothing is written: the gift itself is booked from a file of actions once it was made.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from opensma.construct.motion.gifts import Gift, GiftLot, gift
from opensma.construct.motion.moving import Moving
from opensma.trade.standing import Standing
from opensma.units import CENTS

MOST_LOTS = 40
_NAMED = 25  # lots in words


@dataclass(frozen=True, slots=True)
class GivenLot:
    """A part of a lot, cents; `long_since`: the ISO day on which it turned long-term."""

    symbol: str
    long_since: str
    shares: float
    value_cents: int
    basis_cents: int
    tax_avoided_cents: int

    @property
    def gain_cents(self) -> int:
        """Gain that nobody pays tax on."""
        return self.value_cents - self.basis_cents


@dataclass(frozen=True, slots=True)
class GiftChoice:
    """One way to give, and the account before and after; the largest lots first."""

    with_risk: bool  # ranked by tax avoided and risk, else by gain alone
    lots: tuple[GivenLot, ...]
    lots_in_all: int
    value_cents: int
    gain_cents: int
    tax_avoided_cents: int
    te_before: float
    te_given: float
    te_after: float | None  # after the next plan; None where there is none
    message: str


def gift_choices(stands: Standing, cents: int) -> list[GiftChoice]:
    """The choices for an amount; InputError gift.amount where the lots are worth less."""
    day = stands.ready.ordinal
    moving = Moving.start(
        stands.account, stands.long_from[stands.account_id], stands.taxpayer.loss_groups, day
    )
    return [_choice(stands, one) for one in gift(stands.ready.prepared, moving, day, cents / CENTS)]


def gift_words(choice: GiftChoice) -> str:
    """The wish in words, for the request: every lot with its day."""
    some = choice.lots[:_NAMED]
    parts = [f"{x.shares:g} {x.symbol} (long-term since {x.long_since})" for x in some]
    rest = choice.lots_in_all - len(some)
    more = f" and {rest} more lots" if rest > 0 else ""
    return f"Please give to charity: {', '.join(parts)}{more}."


def _choice(stands: Standing, one: Gift) -> GiftChoice:
    lots = sorted(one.lots, key=lambda x: (-x.value, x.security, x.lot))
    return GiftChoice(
        one.with_risk,
        tuple(_lot(stands, x) for x in lots[:MOST_LOTS]),
        len(lots),
        round(one.value * CENTS),
        round(one.gain * CENTS),
        round(one.tax_avoided * CENTS),
        one.te_before,
        one.te_given,
        one.te_after if one.status == "solved" else None,
        one.message,
    )


def _lot(stands: Standing, lot: GiftLot) -> GivenLot:
    since = int(stands.long_from[stands.account_id][lot.lot])
    return GivenLot(
        stands.ready.symbols[lot.security],
        date.fromordinal(since).isoformat(),
        lot.shares,
        round(lot.value * CENTS),
        round(lot.basis * CENTS),
        round(lot.tax_avoided * CENTS),
    )
