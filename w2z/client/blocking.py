"""The blocking twin of :mod:`w2z.client.kernel`, for code without an event loop.

::

    with w2z.client.connect_blocking("http://127.0.0.1:8888/", token_file="token") as kernel:
        print(kernel.run("1 + 1", timeout=60).text)

A thread has the event loop. Callbacks are called in the thread that called the method.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from queue import SimpleQueue
from typing import Any, TypeVar

from w2z.client.kernel import RemoteKernel, connect
from w2z.client.messages import Messages
from w2z.client.run import Execution, KernelMessage, Output
from w2z.errors import RemoteError

T = TypeVar("T")


class BlockingKernel:
    """One kernel behind a w2z. Make it with :func:`connect_blocking`.

    Each method does what the method of :class:`~w2z.client.kernel.RemoteKernel` with its name does,
    and blocks until that is done. Several threads may use it at once.
    """

    def __init__(self, kernel: RemoteKernel, loop: asyncio.AbstractEventLoop) -> None:
        self._kernel = kernel
        self._loop = loop

    @property
    def url(self) -> str:
        """Where w2z is, without the token."""
        return self._kernel.url

    @property
    def session_id(self) -> str:
        """The session's id."""
        return self._kernel.session_id

    @property
    def problem(self) -> str | None:
        """Why there is no connection just now; ``None`` while there is one."""
        return self._kernel.problem

    def run(
        self,
        code: str,
        *,
        on_output: Callable[[Output], object] | None = None,
        on_input: Callable[[str, bool], str] | None = None,
        **more: Any,
    ) -> Execution:
        """Run code, and return what it brought. Ctrl-C interrupts the kernel, too."""
        here = _Here(self._loop)
        callbacks: dict[str, Any] = {}
        if on_output is not None:
            callbacks["on_output"] = here.wrapped(on_output)
        if on_input is not None:
            callbacks["on_input"] = here.wrapped(on_input)
        try:
            return here.wait(self._kernel.run(code, **callbacks, **more))
        except KeyboardInterrupt:
            with suppress(RemoteError):
                self.interrupt()
            raise

    def request(self, msg_type: str, content: Any = None, **more: Any) -> dict[str, Any]:
        """Send any request and return the content of its reply."""
        return self._wait(self._kernel.request(msg_type, content, **more))

    def kernel_info(self, **more: Any) -> dict[str, Any]:
        """Return what the kernel says about itself."""
        return self._wait(self._kernel.kernel_info(**more))

    def complete(self, code: str, cursor_pos: int | None = None, **more: Any) -> dict[str, Any]:
        """Return completions of the code at the cursor."""
        return self._wait(self._kernel.complete(code, cursor_pos, **more))

    def inspect(self, code: str, cursor_pos: int | None = None, **more: Any) -> dict[str, Any]:
        """Return the documentation of what is at the cursor."""
        return self._wait(self._kernel.inspect(code, cursor_pos, **more))

    def is_complete(self, code: str, **more: Any) -> dict[str, Any]:
        """Return whether the code can be run as it is."""
        return self._wait(self._kernel.is_complete(code, **more))

    def send(self, msg_type: str, content: Any = None, **more: Any) -> str:
        """Send a message that has no reply; return its ``msg_id``."""
        return self._wait(self._kernel.send(msg_type, content, **more))

    def messages(self) -> Iterator[KernelMessage]:
        """Yield every message from now on. Take them quickly, or close the iterator."""

        async def begin() -> Messages:
            return self._kernel.messages()

        return self._each(self._wait(begin()))

    def interrupt(self) -> None:
        """Interrupt what the kernel is doing."""
        self._wait(self._kernel.interrupt())

    def restart(self) -> None:
        """Restart the kernel; returns when the next one is ready."""
        self._wait(self._kernel.restart())

    def stop(self) -> None:
        """End the kernel for good, and this session."""
        self._wait(self._kernel.stop())

    def _each(self, messages: Messages) -> Iterator[KernelMessage]:
        async def take() -> KernelMessage:
            return await anext(messages)

        try:
            while True:
                yield self._wait(take())
        finally:
            with suppress(RuntimeError):  # the loop has ended, and all with it
                self._loop.call_soon_threadsafe(messages.close)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return _Here(self._loop).wait(work)


class _Here:
    """Waits for work of the event loop, and meanwhile makes its callbacks in this thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()

    def wrapped(self, callback: Callable[..., T]) -> Callable[..., Coroutine[Any, Any, T]]:
        """Return a coroutine function for the event loop that makes the call here."""

        async def call(*arguments: Any) -> T:
            outcome: Future[T] = Future()

            def make() -> None:
                try:
                    outcome.set_result(callback(*arguments))
                except Exception as error:  # noqa: BLE001 (raised in the loop, and so by `wait`)
                    outcome.set_exception(error)

            self._calls.put(make)
            return await asyncio.wrap_future(outcome)

        return call

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        """Do the work in the loop, and return its result, or raise its error."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        future.add_done_callback(lambda _: self._calls.put(None))
        try:
            while (call := self._calls.get()) is not None:
                call()
        except BaseException:
            future.cancel()
            raise
        return future.result()


@contextmanager
def connect_blocking(url: str, **options: Any) -> Iterator[BlockingKernel]:
    """Connect to the kernel of the w2z at ``url``. The options are those of
    :func:`~w2z.client.kernel.connect`, and it raises the same errors.
    """
    opened: Future[BlockingKernel] = Future()
    ends: Future[None] = Future()

    async def keep() -> None:
        async with connect(url, **options) as kernel:
            opened.set_result(BlockingKernel(kernel, asyncio.get_running_loop()))
            await asyncio.wrap_future(ends)

    def run() -> None:
        try:
            asyncio.run(keep())
        except BaseException as error:  # noqa: BLE001 (raised by whoever connects)
            if not opened.done():
                opened.set_exception(error)

    thread = threading.Thread(target=run, name="w2z client", daemon=True)
    thread.start()
    try:
        yield opened.result()
    finally:
        ends.set_result(None)
        thread.join()
