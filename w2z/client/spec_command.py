"""The program ``w2z kernelspec install``: asks the live kernel what it is, and writes the files."""

from __future__ import annotations

import sys
from pathlib import Path

from w2z.client.connection import PATIENCE_AGAIN
from w2z.client.kernelspecs import (
    Described,
    address,
    check_free,
    install,
    kernel_json,
    store_token,
    token_path,
)
from w2z.client.policy import OnShutdown, OnStart
from w2z.client.remote import Remote, TokenWay
from w2z.client.rest import Rest
from w2z.errors import KernelspecError


async def install_remote(
    name: str,
    remote: Remote,
    *,
    display_name: str | None = None,
    on_start: OnStart = "attach",
    on_shutdown: OnShutdown = "detach",
    patience: float = PATIENCE_AGAIN,
    provisioner: bool = False,
    sys_prefix: bool = False,
) -> Path:
    """Install a kernelspec of the kernel at ``remote``; return its directory.

    Nothing is written unless that kernel can be reached. Raises :class:`~w2z.errors.W2zError`.
    """
    where = Path(sys.prefix) if sys_prefix else None
    check_free(name, where)
    described = Described.of(await Rest(remote).kernelspec())
    had_token = token_path(name).exists()
    token_file = remote.token_file and remote.token_file.absolute()
    if remote.token is not None:
        token_file = store_token(name, remote.token)
    given = {
        "token_file": token_file,
        "ca_file": remote.ca_file and remote.ca_file.absolute(),
        "client_cert": remote.client_cert and remote.client_cert.absolute(),
        "client_key": remote.client_key and remote.client_key.absolute(),
        "token_way": None if remote.token_way is TokenWay.AUTHORIZATION else remote.token_way,
        "on_start": on_start,
        "on_shutdown": on_shutdown,
        "patience": None if patience == PATIENCE_AGAIN else patience,
    }
    config = {option: str(value) for option, value in given.items() if value is not None}
    options = [
        text
        for option, value in config.items()
        for text in (f"--{option.replace('_', '-')}", value)
    ]
    content = kernel_json(
        described,
        "url",
        address(remote),
        options,
        display_name=display_name,
        provisioner=config if provisioner else None,
    )
    try:
        return install(name, content, where)
    except KernelspecError:
        if not had_token:
            token_path(name).unlink(missing_ok=True)
        raise
