"""When to connect again, and when an end is final; no I/O, and the time is passed in.

A network that fails, a w2z that is restarted and a proxy that has lost its upstream come back:
these are tried again, with pauses that double, as long as the caller has patience. What cannot get
better is final: a wrong token, no such kernel, a server that is not w2z.
"""

from __future__ import annotations

from w2z.errors import (
    CloseCode,
    KernelGone,
    NotW2z,
    RemoteError,
    SessionTaken,
    Unauthorized,
    UnknownKernel,
    Unreachable,
)

SHORTEST_AGAIN = 0.05
"""Seconds before the second attempt; each further pause is twice as long."""

LONGEST_AGAIN = 5.0
"""Seconds between two attempts at most: w2z may be back at any time."""

KERNEL_UNKNOWN = 4404
KERNEL_GONE = 4410
"""Close codes that this w2z does not send, and that clients have to know all the same."""

_NOT_YET = frozenset({408, 409, 425, 429, 500, 502, 503, 504})
"""What a w2z without room answers, or a proxy whose upstream is not there (yet)."""

_IN_USE = 409


class Retrying:
    """The pauses between attempts. ``now`` is of any clock that does not go back."""

    def __init__(self, url: str, patience: float, now: float) -> None:
        self._url = url
        self._patience = patience
        self._since = now
        self._failures = 0
        self._problem = ""
        self._is_in_use = False

    def ended(self, now: float, patience: float, *, has_worked: bool) -> None:
        """Take note that a connection that was open is no more: from now on ``patience`` counts.

        If it ``has_worked``, the next pause is short.
        """
        self._since, self._patience = now, patience
        if has_worked:
            self._failures = 0

    def failed(self, problem: str, now: float, chance: float, *, status: int = 0) -> float:
        """Return for how many seconds to pause before the next attempt.

        ``chance``, between 0 and 1, spreads the attempts of many clients. Raises
        :class:`~w2z.errors.RemoteError` when patience is over.
        """
        self._problem = problem
        self._is_in_use = status == _IN_USE
        left = self.left(now)
        if left <= 0:
            raise self._given_up()
        pause = min(SHORTEST_AGAIN * 2.0 ** min(self._failures, 20), LONGEST_AGAIN)
        self._failures += 1
        return min(pause * (0.5 + chance / 2), left)

    def left(self, now: float) -> float:
        """Return the seconds of patience that are left."""
        return self._since + self._patience - now

    def _given_up(self) -> RemoteError:
        """Return the error that says why no attempt follows."""
        if self._is_in_use:
            return SessionTaken(
                f"another client has taken over this session of w2z at {self._url} and keeps it:"
                " use another session_id"
            )
        return Unreachable(
            f"no connection to w2z at {self._url} for {self._patience:g} seconds"
            f" ({self._problem or 'it does not answer'}): look whether it runs, and whether the URL"
            " is right"
        )


def refusal(status: int, told: str, url: str) -> RemoteError | None:
    """Return the error that a response other than 101 means; ``None``: try again.

    ``told`` is what the response says; only w2z's own words are passed on.
    """
    because = f" ({told})" if told else ""
    if status in _NOT_YET:
        return None
    if status == 401:
        return Unauthorized(f"w2z at {url} needs a token: set W2Z_TOKEN, or give a token file")
    if status == 403:
        return Unauthorized(f"w2z at {url} does not let this client in{because}: check the token")
    if status == 404:
        return UnknownKernel(f"there is no kernel of w2z at {url}{because}: check the path")
    if 300 <= status < 400:
        return NotW2z(
            f"what answers at {url} sends clients elsewhere ({status}): check http:// or https://,"
            " and the path"
        )
    return NotW2z(f"what answers at {url} is not w2z: it said {status}{because}; check the URL")


def closing(code: int, reason: str, url: str) -> RemoteError | None:
    """Return the error that a close code means; ``None``: connect again."""
    if code == CloseCode.TOKEN_REVOKED:
        return Unauthorized(f"the token for w2z at {url} is not valid any more: use the new one")
    if code == CloseCode.REPLACED:
        return SessionTaken(
            f"another client has taken over this session of w2z at {url}: use another session_id"
        )
    if code == KERNEL_UNKNOWN:
        return UnknownKernel(f"there is no kernel of w2z at {url} ({reason}): check the path")
    if code == KERNEL_GONE:
        return KernelGone(f"the kernel of w2z at {url} is gone for good ({reason})")
    return None
