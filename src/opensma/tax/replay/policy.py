"""Every switch where the law is silent or disputed, in one place, with its default (P1 to P9)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from opensma.errors import InputError

METHODS = (
    *("FIFO", "LIFO", "HIFO", "HICO", "HC", "LOFO", "HICL", "HICS", "TLO"),
    *("MLG", "MLL", "MSG", "MSL", "SPECIFIC", "AVERAGE"),
)


@dataclass(frozen=True, slots=True)
class Policy:
    """The readings a replay uses; stamped on its answer. Values and reasons: `docs/tax.md`."""

    sold_together: str = "order"  # P1
    earlier_acquired: str = "eligible"  # P2
    zero_gain: str = "gain"  # P3
    sublot_depletion: str = "adjusted_first"  # P4
    spouse_adjustment: str = "carry"  # P5
    view: str = "taxpayer"  # P6
    wash_sales: str = "on"  # P7
    jurisdiction: str = "US"  # P7
    cash_in_lieu_lot: str = "fifo"  # P8
    unknown_basis: str = "block"  # P9
    review: str = "off"  # W24, S4, S5: what a person has to look at

    @property
    def washes(self) -> bool:
        """Whether there is a wash sale rule at all: Pennsylvania has none (W26)."""
        return self.wash_sales == "on" and self.jurisdiction == "US"

    @staticmethod
    def of(values: Mapping[str, object]) -> Policy:
        """From the names and values of a case. InputError policy.unknown."""
        for name, value in values.items():
            if value not in VALUES.get(name, ()):
                allowed = f"one of {', '.join(VALUES[name])}" if name in VALUES else "no policy"
                raise InputError(
                    "policy.unknown",
                    f"'{name}: {value}' is not known: '{name}' is {allowed}.",
                    where="policy",
                    remedy=f"Policies are {', '.join(VALUES)}.",
                )
        return Policy(**{name: str(value) for name, value in values.items()})

    def as_dict(self) -> dict[str, str]:
        """Plain form, to be kept beside every result; a review stands there where it was made."""
        values = asdict(self)
        if self.review == "off":
            del values["review"]
        return values


VALUES: dict[str, tuple[str, ...]] = {
    "sold_together": ("order", "line"),
    "earlier_acquired": ("eligible", "ignored"),
    "zero_gain": ("gain", "own_class"),
    "sublot_depletion": ("adjusted_first", "unadjusted_first"),
    "spouse_adjustment": ("carry", "lost"),
    "view": ("taxpayer", "broker"),
    "wash_sales": ("on", "off"),
    "jurisdiction": ("US", "PA"),
    "cash_in_lieu_lot": ("fifo", "fraction"),
    "unknown_basis": ("block", "zero"),
    "review": ("off", "on"),
}
