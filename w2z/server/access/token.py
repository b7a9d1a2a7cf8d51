"""The source of the token: a file, an inherited descriptor, the environment, or chance.

A token file may change at any time. Each request is decided by the file as it is at that moment; a
watcher notices a change also while nobody asks, because websockets are open that the last token
opened. A file without a usable token lets nobody in.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import select
import stat
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from w2z.errors import TokenFileError
from w2z.settings import Settings
from w2z.small_files import read_small
from w2z.threads import at_once, in_thread
from w2z.values import is_visible_ascii

log = logging.getLogger("w2z")

GENERATED_BYTES = 32

LARGEST_TOKEN_FILE = 64 * 1024
"""Bytes of a token file; more cannot be a token and a comment."""

DESCRIPTOR_TIMEOUT = 10.0
"""Seconds until the token has to come from an inherited descriptor."""

WATCH_INTERVAL = 0.25
"""Seconds between two looks at the token file while no request asks for it."""

LOOK_TIMEOUT = 0.1
"""Seconds that a request waits for the file. A local file takes microseconds; one on a network
drive that does not answer counts as unchanged until it does.
"""

_OTHERS = stat.S_IROTH | stat.S_IWOTH | stat.S_IWGRP

Stamp = tuple[int, ...]
"""What changes when a file does; for a file that cannot be found the error's number."""


@dataclass(frozen=True)
class Found:
    """A look at the file. ``token`` is ``None`` if there is none to use; ``problem`` says why."""

    stamp: Stamp
    token: str | None = field(default=None, repr=False)
    problem: str = ""
    is_open_to_others: bool = False


class TokenFile:
    """A token in a file, read again when the file changes (as a rotated, mounted secret does).

    The constructor raises :class:`~w2z.errors.TokenFileError` for a file without a usable token. If
    the file becomes such a one later, no token is valid until it holds one again.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._on_change: Callable[[str | None], object] = lambda token: None
        self._looks = 0
        self._is_overdue = False
        found = look(path)
        if found.token is None:
            raise TokenFileError(found.problem)
        self._found = found
        self._warn()

    def __call__(self) -> str | None:
        """Return the token valid now; ``None`` if none is.

        Blocks the event loop for :data:`LOOK_TIMEOUT` at most, and once only for a file system that
        does not answer.
        """
        if not self._is_overdue:
            self._looks += 1
            try:
                self._take(at_once(LOOK_TIMEOUT, partial(look, self._path, self._found)))
            except TimeoutError:
                self._is_overdue = True
                log.warning("the token file %s does not answer: its last token counts", self._path)
        return self._found.token

    @contextlib.asynccontextmanager
    async def watched(self, on_change: Callable[[str | None], None]) -> AsyncIterator[None]:
        """Watch the file while the block runs. ``on_change`` is called in the event loop's next
        turn after the token has changed, with the token that is valid now.
        """
        loop = asyncio.get_running_loop()
        # Not at once: the look may be that of a request, which is still being decided.
        self._on_change = lambda token: loop.call_soon(on_change, token)
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch())
            try:
                yield
            finally:
                watching.cancel()
                self._on_change = lambda token: None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(WATCH_INTERVAL)
            self._looks += 1
            this = self._looks
            found = await in_thread(partial(look, self._path, self._found))
            self._is_overdue = False
            # A request that has looked meanwhile has seen the file as it was later.
            if this == self._looks:
                self._take(found)

    def _take(self, found: Found) -> None:
        before, self._found = self._found, found
        if found is before:
            return
        self._warn()
        if found.problem and found.problem != before.problem:
            log.warning("%s; nobody gets in until it holds a token", found.problem)
        if found.token != before.token:
            if found.token is not None:
                log.info("the token file changed: its new token is valid from now on")
            self._on_change(found.token)

    def _warn(self) -> None:
        if self._found.is_open_to_others:
            log.warning(
                "token file %s: other users may read or write it; let its mode be 0400 or 0600,"
                " and its owner the user of w2z",
                self._path,
            )


def look(path: Path, before: Found | None = None) -> Found:
    """Look at the token file; return ``before`` if nothing has changed since. Blocks as long as the
    file system does.
    """
    try:
        # The stamp first: if the file changes before it is read, the next look sees that.
        status = path.stat()
    except OSError as error:
        stamp: Stamp = (error.errno or 0,)
        problem = f"token file {path}: {error.strerror}"
        return before if before and before.stamp == stamp else Found(stamp, problem=problem)
    # ctime, because a correction of the file's permissions does not change its mtime.
    stamp = (status.st_ctime_ns, status.st_dev, status.st_ino, status.st_size)
    if before is not None and before.stamp == stamp:
        return before
    is_open = bool(status.st_mode & _OTHERS)
    try:
        return Found(stamp, _read(path), is_open_to_others=is_open)
    except TokenFileError as error:
        return Found(stamp, problem=str(error))


def token_from(descriptor: int) -> str:
    """Read the token from an open file, which is closed then: nobody can read it a second time.

    Raises :class:`~w2z.errors.TokenFileError` if there is none, or no line comes within
    :data:`DESCRIPTOR_TIMEOUT`.
    """
    name, text = f"--token-fd {descriptor}", b""
    try:
        while b"\n" not in text and len(text) <= LARGEST_TOKEN_FILE:
            if not select.select([descriptor], [], [], DESCRIPTOR_TIMEOUT)[0]:
                raise TokenFileError(f"{name}: no line in {DESCRIPTOR_TIMEOUT:g} seconds")
            more = os.read(descriptor, LARGEST_TOKEN_FILE)
            if not more:
                break
            text += more
        os.close(descriptor)
    except (OSError, ValueError) as error:
        raise TokenFileError(f"{name}: {getattr(error, 'strerror', None) or error}") from None
    return _first_line(text, name)


def _read(path: Path) -> str:
    try:
        text = read_small(path, LARGEST_TOKEN_FILE)
    except OSError as error:
        raise TokenFileError(f"token file {path}: {error.strerror}") from None
    except ValueError as error:
        raise TokenFileError(f"token file {path}: {error}") from None
    return _first_line(text, f"token file {path}")


def _first_line(text: bytes, name: str) -> str:
    lines = text.splitlines()
    token = lines[0].strip().decode("ascii", "replace") if lines else ""
    if not is_visible_ascii(token):
        raise TokenFileError(
            f"{name}: the first line has to be the token, visible ASCII without spaces"
        )
    return token


def token_source(settings: Settings) -> tuple[Callable[[], str | None] | None, str | None]:
    """Return the policy's ``token``, and the token itself if it was generated just now."""
    if settings.no_auth:
        return None, None
    if settings.token_file is not None:
        return TokenFile(settings.token_file), None
    if settings.token_fd is not None:
        read = token_from(settings.token_fd)
        return (lambda: read), None
    if settings.token is not None:
        token = settings.token.get_secret_value()
        return (lambda: token), None
    generated = secrets.token_urlsafe(GENERATED_BYTES)
    return (lambda: generated), generated
