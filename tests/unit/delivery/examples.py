"""What the tests of delivery do again and again."""

from __future__ import annotations

from w2z.delivery.journal import Journal
from w2z.delivery.overflow import Item


def read(
    journal: Journal, position: int, session_id: str, handed: int = 0
) -> tuple[list[Item], int]:
    """The messages that a session reads at a position, and where it reads on."""
    batches, end = journal.read(position, session_id, handed)
    return [item for _, items in batches for item in items], end
