"""One lot, or the part of a lot that has its own basis and dates (W23), and how it is cut (D3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import lru_cache
from typing import Any

from opensma.tax.holding import long_term_from
from opensma.tax.replay.exact import Quantity, cut, exact


@lru_cache(maxsize=1 << 16)
def long_from(holding_day: int) -> int:
    """First day on which a sale is long-term (H2); a history asks for the same days often."""
    return long_term_from(holding_day)


@dataclass(slots=True)
class Dividend:
    """A dividend of one security: who was entitled, and how long each share was held (Q3)."""

    security: str
    ex_day: int
    per_share: Fraction
    # (account, lot) -> days held -> shares; in order of entitlement.
    held: dict[tuple[int, str], dict[int, Quantity]] = field(default_factory=dict)


@dataclass(slots=True)
class Claim:
    """Shares of a lot that were entitled to a dividend, in shares of its ex-date."""

    dividend: Dividend
    account: int
    lot: str
    quantity: Quantity


@dataclass(slots=True, eq=False)
class Lot:
    """Open shares of one account and security that are alike in everything (D8, H5)."""

    account: int
    security: int
    lot: str
    acquisition: str  # purchase order (W8)
    acquired_day: int
    sequence: int  # of the event that brought it (L6)
    holding_day: int
    quantity: Quantity  # micros
    basis_cents: int  # wash adjustments included
    wash_cents: int = 0
    used: bool = False  # has absorbed a loss (W7)
    purchase: bool = True  # bought, so it may replace (W2)
    inherited: bool = False  # always long-term (H6)
    loss_basis_cents: int | None = None  # a gift worth less than its basis (G2, G5)
    claims: list[Claim] = field(default_factory=list)
    part: int = 0  # number of a part that a wash sale cut off, so that a sale can name it (D8, W23)
    serial: int = 0  # of arrival in a position; 0 before it is in one

    def is_long(self, day: int) -> bool:
        """Whether a sale on the day is long-term (H2, H6)."""
        return self.inherited or day >= long_from(self.holding_day)

    def unit_basis(self) -> Fraction:
        """Cents per micro, exact."""
        return Fraction(self.basis_cents) / self.quantity

    def cut(self, quantity: Quantity) -> Lot:
        """Take shares off as a part of their own; the rest keeps the remainder (D3)."""
        part = Lot(  # by hand: `dataclasses.replace` took a fifth of a replay
            self.account,
            self.security,
            self.lot,
            self.acquisition,
            self.acquired_day,
            self.sequence,
            self.holding_day,
            quantity,
            cut(self.basis_cents, quantity, self.quantity),
            cut(self.wash_cents, quantity, self.quantity) if self.wash_cents else 0,
            self.used,
            self.purchase,
            self.inherited,
        )
        self.basis_cents -= part.basis_cents
        self.wash_cents -= part.wash_cents
        if self.loss_basis_cents is not None:
            part.loss_basis_cents = cut(self.loss_basis_cents, quantity, self.quantity)
            self.loss_basis_cents -= part.loss_basis_cents
        part.part = self.part
        if self.claims:
            part.claims = [_cut_claim(claim, quantity, self.quantity) for claim in self.claims]
        self.quantity = exact(self.quantity - quantity)
        return part

    def share_loss_basis(self, child: Lot, fraction: Fraction) -> None:
        """Divide the loss basis with a spun-off lot like the basis (G5, C3)."""
        if self.loss_basis_cents is not None:
            child.loss_basis_cents = cut(
                self.loss_basis_cents, fraction.numerator, fraction.denominator
            )
            self.loss_basis_cents -= child.loss_basis_cents


def _cut_claim(claim: Claim, quantity: Quantity, whole: Quantity) -> Claim:
    part = exact(claim.quantity * Fraction(quantity) / whole)
    claim.quantity = exact(claim.quantity - part)
    return replace(claim, quantity=part)


@dataclass(slots=True, eq=False)
class ShortLot:
    """Shares sold short: the opening amount is the proceeds of the closing (S1)."""

    account: int
    security: int
    lot: str
    opened_day: int
    sequence: int
    quantity: Quantity
    proceeds_cents: int
    long_held: Quantity = 0  # own stock held for over a year at the opening (S4)


@dataclass(slots=True, eq=False)
class Closed:
    """One slice that left: `gain = proceeds - basis + disallowed` (F2)."""

    account: int
    security: str  # its name on the day
    lot: str
    quantity: Quantity
    acquired_day: int
    holding_day: int
    sold_day: int
    proceeds_cents: int
    basis_cents: int
    long_term: bool
    kind: str = ""
    inherited: bool = False
    disallowed_cents: int = 0
    permanent_cents: int = 0
    replaced_by: tuple[str, Quantity] | None = None
    part: int = 0  # as in `Lot`
    event: int = 0  # sequence number of the event that closed it
    # The shares that replaced it, as they were then: account, security, day bought, part.
    replacement: tuple[int, str, int, int] | None = None
    short: ShortLot | None = None  # what a closing of a short sale closed
    instruction: Mapping[str, Any] | None = None  # who chose the lot, where that was said (L2)

    @property
    def gain_cents(self) -> int:
        """Recognised gain or loss."""
        return self.proceeds_cents - self.basis_cents + self.disallowed_cents

    def cut(self, quantity: Quantity) -> Closed:
        """Take shares off as a row of their own; the rest keeps the remainder (D3)."""
        part = Closed(  # by hand, as above
            self.account,
            self.security,
            self.lot,
            quantity,
            self.acquired_day,
            self.holding_day,
            self.sold_day,
            cut(self.proceeds_cents, quantity, self.quantity),
            cut(self.basis_cents, quantity, self.quantity),
            self.long_term,
            self.kind,
            self.inherited,
            self.disallowed_cents,
            self.permanent_cents,
            self.replaced_by,
            self.part,
            self.event,
            self.replacement,
            self.short,
            self.instruction,
        )
        self.proceeds_cents -= part.proceeds_cents
        self.basis_cents -= part.basis_cents
        self.quantity = exact(self.quantity - quantity)
        return part
