"""What is put into a container before it starts, as tar archives in memory.

An archive is the one way that works for every engine, also for one that runs elsewhere.
"""

from __future__ import annotations

import io
import tarfile

TOKEN_PATH = "/.w2z/token"  # noqa: S105 (a path)
"""Where the token is in the container: put there before it starts, so that nobody sees it in what
the engine tells of containers.
"""

MODE = 0o400
"""The mode of the token's file."""


def user_and_group(user: str, passwd: str) -> tuple[int, int]:
    """Return the ids of an image's ``USER``; of a name as ``passwd``, its /etc/passwd, says.

    Nothing, and a name that is not there, is root.
    """
    name, _, group = user.partition(":")
    for line in passwd.splitlines():
        fields = line.split(":")
        if len(fields) >= 4 and fields[0] == name and fields[2].isdecimal():
            name, group = fields[2], group if group.isdecimal() else fields[3]
            break
    return _number(name), _number(group)


def token_archive(token: str, uid: int, gid: int) -> bytes:
    """Return an archive for ``/`` with the token in a file that only that user can read."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.addfile(_folder(TOKEN_PATH.strip("/").partition("/")[0]))
        text = token.encode() + b"\n"
        file = tarfile.TarInfo(TOKEN_PATH.strip("/"))
        file.size, file.mode, file.uid, file.gid = len(text), MODE, uid, gid
        archive.addfile(file, io.BytesIO(text))
    return data.getvalue()


def folder_archive(name: str) -> bytes:
    """Return an archive for ``/`` with a directory that is not there yet, or is as it is."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.addfile(_folder(name))
    return data.getvalue()


def first_file(archive: bytes) -> str:
    """Return the text of the first file in an archive; empty if there is none."""
    with tarfile.open(fileobj=io.BytesIO(archive)) as opened:
        for member in opened:
            file = opened.extractfile(member) if member.isfile() else None
            if file is not None:
                return file.read().decode(errors="replace")
    return ""


def _folder(name: str) -> tarfile.TarInfo:
    folder = tarfile.TarInfo(name)
    folder.type, folder.mode = tarfile.DIRTYPE, 0o755
    return folder


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0
