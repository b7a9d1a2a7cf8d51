"""Feeds a fuzzer with inputs until there are enough, or one breaks its invariant.

An input breaks the invariant by an error of any kind, or by taking :data:`SLOWEST` seconds of the
CPU. It is then made small: what is left out of it leaves it breaking. The memory of the process is
looked at, too: whatever the inputs, it must not grow.
"""

from __future__ import annotations

import resource
import signal
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import NamedTuple, NoReturn, Protocol

from tests.fuzz.mutate import Input, Mutator

SLOWEST = 5.0
"""Seconds of the CPU that one input may take: a thousand times what the slowest takes."""

SETTLED = 0.2
"""Part of a run after which the memory of the process has to be as large as it ever gets."""

GROWTH = 96 * 2**20
"""Bytes by which it may grow all the same: caches, and what one large input needs."""

MOST_TRIES = 3000
"""Inputs that are tried to make one smaller."""

BETWEEN_LOOKS = 256
"""Inputs between two looks at the clock."""


class Fuzzer(Protocol):
    """What makes inputs, and knows what has to hold for them."""

    name: str
    share: float
    """Its part of all inputs."""

    def make(self, mutator: Mutator) -> Input:
        """Return another input."""

    def check(self, given: Input) -> str:
        """Return a word for what came of an input. Any error means that the invariant is broken."""

    def renew(self) -> None:
        """Forget what earlier inputs left."""

    def close(self) -> None:
        """Called last."""


class TooSlow(BaseException):
    """An input takes too long. No ``except Exception`` on its way may catch it."""


@dataclass
class Course:
    """What came of one run."""

    name: str
    seed: object
    inputs: int = 0
    seconds: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    failure: str = ""
    """What was broken, with its traceback; empty if nothing was."""
    smallest: Input | None = None
    """The smallest input that was found to break it, alone."""


def run(
    fuzzer: Fuzzer, seed: object, *, inputs: int | None = None, seconds: float = 60.0
) -> Course:
    """Run a fuzzer for so many inputs or, without a number of them, so many seconds."""
    course = Course(fuzzer.name, seed)
    mutator = Mutator(f"{seed} {fuzzer.name}")
    start = time.monotonic()
    settled: int | None = None
    try:
        with _alarm():
            while not course.failure:
                given = fuzzer.make(mutator)
                broken = _broken(fuzzer, given, course.outcomes)
                course.inputs += 1
                if broken is not None:
                    course.failure = broken.told
                    course.smallest = _smallest(fuzzer, given, broken)
                elif course.inputs % BETWEEN_LOOKS == 0 or inputs is not None:
                    elapsed = time.monotonic() - start
                    done = course.inputs / inputs if inputs else elapsed / max(seconds, 1e-9)
                    if settled is None and done >= SETTLED:
                        settled = _memory()
                    if done >= 1:
                        break
        if settled is not None and not course.failure and _memory() - settled > GROWTH:
            course.failure = f"memory grew by {(_memory() - settled) >> 20} MiB"
    finally:
        course.seconds = time.monotonic() - start
        fuzzer.close()
    return course


class _Broken(NamedTuple):
    """How an invariant was broken: the kind of the error and the line that raised it; and all of
    what there is to tell.
    """

    kind: str
    told: str


def _broken(fuzzer: Fuzzer, given: Input, outcomes: Counter[str]) -> _Broken | None:
    """Return what is wrong with what came of an input, if anything is."""
    signal.setitimer(signal.ITIMER_VIRTUAL, SLOWEST)
    try:
        outcomes[fuzzer.check(given)] += 1
    except (Exception, TooSlow) as error:  # noqa: BLE001 (whatever it is, it is looked for)
        last = traceback.extract_tb(error.__traceback__)[-1]
        where = "" if isinstance(error, TooSlow) else f" at {last.filename}:{last.lineno}"
        return _Broken(type(error).__name__ + where, traceback.format_exc())
    return None


def _smallest(fuzzer: Fuzzer, given: Input, broken: _Broken) -> Input | None:
    """Return what is left of an input when all is left out that may be; ``None`` if it does not
    break the invariant alone, without the inputs before it.
    """
    ignored: Counter[str] = Counter()

    def breaks(one: Input) -> bool:
        fuzzer.renew()
        found = _broken(fuzzer, one, ignored)
        return found is not None and found.kind == broken.kind

    if not breaks(given):
        return None
    tries, is_smaller = 0, True
    while is_smaller:
        is_smaller = False
        for smaller in _smaller(given):
            tries += 1
            if tries > MOST_TRIES:
                return given
            if breaks(smaller):
                given, is_smaller = smaller, True
                break
    return given


def _smaller(given: Input) -> Iterator[Input]:
    """Yield inputs with something left out: as much as possible first."""
    for at in range(len(given)):
        yield given[:at] + given[at + 1 :]
    for at in range(len(given) - 1):
        yield (*given[:at], given[at] + given[at + 1], *given[at + 2 :])
    for at, piece in enumerate(given):
        size = len(piece) // 2
        while size:
            for start in range(0, len(piece), size):
                yield (*given[:at], piece[:start] + piece[start + size :], *given[at + 1 :])
            size //= 2


@contextmanager
def _alarm() -> Iterator[None]:
    def ring(number: int, frame: FrameType | None) -> NoReturn:
        raise TooSlow(f"one input takes more than {SLOWEST:g} s of the CPU")

    before = signal.signal(signal.SIGVTALRM, ring)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


def _memory() -> int:
    """Return the most bytes of memory that this process has had so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
