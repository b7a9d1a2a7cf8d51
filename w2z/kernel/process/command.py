"""What to start as a kernel: a command line, or the kernelspec of a name.

https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernel-specs.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

from w2z.errors import SettingsError
from w2z.kernel.process.specs import InstalledSpec

_KEPT = "W2Z_LD_"
"""LD_* variables that are the kernel's alone: containers/launcher.c keeps them from w2z."""

_ROUTES_TOKEN = "CONFIGPROXY_AUTH_TOKEN"  # noqa: S105 (a name)
"""What --register-with-chp shows the proxy: who has it can lead every user astray."""

_PYTHONS = frozenset({"python", "python3", f"python3.{sys.version_info.minor}"})


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
        own = {
            name: Template(value).safe_substitute(inherited)
            for name, value in self.environment.items()
        }
        # ipykernel ends with this process; a container's PID 1 takes everything along anyway.
        return {**inherited, "JPY_PARENT_PID": str(os.getpid()), **own}


def from_spec(installed: InstalledSpec) -> Command:
    """The command of an installed spec.

    Raises :class:`~w2z.errors.SettingsError` for one whose kernels w2z cannot start.
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
    )


def _provisioner(metadata: Mapping[str, Any]) -> object:
    """What jupyter_client would have the kernel started by, if the spec names anything."""
    provisioner = metadata.get("kernel_provisioner")
    return provisioner.get("provisioner_name") if isinstance(provisioner, dict) else None


def _argv(argv: Sequence[str], folder: Path) -> list[str]:
    parts = [part.replace("{resource_dir}", str(folder)) for part in argv]
    prefix = Path(sys.prefix)
    parts = [part.replace("{prefix}", str(prefix)) for part in parts]
    # Specs installed beside this Python that say just "python" mean this one.
    if parts[0] in _PYTHONS and folder.is_relative_to(prefix):
        parts[0] = sys.executable
    return parts
