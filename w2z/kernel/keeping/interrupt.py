"""Which way a kernel can be interrupted: by SIGINT, by message, or not at all.

A signal kills kernels that do not handle it, so it goes only to those that are said or known to.
Kernelspecs say it (``interrupt_mode``, https://jupyter-client.readthedocs.io/en/stable/kernels.html)
but many that leave it out, and so mean the signal, would die of it.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Way(Enum):
    """How to interrupt."""

    SIGNAL = "signal"
    MESSAGE = "message"


class Ability(NamedTuple):
    """What a kernel was seen to do."""

    signal: bool
    """SIGINT interrupts it; otherwise it dies of it."""
    message: bool
    """``interrupt_request`` interrupts it; otherwise nothing happens, whatever it replies."""


SEEN = {
    "bash_kernel": Ability(signal=True, message=True),
    "deno kernel": Ability(signal=False, message=False),
    "ipython": Ability(signal=True, message=True),
    "irkernel": Ability(signal=True, message=False),
    "jjava": Ability(signal=False, message=True),
    "octave_kernel": Ability(signal=True, message=True),
    "xeus-python": Ability(signal=False, message=False),
}
"""Kernels by their ``implementation`` in kernel_info, in small letters."""

NAMED = {
    "bash": "bash_kernel",
    "deno": "deno kernel",
    "ir": "irkernel",
    "java": "jjava",
    "jjava": "jjava",
    "octave": "octave_kernel",
    "python3": "ipython",
    "xpython": "xeus-python",
    "xpython-raw": "xeus-python",
}
"""The ``implementation`` of kernels by the name that their kernelspec has unless its user chose
another, in small letters. A kernel that was busy all the time has not yet said what it is.
"""


class Plan(NamedTuple):
    """How to go about it: the ways, best first; none for a kernel that cannot be interrupted."""

    ways: tuple[Way, ...]
    is_certain: bool
    """Whether the kernel does stop, so that its word is enough."""


def plan(
    option: str | None, spec: str | None, implementation: object, *, name: str = "", owned: bool
) -> Plan:
    """Decide on ways to interrupt, each to be gone if the one before it cannot be or leads nowhere.

    ``option`` is what the operator said, ``spec`` the kernelspec's explicit interrupt_mode,
    ``implementation`` kernel_info's, and ``name`` the kernelspec's, which counts while the kernel
    has said nothing; ``owned`` tells that w2z started the kernel, so that a signal reaches the
    processes it started, too.
    """
    said = option or spec
    if said is not None:
        return Plan((Way(said),), True)
    seen = SEEN.get(_known_as(implementation, name))
    if seen is None:
        return Plan((Way.MESSAGE,), False)
    ways = (Way.SIGNAL,) * seen.signal + (Way.MESSAGE,) * seen.message
    return Plan(ways if owned else ways[::-1], True)


def _known_as(implementation: object, name: str) -> str:
    if implementation:
        return str(implementation).lower()
    return NAMED.get(name.lower(), "")
