"""A real ipykernel through a real w2z process, in both websocket formats."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.cells import ENDLESS, ROOMY
from tests.support.client import (
    Client,
    Received,
    execute_request,
    open_client,
    request,
    stdout,
)
from tests.support.processes import W2z

both = pytest.mark.parametrize("wire", ["v1", "default"])

COMM_TARGET = """
def opened(comm, message):
    @comm.on_msg
    def answer(message):
        buffers = [bytes(buffer)[::-1] for buffer in message["buffers"]]
        comm.send({"echo": message["content"]["data"]}, buffers=buffers)
    comm.send({"hello": "there"}, buffers=[b"from", b"", b"the kernel"])
get_ipython().kernel.comm_manager.register_target("test", opened)
"""


def of_type(messages: list[Received], msg_type: str) -> list[Received]:
    return [message for message in messages if message.msg_type == msg_type]


@both
async def test_execute_stream_result_and_reply(served: W2z, wire: str) -> None:
    async with open_client(served.websocket("a"), wire) as client:
        seen = await client.execute("print('hello ☃'); 6 * 7")
        assert stdout(seen) == "hello ☃\n"
        [result] = of_type(seen, "execute_result")
        assert result.content["data"]["text/plain"] == "42"
        [reply] = of_type(seen, "execute_reply")
        assert (reply.channel, reply.content["status"]) == ("shell", "ok")
        states = [m.content["execution_state"] for m in of_type(seen, "status")]
        assert states == ["busy", "idle"]


@both
async def test_rich_output_and_error(served: W2z, wire: str) -> None:
    async with open_client(served.websocket("a"), wire) as client:
        code = "from IPython.display import display, HTML; display(HTML('<b>ü</b>')); 1/0"
        seen = await client.execute(code)
        [shown] = of_type(seen, "display_data")
        assert shown.content["data"]["text/html"] == "<b>ü</b>"
        [error] = of_type(seen, "error")
        assert error.content["ename"] == "ZeroDivisionError"


async def test_input_for_two_clients_at_once(served: W2z) -> None:
    async with (
        open_client(served.websocket("a"), "v1") as anna,
        open_client(served.websocket("b"), "default") as ben,
        asyncio.TaskGroup() as tasks,
    ):

        async def ask(client: Client, name: str) -> str:
            asked = await client.send(
                execute_request(f"print('hello', input('{name}? '))", allow_stdin=True)
            )
            prompt = await client.until("input_request", asked)
            assert (prompt.channel, prompt.content["prompt"]) == ("stdin", f"{name}? ")
            await client.send(request("input_reply", {"value": name}, channel="stdin"))
            return stdout(await client.collect("execute_reply", asked))

        asking = [tasks.create_task(ask(c, n)) for c, n in ((anna, "anna"), (ben, "ben"))]
        assert [await answer for answer in asking] == ["hello anna\n", "hello ben\n"]


@both
async def test_comm_messages_with_buffers_in_both_directions(served: W2z, wire: str) -> None:
    async with open_client(served.websocket("a"), wire) as client:
        await client.execute(COMM_TARGET)
        await client.send(request("comm_open", {"comm_id": "1", "target_name": "test", "data": {}}))
        hello = await client.until("comm_msg")
        assert hello.content["data"] == {"hello": "there"}
        assert hello.buffers == [b"from", b"", b"the kernel"]
        buffers = [b"", bytes(range(256)), bytes(3_000_000)]
        message = request("comm_msg", {"comm_id": "1", "data": {"n": 1}}, buffers=buffers)
        await client.send(message)
        echo = await client.until("comm_msg")
        assert echo.content["data"] == {"echo": {"n": 1}}
        assert echo.buffers == [buffer[::-1] for buffer in buffers]


@both
async def test_twenty_megabytes_of_output(served: W2z, wire: str) -> None:
    async with open_client(served.websocket("a"), wire) as client:
        seen = await client.execute(
            "from IPython.display import display\n"
            "display({'text/plain': 'x' * 20_000_000}, raw=True)"
        )
        [shown] = of_type(seen, "display_data")
        assert len(shown.content["data"]["text/plain"]) == 20_000_000


async def test_ten_thousand_prints_all_arrive_in_order(served: W2z) -> None:
    async with open_client(served.websocket("a"), "v1") as client:
        seen = await client.execute(f"{ROOMY}\nfor n in range(10_000): print(n, flush=True)")
        assert stdout(seen) == "".join(f"{n}\n" for n in range(10_000))


@both
async def test_interrupt_over_control(served: W2z, wire: str) -> None:
    async with open_client(served.websocket("a"), wire) as client:
        # With stop_on_error ipykernel aborts what comes right behind a cell that fails.
        asked = await client.send(execute_request(ENDLESS, stop_on_error=False))
        await client.until("stream", asked)
        interrupt = await client.send(request("interrupt_request", channel="control"))
        seen = await client.collect("execute_reply", asked)
        assert seen[-1].content["ename"] == "KeyboardInterrupt"
        [result] = of_type(await client.execute("'still ' + 'here'"), "execute_result")
        assert result.content["data"]["text/plain"] == "'still here'"
        assert interrupt["msg_type"] == "interrupt_request"


async def test_output_reaches_every_client_and_replies_only_the_asker(served: W2z) -> None:
    async with (
        open_client(served.websocket("a"), "v1") as anna,
        open_client(served.websocket("b"), "default") as ben,
    ):
        seen = await anna.execute("print('for all')")
        [reply] = of_type(seen, "execute_reply")
        parent = reply.parent_header
        assert stdout([await ben.until("stream", parent)]) == "for all\n"
        rest = await ben.collect("status", parent)
        assert of_type(rest, "execute_reply") == []


@both
async def test_the_kernels_heartbeat_echoes(served: W2z, wire: str) -> None:
    async with open_client(served.websocket("a"), wire) as client:
        beat = request("beat", {"n": 1}, channel="hb", buffers=[b"\0\1"])
        await client.send(beat)
        while (echo := await client.recv()).channel != "hb":
            pass
        assert echo.header == beat["header"]
        assert echo.content == {"n": 1}
        assert echo.buffers == [b"\0\1"]


async def test_a_subshell_runs_beside_a_busy_shell(served: W2z) -> None:
    """JEP 91: a header field that w2z knows nothing of selects the subshell."""
    async with open_client(served.websocket("a"), "v1") as client:
        # ipykernel makes no subshell before its shell was used for the first time.
        await client.execute("1")
        await client.send(request("create_subshell_request", channel="control"))
        subshell = (await client.until("create_subshell_reply")).content["subshell_id"]
        busy = await client.send(execute_request("import signal\nsignal.pause()"))
        await client.until("execute_input", busy)
        beside = execute_request("print('beside')")
        beside["header"]["subshell_id"] = subshell
        asked = await client.send(beside)
        assert stdout([await client.until("stream", asked)]) == "beside\n"
        await client.send(request("interrupt_request", channel="control"))
        await client.until("execute_reply", busy)


async def test_a_client_that_drops_mid_cell_comes_back_to_its_output(served: W2z) -> None:
    async with open_client(served.websocket("a"), "v1") as client:
        asked = await client.send(
            execute_request("x = input('go on? '); print('went on', x)", allow_stdin=True)
        )
        await client.until("input_request", asked)
    async with open_client(served.websocket("a"), "default") as client:
        await client.send(request("input_reply", {"value": "yes"}, channel="stdin"))
        seen = await client.collect("execute_reply", asked)
        assert stdout(seen) == "went on yes\n"
