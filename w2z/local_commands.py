"""The commands that look at this machine and serve nothing; :mod:`w2z.cli` adds them to its own."""

from __future__ import annotations

import asyncio
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import click

from w2z import __version__
from w2z.errors import ExitCode
from w2z.privacy import hide_process, take_variable
from w2z.setting_options import from_environment, settings_from, unknown_variables

_MARKS = {True: ("well", "green"), False: ("wrong", "red"), None: ("look", "yellow")}


def versions() -> str:
    """Return one line with the versions that a bug report needs."""
    import zmq  # noqa: PLC0415 (only this needs it)

    python = f"{platform.python_implementation()} {platform.python_version()}"
    others = [f"pyzmq {zmq.__version__}", f"libzmq {zmq.zmq_version()}"]
    for name in ("websockets", "uvloop"):
        try:
            others.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            others.append(f"no {name}")
    return f"w2z {__version__} ({', '.join([python, *others])})"


@click.command(short_help="List the kernels that w2z can start here.")
def kernels() -> None:
    """List the kernels that w2z can start here: name for --kernel, display name, folder."""
    from w2z.kernel.process.specs import find, names  # noqa: PLC0415 (only this needs it)

    found = [spec for name in names() if (spec := find(name)) is not None]
    if not found:
        click.echo(
            "no kernelspec is installed. For Python: pip install ipykernel. For a kernel elsewhere:"
            " w2z -- COMMAND ... {connection_file}",
            err=True,
        )
        raise SystemExit(ExitCode.FAILURE)
    width = max(len(spec.name) for spec in found)
    for spec in found:
        click.echo(f"{spec.name:{width}}  {spec.spec.display_name}  {spec.folder}")


def check_settings(**options: Any) -> None:
    """Look at settings, files, port and kernel as serve would, and say who could get in.

    Takes what serve takes. The exit code is the one that serve would end with.
    """
    hide_process()
    from w2z.serve.check import check  # noqa: PLC0415 (only this needs it)
    from w2z.serve.place import is_container  # noqa: PLC0415

    context = click.get_current_context()
    variables = [name for name in options if from_environment(context, name)]
    settings = settings_from(options, take_variable("W2Z_TOKEN"), variables)
    for text in unknown_variables(os.environ):
        _show(None, text)

    async def look() -> int:
        code = 0
        async for finding in check(settings, in_container=is_container(os.environ)):
            is_good = None if finding.is_doubtful else not finding.code
            _show(is_good, finding.text)
            code = code or finding.code
        return code

    raise SystemExit(asyncio.run(look()))


def _show(is_good: bool | None, text: str) -> None:
    word, colour = _MARKS[is_good]
    click.echo(f"{click.style(f'{word:5}', fg=colour)}  {text}")
