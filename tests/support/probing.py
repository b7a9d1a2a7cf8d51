"""Whether a process listens where a connection file says."""

from __future__ import annotations

from w2z.kernel.actions import Found
from w2z.kernel.connection_file import ConnectionInfo
from w2z.kernel.keeping.listening import probe


async def is_refused(info: ConnectionInfo, seconds: float) -> bool:
    """Whether the kernel's shell endpoint refuses connections; no answer is no refusal."""
    found, _ = await probe(info, seconds)
    return found is Found.REFUSED
