"""JupyterLab as its user has it: its server in front of w2z, its page in Chromium."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.support.browser import screenshot
from tests.support.cable import cable
from tests.support.cells import ENDLESS
from tests.support.client import open_client
from tests.support.lab import PLOT, Notebook, jupyterlab
from tests.support.processes import TOKEN, supervised_ipykernel, w2z

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


@asynccontextmanager
async def lab(url: str, folder: Path, *cells: str) -> AsyncIterator[Notebook]:
    """JupyterLab with its kernels from ``url``, and a notebook of those cells open."""
    variables = {
        "JUPYTER_GATEWAY_AUTH_TOKEN": TOKEN,
        "HOME": str(folder),
        "JUPYTER_CONFIG_DIR": str(folder / "config"),
        "JUPYTER_DATA_DIR": str(folder / "data"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
    }
    gateway = f"--gateway-url={url.rstrip('/')}"
    async with jupyterlab(folder, os.environ | variables, *cells, options=[gateway]) as notebook:
        yield notebook


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
        ENDLESS,
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
