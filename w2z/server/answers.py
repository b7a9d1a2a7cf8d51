"""What every HTTP answer has in common: the headers that keep browsers and caches from misusing it.

But for the page (:mod:`w2z.server.page`), which says so, nothing that w2z answers is one. So a
browser that shows an answer as a page runs nothing in it, frames it nowhere and tells nobody where
it was, and no cache keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping

from w2z.server.request import Response

ALWAYS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


WITHOUT_BODY = frozenset({204, 304})
"""Statuses of answers without a body, whose length is not said (RFC 9110 section 8.6)."""


def headers_of(response: Response, date: str, *, keep_alive: float | None) -> list[tuple[str, str]]:
    """Return the headers of a response that is written at ``date`` (RFC 9110 section 5.6.7).

    ``keep_alive`` is how many seconds the connection is then kept for the next request; ``None``:
    it closes. Clients that heed ``Keep-Alive`` send nothing into a connection that is closing.
    """
    headers: Mapping[str, str] = {"Date": date, **ALWAYS, **response.headers}
    found = [(name.lower(), value) for name, value in headers.items()]
    if response.status not in WITHOUT_BODY:
        found.append(("content-length", str(len(response.body))))
    if keep_alive is None:
        found.append(("connection", "close"))
    else:
        found.append(("keep-alive", f"timeout={max(1, int(keep_alive))}"))
    return found
