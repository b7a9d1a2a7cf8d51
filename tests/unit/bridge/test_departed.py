"""Clients that left are heard one after the other, and only so many of them are kept."""

from __future__ import annotations

from dataclasses import dataclass

from w2z.bridge.departed import MAX_DEPARTED, Departed


@dataclass(eq=False)
class Client:
    waiting: int = 1


def test_those_of_a_session_are_heard_in_the_order_in_which_they_left():
    departed: Departed[Client] = Departed(100)
    ann, ben, other = Client(), Client(), Client()
    assert departed.add("a", ann, 1)
    assert departed.add("b", other, 2)
    assert departed.add("a", ben, 3)
    assert departed.of("a") == [ann, ben]
    assert departed.of("b") == [other]
    assert list(departed) == [ann, ben, other]
    assert departed.sessions() == {"a": 3, "b": 2}
    assert departed.heard("a", ann)
    assert departed.of("a") == [ben]
    assert departed.heard("a", ben)
    assert "a" not in departed
    assert "b" in departed


def test_only_the_one_whose_turn_it_is_has_been_heard():
    departed: Departed[Client] = Departed(100)
    ann, ben = Client(), Client()
    departed.add("a", ann, 1)
    departed.add("a", ben, 1)
    assert not departed.heard("a", ben)
    assert not departed.heard("b", ann)
    assert departed.of("a") == [ann, ben]


def test_bytes_are_bounded_over_all_sessions_and_one_more_may_come_than_fits():
    departed: Departed[Client] = Departed(100)
    assert departed.add("a", Client(60), 1)
    assert departed.add("b", Client(60), 1)
    assert not departed.add("c", Client(1), 1)
    assert "c" not in departed
    departed.of("a")[0].waiting = 0
    assert departed.add("c", Client(1), 1)


def test_clients_of_one_session_are_bounded():
    departed: Departed[Client] = Departed(1000)
    assert all(departed.add("a", Client(), n) for n in range(MAX_DEPARTED))
    assert not departed.add("a", Client(), MAX_DEPARTED)
    assert departed.sessions() == {"a": MAX_DEPARTED - 1}
    assert departed.add("b", Client(), MAX_DEPARTED)


def test_what_is_forgotten_is_gone():
    departed: Departed[Client] = Departed(100)
    departed.add("a", Client(), 1)
    departed.forget("a")
    departed.forget("a")
    assert departed.of("a") == []
