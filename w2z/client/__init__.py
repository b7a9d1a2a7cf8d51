"""Code that talks to another w2z, which runs elsewhere or in the same container.

For programs: :func:`connect` gives a kernel to run code with, :func:`connect_blocking` the same
without an event loop. ``docs/client.md`` shows how.

- :mod:`~w2z.client.kernel`: that kernel. | :mod:`~w2z.client.blocking`: its blocking twin.
- :mod:`~w2z.client.running`: one run of code. | :mod:`~w2z.client.run`: what it brings.
- :mod:`~w2z.client.inboxes`: who waits for which message. | :mod:`~w2z.client.messages`: messages
  as programs see them.
- :mod:`~w2z.client.exec`: the command ``w2z exec``. | :mod:`~w2z.client.saving`: data as files. |
  :mod:`~w2z.client.terminal`: the person at the terminal.
- :mod:`~w2z.client.wait`: wait until that w2z serves a ready kernel.

A session with it:

- :mod:`~w2z.client.remote`: where it is, and how to be let in.
- :mod:`~w2z.client.connection`: the session, over one websocket after the other.
- :mod:`~w2z.client.attempt`: one of these, with the session's link.
- :mod:`~w2z.client.websocket`: its frames. | :mod:`~w2z.client.dial`: its TCP connection.
- :mod:`~w2z.client.link`: what the session owes and is owed. | :mod:`~w2z.client.repeats`: which
  messages came before. | :mod:`~w2z.client.unsettled`: which requests are sent again.
- :mod:`~w2z.client.retrying`: when to try again. | :mod:`~w2z.client.faults`: what a failure means.
  | :mod:`~w2z.client.watch`: whether the other end is still there.
- :mod:`~w2z.client.rest`: what is asked over HTTP.

A remote kernel as a local one:

- :mod:`~w2z.client.command`: the program ``w2z attach``. | :mod:`~w2z.client.thread`: the same in a
  thread, for :mod:`~w2z.client.jupyter`: managers, clients and provisioners.
- :mod:`~w2z.client.spec_command`: the program ``w2z kernelspec``. |
  :mod:`~w2z.client.kernelspecs`: the files.
- :mod:`~w2z.client.engines`: containers with a kernel in them.
- :mod:`~w2z.client.attach`: joins the local sockets and the session. | :mod:`~w2z.client.options`:
  how it behaves, and what it tells of itself.
- :mod:`~w2z.client.local`: the sockets. | :mod:`~w2z.client.waiting`: what clients do not read. |
  :mod:`~w2z.client.published`: the connection file.
- :mod:`~w2z.client.policy`: what requests, signals and states do. | :mod:`~w2z.client.routes`:
  whose a reply is. | :mod:`~w2z.client.own`: the messages that attach writes itself.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from w2z.client.blocking import BlockingKernel, connect_blocking
    from w2z.client.kernel import RemoteKernel, connect
    from w2z.client.remote import TokenWay
    from w2z.client.run import CodeError, Execution, Gap, KernelMessage, Output

__all__ = [
    "BlockingKernel",
    "CodeError",
    "Execution",
    "Gap",
    "KernelMessage",
    "Output",
    "RemoteKernel",
    "TokenWay",
    "connect",
    "connect_blocking",
]

_PLACES = {
    "BlockingKernel": "blocking",
    "CodeError": "run",
    "Execution": "run",
    "Gap": "run",
    "KernelMessage": "run",
    "Output": "run",
    "RemoteKernel": "kernel",
    "TokenWay": "remote",
    "connect": "kernel",
    "connect_blocking": "blocking",
}


def __getattr__(name: str) -> Any:
    """Import what is asked for: who only waits for a w2z needs no websocket."""
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
