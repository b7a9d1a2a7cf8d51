"""What code in the kernel, which runs as the same user, can read of w2z's process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.attaching import IPYKERNEL, kernel_at, place
from tests.support.client import eager_client, stdout
from tests.support.processes import IPYKERNEL as START
from tests.support.processes import W2z, launched, w2z

UNPRIVILEGED = () if os.getuid() else ("setpriv", "--bounding-set=-all")
"""Before a command: it runs as this user, and if that is root, without root's privileges."""

LOOK = """
import os
def read(name):
    try:
        with open(name, 'rb') as file:
            file.read(1)
    except OSError as error:
        return error.strerror
    return 'open'
for name in ('environ', 'maps', 'mem', 'fd/0'):
    print(name, read(f'/proc/%d/{name}'), end='; ')
print(read(f'/proc/{os.getpid()}/environ'))
print([name for name in os.environ if name.startswith(('W2Z_', 'CONFIGPROXY_'))])
"""
"""Looks into w2z, for comparison into itself, and then at its own environment."""

CLOSED = "environ Permission denied; maps Permission denied; mem Permission denied; "


@pytest.fixture(autouse=True)
def proxys_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONFIGPROXY_AUTH_TOKEN", "the-proxys")


async def seen(served: W2z) -> list[str]:
    async with eager_client(served.websocket("a"), "v1") as client:
        return stdout(await client.execute(LOOK % served.pid)).splitlines()


async def test_a_kernel_that_was_there_before_w2z_sees_neither_its_token_nor_its_memory(
    tmp_path: Path,
) -> None:
    path = place(tmp_path)
    async with (
        kernel_at(path, (*UNPRIVILEGED, *IPYKERNEL)),
        w2z(path, below=UNPRIVILEGED) as served,
    ):
        await served.ready()
        first, _ = await seen(served)
        assert first == f"{CLOSED}fd/0 Permission denied; open"


async def test_nor_does_one_that_w2z_started_and_it_inherits_no_token(tmp_path: Path) -> None:
    async with launched(tmp_path, *START, below=UNPRIVILEGED) as served:
        assert await seen(served) == [f"{CLOSED}fd/0 Permission denied; open", "[]"]
