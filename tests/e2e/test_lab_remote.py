"""JupyterLab in Chromium on a kernelspec of w2z: a usual server, a remote kernel."""

from __future__ import annotations

import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.support.browser import screenshot
from tests.support.cells import ENDLESS
from tests.support.client import open_client
from tests.support.frontends import desk
from tests.support.lab import PLOT, Notebook, jupyterlab
from tests.support.processes import IPYKERNEL, W2z, launched

CELLS = [
    "kept = 1\nprint('hello ☃')\n6 * 7",
    PLOT,
    "print('hello', input('who? '))",
    ENDLESS,
    "'kept' in globals()",
    "import os\nprint('going', flush=True)\nos._exit(9)",
]


@pytest.fixture
async def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[W2z]:
    """A w2z that starts a real ipykernel, again whenever that ends."""
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))
    folder = tmp_path / "there"
    folder.mkdir()
    async with launched(folder, *IPYKERNEL) as made:
        await made.ready()
        yield made


@asynccontextmanager
async def notebook_on(there: W2z, folder: Path, *options: str) -> AsyncIterator[Notebook]:
    """A notebook of :data:`CELLS` on a kernelspec that was installed with those options."""
    here = desk(folder)
    await here.install("far", there.url, "--display-name", "Far away", *options)
    given = {"kernel": "far", "shown": "Far away"}
    async with jupyterlab(folder, here.environment, *CELLS, **given) as notebook:
        yield notebook


@pytest.mark.parametrize("options", [(), ("--provisioner",)], ids=["argv", "provisioner"])
async def test_a_notebook(there: W2z, tmp_path: Path, options: tuple[str, ...]) -> None:
    way = "provisioner" if options else "argv"
    async with notebook_on(there, tmp_path, *options) as notebook:
        page = notebook.page
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
        await expect(await notebook.run(4)).to_have_text(["True"])
        await notebook.idle()
        await screenshot(page, f"lab-remote-{way}-run.png")

        await notebook.kernel("Restart Kernel…")
        async with page.expect_response(re.compile(r"/restart\b")) as response:
            await page.get_by_role("button", name="Confirm Kernel Restart").click()
        assert (await response.value).status == 200
        await notebook.idle()
        await expect(await notebook.run(4)).to_have_text(["False"])
        await notebook.ran(4, 1)
        await screenshot(page, f"lab-remote-{way}-restarted.png")

        await expect(await notebook.run(0)).to_have_text(["hello ☃", "42"])
        await expect(await notebook.run(5)).to_contain_text(["going"])
        told = page.locator(".jp-Dialog")
        await expect(told).to_contain_text("appears to have died. It will restart automatically")
        await screenshot(page, f"lab-remote-{way}-crashed.png")
        await told.get_by_role("button", name="Ok").click()
        await notebook.idle()
        await expect(await notebook.run(4)).to_have_text(["False"])
        await notebook.ran(4, 1)
        await screenshot(page, f"lab-remote-{way}-again.png")


async def test_the_kernel_stays(there: W2z, tmp_path: Path) -> None:
    async with notebook_on(there, tmp_path, "--on-shutdown", "detach") as notebook:
        await notebook.run(0)
        await notebook.ran(0, 1)
        await notebook.kernel("Shut Down Kernel")
        await expect(notebook.status).to_have_text("No Kernel | Unknown")
        async with open_client(there.websocket("a"), "v1") as other:
            [result] = [one for one in await other.execute("kept") if "data" in one.content]
        assert result.content["data"] == {"text/plain": "1"}

        # It comes back to the same kernel.
        await notebook.kernel("Change Kernel…")
        await notebook.page.get_by_role("button", name="Select Kernel").click()
        await notebook.idle()
        await expect(await notebook.run(4)).to_have_text(["True"])
        await screenshot(notebook.page, "lab-remote-back.png")

        # The server ends its kernels when it leaves; this one stays again.
        assert await notebook.server.end(signal.SIGTERM) == 0
        async with open_client(there.websocket("a"), "v1") as other:
            assert [one for one in await other.execute("kept") if "data" in one.content]
