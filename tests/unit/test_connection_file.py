"""A kernel's connection file, with jupyter_client as the one who writes it.

The fuzzers' invariant: whatever the text, ``parse`` returns a ConnectionInfo or raises
ConnectionFileError in one line that does not show the key.
"""

import hmac
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jupyter_client.connect import write_connection_file
from pydantic import BaseModel

from tests.unit.examples import mutations, nested
from w2z.connection_file import ConnectionInfo, Unfinished, kernel_id, parse, read
from w2z.errors import ConnectionFileError
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


# Endpoints


@pytest.mark.parametrize("channel", Channel)
def test_each_channel_has_the_endpoint_of_its_port(channel):
    port = RIGHT[f"{channel}_port"]
    assert info().endpoint(channel) == f"tcp://127.0.0.1:{port}"
    ipc = info(transport="ipc", ip="/run/k")
    assert ipc.endpoint(channel) == f"ipc:///run/k-{port}"


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
        ({"hb_port": 0}, "hb_port: Input should be greater than or equal to 1"),
        ({"hb_port": 65536}, "hb_port: Input should be less than or equal to 65535"),
        ({"iopub_port": "x"}, "iopub_port: Input should be a valid integer"),
        ({"stdin_port": None}, "stdin_port: Input should be a valid integer"),
        ({"transport": "udp"}, "transport: Input should be 'tcp' or 'ipc'"),
        ({"ip": ""}, "ip: String should have at least 1 character"),
        ({"key": 5}, "key: Input should be a valid string"),
        ({"signature_scheme": "sha256"}, "'sha256' is not a signature scheme"),
        ({"signature_scheme": "hmac-rot13"}, "'hmac-rot13' needs a hash"),
        ({"signature_scheme": "hmac-shake_256"}, "'hmac-shake_256' needs a hash of fixed length"),
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


@given(st.sampled_from(sorted(RIGHT)), ANYTHING)
def test_any_value_of_a_field_is_usable_or_told(name, value):
    with suppress(ConnectionFileError):
        got: BaseModel = info(**{name: value})
        assert isinstance(got, ConnectionInfo)
        assert got.endpoint(Channel.SHELL)
        got.signer().sign(b"")
