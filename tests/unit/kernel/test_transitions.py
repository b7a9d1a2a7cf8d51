"""The table of a kernel's life, written down a second time to be read at one glance."""

import itertools

from w2z.kernel.transitions import READY, TAKES_REQUESTS, TRANSITIONS, Event, State

TABLE = """
            HEARD  ANSWERED  ANSWERED_BESIDE  ASKED_TO_END  STAYED  ENDED  ABANDONED  STARTED
STARTING    HEARD  READY     BUSY             ENDING        .       .      DEAD       .
HEARD       .      READY     BUSY             ENDING        .       GONE   .          .
READY       .      .         .                ENDING        .       GONE   .          .
BUSY        .      READY     .                ENDING        .       GONE   .          .
ENDING      .      READY     BUSY             .             GONE    .      .          STARTING
GONE        .      READY     BUSY             ENDING        .       .      DEAD       STARTING
DEAD        .      READY     BUSY             ENDING        .       .      .          STARTING
"""


def test_the_table_is_the_one_in_the_code():
    events, *rows = (line.split() for line in TABLE.strip().splitlines())
    assert events == [event.name for event in Event]
    told = {
        (State[name], Event[event]): State[after]
        for name, *cells in rows
        for event, after in zip(events, cells, strict=True)
        if after != "."
    }
    assert [name for name, *_ in rows] == [state.name for state in State]
    assert told == {
        (state, event): after
        for state, entries in TRANSITIONS.items()
        for event, after in entries.items()
    }


def test_requests_go_to_a_kernel_that_was_heard_of_and_no_other():
    assert {State.HEARD, State.READY, State.BUSY} == TAKES_REQUESTS
    assert {State.READY, State.BUSY} == READY


def test_every_state_can_come_to_be_and_to_pass():
    entered = set(itertools.chain.from_iterable(one.values() for one in TRANSITIONS.values()))
    assert entered == set(State)
    assert all(set(entries.values()) - {state} for state, entries in TRANSITIONS.items())
