"""What the kernel is doing, as its own messages tell it."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.examples import message, nested, status
from w2z.hub.state import KernelState

START = datetime(2026, 11, 22, tzinfo=UTC)
LATER = START + timedelta(seconds=5)


def test_a_kernel_nothing_was_heard_of_is_starting_since_then():
    state = KernelState(START)
    assert state.execution_state == "starting"
    assert state.last_activity == START


@pytest.mark.parametrize("said", ["starting", "idle", "busy", "restarting", "terminating", "dead"])
def test_the_state_is_what_the_kernel_says(said):
    state = KernelState(START)
    state.observe([status(said)], LATER)
    assert state.execution_state == said


def test_the_last_status_of_a_batch_counts():
    state = KernelState(START)
    state.observe([status("busy"), message("stream"), status("idle"), message("stream")], LATER)
    assert state.execution_state == "idle"


def test_every_message_is_activity_and_only_a_status_changes_the_state():
    state = KernelState(START)
    state.observe([message("stream", '"status"')], LATER)
    assert state.last_activity == LATER
    assert state.execution_state == "starting"


@pytest.mark.parametrize(
    "odd",
    [
        # Not a status, though the word is in its header.
        message("status")._replace(header=b'{"msg_type":"stream","by":"status"}'),
        # States clients would not know, or no state.
        status("sleeping"),
        status("dead")._replace(content=b"{}"),
        status("dead")._replace(content=b'{"execution_state":["dead"]}'),
        # Not JSON at all.
        status("dead")._replace(content=b'{"execution_state":"dead"'),
        status("dead")._replace(content=nested(100_000)),
        status("dead")._replace(header=b'{"msg_type":"status"'),
    ],
)
def test_a_status_that_makes_no_sense_changes_nothing(odd):
    state = KernelState(START)
    state.observe([status("busy"), odd], LATER)
    assert state.execution_state == "busy"
