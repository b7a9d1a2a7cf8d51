"""``w2z check``: what serve would find, with the exit code that serve would have."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.support.fake_kernel import FakeKernel
from tests.support.signals import as_before
from w2z.errors import ExitCode
from w2z.serve.check import Finding, check
from w2z.settings import Settings

FINE = {"token": "a-token-for-tests", "port": 0, "host": "127.0.0.1"}


async def found(*, in_container: bool = False, **given: Any) -> list[Finding]:
    settings = Settings.model_validate({**FINE, **given})
    with as_before():
        return [one async for one in check(settings, in_container=in_container)]


async def the_one(told: str, **given: Any) -> Finding:
    """The one finding that says so; all others are fine."""
    findings = await found(**given)
    [one] = [one for one in findings if told in one.text]
    others = [other for other in findings if other is not one]
    assert all(not other.code and not other.is_doubtful for other in others), others
    return one


async def test_all_is_well(kernel: FakeKernel) -> None:
    findings = await found(connection_file=kernel.connection_file)
    assert all(not one.code and not one.is_doubtful for one in findings), findings
    told = " | ".join(one.text for one in findings)
    for text in ("the token is there", "temporary files can be", "a kernel accepts at tcp://"):
        assert text in told
    assert "127.0.0.1 port 0 is free, and would let in whoever is on this machine" in told


@pytest.mark.parametrize(
    ("given", "in_container", "who"),
    [
        ({}, False, "127.0.0.1 port 0 is free, and would let in whoever is on this machine and"),
        ({}, True, "0.0.0.0 port 0 is free, and would let in whoever reaches it and has the token"),
        ({"host": "0.0.0.0"}, False, "would let in whoever reaches it and has the token"),
    ],
)
async def test_it_says_who_could_get_in(
    kernel: FakeKernel, given: dict[str, Any], in_container: bool, who: str
) -> None:
    given = {"host": "auto", **given, "connection_file": kernel.connection_file}
    assert any(who in one.text for one in await found(in_container=in_container, **given))


async def test_nobody_is_kept_out(kernel: FakeKernel) -> None:
    given: dict[str, Any] = {"token": None, "no_auth": True, "host": "0.0.0.0"}
    one = await the_one(
        "whoever reaches the port can run code", connection_file=kernel.connection_file, **given
    )
    assert one.is_doubtful


async def test_a_port_that_is_taken(kernel: FakeKernel) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        one = await the_one("in use", connection_file=kernel.connection_file, port=port)
    assert one.code == ExitCode.LISTEN


async def test_a_token_file_that_is_not_there(kernel: FakeKernel, tmp_path: Path) -> None:
    given: dict[str, Any] = {"token": None, "token_file": tmp_path / "none"}
    one = await the_one("No such file", connection_file=kernel.connection_file, **given)
    assert one.code == ExitCode.TOKEN_FILE


async def test_folders_that_cannot_be_written_to(kernel: FakeKernel, tmp_path: Path) -> None:
    none = tmp_path / "none"
    one = await the_one(
        "cannot be written to", connection_file=kernel.connection_file, spill_dir=none
    )
    assert one.is_doubtful
    one = await the_one("audit log", connection_file=kernel.connection_file, audit_log=none / "log")
    assert one.code == ExitCode.USAGE


@pytest.mark.parametrize(
    ("content", "told", "code"),
    [
        (None, "w2z waits 60 s (--wait)", ExitCode.OK),
        ("[]", "connection file", ExitCode.CONNECTION_FILE),
        ("nobody", "no kernel accepts at tcp://127.0.0.1", ExitCode.OK),
    ],
)
async def test_a_connection_file_that_leads_nowhere(
    tmp_path: Path, unused_tcp_port: int, content: str | None, told: str, code: int
) -> None:
    path = tmp_path / "kernel.json"
    if content == "nobody":
        names = ("shell", "iopub", "stdin", "control", "hb")
        content = json.dumps({f"{name}_port": unused_tcp_port for name in names} | {"key": "k"})
    if content is not None:
        path.write_text(content)
    one = await the_one(told, connection_file=path)
    assert (one.code, one.is_doubtful) == (code, not code)


async def test_a_kernel_to_start(tmp_path: Path) -> None:
    assert (await the_one("the kernel is started by", kernel="python3")).code == 0
    one = await the_one("no kernelspec is called 'none'", kernel="none")
    assert one.code == ExitCode.USAGE
    one = await the_one("the kernel's program is not there: no-kernel", command=("no-kernel",))
    assert one.code == ExitCode.KERNEL_ENDED
