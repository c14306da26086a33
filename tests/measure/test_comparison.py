"""The same flows in the benchmark: checked by hand on four days."""

import numpy as np
import pytest

from opensma.book.series import DailyValues
from opensma.measure.comparison import benchmark_cents, contributed_cents

DAYS = np.arange(10, 15, dtype=np.int64)
LEVELS = np.array([1.0, 1.1, 1.21, 1.21, 2.42])
SERIES = DailyValues(
    DAYS[1:],
    np.array([1000, 1200, 1100, 1100], dtype=np.int64),
    np.array([1000, 500, 0, 0], dtype=np.int64),
    np.array([0, 0, 650, 0], dtype=np.int64),
)


def test_inflows_earn_their_day_outflows_leave_at_its_end() -> None:
    # 1000 at the first close; (1000 + 500) x 1.1; x 1.0 - 650; x 2
    assert benchmark_cents(SERIES, DAYS, LEVELS) == pytest.approx([1000, 1650, 1000, 2000])


def test_without_later_flows_it_is_the_benchmarks_own_return() -> None:
    quiet = DailyValues(
        DAYS[1:],
        SERIES.value_cents,
        np.array([1000, 0, 0, 0], dtype=np.int64),
        np.zeros(4, dtype=np.int64),
    )
    found = benchmark_cents(quiet, DAYS, LEVELS)
    assert found[-1] / found[0] == pytest.approx(LEVELS[-1] / LEVELS[1])


def test_contributions_are_deposits_less_withdrawals_so_far() -> None:
    assert contributed_cents(SERIES).tolist() == [1000, 1500, 850, 850]
