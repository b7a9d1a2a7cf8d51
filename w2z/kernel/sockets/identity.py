"""The ZMQ identities of sessions: the names by which a kernel tells their sockets apart.

The identity is derived from the kernel's key and the session_id, so a w2z that is started again
beside the same kernel gets the replies to requests that went through the w2z before it.
"""

from __future__ import annotations

import hmac

HANDOVER = frozenset({"ipython", "bash_kernel", "octave_kernel"})
"""Kernel implementations whose sockets hand an identity over to a new connection that claims it
(``ZMQ_ROUTER_HANDOVER``), as ipykernel's do. Other kernels ignore the new connection as long as
they have not seen the end of the old one, and may be left without a way to answer.
"""


def hands_over(implementation: str) -> bool:
    """Whether a session may keep its identity when its sockets to this kernel are replaced."""
    return implementation in HANDOVER


def identity(key: str, session_id: str, generation: int) -> bytes:
    """Return the ZMQ identity of a session's sockets: always the same for the same key, session_id
    and ``generation``. Sockets to a kernel that does not hand identities over need a new generation
    each time.

    The session_id itself cannot be the identity: ZMQ does not take every text, and an identity must
    not reveal a session_id.
    """
    text = b"w2z identity %d\0" % generation + session_id.encode(errors="surrogatepass")
    return b"w2z-" + hmac.new(key.encode(), text, "sha256").hexdigest()[:32].encode()
