"""jupyter_kernel_test: a remote kernel passes what the same kernel passes as a local one."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from tests.support.frontends import Desk, desk
from tests.support.processes import launched

MODULES = {"python": "ipykernel_launcher", "bash": "bash_kernel"}


@pytest.fixture
def here(tmp_path: Path) -> Desk:
    return desk(tmp_path)


async def outcomes(here: Desk, language: str, kernel: str) -> dict[str, str]:
    """What each test says: ``ok``, ``FAIL``, ``ERROR`` or why it was skipped."""
    async with here.run("-m", "tests.programs.kernel_tests", language, kernel) as process:
        await process.line("^Ran ")
        await process.end()
    found = re.findall(r"^(test_\w+) .*?\.\.\. (.*)$", process.output, re.MULTILINE)
    return dict(found)


@pytest.mark.parametrize("language", MODULES)
@pytest.mark.parametrize("options", [(), ("--provisioner",)], ids=["argv", "provisioner"])
async def test_a_remote_kernel_passes_what_a_local_one_passes(
    here: Desk, tmp_path: Path, language: str, options: tuple[str, ...]
) -> None:
    command = [sys.executable, "-m", MODULES[language], "-f", "{connection_file}"]
    local = here.folder / "jupyter_data_dir" / "kernels" / "near"
    local.mkdir(parents=True)
    spec = {"argv": command, "display_name": "near", "language": language}
    (local / "kernel.json").write_text(json.dumps(spec))
    folder = tmp_path / "there"
    folder.mkdir()
    async with launched(folder, "--", *command) as there:
        await there.ready()
        await here.install("far", there.url, *options)
        near, far = [await outcomes(here, language, name) for name in ("near", "far")]
    assert far == near
    passed = {name for name, outcome in far.items() if outcome == "ok"}
    assert {"test_kernel_info", "test_execute_stdout", "test_error", "test_completion"} <= passed
    assert len(passed) >= (10 if language == "python" else 4)
