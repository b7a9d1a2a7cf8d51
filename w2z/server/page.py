"""The page at ``/``: files of the package ``w2z/page``, as they are, and the page itself.

Nothing in them is secret, and nothing in them is of this kernel, so no token is needed. A file is
read when it is asked for, in a thread, and kept from then on. What browsers have already they are
not sent again (RFC 9110 section 13.1.2).

The page runs what w2z serves, and nothing else: its policy (CSP) lets no other script in, no inline
one either, and lets it talk to nobody but w2z. Its *nonce* is for the styles of the editor, and for
those of HTML output, which is shown in frames where no script runs.
"""

from __future__ import annotations

import gzip
import hashlib
import secrets
from dataclasses import dataclass
from pathlib import Path

from w2z.errors import HttpError
from w2z.server.request import Request, Response, shown
from w2z.server.routes import Route
from w2z.settings import Settings
from w2z.threads import in_thread

FOLDER = Path(__file__).parent.parent / "page"

FILES = ("/static/{name}", "/static/vendor/{vendored}")
"""The routes of the page's files."""

TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
"""The kinds of files that are served; no other ones are."""

COMPRESSED = frozenset({".woff2"})
"""Kinds that are compressed already."""

FRONT = b"""This is w2z: it serves one Jupyter kernel to clients that have the token.

Clients of Jupyter Server connect to this URL. /livez and /readyz tell how it is, without a token.
"""
"""What is answered at the base URL where no page is asked for."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'nonce-{nonce}'; connect-src 'self'; "
    "img-src 'self' data: blob:; font-src 'self'; form-action 'none'; frame-ancestors 'none'; "
    "base-uri 'none'; require-trusted-types-for 'script'; trusted-types dompurify w2z"
)
"""The page's policy. Frames have none of their own: they are written by the page (``srcdoc``), and
inherit this one.
"""

_NONCE, _ACCESS = b"{nonce}", b"{access}"


@dataclass(frozen=True)
class Static:
    """A file as it is sent."""

    kind: str
    body: bytes
    packed: bytes | None
    """The body in gzip's format, if that is shorter."""

    def answer(self, request: Request) -> Response:
        """Return the answer to a request for it: the file, or that the browser has it."""
        packed = self.packed if _takes_gzip(request) else None
        body = self.body if packed is None else packed
        tag = f'"{hashlib.sha256(body).hexdigest()[:20]}"'
        headers = {"Cache-Control": "no-cache", "ETag": tag, "Vary": "Accept-Encoding"}
        known = [one.removeprefix("W/") for one in request.header_list("if-none-match")]
        if tag in known or "*" in known:
            return Response(304, headers=headers)
        headers["Content-Type"] = self.kind
        if packed is not None:
            headers["Content-Encoding"] = "gzip"
        return Response(200, body, headers)


class Page:
    """The routes of the page; with ``--no-console`` there is none, and ``/`` says what this is."""

    def __init__(self, settings: Settings) -> None:
        self._access = b"open" if settings.no_auth else b"token"
        self._is_off = settings.no_console
        self._kept: dict[str, Static] = {}

    def routes(self) -> list[Route]:
        """Return the routes of the page and its files."""
        # Files are answered whatever host was asked for: a page of a name that has to show a token
        # has shown it already, and what is in them everybody has who has w2z.
        files = [Route("GET", path, self.file, needs_token=False, is_probe=True) for path in FILES]
        front = Route("GET", "/", self.front, needs_token=False)
        return [front] if self._is_off else [front, *files]

    async def front(self, request: Request) -> Response:
        """Return the page to a browser; to load balancers, which ask here by default, 200 and
        what this is.
        """
        if self._is_off or "text/html" not in (request.header("accept") or ""):
            vary = {} if self._is_off else {"Vary": "Accept"}
            return Response(200, FRONT, {"Content-Type": TYPES[".txt"], **vary})
        nonce = secrets.token_urlsafe(16)
        page = await self._file("index.html")
        body = page.body.replace(_NONCE, nonce.encode()).replace(_ACCESS, self._access)
        headers = {
            "Content-Type": page.kind,
            "Content-Security-Policy": POLICY.format(nonce=nonce),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
            "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
            "Vary": "Accept",
        }
        return Response(200, body, headers)

    async def file(self, request: Request, name: str = "", vendored: str = "") -> Response:
        """Return one file; 404 for one that there is not."""
        return (await self._file(f"vendor/{vendored}" if vendored else name)).answer(request)

    async def _file(self, name: str) -> Static:
        if name not in self._kept:
            found = await in_thread(lambda: read(name))
            if found is None:
                raise HttpError(404, f"there is no file {shown(name)}")
            self._kept[name] = found
        return self._kept[name]


def read(name: str, folder: Path = FOLDER) -> Static | None:
    """Read a file of the page; ``None`` if there is no such file, or it is of no kind of TYPES.

    ``name`` is compared with those that are there, so it cannot lead out of the folder.
    """
    there = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    path = folder / name
    if name not in there or path.suffix not in TYPES:
        return None
    body = path.read_bytes()
    packed = None if path.suffix in COMPRESSED else gzip.compress(body, mtime=0)
    if packed is not None and len(packed) >= len(body):
        packed = None
    return Static(TYPES[path.suffix], body, packed)


def _takes_gzip(request: Request) -> bool:
    """Whether a request takes gzip's format (RFC 9110 section 12.5.3)."""
    for one in request.header_list("accept-encoding"):
        name, _, weight = one.partition(";")
        if name.strip().lower() == "gzip":
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False
