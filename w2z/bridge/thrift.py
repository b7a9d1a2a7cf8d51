"""What is kept for sessions without a client costs little memory: it goes to files."""

from __future__ import annotations

import asyncio

from w2z.bridge.client import Client
from w2z.delivery.hub import Hub
from w2z.delivery.memory import SPILL_STEP
from w2z.resident import give_back

MUCH_OUTPUT = 2**24
"""Bytes of output after which, when it is over, memory that is free goes back to the system."""


class Thrift:
    """Saves the memory that the sessions of ``hub`` do not need now. Let it :meth:`save` now and
    then.
    """

    def __init__(self, hub: Hub[Client]) -> None:
        self._hub = hub
        self._carried = 0
        self._carried_at_last_return = 0

    async def save(self) -> None:
        """Move to files what only sessions without a client need. Where no output came since the
        last call, and much before, give free memory back to the system.
        """
        has_more = True
        while has_more:
            has_more = self._hub.spill_for_absent(SPILL_STEP)
            await asyncio.sleep(0)
        before, self._carried = self._carried, self._hub.carried
        if self._carried == before and before > self._carried_at_last_return + MUCH_OUTPUT:
            give_back()
            self._carried_at_last_return = before
