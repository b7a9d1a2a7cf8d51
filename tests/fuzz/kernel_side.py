"""What a kernel sends: ZMQ multiparts, and the statuses in them.

Whatever the parts:

- ``from_parts`` returns a Message or raises KernelMessageError, and no other error; what it takes
  with a key is signed by it.
- ``rescue`` returns a Message or nothing. It finds a good message that came glued to one that was
  too short. For both no more bytes are hashed than a few times those that came.
- ``KernelState.observe`` raises nothing. The execution state is one that Jupyter knows, and what is
  kept of requests and statuses has its bounds.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime

from tests.fuzz.examples import (
    DELIMITER,
    JSON_PARTS,
    JSON_VALUES,
    JSON_WORDS,
    KEY,
    MULTIPARTS,
    multipart,
)
from tests.fuzz.mutate import Input, Mutator
from w2z.errors import KernelMessageError
from w2z.kernel.state import MAX_BUSY, MAX_STATUS, KernelState
from w2z.message import Channel, Message, size_of
from w2z.wire.signature import Signer
from w2z.wire.zmq import LEAST_PARTS, from_parts, rescue

_WORDS = (
    *(DELIMITER, b"", b"{}", b"kernel.5f8a.stream", b"<IDS|MSG", b"[]", b"9" * 30),
    *(b"<w2z: too large>", b"17", b"x" * 2**16, b"{" + b" " * 2**16 + b"}", b"\xff\x00"),
)
_STATES = {"starting", "idle", "busy", "restarting", "terminating", "dead"}
_OWN = "the-session-of-w2z"
_NOW = datetime(2026, 11, 22, tzinfo=UTC)


class _CountingSigner(Signer):
    """Counts the bytes that it hashes."""

    hashed = 0

    def sign(self, *json_parts: bytes) -> bytes:
        self.hashed += sum(map(len, json_parts))
        return super().sign(*json_parts)


class MultipartFuzzer:
    """Multiparts."""

    name = "multiparts"
    share = 0.15

    def __init__(self) -> None:
        self.signers = (_CountingSigner(KEY, "hmac-sha256"), _CountingSigner(b"", "hmac-sha256"))

    def make(self, mutator: Mutator) -> Input:
        parts = mutator.pick(MULTIPARTS)
        if mutator.chance(0.5):
            return mutator.mutate_parts(parts, MULTIPARTS, _WORDS, JSON_PARTS)
        pieces = list(parts[-4:])
        at = mutator.below(4)
        pieces[at] = mutator.mutate(pieces[at], JSON_PARTS, JSON_WORDS)
        return multipart(*pieces, topics=(b"topic",) * mutator.below(3))

    def check(self, given: Input) -> str:
        keyed, unkeyed = self.signers
        self._read(given, unkeyed)
        message = self._read(given, keyed)
        self._finds_the_next(given[: len(given) % LEAST_PARTS], MULTIPARTS[len(given) % 20])
        if isinstance(message, Message):
            assert _is_signed(message, given), "nobody with the key sent that"
            return "read"
        return message

    def _read(self, parts: Input, signer: _CountingSigner) -> Message | str:
        signer.hashed = 0
        try:
            return from_parts(Channel.IOPUB, parts, signer)
        except KernelMessageError as error:
            found = rescue(Channel.IOPUB, parts, signer)
            assert found is None or not signer.signs or _is_signed(found, parts)
            assert signer.hashed <= (LEAST_PARTS + 1) * sum(map(len, parts))
            return type(error).__name__ if found is None else "rescued"

    def _finds_the_next(self, bad: Input, good: Input) -> None:
        expected = from_parts(Channel.SHELL, good, self.signers[0])
        glued = (*bad, *good)
        try:
            found: Message | None = from_parts(Channel.SHELL, glued, self.signers[0])
        except KernelMessageError:
            found = rescue(Channel.SHELL, glued, self.signers[0])
        assert found == expected, "a good message was lost with the bad one before it"

    def renew(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is open."""


def _is_signed(message: Message, parts: Input) -> bool:
    """Whether the parts have the right signature behind a delimiter. Empty parts are signed as
    they came.
    """
    for at, part in enumerate(parts[:-5]):
        if part == DELIMITER:
            signature, *four = parts[at + 1 : at + 6]
            right = hmac.new(KEY, b"".join(four), hashlib.sha256).hexdigest().encode()
            if signature == right and tuple(one or b"{}" for one in four) == message[1:5]:
                return True
    return False


def _status(state: str, **parent: object) -> Input:
    header = {"msg_type": "status", "msg_id": "s"}
    parts: tuple[object, ...] = (header, parent, {}, {"execution_state": state})
    return tuple(json.dumps(part).encode() for part in parts)


_STATUSES = [
    *(_status(state, msg_id=f"id-{n}") for state in sorted(_STATES) for n in range(3)),
    *(_status(state, msg_id="o", session=_OWN) for state in ("busy", "idle")),
    _status("busy", msg_id="sub", subshell_id="one"),
    _status("idle", msg_id="sub", subshell_id="one"),
    _status("busy", msg_id="x" * 300, more="y" * MAX_STATUS),
    _status("unheard of"),
    tuple(MULTIPARTS[0][-4:]),
]
_STATUS_PARTS = [part for status in _STATUSES for part in status]
_STATUS_WORDS = (*JSON_WORDS, b'"status"', b'"busy"', b'"idle"', b'"msg_id":', b'"session":')


class StateFuzzer:
    """Statuses: four parts are one."""

    name = "statuses"
    share = 0.1

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """A kernel of which nothing is known."""
        self.state = KernelState(_NOW, _OWN)
        self.clock = 0.0

    def make(self, mutator: Mutator) -> Input:
        parts: list[bytes] = []
        for _ in range(1 + mutator.below(4)):
            status = list(mutator.pick(_STATUSES))
            if mutator.chance(0.7):
                at = mutator.below(4)
                if mutator.chance(0.6):
                    status[at] = mutator.mutate_json(status[at], JSON_VALUES)
                else:
                    status[at] = mutator.mutate(status[at], _STATUS_PARTS, _STATUS_WORDS)
            parts += status
        return tuple(parts)

    def check(self, given: Input) -> str:
        if self.clock > 1000:
            self.renew()
        state, messages = self.state, _messages(given)
        self.clock += 1
        state.observe(messages, _NOW, self.clock)
        if not messages:
            state.answered(self.clock - 1, self.clock)
        if (moment := state.to_settle(self.clock)) is not None:
            state.settle(moment)
        assert state.execution_state in _STATES, state.execution_state
        assert len(state._running) <= MAX_BUSY
        kept = [running.status for running in state._running.values()]
        kept += [state.last_status] if state.last_status is not None else []
        assert all(size_of([one]) <= MAX_STATUS for one in kept)
        return state.execution_state

    def close(self) -> None:
        """Nothing is open."""


def _messages(given: Input) -> list[Message]:
    return [
        Message(Channel.IOPUB, header, parent, metadata, content)
        for header, parent, metadata, content in zip(*[iter(given)] * 4, strict=False)
    ]
