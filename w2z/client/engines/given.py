"""A container as people describe it: in options, and in the configuration of a provisioner."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from w2z import units
from w2z.client.engines.base import ABANDONED_AFTER, READY_WITHIN, ContainerSpec, Mount, Pull
from w2z.errors import RemoteSettingsError

PLACEHOLDER, ESCAPED = "{connection_file}", "{connection-file}"
"""What w2z in the container replaces in a kernel's command, and how a kernel.json has to have it:
there frontends would put their own file in its place.
"""


def escaped(text: str) -> str:
    """Return an option for a kernel.json, which frontends leave as it is."""
    return text.replace(PLACEHOLDER, ESCAPED)


def container_spec(
    image: str,
    *,
    layer: str | None = None,
    command: str | Sequence[str] | None = None,
    env: Iterable[str] = (),
    mount: Iterable[str] = (),
    cpus: float | None = None,
    memory: str | None = None,
    pull: Pull = "missing",
    ready_timeout: float = READY_WITHIN,
    abandoned_after: float = ABANDONED_AFTER,
) -> ContainerSpec:
    """Return the container that is described. A command that is one text is split as a shell does.

    Raises :class:`~w2z.errors.RemoteSettingsError`, which says what is wrong with which value.
    """
    try:
        words = shlex.split(command) if isinstance(command, str) else list(command or ())
    except ValueError as error:
        raise RemoteSettingsError(f"the command {command!r}: {error}") from None
    return ContainerSpec(
        image,
        command=tuple(word.replace(ESCAPED, PLACEHOLDER) for word in words),
        env=dict(_variable(one) for one in env),
        mounts=tuple(_mount(one) for one in mount),
        cpus=cpus,
        memory=None if memory is None else _size(memory),
        pull=pull,
        layer=layer,
        idle_timeout=abandoned_after,
        ready_timeout=ready_timeout,
    )


def _variable(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise RemoteSettingsError(f"the variable {name!r} has no value: give NAME=VALUE")
    return name, value


def _mount(text: str) -> Mount:
    source, _, rest = text.partition(":")
    target, colon, mode = rest.partition(":")
    absolute = PurePosixPath(source).is_absolute() and PurePosixPath(target).is_absolute()
    if not absolute or (colon and mode not in ("ro", "rw")):
        raise RemoteSettingsError(
            f"the mount {text!r}: give SOURCE:TARGET or SOURCE:TARGET:ro, two absolute paths"
        )
    return Mount(source, target, mode == "ro")


def _size(text: str) -> int:
    size = units.size(text)
    if not size:
        raise RemoteSettingsError(f"the memory {text!r}: give bytes, or like 512M or 2G")
    return size
