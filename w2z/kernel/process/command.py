"""The command that starts a kernel: a given command line, or that of a kernelspec.

https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernel-specs.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

from w2z.errors import SettingsError
from w2z.kernel.process.owner import Owner
from w2z.kernel.process.specs import InstalledSpec

_KEPT = "W2Z_LD_"
"""Prefix of LD_* variables that are meant for the kernel alone: containers/launcher.c renames them,
so that they do not affect w2z.
"""

_ROUTES_TOKEN = "CONFIGPROXY_AUTH_TOKEN"  # noqa: S105 (a name)
"""The variable with the token of --register-with-chp's proxy. It is kept from the kernel, because
with that token the kernel could redirect every user.
"""

_TAKE_UNIX_SOCKETS = frozenset({"ipykernel", "ipykernel_launcher", "bash_kernel", "octave_kernel"})
"""Python modules that start a kernel which listens on Unix sockets if its connection file says so:
those that are made of ipykernel's own program.
"""

_PYTHON = re.compile(r"(python|pypy)[0-9.]*")
_SAYS_WHERE = re.compile(r"--([\w.]+\.)?(ip|transport|\w+_port|stdin|shell|iopub|hb|control)(=|$)")
"""Options of these modules that say where to listen, and count more than the connection file."""

_PYTHONS = frozenset({"python", "python3", f"python3.{sys.version_info.minor}"})


@dataclass(frozen=True)
class Command:
    """A command line, with ``{connection_file}`` in place of the connection file's path."""

    argv: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    kernel_name: str = ""
    interrupt_mode: str | None = None
    """The ``interrupt_mode`` in the kernelspec; ``None`` if there is none."""
    takes_curve: bool = False
    """Whether the kernelspec says that the kernel takes the keys of CurveZMQ, which encrypts."""

    def line(self, path: Path) -> list[str]:
        """Return the command line for the connection file at ``path``."""
        return [part.replace("{connection_file}", str(path)) for part in self.argv]

    @property
    def takes_unix_sockets(self) -> bool:
        """Whether the kernel is known to listen on Unix sockets: Python runs a module of which that
        is known, without another program around it, and no option says where to listen.
        """
        program, *options = [*self.argv, ""]
        if not _PYTHON.fullmatch(Path(program).name) or "-m" not in options:
            return False
        at = options.index("-m")
        mentions = any(_SAYS_WHERE.match(option) for option in options)
        return options[at + 1] in _TAKE_UNIX_SOCKETS and not mentions

    def full_environment(
        self, ours: Mapping[str, str], owner: Owner | None = None
    ) -> dict[str, str]:
        """Return the environment of ``owner``'s kernel, made from w2z's environment ``ours``.

        It has none of w2z's settings and secrets; the kernelspec's variables are added.
        """
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
        if owner is not None:
            inherited = owner.environment(inherited)
        own = {
            name: Template(value).safe_substitute(inherited)
            for name, value in self.environment.items()
        }
        # ipykernel ends when this process does. If w2z is PID 1, its end ends the container anyway.
        return {**inherited, "JPY_PARENT_PID": str(os.getpid()), **own}


def from_spec(installed: InstalledSpec) -> Command:
    """Return the command of an installed spec.

    Raises :class:`~w2z.errors.SettingsError` if w2z cannot start kernels of this spec.
    """
    spec = installed.spec
    provisioner = _provisioner(spec.metadata)
    if provisioner not in (None, "local-provisioner"):
        raise SettingsError(
            f"--kernel: kernels of {installed.name!r} are started by {provisioner!r}, which w2z"
            " does not use; name a command instead (w2z -- COMMAND)"
        )
    if not spec.argv:
        raise SettingsError(f"--kernel: the kernelspec {installed.name!r} has no argv")
    return Command(
        argv=_argv(spec.argv, installed.folder),
        environment=spec.env,
        kernel_name=installed.name,
        interrupt_mode=spec.interrupt_mode,
        takes_curve=_takes_curve(spec.metadata),
    )


def _provisioner(metadata: Mapping[str, Any]) -> object:
    """Return the provisioner with which jupyter_client starts the kernel, if the spec names one."""
    provisioner = metadata.get("kernel_provisioner")
    return provisioner.get("provisioner_name") if isinstance(provisioner, dict) else None


def _takes_curve(metadata: Mapping[str, Any]) -> bool:
    """Whether ``supported_encryption`` names CurveZMQ, as jupyter_client reads it."""
    named = metadata.get("supported_encryption")
    names = [named] if isinstance(named, str) else named if isinstance(named, list) else []
    return any(isinstance(name, str) and name.strip().lower() == "curve" for name in names)


def _argv(argv: Sequence[str], folder: Path) -> list[str]:
    parts = [part.replace("{resource_dir}", str(folder)) for part in argv]
    prefix = Path(sys.prefix)
    parts = [part.replace("{prefix}", str(prefix)) for part in parts]
    # A spec that is installed with this Python and says just "python" means this Python.
    if parts[0] in _PYTHONS and folder.is_relative_to(prefix):
        parts[0] = sys.executable
    return parts
