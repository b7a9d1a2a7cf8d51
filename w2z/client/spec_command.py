"""The program ``w2z kernelspec install``: asks the live kernel what it is, and writes the files."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from w2z.client.connection import PATIENCE_AGAIN
from w2z.client.engines.base import ContainerSpec
from w2z.client.engines.docker import EngineName, engine
from w2z.client.engines.given import escaped
from w2z.client.engines.starting import started
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
from w2z.threads import in_thread


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
    described, logos = await _live(remote)
    had_token = token_path(name).exists()
    token_file = remote.token_file
    if remote.token is not None:
        token_file = store_token(name, remote.token)
    files = {
        "token_file": token_file,
        "ca_file": remote.ca_file,
        "client_cert": remote.client_cert,
        "client_key": remote.client_key,
    }
    given: dict[str, Any] = {
        option: str(file.absolute()) for option, file in files.items() if file is not None
    }
    if remote.token_way is not TokenWay.AUTHORIZATION:
        given["token_way"] = str(remote.token_way)
    if patience != PATIENCE_AGAIN:
        given["patience"] = patience
    given |= {"on_start": on_start, "on_shutdown": on_shutdown}
    content = kernel_json(
        described,
        "url",
        address(remote),
        [*_options(given)],
        display_name=display_name,
        provisioner=given if provisioner else None,
    )
    try:
        return install(name, content, where, logos)
    except KernelspecError:
        if not had_token:
            token_path(name).unlink(missing_ok=True)
        raise


async def install_container(
    name: str,
    engine_name: EngineName,
    spec: ContainerSpec,
    chosen: Mapping[str, Any],
    *,
    display_name: str | None = None,
    provisioner: bool = False,
    sys_prefix: bool = False,
    **unused: object,
) -> Path:
    """Install a kernelspec of kernels in containers; return its directory.

    ``chosen`` are the options that describe the container, the image included. One container is
    started, and is gone when this returns. Raises :class:`~w2z.errors.W2zError`.
    """
    where = Path(sys.prefix) if sys_prefix else None
    check_free(name, where)
    found = await in_thread(lambda: engine(engine_name))
    with closing(found):
        async with started(found, spec) as running:
            remote = Remote.at(running.url, token=spec.token, environment={})
            described, logos = await _live(remote)
    given = {option: value for option, value in chosen.items() if option != "image"}
    content = kernel_json(
        described,
        "image",
        spec.image,
        [*_options(given)],
        display_name=display_name,
        provisioner=given if provisioner else None,
    )
    return install(name, content, where, logos)


async def _live(remote: Remote) -> tuple[Described, dict[str, bytes]]:
    """Return what the live kernel is, and its logos."""
    rest = Rest(remote)
    kernelspec = await rest.kernelspec()
    return Described.of(kernelspec), await rest.logos(kernelspec)


def _options(given: Mapping[str, Any]) -> Iterator[str]:
    """Yield the options of ``w2z attach`` that say the same."""
    for option, value in given.items():
        for one in value if isinstance(value, list | tuple) else [value]:
            yield f"--{option.replace('_', '-')}"
            yield escaped(str(one))
