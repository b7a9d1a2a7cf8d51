"""The examples, as a newcomer runs them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import TOKEN, W2z, launched

EXAMPLES = Path(__file__).parents[2] / "examples"
PYTHON = ("--kernel", "python3")


def run(name: str, *arguments: str, token: str = "") -> tuple[int, str, str]:
    environment = {name: value for name, value in os.environ.items() if name != "W2Z_TOKEN"}
    if token:
        environment["W2Z_TOKEN"] = token
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_demo_starts_a_kernel_and_runs_code() -> None:
    code, out, _ = run("demo.py")
    assert code == 0
    assert "Hello from process" in out
    assert "\n42\n" in out


async def test_code_is_run_at_the_printed_url(tmp_path: Path) -> None:
    async with launched(tmp_path, *PYTHON) as served:
        with_token = f"{served.url}?token={TOKEN}"
        assert run("run_code.py", with_token, "print(6 * 7)") == (0, "42\n", "")
        assert run("run_code.py", served.url, "6 * 7", token=TOKEN) == (0, "42\n", "")
        code, out, _ = run("run_code.py", with_token, "1 / 0")
        assert code == 1
        assert "ZeroDivisionError" in out


async def test_a_kernel_that_dies_is_an_error(tmp_path: Path) -> None:
    async with launched(tmp_path, *PYTHON) as served:
        url = f"{served.url}?token={TOKEN}"
        code, out, err = run("run_code.py", url, "import os; os._exit(3)")
        assert (code, err) == (1, "")
        assert "the kernel ended with exit code 3" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "usage: run_code.py URL CODE"),
        (("http://127.0.0.1:1/", "1"), "Connect call failed"),
        (("nonsense", "1"), "run_code.py: "),
    ],
)
def test_what_is_wrong_is_said_in_one_line(arguments: tuple[str, ...], told: str) -> None:
    code, out, err = run("run_code.py", *arguments)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert told in err


async def test_a_wrong_token_is_said_in_one_line(served: W2z) -> None:
    code, _, err = run("run_code.py", served.url, "1", token="wrong")
    assert (code, err) == (2, "run_code.py: 403: the token is not valid\n")
