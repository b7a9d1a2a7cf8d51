"""The REST API of a Jupyter server with one kernel: every route as unmodified clients check it."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.client import open_client, request, stdout
from tests.support.fake_kernel import FakeKernel, header
from tests.support.raw_http import Answer, raw_http
from tests.support.rest import Rest
from tests.support.serving import QUICK, TOKEN, Served, retime, serving
from tests.support.waiting import LONG, TURN, within
from w2z import __version__
from w2z.message import Message

AUTH = f"Authorization: token {TOKEN}"
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
ONE = "/api/kernels/the-kernel"
ORIGIN = "https://lab.example"


class Client(Rest):
    """A client with the token."""

    async def get(self, path: str) -> Any:
        """The JSON at a path that has to be there."""
        answer = await self.ask(f"GET {path}")
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        return answer.json

    async def until(self, path: str, field: str, value: Any) -> None:
        """Look until a field has a value."""
        async with within(LONG, f"{field} of {path} is {value}"):
            while (await self.ask(f"GET {path}")).json[field] != value:
                await asyncio.sleep(TURN)


@asynccontextmanager
async def rest_of(served: Served) -> AsyncIterator[Client]:
    async with raw_http(served.host, served.port) as http:
        yield Client(http, AUTH)


@pytest.fixture
async def rest(served: Served) -> AsyncIterator[Client]:
    async with rest_of(served) as found:
        await found.until("/readyz", "ready", True)
        await found.until(ONE, "execution_state", "idle")
        yield found


def timeless(value: Any) -> str:
    """It without its times: the kernel may still answer what it was asked before it was ready."""
    return TIMESTAMP.sub("", json.dumps(value))


def is_kernel(value: Any, **expected: Any) -> bool:
    """Whether it is a kernel model, no field more or less."""
    assert set(value) == {"id", "name", "last_activity", "execution_state", "connections"}
    assert TIMESTAMP.fullmatch(value["last_activity"])
    known = {"id": "the-kernel", "name": "fake", "execution_state": "idle", "connections": 0}
    found = {key: value[key] for key in known}
    return found == {**known, **expected}


def is_session(value: Any, path: str, name: str, type_: str) -> bool:
    """Whether it is a session model, no field more or less."""
    notebook = {"notebook": {"path": path, "name": name}} if type_ == "notebook" else {}
    known = {"path": path, "name": name, "type": type_, **notebook}
    assert set(value) == {"id", "kernel", *known}
    assert is_kernel(value["kernel"])
    return bool(value["id"]) and {key: value[key] for key in known} == known


def is_error(answer: Answer, status: int, told: str) -> bool:
    """Whether it is an error in Jupyter's shape that says so."""
    assert answer.status == status
    assert answer.headers["content-type"] == "application/json"
    assert set(answer.json) == {"message", "reason"}
    assert answer.json["reason"] is None
    assert told in answer.json["message"]
    return True


def is_empty(answer: Answer) -> bool:
    """Whether it is 204, of which JupyterLab accepts no other shape."""
    assert answer.status == 204
    return answer.body == b"" and not {"content-type", "content-length"} & set(answer.headers)


async def control(kernel: FakeKernel, msg_type: str) -> tuple[bytes, Message]:
    """The next request on control has to be this."""
    identity, message = await kernel.received.get()
    assert (message.channel, json.loads(message.header)["msg_type"]) == ("control", msg_type)
    return identity, message


async def answer(kernel: FakeKernel, kind: str, **content: Any) -> Any:
    """Wait for the request of that kind on control, answer it, and give its content."""
    identity, message = await control(kernel, f"{kind}_request")
    await kernel.reply(identity, message, f"{kind}_reply", {"status": "ok", **content})
    return json.loads(message.content)


async def replace(kernel: FakeKernel, session: str = "another kernel") -> None:
    """End when asked to, and come back as another kernel."""
    assert await answer(kernel, "shutdown", restart=True) == {"restart": True}
    kernel.session = session


# The server.


async def test_the_server_tells_about_itself(rest: Client) -> None:
    assert await rest.get("/api") == {"version": "2.21.1"}
    assert await rest.get("/api/") == {"version": "2.21.1"}
    status = await rest.get("/api/status")
    assert set(status) == {"connections", "kernels", "last_activity", "started"}
    assert (status["connections"], status["kernels"]) == (0, 1)
    assert TIMESTAMP.fullmatch(status["last_activity"])
    assert TIMESTAMP.fullmatch(status["started"])
    me = await rest.get("/api/me")
    assert me["identity"]["username"] == "w2z"
    assert set(me["identity"]) >= {"name", "display_name", "initials", "avatar_url", "color"}
    assert me["permissions"] == {}
    asked = '/api/me?permissions={"kernels":["read","execute"]}'
    assert (await rest.get(quote(asked, safe="/?=")))["permissions"] == {
        "kernels": ["read", "execute"]
    }
    assert (await rest.ask("GET /api/me?permissions=[]")).status == 400
    assert await rest.get("/api/terminals") == []
    contents = await rest.get("/api/contents")
    assert (contents["type"], contents["content"], contents["writable"]) == ("directory", [], False)
    assert TIMESTAMP.fullmatch(contents["last_modified"])


@pytest.mark.parametrize("path", ["/tree?", "/login", "/hub/api", "/lab", "/api/nothing"])
async def test_there_are_no_pages(rest: Client, path: str) -> None:
    """VS Code takes a redirect to a login page for a server with a password."""
    assert is_error(await rest.ask(f"GET {path}"), 404, "nothing at this path")


async def test_the_front_page_says_what_this_is_and_needs_no_token(served: Served) -> None:
    """Load balancers ask there whether a server is well."""
    async with raw_http(served.host, served.port) as http:
        answer = await http.ask("GET /")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert b"This is w2z" in answer.body


async def test_timestamps_have_six_digits_on_the_second_too(served: Served, rest: Client) -> None:
    served.bridge.started = served.bridge.started.replace(microsecond=0)
    assert (await rest.get("/api/status"))["started"].endswith(".000000Z")


# Kernels.


async def test_the_kernel_is_listed_and_shown(rest: Client) -> None:
    [listed] = await rest.get("/api/kernels")
    assert is_kernel(listed)
    assert timeless(await rest.get(ONE)) == timeless(listed)


@pytest.mark.parametrize("suffix", ["?1700000000000", "/", "/?1700000000000", "?token=&_=&x"])
async def test_cache_busters_and_trailing_slashes_change_nothing(rest: Client, suffix: str) -> None:
    for path in ("/api/kernels", ONE, "/api/kernelspecs", "/api/sessions", "/api/status"):
        assert timeless(await rest.get(path + suffix)) == timeless(await rest.get(path))


@pytest.mark.parametrize(
    "body",
    [
        None,
        b"{}",
        b" \n",
        {"name": "python3", "path": None},
        {"name": "a name nobody has heard of", "path": "a/b"},
        {"name": "python3", "env": {"KERNEL_LAUNCH_TIMEOUT": "40", "KERNEL_WORKING_DIR": "/x"}},
        {"unknown": 1},
    ],
    ids=str,
)
async def test_starting_a_kernel_gives_the_one_there_is(rest: Client, body: Any) -> None:
    for lines in ((), ("Content-Type: application/json",), ("Content-Type: text/plain;x=y",)):
        started = await rest.ask("POST /api/kernels", body, *lines)
        assert started.status == 201
        assert started.headers["location"] == ONE
        assert is_kernel(started.json)


async def test_starting_a_kernel_needs_no_word_about_its_body(rest: Client) -> None:
    started = await rest.http.ask("POST /api/kernels", AUTH)
    assert (started.status, started.json["id"]) == (201, "the-kernel")


async def test_the_location_is_below_the_base_url(kernel: FakeKernel) -> None:
    async with (
        serving(kernel.connection_file, base_url="user/anna%20b", kernel_id="one") as served,
        rest_of(served) as rest,
    ):
        started = await rest.ask("POST /user/anna%20b/api/kernels")
        assert started.headers["location"] == "/user/anna%20b/api/kernels/one"
        shown = await rest.ask(f"GET {started.headers['location']}")
        assert shown.json["id"] == "one"


@pytest.mark.parametrize("base", ["/", "/user/anna/"])
async def test_a_url_that_ends_in_a_slash_may_be_given_to_any_client(
    kernel: FakeKernel, base: str
) -> None:
    """jupyter_kernel_client appends ``/api/kernels`` to it as it is, and follows redirects."""
    async with serving(kernel.connection_file, base_url=base) as served, rest_of(served) as rest:
        for slashes in ("/", "//"):
            sent = await rest.ask(f"POST {base}{slashes}api/kernels?a=1")
            assert is_error(sent, 308, "too many slashes")
            # A proxy that has a rule for this path sees it now.
            assert sent.headers["location"] == f"{base}api/kernels?a=1"
        assert (await rest.ask(f"POST {sent.headers['location']}")).status == 201
        for elsewhere in (f"/{base}api/kernels" if base != "/" else "//x", f"{base}api//kernels"):
            assert (await rest.ask(f"GET {elsewhere}")).status == 404
        for encoded in ("api%2Fkernels", "%61pi/kernels", "/api%2fkernels"):
            assert (await rest.ask(f"GET {base}{encoded}")).status == 404
        async with open_client(served.url(path=f"{base}/channels"), "v1"):
            pass


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"{", "the body: Invalid JSON"),
        (b"name=python3", "the body: Invalid JSON"),
        (b"[]", "the body: Input should be an object"),
        ({"name": 3}, "name: "),
        ({"env": "x"}, "env: "),
        ({"path": "x" * 5000}, "path: "),
    ],
)
async def test_a_bad_body_is_400_and_named(rest: Client, body: Any, told: str) -> None:
    assert is_error(await rest.ask("POST /api/kernels", body), 400, told)
    assert is_kernel(await rest.get(ONE))


async def test_a_body_that_is_too_large_is_413(rest: Client) -> None:
    refused = await rest.ask("POST /api/kernels", {"path": "x" * 2**20})
    assert is_error(refused, 413, "1048576 bytes")
    assert await rest.http.is_closed()


@pytest.mark.parametrize(
    "line",
    [
        "GET /api/kernels/other",
        "DELETE /api/kernels/other",
        "POST /api/kernels/other/interrupt",
        "POST /api/kernels/other/restart",
        "GET /api/kernels/other/channels",
    ],
)
async def test_another_kernel_does_not_exist(kernel: FakeKernel, rest: Client, line: str) -> None:
    assert is_error(await rest.ask(line), 404, "Kernel does not exist: other")
    assert kernel.received.empty()


@pytest.mark.parametrize("path", ["/api/kernels", "/api/sessions", f"{ONE}/interrupt"])
async def test_a_method_that_is_not_there_is_405(rest: Client, path: str) -> None:
    refused = await rest.ask(f"PUT {path}", b"{}")
    assert is_error(refused, 405, "PUT is not allowed here")
    allowed = {"POST", "OPTIONS"} | (set() if "interrupt" in path else {"GET", "HEAD"})
    assert set(refused.headers["allow"].split(", ")) == allowed


@pytest.mark.parametrize(
    "line",
    [
        "GET /api/status",
        "GET /api/me",
        "GET /api/kernels",
        "POST /api/kernels",
        f"GET {ONE}",
        f"DELETE {ONE}",
        f"POST {ONE}/interrupt",
        f"POST {ONE}/restart",
        "GET /api/kernelspecs",
        "GET /api/kernelspecs/fake",
        "GET /kernelspecs/fake/logo-64x64.png",
        "GET /api/sessions",
        "POST /api/sessions",
        "GET /api/sessions/x",
        "PATCH /api/sessions/x",
        "DELETE /api/sessions/x",
        "GET /api/contents",
        "GET /api/terminals",
    ],
)
async def test_everything_but_the_version_needs_the_token(
    kernel: FakeKernel, rest: Client, line: str
) -> None:
    length = "Content-Length: 0"
    assert is_error(await rest.http.ask(line, length), 401, "a token is needed")
    assert is_error(await rest.http.ask(f"{line}?token=x", length), 403, "not valid")
    assert kernel.received.empty()


# What the kernel is doing.


async def test_a_kernel_that_says_nothing_is_starting(kernel: FakeKernel) -> None:
    asked = asyncio.Event()

    async def say_nothing(identity: bytes, message: Message) -> None:
        asked.set()

    kernel.on_kernel_info = say_nothing
    async with serving(kernel.connection_file) as served, rest_of(served) as rest:
        await asked.wait()
        assert is_kernel(await rest.get(ONE), execution_state="starting")
        kernel.on_kernel_info = kernel.answer_info
        await rest.until(ONE, "execution_state", "idle")


async def test_a_control_request_does_not_make_a_busy_kernel_idle(
    kernel: FakeKernel, served: Served, rest: Client
) -> None:
    async with open_client(served.url("a"), "v1") as client:
        cell, other = header("execute_request"), header("debug_request")
        for parent, state, shown in [
            (cell, "busy", "busy"),
            (other, "busy", "busy"),
            (other, "idle", "busy"),
            (cell, "idle", "idle"),
        ]:
            await kernel.iopub("status", {"execution_state": state}, parent)
            await client.until("status", parent)
            assert is_kernel(await rest.get(ONE), execution_state=shown, connections=1)


async def test_connections_are_counted(served: Served, rest: Client) -> None:
    async with open_client(served.url("a"), "v1"):
        assert is_kernel(await rest.get(ONE), connections=1)
        async with open_client(served.url(), "default"):
            assert is_kernel(await rest.get(ONE), connections=2)
            assert (await rest.get("/api/status"))["connections"] == 2
        assert is_kernel(await rest.get(ONE), connections=1)
        [listed] = await rest.get("/api/sessions")
        assert listed["kernel"]["connections"] == 1
    assert is_kernel(await rest.get(ONE))


async def test_output_is_activity(kernel: FakeKernel, served: Served, rest: Client) -> None:
    before = (await rest.get(ONE))["last_activity"]
    async with open_client(served.url("a"), "v1") as client:
        await kernel.iopub("stream", {"name": "stdout", "text": "x"})
        await client.until("stream")
    after = (await rest.get(ONE))["last_activity"]
    assert after > before
    assert (await rest.get("/api/status"))["last_activity"] == after


# Interrupt.


@pytest.mark.parametrize("body", [None, b"{}"])
async def test_interrupt_is_204_once_the_kernel_says_so(
    kernel: FakeKernel, rest: Client, body: Any
) -> None:
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(rest.ask(f"POST {ONE}/interrupt", body))
        identity, message = await control(kernel, "interrupt_request")
        assert not asked.done()
        await kernel.reply(identity, message, "interrupt_reply", {"status": "ok"})
    assert is_empty(await asked)
    assert is_kernel(await rest.get(ONE))


async def test_a_kernel_that_does_not_answer_an_interrupt_is_504(
    kernel: FakeKernel, rest: Client, served: Served
) -> None:
    retime(served, interrupt=0.01)
    refused = await rest.ask(f"POST {ONE}/interrupt")
    assert is_error(refused, 504, "the kernel did not answer interrupt_request within 0.01 seconds")
    assert await answer(kernel, "interrupt") == {}, "it may answer late"
    assert is_kernel(await rest.get(ONE))


async def test_a_kernel_that_refuses_an_interrupt_is_504(kernel: FakeKernel, rest: Client) -> None:
    async with asyncio.TaskGroup() as tasks:
        asked = tasks.create_task(rest.ask(f"POST {ONE}/interrupt"))
        await answer(kernel, "interrupt", status="error", evalue="not on this platform")
    assert is_error(await asked, 504, "refused to be interrupted: not on this platform")


# Restart.


@pytest.mark.parametrize("body", [None, b"{}"])
async def test_restart_is_200_once_another_kernel_answers(
    kernel: FakeKernel,
    served: Served,
    rest: Client,
    body: Any,
) -> None:
    async with open_client(served.url("a"), "v1") as client, rest_of(served) as other:
        async with asyncio.TaskGroup() as tasks:
            asked = tasks.create_task(rest.ask(f"POST {ONE}/restart", body))
            identity, message = await control(kernel, "shutdown_request")
            assert json.loads(message.content) == {"restart": True}
            # Asked again and again meanwhile, the kernel that is to end does not count.
            assert (await other.ask("GET /readyz")).status == 503
            await kernel.reply(identity, message, "shutdown_reply", {"restart": True})
            assert not asked.done()
            kernel.session = "another kernel"
        assert (await asked).status == 200
        assert is_kernel((await asked).json, connections=1)
        assert (await other.ask("GET /readyz")).status == 200
        # The websocket is still there, and so is the way to the kernel.
        sent = await client.send(request("odd_request"))
        identity, message = await kernel.received.get()
        assert json.loads(message.header) == sent
        await kernel.reply(identity, message, "odd_reply", {})
        await client.until("odd_reply", sent)


async def test_a_restart_without_a_goodbye_counts_all_the_same(
    kernel: FakeKernel, rest: Client, served: Served
) -> None:
    retime(served, end=0.01)
    kernel.session = "another kernel"
    restarted = await rest.ask(f"POST {ONE}/restart")
    assert (restarted.status, is_kernel(restarted.json)) == (200, True)


async def test_what_ran_before_a_restart_does_not_run_after_it(
    kernel: FakeKernel, served: Served, rest: Client
) -> None:
    cell = header("execute_request")
    async with open_client(served.url("a"), "v1") as client, asyncio.TaskGroup() as tasks:
        await kernel.iopub("status", {"execution_state": "busy"}, cell)
        await client.until("status", cell)
        assert is_kernel(await rest.get(ONE), execution_state="busy", connections=1)
        restarting = tasks.create_task(rest.ask(f"POST {ONE}/restart"))
        await control(kernel, "interrupt_request")
        await replace(kernel)
        assert is_kernel((await restarting).json, connections=1)


async def test_a_restart_that_fails_is_504_and_the_old_kernel_goes_on(
    kernel: FakeKernel, served: Served, rest: Client
) -> None:
    retime(served, end=0.01)
    retime(served, restart=0.1)
    async with open_client(served.url("a"), "v1", max_queue=None) as client:
        refused = await rest.ask(f"POST {ONE}/restart")
        assert is_error(refused, 504, "no other kernel was there 0.1 seconds after")
        await control(kernel, "shutdown_request")
        await rest.until("/readyz", "ready", True)
        await rest.until(ONE, "execution_state", "idle")
        sent = await client.send(request("odd_request"))
        _, message = await kernel.received.get()
        assert json.loads(message.header) == sent
        # A second try may find another one.
        retime(served, restart=60)
        kernel.session = "another kernel"
        assert (await rest.ask(f"POST {ONE}/restart")).status == 200


async def test_two_restarts_at_once_are_two_restarts(
    kernel: FakeKernel, served: Served, rest: Client
) -> None:
    async with rest_of(served) as other, asyncio.TaskGroup() as tasks:
        asked = [tasks.create_task(r.ask(f"POST {ONE}/restart")) for r in (rest, other)]
        for session in ("second", "third"):
            identity, message = await control(kernel, "shutdown_request")
            assert kernel.received.empty(), "one after the other"
            await kernel.reply(identity, message, "shutdown_reply", {"restart": True})
            kernel.session = session
    assert [(await one).status for one in asked] == [200, 200]


async def test_a_kernel_restarted_before_it_was_ready_does_not_count_as_another(
    kernel: FakeKernel,
) -> None:
    """What it says of itself comes when it was told to end already."""
    waiting: list[tuple[bytes, Message]] = []

    async def wait(identity: bytes, message: Message) -> None:
        waiting.append((identity, message))

    kernel.on_kernel_info = wait
    async with (
        serving(kernel.connection_file) as served,
        rest_of(served) as rest,
        rest_of(served) as other,
        asyncio.TaskGroup() as tasks,
    ):
        asked = tasks.create_task(rest.ask(f"POST {ONE}/restart"))
        identity, message = await control(kernel, "shutdown_request")
        kernel.on_kernel_info = kernel.answer_info
        for told in waiting:
            await kernel.answer_info(*told)
        assert (await other.ask("GET /readyz")).status == 503
        await kernel.reply(identity, message, "shutdown_reply", {"restart": True})
        assert (await other.ask("GET /readyz")).status == 503
        assert not asked.done()
        kernel.session = "another kernel"
        assert (await asked).status == 200
        assert served.bridge.kernel.is_ready


# Delete.


async def delete(rest: Client, path: str = ONE) -> None:
    assert is_empty(await rest.ask(f"DELETE {path}"))


async def test_delete_keeps_the_kernel_unless_told_otherwise(
    kernel: FakeKernel, served: Served, rest: Client
) -> None:
    async with open_client(served.url("a"), "v1") as client:
        await rest.ask("POST /api/sessions", {"path": "x", "type": "notebook"})
        await delete(rest)
        await delete(rest)
        assert len(await rest.get("/api/sessions")) == 1, "its documents are closed"
        assert is_kernel(await rest.get(ONE), connections=1)
        assert kernel.received.empty()
        await client.send(request("odd_request"))
        await kernel.received.get()
    assert not served.stopped.is_set()


async def test_delete_may_restart_the_kernel(kernel: FakeKernel) -> None:
    async with (
        serving(kernel.connection_file, on_delete="restart") as served,
        rest_of(served) as rest,
    ):
        await rest.until("/readyz", "ready", True)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(delete(rest))
            await replace(kernel, "second")
        assert (await rest.get(ONE))["execution_state"] == "idle"
        created = await rest.ask("POST /api/sessions", {"path": "x", "type": "notebook"})
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(delete(rest, f"/api/sessions/{created.json['id']}"))
            await replace(kernel, "third")
        assert len(await rest.get("/api/sessions")) == 1
        assert not served.stopped.is_set()


async def test_who_comes_after_a_delete_that_restarts_is_shown_nothing_of_before(
    kernel: FakeKernel,
) -> None:
    async with (
        serving(kernel.connection_file, on_delete="restart") as served,
        rest_of(served) as rest,
    ):
        await rest.until("/readyz", "ready", True)
        async with open_client(served.url("old"), "v1") as old:
            await kernel.iopub("stream", {"name": "stdout", "text": "a secret"})
            await old.until("stream")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(delete(rest))
            await replace(kernel, "second")
        await kernel.iopub("stream", {"name": "stdout", "text": "of now"})
        async with open_client(f"{served.url('new')}&replay=all", "v1") as new:
            shown = await new.collect("stream")
        assert shown[-1].content["text"] == "of now"
        assert "a secret" not in stdout(shown)


async def test_delete_may_restart_a_kernel_that_does_not_come_back(kernel: FakeKernel) -> None:
    async with (
        serving(
            kernel.connection_file,
            timing=dataclasses.replace(QUICK, end=0.01, restart=0.01),
            on_delete="restart",
        ) as served,
        rest_of(served) as rest,
    ):
        await rest.until("/readyz", "ready", True)
        assert is_error(await rest.ask(f"DELETE {ONE}"), 504, "no other kernel was there")
        await rest.until("/readyz", "ready", True)


async def test_delete_may_stop_the_kernel_and_w2z(kernel: FakeKernel) -> None:
    async with (
        serving(kernel.connection_file, on_delete="stop") as served,
        rest_of(served) as rest,
        asyncio.TaskGroup() as tasks,
    ):
        tasks.create_task(delete(rest))
        assert await answer(kernel, "shutdown", restart=False) == {"restart": False}
        await served.stopped.wait()


async def test_delete_stops_w2z_though_the_kernel_is_silent(kernel: FakeKernel) -> None:
    async with (
        serving(
            kernel.connection_file, timing=dataclasses.replace(QUICK, end=0.01), on_delete="stop"
        ) as served,
        rest_of(served) as rest,
    ):
        [own] = await rest.get("/api/sessions")
        await delete(rest, f"/api/sessions/{own['id']}")
        assert served.stopped.is_set()


# Kernelspecs.

INFO = {
    "status": "ok",
    "protocol_version": "5.4",
    "implementation": "Fake",
    "implementation_version": "1.2",
    "language_info": {"name": "python", "version": "3.13.1", "mimetype": "text/x-python"},
}


@pytest.fixture
def jupyter_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Where kernelspecs may be installed."""
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "share"))
    return tmp_path / "share"


def install(jupyter_path: Path, name: str, spec: Mapping[str, Any] | str) -> None:
    folder = jupyter_path / "kernels" / name
    folder.mkdir(parents=True)
    text = spec if isinstance(spec, str) else json.dumps(spec)
    (folder / "kernel.json").write_text(text)


async def test_a_kernel_without_an_installed_spec_describes_itself(
    kernel: FakeKernel, jupyter_path: Path
) -> None:
    kernel.info = INFO
    given: dict[str, Any] = {"image": "img@sha256:12", "labels": {"a": "b"}}
    async with serving(kernel.connection_file, **given) as served, rest_of(served) as rest:
        specs = await rest.get("/api/kernelspecs")
        assert await rest.get("/api/kernelspecs/fake") == specs["kernelspecs"]["fake"]
        refused = await rest.ask("GET /api/kernelspecs/other")
        assert is_error(refused, 404, "Kernel spec other not found")
        assert (await rest.ask("GET /kernelspecs/fake/logo-64x64.png")).status == 404
    assert specs == {
        "default": "fake",
        "kernelspecs": {
            "fake": {
                "name": "fake",
                "spec": {
                    "argv": [],
                    "env": {},
                    "display_name": "Python 3.13.1",
                    "language": "python",
                    "interrupt_mode": "signal",
                    "metadata": {
                        "mimetype": "text/x-python",
                        "w2z": {
                            "version": __version__,
                            "labels": {"a": "b"},
                            "image": {"reference": "img@sha256:12", "digest": "sha256:12"},
                            "implementation": "Fake",
                            "implementation_version": "1.2",
                            "protocol_version": "5.4",
                        },
                    },
                },
                "resources": {},
            }
        },
    }


async def test_an_installed_spec_of_the_kernels_name_is_shown(
    kernel: FakeKernel, rest: Client, jupyter_path: Path
) -> None:
    installed = {
        "argv": ["fake", "-f", "{connection_file}"],
        "display_name": "A fake",
        "language": "fakish",
        "interrupt_mode": "message",
        "env": {"A": "1"},
        "metadata": {"debugger": True},
    }
    install(jupyter_path, "fake", installed)
    shown = (await rest.get("/api/kernelspecs"))["kernelspecs"]["fake"]["spec"]
    assert shown["metadata"].pop("w2z") == {"version": __version__, "labels": {}}
    assert shown == installed
    # However it is spelt.
    for spelt in ("fake", "Fake", "FAKE"):
        assert (await rest.get(f"/api/kernelspecs/{spelt}"))["name"] == "fake"
    # It is looked for once.
    (jupyter_path / "kernels/fake/kernel.json").unlink()
    [shown_again] = (await rest.get("/api/kernelspecs"))["kernelspecs"].values()
    assert shown_again["spec"]["display_name"] == "A fake"


async def test_the_logos_beside_an_installed_spec_are_served(
    kernel: FakeKernel, jupyter_path: Path, tmp_path: Path
) -> None:
    install(jupyter_path, "fake", {"argv": ["x"], "display_name": "X", "language": "x"})
    folder = jupyter_path / "kernels/fake"
    (folder / "logo-64x64.png").write_bytes(b"a picture")
    (folder / "logo-svg.svg").write_bytes(b"<svg/>")
    secret = tmp_path / "secret"
    secret.write_text("s3cret")
    async with (
        serving(kernel.connection_file, base_url="/user/a") as served,
        rest_of(served) as rest,
    ):
        spec = await rest.get("/user/a/api/kernelspecs/fake")
        assert spec["resources"] == {
            "logo-64x64": "/user/a/kernelspecs/fake/logo-64x64.png",
            "logo-svg": "/user/a/kernelspecs/fake/logo-svg.svg",
        }
        answer = await rest.ask(f"GET {spec['resources']['logo-64x64']}")
        assert (answer.status, answer.body) == (200, b"a picture")
        assert answer.headers["content-type"] == "image/png"
        assert (await rest.ask(f"GET {spec['resources']['logo-svg'].replace('fake', 'Fake')}")).body
        # Nothing else that is there, and no link in the place of a logo.
        (folder / "logo-svg.svg").unlink()
        (folder / "logo-svg.svg").symlink_to(secret)
        for path in (
            "fake/kernel.json",
            "other/logo-64x64.png",
            "fake/logo-svg.svg",
            "fake/..%2fx",
        ):
            assert (await rest.ask(f"GET /user/a/kernelspecs/{path}")).status == 404


@pytest.mark.parametrize("case", ["none of that name", "broken", "a drive that does not answer"])
async def test_a_lookup_that_fails_leaves_the_description(
    rest: Client, jupyter_path: Path, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    go_on = threading.Event()
    match case:
        case "broken":
            install(jupyter_path, "fake", "{")
        case "a drive that does not answer":
            monkeypatch.setattr("w2z.kernel.process.specs.LOOKUP_TIMEOUT", 0)
            monkeypatch.setattr("w2z.kernel.process.specs.find", lambda name: go_on.wait())
    shown = (await rest.get("/api/kernelspecs"))["kernelspecs"]["fake"]["spec"]
    assert (shown["argv"], shown["display_name"], shown["language"]) == ([], "Fake", "fake")
    go_on.set()


async def test_a_lookup_runs_no_program_and_none_of_the_user_s_code(
    rest: Client, jupyter_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever runs the kernel could have written Jupyter's configuration, and read the
    environment of a program that w2z starts.
    """
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path))
    executed = tmp_path / "executed"
    for name in ("jupyter_config.py", "jupyter_kernelspec_config.py"):
        (tmp_path / name).write_text(f"open({str(executed)!r}, 'w')")
    started: list[object] = []
    monkeypatch.setattr("subprocess.Popen.__init__", lambda self, *told, **_: started.append(told))
    install(jupyter_path, "fake", {"argv": ["x"], "display_name": "X", "language": "x"})
    shown = (await rest.get("/api/kernelspecs"))["kernelspecs"]["fake"]["spec"]
    assert started == []
    assert not executed.exists()
    assert shown["display_name"] == "X"


@pytest.mark.parametrize(
    ("implementation", "name"), [("ipython", "python3"), ("xeus", "xeus"), (None, "kernel")]
)
async def test_a_nameless_kernel_is_called_what_it_says_it_is(
    kernel: FakeKernel, jupyter_path: Path, implementation: str | None, name: str
) -> None:
    kernel.info = {"status": "ok", "implementation": implementation}
    file = kernel.connection_file
    fields = json.loads(file.read_text())
    del fields["kernel_name"]
    file.write_text(json.dumps(fields))
    install(jupyter_path, name, {"argv": ["x"], "display_name": "X", "language": "x"})
    async with serving(file) as served, rest_of(served) as rest:
        specs = await rest.get("/api/kernelspecs")
        assert specs["default"] == name
        assert specs["kernelspecs"][name]["spec"]["display_name"] == "X"
        assert (await rest.get(ONE))["name"] == name


async def test_a_kernel_that_is_not_ready_has_a_spec_all_the_same(
    kernel: FakeKernel, jupyter_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def say_nothing(identity: bytes, message: Message) -> None:
        pass

    kernel.on_kernel_info = say_nothing
    timing = dataclasses.replace(QUICK, specs_wait=0)
    async with serving(kernel.connection_file, timing=timing) as served, rest_of(served) as rest:
        specs = await rest.get("/api/kernelspecs")
        assert specs["kernelspecs"]["fake"]["spec"]["display_name"] == "Fake"
        assert not served.bridge.kernel.is_ready


# Sessions.


async def test_the_kernels_own_session_is_listed(rest: Client) -> None:
    """VS Code looks for running kernels nowhere else."""
    [own] = await rest.get("/api/sessions")
    assert is_session(own, "the-kernel", "the-kernel", "console")
    assert await rest.get(f"/api/sessions/{own['id']}") == own


@pytest.mark.parametrize(
    "kernel_asked", [None, {"name": "python3"}, {"id": "the-kernel"}, {"id": None, "name": "x"}]
)
async def test_a_session_is_made_changed_and_deleted(rest: Client, kernel_asked: Any) -> None:
    body = {"path": "x.ipynb", "name": "x", "type": "notebook", "kernel": kernel_asked}
    created = await rest.ask("POST /api/sessions", body, "Content-Type: text/plain;charset=UTF-8")
    assert created.status == 201
    made = created.json
    assert is_session(made, "x.ipynb", "x", "notebook")
    assert created.headers["location"] == f"/api/sessions/{made['id']}"
    again = await rest.ask("POST /api/sessions", body)
    assert (again.status, again.json) == (201, made)
    path = f"/api/sessions/{made['id']}"
    assert await rest.get(path) == made
    assert (await rest.get("/api/sessions"))[1:] == [made]

    for change, expected in [
        ({"id": made["id"], "name": "y"}, ("x.ipynb", "y", "notebook")),
        ({"id": made["id"], "path": "y.ipynb"}, ("y.ipynb", "y", "notebook")),
        ({"type": "console"}, ("y.ipynb", "y", "console")),
        ({"kernel": {"name": "python3"}}, ("y.ipynb", "y", "console")),
        ({"kernel": {"id": "the-kernel"}}, ("y.ipynb", "y", "console")),
        ({"kernel": {}}, ("y.ipynb", "y", "console")),
    ]:
        patched = await rest.ask(f"PATCH {path}", change)
        assert patched.status == 200
        assert is_session(patched.json, *expected)
        assert await rest.get(path) == patched.json
    for nothing in (None, {}, {"id": made["id"]}):
        assert is_error(await rest.ask(f"PATCH {path}", nothing), 400, "nothing to change")

    await delete(rest, path)
    for line in (f"GET {path}", f"PATCH {path}", f"DELETE {path}"):
        refused = await rest.ask(line)
        assert is_error(refused, 404, f"Session not found: session_id='{made['id']}'")
    assert is_kernel(await rest.get(ONE))


async def test_the_kernels_own_session_outlives_its_deletion(rest: Client) -> None:
    [own] = await rest.get("/api/sessions")
    await delete(rest, f"/api/sessions/{own['id']}")
    assert await rest.get("/api/sessions") == [own]


@pytest.mark.parametrize(
    ("body", "status", "told"),
    [
        (None, 400, "path: Field required"),
        ({"type": "notebook"}, 400, "path: Field required"),
        ({"path": "x"}, 400, "type: Field required"),
        ({"path": "x", "type": "notebook", "kernel": "python3"}, 400, "kernel: "),
        (b"x", 400, "the body: Invalid JSON"),
    ],
)
async def test_a_session_that_cannot_be(rest: Client, body: Any, status: int, told: str) -> None:
    assert is_error(await rest.ask("POST /api/sessions", body), status, told)
    [own] = await rest.get("/api/sessions")
    if body is not None:
        refused = await rest.ask(f"PATCH /api/sessions/{own['id']}", body)
        expected = 200 if "required" in told else status
        assert refused.status == expected


# Pages of other origins.


@pytest.mark.parametrize("allowed", [ORIGIN, "*"])
async def test_pages_of_allowed_origins_may_use_every_route(
    kernel: FakeKernel, allowed: str
) -> None:
    async with (
        serving(kernel.connection_file, allow_origin=(allowed,)) as served,
        rest_of(served) as rest,
    ):
        for path in ("/api/kernels?1", f"{ONE}/restart", "/api/sessions", "/nothing", "/channels"):
            preflight = await rest.http.ask(
                f"OPTIONS {path}",
                f"Origin: {ORIGIN}",
                "Access-Control-Request-Method: POST",
                "Access-Control-Request-Headers: authorization,content-type",
                "Access-Control-Request-Private-Network: true",
            )
            assert is_empty(preflight)
            assert preflight.headers["access-control-allow-origin"] == allowed
            assert preflight.headers.get("vary") == (None if allowed == "*" else "Origin")
            found = preflight.headers["access-control-allow-headers"].split(", ")
            assert set(found) >= {"accept", "content-type", "authorization", "x-xsrftoken"}
            methods = preflight.headers["access-control-allow-methods"].split(", ")
            assert set(methods) >= {"GET", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"}
            assert preflight.headers["access-control-allow-private-network"] == "true"

        origin = f"Origin: {ORIGIN}"
        body: Any
        for line, body, status in [
            ("GET /api/kernels", None, 200),
            ("POST /api/kernels", {}, 201),
            (f"DELETE {ONE}", None, 204),
            ("POST /api/kernels", b"{", 400),
            ("GET /api/kernels?token=x&" + "a&" * 200, None, 400),
            ("GET /nothing", None, 404),
            ("PUT /api/kernels", b"", 405),
            ("GET /channels", None, 426),
            ("POST /api/kernels", bytes(2**20 + 1), 413),
        ]:
            answered = await rest.ask(line, body, origin)
            assert answered.status == status
            assert answered.headers["access-control-allow-origin"] == allowed
            assert answered.headers.get("vary") == (None if allowed == "*" else "Origin")


async def test_an_answer_to_garbage_is_nobodys(kernel: FakeKernel) -> None:
    """Neither the origin nor the method of the request before it says how to answer it."""
    async with (
        serving(kernel.connection_file, allow_origin=("*",)) as served,
        rest_of(served) as rest,
    ):
        assert (await rest.ask("HEAD /api/kernels", None, f"Origin: {ORIGIN}")).status == 200
        await rest.http.send(b"\0\r\n\r\n")
        refused = await rest.http.answer()
        assert is_error(refused, 400, "bad request")
        assert "access-control-allow-origin" not in refused.headers


async def test_other_origins_read_nothing(kernel: FakeKernel) -> None:
    async with (
        serving(kernel.connection_file, allow_origin=("https://else.example",)) as served,
        rest_of(served) as rest,
    ):
        body: Any
        for line, body in [
            ("GET /api/kernels", None),
            ("OPTIONS /api/kernels", None),
            ("GET /nothing", None),
            ("POST /api/kernels", bytes(2**20 + 1)),
        ]:
            answered = await rest.ask(line, body, f"Origin: {ORIGIN}")
            assert not [name for name in answered.headers if name.startswith("access-control")]
