"""The source of the token: a file, the environment, or a random generator."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable
from pathlib import Path

from w2z.errors import TokenFileError
from w2z.settings import Settings, is_visible_ascii

log = logging.getLogger("w2z")

GENERATED_BYTES = 32


class TokenFile:
    """A token in a file, read again when the file changes (as a rotated, mounted secret does).

    The constructor raises :class:`~w2z.errors.TokenFileError` for a file without a usable token. If
    that happens after a later change, the last token stays valid, and the log says so.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # The stamp first: if the file changes before it is read, the next call sees that.
        self._stamp = self._stat()
        self._token = self._read()

    def __call__(self) -> str:
        """Return the token valid now."""
        stamp = self._stat()
        if stamp != self._stamp:
            # Set even if the file cannot be read: each change is tried, and logged, once.
            self._stamp = stamp
            try:
                self._token = self._read()
                log.info("the token file changed: its new token is valid from now on")
            except TokenFileError as error:
                log.warning("%s; the last token stays valid", error)
        return self._token

    def _stat(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        # ctime, because a correction of the file's permissions does not change its mtime.
        return found.st_ctime_ns, found.st_ino, found.st_size

    def _read(self) -> str:
        try:
            lines = self._path.read_bytes().splitlines()
        except OSError as error:
            raise TokenFileError(f"token file {self._path}: {error.strerror}") from None
        token = lines[0].strip().decode("ascii", "replace") if lines else ""
        if not is_visible_ascii(token):
            raise TokenFileError(
                f"token file {self._path}: the first line has to be the token,"
                " visible ASCII without spaces"
            )
        return token


def token_source(settings: Settings) -> tuple[Callable[[], str] | None, str | None]:
    """Return the policy's ``token``, and the token itself if it was generated just now."""
    if settings.no_auth:
        return None, None
    if settings.token_file is not None:
        return TokenFile(settings.token_file), None
    if settings.token is not None:
        token = settings.token.get_secret_value()
        return (lambda: token), None
    generated = secrets.token_urlsafe(GENERATED_BYTES)
    return (lambda: generated), generated
