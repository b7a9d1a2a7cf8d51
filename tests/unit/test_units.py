"""Sizes and durations, as people write them."""

import pytest

from w2z.units import LONGEST, seconds, size


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [
        ("0", 0),
        ("1024", 1024),
        (" 64k\n", 64 * 1024),
        ("256MiB", 256 * 2**20),
        ("256 mb", 256 * 2**20),
        ("1G", 2**30),
        ("1.5g", 3 * 2**29),
        ("2T", 2**41),
        ("10b", 10),
        ("", None),
        ("k", None),
        ("-1", None),
        ("1x", None),
        ("1e3", None),
        ("1_000", None),
        ("\N{ARABIC-INDIC DIGIT ONE}", None),
        ("1" * (LONGEST + 1), None),
    ],
)
def test_a_size_is_bytes_or_has_a_unit(text, bytes_):
    assert size(text) == bytes_


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("1.5", 1.5),
        ("-1", -1),
        ("500ms", 0.5),
        ("30s\n", 30),
        ("10m", 600),
        ("10min", 600),
        ("1h30m", 5400),
        ("1h 30m", 5400),
        ("2D", 172800),
        ("inf", None),
        ("nan", None),
        ("", None),
        ("s", None),
        ("10x", None),
        ("1h-3m", None),
        ("m10", None),
        ("1" * (LONGEST + 1), None),
    ],
)
def test_a_duration_is_seconds_or_has_units(text, value):
    assert seconds(text) == value
