"""Variables of the environment, as people and platforms make them.

Kubernetes puts ``W2Z_PORT=tcp://10.0.0.1:8888`` into every container of a namespace that has a
Service called ``w2z``, and Docker's links do the same
(https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables). Such a
variable says where a service is, and is no setting. Values out of files and templates have spaces
and line ends around them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_LINK = re.compile(r"(tcp|udp|sctp)://\S*:\d+")


def is_link(text: str) -> bool:
    """Whether a platform made this value, to say where a service is."""
    return _LINK.fullmatch(text.strip()) is not None


def value(environment: Mapping[str, str], name: str) -> str | None:
    """Return the value without the spaces around it; ``None`` for nothing, and for a link."""
    text = environment.get(name, "").strip()
    return None if not text or is_link(text) else text
