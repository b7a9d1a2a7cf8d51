from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.containers.apart import is_apart
from tests.containers.podman import alone, environment, podman
from tests.support.processes import TOKEN


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.containers)
            # The first test that needs an image waits until it is made.
            item.add_marker(pytest.mark.timeout(600))


@pytest.fixture(scope="session", autouse=True)
def secret() -> Iterator[None]:
    """The token as a podman secret, under the name the images look for."""
    if not is_apart():
        pytest.exit("containers are tested with python -m tests.containers.apart pytest ...", 4)
    with alone():
        # What a run that was killed has left in the store.
        podman("rm", "--all", "--force")
        podman("volume", "prune", "--force")
        podman("secret", "rm", "w2z_token", check=False)
        subprocess.run(
            ["podman", "secret", "create", "w2z_token", "-"],
            env=environment(),
            input=TOKEN.encode(),
            stdout=subprocess.DEVNULL,
            check=True,
        )
        yield
