"""One ZMQ socket on the event loop, against a real peer: nothing is lost, nothing waits for ever.

No test looks at a clock: each waits for what it is about, and would hang without it.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest
import zmq

from tests.support.client import open_client
from tests.support.fake_kernel import FakeKernel, as_json, header
from tests.support.serving import Served
from tests.support.waiting import ready, until
from w2z.kernel.sockets.backlog import Backlog
from w2z.kernel.sockets.drained import (
    BATCH_BYTES,
    BATCH_MESSAGES,
    LITTLE_MESSAGE,
    STEADY,
    DrainedSocket,
)
from w2z.kernel.sockets.under_way import UnderWay
from w2z.message import Channel, Message
from w2z.wire.signature import Signer
from w2z.wire.zmq import DELIMITER, rescue, to_parts

Socket = zmq.Socket[bytes]

POLLED = 0.0001
SURELY = 6
SIGNER = Signer(b"key", "hmac-sha256")


class Pair:
    """A socket to be drained, and its peer, which the test itself sends and receives with."""

    def __init__(self, context: zmq.Context[Socket], transport: str) -> None:
        self.ours, self.peer = context.socket(zmq.DEALER), context.socket(zmq.DEALER)
        self.transport = transport

    def connect(self, mark: int = 0) -> None:
        """Connect the two; ``mark`` is how many messages each holds, 0 any number."""
        for socket in (self.ours, self.peer):
            socket.setsockopt(zmq.SNDHWM, mark)
            socket.setsockopt(zmq.RCVHWM, mark)
        if self.transport == "tcp":
            port = self.peer.bind_to_random_port("tcp://127.0.0.1")
            self.ours.connect(f"tcp://127.0.0.1:{port}")
        else:
            self.peer.bind("inproc://pair")
            self.ours.connect("inproc://pair")

    def says(self, *texts: object) -> None:
        """The peer sends messages of one part."""
        for text in texts:
            self.peer.send(str(text).encode())

    def hears(self, count: int) -> list[bytes]:
        """The peer receives so many messages."""
        return [self.peer.recv() for _ in range(count)]


@pytest.fixture
def context() -> Iterator[zmq.Context[Socket]]:
    made: zmq.Context[Socket] = zmq.Context()
    yield made
    made.destroy(linger=0)


@pytest.fixture(params=["inproc", "tcp"])
def pair(context: zmq.Context[Socket], request: pytest.FixtureRequest) -> Pair:
    return Pair(context, request.param)


@pytest.fixture
def inproc(context: zmq.Context[Socket]) -> Pair:
    """Between its two ends nothing takes time: what was sent is there."""
    return Pair(context, "inproc")


class Receiver:
    """Notes down batches and lets tests wait for them."""

    def __init__(self) -> None:
        self.batches: list[list[list[bytes]]] = []
        self.turns: list[int] = []
        self.turn = 0
        self.then: Callable[[], None] = lambda: None
        self._arrived = asyncio.Event()

    def __call__(self, batch: list[list[bytes]]) -> None:
        self.batches.append(batch)
        self.turns.append(self.turn)
        self._arrived.set()
        self.then()

    @property
    def sizes(self) -> list[int]:
        return [len(batch) for batch in self.batches]

    @property
    def multiparts(self) -> list[list[bytes]]:
        return [parts for batch in self.batches for parts in batch]

    @property
    def texts(self) -> list[str]:
        return [parts[0].decode() for parts in self.multiparts]

    async def until(self, count: int) -> None:
        """Wait until so many messages are here."""
        while len(self.multiparts) < count:
            self._arrived.clear()
            await self._arrived.wait()


@pytest.fixture
async def received() -> Receiver:
    return Receiver()


@contextmanager
def drained(
    socket: Socket, receive: Receiver, writable: Callable[[], None] = lambda: None, **options: Any
) -> Iterator[DrainedSocket]:
    made = DrainedSocket(socket, receive, writable, **options)
    try:
        yield made
    finally:
        made.close(0)


@pytest.fixture
async def mishaps() -> AsyncIterator[list[dict[str, Any]]]:
    """What went wrong in a callback of the event loop: nothing."""
    loop = asyncio.get_running_loop()
    found: list[dict[str, Any]] = []
    loop.set_exception_handler(lambda _, told: found.append(told))
    yield found
    await asyncio.sleep(0)
    loop.set_exception_handler(None)
    assert found == []


def fd_of(socket: Socket) -> int:
    return cast(int, socket.getsockopt(zmq.FD))


def is_watched(fd: int) -> bool:
    """Whether the event loop has a reader for ``fd``; it has none afterwards."""
    return asyncio.get_running_loop().remove_reader(fd)


# Batches


async def test_messages_are_received_as_they_come(pair: Pair, received: Receiver) -> None:
    pair.connect()
    with drained(pair.ours, received):
        for number in range(5):
            pair.says(number)
            await received.until(number + 1)
        pair.peer.send_multipart([b"5", b"", b"its end"])
        await received.until(6)
    assert received.texts == list("012345")
    assert received.multiparts[-1] == [b"5", b"", b"its end"]


@pytest.mark.parametrize("pause", [0, POLLED])
async def test_a_flood_is_received_whole_and_in_order(
    pair: Pair, received: Receiver, pause: float
) -> None:
    pair.connect()
    count = 10 * BATCH_MESSAGES + 1
    with drained(pair.ours, received, poll_interval=pause):
        pair.says(*range(count))
        await received.until(count)
    assert received.texts == [str(number) for number in range(count)]
    assert max(received.sizes) <= BATCH_MESSAGES


@pytest.mark.parametrize("pause", [0, POLLED])
async def test_a_batch_is_limited_and_others_get_their_turn_before_the_next(
    inproc: Pair, received: Receiver, pause: float
) -> None:
    inproc.connect()
    count = 3 * BATCH_MESSAGES + 5
    inproc.says(*range(count))
    loop = asyncio.get_running_loop()

    def take_turn() -> None:
        received.turn += 1
        if len(received.multiparts) < count:
            loop.call_soon(take_turn)

    loop.call_soon(take_turn)
    with drained(inproc.ours, received, poll_interval=pause):
        await received.until(count)
    assert received.sizes == [BATCH_MESSAGES] * 3 + [5]
    assert len(set(received.turns)) == 4
    assert received.texts == [str(number) for number in range(count)]


async def test_a_batch_that_is_just_full_is_followed_by_nothing(
    inproc: Pair, received: Receiver
) -> None:
    inproc.connect()
    inproc.says(*range(BATCH_MESSAGES))
    with drained(inproc.ours, received):
        await received.until(BATCH_MESSAGES)
        inproc.says("next")
        await received.until(BATCH_MESSAGES + 1)
    assert received.sizes == [BATCH_MESSAGES, 1]


async def test_a_batch_of_few_large_messages_is_full_too(inproc: Pair, received: Receiver) -> None:
    inproc.connect()
    for _ in range(5):
        inproc.peer.send(bytes(BATCH_BYTES // 2))
    with drained(inproc.ours, received):
        await received.until(5)
    assert received.sizes == [2, 2, 1]


async def test_what_is_asked_for_is_looked_at_once(inproc: Pair, received: Receiver) -> None:
    inproc.connect()
    with drained(inproc.ours, received) as socket:
        inproc.says("1")
        socket.receive_batch()
        assert received.texts == ["1"]
        inproc.says("2")
        await received.until(2)


async def test_a_batch_that_cannot_be_taken_does_not_stop_the_next(
    inproc: Pair, received: Receiver
) -> None:
    inproc.connect()
    inproc.says(*range(BATCH_MESSAGES + 1))
    failed: list[str] = []

    def fail() -> None:
        received.then = lambda: None
        raise ValueError("what a defect elsewhere may raise")

    received.then = fail
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, told: failed.append(str(told["exception"])))
    with drained(inproc.ours, received):
        await received.until(BATCH_MESSAGES + 1)
    assert failed == ["what a defect elsewhere may raise"]


# Short messages


def good(text: str) -> Message:
    return Message(Channel.IOPUB, b'{"msg_type":"x"}', b"{}", b"{}", text.encode())


def parts_of(message: Message) -> list[bytes]:
    return [bytes(part) for part in to_parts(message, SIGNER)]


async def test_messages_with_as_many_parts_as_promised_or_more_stay_apart(
    pair: Pair, received: Receiver
) -> None:
    pair.connect()
    sent = [[b"%d" % number, *[b""] * (SURELY - 1 + number % 3)] for number in range(300)]
    with drained(pair.ours, received, min_frames=SURELY):
        for parts in sent:
            pair.peer.send_multipart(parts)
        await received.until(len(sent))
    assert received.multiparts == sent


@pytest.mark.parametrize("count", range(1, SURELY))
async def test_a_short_message_comes_glued_to_the_next_which_is_found_behind_it(
    inproc: Pair, received: Receiver, count: int
) -> None:
    inproc.connect()
    short = [DELIMITER, *[b"{}"] * (count - 1)]
    first, second = good("1"), good("2")
    inproc.peer.send_multipart(short)
    inproc.peer.send_multipart([b"topic", *parts_of(first)])
    inproc.peer.send_multipart(parts_of(second))
    with drained(inproc.ours, received, min_frames=SURELY):
        await received.until(2)
    assert received.multiparts == [[*short, b"topic", *parts_of(first)], parts_of(second)]
    assert rescue(Channel.IOPUB, received.multiparts[0], SIGNER) == first


async def test_several_short_messages_come_as_one(inproc: Pair, received: Receiver) -> None:
    inproc.connect()
    for parts in ([b"1"], [b"2", b"3"], [b"4"]):
        inproc.peer.send_multipart(parts)
    inproc.peer.send_multipart(parts_of(good("x")))
    with drained(inproc.ours, received, min_frames=SURELY):
        await received.until(1)
    assert received.multiparts == [[b"1", b"2", b"3", b"4", *parts_of(good("x"))]]


async def test_a_short_message_with_nothing_behind_it_is_handed_over_alone(
    pair: Pair, received: Receiver
) -> None:
    pair.connect()
    with drained(pair.ours, received, min_frames=SURELY):
        pair.peer.send_multipart(parts_of(good("1")))
        pair.peer.send_multipart([b"too", b"short"])
        await received.until(2)
        pair.peer.send_multipart(parts_of(good("2")))
        await received.until(3)
    assert received.multiparts == [parts_of(good("1")), [b"too", b"short"], parts_of(good("2"))]


def published(text: str) -> Message:
    content = as_json({"text": text})
    return Message(Channel.IOPUB, as_json(header("stream")), b"{}", b"{}", content)


@pytest.mark.parametrize("shorts", [1, 2, 3])
async def test_the_bridge_rescues_a_message_behind_short_ones(
    served: Served, kernel: FakeKernel, shorts: int
) -> None:
    async with open_client(served.url("a"), "v1") as client:
        glued = [DELIMITER, b"short"] * shorts
        glued += [b"topic", *(bytes(p) for p in to_parts(published("good"), kernel.signer))]
        served.bridge.from_kernel(None, Channel.IOPUB, [glued])
        assert (await client.until("stream")).content == {"text": "good"}
    assert served.bridge.reports.dropped == 1


async def test_the_bridge_finds_nothing_behind_short_messages_alone(served: Served) -> None:
    before = served.bridge.kernel.state.last_activity
    glued = [DELIMITER, b"short", DELIMITER, b"0" * 64, *[b"{}"] * 4]
    served.bridge.from_kernel(None, Channel.IOPUB, [glued])
    assert served.bridge.reports.dropped == 1
    assert served.bridge.kernel.state.last_activity == before


async def test_a_short_message_of_a_kernel_is_dropped_and_the_next_one_arrives(
    served: Served, kernel: FakeKernel
) -> None:
    async with open_client(served.url("a"), "v1") as client:
        await kernel.subscribed.wait()
        await ready(served.bridge.kernel)
        await kernel.socket(Channel.IOPUB).send_multipart([DELIMITER, b"short"])
        await kernel.iopub("stream", {"text": "behind it"})
        assert (await client.until("stream")).content == {"text": "behind it"}
        assert served.bridge.reports.dropped == 1
        await kernel.socket(Channel.IOPUB).send_multipart([DELIMITER, b"short"])
        await until(lambda: served.bridge.reports.dropped == 2, "it is dropped")


# Hot and cold


async def test_nothing_is_lost_when_going_hot_and_cold(pair: Pair, received: Receiver) -> None:
    pair.connect()
    with drained(pair.ours, received, poll_interval=POLLED) as socket:
        for number in range(100):
            pair.says(2 * number)
            await received.until(2 * number + 1)
            assert socket._is_polling
            # Every other time while it is still hot.
            if number % 2:
                await until(lambda: not socket._is_polling, "the socket is not polled")
            pair.says(2 * number + 1)
            await received.until(2 * number + 2)
        await until(lambda: not socket._is_polling, "the socket is not polled")
    assert received.texts == [str(number) for number in range(200)]


def is_hot(socket: DrainedSocket) -> bool:
    return socket._is_polling


async def test_after_a_look_behind_which_little_is_likely_one_batch_does_not_make_it_hot(
    inproc: Pair, received: Receiver
) -> None:
    inproc.connect()
    with drained(inproc.ours, received, poll_interval=POLLED) as socket:
        for number in range(0, 30, 3):
            inproc.says(number)
            await received.until(number + 1)
            socket.receive_batch(flows=False)
            assert not is_hot(socket)
            inproc.says(number + 1)
            await received.until(number + 2)
            assert not is_hot(socket)
            inproc.says(number + 2)
            await received.until(number + 3)
            assert is_hot(socket)
            await until(lambda: not socket._is_polling, "the socket is not polled")
    assert received.texts == [str(number) for number in range(30)]


@pytest.mark.parametrize("moment", ["remove_reader", "add_reader"])
@pytest.mark.parametrize("order", ["before", "after"])
async def test_what_comes_in_the_very_moment_of_going_hot_or_cold_is_received(
    inproc: Pair, received: Receiver, monkeypatch: pytest.MonkeyPatch, moment: str, order: str
) -> None:
    inproc.connect()
    loop = asyncio.get_running_loop()
    real = getattr(loop, moment)

    def switch(fd: int, *look: Any) -> Any:
        if order == "before":
            inproc.says("meanwhile")
        done = real(fd, *look)
        if order == "after":
            inproc.says("meanwhile")
        monkeypatch.setattr(loop, moment, real)
        return done

    with drained(inproc.ours, received, poll_interval=POLLED) as socket:
        # Its first look finds nothing and changes nothing.
        await until(lambda: socket._again is None, "the socket has looked")
        monkeypatch.setattr(loop, moment, switch)
        inproc.says("first")
        await received.until(2)
        await until(lambda: not socket._is_polling, "the socket is not polled")
        inproc.says("last")
        await received.until(3)
    assert received.texts == ["first", "meanwhile", "last"]


async def test_while_hot_no_message_wakes_the_loop_and_a_full_batch_goes_on_at_once(
    inproc: Pair, received: Receiver
) -> None:
    inproc.connect()
    with drained(inproc.ours, received, poll_interval=3600) as socket:
        inproc.says(*range(BATCH_MESSAGES + 1))
        await received.until(BATCH_MESSAGES + 1)
        assert socket._is_polling
        assert not is_watched(fd_of(inproc.ours))
        inproc.says(*range(2 * BATCH_MESSAGES))
        # It is not the pause that brings the second batch.
        socket.receive_batch()
        await received.until(3 * BATCH_MESSAGES + 1)
    assert received.sizes == [BATCH_MESSAGES, 1, BATCH_MESSAGES, BATCH_MESSAGES]


async def test_where_output_has_flowed_for_a_while_the_next_look_is_later(
    inproc: Pair, received: Receiver
) -> None:
    inproc.connect()
    hour = 3600
    with drained(inproc.ours, received, poll_interval=POLLED, steady_interval=hour) as socket:
        looked = received.then = lambda: inproc.says(len(received.multiparts))
        looked()
        # Each look finds what the one before it left, until the next is an hour away.
        await received.until(STEADY + 1)
        assert isinstance(socket._again, asyncio.TimerHandle)
        assert socket._again.when() > asyncio.get_running_loop().time() + hour / 2
        assert len(received.multiparts) == STEADY + 1
        # A look that finds nothing begins the count anew.
        received.then = lambda: None
        socket.receive_batch()
        socket.receive_batch()
        assert not is_hot(socket)
        inproc.says("soon")
        await received.until(STEADY + 3)
        await until(lambda: not is_hot(socket), "the socket is not polled")
    assert received.texts == [*map(str, range(STEADY + 2)), "soon"]


@pytest.mark.parametrize("size", [LITTLE_MESSAGE - 1, LITTLE_MESSAGE])
async def test_little_messages_stay_in_the_socket_until_their_turn(
    inproc: Pair, received: Receiver, size: int
) -> None:
    inproc.connect()
    inproc.says(*["x" * size] * (3 * BATCH_MESSAGES))
    backlog = Backlog(None, lambda _: False, lambda *_: None, lambda _: None)
    with drained(inproc.ours, received, backlog=backlog) as socket:
        taken: list[int] = []
        received.then = lambda: taken.append(socket.received)
        await received.until(3 * BATCH_MESSAGES)
    each = [BATCH_MESSAGES, 2 * BATCH_MESSAGES, 3 * BATCH_MESSAGES]
    assert taken == (each if size < LITTLE_MESSAGE else each[-1:] * 3)
    assert received.sizes == [BATCH_MESSAGES] * 3


@pytest.mark.parametrize("is_polling", [True, False])
async def test_a_closed_socket_looks_no_more(
    inproc: Pair, received: Receiver, mishaps: list[dict[str, Any]], is_polling: bool
) -> None:
    inproc.connect()
    fd = fd_of(inproc.ours)
    with drained(inproc.ours, received, poll_interval=POLLED) as socket:
        inproc.says("1")
        await received.until(1)
        if not is_polling:
            await until(lambda: not socket._is_polling, "the socket is not polled")
        assert socket._is_polling is is_polling
        timer = socket._again
        assert (timer is not None) is is_polling
    assert not is_watched(fd)
    assert timer is None or timer.cancelled()
    assert socket._again is None
    assert inproc.ours.closed


@pytest.mark.parametrize("pause", [0, POLLED])
@pytest.mark.parametrize("count", [1, BATCH_MESSAGES + 1])
async def test_who_receives_may_close(
    inproc: Pair, received: Receiver, mishaps: list[dict[str, Any]], pause: float, count: int
) -> None:
    inproc.connect()
    inproc.says(*range(count))
    fd = fd_of(inproc.ours)
    socket = DrainedSocket(inproc.ours, received, poll_interval=pause)
    received.then = lambda: socket.close(0)
    await received.until(1)
    assert socket._again is None
    assert not is_watched(fd)


# Sending


async def fill(socket: DrainedSocket, size: int) -> int:
    """Send until the socket takes no more; returns how many messages it took."""
    count = 0
    while socket.send([b"%d" % count, bytes(size)]):
        count += 1
        await asyncio.sleep(0)
    return count


@pytest.mark.parametrize("by", ["messages", "bytes"])
async def test_a_full_socket_says_so_and_when_it_takes_more(
    pair: Pair, received: Receiver, by: str
) -> None:
    pair.connect(mark=2 if by == "messages" else 0)
    writable = asyncio.Event()
    under_way = None if by == "messages" else UnderWay(set())
    with drained(pair.ours, received, writable.set, under_way=under_way) as socket:
        # Of this size a few fill TCP's own buffers.
        taken = await fill(socket, 2**22)
        assert taken >= 1
        heard: list[bytes] = []

        def take() -> list[bytes]:
            if pair.peer.poll(0):
                heard.append(pair.peer.recv_multipart()[0])
            return heard

        await until(lambda: take() and writable.is_set(), "the socket is writable")
        writable.clear()
        assert socket.send([b"%d" % taken, b"the refused one, again"])
        await until(lambda: len(take()) > taken, "all of it has arrived")
        assert not writable.is_set(), "once for each refusal"
    assert heard == [b"%d" % number for number in range(taken + 1)]


async def test_a_socket_is_not_called_writable_before_it_is(
    inproc: Pair, received: Receiver
) -> None:
    inproc.connect(mark=2)
    writable = asyncio.Event()
    with drained(inproc.ours, received, writable.set) as socket:
        taken = await fill(socket, 0)
        # What comes makes it look, and there is still no room.
        inproc.says("1")
        await received.until(1)
        assert not writable.is_set()
        assert not socket.send([b"once more"])
        inproc.hears(taken * 2)
        await writable.wait()
        assert socket.send([b"once more"])


async def test_a_socket_that_refused_nothing_is_never_called_writable(
    inproc: Pair, received: Receiver
) -> None:
    inproc.connect()
    writable = asyncio.Event()
    with drained(inproc.ours, received, writable.set) as socket:
        assert socket.send([b"1"])
        assert inproc.hears(1) == [b"1"]
        inproc.says("2")
        await received.until(1)
        assert not writable.is_set()


class Meddled:
    """A socket to which a message comes just before it is asked for something."""

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self.before: str | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pair.ours, name)

    def getsockopt(self, option: int) -> Any:
        self._meddle("getsockopt", option == zmq.EVENTS)
        return self._pair.ours.getsockopt(option)

    def send(self, part: bytes, flags: int) -> Any:
        self._meddle("send", True)
        return self._pair.ours.send(part, flags)

    def _meddle(self, call: str, is_meant: bool) -> None:
        if is_meant and self.before == call:
            self.before = None
            self._pair.says("meanwhile")
            # The edge is there; the call takes it away.
            select.select([fd_of(self._pair.ours)], [], [])


@pytest.mark.parametrize("call", ["getsockopt", "send"])
async def test_what_comes_while_sending_is_received(
    inproc: Pair, received: Receiver, call: str
) -> None:
    inproc.connect()
    meddled = Meddled(inproc)
    with drained(cast(Socket, meddled), received) as socket:
        await until(lambda: socket._again is None, "the socket has looked")
        meddled.before = call
        assert socket.send([b"x"])
        await received.until(1)


@pytest.mark.parametrize("has_room", [True, False])
async def test_what_comes_while_a_full_socket_is_looked_at_is_received(
    inproc: Pair, received: Receiver, has_room: bool
) -> None:
    inproc.connect(mark=2)
    meddled = Meddled(inproc)
    with drained(cast(Socket, meddled), received) as socket:
        taken = await fill(socket, 0)
        await until(lambda: socket._again is None, "the socket has looked")
        if has_room:
            inproc.hears(2 * taken)
        meddled.before = "getsockopt"
        socket.receive_batch()
        await received.until(1)
    assert received.texts == ["meanwhile"]
