"""Every error w2z raises on purpose, and the answer its peer gets.

One tree, one rule: the class says *who* is told and *how*, the message says what was wrong, with
what value, and what to do about it.

- :class:`StartupError`: the operator reads one line; the process ends with its :class:`ExitCode`.
- :class:`ClientError`: one websocket is closed with its :class:`CloseCode`; nobody else notices.
- :class:`HttpError`: one request is answered with :attr:`status`.
- :class:`KernelError`: the kernel does not do what was asked; the request gets :attr:`status`.
- :class:`ProxyError`: the proxy that should get w2z's route does not take it; logged, tried again.
- :class:`KernelMessageError`: a message *from* the kernel is counted, logged and dropped.

Text that reaches a peer is built from that peer's own input only: never from the token, the
kernel's key, or a path of the host.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Self


class _Code(IntEnum):
    """A number that a peer or an operator sees, and what it means, in words fit for a table."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        made = int.__new__(cls, code)
        made._value_ = code
        made.meaning = meaning
        return made


class CloseCode(_Code):
    """Why w2z closes a websocket.

    The names are RFC 6455's (section 7.4.1) and its registry's; 4400 to 4499 are w2z's own. None
    is 1000 or 1001, after which some clients never come back. ``docs/protocol.md`` says what a
    client can do.
    """

    PROTOCOL_ERROR = 1002, "broken websocket frames"
    UNSUPPORTED_DATA = 1003, "text where the format has binary messages only"
    INVALID_DATA = (
        1007,
        "not UTF-8, not JSON, JSON of the wrong shape, offsets that do not describe the payload",
    )
    POLICY_VIOLATION = 1008, "a channel that does not exist, or a message to iopub"
    MESSAGE_TOO_BIG = 1009, "a message over `--max-message-size`"
    INTERNAL_ERROR = 1011, "no pong within `--ping-timeout`, or a defect of w2z"
    SERVICE_RESTART = 1012, "w2z is going away and may come back"
    TRY_AGAIN_LATER = 1013, "this client reads too slowly for what it is sent"
    REPLACED = 4409, "replaced by a newer connection with the same `session_id`"


class ExitCode(_Code):
    """How the process ends by itself; 128 and its number after a signal, else as the kernel did."""

    OK = 0, "ended by a client, by `--idle-timeout` or by `--max-lifetime`"
    FAILURE = 1, "`w2z wait`: the kernel was not ready in time; `w2z serve`: a defect of w2z"
    USAGE = 2, "an option or environment variable has a value that cannot be used"
    CONNECTION_FILE = 3, "the connection file is missing, unreadable, unfinished or invalid"
    NEVER_READY = 4, "the kernel that was started did not answer in the time it was given"
    KERNEL_ENDED = 5, "the kernel could not be started, or ended before it was ready"
    LISTEN = 6, "the address to listen on is taken or not ours"
    TOKEN_FILE = 7, "the token file cannot be read or holds no usable token"


ENDED_BY_SIGNAL = 128
"""The exit code after a signal is this and its number, as shells have it."""


class W2zError(Exception):
    """Base of everything raised on purpose."""


class StartupError(W2zError):
    """w2z cannot begin or cannot go on; printed as one line, then the process exits."""

    exit_code: int = ExitCode.FAILURE


class SettingsError(StartupError):
    """An option or environment variable has a value that cannot be used."""

    exit_code = ExitCode.USAGE


class ConnectionFileError(StartupError):
    """The kernel's connection file is missing, unreadable, unfinished or invalid."""

    exit_code = ExitCode.CONNECTION_FILE


class ListenError(StartupError):
    """The address to listen on is taken or not ours."""

    exit_code = ExitCode.LISTEN


class TokenFileError(StartupError):
    """The token file cannot be read or holds no usable token."""

    exit_code = ExitCode.TOKEN_FILE


class KernelEnded(StartupError):
    """The kernel could not be started, or ended for good before it was ready.

    ``exit_code`` is the kernel's own where it has one that tells something.
    """

    exit_code: int = ExitCode.KERNEL_ENDED

    def __init__(self, message: str, exit_code: int = ExitCode.KERNEL_ENDED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class KernelNeverReady(StartupError):
    """The kernel that was started runs, but did not answer in the time it was given."""

    exit_code = ExitCode.NEVER_READY


class ClientError(W2zError):
    """A websocket client sent what cannot be carried; its connection is closed."""

    close_code = CloseCode.INTERNAL_ERROR


class WrongFrameKind(ClientError):
    """Text where the subprotocol has only binary messages (RFC 6455: 1003)."""

    close_code = CloseCode.UNSUPPORTED_DATA


class MalformedPayload(ClientError):
    """A payload that does not follow its format: bad UTF-8 or JSON, offsets that lie (1007)."""

    close_code = CloseCode.INVALID_DATA


class NotAllowed(ClientError):
    """A well-formed message that this client may not send, such as one to iopub (1008)."""

    close_code = CloseCode.POLICY_VIOLATION


class HttpError(W2zError):
    """A request that cannot be served.

    ``headers`` are added to the answer (``Allow`` for 405, ``WWW-Authenticate`` for 401).
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


class KernelError(W2zError):
    """The kernel cannot be made to do what was asked; a request for it gets :attr:`status`."""

    status = 500


class KernelSilent(KernelError):
    """The kernel did not answer what w2z itself asked it, within the time it was given (504)."""

    status = 504


class KernelNotInterrupted(KernelError):
    """There is no way to interrupt this kernel from here (501)."""

    status = 501


class KernelNotStarted(KernelError):
    """The kernel did not come up again (500)."""


class ProxyError(W2zError):
    """The proxy that w2z tells its route answered something else than that it is done."""


class KernelMessageError(W2zError):
    """A ZMQ message from the kernel with a wrong signature or shape; it is dropped."""
