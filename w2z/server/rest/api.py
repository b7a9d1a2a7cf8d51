"""The handlers of the HTTP API: Jupyter's REST API for exactly one kernel, health and metrics.

https://jupyter-server.readthedocs.io/en/latest/developers/rest-api.html. Clients compare status
codes and shapes strictly; both are as jupyter_server's. *Live* means that this process answers;
*ready* means that the kernel has answered and its output arrives.
"""

from __future__ import annotations

from collections.abc import Callable
from mimetypes import guess_type
from urllib.parse import quote

from w2z.bridge.bridge import Bridge
from w2z.errors import HttpError, KernelError
from w2z.kernel.keeping.keeper import Keeper
from w2z.kernel.process.specs import InstalledSpecs
from w2z.server.request import Request, Response, json_response, model_response, shown
from w2z.server.rest.documents import Sessions
from w2z.server.rest.kernelspecs import Specs
from w2z.server.rest.metrics import load, page
from w2z.server.rest.models import (
    ChangedSession,
    Kernel,
    NewKernel,
    NewSession,
    asked_permissions,
    parse_body,
)
from w2z.server.routes import Route
from w2z.settings import Settings
from w2z.threads import in_thread
from w2z.wire.authored import timestamp

JUPYTER_SERVER_VERSION = "2.21.1"
"""w2z serves a part of this jupyter_server's API; clients choose features by the version."""


class Api:
    """The handlers, for one bridge and the keeper of its kernel; ``stop`` ends w2z."""

    def __init__(
        self,
        settings: Settings,
        bridge: Bridge,
        keeper: Keeper,
        stop: Callable[[], None],
        *,
        specs: InstalledSpecs,
    ) -> None:
        self._settings = settings
        self._bridge = bridge
        self._keeper = keeper
        self._stop = stop
        self._sessions = Sessions(bridge.kernel_id, self.model)
        self._specs = Specs(settings, bridge, specs)

    def routes(self) -> list[Route]:
        """Return the routes of everything but the websocket."""
        return [
            Route("GET", "/livez", self.live, needs_token=False, is_probe=True),
            Route("GET", "/readyz", self.ready, needs_token=False, is_probe=True),
            Route("GET", "/api", self.version, needs_token=False),
            Route("GET", "/metrics", self.metrics),
            Route("GET", "/api/status", self.status),
            Route("GET", "/api/me", self.me),
            Route("GET", "/api/kernels", self.list_kernels),
            Route("POST", "/api/kernels", self.start_kernel),
            Route("GET", "/api/kernels/{kernel_id}", self.show_kernel),
            Route("DELETE", "/api/kernels/{kernel_id}", self.delete_kernel),
            Route("POST", "/api/kernels/{kernel_id}/interrupt", self.interrupt_kernel),
            Route("POST", "/api/kernels/{kernel_id}/restart", self.restart_kernel),
            Route("GET", "/api/kernelspecs", self.list_kernelspecs),
            Route("GET", "/api/kernelspecs/{name}", self.show_kernelspec),
            Route("GET", "/kernelspecs/{name}/{file}", self.show_resource),
            Route("GET", "/api/sessions", self.list_sessions),
            Route("POST", "/api/sessions", self.create_session),
            Route("GET", "/api/sessions/{session_id}", self.show_session),
            Route("PATCH", "/api/sessions/{session_id}", self.change_session),
            Route("DELETE", "/api/sessions/{session_id}", self.delete_session),
            Route("GET", "/api/contents", self.contents),
            Route("GET", "/api/terminals", self.terminals),
        ]

    def model(self) -> Kernel:
        """Return the kernel as it is now."""
        bridge = self._bridge
        return Kernel(
            id=bridge.kernel_id,
            name=bridge.kernel.name,
            last_activity=timestamp(bridge.kernel.state.last_activity),
            execution_state=bridge.kernel.state.execution_state,
            connections=bridge.clients.connections,
        )

    # The server.

    async def live(self, request: Request) -> Response:
        """Return 200: a process that answers is alive."""
        return json_response({"live": True})

    async def ready(self, request: Request) -> Response:
        """Return 200 while the kernel is ready, else 503; also 503 while it answers no heartbeats
        although it is not busy.
        """
        is_stuck = self._bridge.kernel.life.misses_beats and not self._bridge.kernel.is_busy
        ready = self._bridge.kernel.is_ready and not is_stuck
        return json_response({"ready": ready}, 200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        """Return the metrics page, for Prometheus."""
        # In a thread: the first time, this takes longer than clients should wait.
        await in_thread(load)
        body, kind = page(self._bridge, request.header("accept") or "")
        return Response(200, body, {"Content-Type": kind, "Cache-Control": "no-store"})

    async def version(self, request: Request) -> Response:
        """Return the version, by which clients recognize a Jupyter server."""
        return json_response({"version": JUPYTER_SERVER_VERSION})

    async def status(self, request: Request) -> Response:
        """Return the number of clients and the times of start and last activity."""
        bridge = self._bridge
        return json_response(
            {
                "connections": bridge.clients.connections,
                "kernels": 1,
                "last_activity": timestamp(bridge.kernel.state.last_activity),
                "started": timestamp(bridge.started),
            }
        )

    async def me(self, request: Request) -> Response:
        """Return one user's identity, which is the same for everybody with the token, and what of
        ``permissions`` is granted: all, because the token allows everything.
        """
        names = dict.fromkeys(("username", "name", "display_name"), "w2z")
        nothing = dict.fromkeys(("initials", "avatar_url", "color"))
        return json_response(
            {"identity": {**names, **nothing}, "permissions": asked_permissions(request)}
        )

    async def contents(self, request: Request) -> Response:
        """Return an empty directory: w2z serves no files, but some clients ask for them."""
        started = timestamp(self._bridge.started)
        return json_response(
            {
                "name": "",
                "path": "",
                "type": "directory",
                "format": "json",
                "mimetype": None,
                "content": [],
                "created": started,
                "last_modified": started,
                "size": None,
                "writable": False,
            }
        )

    async def terminals(self, request: Request) -> Response:
        """Return an empty list: w2z has no terminals."""
        return json_response([])

    # The kernel.

    async def list_kernels(self, request: Request) -> Response:
        """Return a list of the one kernel."""
        return model_response([self.model()])

    async def start_kernel(self, request: Request) -> Response:
        """Return the kernel that runs already, whatever name the client asks for."""
        parse_body(NewKernel, request.body)
        kernel_id = quote(self._bridge.kernel_id, errors="surrogateescape")
        location = f"{self._settings.base_url}api/kernels/{kernel_id}"
        return model_response(self.model(), 201, {"Location": location})

    async def show_kernel(self, request: Request, kernel_id: str) -> Response:
        """Return the one kernel; 404 for any other id."""
        self._check(kernel_id)
        return model_response(self.model())

    async def delete_kernel(self, request: Request, kernel_id: str) -> Response:
        """Forget all REST sessions but the kernel's own, then do what ``--on-delete`` says."""
        self._check(kernel_id)
        self._sessions.clear()
        await self._on_delete()
        return Response(204)

    async def interrupt_kernel(self, request: Request, kernel_id: str) -> Response:
        """Interrupt the kernel; 204 only if that worked, as far as can be known."""
        self._check(kernel_id)
        try:
            await self._keeper.interrupt()
        except KernelError as error:
            raise HttpError(error.status, str(error)) from None
        return Response(204)

    async def restart_kernel(self, request: Request, kernel_id: str) -> Response:
        """Restart the kernel; 200 once another kernel is ready."""
        self._check(kernel_id)
        await self._restart()
        return model_response(self.model())

    async def list_kernelspecs(self, request: Request) -> Response:
        """Return a list of the one spec."""
        return model_response(await self._specs.get())

    async def show_kernelspec(self, request: Request, name: str) -> Response:
        """Return the one spec; 404 for any other name. The case of letters does not matter."""
        specs = await self._specs.get()
        spec = specs.kernelspecs[specs.default]
        if name.lower() != spec.name.lower():
            raise HttpError(404, f"Kernel spec {shown(name)} not found")
        return model_response(spec)

    async def show_resource(self, request: Request, name: str, file: str) -> Response:
        """Return a logo of the spec, or another of the files that its ``resources`` name."""
        content = await self._specs.resource(name, file)
        if content is None:
            raise HttpError(404, f"Kernel spec {shown(name)} has no {shown(file)}")
        kind = guess_type(file)[0] or "application/octet-stream"
        return Response(200, content, {"Content-Type": kind})

    # REST sessions.

    async def list_sessions(self, request: Request) -> Response:
        """Return the kernel's own REST session and those that clients made."""
        return model_response(self._sessions.list())

    async def create_session(self, request: Request) -> Response:
        """Make a REST session, or find the one with the same path."""
        session = self._sessions.create(parse_body(NewSession, request.body))
        location = f"{self._settings.base_url}api/sessions/{session.id}"
        return model_response(session, 201, {"Location": location})

    async def show_session(self, request: Request, session_id: str) -> Response:
        """Return one REST session; 404 for an unknown id."""
        return model_response(self._sessions.get(session_id))

    async def change_session(self, request: Request, session_id: str) -> Response:
        """Change the name, path or type of one REST session."""
        changes = parse_body(ChangedSession, request.body)
        return model_response(self._sessions.change(session_id, changes))

    async def delete_session(self, request: Request, session_id: str) -> Response:
        """Forget one REST session, then do with the kernel what ``--on-delete`` says."""
        self._sessions.delete(session_id)
        await self._on_delete()
        return Response(204)

    def _check(self, kernel_id: str) -> None:
        if kernel_id != self._bridge.kernel_id:
            raise HttpError(404, f"Kernel does not exist: {shown(kernel_id)}")

    async def _restart(self) -> None:
        try:
            await self._keeper.restart()
        except KernelError as error:
            raise HttpError(error.status, str(error)) from None

    async def _on_delete(self) -> None:
        if self._settings.on_delete == "restart":
            # Who comes after this is somebody else. What the kernel says until it has ended is
            # not theirs to read either.
            self._bridge.clients.end_replay()
            await self._restart()
            self._bridge.clients.end_replay()
        elif self._settings.on_delete == "stop":
            await self._keeper.end()
            self._stop()
