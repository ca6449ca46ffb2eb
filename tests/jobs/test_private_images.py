"""A private image, pulled by a real engine from a registry that asks for a login: moved out of a manifest, shown to it alone."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from apps_catalog.models import Version
from jobs import chores
from jobs.registry_logins import login_of
from jobs.runtimes.base import RegistryLogin, RuntimeFault
from jobs.runtimes.docker import DockerRuntime
from portal.people.models import User
from tests.apps_catalog.bundle_files import bundle, manifest, push
from tests.jobs.registry import Registry, served

pytestmark = [pytest.mark.docker, pytest.mark.django_db]
PASSWORD = "p4ss-7f3a"


@pytest.fixture
def registry() -> Iterator[Registry]:
    with served("ada", PASSWORD, tag=secrets.token_hex(4)) as found:
        yield found


def test_the_login_of_a_manifest_pulls_its_image(registry: Registry, curator: User) -> None:
    runtime = DockerRuntime(registries=(registry.host,))
    image = f"{registry.host}/acme/private:{secrets.token_hex(4)}"
    config = {"container": image, "private_image": True, "username": "ada", "token": PASSWORD}
    version = push(bundle(manifest(platform_config=config)), curator).version
    assert version is not None
    without = RegistryLogin(registry.host, "ada", "wrong-7f3a")
    with pytest.raises(RuntimeFault) as refused:
        runtime.image(image, pull=True, login=without)
    assert "7f3a" not in str(refused.value)
    elsewhere = RegistryLogin("ghcr.io", "ada", PASSWORD)
    registry.asked.clear()
    with pytest.raises(RuntimeFault):
        runtime.image(image, pull=True, login=elsewhere)
    assert set(registry.asked) == {""}
    chores.look_up_image(version.pk, runtime)
    found = Version.objects.get(pk=version.pk)
    assert (found.image_state, found.image_message) == ("found", "")
    assert found.image_pinned.startswith(f"{registry.host}/acme/private@sha256:")
    assert login_of(found) == RegistryLogin(registry.host, "ada", PASSWORD)


def test_without_its_login_it_says_what_to_do(registry: Registry, curator: User) -> None:
    config = {"container": f"{registry.host}/acme/private:1", "private_image": True}
    done = push(bundle(manifest(platform_config=config)), curator)
    assert [finding.code for finding in done.reading.findings] == ["no-login"]
    assert done.version is not None
    chores.look_up_image(done.version.pk, DockerRuntime(registries=(registry.host,)))
    found = Version.objects.get(pk=done.version.pk)
    assert found.image_state == "missing"
    assert "log" in found.image_message
