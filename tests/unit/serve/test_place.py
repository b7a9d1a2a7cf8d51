"""Whether w2z runs in a container, and whom it listens to then."""

from __future__ import annotations

import pytest

from w2z.serve.place import AUTO, is_container, listening_host


@pytest.mark.parametrize(
    ("environment", "pid", "files", "is_one"),
    [
        ({}, 7, (), False),
        ({"container": ""}, 7, ("/etc/passwd",), False),
        ({}, 1, (), True),
        ({"container": "podman"}, 7, (), True),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, 7, (), True),
        ({}, 7, ("/.dockerenv",), True),
        ({}, 7, ("/run/.containerenv",), True),
    ],
)
def test_a_container_is_known_by_what_engines_leave(
    environment: dict[str, str], pid: int, files: tuple[str, ...], is_one: bool
) -> None:
    assert is_container(environment, pid, files.__contains__) is is_one


@pytest.mark.parametrize("in_container", [True, False])
@pytest.mark.parametrize("host", ["::", "0.0.0.0", "localhost", "kernel.example"])
def test_a_host_that_is_given_counts(host: str, in_container: bool) -> None:
    assert listening_host(host, in_container=in_container) == (host, "")


def test_else_a_container_is_for_all_and_a_machine_for_itself() -> None:
    host, reach = listening_host(AUTO, in_container=True)
    assert (host, "reaches this container" in reach) == ("0.0.0.0", True)
    host, reach = listening_host(AUTO, in_container=False)
    assert (host, "this machine alone" in reach) == ("127.0.0.1", True)
