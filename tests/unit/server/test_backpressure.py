"""Reasons not to read from a connection come and go independently."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from w2z.server.backpressure import Reading, Reason


class Transport:
    """Says whether it is read from; pausing twice is a mistake, as it is for some event loops."""

    def __init__(self) -> None:
        self.reads = True

    def pause_reading(self) -> None:
        assert self.reads
        self.reads = False

    def resume_reading(self) -> None:
        assert not self.reads
        self.reads = True


def test_what_undoes_one_reason_does_not_undo_another():
    transport = Transport()
    reading = Reading(transport)
    reading.stop(Reason.ANSWERING)
    reading.stop(Reason.PEER_READS_NOTHING)
    reading.go_on(Reason.ANSWERING)
    assert not transport.reads
    assert reading.is_stopped
    assert reading.is_stopped_by(Reason.PEER_READS_NOTHING)
    assert not reading.is_stopped_by(Reason.ANSWERING)
    reading.go_on(Reason.PEER_READS_NOTHING)
    assert transport.reads


def test_without_a_reason_it_is_read_from():
    assert not Reading(Transport()).is_stopped


def test_a_reason_counts_once():
    transport = Transport()
    reading = Reading(transport)
    reading.stop(Reason.KERNEL_IS_FULL)
    reading.stop(Reason.KERNEL_IS_FULL)
    reading.go_on(Reason.KERNEL_IS_FULL)
    assert transport.reads
    reading.go_on(Reason.KERNEL_IS_FULL)
    assert transport.reads


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(Reason))))
def test_it_is_read_from_when_and_only_when_there_is_no_reason_against_it(
    steps: list[tuple[bool, Reason]],
):
    transport, there = Transport(), set[Reason]()
    reading = Reading(transport)
    for is_new, reason in steps:
        if is_new:
            reading.stop(reason)
            there.add(reason)
        else:
            reading.go_on(reason)
            there.discard(reason)
        assert transport.reads == (not there) == (not reading.is_stopped)
        assert [reading.is_stopped_by(one) for one in Reason] == [one in there for one in Reason]
