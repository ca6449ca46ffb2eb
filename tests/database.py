"""A pytest plugin (loaded by -p): the embedded PostgreSQL runs for the session, from before the settings are read.

With DATABASE_URL set nothing is started. Under xdist the controller starts the one server and the workers inherit
its address; pytest-django gives each of them a database of its own, and each has a state folder of its own to go with it.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from portal.local.postgres import Supervisor


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    if worker := os.environ.get("PYTEST_XDIST_WORKER"):
        os.environ["SLIPWAY_STATE"] += f"/{worker}"  # folders belong to one database: jobs/mounts.py
        return
    state = Path(tempfile.mkdtemp(prefix="slipway-test-"))
    early_config.add_cleanup(lambda: shutil.rmtree(state, ignore_errors=True))
    if not os.environ.get("DATABASE_URL"):
        server = Supervisor(state, fast=True)
        early_config.add_cleanup(server.stop)  # clean-ups run last in, first out, and after a failed start too
        server.start()
        os.environ["DATABASE_URL"] = server.url
    os.environ["SLIPWAY_STATE"] = str(state)  # nothing of a test lands in var/
    os.environ.setdefault("SECRET_KEY", "only-for-tests-" + "0" * 40)
