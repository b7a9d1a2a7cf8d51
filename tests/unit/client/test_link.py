"""A session over many connections: each message is handed on once, each request runs once."""

from __future__ import annotations

import random
from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.client.examples import head, ids, made, new_header, status, stream, told
from w2z.client.link import Link
from w2z.message import Channel, Message


def opened(link: Link, *, is_new: bool = False, start: str = "a", kernel: int = 1) -> list[str]:
    """Open a connection; return what is handed on at once, as texts."""
    answers = link.opened(is_new=is_new, session_start=start, kernel_start=kernel)
    return [" ".join(told(one)).strip() for one in answers]


def written(link: Link) -> list[str]:
    found = []
    while (message := link.next_to_write()) is not None:
        found.append(message)
    return ids(found)


@pytest.fixture
def link():
    made = Link(new_header)
    opened(made, is_new=True)
    return made


def send(link: Link, msg_id: str) -> None:
    link.send(made("execute_request", msg_id))


def test_what_is_sent_before_the_first_connection_waits_for_it():
    link = Link(new_header)
    assert link.has_room
    send(link, "1")
    assert opened(link, is_new=True) == []
    assert written(link) == ["1"]


def test_repeats_are_dropped_and_counted(link):
    first = stream("a", "1", "x")
    assert link.hear([first]) == [first]
    link.closed(1006, "")
    opened(link)
    second = stream("b", "1", "y")
    assert link.hear([first, second]) == [second]
    assert link.repeats == 1


def test_the_last_ping_is_where_to_go_on(link):
    assert link.received is None
    link.ping(b"42")
    assert link.received == 42


def test_heartbeats_pass(link):
    echo = Message(Channel.HB, b"anything", b"", b"", b"")
    assert link.hear([echo, echo]) == [echo, echo]


def test_w2z_is_asked_what_it_has(link):
    send(link, "1")
    assert not link.owes_ping
    written(link)
    assert link.owes_ping
    link.pong(link.asked())
    assert not link.owes_ping


def test_a_restarted_w2z_means_that_nobody_knows(link):
    send(link, "1")
    written(link)
    link.closed(1006, "")
    send(link, "2")
    lost = ["error 1 SessionLost", "execute_reply 1 SessionLost", "status 1 idle"]
    assert opened(link, is_new=True, start="b") == lost
    assert written(link) == ["2"]


def test_a_session_can_be_told_from_one_that_began_in_between(link):
    """Its ``new`` was in an answer that never came."""
    assert link.knows("a")
    assert not link.knows("b")
    assert Link(new_header).knows("b"), "the first connection may resume somebody else's"


def test_another_kernel_does_not_get_what_the_one_before_may_have_run(link):
    send(link, "1")
    written(link)
    link.closed(1006, "")
    lost = ["error 1 KernelLost", "execute_reply 1 KernelLost", "status 1 idle"]
    assert opened(link, kernel=2) == lost


def test_the_same_kernel_does(link):
    send(link, "1")
    written(link)
    link.closed(1006, "")
    assert opened(link) == []
    assert written(link) == ["1"]


@pytest.mark.parametrize(("code", "name"), [(1009, "TooLarge"), (1007, "Refused")])
def test_a_message_that_w2z_refuses_is_not_sent_again(link, code, name):
    send(link, "1")
    written(link)
    answers = [" ".join(told(one)) for one in link.closed(code, "because")]
    assert answers == [f"error 1 {name}", f"execute_reply 1 {name}", "status 1 idle"]
    opened(link)
    assert written(link) == []


# A w2z that behaves as docs/protocol.md and docs/delivery.md say, over a network that does not.


class World:
    """One client, one w2z after the other, one kernel after the other.

    ``up`` and ``down`` are frames on their way. A cut loses some of them.
    """

    def __init__(self) -> None:
        self.link = Link(new_header)
        self.up: deque[Any] = deque()
        self.down: deque[Any] = deque()
        self.is_open = False
        self.handed: list[Message] = []
        self.sent = 0
        self.executed: list[str] = []
        self.kernels = 0
        self.sessions = 0
        self.restart_w2z()

    # w2z and its kernel.

    def restart_w2z(self) -> None:
        """w2z is killed, and started again with another kernel."""
        self.cut()
        self.journal: list[Message] = []
        self.acked = 0
        self.is_known = False
        self.before: list[bytes] = []
        self.now: list[bytes] = []
        self.queue: deque[Message] = deque()
        self.kernels = 1

    def restart_kernel(self) -> None:
        """The kernel dies; w2z answers what it had, and starts another.

        What is on its way arrives before: a request that is sent again in that very moment runs
        in the next kernel, too (docs/delivery.md).
        """
        while self.up:
            self.deliver()
        for request in self.queue:
            self.say(request, "execute_reply", Channel.SHELL, status="error")
            self.say(request, "status", Channel.IOPUB, execution_state="idle")
        self.queue.clear()
        self.before, self.now = [], []
        self.kernels += 1

    def say(self, request: Message, msg_type: str, channel: Channel, **content: Any) -> None:
        said = made(msg_type, "", head(request).msg_id, channel, **content)
        self.journal.append(said)
        if self.is_open:
            self.down.append(said)

    def ask(self) -> None:
        """w2z asks what has arrived."""
        if self.is_open:
            self.down.append(b"%d" % len(self.journal))

    def take(self, frame: Any) -> None:
        """w2z gets a frame."""
        if not isinstance(frame, Message):
            kind, data = frame
            if kind == "ping":
                self.down.append(("pong", data))
            else:
                self.acked = max(self.acked, int(data))
        elif frame.header not in self.before:
            self.now = [*self.now, frame.header][-512:]
            self.queue.append(frame)

    def run(self) -> None:
        """The kernel runs a request."""
        if self.queue:
            request = self.queue.popleft()
            self.executed.append(head(request).msg_id)
            self.say(request, "status", Channel.IOPUB, execution_state="busy")
            for text in "ab":
                self.say(request, "stream", Channel.IOPUB, name="stdout", text=text)
            self.say(request, "execute_reply", Channel.SHELL, status="ok")
            self.say(request, "status", Channel.IOPUB, execution_state="idle")

    # The client.

    def send(self) -> None:
        self.sent += 1
        self.link.send(made("execute_request", f"r{self.sent}"))
        self.write()

    def write(self) -> None:
        if self.is_open:
            while (message := self.link.next_to_write()) is not None:
                self.up.append(message)
            if self.link.owes_ping:
                self.up.append(("ping", self.link.asked()))

    def get(self, frame: Any) -> None:
        if isinstance(frame, bytes):
            self.link.ping(frame)
            self.up.append(("pong", frame))
        elif isinstance(frame, Message):
            self.handed += self.link.hear([frame])
        else:
            self.link.pong(frame[1])
            self.write()

    def deliver(self) -> None:
        if self.up:
            self.take(self.up.popleft())

    def bring(self) -> None:
        if self.down:
            self.get(self.down.popleft())

    # The network.

    def cut(self) -> None:
        if self.is_open:
            self.handed += self.link.closed(1006, "")
        self.is_open = False
        self.up.clear()
        self.down.clear()

    def late_cut(self) -> None:
        """The client's end is cut, and w2z still gets what was on its way."""
        waiting = list(self.up)
        self.cut()
        for frame in waiting:
            self.take(frame)

    def accept(self) -> tuple[bool, str, int]:
        """w2z accepts a connection; whether its answer arrives is another question."""
        self.cut()
        is_new = not self.is_known
        self.sessions += is_new
        self.is_known = True
        received = self.link.received or 0
        if is_new:
            self.acked = 0
        elif received <= len(self.journal):
            self.acked = max(self.acked, received)
        self.before = [*self.before, *self.now][-512:]
        self.now = []
        return is_new, str(self.sessions), self.kernels

    def connect(self) -> None:
        is_new, start, kernel = self.accept()
        is_new = is_new or not self.link.knows(start)
        self.is_open = True
        self.handed += self.link.opened(is_new=is_new, session_start=start, kernel_start=kernel)
        for position in range(self.acked, len(self.journal)):
            # A client that catches up gets a part after the other, each with a ping.
            self.down += (self.journal[position], b"%d" % (position + 1))
        self.write()

    def lose_answer(self) -> None:
        """A connection is cut before the answer to its upgrade has come."""
        self.accept()

    def settle(self) -> None:
        """Let everything come to its end."""
        self.connect()
        while self.up or self.down or self.queue:
            self.deliver()
            self.bring()
            self.run()


STEPS = 150

ACTIONS = {
    World.send: 6,
    World.deliver: 12,
    World.bring: 20,
    World.run: 4,
    World.ask: 3,
    World.cut: 2,
    World.late_cut: 2,
    World.connect: 4,
    World.lose_answer: 1,
    World.restart_kernel: 1,
    World.restart_w2z: 1,
}
EVERY = [action for action, weight in ACTIONS.items() for _ in range(weight)]
NO_RESTARTS = [
    one for one in EVERY if one not in (World.restart_kernel, World.restart_w2z, World.lose_answer)
]


def acted(seed: int, actions: list[Any]) -> World:
    """A world in which much has happened. Hypothesis' own lists are mostly too short for that."""
    world = World()
    for action in random.Random(seed).choices(actions, k=STEPS):
        action(world)
    world.settle()
    return world


@settings(max_examples=150)
@given(st.integers(0, 2**32))
def test_no_request_runs_twice_and_each_is_answered_whatever_happens(seed):
    """Of a request that is lost, the answer is an error; it may have run all the same."""
    world = acted(seed, EVERY)
    assert len(world.executed) == len(set(world.executed))
    requests = {f"r{number}" for number in range(1, world.sent + 1)}
    found = [head(one) for one in world.handed]
    replies = [one.parent_id for one in found if one.msg_type == "execute_reply"]
    assert sorted(replies) == sorted(requests)
    ends = [told(one)[1] for one in world.handed if told(one)[2] == "idle"]
    assert set(ends) == requests


@settings(max_examples=150)
@given(st.integers(0, 2**32))
def test_without_restarts_nothing_is_lost_and_nothing_comes_twice(seed):
    world = acted(seed, NO_RESTARTS)
    assert ids(world.handed) == ids(world.journal)
    assert len(set(world.executed)) == world.sent == len(world.executed)


def test_idle_is_told_once_for_what_is_lost(link):
    send(link, "1")
    written(link)
    link.hear([status("busy", "1"), stream("a", "1")])
    link.closed(1006, "")
    assert opened(link, is_new=True, start="b").count("status 1 idle") == 1
