"""The kernel's spec: the installed one, or else one made from the kernel's own description.

``metadata.w2z`` names the environment, so that the same one can be found again: the image, its
labels, and the versions of the kernel and of w2z.
"""

from __future__ import annotations

from functools import partial
from typing import Any
from urllib.parse import quote

from w2z import __version__
from w2z.bridge.bridge import Bridge
from w2z.kernel.process.resources import read
from w2z.kernel.process.specs import InstalledSpec, InstalledSpecs
from w2z.server.rest.models import KernelSpec, KernelSpecs, Spec
from w2z.settings import Settings
from w2z.threads import in_thread


class Specs:
    """Makes the list of kernelspecs, which has the spec of the one kernel."""

    def __init__(self, settings: Settings, bridge: Bridge, installed: InstalledSpecs) -> None:
        self._settings = settings
        self._bridge = bridge
        self._installed = installed

    async def get(self) -> KernelSpecs:
        """Return the spec in the list that clients expect.

        Waits up to ``timing.specs_wait`` seconds for the kernel to be ready.
        """
        await self._bridge.kernel.wait_ready(self._bridge.kernel.timing.specs_wait)
        name = self._bridge.kernel.name
        found = await self._installed.known(name)
        info = self._bridge.kernel.info or {}
        if found is None:
            spec = described_spec(name, info)
        else:
            spec = Spec.model_validate(found.spec.model_dump(exclude_none=True))
        spec = spec.model_copy(update={"metadata": {**spec.metadata, "w2z": self._metadata(info)}})
        known = KernelSpec(name=name, spec=spec, resources=self._resources(name, found))
        return KernelSpecs(default=name, kernelspecs={name: known})

    async def resource(self, name: str, file: str) -> bytes | None:
        """Return the content of a file that the spec's ``resources`` name; ``None`` for others."""
        known = self._bridge.kernel.name
        found = await self._installed.known(known)
        if name.lower() != known.lower() or found is None or file not in found.resources.values():
            return None
        try:
            return await in_thread(partial(read, found.folder, file))
        except (OSError, ValueError):
            # It is gone, or something else is in its place.
            return None

    def _resources(self, name: str, found: InstalledSpec | None) -> dict[str, str]:
        base = f"{self._settings.base_url}kernelspecs/{quote(name)}/"
        resources = {} if found is None else found.resources
        return {known: f"{base}{quote(file)}" for known, file in resources.items()}

    def _metadata(self, info: dict[str, Any]) -> dict[str, Any]:
        metadata: dict[str, Any] = {
            "version": __version__,
            "labels": self._settings.labels,
            **{
                name: info[name]
                for name in ("implementation", "implementation_version", "protocol_version")
                if name in info
            },
        }
        if self._settings.image is not None:
            _, _, digest = self._settings.image.partition("@")
            metadata["image"] = {"reference": self._settings.image}
            if digest:
                metadata["image"]["digest"] = digest
        return metadata


def described_spec(name: str, info: dict[str, Any]) -> Spec:
    """Make a spec of a kernel_info reply (https://jupyter-client.readthedocs.io, 'Kernel info')."""
    language = info.get("language_info")
    language = language if isinstance(language, dict) else {}
    language_name = str(language.get("name") or name)
    version = str(language.get("version") or "")
    return Spec(
        argv=[],
        display_name=f"{language_name[:1].upper()}{language_name[1:]} {version}".strip(),
        language=language_name,
        metadata={"mimetype": language["mimetype"]} if language.get("mimetype") else {},
    )
