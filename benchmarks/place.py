"""Where a frontend finds a kernel, and what it has when it is connected."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

PATIENCE = 60.0
"""Seconds after which anything that does not come is an error."""


@dataclass(frozen=True)
class Place:
    """A kernel, by its kernelspec and by the URL and the token of the w2z in front of it."""

    kernelspec: str
    url: str
    token: str


@dataclass(frozen=True)
class Opened:
    """A client whose kernel is ready.

    ``resolve`` returns what a call of the client returned, after waiting for it if need be.
    ``helper`` is the id of the process in between, if there is one.
    """

    client: Any
    resolve: Callable[[Any], Any] = lambda value: value
    helper: int | None = None

    def trip(self, msg_type: str, *content: str) -> None:
        """Ask for something, and wait for the reply."""
        asked = getattr(self.client, msg_type)(*content)
        while True:
            reply = self.resolve(self.client.get_shell_msg(timeout=PATIENCE))
            if reply["parent_header"].get("msg_id") == asked:
                return
