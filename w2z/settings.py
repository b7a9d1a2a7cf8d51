"""Every setting of w2z: its name, default, bounds and description, in one place.

The command line, the environment (``W2Z_`` and the name in capitals) and the reference page are
made from this model, so a description here is the manual's text.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError, from_json

from w2z.values import (
    Bytes,
    Seconds,
    encoded_path,
    is_http_url,
    is_visible_ascii,
    networks,
    normal_origin,
)

MIB = 2**20

LogFormat = Literal["text", "json"]
"""How w2z logs."""

AuditCode = Literal["hash", "text", "none"]
"""What the audit log has of the code of a cell."""


class Settings(BaseModel):
    """The settings of ``w2z serve``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connection_file: Path | None = Field(
        None,
        description="The kernel's connection file. It may not be there yet: see --wait. Where w2z "
        "starts the kernel it writes this file, by default one in a private directory.",
    )
    command: tuple[str, ...] = Field(
        (),
        description="Command line that starts the kernel; {connection_file} in it is replaced.",
    )
    kernel: str | None = Field(
        None,
        min_length=1,
        description="Start the kernel of the installed kernelspec with this name.",
    )
    wait: Seconds = Field(
        60,
        ge=0,
        description="Seconds to wait for the connection file to be there and whole.",
    )
    kernel_id: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9_-][A-Za-z0-9_.-]*$",
        description="The kernel's id in URLs. Default: from a file name kernel-ID.json, "
        "else derived from the connection file's key, or for a kernel that w2z starts from the "
        "host's name, --port and --base-url.",
    )
    transport: Literal["auto", "tcp", "ipc"] = Field(
        "auto",
        description="How w2z talks to a kernel that it starts: ipc, over Unix sockets that only "
        "its user can open; tcp, over the loopback interface, which every kernel can; auto, over "
        "Unix sockets where the command is known to start a kernel that takes them.",
    )
    kernel_uid: str | None = Field(
        None,
        pattern=r"^[1-9][0-9]{0,9}(:[0-9]{1,10})?$",
        description="User, and after a colon group, that a kernel which w2z starts runs as, by "
        "number; w2z itself has to be root. So the kernel's code cannot read w2z's files, such as "
        "the token's. Default: as w2z.",
    )
    interrupt_mode: Literal["signal", "message"] | None = Field(
        None,
        description="How to interrupt the kernel. Default: as its kernelspec spells out, else as "
        "the kernel is known to take it, else by message.",
    )
    restart_limit: int = Field(
        5,
        ge=0,
        description="Crashes within a minute after which a kernel that w2z starts is started "
        "again; one more ends w2z with the kernel's exit code.",
    )
    ready_timeout: Seconds = Field(
        120,
        gt=0,
        description="Seconds a kernel that w2z starts has to answer before it is ended.",
    )
    shutdown_timeout: Seconds = Field(
        3,
        ge=0,
        description="Seconds the kernel has to end when it is asked to; SIGTERM follows.",
    )
    terminate_timeout: Seconds = Field(
        1.5,
        ge=0,
        description="Seconds the kernel has to end after SIGTERM; SIGKILL follows.",
    )
    idle_timeout: Seconds | None = Field(
        None,
        gt=0,
        description="Seconds without a client and with nothing running after which w2z ends. "
        "Default: never.",
    )
    max_lifetime: Seconds | None = Field(
        None,
        gt=0,
        description="Seconds after which w2z ends in any case. Default: never.",
    )
    forward_output: bool = Field(
        False,
        description="Send what the process of a kernel that w2z starts prints while no cell is "
        "running to clients, too.",
    )
    host: str = Field(
        "auto",
        description="Address or name to listen on, a name at each of its addresses. 0.0.0.0 is "
        "every IPv4 address; '::' every IPv4 and IPv6 address, and so is '*', which takes what "
        "the machine has. auto is 0.0.0.0 inside a container, whose ports are reached only if they "
        "are published, and 127.0.0.1 elsewhere.",
    )
    port: int = Field(8888, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    base_url: str = Field(
        "/",
        description="Path prefix of every URL, for proxies that route by path.",
    )
    register_with_chp: str | None = Field(
        None,
        description="URL of the REST API of a configurable-http-proxy, such as "
        "http://127.0.0.1:8001: add a route from --base-url to w2z, and remove it at the end. The "
        "API's token is CONFIGPROXY_AUTH_TOKEN of the environment.",
    )
    advertise: str | None = Field(
        None,
        description="URL at which this proxy reaches w2z, without the --base-url. Default: the "
        "address that w2z has on its connection to the API, and --port.",
    )
    token: SecretStr | None = Field(
        None,
        description="The token clients have to present. Only from the environment: arguments "
        "show in process lists. Default: generated.",
    )
    token_file: Path | None = Field(
        None,
        description="File whose first line is the token; it is read again when it changes.",
    )
    token_fd: int | None = Field(
        None,
        ge=0,
        description="Number of an open file descriptor, such as a pipe's, whose first line is the "
        "token; w2z reads it at its start and closes it.",
    )
    no_auth: bool = Field(
        False,
        description="Serve anyone without a token. Whoever reaches the port runs code.",
    )
    no_console: bool = Field(
        False,
        description="Serve no page at the base URL, only the API. The page has a console for "
        "whoever has the token.",
    )
    allow_origin: tuple[str, ...] = Field(
        (),
        description="Origin of web pages that may read answers (CORS), such as "
        "https://example.org; '*' means any. Repeat it, or separate by spaces in the environment.",
    )
    allow_host: tuple[str, ...] = Field(
        (),
        description="Name of w2z besides --host, addresses and localhost, as it is in URLs, such "
        "as kernel.example; '*' means any. With --no-auth, and where w2z listens on a loopback "
        "address, requests without a token for other names are refused. Repeat it, or separate "
        "by spaces in the environment.",
    )
    trust_proxy: tuple[str, ...] = Field(
        (),
        description="Network of proxies, such as 10.1.0.0/16, whose X-Forwarded-For names the "
        "peer: for the log, and for what is limited by address. Repeat it, or separate by commas.",
    )
    on_delete: Literal["keep", "restart", "stop"] = Field(
        "keep",
        description="What DELETE of the kernel does. Clients send it routinely when they leave: "
        "keep the kernel, restart it, or stop it and w2z.",
    )
    image: str | None = Field(
        None,
        max_length=4096,
        description="Reference of the container image, with its digest if known, for the "
        "metadata of the kernelspec.",
    )
    labels: dict[str, str] = Field(
        {},
        description="Labels of the image (OCI annotations) as a JSON object, for the metadata of "
        "the kernelspec.",
    )
    strict_origin: bool = Field(
        False,
        description="Refuse requests of web pages from other origins even with a valid token.",
    )
    ping_interval: Seconds = Field(
        30,
        gt=0,
        description="Seconds between websocket pings, so that proxies keep idle connections.",
    )
    ping_timeout: Seconds = Field(
        90,
        gt=0,
        description="Seconds that a peer may give no sign of life after a ping that "
        "--ping-interval brought, before its websocket is taken for dead. Some clients read only "
        "while they run something.",
    )
    resume_window: Seconds = Field(
        600,
        ge=0,
        description="Seconds a session outlives its websocket, for a client that comes back "
        "with the same session_id.",
    )
    closed_window: Seconds | None = Field(
        None,
        ge=0,
        description="The same for a client that closed its websocket in good order, with 1000 or "
        "1001, as a page does that is left. By default a tenth of --resume-window, and never more "
        "than that.",
    )
    max_message_size: Bytes = Field(
        64 * MIB,
        ge=1024,
        description="Largest websocket message a client may send, in bytes; no more than half of "
        "--memory-budget in any case. Widgets and uploads send tens of megabytes.",
    )
    memory_budget: Bytes = Field(
        128 * MIB,
        ge=MIB,
        description="Bytes that w2z holds for its peers in sum: messages that are only half "
        "received, requests on their way to the kernel, messages for clients. Beyond it, it reads "
        "no more of what is long. Half received messages have half of it, and beyond that are "
        "received one after the other. Its own 50 MiB come on top, and once more the largest "
        "message.",
    )
    max_kernel_message_size: Bytes = Field(
        24 * MIB,
        ge=MIB,
        description="Largest message of the kernel, in bytes. Of a larger one clients get a notice "
        "that it is missing.",
    )
    max_body_size: Bytes = Field(
        MIB,
        ge=0,
        description="Largest HTTP request body, in bytes. No request of the API needs more.",
    )
    max_header_size: Bytes = Field(
        64 * 1024,
        ge=1024,
        description="Largest HTTP request head, in bytes. Tokens and cookies of proxies fit.",
    )
    handshake_timeout: Seconds = Field(
        10,
        gt=0,
        description="Seconds a connection has to send a whole request.",
    )
    keep_alive: float = Field(
        75,
        gt=0,
        description="Seconds that an idle HTTP connection is kept after a request with a right "
        "token, or from a trusted proxy; longer than what is in front of w2z keeps it. Others "
        "are kept for 5 seconds.",
    )
    max_connections: int = Field(
        512,
        ge=1,
        le=8192,
        description="TCP connections of clients with a right token at once; more are answered "
        "503. Peers without one get what is left, and 64 more. Each websocket costs up to seven "
        "file descriptors.",
    )
    journal_size: Bytes = Field(
        32 * MIB,
        ge=1024,
        description="Bytes of messages kept in memory for clients that read slowly or are "
        "coming back; more goes to temporary files.",
    )
    spill_size: Bytes = Field(
        1024 * MIB,
        ge=0,
        description="Bytes of temporary files for messages that memory has no room for; beyond "
        "it the slowest client's output is dropped, and it is told. 0: no files.",
    )
    spill_dir: Path | None = Field(
        None,
        description="Directory of these files. Default: TMPDIR, or /tmp.",
    )
    replay_size: Bytes = Field(
        MIB,
        ge=0,
        description="Bytes of the latest messages kept in any case, for new clients that ask for "
        "them with ?replay=N.",
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info",
        description="Least severity to log to standard error.",
    )
    log_format: LogFormat = Field(
        "text",
        description="How to log: as text, or as one JSON object a line, with the time in UTC. What "
        "the kernel prints is marked as its own in both.",
    )

    audit_log: Path | None = Field(
        None,
        description="File to which w2z appends who sent which request to the kernel, as one JSON "
        "object a line. It is made with mode 0600, and opened anew when it was moved away.",
    )
    audit_code: AuditCode = Field(
        "hash",
        description="What the audit log has of the code of an execute_request: its SHA-256, its "
        "text up to 64 Ki characters beside that, or nothing.",
    )

    @property
    def starts_kernel(self) -> bool:
        """Whether w2z starts the kernel, and does not attach to one."""
        return bool(self.command) or self.kernel is not None

    @model_validator(mode="after")
    def _one_kernel(self) -> Self:
        if self.command and self.kernel is not None:
            raise PydanticCustomError(
                "kernel", "--kernel and a command contradict each other: give one of them"
            )
        if self.connection_file is None and not self.starts_kernel:
            raise PydanticCustomError(
                "kernel",
                "which kernel? Give --connection-file FILE of one that runs, or --kernel NAME or"
                " -- COMMAND to start one",
            )
        return self

    @model_validator(mode="after")
    def _one_source_of_tokens(self) -> Self:
        given = [
            name
            for name, given in (
                ("--no-auth", self.no_auth),
                ("--token-file", self.token_file is not None),
                ("--token-fd", self.token_fd is not None),
                ("W2Z_TOKEN", self.token is not None),
            )
            if given
        ]
        if len(given) > 1:
            raise PydanticCustomError(
                "tokens", "{all} contradict each other: give one of them", {"all": ", ".join(given)}
            )
        return self

    @model_validator(mode="after")
    def _somebody_to_advertise_to(self) -> Self:
        if self.advertise is not None and self.register_with_chp is None:
            raise PydanticCustomError("advertise", "--advertise is for --register-with-chp")
        return self

    @field_validator("register_with_chp", "advertise")
    @classmethod
    def _is_address(cls, value: str | None) -> str | None:
        if value is not None and not is_http_url(value):
            raise ValueError("has to be like http://HOST:PORT, without a user, query or fragment")
        return value and value.rstrip("/")

    @field_validator("allow_origin")
    @classmethod
    def _are_origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(normal_origin(one) for one in value)

    @field_validator("allow_host")
    @classmethod
    def _are_names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if one != "*" and not re.fullmatch(r"[A-Za-z0-9_.-]+", one):
                raise ValueError("has to be a name without a port, such as kernel.example, or *")
        return value

    @field_validator("trust_proxy")
    @classmethod
    def _are_networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(one for text in value for one in networks(text))

    @field_validator("base_url")
    @classmethod
    def _slashes(cls, value: str) -> str:
        stripped = encoded_path(value.strip("/"))
        return f"/{stripped}/" if stripped else "/"

    @field_validator("labels", mode="before")
    @classmethod
    def _labels_from_text(cls, value: object) -> object:
        if isinstance(value, str):
            try:
                return from_json(value)
            except ValueError:
                raise PydanticCustomError("labels", "has to be a JSON object of texts") from None
        return value

    @field_validator("token")
    @classmethod
    def _token_is_usable(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and not is_visible_ascii(value.get_secret_value()):
            raise ValueError("has to be at least one visible ASCII character, without spaces")
        return value
