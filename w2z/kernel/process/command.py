"""What to start as a kernel: a command line, or the kernelspec of a name.

https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernel-specs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

from w2z.errors import SettingsError

LOOKUP_TIMEOUT = 20.0
"""Seconds to look for installed specs; importing jupyter_client takes one on a busy machine."""

_KEPT = "W2Z_LD_"
"""LD_* variables that are the kernel's alone: containers/launcher.c keeps them from w2z."""

_ROUTES_TOKEN = "CONFIGPROXY_AUTH_TOKEN"  # noqa: S105 (a name)
"""What --register-with-chp shows the proxy: who has it can lead every user astray."""

_PYTHONS = frozenset({"python", "python3", f"python3.{sys.version_info.minor}"})


_FLAGS = {"I": sys.flags.isolated, "S": sys.flags.no_site}


@dataclass(frozen=True)
class Command:
    """A command line with ``{connection_file}`` where the file's path goes."""

    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    kernel_name: str = ""
    interrupt_mode: str | None = None
    """The spec's own word; ``None`` where it says nothing."""

    def line(self, path: Path) -> list[str]:
        """The command line for that connection file."""
        return [part.replace("{connection_file}", str(path)) for part in self.argv]

    def full_environment(self, ours: Mapping[str, str]) -> dict[str, str]:
        """The kernel's environment, made from w2z's, without w2z's settings and secrets."""
        inherited = {
            name: value
            for name, value in ours.items()
            if not name.startswith("W2Z_") and name != _ROUTES_TOKEN
        }
        inherited |= {
            name.removeprefix("W2Z_"): value
            for name, value in ours.items()
            if name.startswith(_KEPT)
        }
        told = {
            name: Template(value).safe_substitute(inherited)
            for name, value in self.environment.items()
        }
        # ipykernel ends with this process; a container's PID 1 takes everything along anyway.
        return {**inherited, "JPY_PARENT_PID": str(os.getpid()), **told}


def installed_specs() -> dict[str, Any]:
    """Installed kernelspecs by name, each ``{"resource_dir": ..., "spec": ...}``.

    As jupyter_client finds them, in a process of its own, so that w2z does not keep jupyter_client
    in memory. Takes a second; raises :class:`ValueError` when there is no answer.
    """
    lookup = [*_python(), "-m", "jupyter_client.kernelspecapp", "list", "--json"]
    try:
        done = subprocess.run(  # noqa: S603 (a command of our own)
            lookup,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=LOOKUP_TIMEOUT,
            check=False,
        )
        found = json.loads(done.stdout)["kernelspecs"]
    except (OSError, subprocess.TimeoutExpired, KeyError, TypeError) as error:
        raise ValueError(f"cannot look for installed kernelspecs: {error}") from None
    if not isinstance(found, dict):
        raise ValueError("cannot look for installed kernelspecs: the answer is no object")
    return found


def _python() -> list[str]:
    """The interpreter that runs w2z, as closed to its surroundings as this process is."""
    closed = [f"-{letter}" for letter, is_set in _FLAGS.items() if is_set]
    return [sys.executable, *closed]


def from_spec(name: str, installed: Mapping[str, Any]) -> Command:
    """The command of the spec with that name.

    Raises :class:`~w2z.errors.SettingsError` that names the specs there are.
    """
    try:
        folder = Path(installed[name]["resource_dir"])
        spec = installed[name]["spec"]
    except (KeyError, TypeError):
        there = ", ".join(sorted(installed)) or "none"
        raise SettingsError(
            f"--kernel: no kernelspec is called {name!r}; installed: {there}"
        ) from None
    return Command(
        argv=_argv(spec["argv"], folder),
        environment=spec.get("env") or {},
        kernel_name=name,
        # jupyter_client fills in "signal" where the file says nothing.
        interrupt_mode=spelt_out_mode(folder),
    )


def spelt_out_mode(folder: Path) -> str | None:
    """The interrupt_mode that a spec's own file says."""
    try:
        spec = json.loads((folder / "kernel.json").read_bytes())
        mode = spec.get("interrupt_mode")
    except (OSError, ValueError, AttributeError):
        return None
    return mode if mode in ("signal", "message") else None


def _argv(argv: Sequence[str], folder: Path) -> list[str]:
    parts = [part.replace("{resource_dir}", str(folder)) for part in argv]
    prefix = Path(sys.prefix)
    parts = [part.replace("{prefix}", str(prefix)) for part in parts]
    # Specs installed beside this Python that say just "python" mean this one.
    if parts[0] in _PYTHONS and folder.is_relative_to(prefix):
        parts[0] = sys.executable
    return parts
