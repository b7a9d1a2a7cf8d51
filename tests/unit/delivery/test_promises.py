"""The promises about requests, kept by all of delivery together.

A client sends a few requests of fixed bytes, over one connection after the other, and acknowledges
what it hears at times; a kernel answers in order, when it likes, and is replaced at times. What is
said besides pushes answers out of memory. Invariants, whatever happens:

- No kernel executes what two connections sent.
- Whoever sends something hears an answer to it over the connection on which it sent it, unless that
  ends before the kernel has answered.
- Each request that a kernel gets is answered once, by it or for it.
- Nothing is said instead of an answer that is still to come.
"""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.examples import decoded, request
from w2z.delivery.hub import Hub
from w2z.delivery.journal import Journal
from w2z.delivery.repeats import Repeat
from w2z.message import Channel, Message, Request
from w2z.wire.authored import answer, failure

ASKED = [request("execute_request", name) for name in "123"]
NUMBERS = itertools.count()


def new_header(msg_type: str) -> bytes:
    """A header that no other message has."""
    return b'{"msg_type":"%b","msg_id":"%d"}' % (msg_type.encode(), next(NUMBERS))


@dataclass
class World:
    """One session of one kernel after another."""

    hub: Hub[str] = field(
        default_factory=lambda: Hub(100_000, lambda: new_header("stream"), Journal(tail=3000))
    )
    connection: str = ""
    connections: int = 0
    kernels: int = 0
    waiting: list[Request] = field(default_factory=list)
    executed: list[tuple[int, str, str]] = field(default_factory=list)
    """Kernel, msg_id, connection."""
    asked: set[str] = field(default_factory=set)
    """Over this connection."""
    heard: list[Message] = field(default_factory=list)
    """Over this connection."""
    answers: Counter[str] = field(default_factory=Counter)
    """Of kernels, or for them."""

    def connect(self) -> None:
        """The client comes back."""
        self.check()
        self.connections += 1
        self.connection = f"connection {self.connections}"
        self.hub.attach("ann", self.connection, resumable=True)
        self.asked.clear()
        self.heard = []
        while self.hub.owes("ann", self.connection):
            self.heard += self.hub.read("ann")

    def ask(self, number: int) -> None:
        """The client sends a request, perhaps again."""
        asked = ASKED[number]
        self.asked.add(asked.msg_id)
        forward = self.hub.to_kernel("ann", asked)
        if isinstance(forward, Repeat):
            assert asked.msg_id in {msg_id for k, msg_id, _ in self.executed if k == self.kernels}
            if forward.is_gone or forward.answer:
                assert asked not in self.waiting
            refusal = failure(asked, "Repeated", "", new_header) if forward.is_gone else []
            self.say(refusal or forward.answer, own=True)
        else:
            forward.done()
            self.waiting.append(asked)
            self.executed.append((self.kernels, asked.msg_id, self.connection))

    def reply(self) -> None:
        """The kernel answers what it got first."""
        if self.waiting:
            asked = self.waiting.pop(0)
            self.answers[asked.msg_id] += 1
            self.say(answer(asked, b'{"status":"ok"}', new_header))

    def replace(self) -> None:
        """Another kernel takes the place of this one."""
        self.kernels += 1
        self.lose(self.hub.kernel_is_gone())

    def cut(self) -> None:
        """The connection to the kernel ends; the kernel lives on."""
        self.lose(self.hub.connection_is_gone())

    def lose(self, lost: dict[str, list[Request]]) -> None:
        """What waits is answered for the kernel."""
        assert [one.msg_id for one in lost.get("ann", [])] == [one.msg_id for one in self.waiting]
        for asked in self.waiting:
            self.answers[asked.msg_id] += 1
            self.say(failure(asked, "KernelLost", "", new_header), own=True)
        self.waiting.clear()

    def say(self, messages: list[Message], *, own: bool = False) -> None:
        """The client is sent these; where there are none it is sent nothing."""
        if messages:
            clients, lost, _ = self.hub.to_clients("ann", messages, own=own)
            assert clients == [self.connection]
            assert lost == []
            self.heard += messages

    def chat(self) -> None:
        """The kernel says something else, of which memory does not hold much."""
        self.say([Message(Channel.IOPUB, new_header("stream"), b"{}", b"{}", b"x" * 20_000)])

    def acknowledge(self) -> None:
        """All has arrived."""
        self.hub.acknowledge("ann", self.connection, self.hub.position("ann"))

    def check(self) -> None:
        """The invariants, at the end of a connection."""
        by: dict[tuple[int, str], set[str]] = {}
        for kernel, msg_id, connection in self.executed:
            by.setdefault((kernel, msg_id), set()).add(connection)
        assert all(len(connections) == 1 for connections in by.values())
        waiting = Counter(one.msg_id for one in self.waiting)
        assert self.answers + waiting == Counter(msg_id for _, msg_id, _ in self.executed)
        replies = [one for one in self.heard if b"_reply" in one.header]
        heard = {decoded(one.parent_header)["msg_id"] for one in replies}
        assert self.asked <= heard | set(waiting)


STEPS = st.lists(
    st.sampled_from(["connect", "reply", "replace", "cut", "chat", "acknowledge"])
    | st.integers(0, len(ASKED) - 1),
    max_size=40,
)


@settings(max_examples=300)
@example([0, "cut", "acknowledge", "connect", 0])
@given(STEPS)
def test_no_request_is_executed_twice_and_none_meets_silence(steps):
    world = World()
    world.connect()
    for step in steps:
        if isinstance(step, int):
            world.ask(step)
        else:
            getattr(world, step)()
    world.connect()


def test_the_world_comes_to_all_that_can_become_of_a_repeat():
    """Or the property would hold for want of them."""
    world = World()
    world.connect()
    world.ask(0)
    world.connect()
    world.ask(0)
    assert world.heard == [], "not answered"
    world.reply()
    world.connect()
    world.ask(0)
    assert len(world.heard) == 2, "not acknowledged: it came with the resume"
    world.acknowledge()
    world.ask(0)
    assert world.heard[2:] == world.heard[:2], "acknowledged: the same again"
    for _ in range(9):
        world.acknowledge()
        world.chat()
    world.ask(0)
    assert b"Repeated" in world.heard[-2].content, "gone"
    world.replace()
    world.ask(0)
    assert len(world.executed) == 2
    world.connect()
