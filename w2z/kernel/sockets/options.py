"""How the sockets to a kernel are set before they connect: limits, keepalive, encryption."""

from __future__ import annotations

import contextlib

import zmq

from w2z.errors import ConnectionFileError
from w2z.kernel.connection_file import ConnectionInfo
from w2z.message import Channel

SEND_MARK = 64
"""Messages that a DEALER holds for a kernel that does not take them. Beyond this the socket refuses
messages, and w2z reads no more from its client. The kernel's own queue comes on top, so a busy
kernel alone does not fill a DEALER.
"""

IOPUB_MARK = 50_000
"""Messages that wait in libzmq for w2z to receive them. Beyond this libzmq reads no more from
iopub's connection; then messages pile up in the kernel, which drops them if its own socket has a
high-water mark. So the number is far more than arrives while w2z is held up for a moment. It keeps
memory bounded.
"""

FRAME_SIZE_FACTOR = 4
"""How many times the largest message libzmq receives as one frame (``ZMQ_MAXMSGSIZE``). At a larger
frame it closes the connection and makes no other. w2z connects iopub again, but what waited in the
kernel is lost, and nobody knows how much that is; a session's socket stays without a connection
until it is replaced. So a message that is only somewhat too large is received whole and dropped by
itself.
"""

ZERO_COPY_RECV = 10
"""libzmq's ``ZMQ_ZERO_COPY_RECV``. It is on by default; then each waiting message keeps the whole
buffer that it was read into: 20 kB for a message of 4 kB.
"""

KEEPALIVE_IDLE, KEEPALIVE_INTERVAL, KEEPALIVE_COUNT = 10, 5, 4
"""Idle seconds until TCP sends the kernel's host a keepalive, seconds between keepalives, and how
many of them have to fail (tcp(7)). In all, half a minute passes.
"""

KEEPALIVE_AT_MOST = 30
"""Seconds until w2z notices that a host vanished: idle time and keepalives together."""


def new_context(max_sockets: int) -> zmq.Context[zmq.Socket[bytes]]:
    """Make the context of a kernel's sockets."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    with contextlib.suppress(zmq.ZMQError):  # libzmq before 4.3 does not know the option
        context.set(ZERO_COPY_RECV, 0)
    context.set(zmq.MAX_SOCKETS, max_sockets)
    return context


def configure(socket: zmq.Socket[bytes], info: ConnectionInfo, max_size: int) -> None:
    """Set what all sockets to the kernel at ``info`` have in common. Messages have at most
    ``max_size`` bytes.
    """
    socket.setsockopt(zmq.RCVHWM, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, FRAME_SIZE_FACTOR * max_size)
    socket.setsockopt(zmq.IPV6, info.is_ipv6)
    if info.curve_publickey and info.curve_secretkey:
        # The file has one key pair, the server's; the kernel's clients use it as theirs, too.
        socket.setsockopt_string(zmq.CURVE_SERVERKEY, info.curve_publickey)
        socket.setsockopt_string(zmq.CURVE_PUBLICKEY, info.curve_publickey)
        socket.setsockopt_string(zmq.CURVE_SECRETKEY, info.curve_secretkey)


def keep_alive(socket: zmq.Socket[bytes]) -> None:
    """Let TCP end the connection when the kernel's host vanishes. The connection to a stopped or
    busy kernel does not end.
    """
    socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
    socket.setsockopt(zmq.TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE)
    socket.setsockopt(zmq.TCP_KEEPALIVE_INTVL, KEEPALIVE_INTERVAL)
    socket.setsockopt(zmq.TCP_KEEPALIVE_CNT, KEEPALIVE_COUNT)


def check_endpoints(info: ConnectionInfo) -> None:
    """Raise :class:`~w2z.errors.ConnectionFileError` for endpoints that ZMQ does not take, such as
    an impossible host name or a socket path that is too long. No kernel has to listen there.

    Takes some milliseconds: call it where an endpoint comes in, in a thread once w2z serves.
    """
    with zmq.Context() as context, context.socket(zmq.DEALER) as socket:
        socket.linger = 0
        socket.setsockopt(zmq.IPV6, info.is_ipv6)
        for channel in Channel:
            try:
                socket.connect(info.endpoint(channel))
            except zmq.ZMQError as error:
                raise ConnectionFileError(
                    f"connection file: {info.endpoint(channel)!r} is no endpoint that ZMQ takes"
                    f" ({error.strerror}): look at its ip and transport"
                ) from None
