"""What every test stands on: components that may be missing are skipped with a reason, and fail in CI."""

from __future__ import annotations

import functools
import os
import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from portal.people.models import User

NEEDS = ("docker", "browser", "faults")
CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@functools.cache
def _missing(component: str) -> str:
    """Why tests that need this component can't run here, or "" when they can."""
    match component:
        case "docker" | "faults":
            return _missing_docker()
        case _:
            return "" if _chromium() else "Chromium is not installed (apt-get install chromium, or make test)"


def _chromium() -> str | None:
    return shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def _missing_docker() -> str:
    import docker
    from docker.errors import DockerException, ImageNotFound

    try:
        client = docker.from_env(timeout=10)
    except DockerException as error:
        return f"no Docker Engine answers (portal/local/docker.sh ensure, or make test): {error}"
    try:
        client.images.get("slipway-python:bookworm")
    except ImageNotFound:
        return "the image slipway-python:bookworm is not there (portal/local/base_image.sh, or make test)"
    except DockerException as error:
        return f"the Docker Engine does not answer (portal/local/docker.sh ensure): {error}"
    finally:
        client.close()
    return ""


def pytest_configure(config: pytest.Config) -> None:
    """Settings that only a test wants: static files straight from their folders, and a cheap password hash."""
    from django.conf import settings

    settings.STORAGES["staticfiles"]["BACKEND"] = "django.contrib.staticfiles.storage.StaticFilesStorage"
    settings.WHITENOISE_USE_FINDERS = settings.WHITENOISE_AUTOREFRESH = True
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher", *settings.PASSWORD_HASHERS]


def pytest_runtest_setup(item: pytest.Item) -> None:
    for component in NEEDS:
        if item.get_closest_marker(component) and (reason := _missing(component)):
            if os.environ.get("CI"):
                pytest.fail(f"CI must run this test, and {reason}.", pytrace=False)
            pytest.skip(reason)


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """The databases, rid of whatever a thread or process of a test still holds before they are dropped."""
    yield
    from django.db import connection

    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_terminate_backend(pid) {others}")


@pytest.fixture(scope="module")
def rows_of_module(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Rows that all tests of a module share, and that the threads of servers see; all of them are gone afterwards.

    What a test itself writes is in its own transaction: tests.jobs.proxied.committed writes for all to see.
    """
    from django.core.management import call_command
    from django.test import override_settings

    with (
        django_db_blocker.unblock(),
        override_settings(APPS_DOMAIN="localhost", PUBLIC_URL="http://127.0.0.1:8000"),
    ):
        yield
        call_command("flush", interactive=False, verbosity=0)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests of pages."""
    from playwright.sync_api import sync_playwright

    # Playwright runs an event loop in this thread, and Django would refuse to touch the database beside one.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_chromium(), args=CHROMIUM_FLAGS)
        yield browser
        browser.close()
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]


@pytest.fixture
def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


@pytest.fixture
def folders(tmp_path: Path, settings: Any) -> Path:
    """STORE_ROOT, VAULT_ROOT, WORK_ROOT and CACHE_ROOT below the test's own folder."""
    settings.STORE_ROOT = tmp_path / "store"
    settings.VAULT_ROOT = tmp_path / "vaults"
    settings.WORK_ROOT = tmp_path / "work"
    settings.CACHE_ROOT = tmp_path / "cache"
    settings.STORAGES = {
        **settings.STORAGES,
        "default": {
            "BACKEND": "django.core.files.storage.FileSystemStorage",
            "OPTIONS": {"location": str(settings.STORE_ROOT)},
        },
    }
    return tmp_path


@pytest.fixture
def jarvice(settings: Any) -> None:
    """The JARVICE door is open."""
    settings.JARVICE_API = True


@pytest.fixture
def shells(settings: Any) -> None:
    """People may open shells in their jobs."""
    settings.JOB_SHELLS = True


@pytest.fixture
def owner(db: None) -> User:
    """The one whose things they are."""
    from tests.factories import make_person

    return make_person("owner")


@pytest.fixture
def teammate(owner: User) -> User:
    """In one team (`owner.teams.get()`) with the owner."""
    from tests.factories import make_person, make_team

    person = make_person("teammate")
    make_team(owner, person, name="Crew")
    return person


@pytest.fixture
def stranger(db: None) -> User:
    """In no team."""
    from tests.factories import make_person

    return make_person("stranger")


@pytest.fixture
def curator(db: None) -> User:
    from tests.factories import make_person

    return make_person("curator", is_curator=True)


@pytest.fixture
def operator(db: None) -> User:
    from tests.factories import make_person

    return make_person("operator", is_operator=True)
