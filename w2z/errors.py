"""Every error that w2z raises on purpose, and the answer that its peer gets.

The class of an error says *who* gets it and *how*. The message says what was wrong, with what
value, and what to do about it.

- :class:`StartupError`: the operator reads one line; the process ends with its :class:`ExitCode`.
- :class:`ClientError`: one websocket is closed with its :class:`CloseCode`; nobody else notices.
- :class:`RemoteError`: the caller of :mod:`w2z.client` gets it; a command of the client side ends
  with its :class:`ExitCode`.
- :class:`HttpError`: one HTTP request is answered with its :attr:`status`; for
  :class:`TokenRefused` perhaps a moment later.
- :class:`KernelError`: the kernel does not do what an HTTP request asked for; the request is
  answered with the error's :attr:`status`.
- :class:`ProxyError`: the proxy did not take w2z's route; w2z logs that and tries again.
- :class:`KernelMessageError`: a message *from* the kernel is counted, logged and dropped.

The text that a peer gets is built from that peer's own input only: never from the token, the
kernel's key, or a path of the host.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import Self, TypeVar

ErrorT = TypeVar("ErrorT", bound=BaseException)


class _Code(IntEnum):
    """A number that a peer or an operator sees, and its meaning in words fit for a table."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        made = int.__new__(cls, code)
        made._value_ = code
        made.meaning = meaning
        return made


class CloseCode(_Code):
    """Why w2z closes a websocket.

    The names are those of RFC 6455 (section 7.4.1) and of its registry; 4400 to 4499 are w2z's own.
    No code is 1000 or 1001, because some clients never reconnect after those.
    ``docs/protocol.md`` says what a client can do.
    """

    PROTOCOL_ERROR = 1002, "broken websocket frames"
    UNSUPPORTED_DATA = 1003, "text where the format has binary messages only"
    INVALID_DATA = (
        1007,
        "not UTF-8, not JSON, JSON of the wrong shape, offsets that do not describe the payload",
    )
    POLICY_VIOLATION = 1008, "a channel that does not exist, or a message to iopub"
    MESSAGE_TOO_BIG = (
        1009,
        "a message over `--max-message-size`, with over 32 MiB of JSON, or on hb over 1 KiB",
    )
    INTERNAL_ERROR = 1011, "no pong within `--ping-timeout`, or a defect of w2z"
    SERVICE_RESTART = 1012, "w2z is going away and may come back"
    TRY_AGAIN_LATER = (
        1013,
        "this client reads too slowly for what it is sent, or there is no memory for its message",
    )
    TOKEN_REVOKED = 4401, "the token that this connection was opened with is not valid any more"
    REPLACED = 4409, "replaced by a newer connection with the same `session_id`"


class ExitCode(_Code):
    """The exit codes that w2z chooses itself.

    From 10 on they are those of commands that talk to another w2z (:class:`RemoteError`). After a
    signal the exit code is :data:`ENDED_BY_SIGNAL` plus the signal's number; after the end of a
    kernel that w2z started it is the kernel's.
    """

    OK = 0, "ended by a client, by `--idle-timeout` or by `--max-lifetime`"
    FAILURE = 1, "`w2z wait`: the kernel was not ready in time; `w2z serve`: a defect of w2z"
    USAGE = 2, "an option or environment variable has a value that cannot be used"
    CONNECTION_FILE = 3, "the connection file is missing, unreadable, unfinished or invalid"
    NEVER_READY = 4, "the kernel that was started did not answer in the time it was given"
    KERNEL_ENDED = 5, "the kernel could not be started, or ended before it was ready"
    LISTEN = 6, "the address to listen on is taken or not ours"
    TOKEN_FILE = 7, "the token file cannot be read or holds no usable token"
    UNREACHABLE = 10, "client: no connection to w2z for as long as `--patience`"
    NOT_W2Z = 11, "client: what answers at the URL is not w2z, or is not trusted"
    UNAUTHORIZED = 12, "client: w2z does not take the token, or there is none"
    UNKNOWN_KERNEL = 13, "client: w2z has no kernel at this URL"
    KERNEL_DEAD = 14, "client: the kernel ended, or was restarted, before it had answered"
    SESSION_LOST = 15, "client: w2z was restarted; whether the code ran is not known"
    SESSION_TAKEN = 16, "client: another client has taken the session over"
    TOO_LARGE = 17, "client: w2z refused a message, mostly because it is too large"
    NOT_DONE = 18, "client: w2z could not do what it was asked for, such as a restart"
    KERNELSPEC = 20, "client: the kernelspec cannot be written, or is not one of w2z's"
    CONTAINER = 21, "client: no container engine, no such image, or no kernel gets ready in it"
    TIMEOUT = 124, "client: `--timeout` was over; the kernel was interrupted"


ENDED_BY_SIGNAL = 128
"""The exit code after a signal is this plus the signal's number, as in shells."""


class W2zError(Exception):
    """The base class of all errors that w2z raises on purpose."""


class StartupError(W2zError):
    """w2z cannot start or cannot go on; the error is printed as one line, then w2z exits."""

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

    ``exit_code`` is the kernel's own if the kernel ended with one other than 0.
    """

    exit_code: int = ExitCode.KERNEL_ENDED

    def __init__(self, message: str, exit_code: int = ExitCode.KERNEL_ENDED) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class KernelNeverReady(StartupError):
    """The kernel that w2z started ran, but was not ready within ``--ready-timeout``."""

    exit_code = ExitCode.NEVER_READY


class ClientError(W2zError):
    """A websocket client sent something that cannot be carried; its connection is closed."""

    close_code = CloseCode.INTERNAL_ERROR


class WrongFrameKind(ClientError):
    """Text where the subprotocol has only binary messages (RFC 6455: 1003)."""

    close_code = CloseCode.UNSUPPORTED_DATA


class MalformedPayload(ClientError):
    """A payload that does not follow its format: bad UTF-8, JSON or offsets (1007)."""

    close_code = CloseCode.INVALID_DATA


class NotAllowed(ClientError):
    """A well-formed message that this client may not send, such as one to iopub (1008)."""

    close_code = CloseCode.POLICY_VIOLATION


REFUSALS_BY_STATUS = {
    400: "bad_request",
    401: "no_token",
    403: "forbidden",
    404: "not_found",
    405: "method",
    408: "too_slow",
    413: "body_too_large",
    426: "no_upgrade",
    431: "head_too_large",
    500: "defect",
    501: "kernel",
    503: "no_room",
    504: "kernel",
}
"""One word for why a request was refused, for logs and metrics."""


class MessageTooBig(ClientError):
    """A message with more bytes than this kind of message may have (1009)."""

    close_code = CloseCode.MESSAGE_TOO_BIG


class HttpError(W2zError):
    """An HTTP request that cannot be served.

    ``headers`` are added to the answer (``Allow`` for 405, ``WWW-Authenticate`` for 401).
    ``reason`` is one word for logs and metrics, never a peer's text; by default it follows from
    the status.
    """

    def __init__(
        self,
        status: int,
        message: str,
        headers: Mapping[str, str] | None = None,
        *,
        reason: str = "",
    ) -> None:
        super().__init__(message)
        self.reason = reason or REFUSALS_BY_STATUS.get(status, "other")
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


class TokenRefused(HttpError):
    """A request presents no right token (401) or a wrong one (403): it is counted."""


class KernelError(W2zError):
    """The kernel did not do what an HTTP request asked for; the answer has :attr:`status`."""

    status = 500


class KernelSilent(KernelError):
    """The kernel did not do in time what w2z asked for, or refused to (504)."""

    status = 504


class KernelNotInterrupted(KernelError):
    """w2z has no way to interrupt this kernel (501)."""

    status = 501


class KernelNotStarted(KernelError):
    """The kernel was ended for a restart, and the next one did not get ready (500)."""


class ProxyError(W2zError):
    """A request to the proxy about w2z's route was refused, or could not be made."""


class RemoteError(W2zError):
    """Another w2z cannot be reached, or cannot do what the client side asked of it."""

    exit_code: int = ExitCode.FAILURE


class RemoteSettingsError(RemoteError):
    """A URL, a token or a file that :mod:`w2z.client` was given cannot be used."""

    exit_code = ExitCode.USAGE


class RemoteTokenError(RemoteError):
    """The token file of the client side cannot be read or holds no usable token."""

    exit_code = ExitCode.TOKEN_FILE


class KernelspecError(RemoteError):
    """A kernelspec cannot be written or removed, or is not one that w2z wrote."""

    exit_code = ExitCode.KERNELSPEC


class ContainerError(RemoteError):
    """A container cannot be started, or no kernel gets ready in it."""

    exit_code = ExitCode.CONTAINER


class Unreachable(RemoteError):
    """There was no connection to w2z for as long as the caller has patience."""

    exit_code = ExitCode.UNREACHABLE


class NotW2z(RemoteError):
    """Something answers at the URL, but it is not w2z, or its certificate is not trusted."""

    exit_code = ExitCode.NOT_W2Z


class Unauthorized(RemoteError):
    """w2z does not take the token, needs one, or takes it no more (401, 403, 4401)."""

    exit_code = ExitCode.UNAUTHORIZED


class UnknownKernel(RemoteError):
    """There is a server, but no kernel at this path of it (404, 4404)."""

    exit_code = ExitCode.UNKNOWN_KERNEL


class KernelGone(RemoteError):
    """The kernel ended for good, and its w2z with it (4410, or *dead* and then no connection)."""

    exit_code = ExitCode.KERNEL_DEAD


class SessionTaken(RemoteError):
    """Another connection has taken the session over and keeps it (4409, 409)."""

    exit_code = ExitCode.SESSION_TAKEN


class NotDone(RemoteError):
    """w2z answers, but could not interrupt, restart or stop the kernel; it says why."""

    exit_code = ExitCode.NOT_DONE


class RunError(RemoteError):
    """A request to a remote kernel did not end as it should have."""


class KernelDead(RunError):
    """The kernel ended, or was restarted, before it had answered the request."""

    exit_code = ExitCode.KERNEL_DEAD


class SessionLost(RunError):
    """w2z was restarted, or the session was over: whether the request was run is not known."""

    exit_code = ExitCode.SESSION_LOST


class TooLarge(RunError):
    """w2z refused a message, mostly because it is larger than w2z takes."""

    exit_code = ExitCode.TOO_LARGE


class TimedOut(RunError):
    """The answer did not come in the time that the caller gave it."""

    exit_code = ExitCode.TIMEOUT


class KernelMessageError(W2zError):
    """A ZMQ message from the kernel with a wrong signature or shape; it is dropped."""


class KernelMessageTooLarge(KernelMessageError):
    """A ZMQ message from the kernel of more frames or bytes than w2z takes; it is dropped."""

    def __init__(self, frames: int, size: int) -> None:
        super().__init__(
            f"{size} bytes in {frames} parts; larger ones than --max-kernel-message-size, and those"
            " of too many parts, are not carried"
        )
        self.size = size


def bare(error: ErrorT) -> ErrorT:
    """Take from an error where it was raised, and because of what; return it.

    The frames that it passed, and those that called them, hold what was being handled, such as the
    bytes that were received. Where an error is kept, or one of these frames refers to it, all that
    stays in memory until the garbage collector looks for circles.
    """
    error.__context__ = error.__cause__ = None
    return error.with_traceback(None)
