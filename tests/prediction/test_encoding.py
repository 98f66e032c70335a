"""Coordinates of points: how far values of a choice are apart."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from nas_edge.prediction.encoding import Encoding

CHOICES = {
    "width": (16, 4, 8),
    "kernels": ("3-3", "1-3", "1-1"),
    "fixed": (1,),
    "flag": (True, None),
}


def points(**values):
    base = {"width": 4, "kernels": "3-3", "fixed": 1, "flag": True}
    return [base, {**base, **values}]


@pytest.mark.parametrize(
    ("values", "distance"),
    [
        ({}, 0.0),
        ({"width": 8}, 0.5),  # numbers by rank, whatever their order in the file
        ({"width": 16}, 1.0),
        ({"kernels": "1-3"}, 1.0),
        ({"kernels": "1-1"}, 1.0),
        ({"flag": None}, 1.0),
        ({"width": 16, "kernels": "1-1"}, 2.0),
    ],
)
def test_distance_is_the_sum_over_the_choices(values, distance):
    encoded = Encoding(CHOICES).encode(points(**values))
    assert cdist(encoded, encoded, "cityblock")[0, 1] == pytest.approx(distance)


def test_every_coordinate_knows_its_choice():
    encoding = Encoding(CHOICES)
    assert encoding.choice_of.tolist() == [0, 1, 1, 1, 2, 3, 3]
    assert encoding.num_choices == 4
    assert encoding.encode([]).shape == (0, 7)


def test_a_value_that_is_none_of_the_choice_is_refused():
    with pytest.raises(KeyError):
        Encoding(CHOICES).encode(points(width=5))


def test_true_is_no_number():
    encoded = Encoding({"flag": (False, True)}).encode([{"flag": False}, {"flag": True}])
    assert np.abs(encoded[0] - encoded[1]).sum() == 1.0
