"""The audit log: who sent which request to the kernel, whatever the disk does."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.client import Client, execute_request, open_client
from tests.support.fake_kernel import FakeKernel
from tests.support.log import listening
from tests.support.serving import TOKEN, Served, serving
from tests.support.waiting import until
from w2z.errors import SettingsError
from w2z.logs import audit as audit_module
from w2z.logs.audit import MAX_CODE, AuditLog
from w2z.logs.writer import Descriptor
from w2z.message import Author, Channel, Message, Request, digest

LONG = 60.0
CODE = "secret = 'ü'"
SHA256 = hashlib.sha256(CODE.encode()).hexdigest()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    async with open_client(served.url("a-secret-session"), "v1") as found:
        yield found


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def request(code: object = CODE, msg_type: str = "execute_request", peer: str = "peer") -> Request:
    content = json.dumps({"code": code}).encode()
    message = Message(Channel.SHELL, b"{}", b"{}", b"{}", content)
    return Request(message, msg_type, "id", author=Author(peer, "anna"))


async def test_what_the_kernel_takes_is_written_with_who_sent_it(
    served: Served, client: Client, kernel: FakeKernel, path: Path
) -> None:
    with AuditLog(path, "hash", LONG) as audit:
        served.bridge.audit = audit
        await client.send(execute_request(CODE))
        await client.send({**execute_request("x"), "channel": "hb"})
        traffic = served.bridge.counts.to_kernel[Channel.SHELL]
        await until(lambda: traffic.messages == 1, "the kernel has the request")
    [line] = lines(path)
    assert TOKEN not in str(line)
    assert line.pop("time").endswith("Z")
    assert line.pop("peer").startswith("127.0.0.1:")
    assert line == {
        "event": "request",
        "principal": "shared",
        "session": digest("a-secret-session"),
        "channel": "shell",
        "msg_type": "execute_request",
        "code_sha256": SHA256,
        "code_bytes": len(CODE.encode()),
    }


def written(path: Path, code: Any, *requests: Request) -> list[dict[str, Any]]:
    with AuditLog(path, code, LONG) as audit:
        for one in requests:
            audit.request("s", one)
    return lines(path)


def test_the_code_is_hashed_told_or_left_out(path: Path) -> None:
    written(path, "none", request())
    written(path, "text", request())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    nothing, told = written(path, "hash")
    assert "code_sha256" not in nothing
    assert (told["code"], told["code_is_cut"], told["code_sha256"]) == (CODE, False, SHA256)
    assert told["principal"] == "anna"


def test_long_code_is_cut_and_its_hash_is_of_all(path: Path) -> None:
    code = "x" * (MAX_CODE + 1)
    [told] = written(path, "text", request(code))
    assert (len(told["code"]), told["code_is_cut"]) == (MAX_CODE, True)
    assert told["code_sha256"] == hashlib.sha256(code.encode()).hexdigest()


@pytest.mark.parametrize("code", [None, 1, ["x"]])
def test_content_that_is_no_code_is_left_out(path: Path, code: object) -> None:
    [told] = written(path, "text", request(code))
    assert "code" not in told


def test_content_that_is_no_object_is_left_out(path: Path) -> None:
    broken = Request(Message(Channel.SHELL, b"", b"", b"", b"["), "execute_request")
    [told] = written(path, "hash", broken)
    assert told["msg_type"] == "execute_request"


def test_other_requests_have_no_code_and_types_are_cut(path: Path) -> None:
    [told] = written(path, "text", request(msg_type="x" * 1000))
    assert "code" not in told
    assert len(told["msg_type"]) == 64


def test_a_file_that_was_moved_away_is_opened_anew(path: Path) -> None:
    with AuditLog(path, "hash", LONG) as audit:
        audit.request("s", request(peer="first"))
        while not path.stat().st_size:
            pass
        old = path.with_suffix(".1")
        path.rename(old)
        audit.request("s", request(peer="second"))
    assert [line["peer"] for line in (*lines(old), *lines(path))] == ["first", "second"]


@pytest.mark.parametrize("kind", ["folder", "link", "pipe", "nowhere"])
def test_what_is_no_file_of_its_own_is_refused_at_the_start(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "audit"
    if kind == "folder":
        path.mkdir()
    elif kind == "link":
        path.symlink_to(tmp_path / "other")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path = path / "below"
    with pytest.raises(SettingsError, match=r"^--audit-log: .*: \w"):
        AuditLog(path, "hash", LONG)


async def test_a_disk_that_fails_is_told_once_and_what_was_lost_is_counted(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_full = True

    class Full(Descriptor):
        def __call__(self, data: bytes) -> None:
            if is_full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            super().__call__(data)

    monkeypatch.setattr(audit_module, "Descriptor", Full)
    with listening() as heard:
        with AuditLog(path, "hash", LONG) as audit:
            for _ in range(3):
                audit.request("s", request(peer="lost"))
            await until(lambda: not audit._writer._waiting, "all were tried")
            await until(lambda: bool(heard.lines), "the error is told")
            is_full = False
            audit.request("s", request(peer="kept"))
        assert len(heard.matching("the audit log cannot be written: No space left")) == 1
        assert len(heard.matching("the audit log is written again")) == 1
    kept, lost = lines(path)
    assert kept["peer"] == "kept"
    assert (lost["event"], lost["requests"]) == ("lost", 3)


async def test_a_disk_that_hangs_holds_up_nobody(
    kernel: FakeKernel, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()

    class Hangs(Descriptor):
        def __call__(self, data: bytes) -> None:
            os.read(reading, 1)
            super().__call__(data)

    monkeypatch.setattr(audit_module, "Descriptor", Hangs)
    audit = AuditLog(path, "hash", 0)
    async with serving(kernel.connection_file) as served:
        served.bridge.audit = audit
        async with open_client(served.url(), "v1") as client:
            for _ in range(10):
                await client.send(execute_request("1"))
            traffic = served.bridge.counts.to_kernel[Channel.SHELL]
            await until(lambda: traffic.messages == 10, "the kernel has all requests")
    with audit:
        pass
    os.write(writing, b"x" * 20)
    assert audit._writer.close(LONG)
    audit._file.close()
    assert len(lines(path)) == 10
    os.close(reading)
    os.close(writing)
