"""The HTTP API: what Jupyter's clients ask a server that has exactly one kernel, and health.

https://jupyter-server.readthedocs.io/en/latest/developers/rest-api.html. Clients compare status
codes and shapes strictly; both are as jupyter_server's. *Live* means that this process answers;
*ready* that the kernel does and that its output arrives.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from w2z.bridge.bridge import Bridge
from w2z.errors import HttpError, KernelError
from w2z.kernel.keeping.keeper import Keeper
from w2z.kernel.process.specs import InstalledSpecs
from w2z.server.request import Request, Response, json_response, model_response
from w2z.server.rest.documents import Sessions
from w2z.server.rest.kernelspecs import Specs
from w2z.server.rest.metrics import CONTENT_TYPE, metrics
from w2z.server.rest.models import ChangedSession, Kernel, NewKernel, NewSession, parse_body
from w2z.server.routes import Route
from w2z.settings import Settings
from w2z.wire.authored import timestamp

JUPYTER_SERVER_VERSION = "2.21.1"
"""The jupyter_server whose API this is a part of; clients compare it to choose features."""


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
        """The table of everything but the websocket."""
        return [
            Route("GET", "/livez", self.live, needs_token=False),
            Route("GET", "/readyz", self.ready, needs_token=False),
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
            Route("GET", "/api/sessions", self.list_sessions),
            Route("POST", "/api/sessions", self.create_session),
            Route("GET", "/api/sessions/{session_id}", self.show_session),
            Route("PATCH", "/api/sessions/{session_id}", self.change_session),
            Route("DELETE", "/api/sessions/{session_id}", self.delete_session),
            Route("GET", "/api/contents", self.contents),
            Route("GET", "/api/terminals", self.terminals),
        ]

    def model(self) -> Kernel:
        """The kernel as it is now."""
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
        """Answer, which is all there is to being alive."""
        return json_response({"live": True})

    async def ready(self, request: Request) -> Response:
        """200 once the kernel answered and its output arrives; 503 before, and when it has nothing
        to do and yet answers no heartbeats.
        """
        is_stuck = self._bridge.kernel.life.misses_beats and not self._bridge.kernel.is_busy
        ready = self._bridge.kernel.is_ready and not is_stuck
        return json_response({"ready": ready}, 200 if ready else 503)

    async def metrics(self, request: Request) -> Response:
        """Tell Prometheus how w2z fares."""
        text = metrics(self._bridge).encode()
        return Response(200, text, {"Content-Type": CONTENT_TYPE})

    async def version(self, request: Request) -> Response:
        """Tell clients that a Jupyter server answers here."""
        return json_response({"version": JUPYTER_SERVER_VERSION})

    async def status(self, request: Request) -> Response:
        """Tell how busy the server is."""
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
        """Tell who asks: whoever has the token."""
        names = dict.fromkeys(("username", "name", "display_name"), "w2z")
        nothing = dict.fromkeys(("initials", "avatar_url", "color"))
        return json_response({"identity": {**names, **nothing}, "permissions": {}})

    async def contents(self, request: Request) -> Response:
        """Show an empty directory: files are not w2z's business, but some clients look."""
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
        """List no terminals."""
        return json_response([])

    # The kernel.

    async def list_kernels(self, request: Request) -> Response:
        """List the one kernel."""
        return model_response([self.model()])

    async def start_kernel(self, request: Request) -> Response:
        """Answer the kernel that runs already, whatever name is asked for."""
        parse_body(NewKernel, request.body)
        kernel_id = quote(self._bridge.kernel_id, errors="surrogateescape")
        location = f"{self._settings.base_url}api/kernels/{kernel_id}"
        return model_response(self.model(), 201, {"Location": location})

    async def show_kernel(self, request: Request, kernel_id: str) -> Response:
        """Show the one kernel; any other id is 404."""
        self._check(kernel_id)
        return model_response(self.model())

    async def delete_kernel(self, request: Request, kernel_id: str) -> Response:
        """Do what ``--on-delete`` says, and forget the sessions."""
        self._check(kernel_id)
        self._sessions.clear()
        await self._on_delete()
        return Response(204)

    async def interrupt_kernel(self, request: Request, kernel_id: str) -> Response:
        """Interrupt; 204 only when the kernel was, as far as can be known."""
        self._check(kernel_id)
        try:
            await self._keeper.interrupt()
        except KernelError as error:
            raise HttpError(error.status, str(error)) from None
        return Response(204)

    async def restart_kernel(self, request: Request, kernel_id: str) -> Response:
        """Restart; 200 once another kernel is ready."""
        self._check(kernel_id)
        await self._restart()
        return model_response(self.model())

    async def list_kernelspecs(self, request: Request) -> Response:
        """List the one spec."""
        return model_response(await self._specs.get())

    async def show_kernelspec(self, request: Request, name: str) -> Response:
        """Show the one spec; any other name is 404."""
        specs = await self._specs.get()
        if name not in specs.kernelspecs:
            raise HttpError(404, f"Kernel spec {name} not found")
        return model_response(specs.kernelspecs[name])

    # Sessions.

    async def list_sessions(self, request: Request) -> Response:
        """List the kernel's own session and those that clients made."""
        return model_response(self._sessions.list())

    async def create_session(self, request: Request) -> Response:
        """Make a session, or find the one with that path."""
        return model_response(self._sessions.create(parse_body(NewSession, request.body)), 201)

    async def show_session(self, request: Request, session_id: str) -> Response:
        """Show one session."""
        return model_response(self._sessions.get(session_id))

    async def change_session(self, request: Request, session_id: str) -> Response:
        """Rename, move or retype one session."""
        changes = parse_body(ChangedSession, request.body)
        return model_response(self._sessions.change(session_id, changes))

    async def delete_session(self, request: Request, session_id: str) -> Response:
        """Forget one session; its kernel goes the way ``--on-delete`` says."""
        self._sessions.delete(session_id)
        await self._on_delete()
        return Response(204)

    def _check(self, kernel_id: str) -> None:
        if kernel_id != self._bridge.kernel_id:
            raise HttpError(404, f"Kernel does not exist: {kernel_id}")

    async def _restart(self) -> None:
        try:
            await self._keeper.restart()
        except KernelError as error:
            raise HttpError(error.status, str(error)) from None

    async def _on_delete(self) -> None:
        if self._settings.on_delete == "restart":
            await self._restart()
        elif self._settings.on_delete == "stop":
            await self._keeper.end()
            self._stop()
