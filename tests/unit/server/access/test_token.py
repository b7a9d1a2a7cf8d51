"""Where the token comes from, and what happens when its file changes."""

import logging
import os
from pathlib import Path
from typing import Any

import pytest

from w2z.errors import TokenFileError
from w2z.server.access.token import GENERATED_BYTES, TokenFile, token_source
from w2z.settings import Settings, is_visible_ascii


def written(path: Path, text: bytes) -> Path:
    """A file of its own with that text, put in place at once, as mounted secrets are."""
    fresh = path.with_suffix(".new")
    fresh.write_bytes(text)
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
    monkeypatch.setattr(Path, "read_bytes", None)
    assert token() == "first"


@pytest.mark.parametrize("spoil", [os.unlink, lambda path: written(path, b"not a token\n")])
def test_the_last_good_token_stays_valid_when_the_file_goes_wrong(path, spoil, caplog):
    token = TokenFile(path)
    spoil(path)
    assert token() == "first"
    assert "the last token stays valid" in caplog.text
    assert "not a token" not in caplog.text
    written(path, b"third\n")
    assert token() == "third"


def test_each_change_that_cannot_be_read_is_told_once(path, caplog):
    token = TokenFile(path)
    for text in (b"not a token\n", b"not one either\n"):
        written(path, text)
        caplog.clear()
        assert token() == token() == "first"
        assert len(caplog.messages) == 1
        assert caplog.messages[0].endswith("; the last token stays valid")


def test_a_file_that_vanished_is_told_once_and_may_come_back(path, caplog):
    token = TokenFile(path)
    away = path.with_suffix(".away")
    path.rename(away)
    assert token() == token() == "first"
    assert [f"token file {path}: No such file" in told for told in caplog.messages] == [True]
    away.rename(path)
    assert token() == "first"
    path.unlink()
    caplog.clear()
    assert token() == "first"
    assert len(caplog.messages) == 1
    written(path, b"second\n")
    assert token() == "second"


def test_a_file_whose_permissions_are_put_right_is_read_again(path, monkeypatch, caplog):
    token = TokenFile(path)

    def denied(self: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", denied)
        written(path, b"second\n")
        assert token() == token() == "first"
        assert len(caplog.messages) == 1
        assert "Permission denied" in caplog.messages[0]
    changed = path.stat().st_ctime_ns
    while path.stat().st_ctime_ns == changed:
        path.chmod(0o600)
    assert token() == "second"


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
