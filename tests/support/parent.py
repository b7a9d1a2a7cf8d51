"""The tests' own process as the parent of a kernel, and how to undo what that changes."""

from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from w2z.kernel.process.children import PR_SET_CHILD_SUBREAPER, _below

PR_GET_CHILD_SUBREAPER = 37
"""Option of prctl(2), from linux/prctl.h."""

_prctl = ctypes.CDLL(None, use_errno=True).prctl


def is_subreaper() -> bool:
    found = ctypes.c_int()
    assert _prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(found), 0, 0, 0) == 0
    return bool(found.value)


@contextmanager
def parenthood() -> Iterator[None]:
    """Undo :func:`~w2z.kernel.process.children.prepare_process` at the end of the block.

    Fails if this process has children before, because some tests kill all of them. Kills the
    children that are left after the block, and fails then, too.
    """
    assert list(_below(os.getpid())) == []
    try:
        yield
    finally:
        assert _prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) == 0
        left = list(_below(os.getpid()))
        for pid in left:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        assert left == []
