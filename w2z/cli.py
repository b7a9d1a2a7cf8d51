"""The command line, made from :class:`~w2z.settings.Settings`.

Every option can also be given as an environment variable ``W2Z_*``. Options beat the environment,
which beats the defaults. The exit codes are those of :class:`w2z.errors.ExitCode`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import sys
from collections.abc import Callable, Collection
from importlib.util import find_spec
from typing import Any, get_args

import click
from click.core import ParameterSource
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from w2z import __version__, environment, starting
from w2z.attach_commands import attach, kernelspec
from w2z.errors import ExitCode, RemoteError, SettingsError, StartupError
from w2z.privacy import hide_process, take_variable
from w2z.remote_commands import Duration, execute
from w2z.settings import Settings
from w2z.units import LONGEST

log = logging.getLogger("w2z")

WARNINGS = "w2z.warnings"
"""The key of the warnings that wait for the log, in the context of a command."""

PATIENCE = 0.5
"""Seconds to wait for a reader of stderr before an error is not printed."""

ENVIRONMENT_ONLY = frozenset({"token"})
"""Settings without an option, because process lists show the arguments of a command."""

ARGUMENTS = frozenset({"command"})
"""Settings that are positional arguments, not options."""

NUMBER_MISTAKES = frozenset(
    {
        *("size", "duration", "int_parsing", "int_from_float", "float_parsing", "finite_number"),
        *("greater_than", "greater_than_equal", "less_than", "less_than_equal"),
    }
)
"""The mistakes whose message shows the value: a number that cannot be used is no secret."""

CLIENT_CODES = 10
"""The first exit code of the commands that talk to another w2z."""

_CODES = [f"  {code}  {code.meaning}" for code in ExitCode if code < CLIENT_CODES]

EPILOG = """
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
        own = {name for option in self.params for name in option.opts} | {"--help"}
        if not args or (args[0] not in self.commands and args[0] not in own):
            args = ["serve", *args]
        return super().parse_args(ctx, args)


class SettingOption(click.Option):
    """An option whose variable may have spaces around its value, or be somebody else's."""

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """Return the variable's value, ``None`` for nothing, and for a link of the platform."""
        text = super().resolve_envvar_value(ctx)
        if text is not None and environment.is_link(text):
            log_later(
                ctx,
                f"{self.envvar}={text.strip()} is no setting of w2z's, and is ignored: a"
                " platform says with it where a service called w2z is",
            )
        return environment.value({"": text or ""}, "")


def settings_options() -> list[click.Parameter]:
    """Return an option for each setting, with its description as help, and the argument."""
    options = [
        _option(name, setting)
        for name, setting in Settings.model_fields.items()
        if name not in ENVIRONMENT_ONLY | ARGUMENTS
    ]
    return [*options, click.Argument(["command"], nargs=-1, type=click.UNPROCESSED)]


def _option(name: str, setting: FieldInfo) -> click.Option:
    flag = setting.annotation is bool
    multiple = setting.annotation == tuple[str, ...]
    choices = _choices(setting.annotation)
    # click takes an option that says it is no flag, and has no default, for one whose value may be
    # missing: it would be passed over.
    is_flag = {"is_flag": True} if flag else {}
    # Only texts and numbers are shown as defaults.
    shown = setting.default if isinstance(setting.default, str | int | float) else None
    shown = None if flag or setting.is_required() else shown
    # Left out otherwise: click would take a default of None for a value that was given.
    default: dict[str, Any] = {}
    if shown is not None:
        default = {"default": str(shown), "show_default": True}
    return SettingOption(
        ["--" + name.replace("_", "-")],
        **is_flag,
        multiple=multiple,
        type=click.Choice(choices, case_sensitive=False) if choices else (bool if flag else str),
        required=setting.is_required(),
        **default,
        envvar=f"W2Z_{name.upper()}",
        show_envvar=True,
        help=setting.description,
        metavar=None if flag or choices else _metavar(setting),
    )


def _choices(annotation: object) -> list[str]:
    """Return the texts of a Literal, which may be part of a union."""
    found = []
    for part in get_args(annotation):
        found += [part] if isinstance(part, str) else _choices(part)
    return found


def _metavar(setting: FieldInfo) -> str:
    if re.search(r"\b(int|float)\b", str(setting.annotation)):
        return "NUMBER"
    return "FILE" if "Path" in str(setting.annotation) else "TEXT"


def settings_from(
    options: dict[str, Any], environment_token: str | None, variables: Collection[str] = ()
) -> Settings:
    """Make the settings from the command line's values; ``variables`` are those of the environment.

    Raises :class:`SettingsError`, which names the option, or the variable, and shows numbers that
    cannot be used, but never the token.
    """
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if environment_token is not None:
        given["token"] = environment_token.strip()
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_context=False)
    raise SettingsError("; ".join(_mistake(mistake, variables) for mistake in mistakes))


def _mistake(mistake: ErrorDetails, variables: Collection[str]) -> str:
    text = mistake["msg"]
    if mistake["type"] in NUMBER_MISTAKES:
        text += f", not {str(mistake['input'])[:LONGEST]!r}"
    if not mistake["loc"]:
        return text
    name = str(mistake["loc"][0])
    if name in ENVIRONMENT_ONLY or name in variables:
        return f"W2Z_{name.upper()}: {text}"
    return f"--{name.replace('_', '-')}: {text}"


@click.group(cls=DefaultGroup)
@click.version_option(__version__, prog_name="w2z")
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
    variables = [name for name in options if _is_variable(context, name)]
    settings = settings_from(options, take_variable("W2Z_TOKEN"), variables)
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


def _is_variable(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is ParameterSource.ENVIRONMENT


def log_later(context: click.Context, text: str) -> None:
    """Log a warning as soon as there is a log."""
    warnings = context.meta.setdefault(WARNINGS, [])
    if text not in warnings:
        warnings.append(text)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return uvloop's loop if it is installed, else ``None`` for asyncio's."""
    if find_spec("uvloop") is None:
        return None
    import uvloop  # noqa: PLC0415 (it may be missing)

    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


cli.add_command(
    click.Command(
        "serve", callback=_serve, params=settings_options(), help=_serve.__doc__, epilog=EPILOG
    )
)


@cli.command()
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
