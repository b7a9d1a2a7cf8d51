"""A page of another origin with a cell that the published thebe-core runs, in Chromium."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.browser import chromium, pages, screenshot
from tests.support.cable import Cable, cable
from tests.support.cells import ENDLESS
from tests.support.client import open_client
from tests.support.processes import TOKEN, W2z, ipykernel, running, supervised_ipykernel, w2z
from tests.support.rest import open_rest

TESTS = Path(__file__).parents[1]
AUTH = f"Authorization: Bearer {TOKEN}"

OUTPUT = """\
from IPython.display import HTML
print('hello ☃, given', given)
HTML('<table id="table"><tr><th>one</th><td>2</td></tr></table>')"""

PLOT = """\
import matplotlib.pyplot as plt
_, axes = plt.subplots(figsize=(4, 2))
axes.plot([1, 4, 9, 16])"""

QUESTIONS = """\
from getpass import getpass
print('told', input('who? '), getpass('word? '))"""

CUT = """\
import os, time
print('before', end='', flush=True)
while not os.path.exists({path!r}): time.sleep(0.01)
print(', after', end='', flush=True)
'whole'"""


@pytest.fixture
async def origin(tmp_path: Path) -> AsyncIterator[str]:
    """Where the page is."""
    folder = tmp_path / "pages"
    folder.mkdir()
    shutil.copy(TESTS / "browser/thebe.html", folder)
    (folder / "thebe").symlink_to(TESTS / "node/node_modules/thebe-core/dist/lib")
    async with pages(folder) as url:
        yield url


@asynccontextmanager
async def gate(line: Cable) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """An address that leads into ``line``, and whether it is open.

    While it is not, new connections are accepted and wait.
    """
    is_open = asyncio.Event()

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await is_open.wait()
        await line.carry(reader, writer)

    async with await asyncio.start_server(carry, "127.0.0.1", 0) as server:
        is_open.set()
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/", is_open
        finally:
            is_open.set()
            line.cut()


async def open_page(page: Page, origin: str, url: str, more: str = "") -> None:
    settings = f"baseUrl={url.rstrip('/')}&token={TOKEN}{more}"
    await page.goto(f"{origin}/thebe.html#{settings}")


async def begin(page: Page, code: str) -> Locator:
    """Start the page's cell with that code; where its outputs appear."""
    await page.locator("#code").fill(code)
    await page.get_by_role("button", name="Run").click()
    return page.locator("#output .jp-OutputArea-output")


async def done(page: Page) -> None:
    """Wait for the end of the cell."""
    await expect(page.locator("#status")).to_have_text("done")


async def run(page: Page, code: str) -> Locator:
    """Run the page's cell with that code; where its outputs appear."""
    outputs = await begin(page, code)
    await done(page)
    return outputs


async def press(page: Page, name: str, says: str) -> None:
    """Press one of the page's buttons; wait until the page says that it is done."""
    await page.get_by_role("button", name=name, exact=True).click()
    await expect(page.locator("#session")).to_have_text(says)


async def test_a_cell_in_a_page(
    monkeypatch: pytest.MonkeyPatch, origin: str, tmp_path: Path
) -> None:
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))
    async with (
        ipykernel(tmp_path) as kernel,
        w2z(kernel, "--allow-origin", origin) as served,
        chromium(tmp_path) as page,
    ):
        async with open_client(served.websocket("a"), "v1") as other:
            await other.execute("given = 42")
        await open_page(page, origin, served.url)

        outputs = await run(page, OUTPUT)
        await expect(outputs).to_have_text(["hello ☃, given 42", "one2"])
        await expect(outputs.locator("#table")).to_be_visible()

        outputs = await run(page, PLOT)
        picture = outputs.locator("img[src^='data:image/png;base64,']")
        await expect(picture).to_have_js_property("complete", True)
        assert await picture.evaluate("image => image.naturalWidth") > 200
        await screenshot(page, "thebe.png")


async def test_a_page_that_may_not_read_answers(served: W2z, origin: str, tmp_path: Path) -> None:
    async with chromium(tmp_path) as page:
        await open_page(page, origin, served.url)
        status = page.locator("#status")
        await expect(status).to_contain_text("Server not reachable")
        await expect(status).to_contain_text("Failed to fetch")
        await expect(page.get_by_role("button", name="Run")).to_be_disabled()


async def test_a_cell_asks_for_input(origin: str, tmp_path: Path) -> None:
    async with (
        ipykernel(tmp_path) as kernel,
        w2z(kernel, "--allow-origin", origin) as served,
        chromium(tmp_path) as page,
    ):
        await open_page(page, origin, served.url)
        outputs = await begin(page, QUESTIONS)
        question = page.locator("#output input.jp-Stdin-input:not([type=password])")
        await question.fill("anna")
        await question.press("Enter")
        question = page.locator("#output input.jp-Stdin-input[type=password]")
        await question.fill("open sesame")
        await question.press("Enter")
        await done(page)
        await expect(outputs).to_have_text(["who?  anna word?  ········", "told anna open sesame"])


async def test_a_running_cell_is_interrupted(origin: str, tmp_path: Path) -> None:
    async with (
        ipykernel(tmp_path) as kernel,
        w2z(kernel, "--allow-origin", origin) as served,
        chromium(tmp_path) as page,
    ):
        await open_page(page, origin, served.url)
        await run(page, "kept = 1")
        outputs = await begin(page, ENDLESS)
        await expect(outputs).to_have_text(["begun"])
        await press(page, "Interrupt", "interrupted")
        await done(page)
        await expect(outputs).to_contain_text(["begun", "KeyboardInterrupt"])
        await expect(await run(page, "kept")).to_have_text(["1"])


async def test_a_restart_empties_the_kernel(origin: str, tmp_path: Path) -> None:
    async with (
        supervised_ipykernel(tmp_path) as kernel,
        w2z(kernel, "--allow-origin", origin) as served,
        chromium(tmp_path) as page,
    ):
        await open_page(page, origin, served.url)
        await expect(await run(page, "kept = 1\nkept")).to_have_text(["1"])
        await press(page, "Restart", "restarted")
        outputs = await run(page, "kept")
        await expect(outputs).to_contain_text(["NameError: name 'kept' is not defined"])
        await expect(await run(page, "kept = 2\nkept")).to_have_text(["2"])
        await expect(page.locator("#output .jp-OutputPrompt")).to_have_text(["[2]:"])


async def test_a_restart_ends_a_running_cell(origin: str, tmp_path: Path) -> None:
    async with (
        supervised_ipykernel(tmp_path) as kernel,
        w2z(kernel, "--allow-origin", origin) as served,
        chromium(tmp_path) as page,
    ):
        await open_page(page, origin, served.url)
        outputs = await begin(page, ENDLESS)
        await expect(outputs).to_have_text(["begun"])
        await press(page, "Restart", "restarted")
        await expect(await run(page, "6 * 7")).to_have_text(["42"])


async def test_what_was_missed_while_the_connection_was_cut_arrives(
    origin: str, tmp_path: Path
) -> None:
    file = tmp_path / "cut"
    async with (
        ipykernel(tmp_path) as kernel,
        w2z(kernel, "--allow-origin", origin) as served,
        cable(served.url) as line,
        gate(line) as (url, is_open),
        chromium(tmp_path) as page,
        open_client(served.websocket("other"), "v1") as other,
        open_rest(served.url, AUTH) as rest,
    ):
        sockets: list[str] = []
        page.on("websocket", lambda socket: sockets.append(socket.url))
        await open_page(page, origin, url)
        connection = page.locator("#connection")
        outputs = await begin(page, CUT.format(path=str(file)))
        await expect(outputs).to_have_text(["before"])
        await expect(connection).to_have_text("connected")
        await page.evaluate("told.length = 0")

        is_open.clear()
        line.cut()
        await expect(connection).to_have_text("connecting")
        # w2z knows it too: only the other client is left.
        while (await rest.json("GET /api/kernels"))[0]["connections"] != 1:
            pass
        file.touch()
        await other.until("execute_result")
        assert (await other.until("status")).content == {"execution_state": "idle"}
        # All of it was published, and the page is still away.
        assert await outputs.all_inner_texts() == ["before"]
        assert await page.evaluate("told") == ["shutdown"]

        is_open.set()
        await done(page)
        await expect(outputs).to_have_text(["before, after", "'whole'"])
        await expect(connection).to_have_text("connected")
        assert await page.evaluate("told.at(-1)") == "ready"
        assert sockets == 2 * sockets[:1], "it came back as the same session"
        await expect(await run(page, "6 * 7")).to_have_text(["42"])


async def test_a_shutdown_keeps_the_kernel(origin: str, tmp_path: Path) -> None:
    async with (
        ipykernel(tmp_path) as kernel,
        w2z(kernel, "--allow-origin", origin) as served,
        chromium(tmp_path) as page,
        open_rest(served.url, AUTH) as rest,
    ):
        await open_page(page, origin, served.url)
        connection = page.locator("#connection")
        await run(page, "kept = 1")
        assert len(await rest.json("GET /api/sessions")) == 2

        # The session's own shutdown.
        async with page.expect_response(re.compile("/api/sessions/")) as response:
            await press(page, "Shut down", "shut down")
        answer = await response.value
        assert (answer.request.method, answer.status) == ("DELETE", 204)
        await expect(connection).to_have_text("disconnected")
        assert len(await rest.json("GET /api/sessions")) == 1
        assert await page.evaluate("session.kernel") is None

        await press(page, "Start", "started")
        await expect(await run(page, "kept")).to_have_text(["1"])

        # That of its kernel.
        await page.evaluate("session.kernel.shutdown()")
        await expect(page.locator("#status")).to_have_text("kernel thebe.ipynb is dead")
        await expect(connection).to_have_text("disconnected")
        assert len(await rest.json("GET /api/sessions")) == 1

        await press(page, "Start", "started")
        await expect(await run(page, "kept")).to_have_text(["1"])


async def test_a_shutdown_ends_the_kernel_where_w2z_is_told_so(origin: str, tmp_path: Path) -> None:
    path = tmp_path / "connection.json"
    kernel_command = [sys.executable, "-m", "ipykernel_launcher", "-f", str(path)]
    command = [sys.executable, "-X", "dev", "-m", "w2z", "--connection-file", str(path)]
    command += ["--host", "127.0.0.1", "--port", "0", "--allow-origin", origin]
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path), "W2Z_TOKEN": TOKEN}
    async with (
        running(*kernel_command, env=environment) as kernel,
        running(*command, "--on-delete", "stop", env=environment) as process,
        chromium(tmp_path) as page,
    ):
        await open_page(page, origin, (await process.line(r"http://\S+"))[0])
        await expect(await run(page, "6 * 7")).to_have_text(["42"])
        await press(page, "Shut down", "shut down")
        assert await kernel.end() == 0
        assert await process.end() == 0
        await process.line("stopped by a client: shutting down")


async def test_a_shutdown_ends_the_session_of_every_page_with_its_path(
    origin: str, tmp_path: Path
) -> None:
    async with (
        ipykernel(tmp_path) as kernel,
        w2z(kernel, "--allow-origin", origin) as served,
        chromium(tmp_path) as page,
    ):
        same = await page.context.new_page()
        apart = await page.context.new_page()
        for one, more in ((page, ""), (same, ""), (apart, "&path=/apart.ipynb")):
            await open_page(one, origin, served.url, more)
            await expect(one.locator("#connection")).to_have_text("connected")
        # What thebe-core does by itself every ten seconds in a visible page.
        look = "session.server.refreshRunningSessions()"
        await page.evaluate("session.shutdown()")
        for one, connection in ((same, "disconnected"), (apart, "connected")):
            await one.evaluate(look)
            await expect(one.locator("#connection")).to_have_text(connection)
        await expect(await run(apart, "6 * 7")).to_have_text(["42"])

        # The kernel's shutdown ends the sessions of all paths.
        await same.reload()
        await expect(same.locator("#connection")).to_have_text("connected")
        await same.evaluate("session.kernel.shutdown()")
        await apart.evaluate(look)
        await expect(apart.locator("#connection")).to_have_text("disconnected")
