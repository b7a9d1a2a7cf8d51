"""The HTTP API: what Jupyter's clients ask a server that has exactly one kernel, and health.

https://jupyter-server.readthedocs.io/en/latest/developers/rest-api.html. *Live* means that this
process answers; *ready* that the kernel does and that its output arrives.
"""

from __future__ import annotations

from typing import Any

from w2z.bridge import Bridge
from w2z.errors import HttpError
from w2z.server.request import Request, Response, json_response
from w2z.server.routes import Route
from w2z.wire.header import timestamp

JUPYTER_SERVER_VERSION = "2.21.1"
"""The jupyter_server whose API this is a part of; clients compare it to choose features."""


class Api:
    """The handlers, for one bridge."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def routes(self) -> list[Route]:
        """The table of everything but the websocket."""
        return [
            Route("GET", "/api", self.version, needs_token=False),
            Route("GET", "/api/status", self.status),
            Route("GET", "/api/kernels", self.kernels),
            Route("GET", "/api/kernels/{kernel_id}", self.kernel),
            Route("GET", "/livez", self.live, needs_token=False),
            Route("GET", "/readyz", self.ready, needs_token=False),
        ]

    async def version(self, request: Request) -> Response:
        """Tell clients that a Jupyter server answers here."""
        return json_response({"version": JUPYTER_SERVER_VERSION})

    async def status(self, request: Request) -> Response:
        """Tell how busy the server is."""
        bridge = self._bridge
        return json_response(
            {
                "connections": bridge.connections,
                "kernels": 1,
                "last_activity": timestamp(bridge.state.last_activity),
                "started": timestamp(bridge.started),
            }
        )

    async def kernels(self, request: Request) -> Response:
        """List the one kernel."""
        return json_response([self._kernel_model()])

    async def kernel(self, request: Request, kernel_id: str) -> Response:
        """Show the one kernel; any other id is 404."""
        if kernel_id != self._bridge.kernel_id:
            raise HttpError(404, f"Kernel does not exist: {kernel_id}")
        return json_response(self._kernel_model())

    async def live(self, request: Request) -> Response:
        """Answer, which is all there is to being alive."""
        return json_response({"live": True})

    async def ready(self, request: Request) -> Response:
        """200 once the kernel answered and its output arrives, 503 before."""
        ready = self._bridge.ready
        return json_response({"ready": ready}, 200 if ready else 503)

    def _kernel_model(self) -> dict[str, Any]:
        bridge = self._bridge
        return {
            "id": bridge.kernel_id,
            "name": bridge.kernel_name,
            "last_activity": timestamp(bridge.state.last_activity),
            "execution_state": bridge.state.execution_state,
            "connections": bridge.connections,
        }
