"""Write docs/reference/cli.md from the command line itself; with --check, only compare.

Also looks that every relative link in the documentation leads to a file that is there.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from w2z.cli import cli
from w2z.errors import ExitCode
from w2z.setting_options import ENVIRONMENT_ONLY, GROUPS, SettingsCommand
from w2z.settings import Settings

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "cli.md"

HEAD = """# Command line

Made by `docs/generate.py` from the program itself. Options beat the environment, the environment
beats the defaults. `w2z` without a command means `w2z serve`.

Sizes are bytes, or have a unit, a power of 1024 however it is spelled: `64k`, `256MiB`, `1G`. Times
are seconds, or have units: `500ms`, `30s`, `10m`, `1h30m`. In the environment, spaces and line ends
around a value do not count, and neither does upper or lower case of a word. Kubernetes and Docker
tell where a service called w2z is by variables such as `W2Z_PORT=tcp://10.0.0.1:8888`: they are no
settings, and w2z ignores them with a warning.

## w2z serve

{help}

`w2z serve [OPTIONS] [-- COMMAND...]`: with a command w2z starts the kernel; `{{connection_file}}`
in it is replaced by the file's path.

{options}

Only in the environment, because arguments show in process lists:

| environment | meaning |
|---|---|
{environment}

{others}

## Exit codes

| code | meaning |
|---|---|
{codes}
"""


TABLE = ("| option | environment | default | meaning |", "|---|---|---|---|")


def page() -> str:
    command = cli.commands["serve"]
    environment = [
        f"| `W2Z_{name.upper()}` | {Settings.model_fields[name].description} |"
        for name in sorted(ENVIRONMENT_ONLY)
    ]
    others = [section(name, one) for name, one in named(cli, "w2z") if one is not command]
    return HEAD.format(
        help=command.help,
        options="\n\n".join(_groups(command)),
        others="\n\n".join(others),
        environment="\n".join(environment),
        codes="\n".join(f"| {code} | {meaning} |" for code, meaning in _codes()),
    )


HOW_TO = {"exec": "client.md", "attach": "frontends.md", "install": "frontends.md"}
"""Pages that show how to use a command."""


def named(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    """Yield each command below a group, with the words that call it."""
    for one in group.commands.values():
        words = f"{name} {one.name}"
        if isinstance(one, click.Group):
            yield from named(one, words)
        else:
            yield words, one


def _groups(command: click.Command) -> Iterator[str]:
    """Yield, for each purpose, a table of the options that serve it."""
    options = {one.name: one for one in command.params if isinstance(one, click.Option)}
    for title, names in GROUPS.items():
        rows = [_option(options[name]) for name in names]
        yield "\n".join([f"### {title}", "", *TABLE, *rows])


def section(name: str, command: click.Command) -> str:
    """Return what the page says of a command other than ``serve``."""
    usage = "`" + " ".join([name, *command.collect_usage_pieces(click.Context(command))]) + "`"
    if (how_to := HOW_TO.get(command.name or "")) is not None:
        usage += f"; how to use it: [{how_to}](../{how_to}). The token may be in `W2Z_TOKEN`."
    options = [_option(one) for one in command.params if isinstance(one, click.Option)]
    if isinstance(command, SettingsCommand):
        options = []  # those of serve
    table = ["", *TABLE, *options]
    said = inspect.cleandoc(command.help or "")
    return "\n".join([f"## {name}", "", said, "", usage, *(table if options else [])])


def _option(option: click.Option) -> str:
    variable = f"`{option.envvar}`" if option.envvar else ""
    default = f"`{option.default}`" if option.show_default else ""
    return f"| `{option.opts[-1]}` | {variable} | {default} | {option.help} |"


def _codes() -> list[tuple[str, str]]:
    return [
        *((str(code), code.meaning) for code in ExitCode),
        ("128+N", "ended by signal N, cleanly: 143 is SIGTERM, 130 SIGINT"),
        ("any", "the kernel's own, when w2z started it and it ended for good"),
    ]


def broken_links() -> list[str]:
    broken = []
    for text in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", text.read_text())
        missing = [target for target in targets if not (text.parent / target).exists()]
        broken += [f"{text.relative_to(ROOT)}: {target}" for target in missing]
    return broken


def main() -> int:
    if "--check" not in sys.argv:
        PAGE.write_text(page())
    elif not PAGE.exists() or PAGE.read_text() != page():
        print(f"{PAGE.relative_to(ROOT)} is not up to date: run python docs/generate.py")
        return 1
    links = broken_links()
    for link in links:
        print(f"this link leads nowhere: {link}")
    return 1 if links else 0


if __name__ == "__main__":
    raise SystemExit(main())
