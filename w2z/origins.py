"""Origins of web pages, as operators write them and as browsers send them (RFC 6454 section 6.1).

A browser sends the scheme and the host in lower case, the port only if it is not the scheme's own,
and never a path.
"""

from __future__ import annotations

import re

ANY = ("*", "null")
"""Every origin, and the one of pages that have none of their own."""

_DEFAULT = {"http": "80", "https": "443"}

_WRITTEN = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*)://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(\d+))?/?"
)


def as_sent(text: str) -> str | None:
    """Return the origin as a browser sends it, or ``None`` for what no browser can mean."""
    if text in ANY:
        return text
    found = _WRITTEN.fullmatch(text)
    if found is None:
        return None
    scheme, host, port = found[1].lower(), found[2].lower(), found[3]
    if port in (None, _DEFAULT.get(scheme)):
        return f"{scheme}://{host}"
    return f"{scheme}://{host}:{port}"
