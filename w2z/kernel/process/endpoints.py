"""The connection file of a kernel that w2z starts, and its TCP ports or Unix sockets.

w2z binds the TCP ports, without listening, from before the kernel starts until w2z ends. With
SO_REUSEADDR on both sides (socket(7); libzmq, JeroMQ, Go and Rust set it) the kernel can bind the
same ports and listen. A program that asks for any free port does not get them. One that asks for
just these, with the same option, does, whoever runs it: Linux does not look at the user. It cannot
read or forge what is signed with the key, but the kernel then fails to listen there. Each kernel
gets endpoints and a key of its own, so that nothing of the kernel before has them.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import socket
import stat
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

import zmq

from w2z.errors import ConnectionFileError
from w2z.kernel import connection_file
from w2z.kernel.connection_file import LONGEST_SOCKET_PATH, ConnectionInfo
from w2z.kernel.process.owner import Owner
from w2z.message import Channel

LOOPBACK = "127.0.0.1"

MOST_NUMBERS = 10_000
"""Kernels after which the numbers in the names of Unix sockets begin again: five times that is
below the largest port.
"""

KEY_BYTES = 32
"""Random bytes of a key: as many as its HMAC, SHA-256, has."""


class NoUnixSockets(ConnectionFileError):
    """The private directory cannot have Unix sockets: its path is too long, or its file system has
    none.
    """


class Endpoints:
    """One kernel's endpoints; a context manager that removes them at its end.

    ``path`` is the path of the connection file; ``None`` puts the file into a private directory.
    With ``has_curve`` the file has keys of CurveZMQ, too, and what goes over TCP is encrypted.
    ``owner`` is the user that the kernel runs as, if it is another than w2z's. The file is then
    that user's, and so are the Unix sockets. Their directories stay w2z's, or the owner could put
    other things in their place, in which w2z would write.
    Raises :class:`~w2z.errors.ConnectionFileError` if the file cannot be written there.
    """

    def __init__(
        self,
        path: Path | None,
        transport: Literal["tcp", "ipc"],
        kernel_name: str,
        owner: Owner | None = None,
        *,
        has_curve: bool = False,
    ) -> None:
        self.owner = owner
        self._has_curve = has_curve
        self._mode = 0o700 if owner is None else 0o711
        self._held: list[socket.socket] = []
        self._count = 0
        self._folder: Path | None = None
        with contextlib.ExitStack() as undo:
            undo.callback(self.close)
            self.path = path or self._private() / "kernel.json"
            ip, numbers = self._sockets() if transport == "ipc" else self._ports()
            fields = {"ip": ip, "transport": transport, "kernel_name": kernel_name}
            self.info = ConnectionInfo.model_validate(
                {**fields, **_port_fields(numbers), **self._keys()}
            )
            self.write()
            undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def write(self) -> None:
        """Write the connection file, before each start: kernels remove it when they end."""
        if self.owner is None:
            connection_file.write(self.path, self.info)
        else:
            connection_file.write(self.path, self.info, self.owner.take)

    def renew(self) -> None:
        """Take other endpoints and another key, for the next kernel. The ones before are free."""
        if self._folder is not None and (self.path.is_dir() or not _is_ours(self._folder)):
            # As when something that cleans /tmp has removed it; by now it may be another user's.
            self._move()
        elif self._folder is not None:
            self._folder.chmod(self._mode)  # the kernel, as the same user, may have changed it
        # The old ports are given up last, so that the new ones are others.
        before, self._held = self._held, []
        if self.info.transport == "ipc":
            ip, numbers = self._other_sockets()
        else:
            ip, numbers = self._ports()
        for held in before:
            held.close()
        changed = {"ip": ip, **_port_fields(numbers), **self._keys()}
        self.info = self.info.model_copy(update=changed)

    def close(self) -> None:
        """Remove what was made here. A connection file that somebody else wrote meanwhile stays."""
        for held in self._held:
            held.close()
        if hasattr(self, "info"):
            with contextlib.suppress(OSError, ConnectionFileError):
                if connection_file.read(self.path) == self.info:
                    self.path.unlink()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _keys(self) -> dict[str, str]:
        keys = {"key": secrets.token_hex(KEY_BYTES)}
        if self._has_curve:
            public, secret = zmq.curve_keypair()
            keys |= {"curve_publickey": public.decode(), "curve_secretkey": secret.decode()}
        return keys

    def _private(self) -> Path:
        """Return the private directory; make it first if needed. Only this user can enter it, or
        where the kernel has another one, whoever knows the name of what is in it.
        """
        if self._folder is None:
            try:
                self._folder = Path(tempfile.mkdtemp(prefix="w2z-"))
                self._folder.chmod(self._mode)
            except OSError as error:
                raise ConnectionFileError(
                    f"no directory for the kernel's connection file: {error.strerror}: give"
                    " --connection-file, or a writable /tmp or TMPDIR"
                ) from None
        return self._folder

    def _move(self) -> None:
        """Give up the private directory for another one."""
        is_there = self.path.parent == self._folder
        if self._folder is not None and _is_ours(self._folder):
            shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None
        if is_there:
            self.path = self._private() / self.path.name

    def _other_sockets(self) -> tuple[str, list[int]]:
        for channel in Channel:
            path = Path(self.info.endpoint(channel).removeprefix("ipc://"))
            with contextlib.suppress(OSError):  # it is gone, or the kernel made a directory of it
                path.unlink()
        try:
            return self._sockets()
        except NoUnixSockets:
            # The kernel may have put anything there.
            self._move()
            return self._sockets()

    def _sockets(self) -> tuple[str, list[int]]:
        self._count += 1
        folder = self._private()
        if self.owner is not None:
            # The kernel makes files there.
            folder = folder / "sockets"
            with contextlib.suppress(FileExistsError):
                folder.mkdir(mode=0o700)
                self.owner.take(folder)
        prefix = str(folder / f"kernel{self._count}")
        # Numbers that no kernel before had, as with ports.
        first = len(Channel) * ((self._count - 1) % MOST_NUMBERS) + 1
        numbers = [*range(first, first + len(Channel))]
        longest = f"{prefix}-{numbers[-1]}"
        if len(longest.encode()) > LONGEST_SOCKET_PATH:
            raise NoUnixSockets(
                f"{longest} is too long for a Unix socket: let TMPDIR be a shorter path"
            )
        trial = Path(f"{prefix}-0")
        try:
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(str(trial))
                trial.unlink()
        except OSError as error:
            raise NoUnixSockets(
                f"{trial}: no Unix socket can be made there: {error.strerror}"
            ) from None
        return prefix, numbers

    def _ports(self) -> tuple[str, list[int]]:
        ports = []
        for _ in Channel:
            held = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._held.append(held)
            held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            held.bind((LOOPBACK, 0))
            ports.append(held.getsockname()[1])
        return LOOPBACK, ports


def _is_ours(folder: Path) -> bool:
    try:
        found = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _port_fields(numbers: Sequence[int]) -> dict[str, int]:
    return {f"{channel}_port": number for channel, number in zip(Channel, numbers, strict=True)}
