"""Requests are written again where that is safe and needed, and answered where they are lost."""

from __future__ import annotations

import pytest

from tests.unit.client.examples import head, ids, made, new_header, status, stream, told
from w2z.client import unsettled as module
from w2z.client.unsettled import (
    MOST_FOLLOWED,
    MOST_GIVEN_UP,
    MOST_UNDER_WAY,
    MOST_UNPROVEN,
    MOST_WAITING,
    Lost,
    Unsettled,
)
from w2z.message import Channel, Message

LOST = Lost("SessionLost", "nobody knows")


class Stage:
    """Unsettled requests, and a w2z that a test speaks for."""

    def __init__(self) -> None:
        self.unsettled = Unsettled(new_header)

    def send(self, msg_id: str, msg_type: str = "execute_request", **more: object) -> Message:
        message = made(msg_type, msg_id, **more)  # type: ignore[arg-type]
        self.unsettled.add(message, head(message))
        return message

    def written(self) -> list[str]:
        found: list[Message] = []
        while (message := self.unsettled.next_to_write()) is not None:
            found.append(message)
        return ids(found)

    def prove(self) -> None:
        assert self.unsettled.owes_ping
        self.unsettled.pong(self.unsettled.asked())

    def hear(self, *messages: Message) -> list[bool]:
        return [self.unsettled.hear(message, head(message)) for message in messages]

    def resume(self, lost: Lost | None = None) -> list[tuple[str, str, str]]:
        self.unsettled.cut()
        return [told(one) for one in self.unsettled.resumed(lost)]

    def renew(self) -> list[tuple[str, str, str]]:
        self.unsettled.cut()
        return [told(one) for one in self.unsettled.renewed(LOST)]


FAILED = [("error", "1", "SessionLost"), ("execute_reply", "1", "SessionLost")]
IDLE = [("status", "1", "idle")]


def test_messages_are_written_in_their_order():
    stage = Stage()
    stage.send("1")
    stage.send("2", "comm_msg")
    assert stage.written() == ["1", "2"]
    assert stage.written() == []


def test_what_has_not_begun_is_written_again_before_all_that_waits():
    stage = Stage()
    first = stage.send("1")
    stage.send("2")
    assert stage.written() == ["1", "2"]
    stage.send("3")
    assert stage.resume() == []
    again = stage.unsettled.next_to_write()
    assert again == first, "the same bytes"
    assert stage.written() == ["2", "3"]


def test_it_is_written_again_although_w2z_proved_to_have_it():
    stage = Stage()
    stage.send("1")
    stage.written()
    stage.prove()
    stage.resume()
    assert stage.written() == ["1"]


@pytest.mark.parametrize("sign", [status("busy", "1"), stream("a", "1"), made("x_reply", "", "1")])
def test_what_has_begun_is_not_written_again(sign):
    stage = Stage()
    stage.send("1")
    stage.send("2")
    stage.written()
    assert stage.hear(sign) == [True]
    stage.resume()
    assert stage.written() == ["2"]


def test_cut_again_while_writing_again():
    stage = Stage()
    for number in "123":
        stage.send(number)
    stage.written()
    stage.resume()
    stage.unsettled.next_to_write()
    stage.resume()
    assert stage.written() == ["1", "2", "3"]


def test_a_request_is_over_with_its_reply_and_idle_in_any_order():
    stage = Stage()
    for number, order in (("1", ("reply", "idle")), ("2", ("idle", "reply"))):
        stage.send(number)
        stage.written()
        for one in order:
            last = made("execute_reply", "", number) if one == "reply" else status("idle", number)
            stage.hear(last)
    assert stage.renew() == []


def test_on_a_new_session_what_was_written_is_answered_and_never_written_again():
    stage = Stage()
    stage.send("1")
    stage.written()
    stage.send("2")
    assert stage.renew() == FAILED + IDLE
    assert stage.written() == ["2"], "what was not written yet goes to the new session"


def test_a_lost_request_gets_what_it_lacks():
    stage = Stage()
    stage.send("1")
    stage.written()
    stage.hear(status("busy", "1"), status("idle", "1"))
    assert stage.renew() == [FAILED[1]], "idle has come; an error behind it would be nobody's"
    stage.send("1")
    stage.written()
    stage.hear(made("execute_reply", "", "1"))
    assert stage.renew() == IDLE
    stage.send("1", "comm_msg")
    stage.written()
    assert stage.renew() == IDLE, "it has no reply"


def test_a_late_reply_to_what_was_given_up_is_not_handed_on():
    stage = Stage()
    stage.send("1")
    stage.written()
    stage.renew()
    reply = made("execute_reply", "", "1")
    assert stage.hear(reply, stream("late", "1")) == [False, True]


def test_another_kernel_only_gets_what_was_not_written():
    stage = Stage()
    stage.send("1")
    stage.send("2")
    stage.send("3")
    assert stage.unsettled.next_to_write() is not None
    stage.prove()
    assert stage.unsettled.next_to_write() is not None
    told_of = stage.resume(LOST)
    assert {one[1] for one in told_of} == {"2"}, "w2z has the first, and answers it itself"
    assert stage.written() == ["3"]
    stage.resume()
    assert stage.written() == ["3"], "the first is not for the new kernel on any connection"


def test_what_w2z_refused_is_answered_and_not_sent_again():
    stage = Stage()
    stage.send("1")
    stage.written()
    stage.prove()
    stage.send("2")
    stage.written()
    answers = [told(one) for one in stage.unsettled.refused(LOST)]
    assert {one[1] for one in answers} == {"2"}
    stage.resume()
    assert stage.written() == ["1"]


def test_an_answer_to_a_question_is_written_again_until_its_request_goes_on():
    stage = Stage()
    stage.send("1")
    stage.written()
    stage.hear(status("busy", "1"), made("input_request", "q", "1", Channel.STDIN))
    stage.send("a", "input_reply", channel=Channel.STDIN)
    assert stage.written() == ["a"]
    stage.hear(stream("from before", "1"))
    stage.resume()
    assert stage.written() == ["a"]
    stage.hear(made("input_request", "q2", "1", Channel.STDIN))
    stage.resume()
    assert stage.written() == []
    stage.send("b", "input_reply", parent="1", channel=Channel.STDIN)
    stage.written()
    stage.hear(made("execute_reply", "", "1"))
    stage.resume()
    assert stage.written() == []


def test_an_answer_to_a_question_is_lost_without_a_word():
    stage = Stage()
    stage.send("a", "input_reply", parent="1", channel=Channel.STDIN)
    stage.written()
    assert stage.renew() == []


def test_an_answer_that_waits_when_its_request_ends_is_not_written():
    stage = Stage()
    stage.send("1")
    stage.written()
    stage.send("a", "input_reply", parent="1", channel=Channel.STDIN)
    stage.send("2")
    stage.hear(made("execute_reply", "", "1"))
    assert stage.written() == ["2"]


def test_an_id_that_is_used_again_is_another_request():
    stage = Stage()
    stage.send("1")
    stage.written()
    stage.send("1")
    stage.resume()
    assert stage.written() == ["1"]


def test_heartbeats_are_written_once_at_most():
    stage = Stage()
    beat = Message(Channel.HB, b"beat", b"", b"", b"")
    stage.unsettled.add(beat, head(beat))
    assert stage.unsettled.next_to_write() == beat
    stage.unsettled.add(beat, head(beat))
    stage.send("1")
    stage.unsettled.cut()
    assert stage.written() == ["1"]


def test_only_the_pong_of_the_last_ping_proves_something():
    stage = Stage()
    assert not stage.unsettled.owes_ping
    stage.send("1")
    stage.written()
    payload = stage.unsettled.asked()
    assert not stage.unsettled.owes_ping, "one question at a time"
    stage.unsettled.pong(b"another")
    assert not stage.unsettled.owes_ping
    stage.send("2")
    stage.written()
    stage.unsettled.pong(payload)
    assert stage.unsettled.owes_ping, "the second was written behind the ping"


def test_little_is_written_that_w2z_has_not_proved_to_have():
    stage = Stage()
    for number in range(MOST_UNPROVEN + 1):
        stage.send(str(number))
    assert len(stage.written()) == MOST_UNPROVEN
    stage.prove()
    assert stage.written() == [str(MOST_UNPROVEN)]


def test_what_many_requests_followed_is_not_written_again():
    """w2z does not remember it any more, and would execute it a second time."""
    stage = Stage()
    for number in range(MOST_FOLLOWED + 1):
        stage.send(str(number))
        stage.written()
        stage.prove()
    stage.resume()
    again = []
    while more := stage.written():
        again += more
        stage.prove()
    assert again == [str(number) for number in range(1, MOST_FOLLOWED + 1)]


def test_there_is_room_for_so_many_messages():
    stage = Stage()
    for number in range(MOST_WAITING):
        assert stage.unsettled.has_room
        stage.send(str(number))
    assert not stage.unsettled.has_room
    stage.written()
    assert stage.unsettled.has_room


def test_there_is_room_for_so_many_bytes(monkeypatch):
    stage = Stage()
    monkeypatch.setattr(module, "MOST_UNSENT_BYTES", 1000)
    stage.send("1", code="a" * 2000)
    assert not stage.unsettled.has_room
    stage.written()
    assert not stage.unsettled.has_room, "it is not proved to have arrived"
    stage.prove()
    assert stage.unsettled.has_room


def test_large_requests_that_w2z_has_are_not_kept(monkeypatch):
    stage = Stage()
    monkeypatch.setattr(module, "MOST_KEPT_BYTES", 1000)
    stage.send("1", code="a" * 2000)
    stage.written()
    stage.send("2")
    stage.written()
    stage.prove()
    stage.resume()
    assert stage.written() == ["2"]
    stage.hear(status("busy", "1"))
    assert {one[1] for one in stage.renew()} == {"1", "2"}, "they are answered all the same"


def test_what_has_begun_takes_no_memory():
    stage = Stage()
    stage.send("1", code="a" * 2000)
    stage.written()
    stage.hear(status("busy", "1"))
    stage.prove()
    stage.resume()
    assert stage.written() == []


def test_a_large_request_that_may_not_have_arrived_is_kept(monkeypatch):
    stage = Stage()
    monkeypatch.setattr(module, "MOST_KEPT_BYTES", 1000)
    stage.send("1", code="a" * 2000)
    stage.written()
    stage.resume()
    assert stage.written() == ["1"]


def test_requests_that_nobody_answers_are_forgotten():
    stage = Stage()
    for number in range(MOST_UNDER_WAY + 1):
        stage.send(str(number))
        stage.written()
        if stage.unsettled.owes_ping:
            stage.prove()
    lost = {one[1] for one in stage.renew()}
    assert len(lost) == MOST_UNDER_WAY
    assert "0" not in lost
    reply = made("execute_reply", "", "1")
    assert stage.hear(reply) == [True], f"only {MOST_GIVEN_UP} are remembered"
