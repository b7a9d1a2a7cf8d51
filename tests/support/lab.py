"""JupyterLab as its user has it: its server, and a notebook open in Chromium."""

from __future__ import annotations

import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import nbformat
from playwright.async_api import Locator, Page, expect

from tests.support.browser import chromium
from tests.support.processes import Process, listening, running

PLOT = """\
import matplotlib.pyplot as plt
_, axes = plt.subplots(figsize=(4, 2))
axes.plot([1, 4, 9, 16])
"""


class Notebook:
    """The open notebook, as its user sees it."""

    def __init__(self, page: Page, server: Process, shown: str) -> None:
        self.page = page
        self.server = server
        self.shown = shown
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
        await expect(self.status).to_have_text(f"{self.shown} | Idle")


@asynccontextmanager
async def jupyterlab(
    folder: Path,
    environment: Mapping[str, str],
    *cells: str,
    kernel: str = "python3",
    shown: str = "Python 3 (ipykernel)",
    options: Sequence[str] = (),
) -> AsyncIterator[Notebook]:
    """JupyterLab with a notebook of those cells open, when its kernel is idle.

    ``kernel`` is the kernelspec that the notebook names, and ``shown`` what the page calls it.
    """
    documents = folder / "documents"
    documents.mkdir()
    spec = {"name": kernel, "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": spec})
    notebook.cells = [nbformat.v4.new_code_cell(code.strip()) for code in cells]
    nbformat.write(notebook, documents / "a.ipynb")
    settings = folder / "settings/@jupyterlab/apputils-extension/notification.jupyterlab-settings"
    settings.parent.mkdir(parents=True)
    settings.write_text('{"fetchNews": "false", "checkForUpdates": false}')
    variables = {
        "JUPYTER_TOKEN": "of-jupyterlab",
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
    }
    command = [sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root"]
    command += ["--ip=127.0.0.1", "--port=0", *options]
    async with (
        running(*command, env={**environment, **variables}, cwd=documents) as server,
        chromium(folder) as page,
    ):
        found = await server.line(r"(http://127.0.0.1:(\d+))/lab\?")
        await listening(int(found[2]))
        await page.goto(f"{found[1]}/lab/tree/a.ipynb?token=of-jupyterlab")
        made = Notebook(page, server, shown)
        await made.idle()
        yield made
