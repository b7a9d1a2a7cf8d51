"""The command line: ``w2z serve``, and the commands beside it.

The options of ``serve`` are made from the settings (:mod:`w2z.setting_options`). The exit codes are
those of :class:`w2z.errors.ExitCode`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import click

from w2z import starting
from w2z.attach_commands import attach, kernelspec
from w2z.errors import ExitCode, RemoteError, StartupError
from w2z.local_commands import check_settings, kernels, versions
from w2z.privacy import hide_process, take_variable
from w2z.remote_commands import Duration, execute
from w2z.setting_options import (
    WARNINGS,
    SettingsCommand,
    from_environment,
    log_later,
    settings_from,
    unknown_variables,
)

log = logging.getLogger("w2z")

PATIENCE = 0.5
"""Seconds to wait for a reader of stderr before an error is not printed."""

CLIENT_CODES = 10
"""The first exit code of the commands that talk to another w2z."""

_CODES = [f"  {code}  {code.meaning}" for code in ExitCode if code < CLIENT_CODES]

EXAMPLES = """
\b
Examples:
  w2z --kernel python3                         start a kernel of the installed kernelspec
  w2z -- python3 -m ipykernel_launcher -f {connection_file}
                                               start it by a command
  w2z --connection-file /run/kernel.json       serve a kernel that runs
  w2z exec http://127.0.0.1:8888/ -c 'print(1)'
                                               run code in it; W2Z_TOKEN has the token
  w2z attach http://127.0.0.1:8888/            use it by jupyter console --existing
"""

EPILOG = """
\b
Examples:
  w2z serve --kernel python3
  w2z serve --port 9000 --token-file /run/secrets/token -- R --slave -e 'IRkernel::main()' \\
      --args {connection_file}
  w2z serve --connection-file /run/kernel.json --allow-origin https://lab.example

With -- COMMAND w2z starts the kernel: {connection_file} in it is replaced by the file's path.

When a kernel that w2z started ends for good, w2z ends with its exit code. Other exit codes:

\b
{codes}
  128+N  ended by signal N
""".replace("{codes}", "\n".join(_CODES).replace("`", ""))


class DefaultGroup(click.Group):
    """A group of commands whose default is ``serve``."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put ``serve`` before arguments that begin with neither a command nor a group's option."""
        own = {name for option in self.params for name in option.opts}
        own |= set(ctx.help_option_names)
        if not args or (args[0] not in self.commands and args[0] not in own):
            args = ["serve", *args]
        return super().parse_args(ctx, args)


def _show_versions(context: click.Context, param: click.Parameter, value: bool) -> None:
    if value:
        click.echo(versions())
        context.exit()


@click.group(
    cls=DefaultGroup, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_versions,
    help="Show the versions of w2z, of Python and of what it uses, and exit.",
)
@click.pass_context
def cli(context: click.Context) -> None:
    """Put a Jupyter kernel on the web. Without a command: serve."""
    if context.invoked_subcommand != "serve":
        # `serve` does it when it has handlers for them.
        starting.release_signals()


def _serve(**options: Any) -> None:
    """Serve a kernel as one authenticated websocket."""
    from w2z.logs.output import ServingOutput  # noqa: PLC0415 (other commands need no server)
    from w2z.serve.budget import ShutdownBudget  # noqa: PLC0415
    from w2z.serve.serve import serve  # noqa: PLC0415

    hide_process()
    context = click.get_current_context()
    variables = [name for name in options if from_environment(context, name)]
    settings = settings_from(options, take_variable("W2Z_TOKEN"), variables)
    for text in unknown_variables(os.environ):
        log_later(context, text)
    budget = ShutdownBudget.of(settings)
    with ServingOutput(settings.log_format, settings.log_level, budget.log / 2) as output:
        for text in context.meta.get(WARNINGS, ()):
            log.warning("%s", text)
        try:
            with asyncio.Runner(loop_factory=_loop_factory()) as runner:
                code = runner.run(serve(settings, output.announce, sys.stdout.isatty()))
        except* StartupError as group:
            if settings.log_format == "text":
                raise
            failed = _first(group)
            log.error("%s", failed)  # noqa: TRY400 (the traceback tells the operator nothing)
            code = getattr(failed, "exit_code", StartupError.exit_code)
    raise SystemExit(code)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop if it is installed, else ``None`` for asyncio's."""
    if find_spec("uvloop") is None:
        return None
    import uvloop  # noqa: PLC0415 (it may be missing)

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


def _words() -> list[str]:
    return [*cli.commands]


cli.add_command(
    SettingsCommand(
        "serve",
        _words,
        callback=_serve,
        help=_serve.__doc__,
        short_help="Serve a kernel.",
        epilog=EPILOG,
    )
)
cli.add_command(
    SettingsCommand(
        "check",
        _words,
        callback=check_settings,
        help=check_settings.__doc__,
        short_help="Look what serve would find, and who could get in.",
    )
)
cli.add_command(kernels)


@cli.command(short_help="Wait until a kernel is ready.")
@click.argument("url", required=False)
@click.option(
    "--timeout",
    type=Duration(min=0),
    default=60,
    show_default=True,
    envvar="W2Z_TIMEOUT",
    show_envvar=True,
    metavar="NUMBER",
    help="Seconds to wait at most; 0 looks once.",
)
def wait(url: str | None, timeout: float) -> None:
    """Wait until w2z at URL serves a ready kernel; exit with 1 when it does not in time.

    Without URL: each w2z of this container that was started with the same W2Z_HOST, W2Z_PORT and
    W2Z_BASE_URL, wherever it listens. Needs no token.
    """
    # A health check has the environment of its container, and the kernel beside it can see it.
    hide_process()
    from w2z.client.wait import own, wait_for_all  # noqa: PLC0415 (only this needs HTTP)

    problem = wait_for_all(lambda: [[url]] if url else own(os.environ), timeout)
    if problem is not None:
        click.echo(f"w2z: not ready: {problem}", err=True)
        raise SystemExit(ExitCode.FAILURE)


cli.add_command(execute)
cli.add_command(attach)
cli.add_command(kernelspec)


def main() -> None:
    """Run the command line. A :class:`StartupError` becomes one line and an exit code, and so does
    a :class:`RemoteError`.
    """
    starting.prepare()
    try:
        cli()
    except* (StartupError, RemoteError) as group:
        failed = _first(group)
        _complain(f"w2z: {failed}")
        code = getattr(failed, "exit_code", StartupError.exit_code)
    else:
        return
    finally:
        starting.release_signals()
    raise SystemExit(code)


def _first(group: BaseException) -> BaseException:
    """Return the first error of a group: task groups wrap errors in groups, and these in more."""
    while isinstance(group, BaseExceptionGroup):
        group = group.exceptions[0]
    return group


def _complain(text: str) -> None:
    """Print an error to stderr, unless nobody reads that; what it quotes begins no line."""
    from w2z.logs.lines import one_message  # noqa: PLC0415 (only this needs it)
    from w2z.logs.writer import is_writable  # noqa: PLC0415

    with contextlib.suppress(OSError, ValueError):  # no descriptor: not a stream of the system
        if not is_writable(sys.stderr.fileno(), PATIENCE):
            return
    click.echo(one_message(text), err=True)
