"""The metrics page, for Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats/, the text format. A session is named by
a digest of its id, because anybody who knows the id (and the token) can take the session over.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import fields

from w2z.bridge.bridge import Bridge
from w2z.delivery.session import Counters

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

MEANINGS = {
    "resumed": "Connections that took a session up again.",
    "resent": "Positions of the journal handed out again to such a connection.",
    "gaps": "Gap notices.",
    "dropped_messages": "Messages that gap notices stand for.",
    "dropped_bytes": "Bytes of these messages.",
    "repeats": "Requests sent again that were not forwarded a second time.",
}


def metrics(bridge: Bridge) -> str:
    """Return the text of the metrics page."""
    return "".join(f"{line}\n" for line in _lines(bridge))


def _lines(bridge: Bridge) -> Iterator[str]:
    hub, load, totals = bridge.clients.hub, bridge.clients.hub.load, bridge.clients.hub.totals
    is_ready = int(bridge.kernel.is_ready)
    yield from _metric("kernel_ready", "gauge", "Whether the kernel is ready.", is_ready)
    yield from _metric("clients", "gauge", "Websockets connected.", bridge.clients.connections)
    yield from _metric(
        "sessions", "gauge", "Sessions, waiting ones included.", bridge.clients.sessions
    )
    yield from _metric("memory_bytes", "gauge", "Bytes of messages in memory.", load.memory)
    yield from _metric("spilled_bytes", "gauge", "Bytes of messages in files.", load.spilled)
    yield from _metric(
        "kernel_messages_dropped_total",
        "counter",
        "Messages of the kernel that could not be read or carried.",
        bridge.reports.dropped,
    )
    yield from _metric(
        "defects_total",
        "counter",
        "Errors that nobody expected; each ended one request or connection.",
        bridge.reports.defects,
    )
    yield from _metric(
        "tokens_refused_total",
        "counter",
        "Requests that presented no right token.",
        bridge.reports.tokens_refused,
    )
    yield from _metric(
        "waiting_bytes", "gauge", "Bytes in memory that were not looked at yet.", bridge.waiting
    )
    yield from _metric(
        "outpaced_messages_total",
        "counter",
        "Messages dropped because the kernel sent them faster than they could be carried.",
        bridge.outpaced,
    )
    for counter in fields(Counters):
        value = getattr(totals, counter.name)
        yield from _metric(f"{counter.name}_total", "counter", MEANINGS[counter.name], value)
    queued = {_name(s.session_id): hub.queued(s) for s in hub.sessions()}
    yield from _by_session("queued_bytes", "gauge", "Bytes kept for a session.", queued)
    for name in ("gaps", "dropped_messages", "dropped_bytes", "resumed"):
        values = {_name(s.session_id): getattr(s.counters, name) for s in hub.sessions()}
        yield from _by_session(f"{name}_total", "counter", MEANINGS[name], values)


def _metric(name: str, kind: str, meaning: str, value: int) -> Iterator[str]:
    yield f"# HELP w2z_{name} {meaning}"
    yield f"# TYPE w2z_{name} {kind}"
    yield f"w2z_{name} {value}"


def _by_session(name: str, kind: str, meaning: str, values: Mapping[str, int]) -> Iterator[str]:
    yield f"# HELP w2z_session_{name} {meaning}"
    yield f"# TYPE w2z_session_{name} {kind}"
    for session, value in values.items():
        yield f'w2z_session_{name}{{session="{session}"}} {value}'


def _name(session_id: str) -> str:
    return hashlib.sha256(session_id.encode(errors="surrogatepass")).hexdigest()[:12]
