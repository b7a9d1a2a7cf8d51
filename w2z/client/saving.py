"""The data of an output as the contents of files: which suffix, which bytes; no I/O.

The keys of ``data`` are MIME types; binary ones are base64
(https://nbformat.readthedocs.io/en/latest/format_description.html#display-data).
"""

from __future__ import annotations

import base64
import binascii
import json
import mimetypes
from typing import Any, NamedTuple

_SUFFIXES = {
    "application/javascript": ".js",
    "application/json": ".json",
    "application/pdf": ".pdf",
    "image/gif": ".gif",
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/svg+xml": ".svg",
    "image/webp": ".webp",
    "text/html": ".html",
    "text/latex": ".tex",
    "text/markdown": ".md",
}
"""Those that outputs mostly have, so that they do not depend on the machine's table."""


class File(NamedTuple):
    """What to write to a file with this suffix."""

    suffix: str
    content: bytes


def files_of(data: dict[str, Any]) -> list[File]:
    """Return a file for each type of data but plain text, which is shown anyway."""
    return [_file(mime, value) for mime, value in data.items() if mime != "text/plain"]


def _file(mime: str, value: Any) -> File:
    text = "".join(value) if _is_lines(value) else value
    if not isinstance(text, str):
        return File(".json", json.dumps(text).encode())
    if _is_binary(mime):
        try:
            content = base64.b64decode("".join(text.split()), validate=True)
        except (binascii.Error, ValueError):
            return File(".txt", text.encode(errors="surrogatepass"))
        return File(_suffix(mime, ".bin"), content)
    return File(_suffix(mime, ".txt"), text.encode(errors="surrogatepass"))


def _suffix(mime: str, otherwise: str) -> str:
    mime = mime.partition(";")[0].strip().lower()
    if mime.endswith("+json"):
        return ".json"
    return _SUFFIXES.get(mime) or mimetypes.guess_extension(mime) or otherwise


def _is_binary(mime: str) -> bool:
    kind = mime.partition("/")[0]
    if kind in ("image", "audio", "video", "font"):
        return "+xml" not in mime
    return mime == "application/pdf"


def _is_lines(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(line, str) for line in value)
