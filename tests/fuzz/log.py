"""What w2z logs while a fuzzer runs."""

from __future__ import annotations

import logging


class Log(logging.Handler):
    """The lines of w2z's log, as long as it is started."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []
        self.errors: list[str] = []
        self._logger = logging.getLogger("w2z")

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        if record.levelno >= logging.ERROR:
            self.errors.append(record.getMessage())

    def clear(self) -> None:
        """Forget what was logged."""
        self.lines.clear()
        self.errors.clear()

    def start(self) -> None:
        """Hear what is logged, and let nobody else hear it."""
        self._before = self._logger.level, self._logger.propagate
        self._logger.setLevel(logging.INFO)
        self._logger.propagate = False
        self._logger.addHandler(self)

    def stop(self) -> None:
        """Undo :meth:`start`."""
        self._logger.removeHandler(self)
        level, self._logger.propagate = self._before
        self._logger.setLevel(level)
