"""Restrictions of the file as the limits of every account."""

from __future__ import annotations

import numpy as np

from opensma.cli.construct_files.layout import bad
from opensma.cli.construct_files.reader import Columns
from opensma.construct.problem import Limits, Universe
from opensma.errors import InputError

MASKS = ("exclude", "no_buy", "no_sell")
WEIGHTS = ("max_weight", "sector_max", "sector_min")


def account_limits(
    table: Columns, universe: Universe, row_of: dict[str, int], position: dict[str, int]
) -> list[Limits]:
    """One `Limits` per account; of two limits on the same thing the tighter holds."""
    free = _free(universe)  # shared by accounts without wishes: nobody writes into it
    limits = [free] * len(position)
    sectors = {name: code for code, name in enumerate(universe.sector_name)}
    names = ("row", "account_id", "kind", "key", "value")
    for row, account, kind, key, value in zip(*(table[name] for name in names), strict=True):
        place = f"row {row}"
        if account not in position:
            raise _unknown("account", account, f"account_id, {place}", "Correct the account.")
        number = position[account]
        if limits[number] is free:
            limits[number] = _free(universe)
        mine = limits[number]
        if kind in MASKS:
            mask = getattr(mine, kind)
            if key in row_of:
                mask[row_of[key]] = True
            elif key in sectors:
                mask[universe.sector == sectors[key]] = True
            else:
                raise _unknown("security", key, f"key, {place}", "Correct the key.")
            continue
        if kind not in WEIGHTS:
            known = ", ".join((*MASKS, *WEIGHTS))
            raise _unknown("kind", kind, f"kind, {place}", f"Use one of {known}.")
        if not 0.0 <= value <= 1.0:
            raise bad(
                "value_range", f"{kind} needs a weight between 0 and 1; the value is {value:g}.",
                f"restrictions.parquet:value, {place}", "Correct the value.",
            )  # fmt: skip
        known_keys = row_of if kind == "max_weight" else sectors
        if key not in known_keys:
            noun = "security" if kind == "max_weight" else "sector"
            raise _unknown(noun, key, f"key, {place}", "Correct the key.")
        bound = getattr(mine, kind)
        tighter = max if kind == "sector_min" else min
        bound[known_keys[key]] = tighter(bound[known_keys[key]], value)
    return limits


def _free(universe: Universe) -> Limits:
    n, sectors = len(universe.security), len(universe.sector_name)
    return Limits(
        exclude=np.zeros(n, dtype=bool),
        no_buy=np.zeros(n, dtype=bool),
        no_sell=np.zeros(n, dtype=bool),
        max_weight=np.full(n, np.inf),
        sector_max=np.full(sectors, np.inf),
        sector_min=np.zeros(sectors),
    )


def _unknown(noun: str, name: object, where: str, remedy: str) -> InputError:
    return bad(
        f"unknown_{noun}", f"There is no {noun} '{name}'.", f"restrictions.parquet:{where}", remedy
    )
