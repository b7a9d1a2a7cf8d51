"""The traits that say where a remote kernel is, and what its start and its end mean."""

from __future__ import annotations

import os
from typing import Any

from traitlets import Enum, Float, HasTraits, Unicode

from w2z.client.connection import PATIENCE_AGAIN
from w2z.client.options import Options
from w2z.client.remote import Remote, TokenWay
from w2z.errors import RemoteSettingsError


class RemoteTraits(HasTraits):
    """Where a kernel is: for managers, clients and provisioners.

    ``url``, ``token`` and ``token_file`` are by default what ``W2Z_URL``, ``W2Z_TOKEN`` and
    ``W2Z_TOKEN_FILE`` say at the time.
    """

    url = Unicode("", config=True, help="Where w2z is, as it prints it. Default: W2Z_URL.")
    token = Unicode("", config=True, help="The token. Default: W2Z_TOKEN.")
    token_file = Unicode("", config=True, help="A file whose first line is the token.")
    token_way = Enum(
        [*map(str, TokenWay)],
        str(TokenWay.AUTHORIZATION),
        config=True,
        help="How the token travels, where something on the way keeps a header for itself.",
    )
    ca_file = Unicode("", config=True, help="The CA's certificate, in PEM.")
    client_cert = Unicode("", config=True, help="A certificate to show w2z, in PEM.")
    client_key = Unicode("", config=True, help="Its key, in PEM.")
    on_start = Enum(
        ["attach", "restart"],
        "attach",
        config=True,
        help="Use the kernel as it is, or restart it first.",
    )
    on_shutdown = Enum(
        ["detach", "stop"],
        "detach",
        config=True,
        help="Leave the kernel as it is at the end, or ask it to end.",
    )
    patience = Float(
        PATIENCE_AGAIN,
        config=True,
        help="Seconds without a connection after which the kernel is taken for dead.",
    )

    def remote(self) -> Remote:
        """Return where the kernel is. Raises :class:`~w2z.errors.RemoteSettingsError`."""
        url = self.url or os.environ.get("W2Z_URL", "")
        if not url:
            raise RemoteSettingsError("there is no URL of a w2z: set the trait url, or W2Z_URL")
        return Remote.at(
            url,
            token=self.token or None,
            token_file=self.token_file or None,
            token_way=self.token_way,
            ca_file=self.ca_file or None,
            client_cert=self.client_cert or None,
            client_key=self.client_key or None,
        )

    def options(self, **more: Any) -> Options:
        """Return how attach behaves."""
        given: Any = {"on_start": self.on_start, "on_shutdown": self.on_shutdown}
        return Options(patience=self.patience, **given, **more)
