"""How a kernel can be interrupted: by SIGINT, by message, or not at all.

SIGINT kills a kernel that does not handle it. So w2z sends SIGINT only to kernels that handle it
according to the operator, their kernelspec, or :data:`SEEN`. A kernelspec says so in
``interrupt_mode`` (https://jupyter-client.readthedocs.io/en/stable/kernels.html). Its default is
the signal, but many kernels whose spec leaves it out would die of SIGINT.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Way(Enum):
    """A way to interrupt a kernel."""

    SIGNAL = "signal"
    MESSAGE = "message"


class Ability(NamedTuple):
    """Which ways were seen to interrupt a kernel."""

    signal: bool
    """Whether SIGINT interrupts the kernel; otherwise SIGINT kills it."""
    message: bool
    """Whether ``interrupt_request`` interrupts it; otherwise it has no effect, despite a reply."""


SEEN = {
    "bash_kernel": Ability(signal=True, message=True),
    "deno kernel": Ability(signal=False, message=False),
    "ipython": Ability(signal=True, message=True),
    "irkernel": Ability(signal=True, message=False),
    "jjava": Ability(signal=False, message=True),
    "octave_kernel": Ability(signal=True, message=True),
    "xeus-python": Ability(signal=False, message=False),
}
"""What each kernel was seen to do, by its ``implementation`` in kernel_info, in lower case."""

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
"""The ``implementation`` of kernels by the usual name of their kernelspec, in lower case. The name
counts while the kernel has been busy all the time and has not answered kernel_info yet.
"""


class Plan(NamedTuple):
    """The ways to interrupt a kernel, best first; none for a kernel that cannot be interrupted."""

    ways: tuple[Way, ...]
    is_certain: bool
    """Whether the ways are known to work. If not, w2z checks that the kernel becomes idle."""


def plan(
    option: str | None, spec: str | None, implementation: object, *, name: str = "", owned: bool
) -> Plan:
    """Choose the ways to interrupt a kernel; each is tried if the one before it fails.

    ``option`` is the operator's choice, and ``spec`` the explicit ``interrupt_mode`` of the
    kernelspec. ``implementation`` is from kernel_info; while the kernel has not answered, the
    kernelspec's ``name`` counts instead. For an ``owned`` kernel the signal comes first: it reaches
    the processes that the kernel started, too.
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
