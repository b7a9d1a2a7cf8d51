"""A connection file that leads nowhere: in part, altogether, or in no way that ZMQ can go."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.attaching import announced, until_announced
from tests.support.client import Client, Received, open_client, request, stdout
from tests.support.fake_kernel import FakeKernel, fake_kernel
from tests.support.kernels import (
    Kernels,
    answered,
    kernels_in,
    model_says,
    ready,
    rest_of,
    within,
)
from tests.support.log import Heard, listening
from tests.support.processes import running
from tests.support.rest import Rest
from tests.support.serving import Served, serving
from tests.support.timing import QUICK
from w2z.errors import ConnectionFileError
from w2z.message import Channel, Message

SOON = replace(QUICK, grace=0.05, dead_after=0.2)

PATIENT = replace(SOON, grace=5.0, nobody_after=60.0, never_there=60.0)
"""ZMQ may take a tenth of a second more for one socket to connect again than for another."""


@pytest.fixture
def heard(nothing_is_left: None) -> Iterator[Heard]:
    with listening() as found:
        yield found


@pytest.fixture
async def kernels(tmp_path: Path, no_stall: None) -> AsyncIterator[Kernels]:
    async with kernels_in(tmp_path) as found:
        yield found


@asynccontextmanager
async def served_at(path: Path, **settings: Any) -> AsyncIterator[tuple[Served, Rest]]:
    async with (
        serving(path, timing=SOON, **settings) as served,
        rest_of(served) as rest,
    ):
        yield served, rest


def fields(kernel: FakeKernel) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(kernel.connection_file.read_text())
    return found


def changed(kernel: FakeKernel, **more: Any) -> Path:
    """Another file beside the kernel's own, with other fields."""
    path = kernel.connection_file.with_name("changed.json")
    path.write_text(json.dumps({**fields(kernel), **more}))
    return path


async def until_dead(client: Client) -> list[Received]:
    async with within(5, "the word that there is no kernel"):
        return await until_announced(client, "dead")


async def marked(client: Client, kernel: FakeKernel) -> list[Received]:
    """What the client heard up to now."""
    await client.send(request("odd_request"))
    identity, asked = await kernel.received.get()
    await kernel.reply(identity, asked, "odd_reply", {})
    return await client.collect("odd_reply")


# Nobody at all.


async def test_where_nobody_listens_is_logged_with_host_and_port(
    kernels: Kernels, heard: Heard
) -> None:
    await kernels.hang_up()
    told = fields(kernels.now)
    async with served_at(kernels.now.connection_file) as (_, rest):
        await heard.line(rf"{re.escape(told['ip'])}:{told['shell_port']}\b")
        assert (await rest.ask("GET /readyz")).status == 503


async def test_it_is_logged_once_and_not_each_time_w2z_looks(
    kernels: Kernels, heard: Heard
) -> None:
    await kernels.hang_up()
    told = fields(kernels.now)
    address = rf"{re.escape(told['ip'])}:{told['shell_port']}\b"
    async with (
        served_at(kernels.now.connection_file) as (served, _),
        open_client(served.url("a"), "v1") as client,
    ):
        await heard.line(address)
        await until_dead(client)
        assert len(heard.matching(address)) == 1


def remove_sockets(folder: Path) -> None:
    for one in folder.glob("socket-*"):
        one.unlink()


async def test_where_a_unix_socket_is_not_there_is_logged_with_its_path(
    tmp_path: Path, heard: Heard
) -> None:
    async with fake_kernel(tmp_path, "ipc") as kernel:
        path = kernel.connection_file
    told = json.loads(path.read_text())
    remove_sockets(tmp_path)
    async with served_at(path) as (_, rest):
        await heard.line(re.escape(f"{told['ip']}-{told['shell_port']}"))
        assert (await rest.ask("GET /readyz")).status == 503


@pytest.mark.parametrize("ip", ["kernel.invalid", "2001:db8::1"], ids=["no such name", "no route"])
async def test_an_address_that_does_not_exist_is_logged(
    kernels: Kernels, heard: Heard, ip: str
) -> None:
    port = fields(kernels.now)["shell_port"]
    async with served_at(changed(kernels.now, ip=ip)) as (_, rest):
        await heard.line(re.escape(ip), rf"\b{port}\b")
        assert (await rest.ask("GET /readyz")).status == 503


async def test_a_client_is_told_that_nobody_is_there_and_why(kernels: Kernels) -> None:
    await kernels.hang_up()
    # So late that the client is there before, also on a machine with other work.
    late = replace(SOON, nobody_after=1.0, never_there=2.0)
    async with (
        serving(kernels.now.connection_file, timing=late) as served,
        rest_of(served) as rest,
        open_client(served.url("a"), "v1") as client,
    ):
        await client.send(request("execute_request", {"code": "1"}))
        found = await until_dead(client)
        said = [m for m in found if m.msg_type == "stream"]
        assert said, "a stream message gives the reason, before the status"
        assert said[0].content["name"] == "stderr"
        assert str(fields(kernels.now)["shell_port"]) in stdout(said) or "listens" in stdout(said)
        assert found[-1].content["reason"]
        await model_says(rest, "dead")
        assert (await rest.ask("GET /readyz")).status == 503


async def test_a_client_that_comes_after_that_is_told_at_once(
    kernels: Kernels, heard: Heard
) -> None:
    await kernels.hang_up()
    async with served_at(kernels.now.connection_file) as (served, rest):
        await model_says(rest, "dead")
        async with open_client(served.url("late"), "v1") as client:
            async with within(5, "a newcomer is told that the kernel is dead"):
                first = await client.recv()
            assert first.content["execution_state"] == "dead"


async def test_everything_works_when_the_kernel_comes_after_all(kernels: Kernels) -> None:
    await kernels.hang_up()
    async with (
        served_at(kernels.now.connection_file) as (served, rest),
        open_client(served.url("a"), "v1") as client,
    ):
        sent = await client.send(request("odd_request"))
        await until_dead(client)
        kernel = await kernels.start("first")
        async with within(10, "what was asked before the kernel was there"):
            identity, asked = await kernel.received.get()
        assert json.loads(asked.header) == sent
        await kernel.reply(identity, asked, "odd_reply", {})
        found = await client.collect("odd_reply")
        # The word "dead" has to be taken back.
        assert announced(found)[-1:] == ["idle"]
        await ready(rest)
        await model_says(rest, "idle")
        await answered(client, kernel)


async def test_a_kernel_that_is_a_moment_late_is_not_called_dead(kernels: Kernels) -> None:
    """Containers of a pod start in any order."""
    await kernels.hang_up()
    async with (
        serving(kernels.now.connection_file, timing=PATIENT) as served,
        rest_of(served) as rest,
        open_client(served.url("a"), "v1") as client,
    ):
        assert (await rest.ask("GET /readyz")).status == 503
        assert (await rest.kernel())["execution_state"] == "starting"
        kernel = await kernels.start("first")
        await ready(rest)
        assert announced(await marked(client, kernel)) == []


async def test_a_file_that_is_written_anew_leads_to_a_kernel_after_all(
    kernels: Kernels, tmp_path: Path, heard: Heard
) -> None:
    await kernels.hang_up()
    (tmp_path / "other").mkdir()
    async with (
        served_at(kernels.now.connection_file) as (served, rest),
        open_client(served.url("a"), "v1") as client,
        fake_kernel(tmp_path / "other") as other,
    ):
        await until_dead(client)
        kernels.now.connection_file.write_text(other.connection_file.read_text())
        await ready(rest)
        await answered(client, other)


# One port of several.


@contextlib.contextmanager
def free_port(ip: str) -> Iterator[int]:
    """A port that nobody listens at, nor will: taken, without listening."""
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind((ip, 0))
        yield taken.getsockname()[1]


async def never_ready(rest: Rest) -> None:
    """Ask often enough for the grace of a silent kernel to be over."""
    for _ in range(200):
        assert (await rest.ask("GET /readyz")).status == 503


@pytest.mark.parametrize("channel", ["iopub", "shell"])
async def test_a_port_where_nobody_is_is_logged_and_the_kernel_never_ready(
    kernels: Kernels, heard: Heard, channel: str
) -> None:
    ip = fields(kernels.now)["ip"]
    with free_port(ip) as port:
        async with served_at(changed(kernels.now, **{f"{channel}_port": port})) as (_, rest):
            await heard.line(re.escape(f"tcp://{ip}:{port}"), channel)
            await never_ready(rest)


async def test_it_is_ready_when_its_iopub_is_reached_after_all(
    kernels: Kernels, heard: Heard
) -> None:
    """As when the missing port is forwarded: nothing has to be started again."""
    kernel, ip = kernels.now, fields(kernels.now)["ip"]
    with free_port(ip) as port:
        async with served_at(changed(kernel, iopub_port=port)) as (served, rest):
            await heard.line(re.escape(f"tcp://{ip}:{port}"), "iopub")
            kernel.socket(Channel.IOPUB).bind(f"tcp://{ip}:{port}")
            await ready(rest)
            async with open_client(served.url("a"), "v1") as client:
                await kernel.iopub("stream", {"name": "stdout", "text": "here"})
                async with within(5, "output that came after /readyz had said 200"):
                    assert (await client.until("stream")).content["text"] == "here"
                await answered(client, kernel)


@pytest.mark.parametrize("channel", ["control", "stdin", "hb"])
async def test_a_kernel_without_one_of_the_other_ports_is_ready(
    kernels: Kernels, channel: str
) -> None:
    """Some have no heartbeat, and IRuby no control; their cells run all the same."""
    with free_port(fields(kernels.now)["ip"]) as port:
        async with (
            served_at(changed(kernels.now, **{f"{channel}_port": port})) as (served, rest),
            open_client(served.url("a"), "v1") as client,
        ):
            await ready(rest)
            await answered(client, kernels.now)


async def test_a_kernel_that_is_merely_silent_on_iopub_is_ready_after_the_grace(
    kernels: Kernels, heard: Heard
) -> None:
    kernel = kernels.now

    async def answer_silently(identity: bytes, asked: Message) -> None:
        await kernel.reply(identity, asked, "kernel_info_reply", kernel.info)

    kernel.on_kernel_info = answer_silently
    async with (
        served_at(kernel.connection_file) as (served, rest),
        open_client(served.url("a"), "v1") as client,
    ):
        await ready(rest)
        await answered(client, kernel)
        assert announced(await marked(client, kernel)) == []
    assert not heard.matching("nobody listens")


# A file that ZMQ refuses.

REFUSED: dict[str, dict[str, Any]] = {
    "spaces": {"ip": "no such host!"},
    "a slash": {"ip": "here/there"},
    "not ASCII": {"ip": "künstlich.example"},
    "a NUL": {"ip": "127.0.0.1\0"},
    "empty brackets": {"ip": "[]"},
    "half a bracket": {"ip": "[::1"},
    "brackets and more": {"ip": "[::1]x"},
    "only spaces": {"ip": "  "},
    "a long path": {"transport": "ipc", "ip": "/tmp/" + "x" * 120},
    "a path with a NUL": {"transport": "ipc", "ip": "/tmp/socket\0"},
}
unusable = pytest.mark.parametrize("wrong", REFUSED.values(), ids=list(REFUSED))


@unusable
async def test_a_file_that_zmq_refuses_is_told_in_one_line_at_the_start(
    kernels: Kernels, wrong: dict[str, Any]
) -> None:
    path = changed(kernels.now, **wrong)
    with pytest.raises(ConnectionFileError) as refused:
        async with serving(path):
            pass
    assert refused.value.exit_code == 3
    told = str(refused.value)
    assert str(path) in told
    assert "ip" in told.partition(str(path))[2]
    assert len(told.splitlines()) == 1


@pytest.mark.parametrize("wrong", [REFUSED["spaces"], REFUSED["a long path"]])
async def test_the_program_says_so_in_one_line_and_ends_with_3(
    kernels: Kernels, wrong: dict[str, Any]
) -> None:
    path = changed(kernels.now, **wrong)
    command = (sys.executable, "-m", "w2z", "--connection-file", str(path), "--port", "0")
    environment = {**os.environ, "W2Z_TOKEN": "some-token"}
    async with running(*command, env=environment) as process:
        assert await process.end() == 3
        await process.line(r"\(end of output\)")
    assert "Traceback" not in process.output
    assert len(process.lines) == 2, process.output
    assert process.lines[0].startswith("w2z: connection file")


@unusable
async def test_such_a_file_written_while_serving_changes_nothing(
    kernels: Kernels, tmp_path: Path, heard: Heard, wrong: dict[str, Any]
) -> None:
    kernel = kernels.now
    (tmp_path / "other").mkdir()
    async with (
        served_at(kernel.connection_file) as (served, rest),
        open_client(served.url("a"), "v1") as client,
        fake_kernel(tmp_path / "other") as other,
    ):
        await ready(rest)
        other.session = "second"
        kernel.connection_file.write_text(json.dumps({**fields(kernel), **wrong}))
        await heard.line("cannot be used")
        assert len(heard.matching("cannot be used")) == 1
        await answered(client, kernel)
        assert (await rest.ask("GET /readyz")).status == 200
        # A good one is taken.
        kernel.connection_file.write_text(other.connection_file.read_text())
        assert announced(await until_announced(client, "idle")) == ["restarting", "idle"]
        await answered(client, other)


async def test_an_address_of_one_link_only_is_taken(kernels: Kernels, heard: Heard) -> None:
    """It is an address, though nobody be there: the file can be used."""
    async with served_at(changed(kernels.now, ip="fe80::1%lo")) as (_, rest):
        assert (await rest.ask("GET /livez")).status == 200
    assert not heard.matching("cannot be used")
