"""The kernelspecs that are installed, found as jupyter_client finds them.

https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernel-specs. They are read in this
process, as data: no program is started, no configuration of Jupyter's is read (it is Python code),
no module is imported that was not imported before the kernel could write one, and nothing is
written.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import logging
import os
import re
import stat
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from jupyter_core import paths
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

from w2z.threads import begin, within

log = logging.getLogger("w2z")

LOOKUP_TIMEOUT = 2.0
"""Seconds to wait for what can be done without; a lookup takes some milliseconds on a local disk,
and for ever on a network drive that does not answer.
"""

MAX_SIZE = 256 * 1024
"""Bytes of a kernel.json; real ones have some hundred."""

MAX_NAMES = 16
"""Names whose lookup is remembered: a connection file may tell another one whenever it changes."""

NATIVE = "python3"
"""The name ipykernel has where it is installed without a spec."""

_NAME = re.compile(r"[a-z0-9._-]+")


def _in_small_letters(mode: object) -> object:
    return mode.lower() if isinstance(mode, str) else mode


class KernelSpec(BaseModel):
    """What a kernel.json says; what it leaves out is empty."""

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


class InstalledSpecs:
    """Looks each name up once: what was found, or that nothing was, holds as long as w2z runs.

    A spec that is installed or changed later is for the next w2z. A lookup that takes too long goes
    on without those who asked, and what it finds in the end counts from then on.
    """

    def __init__(self) -> None:
        self._lookups: dict[str, asyncio.Future[InstalledSpec | None]] = {}
        self._overdue: set[str] = set()

    async def get(self, name: str, seconds: float) -> InstalledSpec | None:
        """The spec of that name, if there is one.

        Raises :class:`TimeoutError` when that is not known after ``seconds``.
        """
        async with asyncio.timeout(seconds):
            return await asyncio.shield(self._lookup(name.lower()))

    async def known(self, name: str) -> InstalledSpec | None:
        """The spec of that name, or ``None`` where there is none or it takes too long to see.

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
        """The interrupt_mode that the spec of that name spells out, if it is known and does."""
        found = await self.known(name)
        return None if found is None else found.spec.interrupt_mode

    async def names(self) -> list[str]:
        """The names that there are, as far as that is known in time; not remembered."""
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
                raise TimeoutError  # so many threads hang already
            del self._lookups[done[0]]
            self._overdue.discard(done[0])
        self._lookups[name] = begin(partial(find, name))
        return self._lookups[name]


def find(name: str) -> InstalledSpec | None:
    """The spec of that name in the first of Jupyter's directories that has one which is usable.

    Large and small letters are alike. Takes as long as the file system does.
    """
    name = name.lower()
    for folder in _folders(name):
        spec = _load(folder)
        if spec is not None:
            return InstalledSpec(name, folder, spec)
    return _native() if name == NATIVE else None


def names() -> list[str]:
    """The names that :func:`find` finds a spec for, sorted; reads all of them."""
    found = {folder.name.lower() for folder in _folders() if _load(folder) is not None}
    if _native() is not None:
        found.add(NATIVE)
    return sorted(found)


def directories() -> list[str]:
    """Where kernelspecs may be, best first, as ``jupyter --paths`` tells; last of all IPython's."""
    try:
        found = paths.jupyter_path("kernels")
    except (OSError, RuntimeError):
        # There is no home: neither HOME nor the list of users tells one.
        given = filter(None, os.environ.get("JUPYTER_PATH", "").split(os.pathsep))
        usual = (*given, *paths.ENV_JUPYTER_PATH, *paths.SYSTEM_JUPYTER_PATH)
        found = [str(Path(path, "kernels")) for path in usual]
    with contextlib.suppress(RuntimeError):
        ipython = Path(os.environ.get("IPYTHONDIR") or "~/.ipython")
        found.append(str(ipython.expanduser() / "kernels"))
    # A ~ that is still there would be a folder of the working directory.
    return [path for path in found if not path.startswith("~")]


def _folders(name: str | None = None) -> Iterator[Path]:
    """Folders with a possible name, or with just that one, in any letters."""
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
    """What the folder's kernel.json says; ``None`` where there is none, or none that is usable."""
    file = folder / "kernel.json"
    try:
        return KernelSpec.model_validate_json(_read(file))
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


def _read(file: Path) -> bytes:
    """A file's content, if it is one that ends: pipes and devices may not."""
    with open(file, "rb", opener=_open_at_once) as opened:
        if not stat.S_ISREG(os.fstat(opened.fileno()).st_mode):
            raise ValueError("it is no regular file")
        text = opened.read(MAX_SIZE + 1)
    if len(text) > MAX_SIZE:
        raise ValueError(f"it is larger than {MAX_SIZE} bytes")
    return text


def _open_at_once(name: str, flags: int) -> int:
    """A pipe is opened without waiting for its other end."""
    return os.open(name, flags | os.O_NONBLOCK | os.O_NOCTTY)


def _native() -> InstalledSpec | None:
    """The kernel of this Python, where ipykernel is installed; it is not imported."""
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
    return InstalledSpec(NATIVE, Path(module.origin).parent / "resources", spec)
