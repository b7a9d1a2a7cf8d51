"""Whose request is it: by which local ZMQ identity a message from the kernel finds its asker.

All local clients share one websocket session. So what comes from the kernel is addressed by what it
answers:

- A reply on shell or control goes to the identity that sent, on that channel, the request whose
  ``msg_id`` is in its parent_header.
- What comes on stdin (``input_request``) goes to the identity that sent that request, on shell or,
  for code that a debugger runs, on control. A client has the same identity on all its sockets
  (https://jupyter-client.readthedocs.io/en/stable/messaging.html#introduction).
- Nothing is forgotten with the reply: questions and late messages of a request may come behind it,
  and a ROUTER does not tell when a peer has gone. The oldest goes when there are too many.
"""

from __future__ import annotations

from w2z.message import Channel

MOST_ROUTES = 2**16
"""Requests whose sender is remembered. A notebook of a thousand cells, run over and over by a
frontend that completes while its user types, sends fewer in a day.
"""

LONGEST_ID = 256
"""Most characters of a ``msg_id`` that is remembered whole; jupyter_client's have 35."""


_ASKING = (Channel.SHELL, Channel.CONTROL)
"""The channels on which code is sent, which may ask for input."""


class Routes:
    """The senders of requests, by channel and ``msg_id``; at most ``most`` of them."""

    def __init__(self, most: int = MOST_ROUTES) -> None:
        self._most = most
        self._senders: dict[tuple[Channel, str], bytes] = {}

    def __len__(self) -> int:
        return len(self._senders)

    def add(self, channel: Channel, msg_id: str, identity: bytes) -> None:
        """Remember who sent a request. Of two that are equal the later one's sender counts."""
        key = (channel, msg_id[:LONGEST_ID])
        # Removed first, so that it becomes the youngest.
        self._senders.pop(key, None)
        self._senders[key] = identity
        if len(self._senders) > self._most:
            del self._senders[next(iter(self._senders))]

    def find(self, channel: Channel, parent_id: str) -> bytes | None:
        """Return the identity that a message from the kernel belongs to.

        ``parent_id`` is the ``msg_id`` of its parent_header. ``None`` if it answers no request that
        is remembered: then there is nobody to have it.
        """
        channels = _ASKING if channel is Channel.STDIN else (channel,)
        for one in channels:
            found = self._senders.get((one, parent_id[:LONGEST_ID]))
            if found is not None:
                return found
        return None
