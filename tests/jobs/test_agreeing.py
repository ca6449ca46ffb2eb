"""Licence terms: no door launches without the agreement, the form records it, other words are asked for anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps_catalog import services as catalog
from apps_catalog.launch.spec import Submission
from apps_catalog.models import EulaAcceptance, Version
from jobs import services
from jobs.models import Job
from portal.errors import Conflict, Invalid
from portal.people.models import AuditEvent, User
from tests.factories import make_app, make_job, make_machine, make_version
from tests.portal.test_api import bearer

pytestmark = pytest.mark.django_db
TERMS = "Be kind.\n<script>alert(1)</script> & <b>always</b>."


@pytest.fixture
def version(folders: Path) -> Version:
    make_machine("n1")
    return make_version(make_app(slug="pi"), eula=TERMS)


def submit(owner: User, version: Version, **more: Any) -> Job:
    return services.submit(owner=owner, version=version, submission=Submission("throw", machine="n1"), **more).job


def test_nobody_launches_before_agreeing_and_the_fault_says_where(
    owner: User, stranger: User, version: Version
) -> None:
    with pytest.raises(Invalid) as refused:
        submit(owner, version)
    (fault,) = refused.value.faults
    assert (fault.pointer, fault.code) == ("/eula", "eula")
    assert f"/apps/pi/eula/?version={version.label}" in fault.message
    preview = services.preview(owner=owner, version=version, submission=Submission("throw", machine="n1"))
    assert [fault.pointer for fault in preview.faults] == ["/eula"]
    catalog.accept_eula(user=owner, version=version, digest=catalog.eula_digest(version))
    assert submit(owner, version).number
    with pytest.raises(Invalid):
        submit(stranger, version)
    assert AuditEvent.objects.get(action="app.eula").actor_name == "owner"


def test_agreeing_and_launching_is_one_act(owner: User, version: Version) -> None:
    with pytest.raises(Invalid):
        submit(owner, version, eula="0" * 64)
    assert not EulaAcceptance.objects.exists()
    submit(owner, version, eula=catalog.eula_digest(version))
    submit(owner, version)
    assert EulaAcceptance.objects.count() == 1


def test_other_words_are_asked_for_anew_and_the_same_ones_never(owner: User, version: Version) -> None:
    catalog.accept_eula(user=owner, version=version, digest=catalog.eula_digest(version))
    same = make_version(version.app, eula=TERMS)
    other = make_version(version.app, eula=TERMS + " More.")
    assert not catalog.eula_missing(owner, same)
    assert catalog.eula_missing(owner, other)
    with pytest.raises(Conflict, match="have changed"):
        catalog.accept_eula(user=owner, version=other, digest=catalog.eula_digest(version))
    with pytest.raises(Conflict, match="no licence terms"):
        catalog.accept_eula(user=owner, version=make_version(), digest="")


def test_the_form_shows_the_terms_as_text_and_takes_the_agreement(owner: User, version: Version) -> None:
    client = Client()
    client.force_login(owner)
    page = client.get("/apps/pi/launch/").content.decode()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script>alert" not in page
    sent = {"command": "throw", "machine": "n1", "p:darts": "100", "go": "launch"}
    refused = client.post("/apps/pi/launch/", sent)
    assert refused.status_code == 422
    assert "Tick this to agree" in refused.content.decode()
    assert not Job.objects.exists()
    live = client.post("/apps/pi/launch/preview/", {**sent, "eula": catalog.eula_digest(version)}).content.decode()
    assert "things to fix" not in live
    assert not EulaAcceptance.objects.exists(), "a preview agrees to nothing"
    done = client.post("/apps/pi/launch/", {**sent, "eula": catalog.eula_digest(version)})
    assert done.status_code == 303
    assert EulaAcceptance.objects.get().user == owner
    assert "I have read the terms" not in client.get("/apps/pi/launch/").content.decode()


def test_terms_have_a_page_of_their_own_and_stand_on_the_app_page(owner: User, version: Version) -> None:
    client = Client()
    client.force_login(owner)
    assert "agrees to these terms once" in client.get("/apps/pi/").content.decode()
    assert "I have read the terms and agree" in client.get("/apps/pi/eula/").content.decode()
    assert client.post("/apps/pi/eula/", {"digest": "nonsense"}).status_code == 409
    assert client.post("/apps/pi/eula/", {"digest": catalog.eula_digest(version)}).status_code == 302
    assert "You agreed to these terms" in client.get(f"/apps/pi/eula/?version={version.label}").content.decode()
    assert "you agreed" in client.get("/apps/pi/").content.decode()
    assert client.get("/apps/pi/eula/?version=nope").status_code == 404
    plain = make_version(make_app(slug="free"))
    assert "asks for no agreement" in client.get(f"/apps/{plain.app.slug}/eula/").content.decode()


def test_the_api_shows_the_terms_refuses_and_takes_the_agreement(owner: User, version: Version) -> None:
    client, headers = Client(), bearer(owner, "read", "launch")

    def call(path: str, body: Any) -> Any:
        return client.post(f"/api/v1/{path}", body, content_type="application/json", headers=headers)

    terms = client.get("/api/v1/apps/pi", headers=headers).json()["eula"]
    assert (terms["text"], terms["accepted"]) == (TERMS, False)
    refused = call("jobs", {"app": "pi", "parameters": {}, "machine": "n1"})
    assert refused.status_code == 422
    assert [(one["pointer"], one["code"]) for one in refused.json()["errors"]] == [("/eula", "eula")]
    assert call("apps/pi/eula", {"digest": "0"}).status_code == 409
    assert call("apps/pi/eula", {"digets": "0"}).status_code == 422
    assert call("apps/pi/eula", {"digest": terms["digest"], "version": "nope"}).status_code == 404
    assert call("apps/pi/eula", {"digest": terms["digest"]}).json()["accepted"] is True
    assert call("jobs", {"app": "pi", "parameters": {}, "machine": "n1"}).status_code == 201
    plain = client.get(f"/api/v1/apps/{make_version().app.slug}", headers=headers).json()
    assert plain["eula"] is None


def test_running_a_job_again_asks_too(owner: User, version: Version) -> None:
    job = make_job(owner, version=version)
    client = Client()
    client.force_login(owner)
    answer = client.post(f"/jobs/{job.number}/rerun/", follow=True)
    assert Job.objects.count() == 1
    assert "/eula/" in answer.content.decode()
