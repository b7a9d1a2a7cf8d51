"""What w2z takes to end fits into what platforms grant, and every second of it is somebody's."""

import ast
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from w2z.kernel.keeping.ending import Ending
from w2z.serve.budget import ShutdownBudget
from w2z.settings import Settings

ROOT = Path(__file__).parents[3]
DOCKER_WAITS = 10.0
"""Seconds between SIGTERM and SIGKILL."""

FOR_THE_MACHINE = 1.5
"""Seconds of them that are left to Python's own end, and to a machine that is busy."""


def budget(**settings: Any) -> ShutdownBudget:
    return ShutdownBudget.of(Settings.model_validate({"kernel": "python3", **settings}))


def test_it_fits_into_what_docker_grants():
    assert budget().total <= DOCKER_WAITS - FOR_THE_MACHINE


def test_the_settings_are_in_it_second_by_second():
    assert budget(shutdown_timeout=0, terminate_timeout=0).total == budget().total - 4.5
    assert budget(shutdown_timeout=33, terminate_timeout=11.5).total == budget().total + 40


@pytest.mark.parametrize("part", [field.name for field in fields(Ending)])
def test_every_step_of_the_kernel_s_end_counts(part):
    made = budget()
    ending = replace(made.ending, **{part: getattr(made.ending, part) + 2})
    assert ending.total == made.ending.total + 2
    assert replace(made, ending=ending).total == made.total + 2


@pytest.mark.parametrize("part", ["clients", "linger", "kill"])
def test_every_other_step_counts(part):
    made = budget()
    assert replace(made, **{part: getattr(made, part) + 2}).total == made.total + 2


def test_the_route_is_taken_away_while_the_kernel_ends():
    made = budget()
    assert replace(made, route=made.ending.total).total == made.total
    assert replace(made, route=made.ending.total + 2).total == made.total + 2


# Nobody waits without a part of it, and no part is for nobody.


def parts_used() -> Iterator[str]:
    """What is read of a ``budget`` or of an ``ending`` anywhere in w2z but where they are made."""
    for path in (ROOT / "w2z").rglob("*.py"):
        if path.name in ("budget.py", "ending.py"):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute):
                owner = ast.unparse(node.value).rpartition(".")[2].removeprefix("_")
                if owner in ("budget", "ending"):
                    yield node.attr


def test_each_part_is_used():
    # The sockets have linger from where it is defined: every session's close takes it.
    every = {field.name for kind in (ShutdownBudget, Ending) for field in fields(kind)} - {"linger"}
    assert every <= set(parts_used())


def rows(page: str) -> dict[str, str]:
    """The first two columns of a page's tables."""
    lines = [line.split("|") for line in (ROOT / page).read_text().splitlines() if line[:1] == "|"]
    return {cells[1].strip(): cells[2].strip() for cells in lines}


def test_the_manual_has_the_same_seconds():
    made = budget()
    told = rows("docs/deployment.md")
    for name, seconds in (
        ("a busy kernel is interrupted", made.ending.interrupt),
        ("the kernel ends when it is asked to, `--shutdown-timeout`", made.ending.shutdown),
        ("the kernel ends after SIGTERM, `--terminate-timeout`", made.ending.terminate),
        ("the kernel is gone after SIGKILL", made.ending.kill),
        ("what the kernel said last arrives", made.ending.last_words),
        ("processes that it left in its process group end", made.ending.leftovers),
        ("what it printed last is passed on", made.ending.output),
        ("clients answer the close, requests are answered", made.clients),
        ("what was sent to the kernel last leaves", made.linger),
        ("every process below w2z is killed", made.kill),
        ("**all of it**", made.total),
    ):
        assert told[name].strip("*") == f"{seconds:g}"
    fixed = made.total - made.ending.shutdown - made.ending.terminate
    text = " ".join((ROOT / "docs/deployment.md").read_text().split())
    assert f"`--shutdown-timeout` + `--terminate-timeout` + {fixed:g} seconds" in text
    assert f"at most {made.total:g} seconds" in (ROOT / "docs/kernel.md").read_text()
