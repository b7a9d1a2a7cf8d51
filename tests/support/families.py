"""Which address families this machine has, and how to pretend that it has fewer."""

from __future__ import annotations

import errno
import os
import socket
from typing import Any

import pytest


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as asking:
            asking.bind(("::1", 0))
    except OSError:
        return False
    return True


HAS_IPV6 = _has_ipv6()

ipv6 = pytest.mark.skipif(not HAS_IPV6, reason="no IPv6 here")


def without(
    monkeypatch: pytest.MonkeyPatch, family: socket.AddressFamily, number: int = errno.EAFNOSUPPORT
) -> None:
    """Pretend that this machine lacks an address family.

    Its sockets cannot be made, or with ``EADDRNOTAVAIL`` as ``number`` cannot be bound.
    """

    class Socket(socket.socket):
        def __init__(self, *args: Any, **options: Any) -> None:
            super().__init__(*args, **options)
            if self.family == family and number != errno.EADDRNOTAVAIL:
                self.close()
                raise OSError(number, os.strerror(number))

        def bind(self, address: Any) -> None:
            if self.family == family:
                raise OSError(number, os.strerror(number))
            super().bind(address)

    monkeypatch.setattr(socket, "socket", Socket)
