r"""Parsing and writing JSON, which w2z does only for parts whose fields it needs or makes.

pydantic_core's parser is several times faster than :mod:`json`, but rejects some JSON that Jupyter
clients may rightly send (lone surrogates as ``\ud83d`` escapes, deep nesting). Such JSON is parsed
again by :mod:`json`, so the outcome never depends on the parser.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic_core import PydanticSerializationError, from_json, to_json

MAX_SMALL = 2**16
"""Bytes of a part that is expected to be small: a hundred times what clients and kernels send.
Parsed JSON takes up to thirty times its bytes.
"""


def parse_small_object(text: bytes, what: str) -> dict[str, Any]:
    """Do as :func:`parse_object`, and raise :class:`ValueError` for more than :data:`MAX_SMALL`
    bytes: of what others wrote, and w2z only carries, nothing large is parsed.
    """
    if len(text) > MAX_SMALL:
        raise ValueError(f"{what} has {len(text)} bytes, more than {MAX_SMALL} to be read")
    return parse_object(text, what)


def parse_object(text: bytes, what: str) -> dict[str, Any]:
    """Parse ``text`` as one JSON object.

    Raises :class:`ValueError` if the text is not UTF-8, not JSON, nested too deep, or not an
    object. The error is a sentence fit for the peer that sent the text; ``what`` names the text.
    """
    value: Any
    try:
        value = from_json(text, cache_strings="keys")
    except ValueError:
        try:
            # Decoded here because json.loads would guess UTF-16 and UTF-32 from the bytes.
            value = json.loads(text.decode())
        except UnicodeDecodeError as error:
            raise ValueError(f"{what} is not UTF-8: byte {error.start} is invalid") from None
        except RecursionError:
            raise ValueError(f"{what} is nested too deeply to be read") from None
        except ValueError as error:
            where = f" at character {error.pos}" if isinstance(error, json.JSONDecodeError) else ""
            raise ValueError(f"{what} is not JSON{where}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{what} is {_kind(value)}, but has to be a JSON object")
    return value


def dump(value: Any) -> bytes:
    """Write ``value`` as compact JSON in UTF-8; NaN and infinities keep Python's spelling.

    Raises :class:`ValueError` for nesting too deep to be written.
    """
    try:
        return to_json(value, inf_nan_mode="constants")
    except (PydanticSerializationError, ValueError):
        # A lone surrogate cannot be written in UTF-8; json.dumps escapes it, and so keeps it.
        try:
            return json.dumps(value, separators=(",", ":")).encode()
        except RecursionError:
            raise ValueError("the message is nested too deeply to be carried") from None


def _kind(value: object) -> str:
    if value is None:
        return "null"
    names = {bool: "a boolean", str: "a string", list: "an array"}
    return names.get(type(value), "a number")
