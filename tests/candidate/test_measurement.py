"""A measurement is refused as soon as it is made, if no view could show it."""

import pytest

from nas_edge import Measurement
from nas_edge.candidate.measurement import Metric


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"outcome": "fine"}, "outcome must be one of finished, "),
        ({"metrics": {"x": Metric(float("nan"), "", "s")}}, "metric x must be finite, but got nan"),
        ({"wall_s": float("nan")}, "wall_s must be finite and not negative, but got nan"),
        ({"wall_s": float("inf")}, "wall_s must be finite"),
        ({"wall_s": -1.0}, "wall_s must be finite and not negative, but got -1.0"),
        ({"history": (1, 2)}, "history must be rows of names and values, but got 1"),
        ({"details": None}, "details must have names and values, but got None"),
        ({"device": "board"}, "device must have names and values, but got 'board'"),
    ],
)
def test_what_no_view_could_show_is_refused(values, says):
    with pytest.raises(ValueError, match="must") as caught:
        Measurement(**values)
    assert says in str(caught.value)
