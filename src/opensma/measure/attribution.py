"""Why a return differs from its benchmark: Brinson by segment, and the ladder of a managed account.

Weights are of the beginning of the period (M66). Arrays are (..., segments) for one period,
(..., periods, segments) for many; accounts are stacked in front.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from opensma.measure.conventions import BrinsonModel, Interaction, Linker
from opensma.measure.linking import check_residual, coefficients, compounded
from opensma.measure.refusals import Floats, as_numbers, as_returns, refuse


@dataclass(frozen=True, slots=True)
class Effects:
    """Effects by segment, and the returns they explain; interaction is zero when folded in."""

    allocation: Floats
    selection: Floats
    interaction: Floats
    portfolio: Floats
    benchmark: Floats

    @property
    def excess(self) -> Floats:
        """What there is to explain."""
        return self.portfolio - self.benchmark


def brinson(
    wp: npt.ArrayLike,
    wb: npt.ArrayLike,
    rp: npt.ArrayLike,
    rb: npt.ArrayLike,
    model: BrinsonModel = BrinsonModel.BRINSON_FACHLER,
    interaction: Interaction = Interaction.SEPARATE,
) -> Effects:
    """Allocation, selection and interaction (..., segments) (M62).

    Weights of both sides must sum to the same total, or effects cannot sum to the excess.
    """
    held, wanted = as_numbers(wp, "wp"), as_numbers(wb, "wb")
    own, theirs = as_returns(rp, "rp"), as_returns(rb, "rb")
    if not held.shape == wanted.shape == own.shape == theirs.shape or held.shape[-1:] == (0,):
        refuse("segments", "Each segment needs two weights and two returns.", where="segments")
    portfolio, benchmark = (held * own).sum(axis=-1), (wanted * theirs).sum(axis=-1)
    against = benchmark[..., None] if model is BrinsonModel.BRINSON_FACHLER else 0.0
    allocation = (held - wanted) * (theirs - against)
    selection = wanted * (own - theirs)
    crossed = (held - wanted) * (own - theirs)
    total = (allocation + selection + crossed).sum(axis=-1)
    check_residual(total, portfolio - benchmark)
    if interaction is Interaction.IN_SELECTION:
        selection, crossed = selection + crossed, np.zeros_like(crossed)
    return Effects(allocation, selection, crossed, portfolio, benchmark)


@dataclass(frozen=True, slots=True)
class LinkedEffects:
    """Effects of a whole history; by-segment arrays are (..., segments), the rest (...,)."""

    coefficients: Floats  # (..., periods)
    allocation: Floats
    selection: Floats
    interaction: Floats
    portfolio: Floats
    benchmark: Floats

    @property
    def excess(self) -> Floats:
        """The compounded active return that the effects sum to."""
        return self.portfolio - self.benchmark


def link_effects(effects: Effects, linker: Linker = Linker.CARINO) -> LinkedEffects:
    """Effects (..., periods, segments) linked over the periods (M63)."""
    found = coefficients(effects.portfolio, effects.benchmark, linker)
    parts = [
        np.einsum("...t,...ts->...s", found, e)
        for e in (effects.allocation, effects.selection, effects.interaction)
    ]
    portfolio, benchmark = compounded(effects.portfolio), compounded(effects.benchmark)
    check_residual(sum(p.sum(axis=-1) for p in parts), portfolio - benchmark)
    return LinkedEffects(found, parts[0], parts[1], parts[2], portfolio, benchmark)


@dataclass(frozen=True, slots=True)
class LinkedValues:
    """Named effects after linking: `values` (periods, columns) in the order given."""

    coefficients: Floats
    values: Floats
    portfolio: float
    benchmark: float


def link_values(
    values: npt.ArrayLike, portfolio: Sequence[float], benchmark: Sequence[float], linker: Linker
) -> LinkedValues:
    """Any effects (periods, columns) that sum to the active return of their period (M63)."""
    p, b = as_returns(portfolio, "portfolio"), as_returns(benchmark, "benchmark")
    effects = as_numbers(values, "effects")
    found = coefficients(p, b, linker)
    check_residual(effects.sum(axis=-1), p - b)
    linked = effects * found[:, None]
    total_p, total_b = compounded(p), compounded(b)
    check_residual(linked.sum(), total_p - total_b)
    return LinkedValues(found, linked, float(total_p), float(total_b))


# --- the ladder of a separately managed account --------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ladder:
    """The active return of an account in four parts that sum to it, linked; shape (accounts,).

    Benchmark -> strategy model -> personalised target -> account (M65).
    """

    manager: Floats  # model against benchmark
    client_directed: Floats  # personalised target against model: the owner's own wishes
    tax_trading: Floats  # kept or sold for tax reasons
    implementation: Floats  # everything else between target and account: cash, cost, drift
    portfolio: Floats
    benchmark: Floats

    @property
    def excess(self) -> Floats:
        """The compounded active return."""
        return self.portfolio - self.benchmark


def ladder(
    benchmark: npt.ArrayLike,
    model: npt.ArrayLike,
    target: npt.ArrayLike,
    account: npt.ArrayLike,
    tax_trading: npt.ArrayLike,
    linker: Linker = Linker.CARINO,
) -> Ladder:
    """Returns per period (accounts, periods) of the four steps, linked to the active return.

    `tax_trading` is the part of `account - target` from positions that differ for tax reasons
    (`deviation_effect`); the rest of that step is implementation.
    """
    b, m = as_returns(benchmark, "benchmark"), as_returns(model, "model")
    t, a = as_returns(target, "target"), as_returns(account, "account")
    taxed = as_numbers(tax_trading, "tax_trading")
    b, m, t, a, taxed = np.broadcast_arrays(b, m, t, a, taxed)
    found = coefficients(a, b, linker)
    steps = [(found * step).sum(axis=-1) for step in (m - b, t - m, taxed, a - t - taxed)]
    portfolio, against = compounded(a), compounded(b)
    check_residual(sum(steps), portfolio - against)
    return Ladder(steps[0], steps[1], steps[2], steps[3], portfolio, against)


def deviation_effect(
    held: npt.ArrayLike, target: npt.ArrayLike, returns: npt.ArrayLike, chosen: npt.ArrayLike
) -> Floats:
    """Return of deviating from target weights for one reason, in one period (...,).

    Inputs (..., names); `chosen` marks the names held off target for that reason. Each counts with
    its return less the target's, since the money came from the target as a whole.
    """
    w, goal = as_numbers(held, "held"), as_numbers(target, "target")
    r = as_returns(returns)
    whole = (goal * r).sum(axis=-1, keepdims=True)
    found: Floats = ((w - goal) * (r - whole) * np.asarray(chosen, dtype=bool)).sum(axis=-1)
    return found


def leave_one_out(
    target_with_all: float, targets_without: Sequence[float], model: float
) -> tuple[Floats, float]:
    """Each wish's own effect, and what only their combination did (M65).

    `targets_without[i]` is the return of the target built without wish i. The effects and the
    remainder sum to `target_with_all - model`.
    """
    effects = target_with_all - as_returns(list(targets_without), "targets_without")
    remainder = (target_with_all - model) - float(effects.sum())
    return effects, remainder
