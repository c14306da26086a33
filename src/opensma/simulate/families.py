"""Named kinds of accounts: each makes one thing hard that a mixture would hide.

What is measured and tested per family can be told apart: whole shares bite in small accounts,
the wash rule in households, sheer size in large universes.
"""

from __future__ import annotations

from dataclasses import replace

from opensma.errors import InputError
from opensma.simulate.problems import Recipe

_BASE = Recipe(
    wishes=0.0,
    households=0.0,
    whole=1.0,
    capped=0.0,
    dollars=(500_000.0, 2_000_000.0),
)

LARGER = 6  # times the names and lots of the others: a world index beside a large-cap index

FAMILIES: dict[str, Recipe] = {
    # One account a taxpayer, whole shares, a risk aversion; no wish but the target.
    "base": _BASE,
    # A share costs more than many targets: weights cannot be met, only chosen well.
    "small": replace(_BASE, dollars=(100_000.0, 100_000.0)),
    # Every kind of limit in most accounts, caps on tracking error, recent losses.
    "hard": replace(_BASE, wishes=0.7, capped=0.5, losses=0.7, dollars=(200_000.0, 5_000_000.0)),
    # Two or three accounts a taxpayer, some untaxed: wash sales reach across them.
    "household": replace(_BASE, households=1.0),
    # Fractions of a share: the bound ought to be nearly reached.
    "fractional": replace(_BASE, whole=0.0),
    # Fewer names than the index has, a charge for every ticket, no position too small to keep.
    "few": replace(_BASE, few=1.0),
    # Some of everything, as the accounts of a firm are: households, caps, every kind of limit.
    "mixed": Recipe(),
    # The size of a world index with a full risk model.
    "large": replace(
        _BASE, names=LARGER * _BASE.names, lots=LARGER * _BASE.lots, factors=70, sectors=25
    ),
}


def family(name: str, accounts: int, names: int | None = None, lots: int | None = None) -> Recipe:
    """The recipe of a family for so many accounts; InputError for a name that is none.

    `names` and `lots` replace the family's own.
    """
    if name not in FAMILIES:
        raise InputError(
            "construct.family",
            f"There is no family '{name}'.",
            where="family",
            remedy=f"Use one of {', '.join(FAMILIES)}.",
        )
    recipe = FAMILIES[name]
    return replace(
        recipe,
        accounts=accounts,
        names=recipe.names if names is None else names,
        lots=recipe.lots if lots is None else lots,
    )
