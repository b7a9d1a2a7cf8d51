"""The other views of the page at the base URL, in Chromium, and who can use all of them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import expect

from tests.support.browser import screenshot
from tests.support.console_page import ConsolePage, console_page
from tests.support.processes import TOKEN, W2z

SIZES = {"wide": (1280, 860), "phone": (390, 844)}

COMM = """\
from comm import create_comm
create_comm(target_name='x', data={'a': 1}, buffers=[b'bytes \\x00\\xff'])"""

FILLED = """\
from IPython.display import HTML, JSON, Markdown, Math, display
import sys
print('\\x1b[31mred \\x1b[32mgreen \\x1b[33myellow \\x1b[34mblue \\x1b[35mmagenta \\x1b[36mcyan '
      '\\x1b[37mwhite \\x1b[90mgrey \\x1b[38;5;226mbright \\x1b[38;5;18mdark\\x1b[0m '
      '\\x1b[41mred\\x1b[42mgreen\\x1b[43myellow\\x1b[44mblue\\x1b[47mwhite\\x1b[0m')
print('to stderr', file=sys.stderr)
display(Markdown('# Head\\n\\n[link](https://example.org) and `code`'), Math('x^2'))
display(JSON({'a': [1, 'two', None]}, expanded=True))
display(HTML('<table><tr><th>a</th></tr><tr><td>1</td></tr></table>'))
for i in range(600): print(i)
1 / 0"""


async def test_what_the_kernel_is_and_how_it_fares(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url, height=1300) as console:
        await console.open()
        await expect(console.page.get_by_role("heading", level=1)).to_have_text(
            "Python 3 (ipykernel)"
        )
        await console.tab("Kernel")
        facts = console.page.locator(".facts")
        for told in (
            r"Language\s*python 3\.",
            r"Implementation\s*ipython",
            r"State\s*idle",
            r"Clients\s*1 connected",
            r"w2z\s*up for \d+ s, version",
        ):
            await expect(facts).to_contain_text(re.compile(told))
        await screenshot(console.page, "page-kernel.png")


async def test_how_to_connect_is_said_for_this_very_url(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url) as console:
        await console.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await console.open()
        await console.tab("Kernel")
        ways = console.page.locator("section.way")
        await expect(ways.get_by_role("heading")).to_have_text(
            [
                "Any Jupyter frontend",
                "JupyterLab without w2z",
                *("VS Code", "w2z attach", "Python", "Browser or Node.js", "curl"),
            ]
        )
        for lines in await ways.locator("pre").all_inner_texts():
            assert served.url.rstrip("/") in lines
            assert TOKEN not in lines
        await console.page.get_by_role("button", name="Copy the lines for w2z attach").click()
        await expect(console.page.locator("#said")).to_have_text("Copied the lines for w2z attach.")
        copied = await console.page.evaluate("navigator.clipboard.readText()")
        assert copied == f"w2z attach {served.url}"


async def test_the_traffic_is_seen_and_filtered(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url) as console:
        page = console.page
        await console.open()
        await console.run("print('needle')")
        await console.begin("input('say ')")
        await page.get_by_label("say").fill("x")
        await page.get_by_label("say").press("Enter")
        await expect(console.last).to_have_attribute("data-state", "done")
        await console.tab("Traffic")
        rows = page.get_by_role("listbox", name="Messages").get_by_role("option")
        await expect(rows.filter(has_text="execute_request")).to_have_count(2)
        await expect(rows.filter(has_text="input_request")).to_have_count(1)
        await expect(rows.filter(has_text="input_reply")).to_have_count(1)
        whole = await rows.count()

        for channel in ("iopub", "stdin", "control", "hb"):
            await page.get_by_role("checkbox", name=channel).uncheck()
        assert set(await rows.locator(".channel").all_inner_texts()) == {"shell"}
        await page.get_by_label("Direction").select_option("to_kernel")
        assert set(await rows.locator(".way").all_inner_texts()) == {"→"}
        await page.get_by_label("Type").select_option("execute_request")
        await expect(rows).to_have_count(2)
        await page.get_by_label("Text", exact=True).fill("needle")
        await expect(rows).to_have_count(1)
        await rows.click()
        one = page.locator(".one")
        await expect(one.get_by_role("heading", name="execute_request")).to_be_visible()
        for part in ("header", "parent_header", "metadata", "content"):
            await expect(one.get_by_role("heading", name=part, exact=True)).to_be_visible()
        await expect(one).to_contain_text("\"print('needle')\"")
        await one.get_by_role("button", name="Close").click()
        await expect(one).to_be_hidden()

        await page.get_by_label("Text", exact=True).fill("")
        await page.get_by_label("Type").select_option("")
        await page.get_by_label("Direction").select_option("")
        for channel in ("iopub", "stdin", "control", "hb"):
            await page.get_by_role("checkbox", name=channel).check()
        assert await rows.count() >= whole
        await page.get_by_role("button", name="Pause").click()
        await expect(page.locator("#traffic > .about")).to_contain_text("paused")
        await page.get_by_role("button", name="Clear").click()
        await expect(rows).to_have_count(0)
        await page.get_by_role("button", name="Pause").click()
        await console.tab("Console")
        await console.run("1")
        await console.tab("Traffic")
        await expect(rows.filter(has_text="execute_reply")).to_have_count(1)


async def test_a_message_is_opened_in_full_with_its_buffers(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url) as console:
        page = console.page
        await console.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await console.open()
        await console.run(COMM)
        await console.tab("Traffic")
        await page.get_by_label("Type").select_option("comm_open")
        messages = page.get_by_role("listbox", name="Messages")
        await messages.focus()
        await page.keyboard.press("Home")
        one = page.locator(".one")
        await expect(one.locator(".hex")).to_have_text(
            re.compile(r"00000000\s+62 79 74 65 73 20 00 ff\s+bytes \.\.")
        )
        await screenshot(page, "page-traffic.png")
        await page.get_by_role("button", name="Copy the message").click()
        copied = json.loads(await page.evaluate("navigator.clipboard.readText()"))
        assert copied["content"]["target_name"] == "x"
        assert copied["buffers"] == ["8 bytes"]
        await messages.focus()
        await page.keyboard.press("Escape")
        await expect(one).to_be_hidden()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("colours", ["light", "dark"])
async def test_there_are_no_barriers(served: W2z, tmp_path: Path, colours: Any, size: str) -> None:
    width, height = SIZES[size]
    async with console_page(tmp_path, served.url, width=width, height=height) as console:
        page = console.page
        await page.emulate_media(color_scheme=colours)
        await console.open(token=None)
        await expect(page.get_by_label("Token")).to_be_visible()
        assert await _seen(console, f"token-{size}-{colours}") == []
        await page.get_by_label("Token").fill("wrong")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_be_visible()
        assert await console.barriers() == []
        await page.get_by_label("Token").fill(TOKEN)
        await page.keyboard.press("Enter")
        await console.connected()

        await console.run(FILLED)
        await console.begin("input('who? ')")
        await expect(page.get_by_label("who?")).to_be_visible()
        assert await _seen(console, f"console-{size}-{colours}") == []
        await page.get_by_label("who?").press("Enter")
        await console.editor.fill("len")
        await console.editor.press("Shift+Tab")
        await expect(page.get_by_role("group", name="Explanation")).to_be_visible()
        assert await console.barriers() == []
        await console.tab("Traffic")
        await page.locator(".message").first.click()
        assert await _seen(console, f"traffic-{size}-{colours}") == []
        await console.tab("Kernel")
        assert await _seen(console, f"kernel-{size}-{colours}") == []
        await page.get_by_role("button", name="Restart…").click()
        assert await console.barriers() == []
        # Nothing is wider than the page.
        await page.keyboard.press("Escape")
        wide = "document.documentElement.scrollWidth - innerWidth"
        for name in ("Console", "Traffic", "Kernel"):
            await console.tab(name)
            assert await page.evaluate(wide) <= 0


async def _seen(console: ConsolePage, name: str) -> list[str]:
    await screenshot(console.page, f"page-{name}.png")
    return await console.barriers()
