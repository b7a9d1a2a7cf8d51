"""Sizes and durations as people write them: ``256MiB``, ``10m``."""

from __future__ import annotations

import re
from math import isfinite

_SIZES = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}
"""The powers of 1024, whichever way they are spelled: ``1k``, ``1K``, ``1kB`` and ``1KiB``."""

_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?", re.ASCII | re.IGNORECASE)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|min|[smhd])", re.ASCII | re.IGNORECASE)

LONGEST = 40
"""Characters that a size or a duration may have."""


def size(text: str) -> int | None:
    """Return the bytes that ``text`` means, or ``None`` if it means none."""
    found = _SIZE.fullmatch(text.strip())
    if found is None or len(found[0]) > LONGEST:
        return None
    number, unit = found.groups()
    factor = 1024 ** _SIZES[unit.lower()]
    return int(number) * factor if number.isdecimal() else int(float(number) * factor)


def seconds(text: str) -> float | None:
    """Return the seconds that ``text`` means, such as ``90`` or ``1h30m``, or ``None``."""
    text = text.strip()
    if len(text) > LONGEST:
        return None
    try:
        number = float(text)
        return number if isfinite(number) else None
    except ValueError:
        pass
    found = list(_DURATION.finditer(text))
    if not found or _DURATION.sub("", text).strip():
        return None
    return sum(float(part[1]) * _SECONDS[part[2].lower()] for part in found)
