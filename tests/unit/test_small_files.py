"""What is read of a file that somebody else may have replaced, and what is not."""

import os

import pytest

from w2z.small_files import read_small


def test_a_file_that_fits_is_read_whole(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_small(path, 5) == b"12345"


def test_a_link_to_a_file_is_followed(tmp_path):
    path = tmp_path / "link"
    (tmp_path / "file").write_bytes(b"text")
    path.symlink_to("file")
    assert read_small(path, 9) == b"text"


def test_one_byte_too_many_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"123456")
    with pytest.raises(ValueError, match="it is larger than 5 bytes"):
        read_small(path, 5)


def test_a_pipe_that_nobody_writes_to_is_refused_at_once(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(ValueError, match="it is no regular file"):
        read_small(path, 5)


def test_a_device_without_end_is_refused(tmp_path):
    path = tmp_path / "zero"
    path.symlink_to("/dev/zero")
    with pytest.raises(ValueError, match="it is no regular file"):
        read_small(path, 5)


def test_what_cannot_be_opened_raises_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_small(tmp_path / "missing", 5)
    with pytest.raises(IsADirectoryError):
        read_small(tmp_path, 5)
