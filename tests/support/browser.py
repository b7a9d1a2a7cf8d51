"""The Chromium that is installed, without a window."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from playwright.async_api import BrowserContext, Page, async_playwright, expect

from tests.support.processes import running

ARTIFACTS = Path(__file__).parents[1] / "artifacts"

PATIENCE = 30_000
"""Milliseconds that anything in a page may take; an idle machine needs a tenth of that."""

_FLAGS = [
    "--no-sandbox",  # with a sandbox it does not start as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # only this machine
]

expect.set_options(timeout=PATIENCE)


@asynccontextmanager
async def chromium(folder: Path) -> AsyncIterator[Page]:
    """Open one page with a fresh profile. When the test fails, a screenshot of it is kept."""
    executable = shutil.which("chromium")
    assert executable, "there is no chromium: run tests/install-system.sh"
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            folder / "profile",
            executable_path=executable,
            headless=True,
            args=_FLAGS,
            env={**os.environ, "HOME": str(folder)},
            viewport={"width": 1280, "height": 1400},
        )
        context.set_default_timeout(PATIENCE)
        try:
            yield context.pages[0]
        except BaseException:
            await _show(context, f"failed-{folder.name}.png")
            raise
        finally:
            await context.close()


async def screenshot(page: Page, name: str) -> None:
    """Keep a screenshot of the page in ``ARTIFACTS``."""
    ARTIFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTIFACTS / name, animations="disabled")


async def _show(context: BrowserContext, name: str) -> None:
    for page in context.pages:
        await screenshot(page, name)


@asynccontextmanager
async def pages(folder: Path) -> AsyncIterator[str]:
    """Serve the files of a folder as web pages; gives the URL, which is an origin of its own."""
    command = [sys.executable, "-u", "-m", "http.server", "0", "--bind", "127.0.0.1"]
    async with running(*command, "--directory", str(folder)) as server:
        yield (await server.line(r"http://127.0.0.1:\d+"))[0]
