"""JupyterLab as its user has it: its server in front of w2z, its page in Chromium."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import nbformat
import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.browser import chromium, screenshot
from tests.support.cable import cable
from tests.support.client import open_client
from tests.support.processes import TOKEN, Process, listening, running, supervised_ipykernel, w2z

PLOT = """\
import matplotlib.pyplot as plt
_, axes = plt.subplots(figsize=(4, 2))
axes.plot([1, 4, 9, 16])
"""

SLEEP = """\
import signal
print('begun', end='', flush=True)
signal.pause()
"""

SLIDER = """\
import ipywidgets
slider = ipywidgets.IntSlider(value=3, description='ticks')
label = ipywidgets.Label()
slider.observe(lambda change: setattr(label, 'value', f"seen in Python: {change['new']}"), 'value')
ipywidgets.VBox([slider, label])
"""

CUT = """\
print('before\\n', end='', flush=True)
open({path!r}).read(1)
print('after')
'whole'
"""


class Notebook:
    """The open notebook, as its user sees it."""

    def __init__(self, page: Page, server: Process) -> None:
        self.page = page
        self.server = server
        self.status = page.locator(".jp-StatusBar-TextItem").filter(has_text=" | ")

    def cell(self, number: int) -> Locator:
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(number)

    def outputs(self, number: int) -> Locator:
        return self.cell(number).locator(".jp-OutputArea-output")

    async def run(self, number: int) -> Locator:
        """Run that cell; where its outputs appear."""
        await self.cell(number).locator(".cm-content").click()
        await self.page.keyboard.press("Shift+Enter")
        return self.outputs(number)

    async def ran(self, number: int, count: int) -> None:
        """Wait for the cell's end, as the execution with that count."""
        await expect(self.cell(number).locator(".jp-InputPrompt")).to_have_text(f"[{count}]:")

    async def kernel(self, entry: str) -> None:
        """Use the menu *Kernel*."""
        await self.page.get_by_role("menuitem", name="Kernel", exact=True).click()
        await (
            self.page.locator(".lm-Menu-itemLabel")
            .filter(has_text=re.compile(f"^{entry}$"))
            .click()
        )

    async def idle(self) -> None:
        await expect(self.status).to_have_text("Python 3 (ipykernel) | Idle")


@asynccontextmanager
async def lab(url: str, folder: Path, *cells: str) -> AsyncIterator[Notebook]:
    """JupyterLab with its kernels from ``url``, and a notebook of those cells open."""
    documents = folder / "documents"
    documents.mkdir()
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": spec})
    notebook.cells = [nbformat.v4.new_code_cell(code.strip()) for code in cells]
    nbformat.write(notebook, documents / "a.ipynb")
    settings = folder / "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    environment = {
        **os.environ,
        "JUPYTER_GATEWAY_AUTH_TOKEN": TOKEN,
        "JUPYTER_TOKEN": "of-jupyterlab",
        "HOME": str(folder),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
    }
    command = [sys.executable, "-m", "jupyter", "lab", f"--gateway-url={url.rstrip('/')}"]
    command += ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port=0"]
    async with (
        running(*command, env=environment, cwd=documents) as server,
        chromium(folder) as page,
    ):
        found = await server.line(r"(http://127.0.0.1:(\d+))/lab\?")
        await listening(int(found[2]))
        await page.goto(f"{found[1]}/lab/tree/a.ipynb?token=of-jupyterlab")
        shown = Notebook(page, server)
        await shown.idle()
        yield shown


@pytest.fixture(autouse=True)
def _fonts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's matplotlib keeps its fonts in the test's folder."""
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))


async def test_a_notebook(tmp_path: Path) -> None:
    pipe = tmp_path / "cut"
    os.mkfifo(pipe)
    cells = [
        "print('hello ☃')\n6 * 7",
        PLOT,
        "print('hello', input('who? '))",
        SLEEP,
        SLIDER,
        "slider.value",
        CUT.format(path=str(pipe)),
    ]
    async with (
        supervised_ipykernel(tmp_path) as kernel,
        w2z(kernel) as served,
        cable(served.url) as line,
        lab(line.url, tmp_path, *cells) as notebook,
    ):
        outputs = await notebook.run(0)
        await expect(outputs).to_have_text(["hello ☃", "42"])
        await notebook.ran(0, 1)

        outputs = await notebook.run(1)
        picture = outputs.locator("img[src^='data:image/png;base64,']")
        await expect(picture).to_have_js_property("complete", True)
        assert await picture.evaluate("image => image.naturalWidth") > 200

        await notebook.run(2)
        prompt = notebook.cell(2).locator("input.jp-Stdin-input")
        await prompt.fill("anna")
        await prompt.press("Enter")
        await expect(notebook.outputs(2)).to_have_text(["who?  anna", "hello anna"])

        outputs = await notebook.run(3)
        await expect(outputs).to_contain_text(["begun"])
        await notebook.kernel("Interrupt Kernel")
        await expect(outputs).to_contain_text(["begun", "KeyboardInterrupt"])
        await notebook.ran(3, 4)

        outputs = await notebook.run(4)
        handle = outputs.locator(".noUi-handle")
        await expect(handle).to_have_attribute("aria-valuenow", "3.0")
        await handle.press("ArrowRight")
        await handle.press("ArrowRight")
        await expect(outputs).to_contain_text(["seen in Python: 5"])
        outputs = await notebook.run(5)
        await expect(outputs).to_contain_text(["5"])

        outputs = await notebook.run(6)
        await expect(outputs).to_contain_text(["before"])
        line.cut()
        await notebook.server.line("Lost connection to Gateway")
        pipe.write_text("x")
        await expect(outputs).to_contain_text(["before\nafter", "whole"])
        await notebook.ran(6, 7)
        await notebook.idle()
        await screenshot(notebook.page, "jupyterlab.png")


async def test_restart_and_shut_down(tmp_path: Path) -> None:
    async with (
        supervised_ipykernel(tmp_path) as kernel,
        w2z(kernel) as served,
        lab(served.url, tmp_path, "x = 1", "x") as notebook,
    ):
        await notebook.run(0)
        await notebook.ran(0, 1)
        await notebook.kernel("Restart Kernel…")
        async with notebook.page.expect_response(re.compile(r"/restart\b")) as response:
            await notebook.page.get_by_role("button", name="Confirm Kernel Restart").click()
        assert (await response.value).status == 200
        outputs = await notebook.run(1)
        await expect(outputs).to_contain_text(["NameError"])
        await notebook.ran(1, 1)
        await notebook.run(0)
        await notebook.ran(0, 2)

        await notebook.kernel("Shut Down Kernel")
        await expect(notebook.status).to_have_text("No Kernel | Unknown")
        # w2z kept the kernel, as --on-delete tells it by default.
        await notebook.kernel("Change Kernel…")
        await notebook.page.get_by_role("button", name="Select Kernel").click()
        await notebook.idle()
        outputs = await notebook.run(1)
        await expect(outputs).to_have_text(["1"])
        await notebook.ran(1, 3)

        # It ends its kernels when it leaves, and w2z keeps this one again.
        assert await notebook.server.end(signal.SIGTERM) == 0
        await notebook.server.line("Shutting down 1 kernel")
        async with open_client(served.websocket("a"), "v1") as other:
            messages = await other.execute("x")
        [result] = [one for one in messages if one.msg_type == "execute_result"]
        assert result.content["data"] == {"text/plain": "1"}
