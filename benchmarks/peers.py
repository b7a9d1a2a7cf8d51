"""What is compared: processes that put one running kernel on a websocket, and no bridge at all.

Each peer gets a kernel of its own, so that one's burst costs no other anything. All are started
from an empty folder with the same token, log next to nothing, and are ended when the block ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import socket
import subprocess
import sys
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil
import zmq

from benchmarks import kernel as scripted
from benchmarks.client import GIVE_UP, IDLE, ClientFailed, Link, execute_parts

TOKEN = "benchmark"
START_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0

RAW = "raw pyzmq"
W2Z = "w2z"
W2Z_UVLOOP = "w2z, uvloop"
JUPYTER_SERVER = "jupyter_server"

_WITHOUT_UVLOOP = (
    "import sys, runpy; sys.modules['uvloop'] = None; "
    "runpy.run_module('w2z', run_name='__main__', alter_sys=True)"
)
"""``None`` among the loaded modules is Python's way to say that a module is not to be found."""


def names() -> list[str]:
    """The peers that can be run here, raw pyzmq first."""
    uvloop = [W2Z_UVLOOP] if find_spec("uvloop") is not None else []
    return [RAW, W2Z, *uvloop, JUPYTER_SERVER]


@dataclass
class Bridge:
    """A bridge that listens on ``port``; ``path`` is that of its websocket."""

    name: str
    process: psutil.Process
    port: int
    path: str

    def connect(self) -> Link:
        return Link(self.port, self.path, TOKEN)

    def cpu(self) -> float:
        """CPU seconds it used so far, all threads, user and system."""
        return cpu_seconds(self.process)


def cpu_seconds(process: psutil.Process) -> float:
    """CPU seconds of a process, all threads, user and system.

    From its CPU-time clock (clock_getcpuclockid(3)) where there is one: psutil's figures are the
    same ones, rounded to ticks of 10 ms.
    """
    if platform.system() == "Linux":
        return time.clock_gettime((~process.pid << 3) | 2)
    times = process.cpu_times()
    return float(times.user + times.system)


class Box:
    """A temporary folder's worth of kernels and bridges."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @contextlib.contextmanager
    def scripted_kernel(self, mark: int = 0) -> Iterator[Path]:
        """A scripted kernel, its PUB with that mark; the path of its connection file."""
        with self._kernel([sys.executable, str(Path(scripted.__file__))], [str(mark)]) as path:
            yield path

    @contextlib.contextmanager
    def ipykernel(self) -> Iterator[Path]:
        """A real kernel; the path of its connection file."""
        with self._kernel([sys.executable, "-m", "ipykernel_launcher", "-f"], []) as path:
            yield path

    @contextlib.contextmanager
    def _kernel(self, command: Sequence[str], options: Sequence[str]) -> Iterator[Path]:
        folder = self._new_folder("kernel")
        path = folder / f"kernel-{uuid.uuid4()}.json"
        with self._process([*command, str(path), *options], {}):
            deadline = time.monotonic() + START_TIMEOUT
            while not _is_whole(path):
                if time.monotonic() > deadline:
                    raise ClientFailed("the kernel does not write its connection file")
                time.sleep(0.02)
            yield path

    @contextlib.contextmanager
    def bridge(
        self, name: str, connection_file: Path, *, is_open: bool = False
    ) -> Iterator[tuple[Bridge, float]]:
        """A bridge, and the seconds from starting its process until its port accepted.

        ``is_open`` is for w2z alone: it asks for no token.
        """
        port = _free_port()
        command, environment = self._command(name, connection_file, port)
        if is_open:
            command, environment = [*command, "--no-auth"], {}
        begin = time.perf_counter()
        with self._process(command, environment) as process:
            _wait_for_port(process, port)
            seconds = time.perf_counter() - begin
            kernel_id = _kernel_id(port)
            path = f"/api/kernels/{kernel_id}/channels"
            yield Bridge(name, psutil.Process(process.pid), port, path), seconds

    def _command(
        self, name: str, connection_file: Path, port: int
    ) -> tuple[list[str], dict[str, str]]:
        if name == JUPYTER_SERVER:
            return self._jupyter_server(connection_file, port)
        how = ["-m", "w2z"] if name == W2Z_UVLOOP else ["-c", _WITHOUT_UVLOOP]
        options = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "warning"]
        command = [sys.executable, *how, "--connection-file", str(connection_file), *options]
        return command, {"W2Z_TOKEN": TOKEN}

    def _jupyter_server(self, connection_file: Path, port: int) -> tuple[list[str], dict[str, str]]:
        """jupyter_server attached to a kernel it did not start, as light as it gets."""
        folder = self._new_folder("jupyter")
        config = {
            "ServerApp": {
                "ip": "127.0.0.1",
                "port": port,
                "port_retries": 0,
                "allow_root": True,
                "open_browser": False,
                "log_level": "CRITICAL",
                "root_dir": str(folder),
                "allow_external_kernels": True,
                "external_connection_dir": str(connection_file.parent),
                "jpserver_extensions": {"jupyter_server_terminals": False},
            },
            "IdentityProvider": {"token": TOKEN},
            # Off altogether, which is cheaper still than a high limit.
            "ZMQChannelsWebsocketConnection": {
                "limit_rate": False,
                "iopub_msg_rate_limit": 0,
                "iopub_data_rate_limit": 0,
            },
        }
        path = folder / "config.json"
        path.write_text(json.dumps(config))
        variables = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
        environment = {f"JUPYTER_{name}": str(folder / name) for name in variables}
        return [sys.executable, "-m", "jupyter_server", f"--config={path}"], environment

    @contextlib.contextmanager
    def _process(
        self, command: Sequence[str], environment: Mapping[str, str]
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run ``command`` for the block; it is ended however the block ends."""
        with (self._folder / f"log-{uuid.uuid4().hex}").open("wb") as log:
            process = subprocess.Popen(
                command,
                cwd=self._folder,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _new_folder(self, name: str) -> Path:
        folder = self._folder / f"{name}-{uuid.uuid4().hex}"
        folder.mkdir()
        return folder


def _is_whole(connection_file: Path) -> bool:
    try:
        json.loads(connection_file.read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for_port(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise ClientFailed(f"{process.args!r} does not listen on port {port}")
        time.sleep(0.0005)


def _kernel_id(port: int) -> str:
    """The one kernel's id, by the REST call all bridges know."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/kernels", headers={"Authorization": f"token {TOKEN}"}
    )
    with urllib.request.urlopen(request, timeout=START_TIMEOUT) as answer:
        (kernel,) = json.load(answer)
    kernel_id: str = kernel["id"]
    return kernel_id


class Raw:
    """A client straight on the kernel's sockets: what no bridge can beat.

    It receives as cheaply as pyzmq can and checks no signatures.
    """

    def __init__(self, connection_file: Path) -> None:
        info = json.loads(connection_file.read_bytes())
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._iopub = self._context.socket(zmq.SUB)
        self._iopub.setsockopt(zmq.RCVHWM, 0)
        self._iopub.setsockopt(zmq.SUBSCRIBE, b"")
        self._iopub.connect(f"tcp://127.0.0.1:{info['iopub_port']}")
        self._shell = self._context.socket(zmq.DEALER)
        self._shell.connect(f"tcp://127.0.0.1:{info['shell_port']}")
        self._key = info["key"].encode()

    def close(self) -> None:
        self._context.destroy(linger=0)

    def settle(self, silence: float) -> None:
        """Wait for the sockets to be connected and quiet."""
        time.sleep(silence)
        while self._iopub.poll(0):
            self._iopub.recv_multipart()
        while self._shell.poll(0):
            self._shell.recv_multipart()

    def multipart(self, parts: Sequence[bytes]) -> list[bytes]:
        """A request, signed."""
        signature = scripted.sign(self._key, b"".join(parts))
        return [scripted.DELIMITER, signature, *parts]

    def round_trip(self, request: list[bytes]) -> float:
        """Seconds from sending a multipart until its reply came."""
        begin = time.perf_counter()
        self._shell.send_multipart(request)
        self._shell.recv_multipart()
        return time.perf_counter() - begin

    def record(self, code: str) -> tuple[float, list[bytes]]:
        """Execute ``code`` and receive until idle: the seconds it took, the contents that came."""
        self._shell.send_multipart(self.multipart(execute_parts(code)))
        receive, block, now = self._iopub.recv, int(zmq.NOBLOCK), time.perf_counter
        received: list[bytes] = []
        self._iopub.poll(int(1000 * GIVE_UP))
        begin = now()
        while True:
            try:
                frame = receive(block, False)
            except zmq.Again:
                if not self._iopub.poll(int(1000 * GIVE_UP)):
                    raise ClientFailed("no idle came") from None
                continue
            parts = [frame.bytes]
            while frame.more:
                frame = receive(block, False)
                parts.append(frame.bytes)
            received.append(parts[-1])
            if len(parts[-1]) < 64 and IDLE in parts[-1]:
                return now() - begin, received
