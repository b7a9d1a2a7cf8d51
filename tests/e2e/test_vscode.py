"""VS Code's "existing Jupyter server": its requests, one by one as it sends them.

It looks whether the server wants a password, lists kernels, specs and sessions, and takes the
running kernels it offers from the sessions. Its websockets offer the binary format and present
the token twice.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from tests.support.client import Client, execute_request, open_client, request, stdout
from tests.support.processes import TOKEN, W2z, w2z
from tests.support.rest import Rest, open_rest

AGENT = "User-Agent: node-fetch/1.0 (+https://github.com/bitinn/node-fetch)"
ACCEPT = "Accept: */*"
TEXT = "Content-Type: text/plain;charset=UTF-8"
JSON = "Content-Type: application/json"


async def wants_a_password(url: str) -> bool:
    """What it asks without credentials, when a server is added."""
    async with open_rest(url, AGENT, ACCEPT) as rest:
        front = await rest.ask("GET /")
        assert "location" not in front.headers
        return (await rest.ask("GET /tree?")).status not in (200, 404)


async def survey(rest: Rest, stamp: int) -> tuple[Any, Any, Any]:
    """The kernels, the specs and the sessions; each URL has a number of its own."""
    kernels = await rest.json(f"GET /api/kernels?{stamp}")
    specs = await rest.json(f"GET /api/kernelspecs?{stamp + 1}")
    return kernels, specs, await rest.json(f"GET /api/sessions?{stamp + 2}")


def websocket(served: W2z, kernel_id: str, token: str | None = TOKEN) -> tuple[str, dict[str, Any]]:
    """Where and how it connects."""
    path = f"api/kernels/{kernel_id}/channels"
    url = served.websocket("9f4d2c01-vscode", path)
    if token is None:
        return url.replace(f"token={TOKEN}&", ""), {}
    return url, {"additional_headers": {"Authorization": f"token {token}"}}


async def shows_rich_output(client: Client) -> None:
    await client.send(request("kernel_info_request"))
    await client.until("kernel_info_reply")
    code = "from IPython.display import display, HTML; display(HTML('<b>ü</b>')); print('hello ☃')"
    seen = await client.execute(code)
    assert stdout(seen) == "hello ☃\n"
    [shown] = [one for one in seen if one.msg_type == "display_data"]
    assert shown.content["data"]["text/html"] == "<b>ü</b>"


async def test_it_takes_up_the_running_kernel(supervised: W2z) -> None:
    assert not await wants_a_password(supervised.url)
    async with open_rest(supervised.url, AGENT, f"Authorization: token {TOKEN}", JSON) as rest:
        kernels, specs, sessions = await survey(rest, 1767225600000)
        [spec] = specs["kernelspecs"].values()
        assert isinstance(spec["spec"]["argv"], list)
        assert spec["spec"]["language"] == "python"
        # What it offers as an existing kernel.
        [session] = sessions
        kernel = session["kernel"]
        assert kernel["id"] == kernels[0]["id"]
        assert kernel["name"] == specs["default"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", kernel["last_activity"])
        path = f"/api/kernels/{kernel['id']}"

        url, options = websocket(supervised, kernel["id"])
        async with open_client(url, "v1", **options) as client:
            await shows_rich_output(client)

            code = "print('hello', input('who? '))"
            asked = await client.send(execute_request(code, allow_stdin=True))
            prompt = await client.until("input_request", asked)
            reply = request("input_reply", {"value": "anna"}, channel="stdin")
            await client.send({**reply, "parent_header": prompt.header})
            assert stdout(await client.collect("execute_reply", asked)) == "hello anna\n"

            code = "kept = 1; print('begun', end='', flush=True)\nimport signal\n"
            code += "signal.pause()"
            asked = await client.send(execute_request(code))
            await client.until("stream", asked)
        # The network was away for a moment; ws gives the same session_id.
        async with open_client(url, "v1", **options) as client:
            await rest.done(f"POST {path}/interrupt?1767225600007")
            interrupted = await client.until("execute_reply", asked)
            assert interrupted.content["ename"] == "KeyboardInterrupt"

            restarted = await rest.json(f"POST {path}/restart?1767225600008")
            assert restarted["id"] == kernel["id"]
        async with open_client(url, "v1", **options) as client:
            seen = await client.execute("print('again'); kept")
            assert stdout(seen) == "again\n"
            assert [one.content["ename"] for one in seen if one.msg_type == "error"] == [
                "NameError"
            ]


async def test_it_starts_a_session_of_its_own(supervised: W2z) -> None:
    async with open_rest(supervised.url, AGENT, f"Authorization: token {TOKEN}", TEXT) as rest:
        kernels, specs, [own] = await survey(rest, 1767225600000)
        body = {
            "path": "Untitled-1-jvsc-9f4d2c01.ipynb",
            "kernel": {"name": specs["default"]},
            "name": "Untitled-1.ipynb",
            "type": "notebook",
        }
        session = await rest.json("POST /api/sessions?1767225600003", body, status=201)
        assert session["kernel"]["id"] == kernels[0]["id"]
        assert session["notebook"] == {"path": body["path"], "name": body["name"]}
        assert await rest.json("GET /api/sessions?1767225600004") == [own, session]

        url, options = websocket(supervised, session["kernel"]["id"])
        async with open_client(url, "v1", **options) as client:
            await shows_rich_output(client)

            # Its window closes: the session goes, the kernel stays.
            await rest.done(f"DELETE /api/sessions/{session['id']}?1767225600005")
            await client.execute("print('still here')")
        assert [one["id"] for one in await rest.json("GET /api/sessions")] == [own["id"]]


async def test_without_tokens_it_asks_whether_that_is_jupyterhub(kernel_file: Path) -> None:
    async with w2z(kernel_file, "--no-auth", token=None) as served:
        assert not await wants_a_password(served.url)
        async with open_rest(served.url, AGENT, ACCEPT) as rest:
            assert (await rest.ask("GET /hub/api")).status == 404
            _, _, [session] = await survey(rest, 1767225600000)
        url, options = websocket(served, session["kernel"]["id"], token=None)
        async with open_client(url, "v1", **options) as client:
            await shows_rich_output(client)
