"""When a client is asked what has arrived, and when it is taken for dead: dialogues by a clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2z.server.acknowledgement import (
    ACK_DELAY,
    ACK_PAUSE,
    MAX_POSITION_DIGITS,
    Acknowledgement,
    Due,
    State,
    ping_payload,
)

INTERVAL = 30.0
TIMEOUT = 10.0
MOMENT = 0.001


class Dialogue:
    """w2z and one peer; ``pings`` are the moments at which w2z asked, ``died`` that of the end."""

    def __init__(self, *, resumable: bool = True) -> None:
        self.now = 1000.0
        self.taken, self.unsent = 5, 0
        self.held_back = False
        self.pings: list[float] = []
        self.died: float | None = None
        self.side = Acknowledgement(
            resumable=resumable, ping_interval=INTERVAL, ping_timeout=TIMEOUT, now=self.now
        )

    def passes(self, seconds: float) -> Any:
        """Let time pass; returns how long it took until each ping that was sent meanwhile."""
        start, until = self.now, self.now + seconds
        before = len(self.pings)
        while (deadline := self.side.next_deadline()) <= until:
            self.now = deadline
            due = self.side.poll(self.now, self.taken, unsent=self.unsent, held_back=self.held_back)
            if due is Due.PING:
                self.pings.append(self.now)
                self.side.asked(self.now, self.taken)
            elif due is Due.DEAD:
                self.died = self.now
        self.now = until
        return pytest.approx([moment - start for moment in self.pings[before:]])

    def writes(self) -> None:
        self.side.wrote(self.now)

    def answers(self, payload: bytes = b"") -> int | None:
        self.side.heard()
        return self.side.pong(payload, self.now)


def test_a_silent_connection_is_asked_once_an_interval():
    we = Dialogue()
    for _ in range(3):
        assert we.passes(INTERVAL) == [INTERVAL]
        we.answers()


def test_a_write_is_asked_about_soon_and_all_that_comes_with_it_together():
    we = Dialogue()
    we.writes()
    assert we.passes(ACK_DELAY - MOMENT) == []
    we.writes()
    assert we.passes(MOMENT) == [MOMENT]
    we.answers()
    assert we.passes(INTERVAL) == [INTERVAL], "all has arrived"


def test_while_output_flows_there_is_a_pause_behind_every_pong():
    we = Dialogue()
    we.writes()
    we.passes(ACK_DELAY)
    for _ in range(3):
        we.writes()
        we.answers()
        we.writes()
        assert we.passes(ACK_PAUSE) == [ACK_PAUSE]
    we.answers()
    assert we.passes(INTERVAL - MOMENT) == []


def test_what_is_written_after_a_pause_is_over_waits_for_the_delay_only():
    we = Dialogue()
    we.writes()
    we.passes(ACK_DELAY)
    we.answers()
    we.passes(1)
    we.writes()
    assert we.passes(ACK_DELAY) == [ACK_DELAY]


def test_nothing_is_asked_while_a_ping_is_out():
    we = Dialogue()
    we.writes()
    we.passes(ACK_DELAY)
    we.writes()
    assert we.passes(TIMEOUT - MOMENT) == []


def test_a_client_without_a_session_to_come_back_to_is_asked_to_keep_the_connection_only():
    we = Dialogue(resumable=False)
    we.writes()
    assert we.passes(INTERVAL) == [INTERVAL]
    we.writes()
    we.answers()
    assert we.passes(INTERVAL) == [INTERVAL]


def test_a_pong_nobody_asked_for_puts_the_keepalive_off():
    we = Dialogue()
    we.passes(INTERVAL / 2)
    we.answers()
    assert we.passes(INTERVAL) == [INTERVAL]


@pytest.mark.parametrize("is_pausing", [False, True])
def test_a_pong_nobody_asked_for_puts_no_question_off(is_pausing: bool):
    we = Dialogue()
    we.writes()
    if is_pausing:
        we.passes(ACK_DELAY)
        we.writes()
        we.answers()
    due = we.side.next_deadline()
    we.passes(MOMENT)
    we.answers()
    assert we.side.next_deadline() == due


def test_a_pong_says_how_far_the_client_has_got():
    we = Dialogue()
    assert we.answers(ping_payload(17)) == 17
    assert we.answers(ping_payload(0)) == 0


@pytest.mark.parametrize(
    "payload",
    [b"", b"-1", b"1.0", b" 1", b"\xb2", "\u0661".encode(), b"9" * (MAX_POSITION_DIGITS + 1)],
)
def test_a_pong_that_carries_no_position_is_a_pong_all_the_same(payload: bytes):
    we = Dialogue()
    we.passes(INTERVAL)
    assert we.answers(payload) is None
    assert we.side.state is State.QUIET


def test_a_peer_that_does_not_answer_is_dead_after_the_timeout():
    we = Dialogue()
    we.passes(INTERVAL)
    asked = we.now
    we.passes(TIMEOUT)
    assert we.died == asked + TIMEOUT
    assert we.side.next_deadline() == inf


def test_a_peer_that_sends_is_alive_though_its_pong_does_not_come():
    we = Dialogue()
    we.passes(INTERVAL)
    for _ in range(3):
        we.side.heard()
        we.passes(TIMEOUT)
        assert we.died is None
    we.passes(TIMEOUT)
    assert we.died is not None


def test_what_a_peer_sent_before_the_ping_is_no_sign_of_life():
    we = Dialogue()
    we.side.heard()
    we.passes(INTERVAL + TIMEOUT)
    assert we.died is not None


def test_a_peer_that_takes_what_waits_for_it_is_alive():
    we = Dialogue()
    we.unsent = 3000
    we.passes(INTERVAL)
    for left in (2000, 5000, 1000):
        we.taken += 1000
        we.unsent = left
        we.passes(TIMEOUT)
        assert we.died is None
    we.passes(TIMEOUT)
    assert we.died is not None


def test_an_empty_buffer_is_no_sign_of_life():
    we = Dialogue()
    we.unsent = 3000
    we.passes(INTERVAL)
    we.taken += 3000
    we.unsent = 0
    we.passes(TIMEOUT)
    assert we.died is not None


def test_nor_is_more_that_waits():
    we = Dialogue()
    we.unsent = 3000
    we.passes(INTERVAL)
    we.unsent = 6000
    we.passes(TIMEOUT)
    assert we.died is not None


def test_a_peer_that_is_not_read_from_is_not_to_blame():
    we = Dialogue()
    we.held_back = True
    we.passes(INTERVAL + 3 * TIMEOUT)
    assert we.died is None
    we.held_back = False
    we.passes(TIMEOUT)
    assert we.died is not None


def test_nothing_is_due_before_its_time():
    we = Dialogue()
    assert we.side.poll(we.now, 0, unsent=0, held_back=False) is None


def test_nothing_is_said_to_the_dead():
    we = Dialogue()
    we.passes(INTERVAL + TIMEOUT)
    we.writes()
    we.answers()
    assert we.side.state is State.DEAD
    assert we.passes(10 * INTERVAL) == []


@dataclass
class Life:
    """What a property sees of a connection: when there was something to ask, and what was asked."""

    unasked_since: float = inf
    """When the oldest write was that no ping has followed."""
    pong_at: float = -inf
    ping_at: float | None = None
    """When the ping was sent that has not been answered."""
    pings: list[float] = field(default_factory=list)


Step = tuple[str, float]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["writes", "answers", "says something", "nothing"]),
        st.sampled_from([0.0, MOMENT, ACK_DELAY, ACK_PAUSE, 1.0, TIMEOUT / 2, INTERVAL]),
    )
)


@given(STEPS)
def test_every_write_is_asked_about_in_time_and_no_live_peer_is_dropped(steps: list[Step]):
    """Whatever happens in whatever order:

    - one ping at most is out;
    - what was written is asked about ``ACK_DELAY`` after it or ``ACK_PAUSE`` after the last pong,
      whichever is later, unless a ping is out, and no ping but the keepalive asks about nothing;
    - without writes there is a ping an interval after the last pong;
    - a peer dies only of a whole timeout in which it said nothing.
    """
    side = Acknowledgement(
        resumable=True, ping_interval=INTERVAL, ping_timeout=TIMEOUT, now=(now := 0.0)
    )
    life, heard_at = Life(), 0.0
    for what, pause in steps:
        if what == "writes":
            side.wrote(now)
            life.unasked_since = min(life.unasked_since, now)
        elif what == "answers":
            side.heard()
            side.pong(b"", now)
            life.pong_at, life.ping_at, heard_at = now, None, now
        elif what == "says something":
            side.heard()
            heard_at = now
        until = now + pause
        while (now := side.next_deadline()) <= until:
            due = side.poll(now, 0, unsent=0, held_back=False)
            if due is Due.DEAD:
                assert life.ping_at is not None
                assert now - max(life.ping_at, heard_at) >= TIMEOUT - MOMENT / 2
                return
            if due is None:
                assert life.ping_at is not None, "it waits for a pong on and on"
                continue
            assert life.ping_at is None, "one ping at most is out"
            in_time = max(life.unasked_since + ACK_DELAY, life.pong_at + ACK_PAUSE)
            kept = max(life.pong_at, 0.0) + INTERVAL
            assert now <= min(in_time, kept) + MOMENT / 2
            assert life.unasked_since < inf or now >= kept - MOMENT / 2
            side.asked(now, 0)
            life.ping_at, life.unasked_since = now, inf
        now = until
        if life.ping_at is None:
            assert now < max(life.unasked_since + ACK_DELAY, life.pong_at + ACK_PAUSE) + MOMENT / 2
