"""Kernelspecs of remote kernels: any Jupyter frontend offers them, and starts ``w2z attach``.

https://jupyter-client.readthedocs.io/en/stable/kernels.html#kernel-specs. Every user may read a
kernelspec, and Jupyter servers serve the files beside it. So the token is in neither, but in a file
for its owner alone, in w2z's own configuration directory.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jupyter_core.paths import jupyter_data_dir, jupyter_path

from w2z.client.remote import Remote
from w2z.errors import KernelspecError
from w2z.small_files import read_small
from w2z.wire.json import parse_object

MARK = "w2z_attach"
"""The field of ``metadata`` by which w2z knows the kernelspecs that it wrote."""

LARGEST_SPEC = 256 * 1024
"""Most bytes of a kernel.json that is read."""

SECRET, DIRECTORY = 0o600, 0o700
"""The modes of a token's file and of the directory that it is in."""

PROVISIONERS = {"url": "w2z-remote", "image": "w2z-container"}
"""The provisioners of jupyter_client, by what a kernelspec is for."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}")
_NOT_OURS = frozenset({"supported_encryption", "kernel_provisioner", "w2z", MARK})


@dataclass(frozen=True)
class Described:
    """What a frontend shows of a kernel."""

    display_name: str
    language: str
    metadata: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, kernelspec: Mapping[str, Any]) -> Described:
        """Return what the kernelspec of the live kernel says."""
        spec = kernelspec.get("spec")
        spec = spec if isinstance(spec, dict) else {}
        found = spec.get("metadata")
        found = found if isinstance(found, dict) else {}
        language = str(spec.get("language") or "")
        return cls(
            str(spec.get("display_name") or language or "remote kernel"),
            language,
            {name: value for name, value in found.items() if name not in _NOT_OURS},
        )


@dataclass(frozen=True)
class Installed:
    """A kernelspec that w2z wrote: its name, where its kernel is, and its directory."""

    name: str
    target: str
    folder: Path


def kernel_json(
    described: Described,
    kind: str,
    target: str,
    options: Sequence[str],
    *,
    display_name: str | None = None,
    provisioner: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the content of a kernel.json.

    ``kind`` is ``url`` or ``image``, ``target`` that URL or image, and ``options`` are those of
    ``w2z attach``. With ``provisioner``, its configuration, jupyter_client does not start the
    command; other frontends do.
    """
    name = display_name or f"{described.display_name} ({_place(target)})"
    where = [target] if kind == "url" else ["--image", target]
    # VS Code hides a Python kernel whose command is no Python that it knows: hence not `w2z`.
    command = [sys.executable, "-m", "w2z", "attach", *where, "-f", "{connection_file}"]
    metadata = {**described.metadata, MARK: {kind: target}}
    if provisioner is not None:
        config = {kind: target, **provisioner}
        metadata["kernel_provisioner"] = {"provisioner_name": PROVISIONERS[kind], "config": config}
    return {
        "argv": [*command, "--one-kernel", *options],
        "display_name": name,
        "language": described.language,
        "interrupt_mode": "message",
        "metadata": metadata,
    }


def address(remote: Remote) -> str:
    """Return the URL of a kernel as `w2z attach` takes it: without a token."""
    if remote.kernel_id is None:
        return remote.url
    return f"{remote.url}api/kernels/{quote(remote.kernel_id, safe='')}/channels"


def check_name(name: str) -> None:
    """Raise :class:`~w2z.errors.KernelspecError` for what is no kernelspec's name."""
    if not _NAME.fullmatch(name):
        raise KernelspecError(f"{name[:40]!r} is no kernelspec's name: use letters, digits, . - _")


def check_free(name: str, prefix: Path | None = None) -> None:
    """Raise :class:`~w2z.errors.KernelspecError` if there is one that w2z did not write."""
    check_name(name)
    folder = _folder(name, prefix)
    if folder.exists() and _read(folder) is None:
        raise KernelspecError(
            f"{folder}: it is not a kernelspec of w2z's: use another name, or remove it first"
        )


def install(
    name: str,
    content: Mapping[str, Any],
    prefix: Path | None = None,
    logos: Mapping[str, bytes] = {},
) -> Path:
    """Write a kernelspec, in the place of one that w2z wrote before; return its directory.

    ``logos`` are files beside it, by their names. It is the user's own, or that of ``prefix``.
    Raises :class:`~w2z.errors.KernelspecError`.
    """
    check_free(name, prefix)
    folder = _folder(name, prefix)
    unfinished = folder / ".kernel.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for old in folder.glob("logo-*"):
            old.unlink()
        for file, picture in logos.items():
            (folder / file).write_bytes(picture)
        unfinished.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")
        unfinished.replace(folder / "kernel.json")
    except OSError as error:
        raise KernelspecError(f"{folder}: cannot be written: {error.strerror}") from None
    return folder


def installed() -> list[Installed]:
    """Return the kernelspecs that w2z wrote, as Jupyter finds them."""
    found: dict[str, Installed] = {}
    for place in jupyter_path("kernels"):
        with contextlib.suppress(OSError):
            for folder in sorted(Path(place).iterdir()):
                target = _read(folder)
                if target is not None:
                    found.setdefault(folder.name, Installed(folder.name, target, folder))
    return [found[name] for name in sorted(found)]


def remove(name: str) -> Path:
    """Remove a kernelspec that w2z wrote, and the token that was stored for it.

    Returns its directory. Raises :class:`~w2z.errors.KernelspecError` if there is none.
    """
    for one in installed():
        if one.name == name:
            try:
                shutil.rmtree(one.folder)
                token_path(name).unlink(missing_ok=True)
            except OSError as error:
                raise KernelspecError(f"{one.folder}: not removed: {error.strerror}") from None
            return one.folder
    raise KernelspecError(f"there is no kernelspec {name!r} of w2z's: see `w2z kernelspec list`")


def token_path(name: str) -> Path:
    """Return where the token for a kernelspec is stored."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(home) / "w2z" / "tokens" / name


def store_token(name: str, token: str) -> Path:
    """Write a token into a file that only its owner can read; return its path.

    Raises :class:`~w2z.errors.KernelspecError` if it cannot be written.
    """
    path = token_path(name)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=DIRECTORY, parents=True, exist_ok=True)
        unfinished.unlink(missing_ok=True)
        with open(unfinished, "x", opener=lambda file, flags: os.open(file, flags, SECRET)) as file:
            file.write(token + "\n")
        unfinished.replace(path)
    except OSError as error:
        raise KernelspecError(f"token file {path}: cannot be written: {error.strerror}") from None
    return path


def _folder(name: str, prefix: Path | None) -> Path:
    share = Path(jupyter_data_dir()) if prefix is None else prefix / "share" / "jupyter"
    return share / "kernels" / name


def _read(folder: Path) -> str | None:
    """Return the URL or the image of a kernelspec that w2z wrote; ``None`` for another's."""
    try:
        content = parse_object(read_small(folder / "kernel.json", LARGEST_SPEC), "kernel.json")
        [target] = content["metadata"][MARK].values()
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return str(target)


def _place(target: str) -> str:
    """Return a URL without its scheme; an image as it is."""
    return target.partition("://")[2].rstrip("/") or target
