"""Sessions that nobody comes back for cost a real kernel next to nothing."""

from __future__ import annotations

from tests.support.client import execute_request, open_client, request, stdout
from tests.support.processes import W2z

FILES = "import os; print(len(os.listdir('/proc/self/fd')))"


async def files(served: W2z, session_id: str) -> int:
    """The open files of the kernel, told to a session of that name."""
    async with open_client(served.websocket(session_id), "v1") as client:
        return int(stdout(await client.execute(FILES)))


async def test_a_session_for_each_cell_takes_no_file_of_the_kernel(served: W2z) -> None:
    before = await files(served, "first")
    after = [await files(served, f"cell-{number}") for number in range(20)]
    assert max(after) <= before + 4, "those of a session that has just ended may still be there"


async def test_a_session_takes_its_sockets_again(served: W2z) -> None:
    """The kernel knows it by the same identity each time."""
    for number in range(5):
        async with open_client(served.websocket("a"), "v1") as client:
            assert stdout(await client.execute(f"print({number})")) == f"{number}\n"
            asked = await client.send(execute_request("print(input())", allow_stdin=True))
            await client.until("input_request")
            await client.send(request("input_reply", {"value": "word"}, channel="stdin"))
            assert stdout(await client.finished(asked)) == "word\n"
