"""The page's own modules that need no browser, tested by Node.js."""

from __future__ import annotations

from pathlib import Path

from tests.support.processes import running

FOLDER = Path(__file__).parents[1] / "node/page"


async def test_the_modules_of_the_page() -> None:
    files = sorted(str(path) for path in FOLDER.glob("*.test.mjs"))
    assert len(files) == 3
    async with running("node", "--test", *files) as process:
        code = await process.end()
        await process.line(r"\(end of output\)")
        assert code == 0, process.output
        await process.line(r"fail 0$")
        assert int((await process.line(r"pass (\d+)$"))[1]) > 40
