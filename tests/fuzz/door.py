"""The front door: the bytes of one client, from the first to the last.

The whole server is there but its socket (:mod:`~tests.fuzz.world`), and a peer that sends whatever
it likes in whatever pieces. Then it closes, is cut off, or says nothing more, or w2z ends. For all
of it:

- No error leaves the connection; nothing is logged as a defect, or as an error of any kind.
- What the peer gets is HTTP, and behind an upgrade frames that the client of ``websockets`` takes.
- The token is in no answer and in no line of the log. A peer may have its own text back, where it
  put the token into the wrong place.
- As long as the peer is there, the connection is read from, or ends, within
  :data:`~tests.fuzz.peer.PATIENCE` seconds; once the peer is silent or gone, it ends.
- What is held for the peer is never more than its limits, and nothing when the connection is
  closed.

Two listeners: one with a token, and one where everybody may enter, through a proxy, with small
limits, and where peers read slowly. At this one there is a crowd, too: a few peers at once, which
share sessions, or take each other's place.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from tests.fuzz.answers import Answer, read_answers
from tests.fuzz.clock import HurriedLoop
from tests.fuzz.log import Log
from tests.fuzz.mutate import Input, Mutator
from tests.fuzz.peer import ENDS, SILENCE, Peer
from tests.fuzz.requests import stream
from tests.fuzz.world import TOKEN, World
from w2z.server.rest import api, metrics

OF_ONE_WORLD = 100
"""Inputs, one after the other, that the same w2z gets."""

_OWN_PLACES = re.compile(
    rb"^[A-Z]+ [^ \r\n?]*\?[^ \r\n]*?token=%b"
    rb"|^authorization: (?:bearer|token) %b\r"
    rb"|^sec-websocket-protocol: [^\r\n]*v1\.token\.websocket\.jupyter\.org(?:\.|, )%b\r"
    % ((re.escape(TOKEN).encode(),) * 3),
    re.MULTILINE | re.IGNORECASE,
)
"""Where a token belongs. What is elsewhere may come back: as a name, an id, a version."""

_TOKEN = TOKEN.encode()
_OPEN: dict[str, Any] = {
    "no_auth": True,
    "allow_host": ("*",),
    "allow_origin": ("https://a.example",),
    "trust_proxy": ("192.0.2.0/24",),
    "max_header_size": 2048,
    "max_body_size": 1024,
    "max_message_size": 2048,
    "memory_budget": 2**20,
    "max_connections": 3,
    "on_delete": "restart",
    "resume_window": 1,
}


class DoorFuzzer:
    """The listener with a token."""

    name = "door"
    share = 0.035
    is_slow = False
    settings: dict[str, Any]

    def __init__(self) -> None:
        self.settings = {"token": TOKEN, "on_delete": "stop"}
        self._loop = HurriedLoop()
        self._loop.set_exception_handler(self._on_error)
        self._errors: list[str] = []
        self._log = Log()
        self._log.start()
        # The first load takes long, so w2z has it done in a thread, which this loop waits for not.
        metrics.load()
        self._patch = patch.object(api, "in_thread", _at_once)
        self._patch.start()
        self.renew()

    def renew(self) -> None:
        """Make another w2z."""
        self._inputs = 0
        self._errors.clear()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._world = self._loop.run_until_complete(self._make())

    async def _make(self) -> World:
        return World(self.settings)

    def make(self, mutator: Mutator) -> Input:
        return mutator.cut(stream(mutator))

    def check(self, given: Input) -> str:
        self._inputs += 1
        if self._inputs > OF_ONE_WORLD or not self._world.takes_requests:
            self.renew()
        self._log.clear()
        peers = self._loop.run_until_complete(self._play(given))
        assert not self._errors, self._errors
        assert self._world.bridge.reports.defects == 0, self._log.lines
        assert not self._log.errors, self._log.errors
        self._world.nothing_is_left()
        may_show = any(_TOKEN in _OWN_PLACES.sub(b"", peer.said) for peer in peers)
        assert may_show or not any(TOKEN in line for line in self._log.lines)
        outcome = "nothing"
        for peer in peers:
            written = bytes(peer.transport.written)
            answers, frames = read_answers(written, is_head=b"HEAD " in peer.said)
            assert may_show or not any(map(_shows_token, answers))
            if answers:
                outcome = f"{answers[-1].status}{' and frames' if frames else ''}"
        return outcome

    def pieces(self, given: Input) -> Iterator[tuple[int, bytes]]:
        """Yield which peer sends what."""
        return ((0, piece) for piece in given)

    async def _play(self, given: Input) -> list[Peer]:
        peers: dict[int, Peer] = {}
        for number, piece in self.pieces(given):
            if number not in peers:
                peers[number] = Peer(self._world, is_slow=self.is_slow)
            await peers[number].say(piece)
        settings = self._world.settings
        own = max(settings.max_header_size + settings.max_body_size, settings.max_message_size)
        most = own + max(map(len, given), default=0)
        for number, peer in peers.items():
            assert peer.held <= most, f"{peer.held} bytes are held"
            await peer.end((number + sum(map(len, given))) % ENDS)
        await asyncio.sleep(1)
        return list(peers.values())

    def _on_error(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self._errors.append(f"{context['message']}: {context.get('exception')!r}")

    def close(self) -> None:
        """Put everything back."""
        self._patch.stop()
        self._log.stop()
        self._loop.run_until_complete(asyncio.sleep(SILENCE))
        self._loop.close()


class OpenDoorFuzzer(DoorFuzzer):
    """The listener without a token, with a proxy and small limits."""

    name = "open-door"
    is_slow = True

    def __init__(self) -> None:
        super().__init__()
        self.settings = _OPEN
        self.renew()


class CrowdFuzzer(OpenDoorFuzzer):
    """A few peers at once. The first byte of a piece says whose it is."""

    name = "crowd"
    share = 0.015

    def make(self, mutator: Mutator) -> Input:
        streams = [list(mutator.cut(stream(mutator))) for _ in range(2 + mutator.below(4))]
        pieces = []
        while any(streams):
            number = mutator.below(len(streams))
            if streams[number]:
                pieces.append(bytes([number]) + streams[number].pop(0))
        return tuple(pieces)

    def pieces(self, given: Input) -> Iterator[tuple[int, bytes]]:
        return ((piece[0], piece[1:]) for piece in given if len(piece) > 1)


async def _at_once(work: Any) -> Any:
    return work()


def _shows_token(answer: Answer) -> bool:
    shown = {name: value for name, value in answer.headers.items() if name != "location"}
    return _TOKEN in answer.body or TOKEN in str(shown)
