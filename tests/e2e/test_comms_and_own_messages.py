"""What w2z itself says, and JupyterLab's client: it takes a message of another session for one of
another kernel, and drops what it has not handled yet of the one before.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.support.cells import Held
from tests.support.client import eager_client
from tests.support.javascript import NEW, OLD, script
from tests.support.processes import IPYKERNEL, launched

COMMS = """
from comm import create_comm
for name in ("slow", "b", "c", "d"):
    comm = create_comm(target_name="test", data={"name": name})
    comm.send({"said": "hello"})
    comm.close()
print("all sent", flush=True)
"""
ALL = [f"{what} {name}" for name in ("slow", "b", "c", "d") for what in ("open", "hello", "close")]

clients = pytest.mark.parametrize(
    ("package", "wire"), [(NEW, "v1"), (NEW, "default"), (OLD, "default")]
)


class Printer:
    """A process beside the kernel that prints one line to where the kernel's process prints."""

    def __init__(self, folder: Path) -> None:
        path = folder / "line"
        os.mkfifo(path)
        self._pipe = os.open(path, os.O_RDWR)
        # No child of the kernel: ipykernel waits for its children when it ends.
        script = '((read -r line < "$0"; echo "$line") &); exec "$@"'
        self.beside = ("--", "sh", "-c", script, str(path), *IPYKERNEL[1:])

    def print(self, line: bytes) -> None:
        os.write(self._pipe, line)
        os.close(self._pipe)


@clients
async def test_a_line_that_w2z_forwards_does_not_cancel_comms(
    tmp_path: Path, package: str, wire: str
) -> None:
    printer = Printer(tmp_path)
    async with (
        launched(tmp_path, "--forward-output", *printer.beside) as served,
        eager_client(served.websocket("a"), "v1") as ann,
        script("comms.cjs", package, served, wire, "output") as lab,
    ):
        await served.ready()
        await lab.saw("ready")
        await ann.execute(COMMS)
        await lab.saw("waiting")
        printer.print(b"in between\n")
        assert await lab.saw("handled") == {"handled": ALL}


@clients
async def test_an_answer_of_w2z_in_the_kernels_place_does_not_cancel_comms(
    tmp_path: Path, package: str, wire: str
) -> None:
    cell = Held(tmp_path, first=COMMS)
    async with (
        launched(tmp_path, *IPYKERNEL) as served,
        eager_client(served.websocket("a"), "v1") as ann,
        script("comms.cjs", package, served, wire, "info") as lab,
    ):
        await served.ready()
        await lab.saw("ready")
        asked = await cell.begin(ann)
        await lab.saw("waiting")
        assert await lab.saw("handled") == {"handled": ALL}
        cell.let_go()
        await ann.finished(asked)


async def test_nor_does_a_line_when_the_kernel_is_another_one_by_now(tmp_path: Path) -> None:
    printer = Printer(tmp_path)
    async with (
        launched(tmp_path, "--forward-output", *printer.beside) as served,
        served.rest() as rest,
        eager_client(served.websocket("a"), "v1") as ann,
    ):
        await served.ready()
        [model] = await rest.json("GET /api/kernels")
        await rest.json(f"POST /api/kernels/{model['id']}/restart")
        async with script("comms.cjs", NEW, served, "v1", "output") as lab:
            await lab.saw("ready")
            await ann.execute(COMMS)
            await lab.saw("waiting")
            printer.print(b"in between\n")
            assert await lab.saw("handled") == {"handled": ALL}
