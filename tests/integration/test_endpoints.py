"""Where a kernel that w2z starts listens: on real ports and real sockets."""

from __future__ import annotations

import shutil
import socket
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest

from tests.support.probing import is_refused
from w2z.errors import ConnectionFileError
from w2z.kernel import connection_file
from w2z.kernel.keeping.listening import shell_owner
from w2z.kernel.process.endpoints import Endpoints, NoUnixSockets
from w2z.message import Channel

CHANNELS = list(Channel)


@pytest.fixture(autouse=True)
def private(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Directories are made below one that has to be empty in the end."""
    folder = tmp_path / "private"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


def ports(endpoints: Endpoints) -> list[int]:
    return [getattr(endpoints.info, f"{channel}_port") for channel in CHANNELS]


def test_the_file_is_whole_and_its_owner_s_alone(private: Path) -> None:
    with Endpoints(None, "tcp", "a-name") as endpoints:
        assert endpoints.path.parent.parent == private
        assert stat.S_IMODE(endpoints.path.parent.stat().st_mode) == 0o700
        assert stat.S_IMODE(endpoints.path.stat().st_mode) == 0o600
        assert connection_file.read(endpoints.path) == endpoints.info
        assert endpoints.info.kernel_name == "a-name"
        assert len(endpoints.info.key) == 64


def test_no_two_have_a_key_or_a_port_in_common() -> None:
    with Endpoints(None, "tcp", "") as one, Endpoints(None, "tcp", "") as other:
        assert one.info.key != other.info.key
        assert len({*ports(one), *ports(other)}) == 10


def test_a_file_of_a_given_name_is_removed_with_its_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "k.json"
    with Endpoints(path, "tcp", "") as endpoints:
        assert path.exists()
        path.unlink()
        endpoints.write()
        assert connection_file.read(path) == endpoints.info
    assert not path.exists()


@pytest.mark.parametrize("text", ["of somebody else", None])
def test_a_file_that_is_not_ours_any_more_stays(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "k.json"
    with Endpoints(None, "tcp", "") as other, Endpoints(path, "tcp", ""):
        path.write_text(other.path.read_text() if text is None else text)
    assert path.exists()


def test_where_nothing_can_be_written_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ConnectionFileError, match=r"file/k\.json: cannot be written"):
        Endpoints(tmp_path / "file" / "k.json", "tcp", "")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
    with pytest.raises(ConnectionFileError, match="or a writable /tmp or TMPDIR"):
        Endpoints(None, "tcp", "")


def test_the_ports_are_held_for_who_may_share_them() -> None:
    with Endpoints(None, "tcp", "") as endpoints:
        for port in ports(endpoints):
            with socket.socket() as stranger, pytest.raises(OSError, match="in use"):
                stranger.bind(("127.0.0.1", port))
            with socket.socket() as kernel:
                kernel.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                kernel.bind(("127.0.0.1", port))
                kernel.listen()
    with socket.socket() as stranger:
        stranger.bind(("127.0.0.1", ports(endpoints)[0]))


def test_the_next_kernel_s_ports_and_key_are_others() -> None:
    with Endpoints(None, "tcp", "") as endpoints:
        before, key = ports(endpoints), endpoints.info.key
        endpoints.renew()
        assert not set(before) & set(ports(endpoints))
        assert endpoints.info.key != key
        endpoints.write()
        assert connection_file.read(endpoints.path) == endpoints.info
        with socket.socket() as stranger:
            stranger.bind(("127.0.0.1", before[0]))


def test_and_so_are_its_unix_sockets() -> None:
    with Endpoints(None, "ipc", "") as endpoints:
        before = Path(endpoints.info.endpoint(Channel.SHELL).removeprefix("ipc://"))
        key = endpoints.info.key
        with socket.socket(socket.AF_UNIX) as kernel:
            kernel.bind(str(before))
        endpoints.renew()
        assert endpoints.info.endpoint(Channel.SHELL) != f"ipc://{before}"
        assert ports(endpoints) == [6, 7, 8, 9, 10]
        assert endpoints.info.key != key
        assert not before.exists()


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_a_kernel_cannot_put_a_directory_in_the_connection_file_s_place(
    transport: Literal["tcp", "ipc"],
) -> None:
    with Endpoints(None, transport, "") as endpoints:
        endpoints.path.unlink()
        endpoints.path.mkdir()
        endpoints.renew()
        endpoints.write()
        assert connection_file.read(endpoints.path) == endpoints.info
    with Endpoints(None, transport, "") as endpoints:
        endpoints.path.parent.chmod(0)
        endpoints.renew()
        endpoints.write()
        assert stat.S_IMODE(endpoints.path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("instead", [None, "a link", "a file"])
def test_a_private_directory_that_is_gone_is_made_anew(private: Path, instead: str | None) -> None:
    with Endpoints(None, "ipc", "") as endpoints:
        before = endpoints.path
        shutil.rmtree(before.parent)
        if instead == "a link":
            before.parent.symlink_to(private.parent)
        elif instead == "a file":
            before.parent.touch()
        endpoints.renew()
        endpoints.write()
        assert endpoints.path.parent != before.parent
        assert endpoints.info.ip.startswith(str(endpoints.path.parent))
        assert stat.S_IMODE(endpoints.path.parent.stat().st_mode) == 0o700
        if instead is not None:
            before.parent.unlink()


def test_nothing_that_a_kernel_puts_into_it_keeps_the_next_one_from_its_sockets() -> None:
    with Endpoints(None, "ipc", "") as endpoints:
        before = Path(endpoints.info.ip)
        before.with_name(f"{before.name}-1").mkdir()
        before.with_name("kernel2-0").mkdir()
        endpoints.renew()
        endpoints.write()
        assert endpoints.path.parent != before.parent
        assert not before.parent.exists()


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_with_encryption_each_kernel_has_keys_of_its_own(
    private: Path, transport: Literal["tcp", "ipc"]
) -> None:
    with Endpoints(None, transport, "", has_curve=True) as endpoints:
        before = endpoints.info
        assert connection_file.read(endpoints.path) == before
        endpoints.renew()
        keys = {before.curve_publickey, endpoints.info.curve_publickey}
        assert len(keys - {None}) == 2
    with Endpoints(None, transport, "") as endpoints:
        assert endpoints.info.curve_publickey is None


async def test_ports_that_are_only_held_refuse_connections() -> None:
    with Endpoints(None, "tcp", "") as endpoints:
        assert await is_refused(endpoints.info, 1)
        assert shell_owner(endpoints.info) is None
        with socket.socket() as kernel:
            kernel.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            kernel.bind(("127.0.0.1", endpoints.info.shell_port))
            kernel.listen()
            assert not await is_refused(endpoints.info, 1)


async def test_unix_sockets_are_in_the_private_directory(private: Path) -> None:
    with Endpoints(None, "ipc", "") as endpoints:
        paths = [endpoints.info.endpoint(channel) for channel in CHANNELS]
        assert len(set(paths)) == 5
        assert all(path.startswith(f"ipc://{private}/w2z-") for path in paths)
        assert await is_refused(endpoints.info, 1)
        with socket.socket(socket.AF_UNIX) as kernel:
            kernel.bind(paths[0].removeprefix("ipc://"))
            assert await is_refused(endpoints.info, 1)
            kernel.listen()
            assert not await is_refused(endpoints.info, 1)


def test_unix_sockets_of_a_named_file_are_private_too(tmp_path: Path, private: Path) -> None:
    with Endpoints(tmp_path / "k.json", "ipc", "") as endpoints:
        assert endpoints.info.endpoint(Channel.HB).startswith(f"ipc://{private}/w2z-")


def test_a_path_too_long_for_a_unix_socket_is_told(
    private: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = private / ("x" * 100)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with pytest.raises(NoUnixSockets, match="too long for a Unix socket: let TMPDIR"):
        Endpoints(None, "ipc", "")
    deep.rmdir()


def test_a_file_system_without_unix_sockets_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(socket.socket):
        def bind(self, address: object) -> None:
            raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("w2z.kernel.process.endpoints.socket.socket", Refusing)
    with pytest.raises(NoUnixSockets, match="no Unix socket can be made there: Operation not"):
        Endpoints(None, "ipc", "")
