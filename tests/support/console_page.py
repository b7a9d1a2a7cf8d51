"""The page at w2z's base URL, in Chromium, as a person uses it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import FrameLocator, Locator, Page, Request, Route, expect

from tests.support.browser import chromium
from tests.support.processes import TOKEN

AXE = Path(__file__).parents[1] / "node/node_modules/axe-core/axe.min.js"

HARMLESS = re.compile(
    "Applying inline style violates"  # of HTML that is sanitised, where it is read and not shown
    "|Failed to load resource"  # answers such as 403, and w2z that is gone
    "|WebSocket connection to"
)


@dataclass
class ConsolePage:
    """A page, what it asked for, and what the browser complained of."""

    page: Page
    url: str
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    sockets: list[str] = field(default_factory=list)

    @classmethod
    async def of(cls, page: Page, url: str) -> ConsolePage:
        """Follow what a page does. What is of another origin than ``url`` it does not get."""
        made = cls(page, url)
        page.on("request", made._hear)
        page.on("requestfailed", made._spare)
        page.on("pageerror", lambda error: made.complaints.append(str(error)))
        page.on("console", lambda message: made._complain(message.type, message.text))
        page.on("websocket", lambda socket: made.sockets.append(socket.url))
        await page.route(lambda asked: not made._is_own(asked), _refuse)
        return made

    async def open(self, token: str | None = TOKEN, path: str = "") -> None:
        """Open the page, by default with the token behind ``#``."""
        await self.page.goto(f"{self.url}{path}" + (f"#token={token}" if token else ""))
        if token:
            await self.connected()

    async def connected(self) -> None:
        await expect(self.page.locator("#connection")).to_have_text("connected")
        await expect(self.editor).to_be_visible()

    @property
    def editor(self) -> Locator:
        return self.page.get_by_role("textbox", name="Code", exact=True)

    @property
    def state(self) -> Locator:
        return self.page.locator("#state")

    @property
    def cells(self) -> Locator:
        return self.page.locator(".cell")

    @property
    def last(self) -> Locator:
        """The last cell."""
        return self.cells.last

    @property
    def outputs(self) -> Locator:
        """The outputs of the last cell."""
        return self.last.locator(".output")

    async def begin(self, code: str) -> None:
        """Run code, as its keys are pressed."""
        await self.editor.fill(code)
        await self.editor.press("Shift+Enter")

    async def run(self, code: str) -> Locator:
        """Run code to its end; returns the cell."""
        many = await self.cells.count()
        await self.begin(code)
        cell = self.cells.nth(many)
        await expect(cell).to_have_attribute("data-state", re.compile("done|failed"))
        return cell

    async def tab(self, name: str) -> None:
        await self.page.get_by_role("tab", name=name).click()

    def frame(self) -> FrameLocator:
        """What is in the last frame."""
        return self.last.frame_locator("iframe")

    async def fits(self) -> bool:
        """Whether all that is in the last frame can be seen without scrolling down."""
        element = await self.last.locator("iframe").element_handle()
        inside = await element.content_frame()
        assert inside is not None
        there = await inside.locator(".w2z").bounding_box()
        shown = await element.bounding_box()
        assert there is not None
        assert shown is not None
        return 0 < there["height"] <= shown["height"] < there["height"] + 40

    async def barriers(self) -> list[str]:
        """What axe-core finds that is a serious or critical barrier."""
        await self.page.evaluate(AXE.read_text())
        found: dict[str, Any] = await self.page.evaluate("axe.run(document)")
        return [
            f"{one['id']}: {node['html'][:200]} {node.get('failureSummary', '')}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]

    def check(self) -> None:
        """Nothing was asked of anybody else, no token was in a URL, nothing was complained of."""
        assert [url for url in self.asked if not self._is_own(url)] == []
        later = [*self.asked[1:], *self.sockets]
        assert [url for url in later if "token=" in url] == []
        assert [one for one in self.complaints if not HARMLESS.search(one)] == []

    def _is_own(self, url: str) -> bool:
        scheme = urlsplit(url).scheme
        is_here = urlsplit(url).netloc == urlsplit(self.url).netloc
        return scheme in ("data", "blob", "about") or is_here

    def _hear(self, request: Request) -> None:
        self.asked.append(request.url)

    def _spare(self, request: Request) -> None:
        """What the page's policy forbids was not sent."""
        if request.failure == "csp":
            self.asked.remove(request.url)

    def _complain(self, kind: str, text: str) -> None:
        if kind in ("error", "warning"):
            self.complaints.append(text)


async def _refuse(route: Route) -> None:
    await route.abort()


@asynccontextmanager
async def console_page(
    folder: Path, url: str, *, width: int = 1280, height: int = 860
) -> AsyncIterator[ConsolePage]:
    """A page that is not open yet; at the end, it has asked nobody else for anything."""
    async with chromium(folder) as page:
        await page.set_viewport_size({"width": width, "height": height})
        made = await ConsolePage.of(page, url)
        yield made
        made.check()
