"""Interrupting kernels that w2z started, and what their processes print."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.support.client import Client, execute_request, open_client, stdout
from tests.support.processes import TINY, W2z, is_there, launched
from tests.support.raw_http import Answer

BASH = ("--", sys.executable, "-m", "bash_kernel", "-f", "{connection_file}")
DENO = (
    "--",
    str(Path(sys.executable).with_name("deno")),
    *("jupyter", "--quiet", "--kernel", "--conn", "{connection_file}"),
)
R = ("--", "R", "--slave", "-e", "IRkernel::main()", "--args", "{connection_file}")

MODES: dict[str, tuple[str, ...]] = {
    "default": (),
    "signal": ("--interrupt-mode", "signal"),
    "message": ("--interrupt-mode", "message"),
}


async def interrupt(served: W2z) -> Answer:
    """Ask for it by REST."""
    async with served.rest() as rest:
        [model] = await rest.json("GET /api/kernels")
        return await rest.ask(f"POST /api/kernels/{model['id']}/interrupt")


async def interrupted(served: W2z, client: Client, code: str, said: str = "begun") -> str:
    """Run code that says something and goes on for ever, interrupt it; its reply's status."""
    # With stop_on_error ipykernel aborts what comes right behind a cell that fails.
    asked = await client.send(execute_request(code, stop_on_error=False))
    seen = [await client.until("stream", asked)]
    while said not in stdout(seen):
        seen.append(await client.until("stream", asked))
    answer = await interrupt(served)
    assert (answer.status, answer.body) == (204, b"")
    [reply] = [m for m in await client.finished(asked) if m.msg_type == "execute_reply"]
    return str(reply.content["status"])


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
async def test_ipykernel(tmp_path: Path, mode: tuple[str, ...]) -> None:
    async with (
        launched(tmp_path, *mode, "--kernel", "python3") as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        begun = "import signal; print('begun', flush=True)\n"
        for forever in ("signal.pause()", "while True: pass"):
            assert await interrupted(served, client, begun + forever) == "error"
        assert stdout(await client.execute("print('still there')")) == "still there\n"


async def test_a_signal_reaches_the_children_of_a_cell(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, "--interrupt-mode", "signal", "--kernel", "python3") as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        code = "!echo child $$; exec sleep 100"
        asked = await client.send(execute_request(code))
        child = int(stdout([await client.until("stream", asked)]).split()[1])
        assert is_there(child)
        assert (await interrupt(served)).status == 204
        await client.finished(asked)
        assert not is_there(child)
        await client.execute("1")


@pytest.mark.parametrize("forever", ["Sys.sleep(1000)", "repeat {}"], ids=["sleeps", "computes"])
async def test_irkernel(tmp_path: Path, forever: str) -> None:
    async with (
        launched(tmp_path, *R) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        code = f"cat('begun\\n'); flush.console(); {forever}"
        await interrupted(served, client, code)
        assert stdout(await client.execute("cat('still there')")) == "still there"


@pytest.mark.parametrize("forever", ["sleep 1000", "while :; do :; done"], ids=["sleeps", "spins"])
async def test_bash_kernel(tmp_path: Path, forever: str) -> None:
    async with (
        launched(tmp_path, *BASH) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        await interrupted(served, client, f"echo begun; {forever}")
        assert stdout(await client.execute("echo still there")) == "still there\n"


async def test_deno_says_that_it_cannot_be_and_survives(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, *DENO) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        go_on = tmp_path / "go on"
        code = (
            "console.log('begun'); await new Promise((done) => setTimeout(done, 0));"
            f"while (true) try {{ Deno.statSync({str(go_on)!r}); break }} catch {{}}"
        )
        asked = await client.send(execute_request(code))
        await client.until("execute_input", asked)
        answer = await interrupt(served)
        assert answer.status == 501
        assert "cannot be interrupted" in answer.json["message"]
        go_on.touch()
        await client.until("execute_reply", asked)
        again = await client.send(execute_request("1 + 1"))
        result = await client.until("execute_result", again)
        assert "2" in result.content["data"]["text/plain"]


# What a kernel's process prints.


async def test_what_a_kernel_prints_goes_where_w2z_prints(tmp_path: Path) -> None:
    apart = tmp_path / "stderr"
    below = ("sh", "-c", 'exec "$@" 2> stderr', "sh")
    async with (
        launched(tmp_path, *R, below=below) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await client.execute("system('echo on its stdout; echo on its stderr >&2')")
        await served.process.line("^kernel: on its stdout$")
        assert "on its stderr" not in served.process.output
        while "on its stderr\n" not in apart.read_text():
            await client.execute("1")
        assert "on its stdout" not in apart.read_text()
        while "the kernel is ready" not in apart.read_text():
            await client.execute("1")


async def test_without_forward_output_clients_see_nothing_of_it(tmp_path: Path) -> None:
    async with (
        launched(tmp_path, *TINY) as served,
        open_client(served.websocket("a"), "v1") as client,
    ):
        await served.ready()
        seen = await client.execute("print('only here', flush=True)")
        await served.process.line("^kernel: only here$")
        seen += await client.execute("say('said')")
        assert stdout(seen) == "said"


async def test_with_forward_output_clients_get_what_is_printed_outside_of_cells(
    tmp_path: Path,
) -> None:
    pipe = tmp_path / "late"
    os.mkfifo(pipe)
    writer = os.open(pipe, os.O_RDWR)
    async with (
        launched(tmp_path, "--forward-output", *R) as served,
        open_client(served.websocket("a"), "v1") as anna,
        open_client(served.websocket("b"), "default") as ben,
    ):
        await served.ready()
        background = "(read -r x; echo $x; read -r y; echo $y >&2)"
        await anna.execute(f"system('{background} < late', wait = FALSE)")
        async with served.rest() as rest:
            while (await rest.json("GET /api/kernels"))[0]["execution_state"] != "idle":
                pass
        for word, name in ((b"l\xc3\xa4te\n", "stdout"), (b"later\n", "stderr")):
            os.write(writer, word)
            for client in (anna, ben):
                stream = await client.until("stream")
                assert stream.channel == "iopub"
                assert stream.parent_header == {}
                assert stream.content == {"name": name, "text": word.decode()}
    os.close(writer)
