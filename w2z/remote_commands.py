"""The commands that talk to another w2z; :mod:`w2z.cli` adds them to its own.

What they do is in :mod:`w2z.client`, which is imported when one of them runs.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from w2z.errors import ENDED_BY_SIGNAL
from w2z.privacy import hide_process
from w2z.units import seconds

CallbackT = TypeVar("CallbackT", bound=Callable[..., Any])


class Duration(click.FloatRange):
    """Seconds, or a text with units."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the seconds; fails for text that means none."""
        read = seconds(value) if isinstance(value, str) else None
        return float(super().convert(value if read is None else read, param, ctx))


_FILE = click.Path(dir_okay=False, path_type=Path)

_REMOTE_OPTIONS = (
    click.option(
        "--token-file",
        type=_FILE,
        metavar="FILE",
        envvar="W2Z_TOKEN_FILE",
        show_envvar=True,
        help="File whose first line is the token; otherwise W2Z_TOKEN has it.",
    ),
    click.option(
        "--token-way",
        type=click.Choice(["authorization", "x-w2z-token", "subprotocol"]),
        default="authorization",
        show_default=True,
        envvar="W2Z_TOKEN_WAY",
        show_envvar=True,
        help="How the token travels, where something on the way keeps a header for itself.",
    ),
    click.option(
        "--ca-file",
        type=_FILE,
        metavar="FILE",
        envvar="W2Z_CA_FILE",
        show_envvar=True,
        help="Certificates of CAs to trust beside those of this machine.",
    ),
    click.option(
        "--client-cert",
        type=_FILE,
        metavar="FILE",
        envvar="W2Z_CLIENT_CERT",
        show_envvar=True,
        help="Certificate that a proxy asks clients for.",
    ),
    click.option(
        "--client-key",
        type=_FILE,
        metavar="FILE",
        envvar="W2Z_CLIENT_KEY",
        show_envvar=True,
        help="Key of that certificate, if it is in another file.",
    ),
    click.option(
        "--patience",
        type=Duration(min=0),
        default=300,
        show_default=True,
        metavar="NUMBER",
        envvar="W2Z_PATIENCE",
        show_envvar=True,
        help="Seconds without a connection after which to give up; at first ten at most.",
    ),
)


def remote_options(callback: CallbackT) -> CallbackT:
    """Add the options that say how to reach another w2z: those of ``w2z.client.connect``."""
    for option in reversed(_REMOTE_OPTIONS):
        callback = option(callback)
    return callback


@click.command("exec", short_help="Run code in the kernel of another w2z.")
@click.argument("url")
@click.argument("file", required=False, type=click.Path(dir_okay=False, allow_dash=True))
@click.option("-c", "--code", metavar="CODE", help="Code to run, in place of a file.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print each output as a line of JSON, as notebooks do."
)
@click.option(
    "--save-dir",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Save pictures and other data there: 7-1.png is the first of execution 7.",
)
@click.option(
    "--timeout",
    type=Duration(min=0),
    metavar="NUMBER",
    help="Seconds after which the kernel is interrupted; what came until then is shown.",
)
@remote_options
def execute(
    url: str,
    file: str | None,
    *,
    code: str | None,
    as_json: bool,
    save_dir: Path | None,
    timeout: float | None,
    **options: Any,
) -> None:
    """Run code in the kernel of the w2z at URL, and show what comes as it comes.

    The code is CODE, or in FILE, or comes from standard input (-). The exit code is 0 when it ran,
    1 when it failed, and another one when it could not be run.
    """
    # Before the token is read.
    hide_process()
    from w2z.client import exec as remote  # noqa: PLC0415 (only this needs it)

    if (code is None) == (file is None):
        raise click.UsageError("give the code: -c CODE, a FILE, or - for standard input")
    if "token=" in url:
        click.echo("w2z: others see the token in the list of processes: use W2Z_TOKEN", err=True)
    source = _read(file) if code is None else code
    may_ask = file != "-" and sys.stdin.isatty() and sys.stdout.isatty()
    task = remote.Task(source, as_json, save_dir, timeout, may_ask)
    patience = options["patience"]
    try:
        status = asyncio.run(remote.execute(url, task, **options, first_patience=min(patience, 10)))
    except KeyboardInterrupt:
        status = ENDED_BY_SIGNAL + signal.SIGINT
    raise SystemExit(status)


def _read(file: str | None) -> str:
    """Return the code in a file; ``-`` is standard input."""
    try:
        with click.open_file(file or "-", encoding="utf-8") as opened:
            return str(opened.read())
    except OSError as error:
        raise click.UsageError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise click.UsageError(f"{file}: it is not UTF-8") from None
