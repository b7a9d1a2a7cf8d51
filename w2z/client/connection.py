"""A session with another w2z that outlives its websockets: connects again, and resumes.

A :class:`~w2z.client.link.Link` knows what the session is owed, an
:class:`~w2z.client.attempt.Attempt` is one websocket, and :mod:`~w2z.client.retrying` decides what
is tried again. This module runs one attempt after the other::

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(connection.run())     # calls the listener
        connection.send(message)                # at any time, open or not
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import ssl
import uuid
from datetime import UTC, datetime

from w2z.client.attempt import Attempt, Listener, Opening
from w2z.client.dial import dial
from w2z.client.faults import Problem, ended, failed
from w2z.client.link import Link
from w2z.client.remote import Remote
from w2z.client.retrying import Retrying
from w2z.errors import Unauthorized
from w2z.message import Message
from w2z.threads import in_thread
from w2z.wire.authored import header

PATIENCE_AGAIN = 300.0
"""Seconds without a connection after which a session is given up: half of w2z's resume window."""

OPEN_WITHIN = 15.0
"""Seconds that one attempt to connect may take, the opening handshake included."""

TOKEN_WITHIN = 60.0
"""Seconds that a token file has to hold the next token, after w2z refused the last one. Kubernetes
updates a mounted secret within a minute.
"""

LEAST_ATTEMPT = 0.1
"""Seconds that the last attempt may take when patience is nearly over."""

__all__ = ["Connection", "Listener", "Opening"]


class Connection:
    """One session of w2z at ``remote``.

    ``session_id`` resumes an earlier session; by default it is a new one. After ``patience``
    seconds without a connection :meth:`run` gives up; before the first one after
    ``first_patience``, which is ``patience`` by default.
    """

    def __init__(
        self,
        remote: Remote,
        listener: Listener,
        *,
        session_id: str | None = None,
        patience: float = PATIENCE_AGAIN,
        first_patience: float | None = None,
    ) -> None:
        self.remote = remote
        self.session_id = session_id or uuid.uuid4().hex
        self._listener = listener
        self._patience = patience
        self._first_patience = patience if first_patience is None else first_patience
        self._link = Link(self._new_header)
        self._attempt: Attempt | None = None
        self._closing = asyncio.Event()
        self._opening: asyncio.Timeout | None = None
        """The time that the present attempt to connect has."""
        self._is_held = False
        self._waits_for_room = False

    @property
    def is_open(self) -> bool:
        """Whether there is a websocket now."""
        return self._attempt is not None and self._attempt.is_open

    @property
    def repeats(self) -> int:
        """How many messages came more than once, and were handed on once."""
        return self._link.repeats

    async def run(self) -> None:
        """Keep a connection open until :meth:`close`. Call it once.

        Raises :class:`~w2z.errors.RemoteError` when there is none any more and none will be.
        """
        context = await in_thread(self.remote.tls)
        retry = Retrying(self.remote.url, self._first_patience, _now())
        was_open = False
        valid_at = _now()
        while not self._closing.is_set():
            token = await in_thread(self.remote.read_token)
            attempt = Attempt(
                self.remote,
                self.session_id,
                self._link,
                self._listener,
                token=token,
                wrote=self._wrote,
            )
            try:
                problem = await self._try(attempt, context, retry.left(_now()), was_open=was_open)
            except Unauthorized as error:
                valid_at = _now() if attempt.was_open else valid_at
                is_over = _now() >= valid_at + TOKEN_WITHIN
                if self.remote.token_file is None or not (was_open or attempt.was_open) or is_over:
                    raise
                problem = Problem(str(error))
            if attempt.was_open:
                was_open = True
                retry.ended(_now(), self._patience, has_worked=attempt.has_heard)
            if self._closing.is_set():
                return
            chance = random.random()  # noqa: S311 (no secret)
            pause = retry.failed(problem.text, _now(), chance, status=problem.status)
            self._listener.cut(problem.text)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._closing.wait()

    def send(self, message: Message) -> bool:
        """Send a message as soon as possible, and again if that is needed and safe.

        Returns ``False`` if too much is unsent: the message is not taken then; send it again after
        :meth:`Listener.writable`. What is sent while there is no connection waits for the next
        one, apart from heartbeats. A message needs a ``msg_id`` and a ``msg_type`` in its header.
        """
        if not self._link.has_room:
            self._waits_for_room = True
            return False
        self._link.send(message)
        if self._attempt is not None:
            self._attempt.fill()
        return True

    def stop_reading(self) -> None:
        """Receive nothing more until :meth:`go_on_reading`: w2z keeps it. What the last read of the
        network brought is still handed on.
        """
        self._hold(is_held=True)

    def go_on_reading(self) -> None:
        """Receive again."""
        self._hold(is_held=False)

    def close(self) -> None:
        """End the session: :meth:`run` returns. What was sent and not written is dropped."""
        self._closing.set()
        if self._attempt is not None:
            self._attempt.websocket.close()
        if self._opening is not None and not self._opening.expired():
            self._opening.reschedule(_now())

    async def _try(
        self, attempt: Attempt, context: ssl.SSLContext | None, patience: float, *, was_open: bool
    ) -> Problem:
        """Connect, and stay until the end. Returns why it ended.

        Raises :class:`~w2z.errors.RemoteError` for an end that is final.
        """
        self._attempt = attempt
        attempt.hold(is_held=self._is_held)
        try:
            seconds = max(LEAST_ATTEMPT, min(OPEN_WITHIN, patience))
            async with asyncio.timeout(seconds) as self._opening:
                await dial(self.remote, attempt.websocket, context)
                await attempt.settled.wait()
            self._opening = None
            await attempt.over.wait()
        except TimeoutError:
            return Problem("it does not answer")
        except (OSError, UnicodeError) as error:
            return failed(error, self.remote, was_open=was_open)
        finally:
            attempt.websocket.abort()
            self._attempt = self._opening = None
        if attempt.was_open and attempt.failure is None:
            return ended(attempt.websocket.close_code, attempt.websocket.close_reason, self.remote)
        return failed(attempt.failure, self.remote, was_open=was_open)

    def _hold(self, *, is_held: bool) -> None:
        self._is_held = is_held
        if self._attempt is not None:
            self._attempt.hold(is_held=is_held)

    def _wrote(self) -> None:
        if self._waits_for_room and self._link.has_room:
            self._waits_for_room = False
            # Not at once: the listener may be in the middle of a call that led here.
            asyncio.get_running_loop().call_soon(self._listener.writable)

    def _new_header(self, msg_type: str) -> bytes:
        return header(msg_type, uuid.uuid4().hex, self.session_id, datetime.now(UTC))


def _now() -> float:
    return asyncio.get_running_loop().time()
