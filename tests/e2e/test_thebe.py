"""A page of another origin with a cell that the published thebe-core runs, in Chromium."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from tests.support.browser import chromium, pages, screenshot
from tests.support.client import open_client
from tests.support.processes import TOKEN, W2z, ipykernel, w2z

TESTS = Path(__file__).parents[1]

OUTPUT = """\
from IPython.display import HTML
print('hello ☃, given', given)
HTML('<table id="table"><tr><th>one</th><td>2</td></tr></table>')"""

PLOT = """\
import matplotlib.pyplot as plt
_, axes = plt.subplots(figsize=(4, 2))
axes.plot([1, 4, 9, 16])"""


@pytest.fixture
async def origin(tmp_path: Path) -> AsyncIterator[str]:
    """Where the page is."""
    folder = tmp_path / "pages"
    folder.mkdir()
    shutil.copy(TESTS / "browser/thebe.html", folder)
    (folder / "thebe").symlink_to(TESTS / "node/node_modules/thebe-core/dist/lib")
    async with pages(folder) as url:
        yield url


async def open_page(page: Page, origin: str, served: W2z) -> None:
    settings = f"baseUrl={served.url.rstrip('/')}&token={TOKEN}"
    await page.goto(f"{origin}/thebe.html#{settings}")


async def run(page: Page, code: str) -> Locator:
    """Run the page's cell with that code; where its outputs appear."""
    await page.locator("#code").fill(code)
    await page.get_by_role("button", name="Run").click()
    await expect(page.locator("#status")).to_have_text("done")
    return page.locator("#output .jp-OutputArea-output")


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
        await open_page(page, origin, served)

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
        await open_page(page, origin, served)
        status = page.locator("#status")
        await expect(status).to_contain_text("Server not reachable")
        await expect(status).to_contain_text("Failed to fetch")
        await expect(page.get_by_role("button", name="Run")).to_be_disabled()
