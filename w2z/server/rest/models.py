"""The shapes of the REST API, as Jupyter's clients check them.

https://jupyter-server.readthedocs.io/en/latest/developers/rest-api.html. Requests are lenient
(unknown fields are ignored, absent bodies mean ``{}``), answers exact.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from w2z.errors import HttpError

RequestT = TypeVar("RequestT", bound="RequestBody")

Text = Annotated[str, Field(max_length=4096)]


class Kernel(BaseModel):
    """The kernel as it is now. ``last_activity`` always has six digits of a second."""

    id: str
    name: str
    last_activity: str
    execution_state: str
    connections: int


class Notebook(BaseModel):
    """What a session of type notebook repeats for old clients."""

    path: str
    name: str


class Session(BaseModel):
    """A document that some frontend has connected to the kernel."""

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
    """A spec and its name; ``resources`` would be URLs of logos."""

    name: str
    spec: Spec
    resources: dict[str, str] = {}


class KernelSpecs(BaseModel):
    """All there are, which is one."""

    default: str
    kernelspecs: dict[str, KernelSpec]


class RequestBody(BaseModel):
    """Base of what clients send."""

    model_config = ConfigDict(extra="ignore", strict=True)


class KernelReference(RequestBody):
    """The kernel a client asks for: by id, or any by name."""

    id: Text | None = None
    name: Text | None = None


class NewKernel(RequestBody):
    """Body of POST /api/kernels; the one kernel answers to every name."""

    name: Text | None = None
    path: Text | None = None
    env: dict[str, Any] = {}


class NewSession(RequestBody):
    """Body of POST /api/sessions."""

    path: Text
    type: Text
    name: Text | None = None
    kernel: KernelReference | None = None


class ChangedSession(RequestBody):
    """Body of PATCH /api/sessions/{id}; what is absent stays."""

    path: Text | None = None
    type: Text | None = None
    name: Text | None = None
    kernel: KernelReference | None = None


def parse_body(model: type[RequestT], body: bytes) -> RequestT:
    """Read a request body; raises :class:`~w2z.errors.HttpError` (400) that names the field."""
    try:
        return model.model_validate_json(body.strip() or b"{}")
    except ValidationError as error:
        mistakes = error.errors(include_url=False, include_input=False, include_context=False)
    text = "; ".join(
        f"{'.'.join(map(str, mistake['loc'])) or 'the body'}: {mistake['msg']}"
        for mistake in mistakes
    )
    raise HttpError(400, text)
