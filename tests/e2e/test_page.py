"""The page at the base URL, in Chromium: its token, its console, and a network that fails."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.support.browser import chromium, screenshot
from tests.support.cable import cable
from tests.support.cells import ENDLESS, ROOMY, Held
from tests.support.client import execute_request, open_client
from tests.support.console_page import ConsolePage, console_page
from tests.support.processes import (
    IPYKERNEL,
    TOKEN,
    W2z,
    ipykernel,
    launched,
    w2z,
)

ODD = "o/dd+token=(%25)"
"""A token with characters that a subprotocol may not have."""

WAITING = """\
import os, time
print('before', end='', flush=True)
while not os.path.exists({path!r}): time.sleep(0.01)
print(', after', end='', flush=True)
'whole'"""

# The token.


async def test_the_page_asks_for_the_token(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url) as console:
        page = console.page
        await console.open(token=None)
        field = page.get_by_label("Token")
        await expect(field).to_be_focused()
        await screenshot(page, "page-token.png")
        await field.fill("wrong")
        await field.press("Enter")
        await expect(page.get_by_role("alert")).to_have_text("This token is not the right one.")
        await screenshot(page, "page-token-wrong.png")
        await expect(field).to_have_value("")
        await page.get_by_role("button", name="Show").click()
        await field.fill(TOKEN)
        await field.press("Enter")
        await console.connected()
        await expect(await console.run("6 * 7")).to_contain_text("42")
        kept = await page.evaluate(
            "JSON.stringify([localStorage, sessionStorage, document.cookie])"
        )
        assert json.loads(kept) == [{}, {}, ""]
        assert TOKEN not in await page.content()


@pytest.mark.parametrize("mark", ["?", "#"])
async def test_the_token_leaves_the_address_at_once(served: W2z, tmp_path: Path, mark: str) -> None:
    async with console_page(tmp_path, served.url) as console:
        await console.page.goto(f"{served.url}{mark}token={TOKEN}")
        await console.connected()
        assert console.page.url == served.url
        assert await console.page.evaluate("history.length") <= 2
        await expect(await console.run("6 * 7")).to_contain_text("42")
        assert len(console.sockets) == 1


async def test_any_token_can_be_used(kernel_file: Path, tmp_path: Path) -> None:
    async with (
        w2z(kernel_file, token=ODD) as served,
        console_page(tmp_path, served.url) as console,
    ):
        await console.open(token=None)
        await console.page.get_by_label("Token").fill(ODD)
        await console.page.get_by_role("button", name="Open").click()
        await console.connected()


async def test_where_no_token_is_needed_none_is_asked_for(
    kernel_file: Path, tmp_path: Path
) -> None:
    async with (
        w2z(kernel_file, "--no-auth", token=None) as served,
        console_page(tmp_path, served.url) as console,
    ):
        await console.open(token=None)
        await console.connected()
        await expect(await console.run("6 * 7")).to_contain_text("42")


async def test_a_token_that_is_changed_is_asked_for_and_the_session_goes_on(
    kernel_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "token"
    file.write_text(TOKEN)
    file.chmod(0o600)
    async with (
        w2z(kernel_file, "--token-file", str(file), token=None) as served,
        console_page(tmp_path, served.url) as console,
    ):
        await console.open()
        go_on = tmp_path / "go on"
        await console.begin(WAITING.format(path=str(go_on)))
        await expect(console.outputs).to_have_text(["before"])
        file.write_text("another-token-for-tests")
        alert = console.page.get_by_role("alert").filter(has_text="not valid any more")
        await expect(alert.first).to_be_visible()
        go_on.touch()
        await console.page.get_by_label("Token").fill("another-token-for-tests")
        await console.page.get_by_role("button", name="Open").click()
        await console.connected()
        await expect(console.outputs).to_have_text(["before, after", "'whole'"])
        assert len(set(console.sockets)) == 1


# Serving it.


async def test_below_a_base_url(kernel_file: Path, tmp_path: Path) -> None:
    async with (
        w2z(kernel_file, "--base-url", "/user/a b/") as served,
        console_page(tmp_path, served.url) as console,
    ):
        # The slash that is left out is put back, and the token taken out.
        await console.page.goto(f"{served.url.rstrip('/')}?token={TOKEN}")
        await console.connected()
        assert console.page.url == served.url
        await expect(await console.run("6 * 7")).to_contain_text("42")
        console.asked.pop(0)  # the one without the slash
        console.asked.pop(0)  # and the one that it was sent to, with the token


async def test_without_a_console_there_is_no_page(kernel_file: Path, tmp_path: Path) -> None:
    async with w2z(kernel_file, "--no-console") as served, chromium(tmp_path) as page:
        await page.goto(served.url)
        await expect(page.locator("body")).to_contain_text("This is w2z")
        answer = await page.request.get(f"{served.url}static/main.mjs")
        assert answer.status == 404


async def test_what_the_browser_has_is_not_sent_again(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url) as console:
        await console.open()
        statuses: set[tuple[int, bool]] = set()
        console.page.on(
            "response",
            lambda answer: statuses.add((answer.status, "/static/" in answer.url)),
        )
        await console.page.reload()
        await expect(console.page.get_by_label("Token")).to_be_visible()
        assert statuses <= {(200, False), (200, True), (304, True)}


# The console.


async def test_history_completion_and_inspection(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url) as console:
        await console.open()
        page, editor = console.page, console.editor
        await console.run("smile = '😀'; example_one = 1; example_two = 2")
        await console.run("def f(x):\n    return x")

        await editor.press("ArrowUp")
        await expect(editor).to_contain_text("return x")
        await editor.press("ArrowUp")
        await editor.press("ArrowUp")
        await expect(editor).to_contain_text("smile")
        await editor.press("ArrowDown")
        await editor.press("ArrowDown")
        await expect(editor).to_contain_text("Code. Shift+Enter runs it.")

        # Behind a character that is two code units.
        await editor.press_sequentially("'😀', example_o")
        await editor.press("Tab")
        await expect(editor).to_have_text("'😀', example_one")
        await editor.fill("example_")
        await editor.press("Tab")
        options = page.get_by_role("option")
        await expect(options).to_have_count(2)
        await editor.press("ArrowDown")
        await editor.press("Enter")
        await expect(editor).to_have_text("example_two")

        await editor.fill("len")
        await editor.press("Shift+Tab")
        explanation = page.get_by_role("group", name="Explanation")
        await expect(explanation).to_contain_text("Return the number of items in a container")
        await screenshot(page, "page-inspection.png")
        await editor.press("Escape")
        await expect(explanation).to_be_hidden()
        await expect(editor).to_be_focused()


async def test_the_keyboard_is_enough(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url) as console:
        page = console.page
        await console.open(token=None)
        await page.keyboard.type(TOKEN)
        await page.keyboard.press("Enter")
        await console.connected()
        await expect(console.editor).to_be_focused()
        await page.keyboard.type("6 * 7")
        await page.keyboard.press("Shift+Enter")
        await expect(console.outputs).to_have_text(["42"])
        # The editor is no trap: Tab leaves it when it is empty, and behind Escape.
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name="Run")).to_be_focused()
        await console.editor.focus()
        await page.keyboard.type("x = 1")
        await page.keyboard.press("Escape")
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("button", name="Run")).to_be_focused()
        await page.keyboard.press("Enter")
        await expect(console.cells).to_have_count(2)
        await page.get_by_role("tab", name="Console").focus()
        for name in ("Traffic", "Kernel", "Console"):
            await page.keyboard.press("ArrowRight")
            await expect(page.get_by_role("tab", name=name)).to_be_focused()
            await expect(page.get_by_role("tabpanel", name=name)).to_be_visible()


async def test_screen_readers_are_told_how_a_cell_ended(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url) as console:
        await console.open()
        said = console.page.locator("#said")
        await console.run("print('spoken')")
        await expect(said).to_have_text("Cell 1 done. spoken")
        await console.run("1/0")
        await expect(said).to_contain_text("Cell 2 failed. ZeroDivisionError: division by zero")


async def test_the_kernel_asks_and_is_answered(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url) as console:
        await console.open()
        await console.begin(
            "from getpass import getpass\nprint('told', input('who? '), getpass('word? '))"
        )
        field = console.page.get_by_label("who?")
        await expect(field).to_be_focused()
        await field.fill("anna")
        await field.press("Enter")
        field = console.page.get_by_label("word?")
        await expect(field).to_be_focused()
        await expect(field).to_have_attribute("type", "password")
        await field.fill("open sesame")
        await console.page.get_by_role("button", name="Answer").click()
        await expect(console.outputs).to_have_text(
            [re.compile(r"who\? anna\s+word\? ········\s+told anna open sesame")]
        )
        await expect(console.last).to_have_attribute("data-state", "done")
        await expect(console.editor).to_be_focused()


async def test_a_question_that_is_interrupted_goes(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url) as console:
        await console.open()
        await console.begin("input('who? ')")
        await expect(console.page.get_by_label("who?")).to_be_visible()
        await console.page.get_by_role("button", name="Interrupt").click()
        await expect(console.outputs).to_contain_text(["KeyboardInterrupt"])
        await expect(console.page.get_by_label("who?")).to_have_count(0)


async def test_a_running_cell_is_interrupted(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url) as console:
        await console.open()
        interrupt = console.page.get_by_role("button", name="Interrupt")
        await expect(interrupt).to_be_disabled()
        for way in ("button", "key"):
            await console.begin(ENDLESS)
            await expect(console.outputs).to_have_text(["begun"])
            await expect(console.state).to_have_text("busy")
            assert (await console.page.title()).startswith("●")
            if way == "button":
                await interrupt.click()
            else:
                await console.editor.press("Control+c")
            await expect(console.outputs.last).to_contain_text("KeyboardInterrupt")
            await expect(console.last).to_have_attribute("data-state", "failed")
            await expect(console.state).to_have_text("idle")


async def test_a_restart_empties_the_kernel(supervised: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, supervised.url) as console:
        await console.open()
        page = console.page
        await console.run("kept = 1")
        await page.get_by_role("button", name="Restart…").click()
        await page.get_by_role("button", name="Cancel").click()
        await expect(await console.run("kept")).to_contain_text("1")
        await console.begin(ENDLESS)
        await expect(console.outputs).to_have_text(["begun"])
        await page.get_by_role("button", name="Restart…").click()
        await page.get_by_role("button", name="Restart", exact=True).click()
        await expect(page.locator(".notice").last).to_have_text("The kernel was restarted.")
        own = console.page.locator(".by-here")
        await expect(own.last).to_have_attribute("data-state", "failed")
        await expect(await console.run("kept")).to_contain_text("NameError")


# Several pages, reloads, cuts.


async def test_two_pages_on_one_kernel(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url) as console:
        await console.open()
        second = await ConsolePage.of(await console.page.context.new_page(), served.url)
        await second.open()
        await console.page.bring_to_front()
        await console.run("shared = 'from the first'")
        await second.page.bring_to_front()
        await second.run("print(shared)")
        await expect(second.outputs).to_have_text(["from the first"])
        # Each shows the other's cells apart.
        await expect(second.cells).to_have_count(2)
        await expect(second.cells.first.locator(".by")).to_have_text("run by another client")
        await expect(second.cells.first).to_contain_text("shared = 'from the first'")
        await console.page.bring_to_front()
        await expect(console.last.locator(".by")).to_have_text("run by another client")
        await expect(console.outputs).to_have_text(["from the first"])
        await console.page.get_by_label("Show what others run").uncheck()
        await expect(console.last).to_be_hidden()
        await expect(console.cells.first).to_be_visible()
        # Only who asked is asked.
        await console.begin("input('me? ')")
        await expect(console.page.get_by_label("me?")).to_be_visible()
        await second.page.bring_to_front()
        await expect(second.cells).to_have_count(3)
        await expect(second.page.get_by_label("me?")).to_have_count(0)
        await console.page.bring_to_front()
        await console.page.get_by_label("me?").fill("x")
        await console.page.get_by_label("me?").press("Enter")
        await expect(console.page.locator(".by-here").last).to_have_attribute("data-state", "done")
        assert len({*console.sockets, *second.sockets}) == 2
        second.check()


async def test_a_page_whose_session_is_taken_goes_on_with_another(
    served: W2z, tmp_path: Path
) -> None:
    async with console_page(tmp_path, served.url) as console:
        await console.open()
        await console.run("kept = 0")
        session = re.findall(r"session_id=(\w+)", console.sockets[0])[0]
        async with open_client(served.websocket("other"), "v1") as other:
            held = Held(tmp_path)
            await held.begin(other)
            await console.begin("kept += 1")
            async with open_client(served.websocket(session), "v1"):
                await expect(console.page.get_by_role("alert")).to_contain_text("taken over")
                await console.connected()
                held.let_go()
                await expect(await console.run("kept")).to_contain_text("1")
        assert len(set(console.sockets)) == 2


async def test_a_page_that_is_loaded_again_gets_what_it_missed(served: W2z, tmp_path: Path) -> None:
    go_on = tmp_path / "go on"
    async with console_page(tmp_path, served.url) as console:
        await console.open()
        await console.run("print('shown already')")
        await console.begin(WAITING.format(path=str(go_on)))
        await expect(console.outputs).to_have_text(["before"])
        await console.page.reload()
        await expect(console.page.get_by_label("Token")).to_be_visible()
        go_on.touch()
        await console.page.get_by_label("Token").fill(TOKEN)
        await console.page.get_by_role("button", name="Open").click()
        await console.connected()
        await expect(console.outputs).to_have_text([", after", "'whole'"])
        await expect(console.last.locator(".by")).to_contain_text("before this page was loaded")
        await expect(console.cells).to_have_count(1)
        assert len(set(console.sockets)) == 1


async def test_a_cut_network_loses_and_repeats_nothing(kernel_file: Path, tmp_path: Path) -> None:
    code = "import time\nfor i in range(400):\n    print(i, flush=True); time.sleep(0.005)"
    async with (
        w2z(kernel_file) as served,
        cable(served.url) as line,
        console_page(tmp_path, line.url) as console,
    ):
        await console.open()
        await console.begin(code)
        rows = console.outputs.locator(".row")
        for seen in ("50", "150", "250"):
            await expect(rows.filter(has_text=re.compile(rf"^{seen}\s*$"))).to_have_count(1)
            line.cut()
        await expect(console.last).to_have_attribute("data-state", "done")
        printed = [text.strip() for text in await rows.all_inner_texts()]
        assert printed == [str(i) for i in range(400)]
        assert len(console.sockets) >= 3
        assert len(set(console.sockets)) == 1


async def test_while_the_network_is_down_it_is_said_and_what_is_run_waits(
    kernel_file: Path, tmp_path: Path
) -> None:
    async with (
        w2z(kernel_file) as served,
        cable(served.url) as line,
        console_page(tmp_path, line.url) as console,
    ):
        await console.open()
        await console.run("times = 0")
        with line.down():
            banner = console.page.locator(".banner.connection")
            await expect(banner).to_contain_text("No connection to w2z")
            await console.begin("times += 1; times")
            await expect(console.last).to_have_attribute("data-state", "waiting")
            await expect(console.page.get_by_role("button", name="Interrupt")).to_be_disabled()
            await screenshot(console.page, "page-no-connection.png")
            async with console.page.expect_websocket():
                await console.page.get_by_role("button", name="Try now").click()
        await expect(banner).to_have_count(0)
        await expect(console.outputs).to_have_text(["1"])
        # It was sent again, and run once.
        line.lose_answers()
        await console.begin("times += 1; times")
        async with open_client(served.websocket("other"), "v1") as other:
            await other.execute("times")
        line.cut()
        await expect(console.page.locator(".by-here").last).to_have_attribute("data-state", "done")
        await expect(console.page.locator(".by-here").last.locator(".output")).to_have_text(["2"])
        await expect(await console.run("times")).to_contain_text("2")


async def test_a_dead_kernel_is_said(tmp_path: Path) -> None:
    file = tmp_path / "connection.json"
    async with (
        ipykernel(tmp_path, file.name),
        w2z(file) as served,
        console_page(tmp_path, served.url) as console,
    ):
        await console.open()
        await console.run("1")
        await console.begin("import os; os._exit(1)")
        alert = console.page.get_by_role("alert")
        await expect(alert).to_contain_text("The kernel is dead")
        await expect(console.state).to_have_text("dead")
        await expect(console.page.get_by_role("button", name="Run")).to_be_disabled()
        await screenshot(console.page, "page-dead.png")
        # Another one takes its place.
        async with ipykernel(tmp_path, file.name):
            await expect(console.state).to_have_text("idle")
            await expect(alert).to_have_count(0)
            await expect(await console.run("6 * 7")).to_contain_text("42")


async def test_when_w2z_ends_the_page_waits_for_it(tmp_path: Path) -> None:
    async with launched(tmp_path, *IPYKERNEL, ends=128 + 15) as served:
        await served.ready()
        async with console_page(tmp_path / "browser", served.url) as console:
            await console.open()
            await console.run("1")
            served.process.process.terminate()
            banner = console.page.locator(".banner.connection")
            await expect(banner).to_contain_text("No connection to w2z")


async def test_a_crash_is_told_and_the_console_goes_on(supervised: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, supervised.url) as console:
        await console.open()
        await console.begin("import os; os._exit(1)")
        lost = console.cells.first
        await expect(lost).to_have_attribute("data-state", "failed")
        await expect(lost.locator(".output")).to_contain_text(["KernelLost"])
        await expect(console.page.locator(".notice")).to_have_text(
            ["w2z: another kernel has taken its place"]
        )
        await expect(console.state).to_have_text("idle")
        await expect(await console.run("6 * 7")).to_contain_text("42")


async def test_another_client_floods_and_the_page_keeps_up(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url) as console:
        await console.open()
        async with open_client(served.websocket("other"), "v1") as other:
            flood = ROOMY + "for i in range(5000): print(i, flush=True)"
            asked = await other.send(execute_request(flood))
            await other.until("execute_reply", asked)
        await asyncio.sleep(0)
        await expect(console.last).to_have_attribute("data-state", "done")
        await expect(console.last.locator(".about")).to_contain_text("5,000 lines")
