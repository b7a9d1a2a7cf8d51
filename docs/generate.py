"""Write docs/reference/cli.md from the command line itself; with --check, only compare.

Also looks that every relative link in the documentation leads to a file that is there.
"""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import click

from w2z.cli import ENVIRONMENT_ONLY, cli
from w2z.errors import ExitCode
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

| option | environment | default | meaning |
|---|---|---|---|
{options}

Only in the environment, because arguments show in process lists:

| environment | meaning |
|---|---|
{environment}

## w2z wait

{wait}

`w2z wait [OPTIONS] [URL]`

| option | environment | default | meaning |
|---|---|---|---|
{wait_options}

## w2z exec

{execute}

`w2z exec [OPTIONS] URL [FILE]`; how to use it: [client.md](../client.md).

| option | environment | default | meaning |
|---|---|---|---|
{execute_options}

The token may be in `W2Z_TOKEN`.

## Exit codes

| code | meaning |
|---|---|
{codes}
"""


def page() -> str:
    command = cli.commands["serve"]
    environment = [
        f"| `W2Z_{name.upper()}` | {Settings.model_fields[name].description} |"
        for name in sorted(ENVIRONMENT_ONLY)
    ]
    wait, execute = cli.commands["wait"], cli.commands["exec"]
    return HEAD.format(
        help=command.help,
        options=_options(command),
        wait=inspect.cleandoc(wait.help or ""),
        wait_options=_options(wait),
        execute=inspect.cleandoc(execute.help or ""),
        execute_options="\n".join(
            _option(p) for p in execute.params if isinstance(p, click.Option)
        ),
        environment="\n".join(environment),
        codes="\n".join(f"| {code} | {meaning} |" for code, meaning in _codes()),
    )


def _options(command: click.Command) -> str:
    return "\n".join(_option(p) for p in command.params if isinstance(p, click.Option))


def _option(option: click.Option) -> str:
    default = f"`{option.default}`" if option.show_default else ""
    variable = f"`{option.envvar}`" if option.envvar else ""
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
