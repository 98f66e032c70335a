"""A two-objective front that rows are added to one at a time.

The front is kept as steps: x rising, y falling, both strictly. Adding a row finds its place by
bisection. The area between the front and a reference point is kept along the way, from strips that
are all positive, so that nothing cancels. The caller sees to finite figures.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from typing import List


class Staircase:
    """Steps of a two-objective front and the area they cover.

    Attributes:
        area: Area dominated by the rows added so far within the reference point, in units of
            x times y; meaningful only if a reference point was given and every row lies below it.
    """

    def __init__(self, reference_x: float = math.inf, reference_y: float = math.inf) -> None:
        self.area = 0.0
        # Sentinels, so that every row has a left and a right neighbour.
        self._xs: List[float] = [-math.inf, reference_x]
        self._ys: List[float] = [reference_y, -math.inf]

    def add(self, x: float, y: float) -> bool:
        """Add a row and return True, or return False if a step is nowhere worse, equals included.

        O(log f) to find the place, plus the rows that leave; f rows on the front.
        """
        xs, ys = self._xs, self._ys
        place = bisect_left(xs, x)
        if ys[place - 1] <= y or (xs[place] == x and ys[place] <= y):
            return False
        end, left, ceiling = place, x, ys[place - 1]
        # Strips between this row and the steps that it covers, from left to right.
        while ys[end] >= y:
            self.area += (xs[end] - left) * (ceiling - y)
            left, ceiling = xs[end], ys[end]
            end += 1
        self.area += (xs[end] - left) * (ceiling - y)
        xs[place:end] = [x]
        ys[place:end] = [y]
        return True
