"""The connection file: a kernel's, or anybody's.

Whatever the text, ``parse`` returns a ConnectionInfo or raises ConnectionFileError, and no other
error. The error is one line, and not a long one. It never quotes a key, unless the file gives the
key as its scheme, too. Where the file is taken, its fields are those that :mod:`json` reads,
and endpoints, signer and the kernel's id can be made of it.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from tests.fuzz.examples import JSON_VALUES, JSON_WORDS, KEY
from tests.fuzz.mutate import Input, Mutator
from w2z.errors import ConnectionFileError
from w2z.kernel.connection_file import ConnectionInfo, kernel_id, parse
from w2z.message import Channel

PATH = Path("kernel.json")

LONGEST = 4000
"""Characters of an error: each field may have one, and fields have names of w2z's own."""

_CURVE = "rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7"
_SECRET = "D:)Q[IlAW!ahhC2ac:9*A}h:p?([4%wOTJ%JR%cs"
_RIGHT: dict[str, Any] = {
    "transport": "tcp",
    "ip": "127.0.0.1",
    **{f"{channel}_port": 5000 + number for number, channel in enumerate(Channel, 1)},
    "key": KEY.decode(),
    "signature_scheme": "hmac-sha256",
    "kernel_name": "python3",
}
_CHANGES: list[dict[str, Any]] = [
    {},
    {"transport": "ipc", "ip": "/run/kernel-ipc"},
    {"ip": "*", "signature_scheme": "hmac-sha512"},
    {"ip": "::1", "kernel_name": ""},
    {"ip": "kernel.example", "more": [1, {"a": None}]},
    {"curve_publickey": _CURVE, "curve_secretkey": _SECRET},
    {"shell_port": 0, "hb_port": 0},
    {"key": "", "signature_scheme": ""},
]
_WORDS = (
    *JSON_WORDS,
    *(b'"ip"', b'"ipc"', b'"tcp"', b'"key"', b'"shell_port"', b"65535", b"65536", b"-1", b"0"),
    *(b'"0.0.0.0"', b'"::1%eth0"', b'"[::1]"', b'"a..b"', b"hmac-", b"shake_128", b"md5", b"sm3"),
    *(b"/" * 110, b"\\n", b"\\ud800", b'"127.1"', b'"\xc3\xa9.example"', b"blake2b", b"5001.0"),
    *(b'"curve_secretkey":', b'"kernel_name":' + b'"x' * 3, b"{{why}}", b"%s", b"{why}"),
)
_VALUES = (
    *JSON_VALUES,
    *(b'"ipc"', b'"/run/a"', b'"::1"', b'"*"', b'"a..b"', b'"127.0.0.1\\n"', b'"hmac-\\u0000"'),
    *(b'"hmac-md5"', b'"hmac-shake_128"', b'"curve_secretkey"', b'"key"', b'"5"', b"5001.0"),
)


class ConnectionFileFuzzer:
    """Texts of a connection file."""

    name = "connection-files"
    share = 0.1

    def __init__(self) -> None:
        self.corpus = [
            json.dumps(_RIGHT | change, indent=indent).encode()
            for change in _CHANGES
            for indent in (None, 1)
        ]

    def make(self, mutator: Mutator) -> Input:
        if mutator.chance(0.4):
            return (mutator.mutate(mutator.pick(self.corpus), self.corpus, _WORDS),)
        if mutator.chance(0.6):
            return (mutator.mutate_json(mutator.pick(self.corpus), _VALUES),)
        fields = _RIGHT | mutator.pick(_CHANGES)
        texts = {name: json.dumps(value).encode() for name, value in fields.items()}
        name = mutator.pick(list(texts))
        texts[name] = mutator.mutate(texts[name], list(texts.values()), _WORDS)
        body = b",".join(b'"%b":%b' % (name.encode(), text) for name, text in texts.items())
        return (b"{" + body + b"}",)

    def check(self, given: Input) -> str:
        text = given[0]
        try:
            info = parse(text, PATH)
        except ConnectionFileError as error:
            _is_fit_to_be_told(str(error), text)
            return type(error).__name__
        for channel in Channel:
            assert info.endpoint(channel).startswith(f"{info.transport}://")
        info.signer().sign(b"{}")
        assert kernel_id(info, PATH)
        assert info.is_address in (True, False)
        is_key = info.key == KEY.decode()
        assert not is_key or info.key not in repr(info) or text.count(KEY) > 1
        _is_what_json_reads(info, text)
        return info.transport

    def renew(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing is open."""


def _is_fit_to_be_told(error: str, text: bytes) -> None:
    assert error.startswith(f"connection file {PATH}: ")
    assert error.isprintable(), "it would break the lines of the log"
    assert len(error) <= LONGEST
    for secret in (KEY, _SECRET.encode()):
        as_scheme = re.search(rb'"signature_scheme"\s*:\s*"[^"]*' + re.escape(secret), text)
        assert as_scheme or secret.decode() not in error, "a key is quoted"


def _is_what_json_reads(info: ConnectionInfo, text: bytes) -> None:
    try:
        fields = json.loads(text.decode())
    except (RecursionError, ValueError):
        return
    for name in ("transport", "ip", "key", "kernel_name"):
        assert getattr(info, name) == fields.get(name, getattr(info, name)), name
    for channel in Channel:
        # A string with a whole number in it is one, too.
        assert getattr(info, f"{channel}_port") == float(fields[f"{channel}_port"])
