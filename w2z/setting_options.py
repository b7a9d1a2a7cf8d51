"""The options of ``w2z serve``, made from :class:`~w2z.settings.Settings`: one for each setting.

Every option can also be given as an environment variable ``W2Z_*``. Options beat the environment,
which beats the defaults.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable
from difflib import get_close_matches
from itertools import pairwise
from typing import Any, get_args

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from w2z import environment
from w2z.errors import SettingsError
from w2z.settings import Settings
from w2z.units import LONGEST

WARNINGS = "w2z.warnings"
"""The key of the warnings that wait for the log, in the context of a command."""

ENVIRONMENT_ONLY = frozenset({"token"})
"""Settings without an option, because process lists show the arguments of a command."""

ARGUMENTS = frozenset({"command"})
"""Settings that are positional arguments, not options."""

PLACEHOLDER = "{connection_file}"
"""What a kernel's command has in the place of its connection file's path."""

GROUPS: dict[str, tuple[str, ...]] = {
    "The kernel": (
        *("connection_file", "kernel", "wait", "kernel_id", "transport", "kernel_uid"),
        *("interrupt_mode", "restart_limit", "ready_timeout", "forward_output", "on_delete"),
        *("image", "labels"),
    ),
    "Its end, and that of w2z": (
        *("shutdown_timeout", "terminate_timeout", "idle_timeout", "max_lifetime"),
    ),
    "Where to listen": (
        *("host", "port", "base_url", "no_console", "register_with_chp", "advertise"),
    ),
    "Who is let in": (
        *("token_file", "token_fd", "no_auth", "allow_origin", "strict_origin", "allow_host"),
        *("trust_proxy",),
    ),
    "Connections and sessions": (
        *("ping_interval", "ping_timeout", "resume_window", "closed_window", "handshake_timeout"),
        *("keep_alive", "max_connections"),
    ),
    "Memory and files": (
        *("memory_budget", "max_message_size", "max_kernel_message_size", "max_body_size"),
        *("max_header_size", "journal_size", "spill_size", "spill_dir", "replay_size"),
    ),
    "What is logged": ("log_level", "log_format", "audit_log", "audit_code"),
}
"""The settings by what they are for, as the help shows them."""

NUMBER_MISTAKES = frozenset(
    {
        *("size", "duration", "int_parsing", "int_from_float", "float_parsing", "finite_number"),
        *("greater_than", "greater_than_equal", "less_than", "less_than_equal"),
    }
)
"""The mistakes whose message shows the value: a number that cannot be used is no secret."""

_OTHERS = ("TIMEOUT", "URL", "TOKEN_WAY", "CA_FILE", "CLIENT_CERT", "CLIENT_KEY", "PATIENCE")
"""Variables of other commands of w2z, without ``W2Z_``."""

_NO_SETTINGS = re.compile(r"W2Z_(LD_|SERVICE_|PORT_\d|ENV_|NAME$)")
"""Variables that have another meaning: for the kernel, or from a platform with a service w2z."""


class SettingsCommand(click.Command):
    """A command with an option for each setting, and perhaps the kernel's command behind ``--``.

    ``words`` returns the words that are commands of w2z, for somebody who mistyped one.
    """

    def __init__(self, name: str, words: Callable[[], Iterable[str]], **more: Any) -> None:
        super().__init__(name, params=settings_options(), **more)
        self._words = words

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the options. Raises :class:`click.UsageError` for an option whose value is missing,
        for words that are no kernel's command, and for a command that names no connection file.
        """
        before = args[: args.index("--") + 1] if "--" in args else args
        self._check_values(before, ctx)
        rest = super().parse_args(ctx, args)
        command = ctx.params.get("command", ())
        if command and "--" not in before:
            raise click.UsageError(self._no_command(command), ctx)
        is_named = ctx.params.get("connection_file") or any(PLACEHOLDER in one for one in command)
        if command and not is_named:
            raise click.UsageError(
                f"the kernel's command has no {PLACEHOLDER}: put it where the kernel expects the"
                " path of its connection file, or give that by --connection-file",
                ctx,
            )
        return rest

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options by what they are for."""
        options = {str(one.name): one for one in self.get_params(ctx)}
        for title, names in GROUPS.items():
            records = [options.pop(name).get_help_record(ctx) for name in names]
            with formatter.section(title):
                formatter.write_dl([one for one in records if one is not None])
        rest = [one.get_help_record(ctx) for one in options.values()]
        with formatter.section("Else"):
            formatter.write_dl([one for one in rest if one is not None])

    def _check_values(self, args: list[str], ctx: click.Context) -> None:
        """An option in the place of another one's value means that the value is missing."""
        options = [one for one in self.params if isinstance(one, click.Option)]
        names = {name for option in options for name in option.opts} | {"--", "--help"}
        want = {name for option in options if not option.is_flag for name in option.opts}
        for one, following in pairwise(args):
            if one in want and following in names:
                raise click.BadOptionUsage(one, f"Option {one!r} requires an argument.", ctx)

    def _no_command(self, command: tuple[str, ...]) -> str:
        word = command[0]
        if word == "help":
            return "'help' is no command of w2z: use w2z --help, or w2z COMMAND --help"
        close = get_close_matches(word, self._words(), n=1)
        meant = f"did you mean {close[0]!r}? " if close else ""
        return (
            f"{word!r} is no command of w2z: {meant}The command that starts a kernel stands behind"
            f" two dashes, as in: w2z -- {word} ... {PLACEHOLDER}"
        )


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


def unknown_variables(names: Iterable[str]) -> list[str]:
    """Return a sentence for each of these variables that begins with ``W2Z_`` and is no setting."""
    known = [f"W2Z_{name.upper()}" for name in Settings.model_fields.keys() - ARGUMENTS]
    known += [f"W2Z_{name}" for name in _OTHERS]
    told = []
    for name in sorted(names):
        if name.startswith("W2Z_") and name not in known and not _NO_SETTINGS.match(name):
            close = get_close_matches(name, known, n=1)
            meant = f": did you mean {close[0]}?" if close else ""
            told.append(f"{name} is no setting of w2z's, and is ignored{meant}")
    return told


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
        shell_complete=_complete_kernel if name == "kernel" else None,
    )


def _complete_kernel(
    ctx: click.Context, param: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    """Return the installed kernelspecs whose name begins like that."""
    from w2z.kernel.process.specs import names  # noqa: PLC0415 (it takes time to import)

    return [CompletionItem(name) for name in names() if name.startswith(incomplete.lower())]


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


def from_environment(context: click.Context, name: str) -> bool:
    """Whether the value of that option comes from its variable."""
    return context.get_parameter_source(name) is ParameterSource.ENVIRONMENT


def log_later(context: click.Context, text: str) -> None:
    """Log a warning as soon as there is a log."""
    warnings = context.meta.setdefault(WARNINGS, [])
    if text not in warnings:
        warnings.append(text)
