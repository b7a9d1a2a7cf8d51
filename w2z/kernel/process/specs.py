"""The installed kernelspecs, found as jupyter_client finds them.

https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernel-specs. w2z reads them in its own
process, as data. It starts no program, writes nothing, and reads no configuration of Jupyter's,
which is Python code. It imports no module that the kernel could have written meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from jupyter_core import paths
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from w2z.kernel.process.resources import listed
from w2z.small_files import read_small
from w2z.threads import begin, within

log = logging.getLogger("w2z")

LOOKUP_TIMEOUT = 2.0
"""Seconds to wait for a spec that w2z can do without. A lookup takes some milliseconds on a local
disk, and for ever on a network drive that does not answer.
"""

MAX_SIZE = 256 * 1024
"""The most bytes of a kernel.json; real ones have some hundred."""

MAX_NAMES = 16
"""How many lookups are remembered: each change of the connection file may bring another name."""

NATIVE = "python3"
"""The name of the spec that ipykernel gets where it is installed without one."""

_NAME = re.compile(r"[a-z0-9._-]+")


def _in_small_letters(mode: object) -> object:
    return mode.lower() if isinstance(mode, str) else mode


class KernelSpec(BaseModel):
    """The content of a kernel.json; fields that it leaves out are empty."""

    model_config = ConfigDict(frozen=True, strict=True)

    argv: list[str] = []
    display_name: str = ""
    language: str = ""
    env: dict[str, str] = {}
    interrupt_mode: Annotated[
        Literal["signal", "message"] | None, BeforeValidator(_in_small_letters)
    ] = None
    metadata: dict[str, Any] = {}


@dataclass(frozen=True)
class InstalledSpec:
    """A kernelspec, its name in small letters, and the folder that its file is in."""

    name: str
    folder: Path
    spec: KernelSpec
    resources: Mapping[str, str] = field(default_factory=dict)
    """Files of the folder for clients: :func:`w2z.kernel.process.resources.listed`."""


class InstalledSpecs:
    """Looks each name up once, and remembers the result, even if nothing was found.

    w2z does not see a spec that is installed or changed after that until it is started again, or
    until :data:`MAX_NAMES` other names were asked for. A lookup that takes longer than its callers
    wait goes on, and its result counts from then on.
    """

    def __init__(self) -> None:
        self._lookups: dict[str, asyncio.Future[InstalledSpec | None]] = {}
        self._overdue: set[str] = set()

    async def get(self, name: str, seconds: float) -> InstalledSpec | None:
        """Return the spec of that name; ``None`` if there is none.

        Raises :class:`TimeoutError` when the lookup takes longer than ``seconds``, and at once when
        :data:`MAX_NAMES` other lookups hang.
        """
        async with asyncio.timeout(seconds):
            return await asyncio.shield(self._lookup(name.lower()))

    async def known(self, name: str) -> InstalledSpec | None:
        """Return the spec of that name; ``None`` if there is none or the lookup takes too long.

        A lookup that took too long once is not waited for again.
        """
        name = name.lower()
        is_overdue = name in self._overdue
        try:
            return await self.get(name, 0 if is_overdue else LOOKUP_TIMEOUT)
        except TimeoutError:
            if not is_overdue:
                log.warning("looking for kernelspecs takes long: going on without that of %r", name)
            if name in self._lookups:
                self._overdue.add(name)
            return None

    async def interrupt_mode(self, name: str) -> str | None:
        """Return the ``interrupt_mode`` in the spec of that name; ``None`` if absent or unknown."""
        found = await self.known(name)
        return None if found is None else found.spec.interrupt_mode

    async def names(self) -> list[str]:
        """Return the names of all specs; none if that takes too long. Not remembered."""
        try:
            return await within(LOOKUP_TIMEOUT, names)
        except TimeoutError:
            return []

    def _lookup(self, name: str) -> asyncio.Future[InstalledSpec | None]:
        if name in self._lookups:
            return self._lookups[name]
        if len(self._lookups) >= MAX_NAMES:
            done = [name for name, lookup in self._lookups.items() if lookup.done()]
            if not done:
                raise TimeoutError  # each of these lookups hangs in a thread
            del self._lookups[done[0]]
            self._overdue.discard(done[0])
        self._lookups[name] = begin(partial(find, name))
        return self._lookups[name]


def find(name: str) -> InstalledSpec | None:
    """Return the spec of that name in the first of Jupyter's directories that has a usable one.

    The case of letters does not matter. For :data:`NATIVE`, an ipykernel without a spec is found,
    too. Blocks as long as the file system does.
    """
    name = name.lower()
    for folder in _folders(name):
        spec = _load(folder)
        if spec is not None:
            return InstalledSpec(name, folder, spec, listed(folder))
    return _native() if name == NATIVE else None


def names() -> list[str]:
    """Return the names for which :func:`find` finds a spec, sorted. Reads every spec."""
    found = {folder.name.lower() for folder in _folders() if _load(folder) is not None}
    if _native() is not None:
        found.add(NATIVE)
    return sorted(found)


def directories() -> list[str]:
    """Return the directories where kernelspecs may be, best first.

    These are the data directories that ``jupyter --paths`` shows; IPython's comes last.
    """
    try:
        found = paths.jupyter_path("kernels")
    except (OSError, RuntimeError):
        # There is no home directory: neither HOME nor the user database names one.
        given = filter(None, os.environ.get("JUPYTER_PATH", "").split(os.pathsep))
        usual = (*given, *paths.ENV_JUPYTER_PATH, *paths.SYSTEM_JUPYTER_PATH)
        found = [str(Path(path, "kernels")) for path in usual]
    with contextlib.suppress(RuntimeError):
        ipython = Path(os.environ.get("IPYTHONDIR") or "~/.ipython")
        found.append(str(ipython.expanduser() / "kernels"))
    # A ~ that could not be expanded would name a folder of the working directory.
    return [path for path in found if not path.startswith("~")]


def _folders(name: str | None = None) -> Iterator[Path]:
    """Yield the folders whose name may be a spec's, or is ``name``, in upper or lower case."""
    for directory in directories():
        try:
            with os.scandir(directory) as entries:
                there = [entry.name for entry in entries if name in (None, entry.name.lower())]
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            log.warning("cannot look for kernelspecs in %s: %s", directory, error.strerror)
            continue
        for entry in sorted(there):
            if _NAME.fullmatch(entry.lower()):
                yield Path(directory, entry)


def _load(folder: Path) -> KernelSpec | None:
    """Read the folder's kernel.json; ``None`` if it is missing, or unusable, which is logged."""
    file = folder / "kernel.json"
    try:
        return KernelSpec.model_validate_json(read_small(file, MAX_SIZE))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        problem = str(error.strerror)
    except ValidationError as error:
        mistake = error.errors(include_url=False, include_input=False, include_context=False)[0]
        problem = ": ".join([*map(str, mistake["loc"]), mistake["msg"]])
    except ValueError as error:
        problem = str(error)
    log.warning("the kernelspec %s is left out: %s", file, problem)
    return None


def _native() -> InstalledSpec | None:
    """Make a spec for this Python's ipykernel, if it is installed. ipykernel is not imported."""
    try:
        module = importlib.util.find_spec("ipykernel")
    except (ImportError, ValueError):
        return None
    if module is None or module.origin is None:
        return None
    spec = KernelSpec(
        argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        display_name="Python 3 (ipykernel)",
        language="python",
        metadata={"debugger": True},
    )
    folder = Path(module.origin).parent / "resources"
    return InstalledSpec(NATIVE, folder, spec, listed(folder))
