"""What is put into a container before it starts."""

import io
import tarfile

import pytest

from w2z.client.engines.inside import (
    TOKEN_PATH,
    first_file,
    folder_archive,
    token_archive,
    user_and_group,
)

PASSWD = "root:x:0:0:root:/root:/bin/sh\nkernel:x:1000:100::/home/kernel:\nbroken\nodd:x:a:b\n"


@pytest.mark.parametrize(
    ("user", "ids"),
    [
        ("", (0, 0)),
        ("root", (0, 0)),
        ("1000", (1000, 0)),
        ("1000:0", (1000, 0)),
        ("1000:20", (1000, 20)),
        ("kernel", (1000, 100)),
        ("kernel:20", (1000, 20)),
        ("kernel:staff", (1000, 100)),
        ("nobody-knows", (0, 0)),
        ("odd", (0, 0)),
        ("broken", (0, 0)),
    ],
)
def test_the_user_of_an_image_has_numbers(user, ids):
    assert user_and_group(user, PASSWD) == ids


def test_the_token_is_for_one_user_alone():
    with tarfile.open(fileobj=io.BytesIO(token_archive("a-token", 1000, 20))) as archive:
        folder, file = archive.getmembers()
        assert (folder.name, folder.isdir(), folder.mode) == (".w2z", True, 0o755)
        assert f"/{file.name}" == TOKEN_PATH
        assert (file.mode, file.uid, file.gid) == (0o400, 1000, 20)
        opened = archive.extractfile(file)
        assert opened is not None
        assert opened.read() == b"a-token\n"


def test_a_directory_can_be_put_there():
    with tarfile.open(fileobj=io.BytesIO(folder_archive("opt"))) as archive:
        [folder] = archive.getmembers()
    assert (folder.name, folder.isdir(), folder.mode, folder.uid) == ("opt", True, 0o755, 0)


def test_the_first_file_of_an_archive_is_read():
    assert first_file(token_archive("a-token", 0, 0)) == "a-token\n"
    empty = io.BytesIO()
    with tarfile.open(fileobj=empty, mode="w"):
        pass
    assert first_file(empty.getvalue()) == ""
