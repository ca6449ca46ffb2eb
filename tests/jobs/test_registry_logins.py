"""Private images: the login goes to the registry it is of, at the moment of the pull, and into nothing that is kept."""

from __future__ import annotations

import pytest
from django.test import override_settings

from jobs import chores
from jobs.registry_logins import login_of
from jobs.runtimes.base import RegistryLogin, RuntimeFault
from jobs.runtimes.fake import FakeRuntime
from portal.people.models import Secret, User
from tests.factories import make_secret
from tests.jobs.bundles import make_bundle

pytestmark = pytest.mark.django_db
IMAGE = "docker.io/acme/secret:1"
LOGIN = RegistryLogin("docker.io", "ada", "t0ken-7f3a")


def login_secret(owner: User) -> Secret:
    return make_secret(owner, "registry-x", "registry", registry="docker.io", username="ada", password="t0ken-7f3a")


def test_a_private_image_is_pinned_with_the_login_of_its_version(owner: User) -> None:
    runtime = FakeRuntime(private={IMAGE: LOGIN})
    version = make_bundle(image_pinned="")
    version.image, version.image_state = IMAGE, "unknown"
    version.save()
    chores.look_up_image(version.pk, runtime)
    version.refresh_from_db()
    assert version.image_state == "missing"
    version.registry_secret = login_secret(owner)
    version.save()
    chores.look_up_image(version.pk, runtime)
    version.refresh_from_db()
    assert (version.image_state, version.image_message) == ("found", "")
    assert version.image_pinned


def test_the_login_is_printed_by_nothing() -> None:
    assert "7f3a" not in repr(LOGIN) + str(LOGIN)
    assert "ada" not in repr(LOGIN)


def test_another_kind_of_secret_is_no_login(owner: User) -> None:
    version = make_bundle()
    version.registry_secret = make_secret(owner)
    assert login_of(version) is None
    assert login_of(None) is None


def test_a_login_that_cant_be_opened_any_more_says_so(owner: User) -> None:
    version = make_bundle()
    version.registry_secret = login_secret(owner)
    away = override_settings(SECRETS_KEY="another key altogether 0000000000", SECRETS_KEY_OLD=())
    with away, pytest.raises(RuntimeFault, match="SECRETS_KEY") as refused:
        login_of(version)
    assert refused.value.code == "image_denied"
