"""Every error w2z raises on purpose, and the answer its peer gets.

One tree, one rule: the class says *who* is told and *how*, the message says what was wrong, with
what value, and what to do about it.

- :class:`StartupError`: the operator reads one line; the process ends with :attr:`exit_code`.
- :class:`ClientError`: one websocket is closed with :attr:`close_code` (RFC 6455 section 7.4, the
  4000-4999 range is w2z's own); nobody else notices.
- :class:`HttpError`: one request is answered with :attr:`status`.
- :class:`KernelError`: the kernel does not do what was asked; the request gets :attr:`status`.
- :class:`ProxyError`: the proxy that should get w2z's route does not take it; logged, tried again.
- :class:`KernelMessageError`: a message *from* the kernel is counted, logged and dropped.

Text that reaches a peer is built from that peer's own input only: never from the token, the
kernel's key, or a path of the host.
"""

from __future__ import annotations

from collections.abc import Mapping


class W2zError(Exception):
    """Base of everything raised on purpose."""


class StartupError(W2zError):
    """w2z cannot begin or cannot go on; printed as one line, then the process exits."""

    exit_code = 1


class SettingsError(StartupError):
    """An option or environment variable has a value that cannot be used."""

    exit_code = 2


class ConnectionFileError(StartupError):
    """The kernel's connection file is missing, unreadable, unfinished or invalid."""

    exit_code = 3


class ListenError(StartupError):
    """The address to listen on is taken or not ours."""

    exit_code = 6


class TokenFileError(StartupError):
    """The token file cannot be read or holds no usable token."""

    exit_code = 7


class KernelEnded(StartupError):
    """The kernel could not be started, or ended for good before it was ready.

    ``exit_code`` is the kernel's own where it has one that tells something.
    """

    exit_code = 5

    def __init__(self, message: str, exit_code: int = 5) -> None:
        super().__init__(message)
        self.exit_code = exit_code


class KernelNeverReady(StartupError):
    """The kernel that was started runs, but did not answer in the time it was given."""

    exit_code = 4


class ClientError(W2zError):
    """A websocket client sent what cannot be carried; its connection is closed."""

    close_code = 1011


class WrongFrameKind(ClientError):
    """Text where the subprotocol has only binary messages (RFC 6455: 1003)."""

    close_code = 1003


class MalformedPayload(ClientError):
    """A payload that does not follow its format: bad UTF-8 or JSON, offsets that lie (1007)."""

    close_code = 1007


class NotAllowed(ClientError):
    """A well-formed message that this client may not send, such as one to iopub (1008)."""

    close_code = 1008


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
