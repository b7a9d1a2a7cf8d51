"""What clients of a kernel are written, by turns with what their transports say meanwhile."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

import pytest

from tests.unit.examples import message, request, status, text_of
from w2z.bridge import client as bridge_client
from w2z.bridge import encoding, fanout
from w2z.bridge.client import Then
from w2z.bridge.fanout import GRACE, Clients
from w2z.delivery.hub import Hub
from w2z.delivery.journal import Journal
from w2z.delivery.requests import Forward
from w2z.errors import CloseCode
from w2z.message import Buffer, Channel, Message, Request, size_of
from w2z.reports import Reports
from w2z.settings import Settings
from w2z.wire.payload import Codec, Payload

GREETING = status("idle")


class Heard(Codec):
    """A format that tells what was written."""

    def __init__(self) -> None:
        self.encoded: list[Message] = []

    def encode(self, message: Message) -> Payload:
        self.encoded.append(message)
        return Payload(True, 1, (b"x",))

    def decode(self, payload: bytes, text: bool) -> Request:
        raise NotImplementedError


@dataclass(eq=False)
class Client:
    """A websocket whose transport holds ``room`` writes, and says so while it is written to."""

    room: int = 1000
    session_id: str = "ann"
    waiting: int = 0
    principal: str | None = None
    closed: CloseCode | None = None
    resumed: int = 0
    gone: bool = False
    writes: list[bool] = field(default_factory=list)
    """Whether each write completed what belongs together."""
    codec: Codec = field(default_factory=Heard)
    clients: Clients | None = None

    @property
    def writable(self) -> bool:
        return self.room > 0

    @property
    def heard(self) -> list[str]:
        assert isinstance(self.codec, Heard)
        return [text_of(m) if m is not GREETING else "hello" for m in self.codec.encoded]

    def write(self, frames: Buffer | bytearray, then: Then = Then.ANY) -> None:
        self.writes.append(then is not Then.REST)
        self.room -= 1
        if self.room == 0:
            assert self.clients is not None
            self.clients.stalled(self.session_id, self)

    def is_gone(self) -> bool:
        return self.gone

    def close(self, code: CloseCode, reason: str) -> None:
        self.closed = code
        assert self.clients is not None
        self.clients.detach(self.session_id, self)

    def retry(self) -> None:
        self.resumed += 1


class Sockets:
    def __init__(self) -> None:
        self.open: set[str] = set()

    def open_session(self, session_id: str) -> None:
        self.open.add(session_id)

    def close_session(self, session_id: str) -> None:
        self.open.discard(session_id)


class Stage:
    """Clients of one kernel; time stands still."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **given: int) -> None:
        self.now = 1000.0
        monkeypatch.setattr(time, "monotonic", lambda: self.now)
        chosen = Settings.model_validate({"connection_file": "k", "max_connections": 9, **given})
        self.hub: Hub[bridge_client.Client] = Hub(2**20, lambda: b"{}", Journal(None, 2**20))
        self.clients = Clients(chosen, self.hub, Reports())
        self.sockets = Sockets()
        self.clients.use(self.sockets)

    def enter(self, client: Client, *, resumable: bool = True, replay: int = 0) -> Client:
        client.clients = self.clients
        self.clients.attach(
            client.session_id, client, resumable=resumable, replay=replay, status=GREETING
        )
        return client

    def reads(self, client: Client, room: int = 1000) -> None:
        client.room = room
        self.clients.flow(client.session_id, client)

    def says(self, *texts: str) -> None:
        for text in texts:
            self.clients.send(None, [message("stream", text)])


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


# What comes when.


@pytest.mark.parametrize(
    ("given", "cut", "closed"),
    [
        ({}, 600, 60),
        ({"closed_window": 5}, 600, 5),
        ({"resume_window": 3, "closed_window": 9}, 3, 3),
    ],
)
def test_who_closed_in_good_order_is_waited_for_less(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, int], cut: int, closed: int
):
    stage = Stage(monkeypatch, **given)
    for name, has_closed in (("cut", False), ("closed", True)):
        stage.clients.detach(name, stage.enter(Client(session_id=name)), has_closed=has_closed)
    ends = {one.session_id: one.expires_at - stage.now for one in stage.hub.sessions()}
    assert ends == {"cut": cut, "closed": closed}


def test_who_took_a_place_keeps_it_while_it_is_alive(stage: Stage):
    """Two that connect again whenever they are replaced would do so for ever."""
    assert stage.clients.may_replace("ann")
    stage.enter(Client())
    assert stage.clients.may_replace("ann"), "the newcomer counts"
    second = stage.enter(Client())
    assert not stage.clients.may_replace("ann")
    second.gone = True
    assert stage.clients.may_replace("ann")
    second.gone = False
    stage.clients.detach("ann", second)
    assert stage.clients.may_replace("ann")


def test_what_is_read_at_once_is_whole_with_its_last_piece_only(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    """A ping carries the position behind all that was read: it must not go before a part of it."""
    monkeypatch.setattr(encoding, "LARGE", 10_000)
    large = "x" * encoding.LARGE
    ann = stage.enter(Client())
    ann.room = 1
    stage.says("a")
    ann.writes.clear()
    stage.clients.send(None, [message("stream", text) for text in ("b", large, "c")])
    stage.reads(ann)
    assert ann.heard == ["hello", "a", "b", large, "c"]
    assert ann.writes == [False, False, True]


def test_a_client_that_stalls_while_it_is_written_to_has_got_just_that(stage: Stage):
    """A batch belongs to the journal before the first write of it: see Clients.send."""
    ann = stage.enter(Client())
    ben = stage.enter(Client(session_id="ben"))
    ann.room = 1
    stage.says("a", "b")
    assert ann.heard == ["hello", "a"]
    assert ben.heard == ["hello", "a", "b"]
    stage.reads(ann)
    stage.says("c")
    assert ann.heard == ben.heard == ["hello", "a", "b", "c"]


def test_a_client_that_leaves_while_it_is_written_to_disturbs_nobody(stage: Stage):
    class Leaving(Client):
        def write(self, frames: Buffer | bytearray, then: Then = Then.ANY) -> None:
            super().write(frames, then)
            if len(self.writes) == 2:
                self.close(CloseCode.INTERNAL_ERROR, "")

    ann = stage.enter(Leaving())
    ben = stage.enter(Client(session_id="ben"))
    stage.says("a", "b")
    assert ann.heard == ["hello", "a"]
    assert ben.heard == ["hello", "a", "b"]


def test_a_newcomer_is_greeted_first(stage: Stage):
    stage.says("a")
    ann = stage.enter(Client())
    stage.says("b")
    assert ann.heard == ["hello", "b"]


@pytest.mark.parametrize("room", range(1, 6))
def test_a_newcomer_is_greeted_after_the_whole_replay_however_slowly_it_reads(
    stage: Stage, room: int
):
    stage.says("a", "b", "c")
    ann = stage.enter(Client(room), replay=2)
    stage.says("d", "e")
    while len(ann.heard) < 5:
        stage.reads(ann, 1)
    assert ann.heard == ["b", "c", "hello", "d", "e"]
    stage.says("f")
    stage.reads(ann)
    assert ann.heard == ["b", "c", "hello", "d", "e", "f"]


def test_who_comes_back_before_the_replay_was_read_is_greeted_once_behind_it(stage: Stage):
    stage.says("a", "b")
    ann = stage.enter(Client(1), replay=2)
    assert ann.heard == ["a"]
    stage.clients.detach("ann", ann)
    again = stage.enter(Client())
    stage.says("c")
    assert again.heard == ["a", "b", "hello", "c"]
    stage.clients.acknowledge("ann", again, stage.clients.position("ann"))
    stage.clients.detach("ann", again)
    assert stage.enter(Client()).heard == []


# Who is heard when.


def leave(stage: Stage, client: Client, waiting: int = 0) -> None:
    client.waiting = waiting
    stage.clients.detach(client.session_id, client, has_closed=True)


def take_all(stage: Stage, client: Client) -> None:
    """The kernel takes what the client said."""
    client.waiting = 0
    stage.clients.heard(client.session_id, client)


def test_who_leaves_with_nothing_to_be_heard_leaves_nothing(stage: Stage):
    ann = stage.enter(Client(), resumable=False)
    assert stage.sockets.open == {"ann"}
    leave(stage, ann)
    assert stage.sockets.open == set()
    assert list(stage.clients) == []


@pytest.mark.parametrize("resumable", [True, False])
def test_who_leaves_with_something_to_be_heard_keeps_the_way_to_the_kernel(
    stage: Stage, resumable: bool
):
    ann = stage.enter(Client(), resumable=resumable)
    leave(stage, ann, 10)
    assert stage.clients.connections == 0
    assert stage.sockets.open == {"ann"}
    stage.clients.retry("ann")
    assert [ann.resumed, list(stage.clients)] == [1, [ann]]
    stage.now += GRACE
    take_all(stage, ann)
    assert list(stage.clients) == []
    assert stage.sockets.open == set()


def test_who_was_cut_off_keeps_its_sockets_for_a_while(stage: Stage):
    """It mostly comes back at once."""
    cut = stage.enter(Client())
    stage.clients.detach("ann", cut)
    assert stage.sockets.open == {"ann"}
    assert stage.clients.speakers() == set(), "to the next kernel it has none"


def test_a_session_keeps_its_sockets_while_it_has_a_client_or_is_owed_a_reply(stage: Stage):
    """For each session the kernel has files."""
    asked = request("execute_request")
    ann = stage.enter(Client())
    forward = stage.hub.to_kernel("ann", asked)
    assert isinstance(forward, Forward)
    forward.done()
    leave(stage, ann)
    assert stage.sockets.open == {"ann"}
    again = stage.enter(Client())
    reply = message("execute_reply", channel=Channel.SHELL, parent_header=asked.message.header)
    stage.clients.send("ann", [reply])
    assert stage.sockets.open == stage.clients.speakers() == {"ann"}
    leave(stage, again)
    assert stage.sockets.open == stage.clients.speakers() == set()
    assert "ann" in stage.hub
    stage.enter(Client())
    assert stage.sockets.open == stage.clients.speakers() == {"ann"}


def test_who_came_first_is_heard_first(stage: Stage):
    ann = stage.enter(Client())
    ben = stage.enter(Client())
    assert ann.closed is CloseCode.REPLACED
    assert stage.clients.is_next("ann", ben), "ann had nothing to say"
    ben.waiting = 10
    eve = stage.enter(Client())
    assert list(stage.clients) == [ben, eve]
    assert [stage.clients.is_next("ann", one) for one in (ben, eve)] == [True, False]
    stage.clients.retry("ann")
    assert [ben.resumed, eve.resumed] == [1, 1]
    take_all(stage, ben)
    assert stage.clients.is_next("ann", eve)


def test_a_new_kernel_gets_the_sockets_of_those_that_have_yet_to_be_heard(stage: Stage):
    leave(stage, stage.enter(Client(session_id="a"), resumable=False), 10)
    leave(stage, stage.enter(Client(session_id="b")))
    leave(stage, stage.enter(Client(session_id="c"), resumable=False))
    stage.enter(Client(session_id="d"))
    assert stage.clients.speakers() == {"a", "d"}


def test_a_last_request_gives_way_before_a_session_does(monkeypatch: pytest.MonkeyPatch):
    stage = Stage(monkeypatch, max_connections=2)
    leave(stage, stage.enter(Client(session_id="session")))
    leave(stage, stage.enter(Client(session_id="request"), resumable=False), 10)
    assert stage.clients.has_room("new", None)
    stage.enter(Client(session_id="new"))
    assert "session" in stage.hub
    assert stage.sockets.open == {"new"}
    stage.enter(Client(session_id="newer"))
    assert stage.sockets.open == {"new", "newer"}
    assert not stage.clients.has_room("newest", None)


def test_who_comes_back_to_its_last_request_needs_no_other_place(monkeypatch: pytest.MonkeyPatch):
    stage = Stage(monkeypatch, max_connections=2)
    leave(stage, stage.enter(Client(session_id="ann"), resumable=False), 10)
    leave(stage, stage.enter(Client(session_id="ben"), resumable=False), 10)
    stage.enter(Client(session_id="ben"))
    assert stage.sockets.open == {"ann", "ben"}


def test_a_session_that_is_given_up_is_not_heard_any_more(monkeypatch: pytest.MonkeyPatch):
    stage = Stage(monkeypatch)
    ann = stage.enter(Client(room=1))
    ann.waiting = 10
    ben = stage.enter(Client(room=1))
    ben.waiting = 10
    reply = message("reply", "x" * 2**20, channel=Channel.SHELL)
    stage.clients.send("ann", [reply])
    stage.clients.send("ann", [reply])
    assert ben.closed is CloseCode.TRY_AGAIN_LATER
    assert stage.sockets.open == set()
    assert list(stage.clients) == []


def test_what_there_is_no_room_for_is_dropped_and_logged(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr("w2z.bridge.departed.MAX_DEPARTED", 1)
    leave(stage, stage.enter(Client(session_id="a"), resumable=False), 10)
    again = stage.enter(Client(session_id="a"), resumable=False)
    leave(stage, again, 20)
    assert "dropped 20 bytes of requests" in caplog.text
    assert stage.sockets.open == {"a"}, "the first one has yet to be heard"


# What is large.


class Slow(Client):
    """A client that keeps what is written to it until it is told to let go."""

    def __init__(self, session_id: str, codec: Codec) -> None:
        super().__init__(session_id=session_id, codec=codec)
        self.kept: list[Buffer | bytearray] = []

    def write(self, frames: Buffer | bytearray, then: Then = Then.ANY) -> None:
        self.kept.append(frames)
        super().write(frames, then)


def test_clients_that_catch_up_share_what_is_large_while_one_of_them_still_waits_for_it(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(encoding, "LARGE", 1000)
    codec = Heard()
    ann, ben = (Slow(name, codec) for name in ("ann", "ben"))
    for client in (ann, ben):
        stage.enter(client)
        stage.clients.stalled(client.session_id, client)
        client.kept.clear()
    codec.encoded.clear()
    stage.clients.send(None, [message("stream", text) for text in ("1", "x" * 1000, "2", "3")])
    stage.reads(ann)
    stage.reads(ben)
    assert [text_of(one)[:2] for one in codec.encoded] == ["1", "xx", "2", "3", "1", "2", "3"]
    assert len(ann.kept) == 3, "what is small is written together"
    assert ann.kept[1] is ben.kept[1]
    ann.kept.clear()
    ben.kept.clear()
    assert not stage.clients._encoder._shared


# Whose a session is.


def test_a_session_is_its_principals_alone(stage: Stage):
    stage.enter(Client(principal="p"))
    assert stage.clients.may_attach("ann", "p")
    assert not stage.clients.may_attach("ann", "q")
    assert not stage.clients.may_attach("ann", None)
    assert stage.clients.may_attach("ben", "q"), "nobody has it"


def test_a_session_that_waits_is_its_principals_too(stage: Stage):
    ann = stage.enter(Client(principal="p"))
    stage.clients.detach("ann", ann)
    assert not stage.clients.may_attach("ann", "q")
    stage.enter(Client(principal="p"))
    assert not stage.clients.may_attach("ann", "q")


def test_while_requests_of_a_departed_client_wait_its_session_id_is_its_principals(stage: Stage):
    ann = stage.enter(Client(principal="p", waiting=1), resumable=False)
    stage.clients.detach("ann", ann)
    assert "ann" not in stage.hub
    assert not stage.clients.may_attach("ann", "q")
    assert stage.clients.may_attach("ann", "p")
    ann.waiting = 0
    stage.clients.heard("ann", ann)
    assert stage.clients.may_attach("ann", "q")


@pytest.mark.parametrize("waiting", [0, 1])
def test_a_newcomer_takes_no_room_of_another_principal(
    monkeypatch: pytest.MonkeyPatch, waiting: int
):
    stage = Stage(monkeypatch, max_connections=1)
    ann = stage.enter(Client(principal="p", waiting=waiting), resumable=not waiting)
    stage.clients.detach("ann", ann)
    assert not stage.clients.has_room("new", "q")
    assert stage.clients.has_room("new", "p")
    stage.enter(Client(session_id="new", principal="p"))
    assert "ann" not in stage.clients.speakers()


# Many clients.


async def test_what_is_too_much_for_one_step_is_written_to_some_and_read_by_the_others(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(fanout, "FEW_CLIENTS", 2)
    stage = Stage(monkeypatch)
    clients = [stage.enter(Client(session_id=f"{n}", room=1000)) for n in range(6)]
    large = "x" * 3000
    monkeypatch.setattr(fanout, "STEP_BYTES", 3 * size_of([message("stream", large)]))
    before = [len(client.writes) for client in clients]
    stage.says(large)
    written = [len(client.writes) - one for client, one in zip(clients, before, strict=True)]
    assert written == [1, 1, 1, 0, 0, 0]
    stage.says("small")
    for _ in range(4):
        await asyncio.sleep(0)
    said = [[text for text in client.heard if text in (large, "small")] for client in clients]
    assert said == [[large, "small"]] * 6
    stage.says("small")
    assert all(client.heard[-1] == "small" for client in clients), "they flow again"
