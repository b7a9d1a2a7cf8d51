"""The metrics page, for Prometheus, as text or as OpenMetrics.

https://prometheus.io/docs/instrumenting/exposition_formats/ and
https://prometheus.io/docs/specs/om/open_metrics_spec/. A session is named by a digest of its id,
because anybody who knows the id (and the token) can take the session over.

prometheus_client is imported by the first request for the page, in a thread: its import takes
longer than w2z may keep its clients waiting, and most w2z are never asked.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import zmq

from w2z import __version__
from w2z.bridge.bridge import Bridge
from w2z.delivery.session import Counters
from w2z.message import digest

if TYPE_CHECKING:
    from prometheus_client.core import Metric
    from prometheus_client.registry import CollectorRegistry

Values = Mapping[Any, float]
"""Values by their labels, each a tuple of texts."""

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

OPENMETRICS = "application/openmetrics-text"
OPENMETRICS_TYPE = f"{OPENMETRICS}; version=1.0.0; charset=utf-8"

MEANINGS = {
    "resumed": "Connections that took a session up again.",
    "resent": "Positions of the journal handed out again to such a connection.",
    "gaps": "Gap notices.",
    "dropped_messages": "Messages that gap notices stand for.",
    "dropped_bytes": "Bytes of these messages.",
    "repeats": "Requests sent again that were not forwarded a second time.",
}


def load() -> None:
    """Import what the page needs, which takes a while; call it in a thread."""
    import prometheus_client  # noqa: F401, PLC0415 (most w2z are never asked)


def metrics(bridge: Bridge) -> str:
    """Return the page as text."""
    return page(bridge, "")[0].decode()


def page(bridge: Bridge, accept: str) -> tuple[bytes, str]:
    """Return the page and its content type; ``accept`` is the Accept header.

    :func:`load` has to be called before.
    """
    from prometheus_client import exposition  # noqa: PLC0415 (see load)
    from prometheus_client.openmetrics import exposition as openmetrics  # noqa: PLC0415

    if OPENMETRICS in accept.lower():
        write: Callable[[CollectorRegistry], bytes] = openmetrics.generate_latest
        return write(_registry(bridge)), OPENMETRICS_TYPE
    return exposition.generate_latest(_registry(bridge)), CONTENT_TYPE


def _registry(bridge: Bridge) -> CollectorRegistry:
    from prometheus_client import CollectorRegistry, ProcessCollector  # noqa: PLC0415 (see load)
    from prometheus_client.registry import Collector  # noqa: PLC0415

    class Found(Collector):
        def collect(self) -> Iterable[Metric]:
            return _families(bridge)

    made = CollectorRegistry()
    made.register(Found())
    ProcessCollector("", lambda: "self", "/proc", made)
    return made


def _families(bridge: Bridge) -> Iterator[Metric]:
    yield from _of_the_process(bridge)
    yield from _of_the_kernel(bridge)
    yield from _of_traffic(bridge)
    yield from _of_delivery(bridge)


def _of_the_process(bridge: Bridge) -> Iterator[Metric]:
    from prometheus_client.core import InfoMetricFamily  # noqa: PLC0415 (see load)

    versions = {
        "version": __version__,
        "python": ".".join(map(str, sys.version_info[:3])),
        "pyzmq": zmq.pyzmq_version(),
        "libzmq": zmq.zmq_version(),
    }
    yield InfoMetricFamily("w2z_build", "Versions of w2z and of what it runs on.", versions)
    yield _gauge(
        "event_loop_lag_seconds",
        "The most that the event loop was late within the last minute.",
        bridge.lag.worst,
    )
    yield _counter(
        "event_loop_late_seconds",
        "Seconds that the event loop was late, in probes once a second.",
        bridge.lag.total,
    )
    yield _counter(
        "defects",
        "Errors that nobody expected; each ended one request or connection.",
        bridge.reports.defects,
    )
    yield _counter(
        "tokens_refused",
        "Requests that presented no right token.",
        bridge.reports.tokens_refused,
    )


def _of_the_kernel(bridge: Bridge) -> Iterator[Metric]:
    kernel, counts = bridge.kernel, bridge.counts
    yield _gauge("kernel_ready", "Whether the kernel is ready.", int(kernel.is_ready))
    yield _gauge("kernel_busy", "Whether the kernel is busy.", int(kernel.is_busy))
    yield _gauge(
        "last_activity_timestamp_seconds",
        "Unix time of the kernel's last activity.",
        kernel.state.last_activity.timestamp(),
    )
    yield _counter("kernels_lost", "Kernels that were gone.", counts.kernels_lost)
    yield _counter("kernel_restarts", "Kernels that took the place of a lost one.", counts.restarts)
    yield _counter(
        "kernel_messages_dropped",
        "Messages of the kernel that could not be read or carried.",
        bridge.reports.dropped,
    )
    yield _counter(
        "outpaced_messages",
        "Messages dropped because the kernel sent them faster than they could be carried.",
        bridge.outpaced,
    )
    yield _counter(
        "output_overruns",
        "Times that output was dropped, uncounted, because memory had no room for it.",
        bridge.overruns,
    )


def _of_traffic(bridge: Bridge) -> Iterator[Metric]:
    counts = bridge.counts
    directions = {"to_kernel": counts.to_kernel, "to_clients": counts.to_clients}
    traffic = {
        (direction, str(channel)): found
        for direction, channels in directions.items()
        for channel, found in channels.items()
    }
    labels = ("direction", "channel")
    messages = {names: found.messages for names, found in traffic.items()}
    yield _counters("messages", "Messages carried.", labels, messages)
    sizes = {names: found.size for names, found in traffic.items()}
    yield _counters("message_bytes", "Bytes of these messages.", labels, sizes)
    yield _counters(
        "http_requests",
        "HTTP requests answered, upgrades to websockets included.",
        ("method", "route", "status"),
        {(kind.method, kind.route, str(kind.status)): n for kind, n in counts.requests.items()},
    )
    yield _counters(
        "refusals",
        "Requests and connections refused.",
        ("reason",),
        {(reason,): n for reason, n in counts.refusals.items()},
    )
    yield _counters(
        "websockets_closed",
        "Websockets that ended, by close code.",
        ("code",),
        {(str(code),): n for code, n in counts.websockets.items()},
    )


def _of_delivery(bridge: Bridge) -> Iterator[Metric]:
    hub, load_, totals = bridge.clients.hub, bridge.clients.hub.load, bridge.clients.hub.totals
    waiting = sum(client.waiting for client in bridge.clients)
    yield _gauge("clients", "Websockets connected.", bridge.clients.connections)
    yield _gauge("sessions", "Sessions, waiting ones included.", bridge.clients.sessions)
    yield _gauge(
        "held_bytes",
        "Bytes held for peers in sum, as --memory-budget counts them.",
        bridge.holdings.total,
    )
    yield _gauge("memory_bytes", "Bytes of messages in memory.", load_.memory)
    yield _gauge("spilled_bytes", "Bytes of messages in files.", load_.spilled)
    yield _gauge("waiting_bytes", "Bytes in memory that were not looked at yet.", bridge.waiting)
    yield _gauge("requests_waiting_bytes", "Bytes of requests that wait for the kernel.", waiting)
    for counter in fields(Counters):
        value = getattr(totals, counter.name)
        yield _counter(counter.name, MEANINGS[counter.name], value)
    sessions = [(digest(session.session_id), session) for session in hub.sessions()]
    queued = {(name,): hub.queued(session) for name, session in sessions}
    yield _gauges("session_queued_bytes", "Bytes kept for a session.", ("session",), queued)
    now = time.monotonic()
    waits = {
        (name, session.owner or ""): max(0, session.expires_at - now)
        for name, session in sessions
        if session.client is None
    }
    yield _gauges(
        "session_waits_seconds",
        "Seconds until a session without a client is forgotten.",
        ("session", "principal"),
        waits,
    )
    for counted in ("gaps", "dropped_messages", "dropped_bytes", "resumed"):
        values = {(name,): getattr(session.counters, counted) for name, session in sessions}
        yield _counters(f"session_{counted}", MEANINGS[counted], ("session",), values)


def _gauge(name: str, meaning: str, value: float) -> Metric:
    return _gauges(name, meaning, (), {(): value})


def _counter(name: str, meaning: str, value: float) -> Metric:
    return _counters(name, meaning, (), {(): value})


def _gauges(name: str, meaning: str, labels: tuple[str, ...], values: Values) -> Metric:
    from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 (see load)

    family = GaugeMetricFamily(f"w2z_{name}", meaning, labels=labels)
    for names, value in values.items():
        family.add_metric(names, value)
    return family


def _counters(name: str, meaning: str, labels: tuple[str, ...], values: Values) -> Metric:
    """Make a counter; its samples are called ``w2z_NAME_total``."""
    from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 (see load)

    family = CounterMetricFamily(f"w2z_{name}", meaning, labels=labels)
    for names, value in values.items():
        family.add_metric(names, value)
    return family
