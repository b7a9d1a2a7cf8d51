"""Jupyter's frontends, unmodified, on kernelspecs and managers of a remote kernel."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import nbformat
import pexpect
import pytest
import zmq
import zmq.asyncio
from jupyter_client.multikernelmanager import AsyncMultiKernelManager
from jupyter_core.utils import ensure_event_loop
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from tests.support.cells import ENDLESS
from tests.support.client import execute_request, stdout
from tests.support.frontends import Desk, client_of, desk, jupyter_server
from tests.support.kernels import within
from tests.support.processes import IPYKERNEL, TOKEN, W2z, launched, running
from w2z.client.jupyter.client import AsyncWebsocketKernelClient, WebsocketKernelClient
from w2z.client.jupyter.manager import AsyncWebsocketKernelManager, WebsocketKernelManager
from w2z.errors import Unauthorized

MANAGERS = [AsyncWebsocketKernelManager, WebsocketKernelManager]
PROMPT = r"In \[\d+\]: "


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[W2z]:
    folder = tmp_path / "there"
    folder.mkdir()
    async with launched(folder, *IPYKERNEL) as made:
        await made.ready()
        yield made


@pytest.fixture
def here(tmp_path: Path) -> Desk:
    return desk(tmp_path)


@pytest.fixture
def variables(there: W2z, here: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let this process find the kernel as its user would."""
    for name, value in {**here.variables, "W2Z_URL": there.url, "W2Z_TOKEN": TOKEN}.items():
        monkeypatch.setenv(name, value)


def notebook(*cells: str) -> Any:
    return new_notebook(cells=[new_code_cell(code) for code in cells])


# Managers and clients.


@pytest.mark.parametrize("manager", MANAGERS)
async def test_nbclient_with_a_manager(variables: None, manager: type) -> None:
    ran = notebook("print('hello ☃'); 6 * 7", "1/0")
    await NotebookClient(ran, kernel_manager_class=manager, allow_errors=True).async_execute()
    (hello, answer), [error] = (cell.outputs for cell in ran.cells)
    assert (hello.text, answer.data["text/plain"]) == ("hello ☃\n", "42")
    assert error.ename == "ZeroDivisionError"
    assert ran.metadata.language_info.name == "python"
    # The kernel stayed as it is.
    again = notebook("print(_)")
    await NotebookClient(again, kernel_manager_class=manager).async_execute()
    assert again.cells[0].outputs[0].text == "42\n"


SAID = [
    "print('hello ☃'); import sys; print('oh', file=sys.stderr)",
    "from IPython.display import HTML, display; shown = display(HTML('<b>1</b>'), display_id=True)",
    "shown.update(HTML('<b>2</b>')); 6 * 7",
    "import ipywidgets; slider = ipywidgets.IntSlider(3, description='x'); slider",
    "slider.value = 5; box = ipywidgets.VBox([slider, ipywidgets.Text('y')]); display(box)",
    "print('gone'); from IPython.display import clear_output; clear_output(); print('stays')",
    "1 / 0",
]


async def outputs_of(**where: Any) -> str:
    """The outputs of a notebook and its widgets' state, with names in the place of ids."""
    ran = notebook(*SAID)
    options: Any = {"allow_errors": True, "record_timing": False, **where}
    await NotebookClient(ran, **options).async_execute()
    told = json.dumps([[cell.outputs for cell in ran.cells], ran.metadata.widgets], indent=1)
    names: dict[str, str] = {}
    found = re.sub("[0-9a-f]{32}", lambda m: names.setdefault(m[0], f"<{len(names)}>"), told)
    return re.sub(r"at 0x[0-9a-f]+", "at <address>", found)


async def test_a_notebook_says_the_same_as_with_a_local_kernel(variables: None) -> None:
    local = await outputs_of(kernel_name="python3")
    remote = await outputs_of(kernel_manager_class=AsyncWebsocketKernelManager)
    assert remote == local
    assert '"IntSliderModel"' in local


async def test_a_manager_interrupts_and_restarts(variables: None) -> None:
    manager = AsyncWebsocketKernelManager()
    await manager.start_kernel()
    client = manager.client()
    client.start_channels()
    try:
        await client.wait_for_ready(timeout=30)
        asked = client.execute(ENDLESS)
        while (await client.get_iopub_msg(timeout=30))["msg_type"] != "stream":
            pass
        await manager.interrupt_kernel()
        reply = await client.get_shell_msg(timeout=30)
        assert reply["parent_header"]["msg_id"] == asked
        assert reply["content"]["ename"] == "KeyboardInterrupt"
        await client.execute("kept = 1", reply=True, timeout=30)
        await manager.restart_kernel()
        await client.wait_for_ready(timeout=30)
        reply = await client.execute("kept", reply=True, timeout=30)
        assert reply["content"]["ename"] == "NameError"
        assert await manager.is_alive()
    finally:
        client.stop_channels()
        await manager.shutdown_kernel()


async def test_a_manager_tells_why_it_cannot_start(variables: None) -> None:
    manager = AsyncWebsocketKernelManager(token="wrong")
    with pytest.raises(Unauthorized, match="check the token"):
        await manager.start_kernel()
    assert not manager.has_kernel


async def test_many_kernels_of_one_manager(variables: None, here: Desk) -> None:
    name = f"{AsyncWebsocketKernelManager.__module__}.{AsyncWebsocketKernelManager.__name__}"
    context = zmq.asyncio.Context()
    managers = AsyncMultiKernelManager(kernel_manager_class=name, context=context)
    ids = [await managers.start_kernel() for _ in range(3)]
    for one in ids:
        client: Any = managers.get_kernel(one).client()
        client.start_channels()
        await client.wait_for_ready(timeout=30)
        assert (await client.execute_interactive("1", timeout=30))["content"]["status"] == "ok"
        client.stop_channels()
    await managers.shutdown_all()
    context.destroy()
    assert not list((here.folder / "tmpdir").glob("w2z-*"))


async def test_clients_without_a_manager(variables: None) -> None:
    context = zmq.asyncio.Context()
    client = AsyncWebsocketKernelClient(context=context)
    client.start_channels()
    await client.wait_for_ready(timeout=30)
    assert (await client.execute("1", reply=True, timeout=30))["content"]["status"] == "ok"
    client.stop_channels()
    context.destroy()

    def block() -> None:
        context = zmq.Context()
        blocking = WebsocketKernelClient(context=context)
        blocking.start_channels()
        blocking.wait_for_ready(timeout=30)
        assert blocking.execute_interactive("1", timeout=30)["content"]["status"] == "ok"
        blocking.stop_channels()
        context.destroy()
        ensure_event_loop().close()  # jupyter_core's, in this thread

    await asyncio.to_thread(block)


# Commands.


async def test_papermill(there: W2z, here: Desk) -> None:
    await here.install("far", there.url)
    given, made = here.folder / "in.ipynb", here.folder / "out.ipynb"
    cells = [new_code_cell("a = 1", metadata={"tags": ["parameters"]}), new_code_cell("print(a)")]
    spec = {"name": "python3", "display_name": "Python", "language": "python"}
    nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": spec}), given)
    arguments = (str(given), str(made), "-k", "far", "-p", "a", "7", "--no-progress-bar")
    async with here.run("-m", "papermill", *arguments) as process:
        assert await process.end() == 0, process.output
    ran = nbformat.read(made, 4)
    assert ran.cells[-1].outputs[0].text == "7\n"


async def test_nbconvert(there: W2z, here: Desk) -> None:
    await here.install("far", there.url)
    given, made = here.folder / "in.ipynb", here.folder / "out.ipynb"
    nbformat.write(notebook("print('in', 'nbconvert')"), given)
    options = ("--to", "notebook", "--execute", "--ExecutePreprocessor.kernel_name=far")
    arguments = ("nbconvert", *options, "--output", str(made), str(given))
    async with here.run("-m", *arguments) as process:
        assert await process.end() == 0, process.output
    assert nbformat.read(made, 4).cells[0].outputs[0].text == "in nbconvert\n"


def use_console(here: Desk, arguments: list[str], *, can_interrupt: bool) -> None:
    """What a person does at a console."""
    command = ["-m", "jupyter_console", "--simple-prompt", *arguments]
    environment = {**here.environment, "TERM": "dumb"}
    console: Any = pexpect.spawn(
        sys.executable, command, timeout=40, encoding="utf-8", env=environment
    )
    try:
        console.expect(PROMPT)
        console.sendline("6 * 7")
        console.expect("42")
        console.expect(PROMPT)
        console.sendline("name = input('who? ')")
        console.expect(r"who\? ")
        console.sendline("bob")
        console.expect(PROMPT)
        console.sendline("name + name")
        console.expect("bobbob")
        console.expect(PROMPT)
        if can_interrupt:
            console.sendline("print('be' + 'gun'); import signal; signal.pause()")
            console.expect("begun")
            console.sendintr()
            console.expect("KeyboardInterrupt")
            console.expect(PROMPT)
        console.sendeof()
        console.expect(r"really want to exit")
        console.sendline("y")
        console.expect(pexpect.EOF)
    finally:
        console.close(force=True)


async def test_jupyter_console_on_a_kernelspec(there: W2z, here: Desk) -> None:
    await here.install("far", there.url)
    await asyncio.to_thread(use_console, here, ["--kernel", "far"], can_interrupt=True)


async def test_jupyter_console_on_a_connection_file(there: W2z, here: Desk) -> None:
    async with here.run("-m", "w2z", "attach", there.url, env={"W2Z_TOKEN": TOKEN}) as process:
        path = (await process.line(r"^/.*/kernel-.*\.json$"))[0]
        assert (await asyncio.to_thread(Path(path).stat)).st_mode & 0o777 == 0o600
        arguments = ["--existing", path]
        await asyncio.to_thread(use_console, here, arguments, can_interrupt=False)
        assert await process.end(15) == 128 + 15
        assert not await asyncio.to_thread(Path(path).exists)


# The end of the frontend.


async def test_a_killed_frontend_takes_its_attach_along(there: W2z, here: Desk) -> None:
    started = f"{sys.executable} -m w2z attach {there.url} -f {here.folder}/a.json --one-kernel"
    script = f"JPY_PARENT_PID=$$ {started} & echo begun; wait"
    environment = {**here.environment, "W2Z_TOKEN": TOKEN}
    async with running("sh", "-c", script, env=environment) as frontend:
        await frontend.line("begun")
        async with there.rest() as rest, within(30, "it is attached"):
            while (await rest.json("GET /api/kernels"))[0]["connections"] == 0:
                pass
        await frontend.end(signal.SIGKILL)
        # Attach has the other end of its output.
        await frontend.line(r"\(end of output\)")


@pytest.mark.parametrize("options", [(), ("--one-kernel",)], ids=["command", "one-kernel"])
async def test_a_frontend_that_ended_before(
    there: W2z, here: Desk, options: tuple[str, ...]
) -> None:
    async with here.run("-c", "") as gone:
        await gone.end()
    environment = {"W2Z_TOKEN": TOKEN, "JPY_PARENT_PID": str(gone.process.pid)}
    arguments = ("attach", there.url, "-f", str(here.folder / "a.json"), *options)
    async with here.run("-m", "w2z", *arguments, env=environment) as process:
        if options:
            assert await process.end() == 128 + signal.SIGHUP, process.output
        else:
            # The variable is what is left of another's environment.
            await process.line(r"a\.json$")
            assert await process.end(signal.SIGTERM) == 128 + signal.SIGTERM


# A Jupyter server, and so JupyterLab and Notebook.


@pytest.mark.parametrize("way", ["argv", "provisioner", "manager"])
async def test_a_jupyter_server(there: W2z, here: Desk, way: str) -> None:
    variables: dict[str, str] = {}
    name, manager = "far", None
    if way == "manager":
        name, manager = "python3", "w2z.client.jupyter.server.WebsocketServerKernelManager"
        variables = {"W2Z_URL": there.url, "W2Z_TOKEN": TOKEN}
    else:
        await here.install("far", there.url, *(["--provisioner"] if way == "provisioner" else []))
    async with jupyter_server(here, name, manager, **variables) as (url, rest):
        specs = await rest.json("GET /api/kernelspecs")
        assert specs["kernelspecs"][name]["spec"]["display_name"].startswith("Python 3")
        kernel = await rest.json("POST /api/kernels", {"name": name}, status=201)
        path = f"/api/kernels/{kernel['id']}"
        async with client_of(url, kernel["id"]) as client:
            assert stdout(await client.execute("kept = 1; print('hello ☃')")) == "hello ☃\n"
            asked = await client.send(execute_request(ENDLESS))
            await client.until("stream", asked)
            await rest.done(f"POST {path}/interrupt")
            reply = await client.until("execute_reply", asked)
            assert reply.content["ename"] == "KeyboardInterrupt"
            await rest.json(f"POST {path}/restart")
        async with client_of(url, kernel["id"]) as client:
            assert stdout(await client.execute("print('kept' in globals())")) == "False\n"
            # The server's own restarter attaches anew.
            await client.send(execute_request("import os; os._exit(9)"))
            while (await client.until("status")).content["execution_state"] != "restarting":
                pass
        async with within(30, "a new kernel answers"), client_of(url, kernel["id"]) as client:
            assert stdout(await client.execute("print('again')")) == "again\n"
        await rest.done(f"DELETE {path}")
    async with there.rest() as own:
        [model] = await own.json("GET /api/kernels")
        assert model["execution_state"] == "idle", "it stays"


async def test_a_kernelspec_is_listed_and_removed(there: W2z, here: Desk) -> None:
    await here.install("far", there.url, "--display-name", "Far away")
    folder = here.folder / "jupyter_data_dir" / "kernels" / "far"
    content = json.loads((folder / "kernel.json").read_text())
    assert content["argv"][:5] == [sys.executable, "-m", "w2z", "attach", there.url]
    assert content["display_name"] == "Far away"
    assert content["language"] == "python"
    assert content["metadata"]["debugger"] is True
    assert (folder / "logo-64x64.png").read_bytes().startswith(b"\x89PNG")
    token = here.folder / "config" / "w2z" / "tokens" / "far"
    assert token.read_text() == TOKEN + "\n"
    assert token.stat().st_mode & 0o777 == 0o600
    assert token.parent.stat().st_mode & 0o777 == 0o700
    assert TOKEN not in (folder / "kernel.json").read_text()
    assert await here.w2z("kernelspec", "list") == f"far\t{there.url}\t{folder}"
    await here.install("far", there.url)
    await here.w2z("kernelspec", "remove", "far")
    assert not folder.exists()
    assert not token.exists()
    assert await here.w2z("kernelspec", "list") == ""
    assert "no kernelspec 'far'" in await here.w2z("kernelspec", "remove", "far", code=20)
