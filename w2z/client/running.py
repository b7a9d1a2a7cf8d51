"""Runs code in a remote kernel and follows it to its end: outputs, questions, time.

Rules:

- The run is over when its reply and its *idle* have come; or, if *idle* does not, a while after the
  reply.
- When the time is over, the kernel is interrupted if it has begun with this code, and what still
  comes within :data:`SPEAKS_FOR` belongs to the run. Code that has not begun is not interrupted:
  that would end somebody else's.
- A question is asked while outputs go on. Whatever ends the run takes it back.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from contextlib import suppress

from w2z.client.inboxes import Inbox
from w2z.client.messages import heard
from w2z.client.run import Execution, KernelMessage, Output
from w2z.errors import RemoteError
from w2z.threads import in_thread

SPEAKS_FOR = 5.0
"""Seconds that code may go on after it was interrupted because its time was over."""

IDLE_WITHIN = 10.0
"""Seconds after the reply in which the kernel has to become idle, or the run is over anyway."""

OutputCallback = Callable[[Output], Awaitable[None] | None]
"""Called with each output as it comes."""

InputCallback = Callable[[str, bool], Awaitable[str] | str]
"""Called with a prompt, and whether what is typed must not be shown; returns the answer. One that
is not async is called in a thread.
"""


class Run:
    """One run of code, whose messages come into ``inbox``.

    ``interrupt`` interrupts the kernel, ``answer`` sends a text as the answer to a question.
    """

    def __init__(
        self,
        inbox: Inbox,
        *,
        on_output: OutputCallback | None,
        on_input: InputCallback | None,
        interrupt: Callable[[], Awaitable[None]],
        answer: Callable[[KernelMessage, str], Awaitable[None]],
        into: Execution | None = None,
    ) -> None:
        self.execution = into or Execution()
        self._inbox = inbox
        self._on_output = on_output
        self._on_input = on_input
        self._interrupt = interrupt
        self._answer = answer
        self._asking: asyncio.Task[None] | None = None
        self._is_unanswered = False
        """Whether a question was not answered, because the callback failed."""
        self._failure: Exception | None = None

    async def finish(self, seconds: float | None) -> Execution:
        """Follow the run to its end, for ``seconds`` at most. Raises what ended the session, or
        what a callback raised.
        """
        async with asyncio.TaskGroup() as tasks:
            try:
                await self._follow_in_time(tasks, seconds)
            except Exception as error:  # noqa: BLE001 (raised below, and not as a group)
                self._failure = error
                if self._is_unanswered:
                    # The code waits for an answer that nobody will give.
                    await self._end(tasks)
            finally:
                self._take_back()
        if self._failure is not None:
            raise self._failure
        return self.execution

    async def _follow_in_time(self, tasks: asyncio.TaskGroup, seconds: float | None) -> None:
        try:
            async with asyncio.timeout(seconds) as limit:
                await self._follow(tasks)
        except TimeoutError:
            if not limit.expired():
                raise  # a callback's own
            await self._end(tasks)

    async def _end(self, tasks: asyncio.TaskGroup) -> None:
        """The time is over: interrupt the code, and hear its last words."""
        self._take_back()
        self._on_input = None
        execution = self.execution
        if execution.has_begun and not execution.has_reply:
            with suppress(RemoteError, TimeoutError):
                async with asyncio.timeout(SPEAKS_FOR):
                    await self._try_interrupt()
                    await self._follow(tasks)
        execution.status = "timeout"

    async def _try_interrupt(self) -> None:
        # Where it fails, there are no last words.
        with suppress(RemoteError):
            await self._interrupt()

    async def _follow(self, tasks: asyncio.TaskGroup) -> None:
        execution = self.execution
        while not execution.is_over:
            message = await self._next()
            if message is None:
                return
            if message.msg_type == "input_request":
                self._ask(message, tasks)
                continue
            output = execution.hear(message)
            if execution.has_reply:
                self._take_back()
            if output is not None and self._on_output is not None:
                told = self._on_output(output)
                if inspect.isawaitable(told):
                    await told

    async def _next(self) -> KernelMessage | None:
        """Return the next message; ``None`` if *idle* does not come after the reply."""
        if not self.execution.has_reply:
            return heard(await self._inbox.take())
        # *idle* may have been lost with much else (docs/delivery.md).
        try:
            async with asyncio.timeout(IDLE_WITHIN):
                return heard(await self._inbox.take())
        except TimeoutError:
            return None

    def _ask(self, message: KernelMessage, tasks: asyncio.TaskGroup) -> None:
        if self._on_input is not None:
            self._take_back()
            self._asking = tasks.create_task(self._ask_and_answer(message, self._on_input))

    async def _ask_and_answer(self, message: KernelMessage, on_input: InputCallback) -> None:
        content = message.content
        prompt, is_secret = str(content.get("prompt", "")), bool(content.get("password"))
        try:
            if inspect.iscoroutinefunction(on_input):
                text = await on_input(prompt, is_secret)
            else:
                found = await in_thread(lambda: on_input(prompt, is_secret))
                text = await found if inspect.isawaitable(found) else found
            await self._answer(message, str(text))
        except Exception as error:  # noqa: BLE001 (raised again where the run is awaited)
            self._is_unanswered = True
            self._inbox.fail(error)

    def _take_back(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None
