"""Grants: an operator's alone, with a reason, for one version, and shown wherever the app is shown."""

from __future__ import annotations

import pytest
from django.test import Client

from apps_catalog import services
from apps_catalog.models import Version
from portal.errors import Conflict, Forbidden, Invalid
from portal.people.models import AuditEvent, User
from tests.apps_catalog.drafts import import_draft, publish_new
from tests.portal.test_api import bearer

pytestmark = pytest.mark.django_db
WHY = "It fetches <b>weights</b> from example.org."


def client_of(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def grant(
    version: Version, operator: User, what: str = "outgoing_network", *, on: bool = True, reason: str = WHY
) -> None:
    services.set_grant(version=version, actor=operator, what=what, on=on, reason=reason)


def test_an_operator_grants_and_takes_back_with_a_reason(curator: User, operator: User) -> None:
    version = publish_new(actor=curator)
    grant(version, operator)
    version = Version.objects.get()
    assert (version.outgoing_network, version.runs_as_root) == (True, False)
    (given,) = services.grants_of(version)
    assert (given.by, given.reason, given.grant.words) == ("operator", WHY, "outgoing network")
    with pytest.raises(Conflict):
        grant(version, operator)
    grant(version, operator, on=False, reason="No longer needed.")
    grant(Version.objects.get(), operator, reason="Needed again.")
    (again,) = services.grants_of(Version.objects.get())
    assert again.reason == "Needed again."
    actions = AuditEvent.objects.filter(action__startswith="version.").order_by("id").values_list("action", flat=True)
    assert list(actions)[-3:] == ["version.grant", "version.take_back", "version.grant"]


def test_nobody_else_grants_and_nothing_without_a_reason(curator: User, operator: User) -> None:
    version = publish_new(actor=curator)
    with pytest.raises(Forbidden):
        grant(version, curator)
    with pytest.raises(Invalid):
        grant(version, operator, reason=" \0 ")
    with pytest.raises(Invalid):
        grant(version, operator, reason="x" * 1001)
    with pytest.raises(Invalid, match="no such grant"):
        grant(version, operator, "is_superuser")
    assert services.grants_of(Version.objects.get()) == []


def test_the_next_version_starts_without(curator: User, operator: User) -> None:
    grant(publish_new(actor=curator, name="Echo"), operator)
    assert services.grants_of(import_draft(actor=curator, name="Echo", description="next")) == []


def test_the_page_says_what_it_means_before_it_is_done(curator: User, operator: User, stranger: User) -> None:
    version = publish_new(actor=curator)
    address = f"{version.get_curate_url()}grants/"
    ops = client_of(operator)
    asked = ops.get(f"{address}?what=runs_as_root").content.decode()
    assert "root on the host" in asked
    assert "not for the next ones" in asked
    refused = ops.post(address, {"what": "runs_as_root", "on": "yes", "reason": ""})
    assert refused.status_code == 422
    assert "Say why" in refused.content.decode()
    assert ops.post(address, {"what": "runs_as_root", "on": "yes", "reason": WHY}).status_code == 302
    shown = ops.get(address).content.decode()
    assert "It fetches &lt;b&gt;weights&lt;/b&gt;" in shown
    assert version.app.slug in ops.get("/curate/grants/").content.decode()
    assert ops.post(address, {"what": "nonsense", "on": "yes", "reason": WHY}).status_code == 422
    looking = client_of(curator)
    assert "Operators grant these" in looking.get(address).content.decode()
    assert looking.post(address, {"what": "certified", "on": "yes", "reason": WHY}).status_code == 403
    assert client_of(stranger).get(address).status_code == 403


def test_the_app_says_what_it_runs_with_on_its_page_and_over_the_api(
    curator: User, operator: User, stranger: User
) -> None:
    version = publish_new(actor=curator)
    plain = client_of(stranger).get(version.app.get_absolute_url()).content.decode()
    assert "Runs with" not in plain
    grant(version, operator)
    grant(version, operator, "certified", reason="Looked through by us.")
    page = client_of(stranger).get(version.app.get_absolute_url()).content.decode()
    assert "outgoing network" in page
    assert "granted by <bdi>operator</bdi>" in page
    assert "It fetches &lt;b&gt;weights&lt;/b&gt;" in page
    headers = bearer(stranger, "read")
    for path in (f"apps/{version.app.slug}", f"apps/{version.app.slug}/versions/{version.label}"):
        found = Client().get(f"/api/v1/{path}", headers=headers).json()["grants"]
        assert [(one["what"], one["by"]) for one in found] == [
            ("certified", "operator"),
            ("outgoing_network", "operator"),
        ]
    mine = client_of(curator).get(version.get_curate_url()).content.decode()
    assert "Looked through by us." in mine
