"""JupyterLab's own client, as it is published, in a page of another origin in Chromium."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page

from tests.support.browser import chromium, pages
from tests.support.cable import cable
from tests.support.cells import ENDLESS
from tests.support.client import V1
from tests.support.processes import TOKEN, running, supervised_ipykernel, w2z

TESTS = Path(__file__).parents[1]


CUT = """\
import os, time
print('before\\n', end='', flush=True)
while not os.path.exists({path!r}): time.sleep(0.01)
print('after')
"""


class Client:
    """The functions of services.js, called in the page."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def __call__(self, function: str, *given: Any) -> Any:
        call = "([name, given]) => client[name](...given)"
        return await self._page.evaluate(call, [function, list(given)])


@pytest.fixture
async def origin(tmp_path: Path) -> AsyncIterator[str]:
    """Where the page is."""
    folder = tmp_path / "pages"
    esbuild = str(TESTS / "node/node_modules/.bin/esbuild")
    source = str(TESTS / "browser/services.js")
    bundle = [esbuild, source, "--bundle", f"--outfile={folder / 'services.js'}"]
    environment = {**os.environ, "NODE_PATH": str(TESTS / "node/node_modules")}
    async with running(*bundle, env=environment) as process:
        assert await process.end() == 0, process.output
    (folder / "index.html").write_text('<!doctype html><script src="services.js"></script>')
    async with pages(folder) as url:
        yield url


@asynccontextmanager
async def client(origin: str, folder: Path) -> AsyncIterator[Client]:
    async with chromium(folder) as page:
        await page.goto(origin)
        yield Client(page)


def text(seen: dict[str, Any]) -> str:
    return "".join(output["text"] for output in seen["outputs"] if output["type"] == "stream")


async def test_it_uses_the_kernel_of_another_origin(origin: str, tmp_path: Path) -> None:
    async with (
        supervised_ipykernel(tmp_path) as kernel,
        w2z(kernel, "--allow-origin", origin) as served,
        cable(served.url) as line,
        client(origin, tmp_path) as call,
    ):
        listed = await call("list", line.url, TOKEN)
        [model] = listed["kernels"]
        assert listed["specs"]["default"] == model["name"]
        assert listed["specs"]["kernelspecs"][model["name"]]["language"] == "python"

        connected = {"id": model["id"], "language": "python", "protocol": V1}
        assert await call("connect", model["id"]) == connected

        seen = await call("run", "print('hello ☃')\n6 * 7")
        assert text(seen) == "hello ☃\n"
        assert seen["outputs"][-1]["data"] == {"text/plain": "42"}

        seen = await call("run", "from IPython.display import HTML\nHTML('<b>ü</b>')")
        assert seen["outputs"][0]["data"]["text/html"] == "<b>ü</b>"

        seen = await call("run", "print('hello', input('who? '))", "anna")
        assert seen["outputs"][0]["prompt"] == "who? "
        assert text(seen) == "hello anna\n"

        await call("begin", ENDLESS)
        await call("interrupt")
        seen = await call("end")
        assert (seen["status"], seen["outputs"][-1]["ename"]) == ("error", "KeyboardInterrupt")

        file = tmp_path / "cut"
        await call("begin", CUT.format(path=str(file)))
        await call("watch")
        line.cut()
        sockets = await call("reconnected")
        file.touch()
        seen = await call("end")
        assert (seen["status"], text(seen), sockets) == ("ok", "before\nafter\n", 2)

        await call("run", "kept = 1")
        await call("restart")
        seen = await call("run", "kept")
        assert (seen["status"], seen["outputs"][-1]["ename"]) == ("error", "NameError")

        assert await call("connect", None) == connected
        await call("run", "kept = 2")
        assert await call("shutdown") == {"disposed": True, "status": "dead"}
        # w2z kept the kernel, as --on-delete tells it by default.
        assert await call("connect", model["id"]) == connected
        assert (await call("run", "kept"))["outputs"][-1]["data"] == {"text/plain": "2"}


async def test_a_page_that_may_not_read_answers(origin: str, tmp_path: Path) -> None:
    async with (
        supervised_ipykernel(tmp_path) as kernel,
        w2z(kernel) as served,
        client(origin, tmp_path) as call,
    ):
        with pytest.raises(Exception, match="Failed to fetch"):
            await call("list", served.url, TOKEN)
