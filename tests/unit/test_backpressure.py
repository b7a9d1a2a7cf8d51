"""Reasons not to read from a transport: it is read again when the last of them is gone."""

from __future__ import annotations

from w2z.server.backpressure import Reading, Reason


class Transport:
    """Counts what it was told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def pause_reading(self) -> None:
        self.told.append("pause")

    def resume_reading(self) -> None:
        self.told.append("resume")


FIRST, SECOND = list(Reason)[:2]


def test_two_reasons_stop_it_once_and_the_last_one_gone_lets_it_go_on() -> None:
    transport = Transport()
    reading = Reading(transport)
    reading.stop(FIRST)
    reading.stop(SECOND)
    assert transport.told == ["pause"]
    reading.go_on(FIRST)
    assert reading.is_stopped
    assert [reading.is_stopped_by(reason) for reason in (FIRST, SECOND)] == [False, True]
    assert transport.told == ["pause"]
    reading.go_on(SECOND)
    assert transport.told == ["pause", "resume"]


def test_a_reason_that_is_none_changes_nothing() -> None:
    transport = Transport()
    reading = Reading(transport)
    reading.go_on(FIRST)
    assert transport.told == []
    reading.stop(FIRST)
    reading.go_on(SECOND)
    assert reading.is_stopped
    assert transport.told == ["pause"]
