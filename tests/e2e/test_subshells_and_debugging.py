"""What newer kernels do over control and in subshells passes through w2z untouched.

Subshells are JEP 91, debugging is
https://jupyter-client.readthedocs.io/en/stable/messaging.html#debug-request.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from tests.support.client import Client, Received, execute_request, open_client, request, stdout
from tests.support.processes import launched


async def ask(client: Client, msg_type: str, content: Any = None) -> Received:
    """Ask on control and wait for the reply."""
    sent = await client.send(request(f"{msg_type}_request", content, "control"))
    return await client.until(f"{msg_type}_reply", sent)


async def test_a_cell_runs_in_a_subshell_while_another_runs_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "let-go"
    wait = (
        "import os, time\nprint('begun')\n"
        f"while not os.path.exists({str(file)!r}): time.sleep(0.01)"
    )
    async with (
        launched(tmp_path, "--kernel", "python3") as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        # ipykernel may never answer a create_subshell_request that comes while it is starting.
        await client.execute("pass")
        made = (await ask(client, "create_subshell")).content
        assert made["status"] == "ok"
        listed = (await ask(client, "list_subshell")).content
        assert listed["subshell_id"] == [made["subshell_id"]]

        first = await client.send(execute_request(wait))
        while stdout([await client.until("stream", first)]).strip() != "begun":
            pass
        cell = execute_request("print('beside it')")
        cell["header"]["subshell_id"] = made["subshell_id"]
        second = await client.send(cell)
        reply = await client.until("execute_reply", second)
        assert reply.content["status"] == "ok"
        # The kernel is still at the first one, and says so.
        async with served.rest() as rest:
            [model] = await rest.json("GET /api/kernels")
        assert model["execution_state"] == "busy"
        file.touch()
        assert (await client.until("execute_reply", first)).content["status"] == "ok"

        deleted = await ask(client, "delete_subshell", {"subshell_id": made["subshell_id"]})
        assert deleted.content["status"] == "ok"


async def test_a_debugger_stops_at_a_breakpoint_and_goes_on(tmp_path: Path) -> None:
    number = iter(range(1, 100))
    code = "a = 20\nb = a + 1\nprint(2 * b)"
    async with (
        launched(tmp_path, "--kernel", "python3") as served,
        open_client(served.websocket("a"), "v1") as client,
    ):

        async def debug(command: str, **arguments: Any) -> dict[str, Any]:
            asked = {
                "type": "request",
                "seq": next(number),
                "command": command,
                "arguments": arguments,
            }
            content = (await ask(client, "debug", asked)).content
            assert content["success"], content
            body: dict[str, Any] = content.get("body") or {}
            return body

        await debug(
            "initialize", clientID="w2z", adapterID="", pathFormat="path", linesStartAt1=True
        )
        await debug("attach")
        path = (await debug("dumpCell", code=code))["sourcePath"]
        points = await debug("setBreakpoints", source={"path": path}, breakpoints=[{"line": 2}])
        assert points["breakpoints"][0]["verified"]
        await debug("configurationDone")

        cell = await client.send(execute_request(code))
        while (event := await client.until("debug_event")).content["event"] != "stopped":
            pass
        assert event.content["body"]["reason"] == "breakpoint"
        async with asyncio.TaskGroup() as tasks:
            done = tasks.create_task(client.until("execute_reply", cell))
            asked = request(
                "debug_request",
                {
                    "type": "request",
                    "seq": next(number),
                    "command": "continue",
                    "arguments": {"threadId": event.content["body"]["threadId"]},
                },
                "control",
            )
            await client.send(asked)
        assert done.result().content["status"] == "ok"
