import random

import pytest

from tests.faults.slope import theil_sen, window_minimums


def test_slope_of_a_line_is_exact() -> None:
    slope = theil_sen([(x, 3.0 * x + 1) for x in range(20)])
    assert (slope.value, slope.low, slope.high) == pytest.approx((3, 3, 3))


def test_outliers_do_not_change_the_slope() -> None:
    points = [(float(x), 2.0 * x) for x in range(20)]
    points[3], points[17] = (3.0, 900.0), (17.0, -900.0)
    assert theil_sen(points).value == pytest.approx(2)


def test_interval_contains_the_true_slope_in_95_percent_of_samples() -> None:
    rng, inside = random.Random(4), 0
    for _ in range(200):
        slope = theil_sen([(x, 0.5 * x + rng.gauss(0, 3)) for x in range(30)])
        inside += slope.low <= 0.5 <= slope.high
    assert 184 <= inside <= 198


def test_each_window_is_reduced_to_its_lowest_point() -> None:
    points = [(0.0, 5.0), (1.0, 4.0), (2.0, 9.0), (3.0, 8.0), (4.0, 7.0)]
    assert window_minimums(points, 2.0) == [(1.0, 4.0), (3.0, 8.0), (4.0, 7.0)]
