"""Attach on an event loop of its own, in a thread, for those whose own loop does not run always.

jupyter_client's blocking classes run a loop only while they are called, and each may run another.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from w2z.client.attach import Attach
from w2z.client.options import Options
from w2z.client.remote import Remote
from w2z.errors import RemoteError, W2zError
from w2z.kernel.connection_file import ConnectionInfo

ENDS_WITHIN = 5.0
"""Seconds that :meth:`AttachThread.stop` waits at most; attach itself takes two."""

ResultT = TypeVar("ResultT")


class AttachThread:
    """One :class:`~w2z.client.attach.Attach` in a daemon thread. Call :meth:`start` or
    :meth:`begin` once.
    """

    def __init__(
        self, remote: Remote, options: Options, info: ConnectionInfo | None = None
    ) -> None:
        self._given = remote, options, info
        self._bound: Future[ConnectionInfo] = Future()
        self._connected: Future[None] = Future()
        self._is_left = False
        """Whether the end was asked for, perhaps before the thread had begun."""
        self._attach: Attach
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._run, name="w2z-attach", daemon=True)
        self.exit_code: int | None = None
        """``None`` while it runs."""
        self.failure: W2zError | None = None
        """The error that ended it, if one did."""

    async def start(self) -> None:
        """Begin, and wait until the kernel can be reached.

        Raises :class:`~w2z.errors.W2zError` if it cannot, or if a local address is taken.
        """
        self._thread.start()
        try:
            await self.connected()
        except BaseException:
            self.leave()
            raise

    def begin(self) -> ConnectionInfo:
        """Begin, and return where the local sockets are; that takes a moment.

        Raises :class:`~w2z.errors.ListenError` if a local address is taken.
        """
        self._thread.start()
        return self._bound.result()

    async def connected(self) -> None:
        """Wait for the connection. Raises :class:`~w2z.errors.W2zError` if there will be none."""
        await asyncio.wrap_future(self._connected)

    @property
    def is_alive(self) -> bool:
        """Whether it still attaches."""
        return self.exit_code is None

    async def interrupt(self) -> None:
        """Interrupt the kernel. Raises :class:`~w2z.errors.RemoteError` if it was not."""
        await self._call(self._attach.interrupt())

    def on_signal(self, number: int) -> None:
        """Do what a signal means; see :mod:`w2z.client.policy`."""
        self._soon(lambda: self._attach.on_signal(number))

    def leave(self) -> None:
        """End soon; the kernel stays as it is."""
        self._is_left = True
        self._soon(self._leave)

    def join(self) -> None:
        """Wait until it has ended."""
        self._thread.join()

    def stop(self) -> None:
        """End, and wait until it has."""
        self.leave()
        self._thread.join(ENDS_WITHIN)

    def _run(self) -> None:
        code = 1
        try:
            code = asyncio.run(self._main())
        except W2zError as error:
            self.failure = error
            code = getattr(error, "exit_code", 1)
        finally:
            self.exit_code = code
            failure = self.failure or RemoteError("attach ended before there was a connection")
            for future in (self._bound, self._connected):
                if not future.done():
                    future.set_exception(failure)

    async def _main(self) -> int:
        self._loop = asyncio.get_running_loop()
        self._attach = Attach(*self._given, bound=self._bound.set_result, changed=self._note)
        if self._is_left:
            self._attach.leave()
        return await self._attach.run()

    def _leave(self) -> None:
        self._attach.leave()

    def _note(self) -> None:
        if self._attach.state.is_connected and not self._connected.done():
            self._connected.set_result(None)

    def _soon(self, action: Any) -> None:
        # It may have ended by itself: jupyter_client ends what has ended already.
        with contextlib.suppress(RuntimeError, AttributeError):
            self._loop.call_soon_threadsafe(action)

    async def _call(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))
