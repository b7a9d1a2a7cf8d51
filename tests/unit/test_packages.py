"""Each package explains its rooms: its docstring names every module and package in it."""

from __future__ import annotations

import ast
import re
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
