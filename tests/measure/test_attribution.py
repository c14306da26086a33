"""Attribution: effects sum to the active return, whatever the linker; the account's ladder too."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from opensma.errors import InputError
from opensma.measure.attribution import (
    brinson,
    deviation_effect,
    ladder,
    leave_one_out,
    link_effects,
    link_values,
)
from opensma.measure.conventions import BrinsonModel, Interaction, Linker
from opensma.measure.linking import coefficients

SEED = st.integers(0, 2**32 - 1)
RETURNS = arrays(float, 6, elements=st.floats(-0.4, 0.6))


def history(seed: int, *shape: int) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    wp, wb = (
        rng.dirichlet(np.ones(shape[-1]), shape[:-1]),
        rng.dirichlet(np.ones(shape[-1]), shape[:-1]),
    )
    return wp, wb, rng.normal(0.01, 0.08, shape), rng.normal(0.01, 0.08, shape)


@given(SEED, st.sampled_from(BrinsonModel), st.sampled_from(Linker))
def test_m63_linked_effects_sum_to_the_active_return(
    seed: int, model: BrinsonModel, linker: Linker
) -> None:
    effects = brinson(*history(seed, 3, 24, 5), model)
    linked = link_effects(effects, linker)
    total = (linked.allocation + linked.selection + linked.interaction).sum(axis=-1)
    growth = np.prod(1 + effects.portfolio, axis=-1) - np.prod(1 + effects.benchmark, axis=-1)
    assert total == pytest.approx(growth, abs=1e-12)
    assert linked.excess == pytest.approx(growth, abs=1e-12)


@given(RETURNS, RETURNS, st.sampled_from(Linker))
def test_m63_any_active_returns_are_linked_exactly(
    p: np.ndarray, b: np.ndarray, linker: Linker
) -> None:
    linked = (coefficients(p, b, linker) * (p - b)).sum()
    assert linked == pytest.approx(np.prod(1 + p) - np.prod(1 + b), abs=1e-12)


@pytest.mark.parametrize("linker", Linker)
def test_equal_returns_have_finite_coefficients(linker: Linker) -> None:
    same = np.array([0.1, -0.2, 0.0])
    assert np.isfinite(coefficients(same, same, linker)).all()
    if linker is not Linker.MENCHERO:  # its coefficients depend on the direction of a difference
        nearly = same + np.array([1e-15, -1e-14, 1e-13])
        limit = coefficients(same, same, linker)
        assert coefficients(nearly, same, linker) == pytest.approx(limit, rel=1e-6)


@pytest.mark.parametrize("size", [1e-3, 1e-6, 1e-9, 1e-12])
def test_small_differences_are_linked_to_the_last_digit(size: float) -> None:
    same = np.array([0.1, -0.2, 0.05])
    p = same + size * np.array([1.0, -2.0, 4.0])
    small = coefficients(p, same, Linker.MENCHERO)
    limit = coefficients(same + 1e-7 * np.array([1.0, -2.0, 4.0]), same, Linker.MENCHERO)
    assert small == pytest.approx(limit, rel=max(1e-3, 10 * size))


def test_m64_frongello_depends_on_the_order_and_the_others_do_not() -> None:
    p, b = np.array([0.2, -0.1, 0.05]), np.array([0.02, 0.03, 0.01])
    for linker in Linker:
        there, back = coefficients(p, b, linker), coefficients(p[::-1], b[::-1], linker)[::-1]
        assert np.allclose(there, back) is (linker is not Linker.FRONGELLO)


def test_m62_two_effects_fold_interaction_into_selection() -> None:
    data = history(1, 4)
    three, two = brinson(*data), brinson(*data, interaction=Interaction.IN_SELECTION)
    assert two.selection == pytest.approx(three.selection + three.interaction)
    assert not two.interaction.any()


def test_weights_with_different_sums_cannot_be_attributed() -> None:
    with pytest.raises(InputError, match="attribution_residual"):
        brinson([0.6, 0.3], [0.5, 0.5], [0.1, 0.2], [0.1, 0.1])


def test_effects_that_miss_the_active_return_are_refused() -> None:
    with pytest.raises(InputError, match="attribution_residual"):
        link_values([[0.01], [0.02]], [0.02, 0.03], [0.01, 0.0], Linker.CARINO)


def test_a_period_that_loses_everything_is_not_linked() -> None:
    with pytest.raises(InputError, match="total_loss"):
        coefficients(np.array([-1.0]), np.array([0.0]), Linker.CARINO)


@given(SEED)
def test_m65_the_ladder_sums_to_the_active_return(seed: int) -> None:
    rng = np.random.default_rng(seed)
    b, m, t, a = rng.normal(0.01, 0.05, (4, 7, 36))
    tax = (a - t) * rng.uniform(0, 1, (7, 36))
    found = ladder(b, m, t, a, tax)
    steps = found.manager + found.client_directed + found.tax_trading + found.implementation
    assert steps == pytest.approx(np.prod(1 + a, axis=-1) - np.prod(1 + b, axis=-1), abs=1e-12)


def test_m65_a_client_that_wished_nothing_has_no_effect() -> None:
    b, m = np.full((1, 3), 0.01), np.array([[0.02, 0.0, 0.01]])
    found = ladder(b, m, m, m, np.zeros((1, 3)))
    assert found.client_directed == found.tax_trading == found.implementation == 0
    assert found.manager == pytest.approx(found.excess)


def test_tax_and_other_deviations_sum_to_what_the_account_missed_the_target_by() -> None:
    held, target = np.array([0.5, 0.2, 0.3]), np.array([0.3, 0.4, 0.3])
    returns, chosen = np.array([0.1, -0.05, 0.02]), np.array([True, False, True])
    tax = deviation_effect(held, target, returns, chosen)
    other = deviation_effect(held, target, returns, ~chosen)
    assert tax + other == pytest.approx((held - target) @ returns)
    assert tax == pytest.approx(0.2 * (0.1 - target @ returns))


def test_m65_each_wish_is_left_out_once_and_the_rest_is_named() -> None:
    effects, together = leave_one_out(0.05, [0.06, 0.045], 0.058)
    assert effects == pytest.approx([-0.01, 0.005])
    assert float(effects.sum()) + together == pytest.approx(0.05 - 0.058)
