"""Each package explains its rooms: its docstring names every module and package in it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2] / "w2z"
PACKAGES = sorted(path.parent for path in ROOT.rglob("__init__.py"))


@pytest.mark.parametrize("package", PACKAGES, ids=lambda package: package.name)
def test_the_docstring_names_what_is_in_the_package_and_nothing_else(package: Path) -> None:
    dotted = ".".join(package.relative_to(ROOT.parent).parts)
    text = ast.get_docstring(ast.parse((package / "__init__.py").read_text())) or ""
    named = re.findall(rf":mod:`~?{re.escape(dotted)}\.(\w+)`", text)
    there = [path.stem for path in package.glob("*.py") if path.stem != "__init__"]
    there += [path.parent.name for path in package.glob("*/__init__.py")]
    assert sorted(named) == sorted(there)


def numbers() -> Iterator[tuple[str, str]]:
    """The name of each numeric constant of a module, and the module."""
    for path in ROOT.rglob("*.py"):
        for node in ast.parse(path.read_text()).body:
            if not isinstance(node, ast.Assign):
                continue
            values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value]
            targets = node.targets[0]
            names = targets.elts if isinstance(targets, ast.Tuple) else [targets]
            for name, value in zip(names, values, strict=False):
                if isinstance(name, ast.Name) and is_number(value):
                    yield name.id, str(path.relative_to(ROOT))


def is_number(value: ast.expr) -> bool:
    match value:
        case ast.Constant(value=int() | float()):
            return True
        case ast.BinOp(left, _, right):
            return is_number(left) and is_number(right)
    return False


def test_no_numeric_constant_has_the_name_of_another() -> None:
    places: dict[str, list[str]] = {}
    for name, place in numbers():
        places.setdefault(name, []).append(place)
    assert "SPILL_AT" in places
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
