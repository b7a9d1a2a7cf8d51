"""When a client is asked what has arrived, and when it is taken for dead: dialogues by a clock."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from w2z.bridge.client import Then
from w2z.server.acknowledgement import (
    ACK_PAUSE,
    CAREFUL,
    CAREFUL_FOR,
    DOUBT,
    MAX_POSITION_DIGITS,
    MOST_QUESTIONS,
    Acknowledgement,
    Due,
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
        self.position = 0
        self.pings: list[float] = []
        self.died: float | None = None
        self.gone_on = 0
        self.side = Acknowledgement(
            resumable=resumable, ping_interval=INTERVAL, ping_timeout=TIMEOUT, now=self.now
        )

    def passes(self, seconds: float) -> Any:
        """Let time pass; returns how long it took until each ping that was sent meanwhile."""
        start, until = self.now, self.now + seconds
        before = len(self.pings)
        while (deadline := self.side.next_deadline()) <= until:
            self.now = max(self.now, deadline)
            due = self.side.poll(self.now, self.taken, unsent=self.unsent, held_back=self.held_back)
            if due is Due.PING:
                self._ask()
            elif due is Due.DEAD:
                self.died = self.now
            elif due is Due.GO_ON:
                self.gone_on += 1
        self.now = until
        return pytest.approx([moment - start for moment in self.pings[before:]])

    def _ask(self) -> None:
        self.pings.append(self.now)
        self.side.asked(self.now, self.position)

    def writes(self, then: Then = Then.ANY) -> bool:
        """Returns whether a ping goes along."""
        self.position += 1
        asks = self.side.wrote(self.now, then)
        if asks:
            self._ask()
        return asks

    def answers(self, payload: bytes = b"") -> int | None:
        self.side.heard()
        return self.side.pong(payload, self.now)

    def answers_all(self) -> None:
        self.answers(ping_payload(self.position))


def test_a_silent_connection_is_asked_once_an_interval():
    we = Dialogue()
    for _ in range(3):
        assert we.passes(INTERVAL) == [INTERVAL]
        we.answers()


def test_a_write_is_asked_about_at_once_and_what_comes_soon_after_it_together():
    we = Dialogue()
    assert we.writes()
    we.answers_all()
    assert not we.writes()
    we.passes(ACK_PAUSE / 2)
    assert not we.writes()
    assert we.passes(ACK_PAUSE) == [ACK_PAUSE / 2]
    we.answers_all()
    assert we.passes(INTERVAL - MOMENT) == [], "all has arrived"


def test_while_output_flows_there_is_a_pause_from_ping_to_ping():
    we = Dialogue()
    we.writes()
    for _ in range(3):
        assert not we.writes()
        we.passes(ACK_PAUSE / 4)
        we.answers_all()
        assert not we.writes()
        assert we.passes(ACK_PAUSE * 3 / 4) == [ACK_PAUSE * 3 / 4]


def test_a_client_that_is_far_away_is_asked_again_when_it_has_answered():
    we = Dialogue()
    we.writes()
    we.passes(1)
    we.writes()
    we.answers(ping_payload(1))
    assert we.passes(0) == [0]


def test_what_is_written_long_after_the_last_question_is_asked_about_at_once():
    we = Dialogue()
    we.writes()
    we.answers_all()
    we.passes(ACK_PAUSE)
    assert we.writes()


def test_nothing_is_asked_while_a_question_is_out():
    we = Dialogue()
    we.writes()
    assert not we.writes()
    assert we.passes(INTERVAL - MOMENT) == []


def test_the_end_of_something_is_asked_about_at_once_all_the_same():
    we = Dialogue()
    assert we.writes()
    assert all(we.writes(Then.NOTHING) for _ in range(MOST_QUESTIONS - 1))
    assert not we.writes(Then.NOTHING), "so many questions are out"
    we.answers(ping_payload(1))
    assert we.writes(Then.NOTHING)
    assert len(we.pings) == MOST_QUESTIONS + 1


def test_an_answer_to_the_latest_question_answers_those_before_it():
    we = Dialogue()
    we.writes()
    we.writes(Then.NOTHING)
    assert we.answers(ping_payload(2)) == 2
    we.passes(ACK_PAUSE)
    assert we.writes()


def test_an_answer_to_an_earlier_question_leaves_the_later_one_out():
    we = Dialogue()
    we.writes()
    we.writes(Then.NOTHING)
    we.answers(ping_payload(1))
    we.passes(ACK_PAUSE)
    assert not we.writes()
    we.answers(ping_payload(2))
    assert we.passes(0) == [0]


def test_a_client_without_a_session_to_come_back_to_is_asked_to_keep_the_connection_only():
    we = Dialogue(resumable=False)
    assert not we.writes()
    assert not we.writes(Then.NOTHING)
    assert we.passes(INTERVAL) == [INTERVAL]
    we.writes()
    we.answers()
    assert we.passes(INTERVAL) == [INTERVAL]


def test_a_pong_nobody_asked_for_puts_the_keepalive_off():
    we = Dialogue()
    we.passes(INTERVAL / 2)
    we.answers()
    assert we.passes(INTERVAL) == [INTERVAL]


def test_a_pong_nobody_asked_for_puts_no_question_off():
    we = Dialogue()
    we.writes()
    we.answers_all()
    we.writes()
    due = we.side.next_deadline()
    we.passes(MOMENT)
    we.answers()
    assert we.side.next_deadline() == due


def test_a_question_sets_no_clock():
    we = Dialogue()
    we.passes(INTERVAL / 2)
    we.writes()
    assert we.passes(INTERVAL / 2) == [INTERVAL / 2], "the keepalive, whatever else is out"
    we.passes(TIMEOUT - MOMENT)
    assert we.died is None
    we.passes(MOMENT)
    assert we.died is not None


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
    assert we.side.next_deadline() == we.now + INTERVAL


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
    assert we.side.is_dead
    assert we.passes(10 * INTERVAL) == []


Step = tuple[str, float]
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["writes", "ends", "answers", "answers the first", "says", "nothing"]),
        st.sampled_from([0.0, MOMENT, ACK_PAUSE, 1.0, TIMEOUT / 2, INTERVAL]),
    )
)


@given(STEPS)
def test_every_write_is_asked_about_in_time_and_no_live_peer_is_dropped(steps: list[Step]):
    """Whatever happens in whatever order:

    - two questions at most are out, and one more for the keepalive;
    - what was written is asked about as soon as no question is out and ACK_PAUSE has passed since
      the last one, and what ends something at once unless two questions are out;
    - a peer dies only of a whole timeout in which it said nothing, and an interval without a pong.
    """
    we = Dialogue()
    out: list[int] = []
    is_owed, ponged_at, heard_at = False, we.now, we.now
    for what, pause in steps:
        if what in ("writes", "ends"):
            asks = we.writes(Then.NOTHING if what == "ends" else Then.ANY)
            asked_at = we.pings[-1 - asks] if len(we.pings) > asks else float("-inf")
            is_free = not out and we.now >= asked_at + ACK_PAUSE
            assert asks == (is_free or (what == "ends" and len(out) < MOST_QUESTIONS))
            is_owed = not asks
            out += [we.position] * asks
        elif what.startswith("answers"):
            position = out[0] if out and what == "answers the first" else we.position
            we.answers(ping_payload(position))
            out = [one for one in out if one > position]
            ponged_at = heard_at = we.now
        elif what == "says":
            we.side.heard()
            heard_at = we.now
        before = len(we.pings)
        we.passes(pause)
        if we.died is not None:
            assert we.died - heard_at >= TIMEOUT - MOMENT / 2
            assert we.died - ponged_at >= INTERVAL + TIMEOUT - MOMENT / 2
            return
        for _ in we.pings[before:]:
            out.append(we.position)
            is_owed = False
        assert len(out) <= MOST_QUESTIONS + 1
        if is_owed and not out:
            assert we.now < we.pings[-1] + ACK_PAUSE + MOMENT / 2


# Catching up, a little at a time.


def test_who_begins_to_catch_up_has_to_answer_a_few_times():
    we = Dialogue()
    waited = []
    for _ in range(CAREFUL + 1):
        assert we.writes(Then.MORE)
        waited.append(we.side.is_waiting)
        we.answers_all()
        waited.append(we.side.is_waiting)
    assert waited == [True, False] * CAREFUL + [False, False], "the last one is known to read"


def test_who_does_not_answer_soon_gets_more_all_the_same():
    """It may be far away, or read only now and then."""
    we = Dialogue()
    we.writes(Then.MORE)
    told = []
    for seconds in (0, CAREFUL_FOR - MOMENT, MOMENT):
        we.passes(seconds)
        told.append((we.side.is_waiting, we.gone_on))
    assert told == [(True, 0), (True, 0), (False, 1)]
    we.writes(Then.MORE)
    assert not we.side.is_waiting


def test_who_has_nothing_more_to_catch_up_with_has_not_to_answer():
    we = Dialogue()
    assert we.writes(Then.NOTHING)
    assert not we.side.is_waiting


def test_who_is_not_asked_has_not_to_answer():
    we = Dialogue(resumable=False)
    assert not we.writes(Then.MORE)
    assert not we.side.is_waiting


# Whether somebody is there, when another one wants the place.


def test_who_is_doubted_and_gives_no_sign_of_life_is_gone():
    we = Dialogue()
    assert we.side.doubt(we.now), "a ping asks for it"
    assert not we.side.is_gone(we.now)
    assert not we.side.doubt(we.now), "once"
    we.passes(DOUBT)
    assert we.side.is_gone(we.now)


def test_any_sign_of_life_ends_the_doubt():
    we = Dialogue()
    we.side.doubt(we.now)
    we.side.heard()
    we.passes(DOUBT)
    assert not we.side.is_gone(we.now)
    assert we.side.doubt(we.now), "asked anew"


def test_nobody_is_gone_who_was_not_asked_and_the_dead_are():
    we = Dialogue()
    assert not we.side.is_gone(we.now)
    we.passes(INTERVAL + TIMEOUT)
    assert we.died is not None
    assert we.side.is_gone(we.now)


def test_nothing_is_due_to_the_dead():
    we = Dialogue()
    we.passes(INTERVAL + TIMEOUT)
    assert we.died is not None
    assert we.side.poll(we.now, 0, unsent=0, held_back=False) is None
