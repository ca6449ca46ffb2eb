"""Sources may read from this machine here, and nowhere else that is not public."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.jobs.sources.web import Web


@pytest.fixture(autouse=True)
def open_here(settings: Any) -> None:
    settings.OUTWARD_ALLOWED = ("127.0.0.1",)


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    yield server
    server.stop()
