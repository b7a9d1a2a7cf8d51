"""Requests that are refused for a moment, because they may soon be answered otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass


@dataclass
class Wait:
    """The moment for which a session's request is refused."""

    seconds: float
    timer: asyncio.TimerHandle
    is_over: bool = False


class Waits:
    """One moment for each session; ``retry`` lets a session's clients retry at its end."""

    def __init__(self, retry: Callable[[str], None]) -> None:
        self._retry = retry
        self._waits: dict[str, Wait] = {}

    def __bool__(self) -> bool:
        """Whether any session waits."""
        return bool(self._waits)

    def refuses(self, session_id: str, seconds: float) -> bool:
        """Whether the session's request is refused. The first call begins a moment of ``seconds``;
        one with other ``seconds`` begins another, because the reason to wait has changed.
        """
        wait = self._waits.get(session_id)
        if wait is None or wait.seconds != seconds:
            if wait is not None:
                wait.timer.cancel()
            timer = asyncio.get_running_loop().call_later(seconds, self._end_one, session_id)
            wait = self._waits[session_id] = Wait(seconds, timer)
        return not wait.is_over

    def end(self) -> None:
        """Let every session that waits retry now: the reason to wait is gone."""
        waiting = list(self._waits)
        self.close()
        for session_id in waiting:
            self._retry(session_id)

    def close(self) -> None:
        """Forget all moments; nobody retries."""
        for wait in self._waits.values():
            wait.timer.cancel()
        self._waits.clear()

    def _end_one(self, session_id: str) -> None:
        # Forgotten after the retry: so the retried request is not refused again.
        wait = self._waits[session_id]
        wait.is_over = True
        self._retry(session_id)
        if self._waits.get(session_id) is wait:
            del self._waits[session_id]
