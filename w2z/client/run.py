"""What running code brought: its outputs as a notebook has them, its error, its status; no I/O.

The outputs are those of nbformat 4 (https://nbformat.readthedocs.io/en/latest/format_description.html
#code-cell-outputs), made as nbclient makes them: texts of one stream that follow each other are one
output, ``update_display_data`` changes the displays with its ``display_id``, ``clear_output``
removes what is there, with ``wait`` when the next output comes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from w2z.message import Channel

Status = Literal["running", "ok", "error", "aborted", "timeout"]

Output = dict[str, Any]
"""One output of nbformat 4: ``stream``, ``display_data``, ``execute_result`` or ``error``."""


class CodeError(NamedTuple):
    """An exception of the code: its class, its text, and the lines of its traceback, which may have
    ANSI colours.
    """

    name: str
    value: str
    traceback: list[str]


class Gap(NamedTuple):
    """Output that w2z had no room for; both are 0 where nobody could count it."""

    messages: int
    size: int


class KernelMessage(NamedTuple):
    """A message of the kernel, with its parts parsed."""

    channel: Channel
    header: dict[str, Any]
    parent_header: dict[str, Any]
    metadata: dict[str, Any]
    content: dict[str, Any]
    buffers: list[bytes]

    @property
    def msg_type(self) -> str:
        """The type of the message."""
        return str(self.header.get("msg_type", ""))


class _Stream(NamedTuple):
    """One stream output; its texts are joined when somebody asks for it."""

    name: str
    texts: list[str]


@dataclass
class Execution:
    """What one run of code brought so far.

    ``status`` is ``ok``, ``error``, ``aborted`` (not run, because code before it failed), or
    ``timeout``; ``running`` until the end. ``is_lost`` says that w2z gave the error, because the
    kernel died or was restarted, w2z was, or it refused the message: ``error.name`` tells which.
    """

    status: Status = "running"
    execution_count: int | None = None
    error: CodeError | None = None
    gaps: list[Gap] = field(default_factory=list)
    is_lost: bool = False
    has_begun: bool = False
    """Whether the kernel has begun with the code."""
    has_reply: bool = False
    is_idle: bool = False
    _outputs: list[_Stream | Output] = field(default_factory=list, repr=False)
    _displays: dict[str, list[Output]] = field(default_factory=dict, repr=False)
    _clears_next: bool = field(default=False, repr=False)

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""
        return self.has_reply and self.is_idle

    @property
    def outputs(self) -> list[Output]:
        """The outputs, as a notebook's cell has them."""
        return [
            {"output_type": "stream", "name": one.name, "text": "".join(one.texts)}
            if isinstance(one, _Stream)
            else one
            for one in self._outputs
        ]

    @property
    def stdout(self) -> str:
        """What the code printed to stdout."""
        return self._texts("stdout")

    @property
    def stderr(self) -> str:
        """What the code printed to stderr, with the notices of w2z."""
        return self._texts("stderr")

    @property
    def value(self) -> dict[str, Any] | None:
        """The value of the code's last expression by MIME type; ``None`` if it has none."""
        for one in reversed(self._outputs):
            if isinstance(one, dict) and one["output_type"] == "execute_result":
                data: dict[str, Any] = one["data"]
                return data
        return None

    @property
    def text(self) -> str | None:
        """The value of the code's last expression as plain text; ``None`` if it has none."""
        text = (self.value or {}).get("text/plain")
        return "".join(text) if isinstance(text, list) else text

    def hear(self, message: KernelMessage) -> Output | None:
        """Take note of a message of this run. Returns the output that it brought, if any; an
        update of a display comes as the ``display_data`` that it makes of it.
        """
        self.has_begun = True
        content, msg_type = message.content, message.msg_type
        if message.channel in (Channel.SHELL, Channel.CONTROL):
            self._reply(message)
            return None
        match msg_type:
            case "status":
                self.is_idle = content.get("execution_state") == "idle"
            case "execute_input":
                self._count(content)
            case "clear_output":
                self._clears_next = bool(content.get("wait"))
                if not self._clears_next:
                    self._clear()
            case "stream":
                return self._stream(message)
            case "display_data" | "execute_result" | "update_display_data":
                return self._display(message)
            case "error":
                self.error = _error(content)
                return self._add({"output_type": "error", **_error_fields(self.error)})
        return None

    def to_json(self) -> dict[str, Any]:
        """Return all of it as one JSON object."""
        error = self.error
        return {
            "status": self.status,
            "execution_count": self.execution_count,
            "outputs": self.outputs,
            "stdout": self.stdout,
            "stderr": self.stderr,
            "text": self.text,
            "error": None if error is None else error._asdict(),
            "gaps": [gap._asdict() for gap in self.gaps],
        }

    def _reply(self, message: KernelMessage) -> None:
        content = message.content
        self.has_reply = True
        self._count(content)
        told = content.get("status")
        self.status = told if told in ("ok", "error", "aborted") else "error"
        if self.status == "error":
            self.error = self.error or _error(content)
            self.is_lost = message.header.get("username") == "w2z"

    def _count(self, content: dict[str, Any]) -> None:
        count = content.get("execution_count")
        if isinstance(count, int):
            self.execution_count = count

    def _stream(self, message: KernelMessage) -> Output:
        name, text = str(message.content.get("name")), str(message.content.get("text", ""))
        gap = message.metadata.get("w2z_gap")
        if isinstance(gap, dict):
            self.gaps.append(Gap(int(gap.get("messages") or 0), int(gap.get("bytes") or 0)))
        self._clear_if_due()
        last = self._outputs[-1] if self._outputs else None
        if isinstance(last, _Stream) and last.name == name:
            last.texts.append(text)
        else:
            self._outputs.append(_Stream(name, [text]))
        return {"output_type": "stream", "name": name, "text": text}

    def _display(self, message: KernelMessage) -> Output:
        content, msg_type = message.content, message.msg_type
        data, metadata = content.get("data") or {}, content.get("metadata") or {}
        display_id = (content.get("transient") or {}).get("display_id")
        if msg_type == "update_display_data":
            for shown in self._displays.get(str(display_id), ()):
                shown["data"], shown["metadata"] = data, metadata
            return {"output_type": "display_data", "data": data, "metadata": metadata}
        output: Output = {"output_type": msg_type, "data": data, "metadata": metadata}
        if msg_type == "execute_result":
            self._count(content)
            output["execution_count"] = content.get("execution_count")
        self._add(output)
        if display_id is not None:
            self._displays.setdefault(str(display_id), []).append(output)
        return dict(output)

    def _add(self, output: Output) -> Output:
        self._clear_if_due()
        self._outputs.append(output)
        return output

    def _clear_if_due(self) -> None:
        if self._clears_next:
            self._clears_next = False
            self._clear()

    def _clear(self) -> None:
        self._outputs.clear()
        self._displays.clear()

    def _texts(self, name: str) -> str:
        streams = [one for one in self._outputs if isinstance(one, _Stream) and one.name == name]
        return "".join(text for one in streams for text in one.texts)


def _error(content: dict[str, Any]) -> CodeError:
    traceback = content.get("traceback")
    lines = [str(line) for line in traceback] if isinstance(traceback, list) else []
    return CodeError(str(content.get("ename", "")), str(content.get("evalue", "")), lines)


def _error_fields(error: CodeError) -> dict[str, Any]:
    return {"ename": error.name, "evalue": error.value, "traceback": error.traceback}
