"""A real engine for tests of jobs: it may look into the test's folders, and nothing of the test is left on it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jobs.folders import INSTALLATION_LABEL
from jobs.models import Installation
from jobs.runtimes.docker import DockerRuntime
from jobs.slots import Slots


@contextmanager
def real_engine(folders: Path) -> Iterator[DockerRuntime]:
    """The engine, with containers whose user gets to what lies below the test's folders."""
    for folder in (folders, *folders.parents):
        if folder.name.startswith("pytest-"):
            folder.chmod(0o711)
    runtime = DockerRuntime()
    try:
        yield runtime
    finally:
        ours = str(Installation.get().pk)
        for handle in runtime.owned(INSTALLATION_LABEL, ours):
            runtime.remove(handle)
        for name in runtime.owned_networks(INSTALLATION_LABEL, ours):
            runtime.remove_network(name)
        runtime.close()


@contextmanager
def serving(slots: Slots) -> Iterator[Slots]:
    """The slots from their start until they have let go of all that they tend."""
    slots.start()
    try:
        yield slots
    finally:
        slots.leave()
        slots.watcher.superseded.set()
        time.sleep(1.1)  # the watcher looks once a second
