"""Where the token comes from, and what happens when its file changes."""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from w2z.errors import TokenFileError
from w2z.server.access import token as source_of_token
from w2z.server.access.token import GENERATED_BYTES, Found, TokenFile, look, token_source
from w2z.settings import Settings
from w2z.values import is_visible_ascii


def written(path: Path, text: bytes) -> Path:
    """A file of its own with that text, put in place at once, as mounted secrets are."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(text)
    fresh.chmod(0o600)
    fresh.replace(path)
    return path


@pytest.fixture
def path(tmp_path):
    return written(tmp_path / "token", b"first\n")


@pytest.mark.parametrize("text", [b"s3cret", b"s3cret\n", b" s3cret \r\n# a comment\n"])
def test_the_first_line_is_the_token(path, text):
    assert TokenFile(written(path, text))() == "s3cret"


@pytest.mark.parametrize(
    "text", [b"", b"\n", b"\ns3cret\n", b"two words\n", b"\xff\n", b"caf\xc3\xa9"]
)
def test_a_first_line_that_cannot_be_a_token_is_refused_without_showing_it(path, text):
    with pytest.raises(TokenFileError, match="visible ASCII without spaces") as refused:
        TokenFile(written(path, text))
    assert str(path) in str(refused.value)
    assert "words" not in str(refused.value)


def test_a_file_that_is_not_there_or_no_file_is_refused_in_one_line(tmp_path):
    with pytest.raises(TokenFileError, match="No such file"):
        TokenFile(tmp_path / "missing")
    with pytest.raises(TokenFileError, match="Is a directory"):
        TokenFile(tmp_path)


def test_a_new_token_is_valid_from_the_change_on(path, caplog):
    token = TokenFile(path)
    assert token() == "first"
    written(path, b"second!\n")
    with caplog.at_level(logging.INFO):
        assert token() == "second!"
        assert token() == "second!"
    assert caplog.messages == ["the token file changed: its new token is valid from now on"]


def test_a_file_written_in_place_is_read_again(path):
    token = TokenFile(path)
    path.write_bytes(b"longer than before\n".replace(b" ", b"-"))
    assert token() == "longer-than-before"


def test_a_file_that_did_not_change_is_not_read_again(path, monkeypatch):
    token = TokenFile(path)
    monkeypatch.setattr(source_of_token, "read_small", None)
    assert token() == "first"


def instead(path: Path, make: Callable[[Path], object]) -> None:
    path.unlink()
    make(path)


SPOILT: dict[str, Callable[[Path], object]] = {
    "deleted": os.unlink,
    "emptied": lambda path: path.write_bytes(b""),
    "two words": lambda path: written(path, b"not a token\n"),
    "a pipe": lambda path: instead(path, os.mkfifo),
    "a device": lambda path: instead(path, lambda path: path.symlink_to("/dev/zero")),
    "a folder": lambda path: instead(path, Path.mkdir),
    "16 GiB": lambda path: os.truncate(path, 2**34),
}


@pytest.mark.parametrize("spoil", SPOILT.values(), ids=SPOILT)
def test_a_file_without_a_token_lets_nobody_in(path, spoil, caplog):
    token = TokenFile(path)
    spoil(path)
    assert token() is None
    assert token() is None
    assert len(caplog.messages) == 1
    assert caplog.messages[0].endswith("; nobody gets in until it holds a token")
    assert "not a token" not in caplog.text
    if path.is_dir():
        path.rmdir()
    written(path, b"third\n")
    assert token() == "third"


def test_each_other_problem_is_told_once(path, caplog):
    token = TokenFile(path)
    for spoil in (SPOILT["emptied"], os.unlink):
        spoil(path)
        caplog.clear()
        assert token() is token() is None
        assert len(caplog.messages) == 1


def test_a_file_that_vanished_may_come_back(path):
    token = TokenFile(path)
    away = path.with_suffix(".away")
    path.rename(away)
    assert token() is None
    away.rename(path)
    assert token() == "first"


def test_a_file_whose_permissions_are_put_right_is_read_again(path, monkeypatch, caplog):
    token = TokenFile(path)

    def denied(path: Path, most: int) -> bytes:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(source_of_token, "read_small", denied)
        written(path, b"second\n")
        assert token() is token() is None
        assert len(caplog.messages) == 1
        assert "Permission denied" in caplog.messages[0]
    changed = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == changed:
        path.chmod(0o600)
    assert token() == "second"


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o666])
def test_a_file_that_others_may_read_or_write_is_warned_of(path, mode, caplog):
    path.chmod(mode)
    assert TokenFile(path)() == "first"
    assert [f"token file {path}: other users may read" in told for told in caplog.messages] == [
        True
    ]


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440])
def test_a_file_of_ones_own_is_not(path, mode, caplog):
    path.chmod(mode)
    assert TokenFile(path)() == "first"
    assert caplog.messages == []


async def test_a_change_is_noticed_while_nobody_asks(path):
    changes: asyncio.Queue[str | None] = asyncio.Queue()
    token = TokenFile(path)
    async with token.watched(changes.put_nowait):
        written(path, b"second\n")
        assert await changes.get() == "second"
        path.unlink()
        assert await changes.get() is None
        written(path, b"third\n")
        assert await changes.get() == "third"
    assert changes.empty()


async def test_a_change_that_a_request_notices_is_told_after_the_request(path):
    changes: list[str | None] = []
    token = TokenFile(path)
    async with token.watched(changes.append):
        written(path, b"second\n")
        assert token() == "second"
        assert changes == []
        await asyncio.sleep(0)
        assert changes == ["second"]


async def test_the_same_token_in_another_file_is_no_change(path):
    changes: list[str | None] = []
    token = TokenFile(path)
    async with token.watched(changes.append):
        written(path, b"first\n# with a comment\n")
        assert token() == "first"
        await asyncio.sleep(0)
        assert changes == []


async def test_a_look_that_ends_after_a_later_one_does_not_count(path, monkeypatch):
    token = TokenFile(path)
    changes: list[str | None] = []
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def slowly(path: Path, before: Found | None) -> Found:
        found = look(path, before)
        if not begun.is_set():
            begun.set()
            go_on.wait(30)
            asyncio.run_coroutine_threadsafe(noted(), loop)
        return found

    async def noted() -> None:
        done.set()

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(source_of_token, "look", slowly)
    monkeypatch.setattr(source_of_token, "WATCH_INTERVAL", 0)
    async with token.watched(changes.append):
        await asyncio.to_thread(begun.wait, 30)
        written(path, b"second\n")
        assert token() == "second"
        go_on.set()
        await asyncio.to_thread(done.wait, 30)
        assert token() == "second"
    assert changes == ["second"]


async def test_a_file_system_that_does_not_answer_holds_requests_up_once(path, monkeypatch, caplog):
    token = TokenFile(path)
    looks, go_on = [], threading.Event()

    def hang(path: Path, before: Found | None) -> Found:
        looks.append(path)
        go_on.wait(30)
        return look(path, before)

    monkeypatch.setattr(source_of_token, "LOOK_TIMEOUT", 0.01)
    monkeypatch.setattr(source_of_token, "look", hang)
    changes: asyncio.Queue[str | None] = asyncio.Queue()
    async with token.watched(changes.put_nowait):
        written(path, b"second\n")
        assert token() == token() == "first"
        assert len(looks) == 1
        assert ["does not answer" in told for told in caplog.messages] == [True]
        go_on.set()
        assert await changes.get() == "second"
        assert token() == "second"


# A descriptor


@contextmanager
def pipe(text: bytes, *, is_open: bool = False) -> Iterator[int]:
    """A pipe with that in it; its writer may stay, and write no more."""
    reader, writer = os.pipe()
    os.write(writer, text)
    if not is_open:
        os.close(writer)
    try:
        yield reader
    finally:
        if is_open:
            os.close(writer)
        with suppress(OSError):
            os.close(reader)


@pytest.mark.parametrize(
    ("text", "is_open"), [(b"tok", False), (b" tok\n", True), (b"tok\nx", True)]
)
def test_the_first_line_of_a_descriptor_is_the_token_and_it_is_closed(text, is_open):
    with pipe(text, is_open=is_open) as reader:
        assert source(token_fd=reader) == ("tok", None)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(reader)


def test_a_descriptor_may_be_that_of_a_file(path):
    with path.open("rb") as file:
        assert source(token_fd=os.dup(file.fileno())) == ("first", None)


@pytest.mark.parametrize("text", [b"", b"\n", b"two words\n"])
def test_a_descriptor_without_a_token_is_told(text):
    with pipe(text) as reader:
        said = rf"^--token-fd {reader}: the first line has to be the token"
        with pytest.raises(TokenFileError, match=said):
            source(token_fd=reader)


def test_a_descriptor_without_end_is_read_no_further_than_a_token_file():
    endless = os.open("/dev/zero", os.O_RDONLY)
    with pytest.raises(TokenFileError, match="has to be the token"):
        source(token_fd=endless)


def test_a_descriptor_that_is_not_open_or_says_nothing_is_told(monkeypatch):
    monkeypatch.setattr(source_of_token, "DESCRIPTOR_TIMEOUT", 0.01)
    with pytest.raises(TokenFileError, match=r"^--token-fd 987: Bad file descriptor$"):
        source(token_fd=987)
    with (
        pipe(b"tok", is_open=True) as reader,
        pytest.raises(TokenFileError, match=r"no line in 0\.01 seconds"),
    ):
        source(token_fd=reader)


# Sources


def source(**settings: Any) -> tuple[str | None, str | None]:
    """The token that is asked for, and the one that was generated."""
    given = Settings.model_validate({"connection_file": "x", **settings})
    token, generated = token_source(given)
    return (None if token is None else token()), generated


def test_a_file_has_the_token(path):
    assert source(token_file=path) == ("first", None)


def test_the_environment_beats_chance():
    assert source(token="from-environment") == ("from-environment", None)


def test_without_either_a_token_is_generated_once():
    token, generated = source()
    assert token == generated
    assert token is not None
    assert is_visible_ascii(token)
    # base64 makes four characters of three bytes.
    assert len(token) >= GENERATED_BYTES * 4 / 3
    assert source() != (token, generated)


def test_no_auth_means_no_token():
    assert source(no_auth=True) == (None, None)


def test_a_wrong_token_file_is_told_at_once(tmp_path):
    with pytest.raises(TokenFileError):
        source(token_file=tmp_path / "missing")
