"""A kernel that w2z started ends by itself: killed, crashed, by its own wish, or is but stopped."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from tests.support.client import Client, Received, execute_request, open_client, request, stdout
from tests.support.processes import (
    IPYKERNEL,
    TINY,
    TOKEN,
    WITHOUT_UVLOOP,
    Hurdle,
    W2z,
    is_there,
    launched,
)
from tests.support.raw_http import raw_http

both_loops = pytest.mark.parametrize(
    "python", [("-m", "w2z"), WITHOUT_UVLOOP], ids=["uvloop", "asyncio"]
)


def text(messages: list[Received], name: str) -> str:
    """What came on that stream."""
    streams = [m.content for m in messages if m.msg_type == "stream"]
    return "".join(content["text"] for content in streams if content["name"] == name)


async def pid_of(client: Client) -> int:
    """The process of an ipykernel, as it says itself."""
    return int(stdout(await client.execute("import os; print(os.getpid())")))


async def model_says(served: W2z, state: str) -> None:
    """Wait until the kernel model has that execution state: w2z itself makes a kernel busy."""
    async with served.rest() as rest:
        while (await rest.json("GET /api/kernels"))[0]["execution_state"] != state:
            pass


@both_loops
async def test_a_kernel_killed_while_idle_is_started_again(
    tmp_path: Path, python: tuple[str, ...]
) -> None:
    hurdle = Hurdle(tmp_path)
    hurdle.pass_one()
    async with (
        launched(tmp_path, *hurdle.before(IPYKERNEL), python=python) as served,
        open_client(served.websocket("a"), "v1") as anna,
        open_client(served.websocket("b"), "default") as ben,
    ):
        await served.ready()
        await anna.execute("x = 'gone'")
        first = await pid_of(anna)
        os.kill(first, signal.SIGKILL)
        for client in (anna, ben):
            seen = await client.until_state("restarting")
            assert seen[-1].parent_header == {}
            assert "killed by signal 9 (SIGKILL)" in seen[-1].content["reason"]
            assert "killed by signal 9 (SIGKILL)" in text(seen, "stderr")
        # The next one waits at the hurdle.
        await model_says(served, "restarting")
        asked = await anna.send(execute_request("print('x' in globals())"))

        hurdle.pass_one()
        own = await anna.until("status")
        assert own.header["session"] != seen[-1].header["session"]
        assert stdout(await anna.finished(asked)) == "False\n"
        assert await pid_of(anna) == await served.kernel(2) != first
        assert stdout(await ben.execute("print('there')")) == "there\n"
        await model_says(served, "idle")
    hurdle.close()


@both_loops
async def test_a_kernel_killed_in_mid_cell_is_started_again(
    tmp_path: Path, python: tuple[str, ...]
) -> None:
    async with (
        launched(tmp_path, "--kernel", "python3", python=python) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        code = "import signal\nprint('before', flush=True)\nsignal.pause()"
        asked = await client.send(execute_request(code))
        assert stdout([await client.until("stream", asked)]) == "before\n"
        queued = await client.send(execute_request("print('behind it')"))
        await served.ready()
        os.kill(await served.kernel(), signal.SIGKILL)
        seen = await client.until_state("restarting")
        assert "SIGKILL" in seen[-1].content["reason"]
        assert "SIGKILL" in text(seen, "stderr")
        for lost in (asked, queued):
            mine = await client.finished(lost)
            assert [m.msg_type for m in mine] == ["error", "execute_reply", "status"]
            assert mine[1].content["status"] == "error"
            assert mine[1].content["ename"] == "KernelLost"
            assert "SIGKILL" in mine[1].content["evalue"]
        assert await pid_of(client) == await served.kernel(2)
        await model_says(served, "idle")


async def test_what_a_cell_printed_right_before_the_kernel_died_arrives(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, *TINY) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        code = (
            "import os, signal, zmq\n"
            "for n in range(1000): say(f'{n}\\n')\n"
            "kernel.iopub.close(linger=5000)\n"
            "kernel._context.destroy(linger=5000)\n"
            "os.kill(os.getpid(), signal.SIGKILL)"
        )
        asked = await client.send(execute_request(code))
        seen = await client.until_state("restarting")
        mine = [m for m in seen if m.parent_header.get("msg_id") == asked["msg_id"]]
        assert stdout(mine) == "".join(f"{n}\n" for n in range(1000))


async def test_a_stopped_kernel_is_not_taken_for_dead(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, "--ping-interval", "0.1", "--kernel", "python3") as served,
        open_client(served.websocket("a"), "v1") as client,
        open_client(served.websocket("b"), "v1") as watching,
    ):
        await client.execute("1")
        kernel = await served.kernel()
        os.kill(kernel, signal.SIGSTOP)
        asked = await client.send(execute_request("print('went on')"))
        beat = await client.send(request("beat", channel="hb"))
        await some_pings(served, 20)
        await model_says(served, "idle")
        os.kill(kernel, signal.SIGCONT)
        seen = [await client.recv()]
        while not {"hb", "shell"} <= {message.channel for message in seen}:
            seen.append(await client.recv())
        assert beat in [message.header for message in seen]
        assert [m.parent_header for m in seen if m.msg_type == "execute_reply"] == [asked]
        await client.execute("1")

        seen = await watching.collect("execute_input", asked)
        states = {m.content["execution_state"] for m in seen if m.msg_type == "status"}
        assert states <= {"busy", "idle", "starting"}
        assert len(re.findall("started the kernel", served.process.output)) == 1


async def some_pings(served: W2z, count: int) -> None:
    """Wait for so many of the pings that w2z sends on a websocket: for its own clock."""
    host, port = served.url.removeprefix("http://").rstrip("/").split(":")
    async with raw_http(host, int(port)) as http:
        head = (
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
            f"Authorization: token {TOKEN}",
        )
        answer = await http.ask("GET /channels", *head)
        assert answer.status == 101
        for _ in range(count):
            opcode, data = await http.control_frame()
            assert opcode == 9
            # Masked with zeros.
            await http.send(bytes([0x8A, 0x80 | len(data), 0, 0, 0, 0]) + data)


async def test_a_kernel_that_ends_by_itself_ends_w2z(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, "--kernel", "python3", ends=0) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        await client.send(execute_request("exit()"))
        seen = await client.until_state("dead")
        assert seen[-1].content["reason"] == "the kernel ended with exit code 0"
        assert "exit code 0" in text(seen, "stderr")
        assert (await client.closed())[0] == 1012


async def test_a_cell_that_ends_w2z_is_answered_before(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, *TINY, ends=0) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        asked = await client.send(execute_request("import os; os._exit(0)"))
        await client.until_state("dead")
        mine = await client.finished(asked)
        assert "the kernel ended with exit code 0" in mine[-2].content["evalue"]


async def test_an_exit_code_right_after_ready_is_a_crash(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, "--kernel", "python3") as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        await client.send(execute_request("import os; os._exit(7)"))
        seen = await client.until_state("restarting")
        assert seen[-1].content["reason"] == "the kernel ended with exit code 7"
        assert await pid_of(client) == await served.kernel(2)


@pytest.mark.parametrize(
    ("code", "last", "ends"),
    [
        ("os._exit(7)", "exit code 7", 7),
        ("os.kill(os.getpid(), signal.SIGKILL)", "SIGKILL", 128 + signal.SIGKILL),
    ],
    ids=["exit code", "signal"],
)
async def test_one_crash_more_than_the_limit_is_the_end(
    tmp_path: Path, code: str, last: str, ends: int
) -> None:
    async with (
        launched(tmp_path, "--restart-limit", "1", *TINY, ends=ends) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        await client.send(execute_request(f"import os, signal; {code}"))
        await client.until_state("restarting")
        await client.send(execute_request(f"import os, signal; {code}"))
        seen = await client.until_state("dead")
        assert last in seen[-1].content["reason"]
        assert last in text(seen, "stderr")
        assert (await client.closed())[0] == 1012
        await served.process.line(r"crash 2 within a minute \(--restart-limit 1\)")


async def test_with_a_limit_of_0_the_first_crash_is_the_end(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, "--restart-limit", "0", "--kernel", "python3", ends=137) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        os.kill(await served.kernel(), signal.SIGKILL)
        seen = await client.until_state("dead")
        assert "SIGKILL" in seen[-1].content["reason"]
        assert (await client.closed())[0] == 1012
        assert len(re.findall("started the kernel", served.process.output)) == 1


DAEMON = """
import os
read, write = os.pipe()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.setsid()
        os.write(write, str(os.getpid()).encode())
        os.execvp('sleep', ['sleep', '1000'])
    os._exit(0)
os.wait()
print(os.read(read, 20).decode())
"""


async def test_what_a_kernel_left_behind_twice_forked_ends_with_w2z(tmp_path: Path) -> None:
    """That :func:`launched` finds no process left is what is tested."""
    async with (
        launched(tmp_path, "--kernel", "python3") as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        daemon = int(stdout(await client.execute(DAEMON)))
        assert is_there(daemon)
        await served.ready()
        os.kill(await served.kernel(), signal.SIGKILL)
        await client.until_state("restarting")
        await client.execute("1")
        # It left the kernel's group, and may be meant to outlive a kernel.
        assert is_there(daemon)
    assert not is_there(daemon)


async def test_children_of_a_killed_kernel_are_gone_before_the_next_one_starts(
    tmp_path: Path,
) -> None:
    async with (
        launched(tmp_path, "--kernel", "python3") as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        code = "import subprocess; print(subprocess.Popen(['sleep', '1000']).pid)"
        child = int(stdout(await client.execute(code)))
        assert is_there(child)
        await served.ready()
        os.kill(await served.kernel(), signal.SIGKILL)
        await client.until_state("restarting")
        assert not is_there(child)
        await client.execute("1")
