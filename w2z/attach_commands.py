"""The commands that let a remote kernel appear as a local one; :mod:`w2z.cli` adds them to its own.

What they do is in :mod:`w2z.client`, which is imported when one of them runs.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from w2z.privacy import hide_process
from w2z.remote_commands import Duration, remote_options

if TYPE_CHECKING:
    from w2z.client.engines.base import ContainerSpec
    from w2z.client.remote import Remote

CallbackT = TypeVar("CallbackT", bound=Callable[..., Any])

_MEANINGS = (
    click.option(
        "--on-start",
        type=click.Choice(["attach", "restart"]),
        default="attach",
        show_default=True,
        help="At the start use the kernel as it is, or restart it.",
    ),
    click.option(
        "--on-shutdown",
        type=click.Choice(["detach", "stop"]),
        default="detach",
        show_default=True,
        help="At the end leave the kernel as it is, or ask it to end.",
    ),
)


_CONTAINER_OPTIONS = (
    click.option(
        "--image",
        metavar="IMAGE",
        help="Start a container of this image, in place of a URL; it is removed at the end.",
    ),
    click.option(
        "--layer",
        metavar="IMAGE",
        help="Image with /opt/w2z, to be put into containers whose image has no w2z.",
    ),
    click.option(
        "--command",
        metavar="TEXT",
        help="Command of the container, in place of the image's; with --layer the kernel's,"
        " with {connection_file}. By default with --layer: the kernelspec python3.",
    ),
    click.option("--env", metavar="NAME=VALUE", multiple=True, help="Variable for the container."),
    click.option(
        "--mount",
        metavar="SOURCE:TARGET[:ro]",
        multiple=True,
        help="Directory of the engine's host, and where it is in the container.",
    ),
    click.option(
        "--cpus", type=click.FloatRange(min=0, min_open=True), metavar="NUMBER", help="Processors."
    ),
    click.option("--memory", metavar="SIZE", help="Memory, such as 512M."),
    click.option(
        "--pull",
        type=click.Choice(["missing", "always", "never"]),
        default="missing",
        show_default=True,
        help="When the image is fetched from its registry.",
    ),
    click.option(
        "--engine",
        type=click.Choice(["auto", "docker", "podman"]),
        default="auto",
        show_default=True,
        help="Container engine; DOCKER_HOST and CONTAINER_HOST say where.",
    ),
    click.option(
        "--ready-timeout",
        type=Duration(min=0, min_open=True),
        default=120,
        show_default=True,
        metavar="NUMBER",
        help="Seconds that the kernel in the container has to get ready.",
    ),
    click.option(
        "--abandoned-after",
        type=Duration(min=0, min_open=True),
        default=120,
        show_default=True,
        metavar="NUMBER",
        help="Seconds without a client after which the container ends by itself.",
    ),
)


def container_options(callback: CallbackT) -> CallbackT:
    """Add the options that say which container to start."""
    for option in reversed(_CONTAINER_OPTIONS):
        callback = option(callback)
    return callback


def meaning_options(callback: CallbackT) -> CallbackT:
    """Add the options that say what start and end mean for the remote kernel."""
    for option in reversed(_MEANINGS):
        callback = option(callback)
    return callback


@click.command()
@click.argument("url", required=False, envvar="W2Z_URL")
@click.option(
    "-f",
    "--connection-file",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Local connection file: made, and removed at the end; with --one-kernel it may be there,"
    " as a frontend writes it. By default a new one in Jupyter's runtime directory.",
)
@click.option(
    "--one-kernel",
    is_flag=True,
    help="Behave as the process of a kernel, which ends with it: for kernelspecs.",
)
@meaning_options
@click.option(
    "--transport",
    type=click.Choice(["tcp", "ipc"]),
    default="tcp",
    show_default=True,
    help="Local ports of the loopback interface, or Unix sockets in a private directory.",
)
@container_options
@remote_options
def attach(url: str | None, connection_file: Path | None, **options: Any) -> None:
    """Let the kernel of the w2z at URL, or of a new container, appear as a local one.

    Prints the path of its connection file, for `jupyter console --existing` and others, and stays
    until it is ended. On a terminal a line shows the state; Ctrl-C interrupts the kernel, and twice
    within a second it ends attach.
    """
    # Before the token is read.
    hide_process()
    from w2z.client.command import attach as run  # noqa: PLC0415
    from w2z.client.command import attach_container  # noqa: PLC0415
    from w2z.client.options import Options  # noqa: PLC0415 (only this needs it)

    engine = options.pop("engine")
    container = {name: options.pop(name) for name in _CONTAINER}
    let_in = {name: options.pop(name) for name in _LET_IN}
    _check_one(url, container["image"])
    chosen = Options(is_terminal=sys.stdin.isatty(), is_fresh=url is None, **options)
    if url is None:
        spec = _container(container)
        running = attach_container(engine, spec, chosen, connection_file, click.echo)
    else:
        running = run(_remote(url, let_in), chosen, connection_file, click.echo)
    raise SystemExit(asyncio.run(running))


@click.group()
def kernelspec() -> None:
    """Let Jupyter's frontends start `w2z attach` as a kernel."""


@kernelspec.command()
@click.argument("name")
@click.option("--url", help="The w2z whose kernel it is.", metavar="URL")
@click.option("--display-name", help="What frontends show; by default what the kernel is called.")
@meaning_options
@click.option(
    "--provisioner",
    is_flag=True,
    help="Name w2z's provisioner, too, for frontends that use jupyter_client.",
)
@click.option(
    "--sys-prefix", is_flag=True, help="Install it for this Python, and not for this user."
)
@container_options
@remote_options
def install(name: str, url: str | None, **options: Any) -> None:
    """Install a kernelspec NAME of a remote kernel, or of kernels in containers; print its
    directory.

    A token from W2Z_TOKEN is stored in a file that only this user can read; a --token-file stays
    where it is. Neither is in the kernelspec. With --image a container is started once, to ask its
    kernel what it is; later each kernel has one of its own.
    """
    from w2z.client.spec_command import (  # noqa: PLC0415 (only this needs it)
        install_container,
        install_remote,
    )

    context = click.get_current_context()
    container = {name: options.pop(name) for name in (*_CONTAINER, "engine")}
    let_in = {name: options.pop(name) for name in _LET_IN}
    _check_one(url, container["image"])
    if url is None:
        chosen = {
            name: value
            for name, value in container.items()
            if context.get_parameter_source(name) is not ParameterSource.DEFAULT
        }
        engine = container.pop("engine")
        running = install_container(name, engine, _container(container), chosen, **options)
    else:
        running = install_remote(name, _remote(url, let_in), **options)
    click.echo(asyncio.run(running))


@kernelspec.command("list")
def list_kernelspecs() -> None:
    """List the kernelspecs that w2z installed: name, URL or image, directory."""
    from w2z.client.kernelspecs import installed  # noqa: PLC0415 (only this needs it)

    for one in installed():
        click.echo(f"{one.name}\t{one.target}\t{one.folder}")


@kernelspec.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove the kernelspec NAME, and the token that was stored for it."""
    from w2z.client.kernelspecs import remove as run  # noqa: PLC0415 (only this needs it)

    click.echo(f"removed {run(name)}")


_LET_IN = ("token_file", "token_way", "ca_file", "client_cert", "client_key")
_CONTAINER = (
    *("image", "layer", "command", "env", "mount", "cpus", "memory", "pull"),
    *("ready_timeout", "abandoned_after"),
)


def _check_one(url: str | None, image: str | None) -> None:
    if (url is None) == (image is None):
        raise click.UsageError("give either the URL of a w2z or --image")


def _remote(url: str, let_in: dict[str, Any]) -> Remote:
    from w2z.client.remote import Remote  # noqa: PLC0415 (only these commands need it)

    return Remote.at(url, **let_in)


def _container(given: dict[str, Any]) -> ContainerSpec:
    from w2z.client.engines.given import container_spec  # noqa: PLC0415

    return container_spec(**given)
