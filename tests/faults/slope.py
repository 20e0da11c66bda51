"""Estimates a growth rate with a confidence interval. Does no I/O."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

Z_95 = 1.96


@dataclass(frozen=True)
class Slope:
    """A slope per unit of x, with the bounds of its 95 % confidence interval."""

    value: float
    low: float
    high: float


def window_minimums(
    points: Sequence[tuple[float, float]], window: float
) -> list[tuple[float, float]]:
    """Returns the lowest point of each window.

    For memory this is what a process needs, without what it held for a moment.
    """
    windows: dict[int, list[tuple[float, float]]] = {}
    for x, y in points:
        windows.setdefault(int((x - points[0][0]) // window), []).append((x, y))
    return [
        min(window_points, key=lambda point: (point[1], point[0]))
        for window_points in windows.values()
    ]


def theil_sen(points: Sequence[tuple[float, float]]) -> Slope:
    """Returns the Theil-Sen slope: the median slope between all pairs of points.

    Up to 29 % of the points may be outliers without an effect on the result. The
    interval is Sen's, from the variance of Kendall's score (P. K. Sen, 1968,
    doi:10.1080/01621459.1968.10480934). It assumes independent errors and needs at
    least ten points.
    """
    slopes = sorted(
        (b[1] - a[1]) / (b[0] - a[0]) for a, b in combinations(points, 2) if a[0] != b[0]
    )
    count, pairs = len(points), len(slopes)
    spread = Z_95 * math.sqrt(count * (count - 1) * (2 * count + 5) / 18)
    low = max(0, math.floor((pairs - spread) / 2))
    high = min(pairs - 1, math.ceil((pairs + spread) / 2))
    return Slope((slopes[(pairs - 1) // 2] + slopes[pairs // 2]) / 2, slopes[low], slopes[high])
