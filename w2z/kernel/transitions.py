"""The states of a kernel's life, and the transitions between them.

Rules:

1. The state alone decides whether clients' requests may go to the kernel (:data:`TAKES_REQUESTS`).
   Nothing else keeps a copy of the answer.
2. The state changes only by :data:`TRANSITIONS`. An event that has no entry for the present state
   changes nothing.
"""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """A state of the kernel's life, which decides whether clients' requests may go to it."""

    STARTING = "nobody has answered yet"
    HEARD = "its output arrives, it has not answered; no kernel preceded it"
    READY = "it answers, and its output arrives"
    BUSY = "it is ready, and was busy with something when w2z came"
    ENDING = "somebody asked for its end; another may come"
    GONE = "it has ended or hung up; it or another may come back"
    DEAD = "clients were told that it is dead"


class Event(Enum):
    """An event that can change the state."""

    HEARD = "its output arrives"
    ANSWERED = "it answered, on shell too"
    ANSWERED_BESIDE = "it answered, on control only"
    ASKED_TO_END = "somebody asked for its end"
    STAYED = "it was asked to end, and no other took its place in time"
    ENDED = "it hung up, or its process ended"
    ABANDONED = "nobody has listened at its ports for long"
    STARTED = "w2z started another process"


TRANSITIONS: dict[State, dict[Event, State]] = {
    State.STARTING: {
        Event.HEARD: State.HEARD,
        Event.ANSWERED: State.READY,
        Event.ANSWERED_BESIDE: State.BUSY,
        Event.ASKED_TO_END: State.ENDING,
        Event.ABANDONED: State.DEAD,
    },
    State.HEARD: {
        Event.ANSWERED: State.READY,
        Event.ANSWERED_BESIDE: State.BUSY,
        Event.ASKED_TO_END: State.ENDING,
        Event.ENDED: State.GONE,
    },
    State.READY: {
        Event.ASKED_TO_END: State.ENDING,
        Event.ENDED: State.GONE,
    },
    State.BUSY: {
        Event.ANSWERED: State.READY,
        Event.ASKED_TO_END: State.ENDING,
        Event.ENDED: State.GONE,
    },
    State.ENDING: {
        Event.ANSWERED: State.READY,
        Event.ANSWERED_BESIDE: State.BUSY,
        Event.STAYED: State.GONE,
        Event.STARTED: State.STARTING,
    },
    State.GONE: {
        Event.ANSWERED: State.READY,
        Event.ANSWERED_BESIDE: State.BUSY,
        Event.ASKED_TO_END: State.ENDING,
        Event.ABANDONED: State.DEAD,
        Event.STARTED: State.STARTING,
    },
    State.DEAD: {
        Event.ANSWERED: State.READY,
        Event.ANSWERED_BESIDE: State.BUSY,
        Event.ASKED_TO_END: State.ENDING,
        Event.STARTED: State.STARTING,
    },
}

TAKES_REQUESTS = frozenset({State.HEARD, State.READY, State.BUSY})
"""States in which clients' requests go to the kernel; in the others they wait."""

READY = frozenset({State.READY, State.BUSY})
"""States in which the kernel has answered and its output arrives."""
