"""The outputs of cells in the page at the base URL, in Chromium: text, pictures, HTML, floods."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.async_api import expect

from tests.support.browser import screenshot
from tests.support.console_page import ConsolePage, console_page
from tests.support.processes import W2z, ipykernel, w2z

PLOT = """\
import matplotlib.pyplot as plt
_, axes = plt.subplots(figsize=(6, 3))
axes.plot([1, 4, 9, 16])
axes.set_title('a plot');"""

TABLE = """\
class Table:
    def _repr_html_(self):
        rows = ''.join(f'<tr><th>{i}</th><td>{i * i}</td><td>{i ** 3}</td></tr>' for i in range(8))
        return ('<style scoped>.dataframe td { color: rgb(1, 2, 3) }</style>'
                '<table border="1" class="dataframe"><thead><tr style="text-align: left;">'
                f'<th></th><th>square</th><th>cube</th></tr></thead>{rows}</table>')
Table()"""

EVIL = """\
from IPython.display import HTML, SVG, Markdown, display
bad = ("<img src=x onerror='parent.evil = 1'><script>parent.evil = 2</script>"
       "<a href='javascript:parent.evil = 3' id=link>link</a>"
       "<img src='https://elsewhere.example/x.png'><iframe src='https://elsewhere.example/'></iframe>"
       "<form action='https://elsewhere.example/'><button>send</button></form>"
       "<style>@import 'https://elsewhere.example/x.css';"
       ":host { visibility: visible !important; position: fixed; inset: 0 }"
       "body { background: url(https://elsewhere.example/y.png) }</style>"
       "<link rel=stylesheet href='https://elsewhere.example/z.css'>"
       "<meta http-equiv=refresh content='0;url=https://elsewhere.example/'><p>evil</p>")
display(HTML(bad))
display(Markdown(bad + "\\n\\n[x](javascript:evil=4) ![y](https://elsewhere.example/w.png)"))
SVG("<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9' onload='parent.evil = 5'>"
    "<script>parent.evil = 6</script><rect width='9' height='9'/></svg>")"""

LISTEN = """() => {
  window.waits = [];
  const listen = list => list.getEntries()
    .filter(entry => entry.name === "keydown").forEach(entry => waits.push(entry.duration));
  new PerformanceObserver(listen).observe({ type: "event", durationThreshold: 16 });
}"""
"""Notes how long keys take that take over 16 milliseconds until what they did was painted."""


async def test_text_colours_and_carriage_returns(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url) as console:
        await console.open()
        await console.run(
            "import sys\n"
            "print('\\x1b[1;31mred\\x1b[0m and \\x1b[38;5;208many\\x1b[0m')\n"
            "for i in range(0, 101, 25): print(f'\\r{i:3}% ', end='', flush=True)\n"
            "print('done')\n"
            "print('other', file=sys.stderr)"
        )
        await expect(console.outputs).to_have_text(
            [re.compile(r"red and any\s+100% done"), re.compile("other")]
        )
        red = console.last.locator(".ansi-red-fg")
        await expect(red).to_have_css("color", "rgb(179, 38, 30)")
        await expect(red).to_have_css("font-weight", "700")
        await expect(console.last.locator(".any-fg")).to_have_count(1)


async def test_a_progress_bar_is_one_line(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url) as console:
        await console.open()
        # As tqdm draws two bars, one below the other.
        await console.run(
            "import sys, time\n"
            "for i in range(20):\n"
            "    sys.stderr.write(f'\\router {i + 1}/20\\n\\rinner {i}\\x1b[A')\n"
            "    sys.stderr.flush(); time.sleep(0.01)\n"
        )
        await expect(console.outputs.locator(".row")).to_have_text(["outer 20/20\n", "inner 19\n"])


async def test_clearing_and_updating(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url) as console:
        await console.open()
        await console.run(
            "from IPython.display import clear_output, display\n"
            "for i in range(50):\n    clear_output(wait=True); print(i)"
        )
        await expect(console.outputs).to_have_text(["49"])
        await console.run("shown = display('first', display_id=True)")
        await expect(console.outputs).to_have_text(["'first'"])
        await console.run("for i in range(30): shown.update(i)")
        await expect(console.cells.nth(1).locator(".output")).to_have_text(["29"])


async def test_a_plot_a_table_and_a_traceback(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MPLCONFIGDIR", str(tmp_path / "matplotlib"))
    async with (
        ipykernel(tmp_path) as kernel,
        w2z(kernel) as served,
        console_page(tmp_path, served.url, height=1500) as console,
    ):
        await console.open()
        await console.run(PLOT)
        picture = console.last.get_by_role("img", name="<Figure size 600x300")
        await expect(picture).to_have_js_property("complete", True)
        assert await picture.evaluate("image => image.naturalWidth") > 200

        await console.run(TABLE)
        cell = console.frame().get_by_role("cell", name="343")
        await expect(cell).to_be_visible()
        await expect(cell).to_have_css("color", "rgb(1, 2, 3)")
        await expect(console.frame().locator("thead tr")).to_have_css("text-align", "left")
        assert await console.fits()

        await console.run("def f(n):\n    return 1 / n\nf(0)")
        await expect(console.outputs).to_contain_text(["ZeroDivisionError: division by zero"])
        await screenshot(console.page, "page-outputs.png")
        await console.page.emulate_media(color_scheme="dark")
        await screenshot(console.page, "page-outputs-dark.png")
        # Narrow, the table is as high as it is then.
        await console.page.set_viewport_size({"width": 390, "height": 844})
        await screenshot(console.page, "page-outputs-phone-dark.png")


async def test_formulas_markdown_and_json(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url, height=1000) as console:
        await console.open()
        await console.run(
            "from IPython.display import JSON, Latex, Markdown, Math, display\n"
            "display(Math(r'\\frac{a}{b}'), Latex(r'Euler: $e^{i\\pi} + 1 = 0$'))\n"
            "display(Markdown('# Head\\n\\n- a $x_1 y_1$\\n- **b**\\n\\n|a|b|\\n|-|-|\\n|1|2|'))\n"
            "JSON({'list': [1, None, True], 'deep': {'text': 'x'}}, expanded=True)"
        )
        await expect(console.last.locator(".latex .katex-html .mfrac")).to_have_count(1)
        await expect(console.outputs.nth(1)).to_contain_text("Euler:")
        markdown = console.last.locator(".markdown")
        await expect(markdown.get_by_role("heading", name="Head")).to_be_visible()
        await expect(markdown.locator("li .katex")).to_have_count(1)
        await expect(markdown.get_by_role("cell", name="2")).to_be_visible()
        json = console.last.locator(".json")
        await expect(json).not_to_contain_text("null")
        await json.get_by_text("list:").click()
        await expect(json).to_contain_text("null")
        fonts = await console.page.evaluate(
            "document.fonts.ready.then(() => [...document.fonts]"
            ".filter(font => font.status === 'loaded').map(font => font.family))"
        )
        assert "KaTeX_Main" in fonts
        await screenshot(console.page, "page-markdown.png")


async def test_what_the_kernel_sends_runs_nothing_and_loads_nothing(
    served: W2z, tmp_path: Path
) -> None:
    async with console_page(tmp_path, served.url) as console:
        await console.open()
        await console.run(EVIL)
        await expect(console.page.locator("iframe")).to_have_count(2)
        for frame in await console.page.locator("iframe").all():
            sandbox = await frame.get_attribute("sandbox")
            assert sandbox is not None
            assert "allow-scripts" not in sandbox
            assert "allow-same-origin" not in sandbox
        await expect(console.last.frame_locator("iframe").first.get_by_text("evil")).to_be_visible()
        await console.last.frame_locator("iframe").first.locator("a").click()
        await console.page.wait_for_load_state("networkidle")
        assert await console.page.evaluate("window.evil") is None
        for output in await console.outputs.all():
            assert "javascript:" not in await output.locator("> *").evaluate(
                "element => element.innerHTML + [...element.querySelectorAll('iframe')]"
                ".map(frame => frame.srcdoc)"
            )
        # The editor can be clicked: nothing lies over it.
        await console.editor.click()
        await expect(await console.run("6 * 7")).to_contain_text("42")
        # Nothing of it is but what the policy says of it.
        policy = "following Content Security Policy directive"
        console.complaints = [one for one in console.complaints if policy not in one]


async def test_output_that_needs_scripts_says_so(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url) as console:
        await console.open()
        await console.run(
            "from IPython.display import HTML, Javascript, display\n"
            "display(HTML('<div id=plot></div><script>plot()</script>'))\n"
            "Javascript('alert(1)')"
        )
        await expect(console.outputs.first).to_contain_text("IPython.core.display.HTML object")
        await expect(console.outputs.first).to_contain_text("needs scripts")
        await expect(console.outputs.last).to_contain_text("Javascript object")


async def test_what_a_question_mark_shows(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url) as console:
        await console.open()
        await expect(await console.run("len?")).to_contain_text("Return the number of items")


async def test_a_hundred_thousand_lines_and_a_key_is_answered(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url) as console:
        await console.open()
        page = console.page
        await console.begin("for i in range(100_000): print('line', i)")
        waits = await _keys_while_running(console)
        await expect(console.last).to_have_attribute("data-state", "done")
        await expect(console.last.locator(".text .about")).to_contain_text("100,000 lines")
        assert waits[-1] < 100, waits
        # Only what is seen is in the page, and all of it can be scrolled to.
        assert await page.locator("*").count() < 1500
        box = console.last.get_by_role("group", name="stdout: 100,000 lines")
        await expect(box.get_by_text("line 99999", exact=True)).to_be_visible()
        await box.evaluate("element => element.scrollTop = 0")
        await expect(box.get_by_text("line 0", exact=True)).to_be_visible()
        await box.press("End")
        await expect(box.get_by_text("line 99999", exact=True)).to_be_visible()
        await screenshot(page, "page-lines.png")


async def test_twenty_thousand_messages_and_a_key_is_answered(served: W2z, tmp_path: Path) -> None:
    async with console_page(tmp_path, served.url) as console:
        await console.open()
        await console.begin("for i in range(20_000): print('line', i, flush=True)")
        waits = await _keys_while_running(console)
        await expect(console.last).to_have_attribute("data-state", "done")
        # The kernel alone keeps a processor busy here; of many lines see above.
        assert waits[-1] < 1000, waits


async def _keys_while_running(console: ConsolePage) -> list[float]:
    """Press keys as long as the last cell runs; the milliseconds until each was answered, sorted.

    Those of one in twenty are left out: the processor is the kernel's and the test's, too.
    """
    keys, cell = console.page.keyboard, console.last
    await console.page.evaluate(LISTEN)
    many = 0
    while await cell.get_attribute("data-state") in ("waiting", "running"):
        await keys.press("x")
        many += 1
    assert many > 1, "the cell ran while keys were pressed"
    slow: list[float] = sorted(await console.page.evaluate("waits"))
    quick = [16.0] * (many - len(slow))
    return [*quick, *slow][: many - many // 20]
