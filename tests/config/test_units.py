"""Amounts of memory and time: what people write, what is refused, what is printed."""

from __future__ import annotations

import pytest

from nas_edge.config.units import format_bytes, format_seconds, parse_bytes, parse_seconds


@pytest.mark.parametrize(
    ("text", "num_bytes"),
    [
        ("4GiB", 4 * 1024**3),
        ("512 MB", 512 * 1000**2),
        (" 1.5gib ", 3 * 1024**3 // 2),
        ("64KiB", 64 * 1024),
        ("7B", 7),
    ],
)
def test_memory_is_read_in_bytes(text, num_bytes):
    assert parse_bytes(text) == num_bytes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("8h", 28800.0), ("90min", 5400.0), ("90 m", 5400.0), ("1.5s", 1.5), ("2d", 172800.0)],
)
def test_time_is_read_in_seconds(text, seconds):
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "4", "GiB", "-1GiB", "0GiB", "4 GiBs", "1e3MiB", "0.1B", "4G iB", 4096, 1.5, None]
)
def test_what_is_no_amount_of_memory_is_refused_with_the_value(text):
    with pytest.raises(ValueError, match="must be an amount of memory such as 4GiB") as caught:
        parse_bytes(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("text", ["", "8", "h", "-1h", "0s", "8 hours", 3600, True, None])
def test_what_is_no_time_is_refused_with_the_value(text):
    with pytest.raises(ValueError, match="must be a time such as 8h") as caught:
        parse_seconds(text)
    assert repr(text) in str(caught.value)


@pytest.mark.parametrize("parse", [parse_bytes, parse_seconds])
def test_an_amount_beyond_every_number_is_refused(parse):
    unit = "GiB" if parse is parse_bytes else "h"

    with pytest.raises(ValueError, match="must be "):
        parse("9" * 400 + unit)


def test_bytes_are_printed_in_mib_and_from_ten_gib_on_in_gib():
    assert format_bytes(1.5 * 1024**2) == "1.5 MiB"
    assert format_bytes(10 * 1024**3 - 1) == "10240.0 MiB"
    assert format_bytes(10 * 1024**3) == "10.0 GiB"


def test_seconds_are_printed_in_two_units_at_most():
    assert format_seconds(42.4) == "42 s"
    assert format_seconds(59.6) == "1 min 00 s"
    assert format_seconds(200) == "3 min 20 s"
    assert format_seconds(7500) == "2 h 05 min"
