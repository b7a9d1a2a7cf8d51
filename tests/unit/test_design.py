"""The paths of docs/design.md are functions that there are."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs/design.md").read_text()
PACKAGES = "bridge|delivery|kernel|serve|server|store|wire"
NAMES = sorted(set(re.findall(rf"`((?:{PACKAGES})(?:\.\w+)+)`", PAGE)))


def test_it_names_the_way_of_a_message():
    assert "bridge.bridge.Bridge.to_kernel" in NAMES
    assert "bridge.bridge.Bridge.from_kernel" in NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_that_of_something(name):
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        try:
            found = importlib.import_module(".".join(["w2z", *parts[:length]]))
        except ModuleNotFoundError:
            continue
        for part in parts[length:]:
            found = getattr(found, part)
        return
    pytest.fail(f"there is no w2z.{name}")
