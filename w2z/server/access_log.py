"""One line of log for each HTTP request and for each websocket: who, what, and how it ended.

Nothing in such a line is a peer's own text: no query, header or content, and of a path only what is
known from the routes, or too short to be a token. A client that puts its token into the wrong place
must not have it in a log.
"""

from __future__ import annotations

import logging
import re
from typing import Any

from w2z.counts import Counts, RequestKind
from w2z.message import Author, digest
from w2z.server.page import FILES
from w2z.server.request import Request, Response
from w2z.server.routes import Router

log = logging.getLogger("w2z.access")

PROBES = frozenset({"/", "/livez", "/readyz", "/metrics", *FILES})
"""Routes that are asked every few seconds, or many times at once: their lines are for debugging."""

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

LONGEST_WORD = 12
"""Characters of a word in an unknown path that is shown: fewer than a token has."""

MOST_WORDS = 8
"""Words of an unknown path that are shown."""

ELSEWHERE = "other"
"""Stands for the route of an unknown path, and for an unknown method."""

HIDDEN = "*"
"""Stands for a word that is not shown."""

_WORD = re.compile(rf"[A-Za-z0-9._-]{{0,{LONGEST_WORD}}}")


class AccessLog:
    """Logs and counts what :class:`~w2z.server.app.App` answered, and what was refused before."""

    def __init__(self, router: Router, base_url: str, kernel_id: str, counts: Counts) -> None:
        self._router = router
        self._base = base_url.rstrip("/")
        self._kernel_id = kernel_id
        self._counts = counts

    def answered(
        self, author: Author, request: Request | None, response: Response, size: int, seconds: float
    ) -> None:
        """Log a response of ``size`` bytes that took ``seconds``.

        ``request`` is ``None`` for one that could not be read.
        """
        method, route, path = "-", ELSEWHERE, "-"
        if request is not None:
            method = request.method if request.method in METHODS else ELSEWHERE
            route, path = self._place(request)
        self._counts.requests[RequestKind(method, route, response.status)] += 1
        if response.refused:
            self.refused(response.refused)
        level = logging.DEBUG if route in PROBES else logging.INFO
        if log.isEnabledFor(level):
            fields: dict[str, Any] = {
                "event": "request",
                "peer": author.peer,
                "principal": author.principal,
                "method": method,
                "path": path,
                "status": response.status,
                "duration_ms": round(seconds * 1000, 3),
                "bytes": size,
            }
            who = named(author)
            text = f'{who} "{method} {path}" {response.status} {size} B {seconds * 1000:.1f} ms'
            if response.refused:
                fields["refused"] = response.refused
                text += f", refused: {response.refused}"
            log.log(level, "%s", text, extra={"fields": fields})

    def refused(self, reason: str) -> None:
        """Count a refusal; ``reason`` is one word of w2z's own."""
        self._counts.refusals[reason] += 1

    def _place(self, request: Request) -> tuple[str, str]:
        """Return the route's pattern, and the path as it may be shown."""
        found = self._router.pattern(request.path)
        if found is None:
            return ELSEWHERE, shown(request.target)
        route, fields = found
        if fields.get("kernel_id") == self._kernel_id:
            return route, self._base + route.replace("{kernel_id}", self._kernel_id)
        return route, self._base + route


def websocket_ended(
    author: Author, session_id: str, code: int, seconds: float, *, received: int, sent: int
) -> None:
    """Log the end of a websocket: its close code, seconds, and bytes from and to the client."""
    fields = {
        "event": "websocket",
        "peer": author.peer,
        "principal": author.principal,
        "session": digest(session_id),
        "code": code,
        "duration_ms": round(seconds * 1000, 3),
        "bytes_received": received,
        "bytes_sent": sent,
    }
    log.info(
        "%s websocket of session %s closed with %d, %d B received, %d B sent, %.1f s",
        *(named(author), fields["session"], code, received, sent, seconds),
        extra={"fields": fields},
    )


def named(author: Author) -> str:
    """Return the address, and the principal if there is one."""
    return author.peer if author.principal is None else f"{author.peer} {author.principal}"


def shown(target: str) -> str:
    """Return an unknown path as it may be shown: its short words, up to the first odd one."""
    path = target.partition("?")[0]
    if not path.startswith("/"):
        return HIDDEN
    words = path[1:].split("/")
    made = []
    for word in words[:MOST_WORDS]:
        if not _WORD.fullmatch(word):
            made.append(HIDDEN)
            break
        made.append(word)
    else:
        made += [HIDDEN] if len(words) > MOST_WORDS else []
    return "/" + "/".join(made)
