"""When w2z ends by itself, by a clock that the test sets."""

import math
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from w2z.bridge.bridge import Bridge
from w2z.serve.idleness import Idleness, grow_old
from w2z.serve.stop import Stop
from w2z.settings import Settings

# Idleness


def test_nobody_and_nothing_for_the_timeout_is_idle():
    idleness = Idleness(10.0, 100.0)
    assert not idleness.poll(0, False, 109.9)
    assert idleness.poll(0, False, 110.0)


@pytest.mark.parametrize(("connections", "is_busy"), [(1, False), (0, True), (2, True)])
def test_a_client_or_a_running_cell_begins_it_anew(connections, is_busy):
    idleness = Idleness(10.0, 0.0)
    assert not idleness.poll(connections, is_busy, 9.0)
    assert not idleness.poll(connections, is_busy, 1000.0)
    assert not idleness.poll(0, False, 1009.9)
    assert idleness.poll(0, False, 1010.0)


def test_without_a_timeout_nothing_is_ever_idle():
    assert not Idleness(math.inf, 0.0).poll(0, False, 1e12)


# What comes of it


@dataclass
class World:
    """A clock that moves when somebody sleeps, a kernel and its clients, and why w2z ended."""

    time: float = 1000.0
    connections: dict[range, int] = field(default_factory=dict)
    busy: range = range(0)
    reason: str = ""

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds

    def because(self, reason: str) -> None:
        self.reason = reason

    @property
    def age(self) -> int:
        return int(self.time - 1000)

    @property
    def clients(self) -> Any:
        there = sum(number for ages, number in self.connections.items() if self.age in ages)
        return SimpleNamespace(connections=there)

    @property
    def kernel(self) -> "World":
        return self

    @property
    def is_busy(self) -> bool:
        return self.age in self.busy


async def age_at_the_end(world: World, **settings: Any) -> int:
    chosen = Settings.model_validate({"kernel": "python3", **settings})
    bridge, stop = cast(Bridge, world), cast(Stop, world)
    await grow_old(chosen, bridge, stop, world.now, world.sleep)
    return world.age


async def test_who_is_never_needed_ends_after_the_idle_timeout():
    assert await age_at_the_end(world := World(), idle_timeout=60) == 60
    assert world.reason == "nobody has needed the kernel for 60 s"


async def test_a_client_and_a_busy_kernel_keep_it():
    world = World(connections={range(30, 100): 1, range(90, 200): 2}, busy=range(199, 500))
    assert await age_at_the_end(world, idle_timeout=60) == 499 + 60


async def test_a_kernel_without_clients_that_is_busy_is_not_idle():
    assert await age_at_the_end(World(busy=range(10_000)), idle_timeout=60) == 9_999 + 60


async def test_its_age_ends_it_however_much_it_is_needed():
    world = World(connections={range(10_000): 1}, busy=range(10_000))
    assert await age_at_the_end(world, idle_timeout=1, max_lifetime=3600) == 3600
    assert world.reason == "--max-lifetime of 3600 s is over"


async def test_its_age_alone_ends_it_without_an_idle_timeout():
    assert await age_at_the_end(World(), max_lifetime=90.5) == 91
