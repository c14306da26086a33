"""Gifts with two bases, inherited lots and corporate actions as columns, on published numbers."""

from datetime import date

import numpy as np
import pytest

from opensma.errors import LotError
from opensma.tax.actions import boot, exchange, merge, per_share_cents, return_of_capital, split
from opensma.tax.lots import Lots
from opensma.tax.relief import at_price, cut_off, relieve
from opensma.units import CENTS, MICROS, Ints

GIVEN, DONOR = date(2024, 6, 3).toordinal(), date(2015, 5, 5).toordinal()
SOLD = date(2024, 12, 31).toordinal()


def lots(shares: int, dollars: int, day: int = DONOR, **columns: object) -> Lots:
    return Lots.of(
        lot=[1],
        acquisition=[1],
        security=[1],
        acquired_day=[day],
        quantity_micros=[shares * MICROS],
        basis_cents=[dollars * CENTS],
        wash_cents=[0],
        used=[0],
        **({"holding_day": [day]} | columns),
    )


def gift() -> Lots:
    """Ten shares: the donor paid 4,000 in 2015, worth 2,300 when they were given."""
    return lots(10, 4_000, GIVEN, holding_day=[DONOR], loss_basis_cents=[2_300 * CENTS])


def cents(*dollars: int) -> Ints:
    return np.array(dollars, dtype=np.int64) * CENTS


@pytest.mark.parametrize(
    ("price", "basis", "long"),
    [(5_000, 4_000, True), (4_000, 4_000, True), (3_000, 3_000, True), (2_000, 2_300, False)],
)
def test_g2_g3_basis_and_term_of_a_gift_depend_on_the_price(
    price: int, basis: int, long: bool
) -> None:
    sold, left = relieve(gift(), [(1, 10 * MICROS)], price * CENTS, SOLD)
    assert sold.basis_cents.tolist() == [basis * CENTS]
    assert sold.long_term.tolist() == [int(long)]
    assert sold.left_cents.tolist() == [4_000 * CENTS]
    assert not len(left)
    seen, long_from = at_price(gift(), cents(price))
    assert seen.tolist() == [basis * CENTS]
    assert (long_from[0] <= SOLD) == long


def test_g5_cutting_a_gift_cuts_both_bases() -> None:
    part, rest = cut_off(gift(), np.array([1]), np.array([3 * MICROS]))
    assert (part.basis_cents[0], rest.basis_cents[0]) == (1_200 * CENTS, 2_800 * CENTS)
    assert (part.loss_basis_cents[0], rest.loss_basis_cents[0]) == (690 * CENTS, 1_610 * CENTS)


def test_h6_inherited_lots_are_long_term_on_the_first_day() -> None:
    day = SOLD - 1
    sold, _ = relieve(lots(10, 500, day, inherited=[1]), [(1, MICROS)], 1, SOLD)
    assert sold.long_term.tolist() == [1]


def test_c5_boot_is_gain_up_to_the_gain_and_losses_are_not_recognised() -> None:
    """Basis 5,000, new stock 4,700 and cash 800: gain 500, new basis 4,700."""
    after, gain = boot(lots(100, 5_000), 1, cents(800), 1, 1, 47 * MICROS)
    assert (gain.tolist(), after.basis_cents.tolist()) == ([500 * CENTS], [4_700 * CENTS])
    after, gain = boot(lots(100, 9_000), 1, cents(800), 1, 1, 47 * MICROS)
    assert (gain.tolist(), after.basis_cents.tolist()) == ([0], [8_200 * CENTS])


def test_c4_a_merger_moves_shares_by_the_ratio_and_nothing_else() -> None:
    before = lots(90, 5_000)
    after = merge(before, 1, 7, 1, 3)
    assert (after.security.tolist(), after.quantity_micros.tolist()) == ([7], [30 * MICROS])
    for name in ("basis_cents", "acquired_day", "holding_day", "lot", "acquisition"):
        assert getattr(after, name).tolist() == getattr(before, name).tolist()


def test_c7_capital_comes_off_each_lot_and_the_excess_is_gain() -> None:
    paid = per_share_cents(lots(100, 150), 1, 2 * MICROS)
    assert paid.tolist() == [200 * CENTS]
    after, gain = return_of_capital(lots(100, 150), 1, paid)
    assert (after.basis_cents.tolist(), gain.tolist()) == ([0], [50 * CENTS])
    given, _ = return_of_capital(gift(), 1, cents(2_500))
    assert (given.basis_cents[0], given.loss_basis_cents[0]) == (1_500 * CENTS, 0)


def test_c10_a_part_goes_with_its_basis_under_a_number_of_its_own() -> None:
    after, next_lot = exchange(lots(100, 1_000), 1, 2, [(1, 40 * MICROS)], 3, 2, 9)
    assert next_lot == 10
    assert after.lot.tolist() == [1, 9]
    assert after.security.tolist() == [1, 2]
    assert after.quantity_micros.tolist() == [60 * MICROS, 60 * MICROS]
    assert after.basis_cents.tolist() == [600 * CENTS, 400 * CENTS]
    with pytest.raises(LotError) as caught:
        exchange(lots(100, 1_000), 5, 2, [(1, MICROS)], 1, 1, 9)
    assert caught.value.code == "lots.other_security"


def test_c1_a_reverse_split_keeps_both_bases() -> None:
    after = split(gift(), 1, 1, 5)
    assert after.quantity_micros.tolist() == [2 * MICROS]
    assert (after.basis_cents[0], after.loss_basis_cents[0]) == (4_000 * CENTS, 2_300 * CENTS)
