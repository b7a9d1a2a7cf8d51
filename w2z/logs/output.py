"""w2z's stdout and stderr while it serves: nothing on the event loop waits for their readers."""

from __future__ import annotations

import io
import logging
import os
import sys
import time
from types import TracebackType
from typing import Any, Self

from w2z.logs.lines import formatter
from w2z.logs.writer import Descriptor, LineWriter, is_writable, say
from w2z.settings import LogFormat

STDOUT = 1
STDERR = 2

STARVED = 1.0
"""Seconds more for the last lines where somebody reads them and the writer gets no processor."""

log = logging.getLogger("w2z")


class ServingOutput:
    """A context manager; inside, log lines and whatever is written to ``sys.stderr`` are queued.

    ``sys.stderr`` is included because Python's own warnings, and the errors of threads, go there.
    On exit what is queued is written, for ``patience`` seconds at most.
    """

    def __init__(self, log_format: LogFormat, level: str, patience: float) -> None:
        # https://no-color.org
        colours = sys.stderr.isatty() and not os.environ.get("NO_COLOR")
        self._format = formatter(log_format, colours=colours)
        self._is_json = log_format == "json"
        self._level = level.upper()
        self._patience = patience
        self._writer: LineWriter
        self._handler: _Handler
        self._before: Any = None

    def __enter__(self) -> Self:
        self._writer = LineWriter(Descriptor(STDERR), self._lost)
        self._handler = _Handler(self._writer)
        self._handler.setFormatter(self._format)
        root = logging.getLogger()
        root.addHandler(self._handler)
        root.setLevel(self._level)
        self._before = sys.stderr
        sys.stderr = _Stream(self._writer, self._line if self._is_json else None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        sys.stderr = self._before
        logging.getLogger().removeHandler(self._handler)
        if not self._writer.close(self._patience) and is_writable(STDERR):
            # It is not the reader that is slow, but the machine.
            self._writer.close(STARVED)

    def announce(self, line: str) -> None:
        """Print a line to stdout, at once: whoever starts w2z may wait for it."""
        say(STDOUT, self._line(line) if self._is_json else f"{line}\n".encode())

    def _lost(self, lines: int) -> bytes:
        return self._line(f"{lines} lines of log were dropped: nobody read them", "WARNING")

    def _line(self, message: str, level: str = "INFO") -> bytes:
        record = log.makeRecord(
            log.name, logging.getLevelNamesMapping()[level], __file__, 0, message, (), None
        )
        record.created = time.time()
        return f"{self._format.format(record)}\n".encode(errors="backslashreplace")


class _Handler(logging.Handler):
    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        self._writer.put(f"{self.format(record)}\n".encode(errors="backslashreplace"))


class _Stream(io.TextIOBase):
    """What Python writes to stderr, queued line by line; ``style`` makes a line of log of each."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, writer: LineWriter, style: Any) -> None:
        self._writer = writer
        self._style = style
        self._rest = ""

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return STDERR

    def write(self, text: str) -> int:
        whole, end, self._rest = (self._rest + text).rpartition("\n")
        if end and self._style is None:
            self._writer.put(f"{whole}\n".encode(errors=self.errors))
        elif end:
            for line in whole.split("\n"):
                self._writer.put(self._style(line, "WARNING"))
        return len(text)
