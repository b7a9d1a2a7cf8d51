"""A connection that is quiet is asked, and one that does not answer is dead."""

from __future__ import annotations

from w2z.client.watch import ANSWER_WITHIN, QUIET_FOR, Overdue, Watch


def test_who_is_heard_is_left_alone():
    watch = Watch(0.0)
    assert watch.next_deadline() == QUIET_FOR
    watch.heard(30.0)
    assert watch.poll(QUIET_FOR) is None
    assert watch.next_deadline() == 30.0 + QUIET_FOR


def test_who_is_quiet_is_asked_once():
    watch = Watch(0.0)
    assert watch.poll(QUIET_FOR) is Overdue.PING
    watch.asked(QUIET_FOR)
    assert watch.poll(QUIET_FOR) is None
    assert watch.next_deadline() == QUIET_FOR


def test_who_does_not_answer_is_dead():
    watch = Watch(0.0)
    watch.asked(10.0)
    watch.asked(20.0)
    assert watch.next_deadline() == 10.0 + ANSWER_WITHIN
    assert watch.poll(10.0 + ANSWER_WITHIN) is Overdue.DEAD


def test_any_sign_of_life_is_an_answer():
    watch = Watch(0.0)
    watch.asked(10.0)
    watch.heard(11.0)
    assert watch.poll(10.0 + ANSWER_WITHIN) is None
