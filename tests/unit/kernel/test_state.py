"""What the kernel is doing, as its own messages tell it.

Two clocks, both the test's: the wall's for what is told, and seconds for what is decided.
"""

import json
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.examples import decoded, message, nested, status
from w2z.kernel.state import MAX_BUSY, MAX_READ, MAX_STATUS, KernelState
from w2z.message import Message, size_of

START = datetime(2026, 11, 22, tzinfo=UTC)
LATER = START + timedelta(seconds=5)


def about(request: str, said: str, **more: str) -> Message:
    """A status that belongs to a request, whose header has these fields as well."""
    parent = json.dumps({"msg_id": request, **more}).encode()
    return status(said)._replace(parent_header=parent)


def own(said: str) -> Message:
    """A status that belongs to a request of w2z's own."""
    return about("w2z's", said, session="w2z")


def heard(*said: Message, now: float = 5.0) -> KernelState:
    """A kernel that said this at that time."""
    state = KernelState(START, "w2z")
    state.observe(said, LATER, now)
    return state


def after(*said: Message) -> str:
    """The state that these messages leave."""
    return heard(*said).execution_state


def test_a_kernel_nothing_was_heard_of_is_starting_since_then():
    state = KernelState(START, "w2z")
    assert state.execution_state == "starting"
    assert state.last_activity == START


@pytest.mark.parametrize("said", ["starting", "idle", "busy", "restarting", "terminating", "dead"])
def test_the_state_is_what_the_kernel_says(said):
    state = heard(status(said))
    assert state.execution_state == said


def test_what_runs_or_ran_last_is_known_by_its_parent():
    state = KernelState(START, "w2z")
    assert state.running == b"{}"
    asked = b'{"msg_id": "1"}'
    state.observe([status("busy")._replace(parent_header=asked)], START, 0)
    assert state.running == asked
    state.observe([status("idle")._replace(parent_header=asked)], START, 1)
    assert state.running == asked


def test_the_last_status_of_a_batch_counts():
    state = heard(status("busy"), message("stream"), status("idle"), message("stream"))
    assert state.execution_state == "idle"


def test_every_message_is_activity_and_only_a_status_changes_the_state():
    state = heard(message("stream", '"status"'))
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
    state = heard(status("busy"), odd)
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
    state = heard(about("cell", "busy"))
    state.begin_anew("restarting")
    assert state.execution_state == "restarting"
    assert state.last_activity == LATER
    state.observe([about("info", "busy"), about("info", "idle")], LATER, 5.0)
    assert state.execution_state == "idle"


def test_requests_that_never_end_are_forgotten_oldest_first():
    busy = [about(str(n), "busy") for n in range(MAX_BUSY + 1)]
    idle = [about(str(n), "idle") for n in range(MAX_BUSY + 1)]
    assert after(*busy, *idle[1:]) == "idle"
    assert after(*busy, *idle[2:]) == "busy"
    # One less, and the first is remembered still.
    assert after(*busy[:-1], *idle[1:-1]) == "busy"


def test_of_a_large_status_only_the_ids_and_the_state_are_kept():
    parent = {"msg_id": "cell", "session": "s", "pad": "x" * MAX_STATUS, "username": "u" * 300}
    large = about("cell", "busy")._replace(
        parent_header=json.dumps(parent).encode(), buffers=(bytes(10**6),)
    )
    state = heard(large)
    assert state.execution_state == "busy"
    kept = state.last_status
    assert kept is not None
    assert decoded(kept.parent_header) == {"msg_id": "cell", "session": "s"}
    assert decoded(kept.header) == decoded(large.header)
    assert decoded(kept.content) == {"execution_state": "busy"}
    assert kept.buffers == ()
    assert state.settle(9.0) == [kept]


def test_a_status_that_is_too_large_to_be_looked_into_counts_for_nothing():
    padded = status("busy")._replace(metadata=b'{"pad":"%b"}' % (b"x" * MAX_READ))
    state = heard(status("idle"), padded)
    assert state.execution_state == "idle"
    assert state.last_activity == LATER


def test_however_many_and_large_statuses_are_what_is_kept_of_them_is_small():
    pad = "x" * (MAX_READ // 2)
    state = heard(*(about(f"{n}{pad}", "busy", pad=pad[:-400]) for n in range(2 * MAX_BUSY)))
    assert state.execution_state == "busy"
    kept = state.settle(9.0)
    assert len(kept) == MAX_BUSY
    assert size_of(kept) <= MAX_BUSY * MAX_STATUS


def test_long_ids_are_told_apart():
    long = "x" * 10_000
    assert after(about(f"{long}1", "busy"), about(f"{long}2", "idle")) == "busy"
    assert after(about(f"{long}1", "busy"), about(f"{long}1", "idle")) == "idle"


def test_a_marked_state_is_said_whatever_the_kernel_says():
    state = heard(about("cell", "busy"))
    state.mark("restarting")
    state.observe([about("end", "busy"), about("end", "idle")], LATER, 5.0)
    assert state.execution_state == "restarting"
    assert state.last_activity == LATER


def test_what_comes_after_the_mark_is_the_kernels_own_word_again():
    state = heard(about("cell", "busy"))
    state.mark("restarting")
    state.unmark()
    assert state.execution_state == "idle"
    state.observe([about("another", "busy")], LATER, 5.0)
    state.unmark()
    assert state.execution_state == "busy"


def test_a_mark_ends_with_what_it_marked():
    state = KernelState(START, "w2z")
    state.mark("restarting")
    state.begin_anew("dead")
    state.unmark()
    assert state.execution_state == "dead"


# Since when it is busy.


def test_a_kernel_is_busy_for_as_long_as_anything_runs():
    state = heard(status("idle"), about("cell", "busy"), now=5.0)
    assert state.is_busy
    assert state.is_busy_for(0, 5.0)
    assert state.is_busy_for(7, 12.0)
    assert not state.is_busy_for(7.1, 12.0)
    # What begins meanwhile does not begin the counting anew.
    state.observe([about("control", "busy"), about("control", "idle")], LATER, 12.0)
    assert state.is_busy_for(8, 13.0)


def test_a_kernel_that_was_idle_in_between_is_busy_since_then():
    state = heard(about("a", "busy"), about("a", "idle"), now=0.0)
    state.observe([about("b", "busy")], LATER, 5.0)
    assert state.is_busy_for(0, 5.0)
    assert not state.is_busy_for(1, 5.0)


@pytest.mark.parametrize("said", [[], ["idle"], ["busy", "idle"], ["busy", "restarting"]])
def test_a_kernel_that_runs_nothing_is_not_busy(said):
    state = heard(*map(status, said), now=0.0)
    assert not state.is_busy
    assert not state.is_busy_for(0, 5.0)


def test_beginning_anew_ends_being_busy():
    state = heard(status("busy"))
    state.begin_anew("starting")
    assert not state.is_busy


def test_it_has_been_quiet_since_its_last_message_of_any_kind():
    state = KernelState(START, "w2z")
    assert state.quiet_since == 0.0
    state.observe([message("stream")], LATER, 7.5)
    assert state.quiet_since == 7.5


# What it does for w2z itself.


def test_what_the_kernel_does_for_w2z_itself_does_not_make_it_busy():
    assert after(status("idle"), own("busy")) == "idle"
    assert after(about("cell", "busy"), own("busy"), own("idle")) == "busy"
    assert after(own("busy"), own("idle")) == "starting"
    # What it says of itself meanwhile is its own word all the same.
    assert after(about("cell", "busy"), own("restarting")) == "restarting"


def test_a_newcomer_to_an_idle_kernel_is_told_what_it_said_last_of_w2zs_requests_too():
    idle = own("idle")
    assert heard(own("busy")).last_status is None
    assert heard(own("busy"), idle).last_status is idle
    cell = about("cell", "busy")
    assert heard(cell, own("busy"), idle).last_status is cell


# Supposed to be busy.


def test_a_kernel_that_was_busy_before_anybody_listened_is_busy_from_now_on():
    state = KernelState(START, "w2z")
    state.suppose_busy()
    assert state.execution_state == "busy"
    # Since when is not known: for as long as anybody asks about.
    assert state.is_busy_for(1e9, 5.0)
    # What is seen to run does not begin the counting anew, nor does its end make it idle.
    state.observe([about("info", "busy"), about("info", "idle")], LATER, 6.0)
    assert state.is_busy_for(1e9, 6.0)


def test_it_is_idle_when_something_ends_that_nobody_saw_begin():
    state = KernelState(START, "w2z")
    state.suppose_busy()
    state.observe([about("a cell of before", "idle")], LATER, 5.0)
    assert state.execution_state == "idle"


@pytest.mark.parametrize("said", [[own("idle")], [own("busy"), own("idle")]])
def test_what_it_does_for_w2z_on_control_does_not_end_it(said):
    state = KernelState(START, "w2z")
    state.suppose_busy()
    state.observe(said, LATER, 5.0)
    assert state.execution_state == "busy"
    assert state.last_status is None


def test_one_that_is_known_to_be_busy_has_been_so_since_then():
    state = heard(about("cell", "busy"), now=1.0)
    state.suppose_busy()
    assert state.is_busy_for(2, 3.0)
    assert not state.is_busy_for(2.1, 3.0)


@pytest.mark.parametrize("said", ["starting", "restarting", "terminating", "dead"])
def test_another_kernel_is_not_supposed_to_be_busy(said):
    state = KernelState(START, "w2z")
    state.suppose_busy()
    state.observe([status(said)], LATER, 5.0)
    assert state.execution_state == said
    state.observe([about("cell", "busy"), about("cell", "idle")], LATER, 6.0)
    assert state.execution_state == "idle"


# Settled: it answered on shell what it was asked then.


def test_what_began_before_has_ended():
    cell, other = about("cell", "busy"), about("other", "busy")
    state = heard(cell, other, now=1.0)
    state.answered(2.0, 5.0)
    assert state.to_settle(4.9) is None
    assert state.to_settle(5.0) == 2.0
    assert state.to_settle(5.0) is None
    assert state.settle(2.0) == [cell, other]
    # With nothing to wait for it is settled at once.
    state.answered(2.0, 5.0)
    assert state.to_settle(0.0) == 2.0
    assert state.execution_state == "idle"
    # An end that comes after all is the end of nothing.
    state.observe([about("new", "busy"), about("cell", "idle")], LATER, 3.0)
    assert state.execution_state == "busy"


def test_what_began_after_it_was_asked_may_run_still():
    before, behind = about("before", "busy"), about("behind", "busy")
    state = heard(before, now=1.0)
    state.observe([behind], LATER, 2.0)
    assert state.settle(2.0) == [before]
    assert state.execution_state == "busy"
    assert state.last_status is behind


def test_what_runs_in_a_subshell_may_run_still():
    state = heard(about("cell", "busy", subshell_id="s"), now=1.0)
    assert state.settle(2.0) == []
    assert state.execution_state == "busy"


def test_nothing_is_supposed_to_run_any_more():
    state = KernelState(START, "w2z")
    state.suppose_busy()
    assert state.settle(2.0) == []
    assert state.execution_state == "idle"
    assert state.last_status is None


@pytest.mark.parametrize("state_before", ["starting", "restarting", "idle"])
def test_a_kernel_that_answers_is_idle_whatever_was_said_of_it_before(state_before):
    state = KernelState(START, "w2z")
    state.begin_anew(state_before)
    assert state.settle(2.0) == []
    assert state.execution_state == "idle"


def test_a_newcomer_is_told_the_last_status_of_a_kernel_that_has_just_started():
    idle = own("idle")
    state = heard(status("starting"), own("busy"), idle)
    assert state.execution_state == "starting"
    state.settle(2.0)
    assert state.execution_state == "idle"
    assert state.last_status is idle


def test_a_marked_state_stays_what_was_marked():
    state = KernelState(START, "w2z")
    state.mark("restarting")
    assert state.settle(2.0) == []
    assert state.execution_state == "restarting"


# Gone.


def test_a_kernel_that_is_gone_runs_nothing():
    state = heard(about("cell", "busy"))
    state.suppose_busy()
    state.forget()
    assert state.execution_state == "idle"
    assert state.last_status is None


def test_what_is_marked_is_said_of_one_that_is_gone_too():
    state = heard(about("cell", "busy"))
    state.mark("restarting")
    state.forget()
    assert state.execution_state == "restarting"
    state.unmark()
    assert state.execution_state == "idle"


# Marked, and supposed to be busy: the one that comes is busy, and requests go to it.


def test_the_next_kernel_may_be_busy():
    state = KernelState(START, "w2z")
    state.mark("restarting")
    state.suppose_busy()
    assert state.execution_state == "restarting"
    state.unmark()
    assert state.execution_state == "busy"
    assert state.is_busy_for(1e9, 5.0)


# What a newcomer is told.


def test_before_the_first_status_there_is_none_to_tell():
    assert heard(message("stream")).last_status is None


def test_a_newcomer_is_told_the_oldest_of_what_runs():
    cell, control = about("cell", "busy"), about("control", "busy")
    state = heard(cell, control, about("control", "idle"), message("stream"))
    assert state.last_status is cell


def test_a_newcomer_is_told_the_last_status_of_a_kernel_that_runs_nothing():
    last = about("cell", "idle")
    assert heard(about("cell", "busy"), last, message("stream")).last_status is last


def test_a_newcomer_is_told_nothing_of_the_kernel_before():
    state = heard(status("busy"))
    state.begin_anew("starting")
    assert state.last_status is None
