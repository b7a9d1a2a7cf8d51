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

from w2z.privacy import hide_process
from w2z.remote_commands import remote_options

if TYPE_CHECKING:
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


def meaning_options(callback: CallbackT) -> CallbackT:
    """Add the options that say what start and end mean for the remote kernel."""
    for option in reversed(_MEANINGS):
        callback = option(callback)
    return callback


@click.command()
@click.argument("url", envvar="W2Z_URL")
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
@remote_options
def attach(url: str, connection_file: Path | None, **options: Any) -> None:
    """Let the kernel of the w2z at URL appear as a local one.

    Prints the path of its connection file, for `jupyter console --existing` and others, and stays
    until it is ended. On a terminal a line shows the state; Ctrl-C interrupts the kernel, and twice
    within a second it ends attach.
    """
    # Before the token is read.
    hide_process()
    from w2z.client.attach import Options  # noqa: PLC0415 (only this needs it)
    from w2z.client.command import attach as run  # noqa: PLC0415

    remote = _remote(url, options)
    chosen = Options(is_terminal=sys.stdin.isatty(), **options)
    raise SystemExit(asyncio.run(run(remote, chosen, connection_file, click.echo)))


@click.group()
def kernelspec() -> None:
    """Let Jupyter's frontends start `w2z attach` as a kernel."""


@kernelspec.command()
@click.argument("name")
@click.option("--url", help="The w2z whose kernel it is.", metavar="URL", required=True)
@click.option("--display-name", help="What frontends show; by default what the kernel is called.")
@meaning_options
@click.option(
    "--provisioner",
    is_flag=True,
    help="Name the provisioner w2z-remote, too, for frontends that use jupyter_client.",
)
@click.option(
    "--sys-prefix", is_flag=True, help="Install it for this Python, and not for this user."
)
@remote_options
def install(name: str, url: str, **options: Any) -> None:
    """Install a kernelspec NAME of a remote kernel; print its directory.

    A token from W2Z_TOKEN is stored in a file that only this user can read; a --token-file stays
    where it is. Neither is in the kernelspec.
    """
    from w2z.client.spec_command import install_remote  # noqa: PLC0415 (only this needs it)

    remote = _remote(url, options)
    click.echo(asyncio.run(install_remote(name, remote, **options)))


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


def _remote(url: str, options: dict[str, Any]) -> Remote:
    """Return the w2z at ``url``; takes out of ``options`` what says how to be let in."""
    from w2z.client.remote import Remote  # noqa: PLC0415 (only these commands need it)

    names = ("token_file", "token_way", "ca_file", "client_cert", "client_key")
    return Remote.at(url, **{name: options.pop(name) for name in names})
