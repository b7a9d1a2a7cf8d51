from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.processes import W2z, ipykernel, supervised_ipykernel, w2z


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)


@pytest.fixture
async def kernel_file(tmp_path: Path) -> AsyncIterator[Path]:
    """The connection file of a real ipykernel."""
    async with ipykernel(tmp_path) as path:
        yield path


@pytest.fixture
async def served(kernel_file: Path) -> AsyncIterator[W2z]:
    """w2z in front of a real ipykernel."""
    async with w2z(kernel_file) as found:
        yield found


@pytest.fixture
async def supervised(tmp_path: Path) -> AsyncIterator[W2z]:
    """w2z in front of a real ipykernel that is started again whenever it ends."""
    async with supervised_ipykernel(tmp_path) as path, w2z(path) as found:
        yield found
