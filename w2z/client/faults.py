"""What an attempt to connect, or its end, means: a problem that may pass, or a final error."""

from __future__ import annotations

import json
import socket
import ssl
from typing import NamedTuple

from websockets.exceptions import InvalidHandshake, InvalidMessage, InvalidStatus

from w2z.client.remote import Remote
from w2z.client.retrying import closing, refusal
from w2z.errors import ClientError, NotW2z, RemoteSettingsError, Unreachable

LONGEST_TOLD = 200
"""Characters of a server's answer that are passed on."""


class Problem(NamedTuple):
    """Why there is no connection now; ``status`` is that of an HTTP response, or 0."""

    text: str
    status: int = 0


def ended(code: int, reason: str, remote: Remote) -> Problem:
    """Return what the end of an open websocket means; raises RemoteError for a final one."""
    final = closing(code, reason, remote.url)
    if final is not None:
        raise final
    return Problem(f"the connection ended: {code} {reason}".rstrip())


def failed(failure: Exception | None, remote: Remote, *, was_open: bool) -> Problem:
    """Return what ``failure`` means. ``was_open``: a connection to ``remote`` has worked before.

    Raises :class:`~w2z.errors.RemoteError` for what is final, and ``failure`` itself if it is a
    defect.
    """
    match failure:
        case None:
            return Problem("the connection ended")
        case InvalidStatus():
            status = failure.response.status_code
            said = told(bytes(failure.response.body))
            final = refusal(status, said, remote.url)
            if final is not None:
                raise final
            return Problem(f"it said {status} {said}".rstrip(), status)
        case InvalidMessage():
            if was_open or isinstance(failure.__cause__, EOFError):
                return Problem("the connection ended in the opening handshake")
            raise NotW2z(f"what answers at {remote.url} does not speak HTTP: check the URL")
        case ClientError() | InvalidHandshake():
            raise NotW2z(f"what answers at {remote.url} is not w2z ({failure}): check the URL")
        case OSError() | UnicodeError():
            return Problem(_network(failure, remote, was_open=was_open))
        case _:
            raise failure


def _network(error: OSError | UnicodeError, remote: Remote, *, was_open: bool) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        raise NotW2z(
            f"the certificate of {remote.url} is not trusted ({error.verify_message}): give that of"
            " its CA (--ca-file)"
        )
    if was_open:
        return _words(error)
    if isinstance(error, ssl.SSLError):
        raise NotW2z(
            f"{remote.url} does not speak TLS as it should ({error.reason}): check http:// or"
            " https://, and the client certificate"
        )
    if isinstance(error, UnicodeError):
        raise RemoteSettingsError(f"{remote.url}: {remote.host[:80]!r} is no host name")
    if isinstance(error, socket.gaierror) and error.errno == socket.EAI_NONAME:
        raise Unreachable(f"{remote.url}: there is no host of that name; check the URL")
    return _words(error)


def _words(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def told(body: bytes) -> str:
    """Return the message of a w2z's error; nothing of another server's page."""
    try:
        message = json.loads(body)["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    return message[:LONGEST_TOLD] if isinstance(message, str) else ""
