"""How a line of output looks, as text or as JSON, and how w2z's lines are told from the kernel's.

A line begins with what w2z puts there, whoever wrote the rest. What a kernel prints, and what a
message of w2z quotes, cannot begin a line of its own nor move a terminal's cursor. So neither can
be taken for a line that w2z wrote.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from w2z.settings import LogFormat

INDENT = "    "
"""Stands before the second and later lines of one text message."""

KERNEL_PREFIX = "kernel: "
"""Stands before each line that the kernel's process printed."""

LONGEST_LINE = 16 * 1024
"""Bytes of a line of the kernel after which it is passed on as if it had ended."""

_ENDS = re.compile(r"\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")

_CONTROLS = re.compile(
    r"\x1b(?!\[[0-9;:]*m)"
    r"|[\x00-\x08\x0e-\x1a\x1f\x7f-\x84\x86-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
"""Control characters but the tab, the ends of lines, and the escapes that set colours."""


_COLOURS = {"WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}
"""For a severity its colour (ECMA-48, SGR): yellow, red, bright red."""


def tamed(text: str) -> str:
    """Return ``text`` with control characters spelled out; tabs, line ends and colours stay."""
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def split(text: str) -> list[str]:
    """Split at whatever a terminal or a program takes for the end of a line."""
    return _ENDS.split(text)


def one_message(text: str) -> str:
    """Return ``text`` so that it is seen to be one message: later lines are indented."""
    return ("\n" + INDENT).join(split(tamed(text)))


def timestamp(seconds: float) -> str:
    """Return a Unix time as UTC in ISO 8601, with milliseconds."""
    moment = datetime.fromtimestamp(seconds, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def json_line(fields: Mapping[str, Any]) -> str:
    """Return one JSON object in one line, in ASCII."""
    return json.dumps(fields, separators=(", ", ": "), default=str)


class TextFormatter(logging.Formatter):
    """One message as text: the time of this place, the severity, who says it, and what.

    With ``colours`` warnings and errors are seen at a glance on a terminal.
    """

    def __init__(self, *, colours: bool = False) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")
        self._colours = _COLOURS if colours else {}

    def format(self, record: logging.LogRecord) -> str:
        """Return the message as :func:`one_message`."""
        text = one_message(super().format(record))
        colour = self._colours.get(record.levelname)
        if colour is None:
            return text
        return text.replace(record.levelname, f"\x1b[{colour}m{record.levelname}\x1b[0m", 1)


class JsonFormatter(logging.Formatter):
    """One message as a JSON object: ``time`` in UTC, ``level``, ``logger``, ``message``, and the
    fields that the message has beside these (``extra={"fields": ...}``).
    """

    def format(self, record: logging.LogRecord) -> str:
        """Return the object in one line."""
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + self.formatException(record.exc_info)
        return _object(
            record.created, record.levelname, record.name, message, getattr(record, "fields", {})
        )


def formatter(log_format: LogFormat, *, colours: bool = False) -> logging.Formatter:
    """Return the formatter of ``--log-format``; text may have ``colours``."""
    return JsonFormatter() if log_format == "json" else TextFormatter(colours=colours)


class KernelLines:
    """What a kernel's process prints to one stream, line by line, each marked as the kernel's.

    ``now`` returns the Unix time.
    """

    def __init__(self, log_format: LogFormat, stream: str, now: Callable[[], float]) -> None:
        self._is_json = log_format == "json"
        self._stream = stream
        self._now = now
        self._rest = b""

    @property
    def holds(self) -> bool:
        """Whether a line has begun and not ended: call :meth:`flush` when it does not go on."""
        return bool(self._rest)

    def feed(self, data: bytes) -> bytes:
        """Take what was printed; return the lines that are whole now."""
        whole, end, rest = (self._rest + data).rpartition(b"\n")
        # A progress bar ends its lines with carriage returns alone.
        if not end:
            whole, end, rest = rest.rpartition(b"\r")
        if len(rest) >= LONGEST_LINE:
            whole, end, rest = whole + end + rest, b"\n", b""
        self._rest = rest
        return self._marked(whole) if whole or end == b"\n" else b""

    def flush(self) -> bytes:
        """Return what there is of a line that has not ended, as a line."""
        rest, self._rest = self._rest, b""
        return self._marked(rest) if rest else b""

    def _marked(self, data: bytes) -> bytes:
        made = []
        for line in data.decode(errors="replace").split("\n"):
            # Without the empty ones of a carriage return at the beginning or the end.
            pieces = [piece for piece in split(line) if piece] or [""]
            made += [f"{self._line(piece)}\n" for piece in pieces]
        return "".join(made).encode()

    def _line(self, line: str) -> str:
        if self._is_json:
            return _object(self._now(), "INFO", "kernel", line, {"stream": self._stream})
        return KERNEL_PREFIX + tamed(line)


def _object(
    seconds: float, level: str, logger: str, message: str, fields: Mapping[str, Any]
) -> str:
    first = {"time": timestamp(seconds), "level": level.lower(), "logger": logger}
    return json_line({**first, "message": message, **fields})
