"""Durations for tests, shorter than those of production."""

from __future__ import annotations

from w2z.timing import Timing

QUICK = Timing(
    look=0.002,
    tick=0.002,
    first_repeat=0.01,
    left_alone=0,
    beat_every=0.02,
    probe_every=0.01,
    dead_after=0.05,
    nobody_after=0.02,
    never_there=0.05,
    idle_late=0.05,
)
"""Short durations for an attached kernel, in proportions like those of production."""
