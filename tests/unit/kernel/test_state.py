"""What the kernel is doing, as its own messages tell it."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.examples import message, nested, status
from w2z.kernel.state import MAX_BUSY, KernelState
from w2z.message import Message

START = datetime(2026, 11, 22, tzinfo=UTC)
LATER = START + timedelta(seconds=5)


def about(request: str, said: str) -> Message:
    """A status that belongs to a request."""
    return status(said)._replace(parent_header=b'{"msg_id":"%s"}' % request.encode())


def after(*said: Message) -> str:
    """The state that these messages leave."""
    state = KernelState(START, "w2z")
    state.observe(said, LATER)
    return state.execution_state


def test_a_kernel_nothing_was_heard_of_is_starting_since_then():
    state = KernelState(START, "w2z")
    assert state.execution_state == "starting"
    assert state.last_activity == START


@pytest.mark.parametrize("said", ["starting", "idle", "busy", "restarting", "terminating", "dead"])
def test_the_state_is_what_the_kernel_says(said):
    state = KernelState(START, "w2z")
    state.observe([status(said)], LATER)
    assert state.execution_state == said


def test_the_last_status_of_a_batch_counts():
    state = KernelState(START, "w2z")
    state.observe([status("busy"), message("stream"), status("idle"), message("stream")], LATER)
    assert state.execution_state == "idle"


def test_every_message_is_activity_and_only_a_status_changes_the_state():
    state = KernelState(START, "w2z")
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
    state = KernelState(START, "w2z")
    state.observe([status("busy"), odd], LATER)
    assert state.execution_state == "busy"


def test_it_is_busy_as_long_as_any_request_runs():
    cell = about("cell", "busy")
    control = [about("control", "busy"), about("control", "idle")]
    assert after(cell, *control) == "busy"
    assert after(cell, *control, about("cell", "idle")) == "idle"
    assert after(cell, about("control", "busy"), about("cell", "idle")) == "busy"


def test_an_idle_without_its_busy_is_believed():
    """w2z may have come when the request was running already."""
    assert after(about("cell", "idle")) == "idle"
    assert after(about("cell", "busy"), about("earlier", "idle")) == "busy"


def test_a_busy_that_is_said_twice_ends_once():
    assert after(about("a", "busy"), about("a", "busy"), about("a", "idle")) == "idle"


def test_statuses_of_no_request_belong_together():
    """What a kernel does for itself has no parent."""
    assert after(status("busy"), about("a", "busy"), about("a", "idle")) == "busy"
    assert after(status("busy"), status("idle")) == "idle"
    assert after(status("busy"), about("None", "idle")) == "idle"


@pytest.mark.parametrize("odd", [b'{"msg_id":["a"]}', b'{"msg_id":null}', b'{"msg_id":7}'])
def test_a_parent_may_be_called_anything(odd):
    busy = status("busy")._replace(parent_header=odd)
    assert after(busy, about("a", "busy"), about("a", "idle")) == "busy"
    assert after(busy, status("idle")._replace(parent_header=odd)) == "idle"


def test_a_parent_that_cannot_be_read_changes_nothing():
    assert after(status("busy"), status("idle")._replace(parent_header=b"[")) == "busy"


@pytest.mark.parametrize("said", ["starting", "restarting", "terminating", "dead"])
def test_another_kernel_runs_nothing_of_before(said):
    assert after(about("cell", "busy"), status(said)) == said
    rest = [about("info", "busy"), about("info", "idle")]
    assert after(about("cell", "busy"), status(said), *rest) == "idle"


def test_beginning_anew_forgets_what_was_running():
    state = KernelState(START, "w2z")
    state.observe([about("cell", "busy")], START)
    state.begin_anew("restarting")
    assert state.execution_state == "restarting"
    assert state.last_activity == START
    state.observe([about("info", "busy"), about("info", "idle")], LATER)
    assert state.execution_state == "idle"


def test_requests_that_never_end_are_forgotten_oldest_first():
    busy = [about(str(n), "busy") for n in range(MAX_BUSY + 1)]
    idle = [about(str(n), "idle") for n in range(MAX_BUSY + 1)]
    assert after(*busy, *idle[1:]) == "idle"
    assert after(*busy, *idle[2:]) == "busy"
    # One less, and the first is remembered still.
    assert after(*busy[:-1], *idle[1:-1]) == "busy"


def test_a_marked_state_is_said_whatever_the_kernel_says():
    state = KernelState(START, "w2z")
    state.observe([about("cell", "busy")], START)
    state.mark("restarting")
    state.observe([about("end", "busy"), about("end", "idle")], LATER)
    assert state.execution_state == "restarting"
    assert state.last_activity == LATER


def test_what_comes_after_the_mark_is_the_kernels_own_word_again():
    state = KernelState(START, "w2z")
    state.observe([about("cell", "busy")], START)
    state.mark("restarting")
    state.unmark()
    assert state.execution_state == "idle"
    state.observe([about("another", "busy")], LATER)
    state.unmark()
    assert state.execution_state == "busy"


def test_a_mark_ends_with_what_it_marked():
    state = KernelState(START, "w2z")
    state.mark("restarting")
    state.begin_anew("dead")
    state.unmark()
    assert state.execution_state == "dead"


# Since when it is busy


def test_a_kernel_is_busy_for_as_long_as_anything_runs():
    state = KernelState(START, "w2z")
    state.observe([status("idle"), about("cell", "busy")], LATER)
    assert state.is_busy_for(0, LATER)
    assert state.is_busy_for(7, LATER + timedelta(seconds=7))
    assert not state.is_busy_for(7.1, LATER + timedelta(seconds=7))
    # What begins meanwhile does not begin the counting anew.
    state.observe(
        [about("control", "busy"), about("control", "idle")], LATER + timedelta(seconds=7)
    )
    assert state.is_busy_for(8, LATER + timedelta(seconds=8))


def test_a_kernel_that_was_idle_in_between_is_busy_since_then():
    state = KernelState(START, "w2z")
    state.observe([about("a", "busy"), about("a", "idle")], START)
    state.observe([about("b", "busy")], LATER)
    assert not state.is_busy_for(1, LATER)


@pytest.mark.parametrize("said", [[], ["idle"], ["busy", "idle"], ["busy", "restarting"]])
def test_a_kernel_that_runs_nothing_is_not_busy(said):
    state = KernelState(START, "w2z")
    state.observe([status(one) for one in said], START)
    assert not state.is_busy_for(0, LATER)


def test_beginning_anew_ends_being_busy():
    state = KernelState(START, "w2z")
    state.observe([status("busy")], START)
    state.begin_anew("starting")
    assert not state.is_busy_for(0, LATER)


# What a newcomer is told


def test_before_the_first_status_there_is_none_to_tell():
    state = KernelState(START, "w2z")
    state.observe([message("stream")], LATER)
    assert state.last_status is None


def test_a_newcomer_is_told_the_oldest_of_what_runs():
    state = KernelState(START, "w2z")
    cell, control = about("cell", "busy"), about("control", "busy")
    state.observe([cell, control, about("control", "idle"), message("stream")], LATER)
    assert state.last_status is cell


def test_a_newcomer_is_told_the_last_status_of_a_kernel_that_runs_nothing():
    state = KernelState(START, "w2z")
    last = about("cell", "idle")
    state.observe([about("cell", "busy"), last], LATER)
    assert state.last_status is last


def test_a_newcomer_is_told_nothing_of_the_kernel_before():
    state = KernelState(START, "w2z")
    state.observe([status("busy")], START)
    state.begin_anew("starting")
    assert state.last_status is None


# What a newcomer is told


def test_a_newcomer_is_told_what_was_said_last():
    state = KernelState(START, "w2z")
    assert state.last_status is None
    state.observe([about("cell", "busy"), about("cell", "idle"), message("stream")], LATER)
    assert state.last_status == about("cell", "idle")


def test_a_newcomer_is_told_what_runs_whatever_else_has_ended():
    state = KernelState(START, "w2z")
    state.observe([about("cell", "busy"), about("other", "busy"), about("other", "idle")], LATER)
    assert state.last_status == about("cell", "busy")


def test_a_newcomer_is_told_nothing_of_a_kernel_that_is_gone():
    state = KernelState(START, "w2z")
    state.observe([about("cell", "busy")], LATER)
    state.begin_anew("starting")
    assert state.last_status is None


@pytest.mark.parametrize(("seconds", "busy"), [(4, True), (5, True), (6, False)])
def test_how_long_it_has_been_busy_counts_from_its_last_idle_moment(seconds, busy):
    state = KernelState(START, "w2z")
    state.observe([about("cell", "busy")], START)
    state.observe([about("other", "busy"), about("other", "idle")], LATER)
    assert state.is_busy_for(seconds, LATER) is busy


def test_an_idle_kernel_has_not_been_busy_at_all():
    state = KernelState(START, "w2z")
    assert not state.is_busy_for(0, LATER)
    state.observe([about("cell", "busy"), about("cell", "idle")], START)
    assert not state.is_busy_for(0, LATER)


def test_what_the_kernel_does_for_w2z_itself_does_not_make_it_busy():
    own = status("busy")._replace(parent_header=b'{"msg_id":"1","session":"w2z"}')
    assert after(status("idle"), own) == "idle"
    assert after(about("2", "busy"), own, own._replace(content=status("idle").content)) == "busy"
    assert after(own, own._replace(content=status("idle").content)) == "idle"
