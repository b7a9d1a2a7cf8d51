"""Who a session is to the kernel: the same again after a restart of w2z, and nobody else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.cable import cable
from tests.support.client import open_client, request
from tests.support.fake_kernel import FakeKernel, as_json, fake_kernel, header
from tests.support.kernels import answered, asked, ready, rest_of, within
from tests.support.serving import Served, serving
from tests.support.timing import QUICK
from w2z.message import Channel, Message


@pytest.fixture(params=[True, False], ids=["handover", "no handover"])
async def kernel(
    request: pytest.FixtureRequest, tmp_path: Path, no_stall: None
) -> AsyncIterator[FakeKernel]:
    """Kernels differ in what happens when an identity is there twice for a moment."""
    async with fake_kernel(tmp_path, handover=request.param) as found:
        yield found


@asynccontextmanager
async def run(kernel: FakeKernel, **settings: Any) -> AsyncIterator[Served]:
    """One run of w2z in front of the kernel, from its start to its end."""
    async with (
        serving(kernel.connection_file, timing=QUICK, **settings) as served,
        rest_of(served) as rest,
    ):
        await ready(rest)
        yield served


async def identity_of(kernel: FakeKernel, session: str | None, channel: str = "shell") -> bytes:
    """Under which identity a session speaks to the kernel, in a run of w2z of its own."""
    async with run(kernel) as served, open_client(served.url(session), "v1") as client:
        identity, _ = await asked(client, kernel, channel=channel)
        return identity


# The same again.


async def test_a_session_is_the_same_to_the_kernel_after_a_restart_of_w2z(
    kernel: FakeKernel,
) -> None:
    assert await identity_of(kernel, "a") == await identity_of(kernel, "a")


async def test_it_has_one_identity_on_all_channels(kernel: FakeKernel) -> None:
    """That is how a kernel's question finds who asked; and each is the same again."""
    found = {
        channel: await identity_of(kernel, "a", channel)
        for channel in ("shell", "stdin", "control")
    }
    assert len(set(found.values())) == 1, found


@pytest.mark.parametrize("wire", ["v1", "default"])
async def test_a_reply_to_what_was_asked_before_a_restart_of_w2z_arrives(
    kernel: FakeKernel, wire: str
) -> None:
    async with run(kernel) as served, open_client(served.url("a"), wire) as client:
        identity, cell = await asked(client, kernel)
    async with run(kernel) as served, open_client(served.url("a"), wire) as client:
        # It is known to the kernel again.
        await asked(client, kernel)
        await kernel.reply(identity, cell, "odd_reply", {"late": True})
        async with within(5, "the reply to what was asked before"):
            reply = await client.until("odd_reply")
        assert reply.content == {"late": True}
        assert reply.parent_header == json.loads(cell.header)


async def test_a_question_of_a_cell_from_before_a_restart_of_w2z_is_asked_and_answered(
    kernel: FakeKernel,
) -> None:
    async with run(kernel) as served, open_client(served.url("a"), "v1") as client:
        identity, cell = await asked(client, kernel)
    async with run(kernel) as served, open_client(served.url("a"), "v1") as client:
        await asked(client, kernel, channel="stdin")
        prompt = as_json({"prompt": "name? ", "password": False})
        question = Message(
            Channel.STDIN, as_json(header("input_request")), cell.header, b"{}", prompt
        )
        await kernel.send(identity, question)
        async with within(5, "the question"):
            assert (await client.until("input_request")).content["prompt"] == "name? "
        answer = request("input_reply", {"value": "Ann"}, channel="stdin")
        await client.send(answer)
        by, given = await kernel.received.get()
        assert by == identity
        assert json.loads(given.content) == {"value": "Ann"}


async def test_a_reply_to_what_was_asked_before_the_network_failed_arrives(
    kernel: FakeKernel, tmp_path: Path
) -> None:
    """The kernel is the same: nothing that it was asked is lost, and nothing is called lost."""
    fields = json.loads(kernel.connection_file.read_text())
    async with cable(f"tcp://127.0.0.1:{fields['iopub_port']}") as iopub:
        path = tmp_path / "through-the-cable.json"
        port = int(iopub.url.rpartition(":")[2])
        path.write_text(json.dumps({**fields, "iopub_port": port}))
        async with (
            serving(path, timing=QUICK) as served,
            rest_of(served) as rest,
            open_client(served.url("a"), "v1") as client,
        ):
            await ready(rest)
            identity, cell = await asked(client, kernel)
            with iopub.down():
                await ready(rest, 503)
            await ready(rest)
            # It is known to the kernel again.
            again, _ = await asked(client, kernel)
            assert again == identity
            await kernel.reply(identity, cell, "odd_reply", {"late": True})
            async with within(5, "the reply to what was asked before"):
                reply = await client.until("odd_reply")
            assert reply.content == {"late": True}


async def test_a_kernel_without_a_key_knows_its_sessions_again_too(tmp_path: Path) -> None:
    async with fake_kernel(tmp_path, key="") as kernel:
        assert await identity_of(kernel, "a") == await identity_of(kernel, "a")


@pytest.mark.parametrize("window", [0, 600])
async def test_a_session_that_comes_back_at_once_is_heard(
    kernel: FakeKernel, window: float
) -> None:
    """Its sockets of before may not be gone yet when it has new ones."""
    async with run(kernel, resume_window=window) as served:
        for _ in range(10):
            async with open_client(served.url("a"), "v1") as client, within(5, "an answer"):
                await answered(client, kernel)


async def test_a_session_is_heard_by_the_same_kernel_after_the_network_failed(
    kernel: FakeKernel, tmp_path: Path
) -> None:
    fields = json.loads(kernel.connection_file.read_text())
    async with cable(f"tcp://127.0.0.1:{fields['iopub_port']}") as iopub:
        path = tmp_path / "through-the-cable.json"
        port = int(iopub.url.rpartition(":")[2])
        path.write_text(json.dumps({**fields, "iopub_port": port}))
        async with (
            serving(path, timing=QUICK) as served,
            rest_of(served) as rest,
            open_client(served.url("a"), "v1") as client,
        ):
            for _ in range(5):
                await ready(rest)
                async with within(5, "an answer"):
                    await answered(client, kernel)
                with iopub.down():
                    await ready(rest, 503)


# Nobody else.


async def test_two_sessions_do_not_meet_in_one_identity(kernel: FakeKernel) -> None:
    names = ["a", "b", "A", "a ", "a\0", "ä", "x" * 255, "x" * 254 + "y"]
    found = {}
    async with run(kernel) as served:
        for name in names:
            # As part of a URL.
            quoted = "".join(f"%{byte:02x}" for byte in name.encode())
            async with open_client(served.url(quoted), "v1") as client:
                found[name], _ = await asked(client, kernel)
    assert len(set(found.values())) == len(names), found


async def test_their_replies_do_not_meet_either_after_a_restart_of_w2z(
    kernel: FakeKernel,
) -> None:
    same = request("odd_request")
    cells = {}
    async with run(kernel) as served:
        for name in ("ann", "ben"):
            async with open_client(served.url(name), "v1") as client:
                await client.send(same)
                cells[name] = await kernel.received.get()
    async with (
        run(kernel) as served,
        open_client(served.url("ann"), "v1") as ann,
        open_client(served.url("ben"), "v1") as ben,
    ):
        for client in (ann, ben):
            await asked(client, kernel)
        for name, (identity, cell) in cells.items():
            await kernel.reply(identity, cell, "odd_reply", {"for": name})
        for name, client in (("ann", ann), ("ben", ben)):
            async with within(5, f"the reply for {name}"):
                assert (await client.until("odd_reply")).content == {"for": name}


async def test_an_identity_is_not_told_by_the_sessions_name(
    kernel: FakeKernel, tmp_path: Path
) -> None:
    """Whoever reaches the kernel's port and knows a name must not be able to take its place."""
    name = "a-name-that-others-know"
    (tmp_path / "other").mkdir()
    async with fake_kernel(tmp_path / "other", key="another key") as other:
        other_identity = await identity_of(other, name)
    identity = await identity_of(kernel, name)
    assert identity != other_identity, "the same for every kernel"
    assert name.encode() not in identity
    for algorithm in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512", "blake2b", "blake2s"):
        digest = hashlib.new(algorithm, name.encode())
        for told in (digest.digest(), digest.hexdigest().encode()):
            assert told[:16] not in identity


async def test_an_identity_does_not_tell_the_kernels_key(tmp_path: Path) -> None:
    async with fake_kernel(tmp_path, key="a-key-in-clear") as kernel:
        identity = await identity_of(kernel, "a")
    assert b"a-key-in-clear" not in identity
    assert 1 <= len(identity) <= 255
    assert identity[0] != 0, "libzmq keeps these for itself"


async def test_nameless_sessions_are_never_the_same(kernel: FakeKernel) -> None:
    found = [await identity_of(kernel, None) for _ in range(2)]
    async with run(kernel) as served:
        for _ in range(2):
            async with open_client(served.url(), "v1") as client:
                found.append((await asked(client, kernel))[0])
    assert len(set(found)) == 4


async def test_w2zs_own_questions_are_not_answered_to_another_w2z(kernel: FakeKernel) -> None:
    """Two of them may serve one kernel, as while a deployment is rolled over."""
    own: set[bytes] = set()

    async def note(identity: bytes, message: Message) -> None:
        own.add(identity)
        await kernel.answer_info(identity, message)

    kernel.on_kernel_info = note
    async with run(kernel), run(kernel):
        assert len(own) == 2
