"""docs/security.md names a test for each of its promises, and each test is there."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.attacks.all import ATTACKS

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs/security.md").read_text()
NAMED = sorted(set(re.findall(r"`([\w./-]+\.py)::(\w+)`", PAGE)))
ROWS = re.findall(
    r"^\| (?!they try|it tries|---)(.+) \|$", PAGE.partition("\n## Measured")[0], re.MULTILINE
)


@cache
def functions(path: Path) -> frozenset[str]:
    """The names of a module's own functions; the module is not imported."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(path.read_text())
    return frozenset(node.name for node in tree.body if isinstance(node, kinds))


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_each_test_that_is_named_is_there(path: str, name: str) -> None:
    assert name.startswith("test_")
    assert name in functions(TESTS / path)


@pytest.mark.parametrize("row", ROWS)
def test_each_promise_names_a_test(row: str) -> None:
    tries, stops, shown = row.split(" | ")
    assert tries
    assert stops.endswith((".", ".)"))
    assert re.fullmatch(r"`[^`]+::test_\w+`(, `[^`]+::test_\w+`)*", shown)


def test_nothing_that_looks_like_a_test_is_overlooked() -> None:
    assert PAGE.count("::test_") == len(re.findall(r"`[\w./-]+\.py::\w+`", PAGE))
    assert len(ROWS) > 40


def test_every_attack_has_its_row_among_what_was_measured() -> None:
    measured = PAGE.partition("\n## Measured")[2]
    rows = dict(re.findall(r"^\| ([\w-]+) \| [\w' ]+ \| ([^|]+) \|", measured, re.MULTILINE))
    rows.pop("name", None)
    assert rows == {name: attack.words for name, attack in ATTACKS.items()}
