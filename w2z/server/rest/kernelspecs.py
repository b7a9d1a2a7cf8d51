"""The kernel's spec: its own where it is installed, else what the kernel says of itself.

``metadata`` carries what it takes to find the same environment again: the image, its labels, and
the versions of the kernel and of w2z.
"""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

from w2z import __version__
from w2z.bridge.bridge import Bridge
from w2z.kernel.process.command import installed_specs, spelt_out_mode
from w2z.server.rest.models import KernelSpec, KernelSpecs, Spec
from w2z.settings import Settings
from w2z.threads import in_thread

log = logging.getLogger("w2z")

READY_TIMEOUT = 10.0
"""Seconds a request waits for the kernel to say what it is."""


class Specs:
    """The one spec there is, found when it is first asked for."""

    def __init__(self, settings: Settings, bridge: Bridge) -> None:
        self._settings = settings
        self._bridge = bridge
        self._lookup = asyncio.Lock()
        self._looked_up = False
        self._installed: Spec | None = None

    async def get(self) -> KernelSpecs:
        """The spec as the list that clients expect."""
        await self._bridge.conversation.wait_ready(READY_TIMEOUT)
        name = self._bridge.kernel_name
        async with self._lookup:
            if not self._looked_up:
                self._installed = await installed_spec(name)
                self._looked_up = self._bridge.ready
        told = self._bridge.conversation.kernel_info or {}
        spec = self._installed or described_spec(name, told)
        spec = spec.model_copy(update={"metadata": {**spec.metadata, "w2z": self._metadata(told)}})
        return KernelSpecs(default=name, kernelspecs={name: KernelSpec(name=name, spec=spec)})

    def _metadata(self, told: dict[str, Any]) -> dict[str, Any]:
        metadata: dict[str, Any] = {
            "version": __version__,
            "labels": self._settings.labels,
            **{
                name: told[name]
                for name in ("implementation", "implementation_version", "protocol_version")
                if name in told
            },
        }
        if self._settings.image is not None:
            _, _, digest = self._settings.image.partition("@")
            metadata["image"] = {"reference": self._settings.image}
            if digest:
                metadata["image"]["digest"] = digest
        return metadata


def described_spec(name: str, told: dict[str, Any]) -> Spec:
    """A spec from a kernel_info reply (https://jupyter-client.readthedocs.io, 'Kernel info')."""
    language = told.get("language_info")
    language = language if isinstance(language, dict) else {}
    language_name = str(language.get("name") or name)
    version = str(language.get("version") or "")
    return Spec(
        argv=[],
        display_name=f"{language_name[:1].upper()}{language_name[1:]} {version}".strip(),
        language=language_name,
        metadata={"mimetype": language["mimetype"]} if language.get("mimetype") else {},
    )


async def installed_spec(name: str) -> Spec | None:
    """The spec of that name that jupyter_client finds, if it is there and finds one."""
    try:
        installed = await in_thread(installed_specs)
        return Spec.model_validate(installed[name]["spec"])
    except (ValueError, KeyError, TypeError) as error:
        log.debug("no installed kernelspec is called %r: %r", name, error)
        return None


async def installed_mode(name: str) -> str | None:
    """The interrupt_mode that the installed spec of that name spells out, if it does."""
    try:
        installed = await in_thread(installed_specs)
        return spelt_out_mode(Path(installed[name]["resource_dir"]))
    except (ValueError, KeyError, TypeError):
        return None
