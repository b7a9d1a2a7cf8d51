"""The attacks of ``make attacks``: the quickest of them, and that they would tell of a failure."""

from __future__ import annotations

import math
import os
import signal
from pathlib import Path

import pytest

from tests.attacks.all import ATTACKS
from tests.attacks.bystander import Bystander
from tests.attacks.harness import LONGEST_ANSWER, MEMORY, Row, row_of
from tests.attacks.prober import Found
from tests.attacks.target import Attack, Run, Target
from tests.support.processes import outlived


@pytest.mark.parametrize("name", ["odd-bytes", "deep-nesting", "sparse-file"])
async def test_w2z_stands(name: str) -> None:
    row = await row_of(ATTACKS[name])
    assert row.problems == []
    assert 0 < row.before <= row.most
    assert row.found.asked > 0
    assert row.outcome


async def test_a_w2z_that_stands_still_is_told_of(tmp_path: Path) -> None:
    async def stop(target: Target) -> str:
        os.kill(target.w2z.pid, signal.SIGSTOP)
        await outlived(tmp_path, math.ceil(LONGEST_ANSWER))
        os.kill(target.w2z.pid, signal.SIGCONT)
        return "stopped"

    problems = await problems_of(stop)
    assert [one for one in problems if one.startswith("stalled for ")]
    assert [one for one in problems if one.startswith("answered after ")]


async def test_a_number_in_the_wrong_place_is_told_of() -> None:
    async def say(target: Target) -> str:
        await target.cell("say('bystander 0')")
        return "said"

    [problem] = await problems_of(say)
    assert problem.startswith("number 0 came where ")


async def test_an_attack_that_fails_is_told_of() -> None:
    async def fail(target: Target) -> str:
        raise ValueError("a mistake")

    assert await problems_of(fail) == ["ValueError: a mistake"]


async def problems_of(run: Run) -> list[str]:
    return (await row_of(Attack("test", "test", "any", run))).problems


def test_what_does_not_hold_is_a_problem_each() -> None:
    found = Found(
        failure="cut", late=1.5, stall=0.3, statuses={"/livez": {200: 1}, "/readyz": {503: 1}}
    )
    row = Row(ATTACKS["odd-bytes"], before=1, most=MEMORY + 2, found=found)
    bystander = Bystander("")
    bystander.closings.append("1011 internal error")
    row.check(bystander)
    assert len(row.problems) == 6, row.problems
