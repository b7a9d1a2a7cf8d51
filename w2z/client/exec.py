"""``w2z exec``: runs code in a remote kernel, and shows what comes as it comes."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import click

from w2z.client.kernel import LOST, RemoteKernel, connect
from w2z.client.run import Execution, Output
from w2z.client.saving import File, files_of
from w2z.client.terminal import StateLine, ask
from w2z.errors import ENDED_BY_SIGNAL, ExitCode, RemoteError, RemoteSettingsError, RunError

LEAVE_WITHIN = 1.0
"""Seconds after the first Ctrl-C in which a second one leaves at once."""


@dataclass(frozen=True)
class Task:
    """What to run, and how to show it. ``may_ask``: there is somebody at the terminal."""

    code: str
    as_json: bool = False
    save_dir: Path | None = None
    timeout: float | None = None
    may_ask: bool = False


async def execute(url: str, task: Task, **options: Any) -> int:
    """Run the task in the kernel of the w2z at ``url``, and return the exit code.

    ``options`` are those of :func:`~w2z.client.kernel.connect`. Raises
    :class:`~w2z.errors.RemoteError`.
    """
    if task.save_dir is not None:
        with _told(task.save_dir):
            task.save_dir.mkdir(parents=True, exist_ok=True)
    async with connect(url, **options) as kernel:
        return await _Executing(kernel, task).run()


class _Executing:
    """One run of the command."""

    def __init__(self, kernel: RemoteKernel, task: Task) -> None:
        self._kernel = kernel
        self._task = task
        self._execution = Execution()
        self._line = StateLine(self._state)
        self._files = 0
        self._interrupted_at = -LEAVE_WITHIN
        self._is_interrupted = asyncio.Event()
        self._running: asyncio.Task[int] | None = None
        self._failure: Exception | None = None

    async def run(self) -> int:
        """Run the code; return the exit code."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGINT, self._on_ctrl_c)
        try:
            async with asyncio.TaskGroup() as tasks:
                helpers = [
                    tasks.create_task(self._line.show()),
                    tasks.create_task(self._interrupt()),
                ]
                running = self._running = tasks.create_task(self._run())
                await asyncio.wait({running})
                for helper in helpers:
                    helper.cancel()
        finally:
            loop.remove_signal_handler(signal.SIGINT)
            self._line.clear()
        if self._failure is not None:
            raise self._failure
        return ENDED_BY_SIGNAL + signal.SIGINT if running.cancelled() else running.result()

    async def _run(self) -> int:
        try:
            done = await self._kernel.run(
                self._task.code,
                on_output=self._show,
                on_input=self._ask if self._task.may_ask else None,
                timeout=self._task.timeout,
                into=self._execution,
            )
        except BrokenPipeError:  # such as `| head`
            with suppress(RemoteError):
                await self._kernel.interrupt()
            return ENDED_BY_SIGNAL + signal.SIGPIPE
        except Exception as error:  # noqa: BLE001 (raised again, and not as a group)
            self._failure = error
            return ExitCode.FAILURE
        self._line.clear()
        if done.status == "timeout":
            what = "done" if done.has_begun else "begun"
            then = "interrupted" if done.has_begun else "it may run later"
            self._tell(f"not {what} in {self._task.timeout:g} seconds: {then}")
        elif done.status == "aborted":
            self._tell("not run: code before it failed")
        return exit_code(done)

    # What comes.

    def _show(self, output: Output) -> None:
        self._line.clear()
        if self._task.as_json:
            _write(sys.stdout, json.dumps(output) + "\n")
        else:
            self._print(output)
        data = output.get("data")
        if self._task.save_dir is not None and data:
            self._save(self._task.save_dir, data)

    def _print(self, output: Output) -> None:
        match output["output_type"]:
            case "stream":
                _write(sys.stderr if output["name"] == "stderr" else sys.stdout, output["text"])
            case "error":
                click.echo("\n".join(output["traceback"]), err=True)
            case _:
                text = output["data"].get("text/plain", "")
                _write(sys.stdout, "".join(text) + "\n")

    def _save(self, folder: Path, data: dict[str, Any]) -> None:
        files = files_of(data)
        if not files:
            return
        self._files += 1
        for file in files:
            with _told(folder):
                self._tell(f"saved {self._write(folder, file)}")

    def _write(self, folder: Path, file: File) -> Path:
        """Write a file that is not there yet."""
        while True:
            count = self._execution.execution_count or 0
            path = folder / f"{count}-{self._files}{file.suffix}"
            try:
                with path.open("xb") as opened:
                    opened.write(file.content)
            except FileExistsError:
                self._files += 1
            else:
                return path

    async def _ask(self, prompt: str, is_secret: bool) -> str:
        with self._line.asking():
            return await ask(prompt, is_secret)

    def _tell(self, text: str) -> None:
        self._line.clear()
        click.echo(f"w2z: {text}", err=True)

    def _state(self) -> str:
        if self._kernel.problem is not None:
            return f"no connection, trying again: {self._kernel.problem}"
        return "running" if self._execution.has_begun else "waiting for the kernel"

    # Ctrl-C.

    def _on_ctrl_c(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._interrupted_at < LEAVE_WITHIN and self._running is not None:
            self._running.cancel()
        self._interrupted_at = now
        self._is_interrupted.set()

    async def _interrupt(self) -> None:
        while True:
            await self._is_interrupted.wait()
            self._is_interrupted.clear()
            self._tell("interrupting the kernel; press Ctrl-C twice to leave")
            try:
                await self._kernel.interrupt()
            except RemoteError as error:
                self._tell(str(error))


def exit_code(done: Execution) -> int:
    """Return the exit code that says how a run ended."""
    if done.status == "ok":
        return ExitCode.OK
    if done.status == "timeout":
        return ExitCode.TIMEOUT
    if done.is_lost and done.error is not None:
        return int(LOST.get(done.error.name, RunError).exit_code)
    return ExitCode.FAILURE


@contextmanager
def _told(folder: Path) -> Iterator[None]:
    """Say which folder it is that cannot be written."""
    try:
        yield
    except OSError as error:
        raise RemoteSettingsError(f"{folder}: {error.strerror}") from None


def _write(stream: TextIO, text: str) -> None:
    stream.write(text)
    stream.flush()
