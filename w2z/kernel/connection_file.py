"""A kernel's connection file: where its five sockets are and which key signs its messages.

https://jupyter-client.readthedocs.io/en/stable/kernels.html#connection-files. An error about a
connection file is one line that names each wrong field; it never shows the key.
"""

from __future__ import annotations

import contextlib
import os
import re
import uuid
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from w2z.errors import ConnectionFileError
from w2z.message import Channel
from w2z.small_files import read_small
from w2z.wire.signature import Signer


def _is_no_truth(port: object) -> object:
    if isinstance(port, bool):
        raise PydanticCustomError("port", "has to be a number")
    return port


Port = Annotated[int, BeforeValidator(_is_no_truth), Field(ge=1, le=65535)]

_Z85 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
"""The digits of Z85 (https://rfc.zeromq.org/spec/32/): five of them are four bytes."""

_CURVE_KEY_DIGITS = 40

_HOST_NAME = re.compile(
    r"(?=.{1,254}\Z)(?![0-9]+(\.[0-9]+){3}\Z)"
    r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}(\.[A-Za-z0-9_-]{1,63})*\.?"
)
"""Labels of up to 63 characters with dots between them (RFC 1123); four numbers have to be an
address. Python's resolver raises other errors than the system's for what is none.
"""

LONGEST_SOCKET_PATH = 107
"""Most bytes in a Unix socket's path (unix(7): 108 with the null)."""

LARGEST_FILE = 64 * 1024
"""The most bytes of a connection file; real ones have some hundred."""

_KERNEL_FILE = re.compile(r"kernel-([A-Za-z0-9_.-]+)\.json")


class Unfinished(ConnectionFileError):
    """The file does not exist yet, or holds no whole JSON text yet, or ports that the kernel has
    yet to choose: waiting may help.
    """


class ConnectionInfo(BaseModel):
    """The fields of a connection file that w2z needs; other fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    transport: Literal["tcp", "ipc"] = "tcp"
    ip: str = Field("127.0.0.1", min_length=1)
    shell_port: Port
    iopub_port: Port
    stdin_port: Port
    control_port: Port
    hb_port: Port
    key: str = Field("", repr=False)
    signature_scheme: str = Field("hmac-sha256", max_length=64)
    kernel_name: str = Field("", max_length=255)
    curve_publickey: str | None = Field(None, repr=False)
    curve_secretkey: str | None = Field(None, repr=False)

    @field_validator("signature_scheme")
    @classmethod
    def _scheme_is_known(cls, scheme: str) -> str:
        # An empty scheme goes with an empty key: nothing is signed.
        scheme = scheme or "hmac-sha256"
        try:
            Signer(b"", scheme)
        except ValueError as error:
            raise PydanticCustomError("signature_scheme", "{why}", {"why": str(error)}) from None
        return scheme

    @field_validator("curve_publickey", "curve_secretkey")
    @classmethod
    def _is_z85(cls, key: str | None) -> str | None:
        if key is not None and not _is_curve_key(key):
            raise PydanticCustomError("curve", "has to be a CurveZMQ key, 40 characters of Z85")
        return key

    @model_validator(mode="after")
    def _curve_keys_are_a_pair(self) -> Self:
        if (self.curve_publickey is None) != (self.curve_secretkey is None):
            raise PydanticCustomError("curve", "one CurveZMQ key without the other")
        return self

    @model_validator(mode="after")
    def _zmq_takes_its_endpoints(self) -> Self:
        """Check that ZMQ takes the endpoints: its own error would not name the field."""
        if self.transport == "ipc":
            longest = max(len(self.endpoint(channel).encode()) for channel in Channel) - len(
                "ipc://"
            )
            # Such a path would break the lines of the log, too.
            if not self.ip.isprintable() or longest > LONGEST_SOCKET_PATH:
                raise PydanticCustomError(
                    "ip",
                    "ip is no path of a Unix socket, or one of over {n} bytes",
                    {"n": LONGEST_SOCKET_PATH},
                )
        elif not (self.ip == "*" or _HOST_NAME.fullmatch(self.ip) or _is_address(self.ip)):
            raise PydanticCustomError("ip", "ip is neither an address nor the name of a host")
        return self

    def at(self, ip: str) -> ConnectionInfo:
        """Return the info for the same kernel, with ``ip`` in place of its host name."""
        return self if ip == self.host.strip("[]") else self.model_copy(update={"ip": ip})

    def endpoint(self, channel: Channel) -> str:
        """Return the ZMQ endpoint of ``channel``."""
        port = getattr(self, f"{channel}_port")
        if self.transport == "ipc":
            return f"ipc://{self.ip}-{port}"
        return f"tcp://{self.host}:{port}"

    @property
    def host(self) -> str:
        """The host to connect to: 127.0.0.1 for a wildcard; an IPv6 address is in brackets."""
        if self.ip == "*":
            return "127.0.0.1"
        return f"[{self.ip.strip('[]')}]" if ":" in self.ip else self.ip

    @property
    def is_address(self) -> bool:
        """Whether the host is an address, which nobody has to look up."""
        return _is_address(self.host)

    @property
    def is_ipv6(self) -> bool:
        """Whether the sockets have to speak IPv6."""
        return self.transport == "tcp" and ":" in self.ip

    def signer(self) -> Signer:
        """Return the signer for this kernel's key."""
        return Signer(self.key.encode(), self.signature_scheme)


def _is_curve_key(text: str) -> bool:
    if len(text) != _CURVE_KEY_DIGITS or not set(text) <= set(_Z85):
        return False
    for at in range(0, _CURVE_KEY_DIGITS, 5):
        value = 0
        for digit in text[at : at + 5]:
            value = value * len(_Z85) + _Z85.index(digit)
        if value >= 2**32:
            return False
    return True


def _is_address(text: str) -> bool:
    if not text.isprintable() or " " in text:
        return False  # Python takes any text for the zone of an IPv6 address
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        ip_address(bare)
    except ValueError:
        return False
    return True


def parse(text: bytes, path: Path) -> ConnectionInfo:
    """Read the text of a connection file.

    Raises :class:`Unfinished` for text that is not JSON (perhaps not yet) and for ports that are 0,
    in whose place the kernel writes those that it took;
    :class:`~w2z.errors.ConnectionFileError` for JSON that is not a connection file.
    """
    try:
        return ConnectionInfo.model_validate_json(text)
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_context=False)
    if mistakes[0]["type"] == "json_invalid":
        raise Unfinished(f"connection file {path}: not a whole JSON text: {mistakes[0]['msg']}")
    if all(
        mistake["type"] == "greater_than_equal" and mistake["input"] == 0 for mistake in mistakes
    ):
        raise Unfinished(f"connection file {path}: the kernel has not put its ports there yet")
    problem = "; ".join(
        f"{'.'.join(map(str, mistake['loc'])) or 'the text'}: {mistake['msg']}"
        for mistake in mistakes
    )
    raise ConnectionFileError(f"connection file {path}: {problem}")


def read(path: Path) -> ConnectionInfo:
    """Read the connection file at ``path``; raises like :func:`parse`."""
    try:
        text = read_small(path, LARGEST_FILE)
    except FileNotFoundError:
        raise Unfinished(f"connection file {path}: there is no such file") from None
    except OSError as error:
        raise ConnectionFileError(f"connection file {path}: {error.strerror}") from None
    except ValueError as error:
        raise ConnectionFileError(f"connection file {path}: {error}") from None
    return parse(text, path)


def write(
    path: Path, info: ConnectionInfo, take: Callable[[int], None] = lambda descriptor: None
) -> None:
    """Write a connection file that only its owner can read, whole or not at all.

    ``take`` is called with the open file before it gets its name, to give it to another owner.

    Raises :class:`~w2z.errors.ConnectionFileError` when the file cannot be written.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        unfinished.unlink(missing_ok=True)
        with open(unfinished, "x", opener=_for_owner_only) as file:
            file.write(info.model_dump_json(exclude_none=True, indent=1))
            take(file.fileno())
        unfinished.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # do not leave the key behind
            unfinished.unlink()
        raise ConnectionFileError(
            f"connection file {path}: cannot be written: {error.strerror}"
        ) from None


def _for_owner_only(name: str, flags: int) -> int:
    return os.open(name, flags, 0o600)


def names_kernel(path: Path) -> bool:
    """Whether the file's name contains the kernel's id, like Jupyter's ``kernel-ID.json``."""
    return _KERNEL_FILE.fullmatch(path.name) is not None


def kernel_id(info: ConnectionInfo, path: Path) -> str:
    """Return the kernel's id for when none is configured: stable while the kernel is the same.

    The id comes from a file name ``kernel-ID.json``, as Jupyter writes it. Otherwise it is derived
    from the key (one way: the id does not reveal the key), or from the path if there is no key.
    """
    named = _KERNEL_FILE.fullmatch(path.name)
    if named:
        return named[1]
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"jupyter-kernel:{info.key or path.absolute()}"))
