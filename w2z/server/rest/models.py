"""The bodies of the REST API, in the shapes that Jupyter's clients check.

https://jupyter-server.readthedocs.io/en/latest/developers/rest-api.html. Request bodies are read
leniently (unknown fields are ignored, an absent body means ``{}``), response bodies are exact.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from w2z.errors import HttpError
from w2z.server.request import Request

RequestT = TypeVar("RequestT", bound="RequestBody")

_PERMISSIONS = TypeAdapter(dict[str, list[str]], config=ConfigDict(strict=True, defer_build=True))

Text = Annotated[str, Field(max_length=4096)]


class Kernel(BaseModel):
    """The kernel as it is now. ``last_activity`` always has six digits of a second."""

    id: str
    name: str
    last_activity: str
    execution_state: str
    connections: int


class Notebook(BaseModel):
    """Path and name of a REST session of type notebook, once more for old clients."""

    path: str
    name: str


class Session(BaseModel):
    """A REST session: a document that a frontend has connected to the kernel."""

    id: str
    path: str
    name: str
    type: str
    kernel: Kernel
    notebook: Notebook | None = None


class Spec(BaseModel):
    """A kernel.json. Clients drop a spec without argv, language or display_name."""

    argv: list[str]
    env: dict[str, str] = {}
    display_name: str
    language: str
    interrupt_mode: str = "signal"
    metadata: dict[str, Any] = {}


class KernelSpec(BaseModel):
    """A spec and its name. ``resources`` has the paths of logos on this server."""

    name: str
    spec: Spec
    resources: dict[str, str] = {}


class KernelSpecs(BaseModel):
    """The list of kernelspecs, which has one entry."""

    default: str
    kernelspecs: dict[str, KernelSpec]


class RequestBody(BaseModel):
    """The base of all request bodies."""

    model_config = ConfigDict(extra="ignore", strict=True)


class KernelReference(RequestBody):
    """The kernel that a client asks for, by id; the one kernel answers to every name."""

    id: Text | None = None
    name: Text | None = None


class NewKernel(RequestBody):
    """Body of POST /api/kernels; the one kernel answers to every name."""

    name: Text | None = None
    path: Text | None = None
    env: dict[str, Any] = {}


class _SessionBody(RequestBody):
    """What clients say of a session. Those of Jupyter Notebook 4 name its path in ``notebook``."""

    name: Text | None = None
    kernel: KernelReference | None = None
    notebook: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_older_shape(cls, body: Any) -> Any:
        older = body.get("notebook") if isinstance(body, dict) else None
        if not isinstance(older, dict) or body.get("path") is not None:
            return body
        path = older.get("name") if older.get("path") is None else older["path"]
        if path is None:
            return body
        return {**body, "path": path, "type": body.get("type") or "notebook"}


class NewSession(_SessionBody):
    """Body of POST /api/sessions."""

    path: Text
    type: Text


class ChangedSession(_SessionBody):
    """Body of PATCH /api/sessions/{id}; an absent field stays as it is."""

    path: Text | None = None
    type: Text | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to change."""
        given = (self.path, self.type, self.name, self.kernel)
        return all(field is None for field in given)


def parse_body(model: type[RequestT], body: bytes) -> RequestT:
    """Read a request body; raises :class:`~w2z.errors.HttpError` (400) that names wrong fields."""
    try:
        return model.model_validate_json(body.strip() or b"{}")
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_input=False, include_context=False)
    text = "; ".join(
        f"{'.'.join(map(str, mistake['loc'])) or 'the body'}: {mistake['msg']}"
        for mistake in mistakes
    )
    raise HttpError(400, text)


def asked_permissions(request: Request) -> dict[str, list[str]]:
    """Return the actions by resource that the query asks about, as JSON in ``permissions``.

    Raises :class:`~w2z.errors.HttpError` (400) for a question of another shape.
    """
    text = request.query.get("permissions", [""])[-1]
    try:
        return _PERMISSIONS.validate_json(text or "{}")
    except ValidationError:
        raise HttpError(
            400, 'permissions: give a JSON object such as {"kernels": ["read", "execute"]}'
        ) from None
