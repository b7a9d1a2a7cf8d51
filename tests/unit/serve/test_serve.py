"""Why w2z ends, in which order its parts do, and what it says at its beginning."""

import asyncio
import logging
import resource
import signal
from collections.abc import Iterator
from typing import Any, cast

import pytest

from tests.support.signals import as_before, raise_signal
from w2z.errors import KernelEnded
from w2z.kernel.keeping.keeper import Keeper
from w2z.serve import serve as program
from w2z.serve.serve import FILES_BESIDE, FILES_PER_CONNECTION, greeting, run, url
from w2z.serve.stop import Stop
from w2z.settings import Settings


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    with as_before():
        yield


@pytest.fixture
async def stop() -> Stop:
    return Stop()


class Parts:
    """What w2z consists of while it runs, and what happened to it, in order.

    The kernel runs until :attr:`kernel_ended` has its exit code, or an error; then it is over.
    """

    def __init__(self) -> None:
        self.happened: list[str] = []
        self.began = asyncio.Event()
        self.kernel_ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    # The keeper

    async def run(self) -> int:
        self.began.set()
        return await self.kernel_ended

    async def stop(self) -> None:
        self.happened.append("the kernel is told to end")
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        if not self.kernel_ended.done():
            self.kernel_ended.set_result(9)
        self.happened.append("the kernel has ended")

    def hurry(self) -> None:
        self.happened.append("hurry")

    def forward(self, number: int) -> None:
        self.happened.append(signal.Signals(number).name)

    # Beside it

    async def greet(self) -> None:
        await asyncio.Event().wait()

    async def age(self) -> None:
        await self.until_cancelled("aging")

    async def route(self) -> None:
        await self.until_cancelled("the route")

    async def until_cancelled(self, name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.happened.append(f"{name} is over")


def as_keeper(parts: Parts) -> Keeper:
    return cast(Keeper, parts)


async def test_the_kernel_s_end_is_w2z_s_with_its_exit_code(stop: Stop) -> None:
    parts = Parts()
    parts.kernel_ended.set_result(3)
    await run(as_keeper(parts), stop, parts.greet, None, None)
    assert stop.exit_code == 3
    assert parts.happened == ["the kernel is told to end", "the kernel has ended"]


async def test_the_route_goes_first_and_the_kernel_before_what_looks_after_it(stop: Stop) -> None:
    parts = Parts()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(
            run(as_keeper(parts), stop, parts.greet, parts.age, parts.route)
        )
        await parts.began.wait()
        stop.on_request()
        await running
    assert parts.happened == [
        "the kernel is told to end",
        "the route is over",
        "the kernel has ended",
        "aging is over",
    ]
    assert stop.exit_code == 0


async def test_its_age_may_be_the_reason(stop: Stop) -> None:
    parts = Parts()

    async def age() -> None:
        stop.because("it is old")

    await run(as_keeper(parts), stop, parts.greet, age, None)
    assert parts.happened == ["the kernel is told to end", "the kernel has ended"]
    assert stop.exit_code == 0


async def test_a_kernel_that_never_was_ends_everything_with_its_error(stop: Stop) -> None:
    parts = Parts()
    parts.kernel_ended.set_exception(KernelEnded("it never was", 5))
    with pytest.RaisesGroup(KernelEnded):
        await run(as_keeper(parts), stop, parts.greet, parts.age, parts.route)
    assert sorted(parts.happened) == ["aging is over", "the route is over"]


async def test_signals_get_to_the_kernel_s_keeper(stop: Stop) -> None:
    parts = Parts()
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(run(as_keeper(parts), stop, parts.greet, None, None))
        await parts.began.wait()
        raise_signal(signal.SIGUSR2)
        raise_signal(signal.SIGTERM)
        raise_signal(signal.SIGINT)
        await running
    assert parts.happened[:2] == ["SIGUSR2", "hurry"]
    assert stop.exit_code == 128 + signal.SIGTERM


# The first line


def settings(**given: Any) -> Settings:
    return Settings.model_validate({"kernel": "python3", **given})


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("0.0.0.0", "127.0.0.1"),
        ("::", "127.0.0.1"),
        ("10.1.2.3", "10.1.2.3"),
        ("fd00::1", "[fd00::1]"),
    ],
)
def test_the_line_has_a_url_that_can_be_opened(host: str, shown: str) -> None:
    line = greeting(url(settings(base_url="/k"), host, 8888), None)
    assert line == f"w2z: serving the kernel at http://{shown}:8888/k/"


def test_the_line_has_the_token_where_it_may_be_shown() -> None:
    line = greeting("http://127.0.0.1:1/", "s3cret")
    assert line == "w2z: serving the kernel at http://127.0.0.1:1/?token=s3cret"


# Warnings


@pytest.mark.parametrize(
    ("given", "is_unknown", "told"),
    [
        ({}, False, []),
        ({"no_auth": True}, False, ["--no-auth: whoever reaches the port can run code"]),
        ({}, True, ["a token was generated, but is only shown on a terminal"]),
        ({"is": "x" * 16}, False, []),
        ({"is": "x" * 15}, False, ["the token has fewer than 16 characters"]),
    ],
)
def test_what_is_unsafe_or_of_no_use_is_said(
    given: dict[str, Any], is_unknown: bool, told: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    token = given.pop("is", None)
    program._warn(settings(**given), token and (lambda: token), is_unknown)
    assert len(caplog.messages) == len(told)
    assert all(line.startswith(start) for line, start in zip(caplog.messages, told, strict=True))


# Open files

INFINITY = resource.RLIM_INFINITY
NEEDED = 10 * FILES_PER_CONNECTION + FILES_BESIDE
"""For ten connections."""


@pytest.mark.parametrize(
    ("soft", "hard", "taken", "fit"),
    [
        (INFINITY, INFINITY, None, 10),
        (NEEDED, NEEDED, None, 10),
        (100, INFINITY, (NEEDED, INFINITY), 10),
        (100, NEEDED + 1, (NEEDED, NEEDED + 1), 10),
        (NEEDED - 1, NEEDED, (NEEDED, NEEDED), 10),
        (100, NEEDED - 1, (NEEDED - 1, NEEDED - 1), 9),
        (100, FILES_BESIDE, (FILES_BESIDE, FILES_BESIDE), 1),
        (10, 20, (20, 20), 1),
    ],
)
def test_there_are_as_many_connections_as_there_can_be_files(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    soft: int,
    hard: int,
    taken: tuple[int, int] | None,
    fit: int,
) -> None:
    limits: list[tuple[int, int]] = []
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda kind, limit: limits.append(limit))
    assert program._connections_to_take(settings(max_connections=10)) == fit
    assert limits == ([] if taken is None else [taken])
    warned = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    told = f"{hard} open files are allowed: room for {fit} connections, not 10"
    assert warned == ([] if fit == 10 else [told])
