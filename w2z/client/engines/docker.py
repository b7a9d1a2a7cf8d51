"""Docker and podman, by the Docker Engine API that both speak.

https://docs.docker.com/reference/api/engine/. Podman does so with ``podman system service``.
"""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from w2z.client.engines.base import PORT, STOP_WITHIN, ContainerSpec, Mount, Running, why
from w2z.client.engines.inside import first_file, folder_archive, token_archive, user_and_group
from w2z.errors import ContainerError

if TYPE_CHECKING:
    from docker.models.containers import Container

EngineName = Literal["auto", "docker", "podman"]

LOOPBACK_ONLY = "127.0.0.1"
"""Where the container's port is published."""

LONGEST_CALL = 600
"""Seconds for one request to the engine: it may have to fetch an image."""

LOOK_PAUSE = 1.0
"""Seconds between two looks at a container of podman that somebody waits for."""

LAST_LINES = 10
"""Lines of a container's output that are kept, to say why it ended."""

OWNER = "w2z.owner"
"""The first words of the labels that say who started a container."""

LAYER = "/opt/w2z"

ResultT = TypeVar("ResultT")


class DockerEngine:
    """The engine at ``url``, ``unix://...`` or ``tcp://...``. Needs the package ``docker``.

    Raises :class:`~w2z.errors.ContainerError` if the package or the engine is not there.
    """

    def __init__(self, url: str) -> None:
        try:
            import docker  # noqa: PLC0415 (an extra, and slow to import)
        except ImportError:
            raise ContainerError(
                "the package docker is not installed: pip install 'w2z[docker]'"
            ) from None
        self._errors = docker.errors
        self._url = url
        self._said: dict[str, deque[str]] = {}
        self._client = self._ask(
            lambda: docker.DockerClient(base_url=url, timeout=LONGEST_CALL, version="auto")
        )

        parts = self._ask(self._client.version).get("Components") or []
        self._is_podman = any("Podman" in part.get("Name", "") for part in parts)

    def start(self, spec: ContainerSpec) -> Running:
        """Start a container; see :class:`~w2z.client.engines.base.Engine`."""
        self._ask(self._sweep)
        self._fetch(spec.image, spec.pull)
        container = self._ask(lambda: self._create(spec))
        try:
            self._ask(lambda: self._fill(container, spec))
            self._ask(container.start)
            self._follow(container)
            return Running(self._address(container), str(container.id))
        except BaseException:
            self.stop(str(container.id), 0)
            raise

    def is_running(self, container_id: str) -> bool:
        """Whether it still runs; one that is not found does not."""
        container = self._find(container_id)
        return container is not None and container.status in ("created", "running", "paused")

    def wait(self, container_id: str) -> int | None:
        """Block until it has ended; ``None`` if its exit code is not known any more."""
        container = self._find(container_id)
        if container is not None and not self._is_podman:
            with contextlib.suppress(self._errors.DockerException, OSError):
                return int(container.wait(timeout=None)["StatusCode"])
            return None
        # Podman's own wait looks without a pause: most of a processor, as long as it waits.
        with contextlib.suppress(ContainerError):
            while container is not None:
                state = container.attrs["State"]
                if state["Status"] in ("exited", "stopped", "dead"):
                    return int(state["ExitCode"])
                time.sleep(LOOK_PAUSE)
                container = self._find(container_id)
        return None

    def last_words(self, container_id: str) -> str:
        """Return the end of what it printed, as far as it has come."""
        return "\n".join(self._said.get(container_id, ()))

    def stop(self, container_id: str, grace: int = STOP_WITHIN) -> None:
        """Stop and remove it, unless it is gone. It has ``grace`` seconds to end by itself."""
        container = self._find(container_id)
        if container is None:
            return
        # It may be on its way out by itself, which some engines call a conflict.
        with contextlib.suppress(self._errors.APIError):
            container.stop(timeout=grace)
        with contextlib.suppress(self._errors.APIError):
            container.remove(force=True, v=True)

    def close(self) -> None:
        """Close the connections to the engine."""
        self._client.close()

    def _sweep(self) -> None:
        """Remove containers that were made and never started, because who made them was killed.

        One that was started ends by itself.
        """
        ours = {"label": [f"{OWNER}.host={socket.gethostname()}"], "status": "created"}
        for container in self._client.containers.list(all=True, filters=ours):
            if not Path("/proc", container.labels[f"{OWNER}.pid"]).exists():
                with contextlib.suppress(self._errors.APIError):
                    container.remove(force=True, v=True)

    def _create(self, spec: ContainerSpec) -> Container:
        command: list[str] | None = list(spec.command) or None
        entrypoint = None
        if spec.layer is not None:
            entrypoint = [f"{LAYER}/bin/w2z"]
            command = ["--", *spec.command] if spec.command else ["--kernel", "python3"]
        return self._client.containers.create(
            spec.image,
            command,
            entrypoint=entrypoint,
            environment=spec.variables,
            labels=labels(),
            mounts=[_mount(one) for one in spec.mounts],
            ports={f"{PORT}/tcp": (LOOPBACK_ONLY, None)},
            nano_cpus=None if spec.cpus is None else int(spec.cpus * 1e9),
            mem_limit=spec.memory,
            auto_remove=True,
            detach=True,
        )

    def _fill(self, container: Container, spec: ContainerSpec) -> None:
        """Put the token, and w2z if the image has none, into a container that does not run yet."""
        user = str(container.attrs["Config"].get("User") or "")
        passwd = self._passwd(container) if not user.partition(":")[0].isdecimal() else ""
        container.put_archive("/", token_archive(spec.token, *user_and_group(user, passwd)))
        if spec.layer is not None:
            self._fetch(spec.layer, spec.pull)
            source = self._client.containers.create(spec.layer, labels=labels())
            try:
                # Docker wants the directory to be there, and locks the source until all is read.
                parent = Path(LAYER).parent
                container.put_archive("/", folder_archive(parent.name))
                with tempfile.TemporaryFile() as kept:
                    chunks, _ = source.get_archive(LAYER)
                    kept.writelines(chunks)
                    kept.seek(0)
                    container.put_archive(str(parent), kept)
            finally:
                source.remove(force=True, v=True)

    def _passwd(self, container: Container) -> str:
        with contextlib.suppress(self._errors.APIError):
            chunks, _ = container.get_archive("/etc/passwd")
            return first_file(b"".join(chunks))
        return ""

    def _fetch(self, image: str, pull: str) -> None:
        """Fetch an image if that is wanted, or needed and allowed."""
        is_there = True
        try:
            self._ask(lambda: self._client.images.get(image))
        except ContainerError:
            is_there = False
        if is_there and pull != "always":
            return
        if pull == "never":
            raise ContainerError(
                f"the image {image!r} is not at the engine: pull or build it, or use --pull missing"
            )
        try:
            self._ask(lambda: self._client.images.pull(image))
        except ContainerError as error:
            raise ContainerError(
                f"the image {image!r} is neither at the engine nor to be had: {error}"
            ) from None

    def _address(self, container: Container) -> str:
        # One that ended at once is gone by now, or has no port any more.
        there = self._find(str(container.id))
        found = None if there is None else there.ports.get(f"{PORT}/tcp")
        if not found:
            raise ContainerError(why("ended at once", self.last_words(str(container.id))))
        return f"http://{LOOPBACK_ONLY}:{found[0]['HostPort']}/"

    def _follow(self, container: Container) -> None:
        """Keep the last lines of what it prints: they are gone with the container."""
        said: deque[str] = deque(maxlen=LAST_LINES)
        self._said[str(container.id)] = said

        def read() -> None:
            with contextlib.suppress(Exception):  # the engine ends the stream as it likes
                for chunk in container.logs(stream=True, follow=True):
                    said.extend(chunk.decode(errors="replace").splitlines())

        threading.Thread(target=read, name="w2z-container", daemon=True).start()

    def _find(self, container_id: str) -> Container | None:
        def find() -> Container | None:
            try:
                return self._client.containers.get(container_id)
            except self._errors.NotFound:
                return None
            except self._errors.APIError as error:
                # Podman, of one that goes just now.
                if "no such container" in str(error.explanation):
                    return None
                raise

        return self._ask(find)

    def _ask(self, ask: Callable[[], ResultT]) -> ResultT:
        """Ask the engine; raises :class:`ContainerError` with what it says."""
        try:
            return ask()
        except self._errors.APIError as error:
            raise ContainerError(f"the engine says: {error.explanation or error}") from None
        except (self._errors.DockerException, OSError) as error:
            raise ContainerError(
                f"no container engine answers at {self._url} ({error}): start it, or set"
                " DOCKER_HOST"
            ) from None


def engine(name: EngineName = "auto", environment: Mapping[str, str] = os.environ) -> DockerEngine:
    """Return the engine that is there: where ``DOCKER_HOST`` (for podman ``CONTAINER_HOST``) says,
    or at the usual socket of either. Raises :class:`~w2z.errors.ContainerError` if there is none.
    """
    for url in addresses(name, environment):
        path = url.removeprefix("unix://")
        if path == url or Path(path).exists():
            return DockerEngine(url)
    raise ContainerError(
        "there is no container engine: start Docker, or `podman system service`, or set DOCKER_HOST"
    )


def addresses(name: EngineName, environment: Mapping[str, str]) -> Iterator[str]:
    """Yield where the engine may listen, the likeliest first."""
    names = ("docker", "podman") if name == "auto" else (name,)
    variables = {"docker": "DOCKER_HOST", "podman": "CONTAINER_HOST"}
    for one in names:
        if said := environment.get(variables[one]):
            yield said
    runtime = environment.get("XDG_RUNTIME_DIR", "/run")
    for one in names:
        for folder in (runtime, "/run") if runtime != "/run" else ("/run",):
            yield f"unix://{folder}/{one}{'/podman' if one == 'podman' else ''}.sock"


def _mount(mount: Mount) -> Any:
    return {
        "Type": "bind",
        "Source": mount.source,
        "Target": mount.target,
        "ReadOnly": mount.read_only,
    }


def labels() -> dict[str, str]:
    """Return labels that name who started a container: the host, and the process by its start."""
    return {
        f"{OWNER}.host": socket.gethostname(),
        f"{OWNER}.pid": str(os.getpid()),
        f"{OWNER}.started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
