"""A kernel's connection file, with jupyter_client as the one who writes it.

The fuzzers' invariant: whatever the text, ``parse`` returns a ConnectionInfo or raises
ConnectionFileError in one line that does not show the key.
"""

import hmac
import json
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_client.connect import write_connection_file
from pydantic import BaseModel

from tests.unit.examples import mutations, nested
from w2z.errors import ConnectionFileError
from w2z.kernel.connection_file import (
    LARGEST_FILE,
    ConnectionInfo,
    Unfinished,
    kernel_id,
    names_kernel,
    parse,
    read,
    write,
)
from w2z.message import Channel

PATH = Path("kernel.json")
RIGHT: dict[str, Any] = {
    "transport": "tcp",
    "ip": "127.0.0.1",
    "shell_port": 5001,
    "iopub_port": 5002,
    "stdin_port": 5003,
    "control_port": 5004,
    "hb_port": 5005,
    "key": "5b1b6e6e-8f7b-s3cret",
    "signature_scheme": "hmac-sha256",
    "kernel_name": "python3",
}


def text(**changes: Any) -> bytes:
    """A connection file; a field changed to ``...`` is left out."""
    fields = {name: value for name, value in (RIGHT | changes).items() if value is not ...}
    return json.dumps(fields).encode()


def info(**changes: Any) -> ConnectionInfo:
    return parse(text(**changes), PATH)


def refused(wrong: bytes) -> ConnectionFileError:
    """The error a text is told with: always one line, never with the key."""
    with pytest.raises(ConnectionFileError) as error:
        parse(wrong, PATH)
    told = str(error.value)
    assert told.startswith(f"connection file {PATH}: ")
    assert "\n" not in told
    assert RIGHT["key"] not in told
    return error.value


# Reading


@pytest.mark.parametrize("transport", ["tcp", "ipc"])
def test_what_jupyter_writes_is_read(tmp_path, transport):
    path = tmp_path / "kernel-abc.json"
    _, written = write_connection_file(str(path), key=b"s3cret", transport=transport)
    got = read(path)
    for name in ("ip", "shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"):
        assert getattr(got, name) == written[name]
    assert got.key == "s3cret"
    assert got.signature_scheme == written["signature_scheme"]


def test_fields_nobody_knows_are_left_alone():
    assert info(jupyter_session="/x.ipynb", vendor={"a": 1}) == info()


def test_only_the_ports_have_to_be_there():
    optional = dict.fromkeys(RIGHT.keys() - {n for n in RIGHT if n.endswith("_port")}, ...)
    got = info(**optional)
    assert (got.transport, got.ip, got.key) == ("tcp", "127.0.0.1", "")
    assert (got.signature_scheme, got.kernel_name) == ("hmac-sha256", "")


def test_the_key_is_not_shown():
    assert RIGHT["key"] not in repr(info())
    assert RIGHT["key"] not in str(info())


def test_the_signer_is_that_of_the_key_and_the_scheme():
    signer = info(signature_scheme="hmac-sha512").signer()
    key = RIGHT["key"].encode()
    assert signer.sign(b"x") == hmac.new(key, b"x", "sha512").hexdigest().encode()


def test_an_empty_key_and_scheme_mean_unsigned():
    assert not info(key="", signature_scheme="").signer().signs


# CURVE

PUBLIC = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
SECRET = "JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6"
"""The pair of keys in the specification of ZeroMQ's CURVE client."""


def test_curve_keys_are_those_jupyter_writes(tmp_path):
    path = tmp_path / "kernel.json"
    public, secret = PUBLIC.encode(), SECRET.encode()
    write_connection_file(str(path), curve_publickey=public, curve_secretkey=secret)
    got = read(path)
    assert (got.curve_publickey, got.curve_secretkey) == (PUBLIC, SECRET)


@pytest.mark.parametrize("missing", [..., None])
def test_without_curve_keys_there_are_none(missing):
    got = info(curve_publickey=missing, curve_secretkey=missing)
    assert (got.curve_publickey, got.curve_secretkey) == (None, None)


def test_curve_keys_are_not_shown():
    shown = repr(info(curve_publickey=PUBLIC, curve_secretkey=SECRET))
    assert PUBLIC not in shown
    assert SECRET not in shown


@pytest.mark.parametrize(
    "wrong",
    ["", "short", PUBLIC[:-1], PUBLIC + "x", PUBLIC[:-1] + " ", PUBLIC[:-1] + "\n", "ü" * 40],
)
@pytest.mark.parametrize("name", ["curve_publickey", "curve_secretkey"])
def test_a_curve_key_that_is_none_is_told_and_not_shown(name, wrong):
    keys = {"curve_publickey": PUBLIC, "curve_secretkey": SECRET, name: wrong}
    told = str(refused(text(**keys)))
    assert f"{name}: has to be a CurveZMQ key" in told
    assert not wrong or wrong not in told


@pytest.mark.parametrize("name", ["curve_publickey", "curve_secretkey"])
def test_half_a_pair_of_curve_keys_is_told(name):
    told = str(refused(text(**{name: PUBLIC})))
    assert "one CurveZMQ key without the other" in told
    assert PUBLIC not in told


# Endpoints


@pytest.mark.parametrize("channel", Channel)
def test_each_channel_has_the_endpoint_of_its_port(channel):
    port = RIGHT[f"{channel}_port"]
    assert info().endpoint(channel) == f"tcp://127.0.0.1:{port}"
    ipc = info(transport="ipc", ip="/run/k")
    assert ipc.endpoint(channel) == f"ipc:///run/k-{port}"


@pytest.mark.parametrize(
    ("ip", "is_address"),
    [("127.0.0.1", True), ("*", True), ("::1", True), ("[::1]", True), ("localhost", False)],
)
def test_an_address_does_not_have_to_be_looked_up_and_a_name_has(ip, is_address):
    assert info(ip=ip).is_address is is_address


@pytest.mark.parametrize(
    ("ip", "endpoint", "is_ipv6"),
    [
        ("10.0.0.7", "tcp://10.0.0.7:5001", False),
        ("kernel.example", "tcp://kernel.example:5001", False),
        ("*", "tcp://127.0.0.1:5001", False),
        ("::1", "tcp://[::1]:5001", True),
    ],
)
def test_an_address_is_written_as_zmq_connects_to_it(ip, endpoint, is_ipv6):
    got = info(ip=ip)
    assert got.endpoint(Channel.SHELL) == endpoint
    assert got.is_ipv6 is is_ipv6


def test_a_colon_in_a_path_is_no_ipv6():
    assert not info(transport="ipc", ip="/run/a:b").is_ipv6


# Mistakes


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"shell_port": ...}, "shell_port: Field required"),
        ({"hb_port": -1}, "hb_port: Input should be greater than or equal to 1"),
        ({"hb_port": 0, "shell_port": 65536}, "hb_port: Input should be greater than or equal to"),
        ({"hb_port": 65536}, "hb_port: Input should be less than or equal to 65535"),
        ({"iopub_port": "x"}, "iopub_port: Input should be a valid integer"),
        ({"stdin_port": None}, "stdin_port: Input should be a valid integer"),
        ({"transport": "udp"}, "transport: Input should be 'tcp' or 'ipc'"),
        ({"ip": ""}, "ip: String should have at least 1 character"),
        ({"key": 5}, "key: Input should be a valid string"),
        ({"signature_scheme": "sha256"}, "'sha256' is not a signature scheme"),
        ({"signature_scheme": "hmac-rot13"}, "'hmac-rot13' needs a hash"),
        ({"signature_scheme": "hmac-\0"}, r"'hmac-\x00' needs a hash"),
        ({"signature_scheme": "hmac-shake_256"}, "'hmac-shake_256' needs a hash of fixed length"),
        ({"signature_scheme": "hmac-" + "x" * 60}, "signature_scheme: String should have at most"),
        ({"kernel_name": "k" * 256}, "kernel_name: String should have at most 255"),
        ({"ip": "fe80::1%\n"}, "ip is neither an address nor the name of a host"),
        ({"ip": "a..b"}, "ip is neither an address nor the name of a host"),
        ({"ip": "a" * 64}, "ip is neither an address nor the name of a host"),
        ({"ip": ".".join(["a" * 50] * 6)}, "ip is neither an address nor the name of a host"),
        ({"ip": "256.1.1.1"}, "ip is neither an address nor the name of a host"),
        ({"shell_port": True}, "shell_port: has to be a number"),
        ({"ip": "a b"}, "ip is neither an address nor the name of a host"),
        ({"ip": "127.0.0.1\0"}, "ip is neither an address nor the name of a host"),
        ({"transport": "ipc", "ip": "/run/a\nb"}, "ip is no path of a Unix socket"),
        ({"transport": "ipc", "ip": "/" + "a" * 105}, "ip is no path of a Unix socket"),
        ({"curve_publickey": "#" * 40, "curve_secretkey": "0" * 40}, "has to be a CurveZMQ key"),
    ],
)
def test_a_mistake_is_told_with_its_field_and_is_not_worth_waiting_for(changes, told):
    error = refused(text(**changes))
    assert told in str(error)
    assert not isinstance(error, Unfinished)


def test_all_mistakes_are_told_at_once():
    told = str(refused(text(shell_port=..., transport="udp")))
    assert "shell_port" in told
    assert "; transport" in told or "transport: " in told


@pytest.mark.parametrize("name", ["kernel", "kernel.example.", "a_b-c.d", "a" * 63, "127.1"])
def test_a_host_may_have_any_name_that_a_host_can_have(name):
    assert info(ip=name).host == name


PORTS = [f"{channel}_port" for channel in Channel]


@pytest.mark.parametrize("unset", [PORTS, PORTS[:1]])
def test_a_file_whose_ports_the_kernel_has_yet_to_choose_is_worth_waiting_for(unset):
    error = refused(text(**dict.fromkeys(unset, 0)))
    assert isinstance(error, Unfinished)
    assert "the kernel has not put its ports there yet" in str(error)


@pytest.mark.parametrize("wrong", [b"[]", b"null", b"5", b'"text"'])
def test_json_that_is_no_object_is_told_as_the_text(wrong):
    assert "the text: " in str(refused(wrong))


@pytest.mark.parametrize("end", range(0, len(text()), 17))
def test_half_a_file_is_worth_waiting_for(end):
    assert isinstance(refused(text()[:end]), Unfinished)


@pytest.mark.parametrize("wrong", [b"\xff", b"\0" * 200, nested(100_000), text() + b"}"])
def test_what_is_not_json_may_become_it(wrong):
    assert isinstance(refused(wrong), Unfinished)


def test_a_file_that_is_not_there_is_worth_waiting_for(tmp_path):
    with pytest.raises(Unfinished, match="there is no such file"):
        read(tmp_path / "missing.json")


def test_what_is_no_file_is_not(tmp_path):
    with pytest.raises(ConnectionFileError, match="Is a directory") as error:
        read(tmp_path)
    assert not isinstance(error.value, Unfinished)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConnectionFileError, match="it is no regular file") as error:
        read(tmp_path / "pipe")
    assert not isinstance(error.value, Unfinished)


@pytest.mark.parametrize("size", [LARGEST_FILE + 1, 2**34])
def test_a_file_too_large_for_a_connection_file_is_not_read(tmp_path, size):
    path = tmp_path / "kernel.json"
    path.touch()
    os.truncate(path, size)
    with pytest.raises(ConnectionFileError, match="it is larger than 65536 bytes"):
        read(path)


# Writing


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"transport": "ipc", "ip": "/run/k"},
        {"key": ""},
        {"curve_publickey": PUBLIC, "curve_secretkey": SECRET},
    ],
)
def test_what_is_written_is_read_again(tmp_path, changes):
    path = tmp_path / "c.json"
    write(path, info(**changes))
    assert read(path) == info(**changes)
    # Kernels take a field that is null for a key.
    assert None not in json.loads(path.read_text()).values()


def test_only_the_owner_can_read_what_is_written_whatever_the_umask(tmp_path):
    path = tmp_path / "c.json"
    before = os.umask(0)
    try:
        write(path, info())
    finally:
        os.umask(before)
    assert mode_of(path) == 0o600


def test_a_file_that_everybody_could_read_is_replaced_by_one_that_only_the_owner_can(tmp_path):
    path = tmp_path / "c.json"
    path.write_text("old")
    path.chmod(0o666)
    write(path, info())
    assert mode_of(path) == 0o600
    assert read(path) == info()


def test_who_has_the_file_open_keeps_a_whole_one(tmp_path):
    path = tmp_path / "c.json"
    write(path, info())
    with path.open() as reader:
        write(path, info(key="another"))
        assert parse(reader.read().encode(), path) == info()
    assert read(path) == info(key="another")


def test_a_missing_folder_is_made_for_the_owner_only(tmp_path):
    path = tmp_path / "new" / "c.json"
    write(path, info())
    assert mode_of(path.parent) == 0o700


def test_nothing_but_the_file_is_left(tmp_path):
    path = tmp_path / "c.json"
    # What a process of the same id left when it was killed.
    (tmp_path / f".c.json.{os.getpid()}").write_text("half")
    write(path, info())
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_to_elsewhere_is_replaced_and_not_followed(tmp_path):
    path, elsewhere = tmp_path / "c.json", tmp_path / "elsewhere"
    elsewhere.write_text("kept")
    path.symlink_to(elsewhere)
    (tmp_path / f".c.json.{os.getpid()}").symlink_to(elsewhere)
    write(path, info())
    assert elsewhere.read_text() == "kept"
    assert not path.is_symlink()
    assert read(path) == info()


def test_a_file_that_cannot_be_written_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    taken = tmp_path / "taken"
    taken.mkdir()
    for path, why in [
        (tmp_path / "file" / "c.json", "File exists|Not a directory"),
        (taken, "Is a directory"),
        (tmp_path / ("x" * 300), "File name too long"),
    ]:
        with pytest.raises(ConnectionFileError, match=f"cannot be written: ({why})") as error:
            write(path, info())
        assert str(error.value).startswith(f"connection file {path}: ")
        assert RIGHT["key"] not in str(error.value)


# Ids


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("kernel-0a1b.json", "0a1b"),
        ("kernel-a_b.c-d.json", "a_b.c-d"),
        # An id is part of a URL and of a metric's label: no spaces and the like.
        ("kernel-a b.json", None),
        ("kernel-.json", None),
        ("my-kernel-1.json", None),
        ("kernel-1.json.bak", None),
        ("kernel.json", None),
    ],
)
def test_an_id_is_that_of_the_file_name_or_derived_from_the_key(name, told):
    derived = kernel_id(info(), Path("/run/kernel.json"))
    assert kernel_id(info(), Path("/run") / name) == (told or derived)
    assert names_kernel(Path("/run") / name) is (told is not None)


def test_a_derived_id_stays_as_long_as_the_key_and_does_not_tell_it():
    first = kernel_id(info(), Path("/run/a.json"))
    assert kernel_id(info(shell_port=6001), Path("/elsewhere/b.json")) == first
    assert kernel_id(info(key="another"), Path("/run/a.json")) != first
    assert RIGHT["key"] not in first


def test_without_a_key_an_id_is_derived_from_the_path():
    unsigned = info(key="")
    first = kernel_id(unsigned, Path("/run/a.json"))
    assert kernel_id(unsigned, Path("/run/a.json")) == first
    assert kernel_id(unsigned, Path("/run/b.json")) != first


# Fuzzers


@given(mutations([text(), text(transport="ipc", key=""), text(ip="::1")]) | st.binary(max_size=99))
def test_any_text_is_a_connection_file_or_told_to_be_none(wrong):
    with suppress(ConnectionFileError):
        assert isinstance(parse(wrong, PATH), ConnectionInfo)


ANYTHING: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just([])
)


NAMES = [*sorted(RIGHT), "curve_publickey", "curve_secretkey"]


@given(st.sampled_from(NAMES), ANYTHING)
def test_any_value_of_a_field_is_usable_or_told(name, value):
    with suppress(ConnectionFileError):
        got: BaseModel = info(**{name: value})
        assert isinstance(got, ConnectionInfo)
        assert got.endpoint(Channel.SHELL)
        got.signer().sign(b"")
