"""The names that `from nas_edge import ...` gives, each at its home."""

from importlib import import_module

import pytest

import nas_edge


@pytest.mark.parametrize("name", [name for name in nas_edge.__all__ if name != "__version__"])
def test_a_public_name_is_that_of_its_home_and_says_what_it_is(name):
    value = getattr(nas_edge, name)

    assert value is getattr(import_module(nas_edge._HOMES[name]), name)
    assert value.__doc__


def test_every_name_is_listed_once():
    assert sorted(nas_edge.__all__) == sorted({*nas_edge._HOMES, "__version__"})
    assert set(nas_edge.__all__) <= set(dir(nas_edge))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        getattr(nas_edge, "nothing")  # noqa: B009
