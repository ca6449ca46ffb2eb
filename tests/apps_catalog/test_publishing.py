"""Publishing: what the catalog shows follows the default version; every move is a curator's and leaves an audit row."""

from __future__ import annotations

import pytest

from apps_catalog import services
from apps_catalog.models import App, Version
from portal.errors import Conflict, Forbidden, Invalid
from portal.people.models import AuditEvent, User
from tests.apps_catalog.drafts import appdef_text, import_draft, publish_new
from tests.factories import make_team

pytestmark = pytest.mark.django_db


def test_publishing_shows_what_the_version_says(curator: User, stranger: User) -> None:
    first = publish_new(actor=curator, name="CFD", description="old", classifications=["A/B", "C"])
    assert App.objects.visible_to(stranger).get() == first.app
    assert first.app.category_prefixes == ["A", "A/B", "C"]
    second = import_draft(actor=curator, name="CFD", description="new", classifications=["D"])
    assert App.objects.get().summary == "old"
    services.publish(version=second, actor=curator)
    app = App.objects.get()
    assert (app.summary, app.categories, app.default_version) == ("new", ["D"], second)


def test_a_draft_is_seen_by_curators_alone(curator: User, stranger: User) -> None:
    version = import_draft(actor=curator)
    assert not App.objects.visible_to(stranger).exists()
    assert [version.app.is_visible_to(person) for person in (stranger, curator)] == [False, True]
    assert App.objects.visible_to(curator).get() == version.app


def test_retiring_the_default_goes_back_to_the_newest_published(curator: User) -> None:
    first = publish_new(actor=curator, name="CFD", description="one")
    second = publish_new(actor=curator, name="CFD", description="two")
    services.retire(version=second, actor=curator)
    assert App.objects.get().default_version == first
    assert App.objects.get().summary == "one"
    services.retire(version=first, actor=curator)
    app = App.objects.get()
    assert (app.published, app.default_version) == (False, None)
    services.publish(version=first, actor=curator)
    assert App.objects.get().published


def test_only_a_published_version_can_be_the_default(curator: User) -> None:
    first = publish_new(actor=curator, name="CFD", description="one")
    second = publish_new(actor=curator, name="CFD", description="two")
    services.make_default(version=first, actor=curator)
    assert App.objects.get().default_version == first
    services.retire(version=second, actor=curator)
    with pytest.raises(Conflict, match="Publish it first"):
        services.make_default(version=second, actor=curator)


def test_an_app_for_a_team_is_seen_by_its_members(curator: User, teammate: User, stranger: User) -> None:
    team = make_team(teammate)
    version = publish_new(actor=curator, teams=[team, make_team(teammate)])
    assert App.objects.visible_to(teammate).get() == version.app
    assert not App.objects.visible_to(stranger).exists()
    app = App.objects.get()
    assert [app.is_visible_to(person) for person in (teammate, stranger, curator)] == [True, False, True]
    services.set_visibility(app=version.app, actor=curator, visibility="everyone")
    assert App.objects.visible_to(stranger).get() == version.app
    with pytest.raises(Invalid, match="at least one team"):
        services.set_visibility(app=version.app, actor=curator, visibility="teams")


def test_a_look_up_counts_only_for_the_image_it_was_made_for(curator: User) -> None:
    version = publish_new(actor=curator, image="docker.io/a/b:1")
    services.set_image(version=version, actor=curator, image="docker.io/a/b:2")
    stale = services.record_image(
        version_pk=version.pk, pinned="sha256:1", state=Version.ImageState.FOUND, message="", image="docker.io/a/b:1"
    )
    assert not stale
    version.refresh_from_db()
    assert (version.image_pinned, version.image_state) == ("", Version.ImageState.UNKNOWN)
    assert services.record_image(
        version_pk=version.pk,
        pinned="",
        state=Version.ImageState.MISSING,
        message="no such tag",
        image="docker.io/a/b:2",
    )
    version.refresh_from_db()
    assert "no such tag" in services.not_launchable(version)
    services.look_up_image(version=version, actor=curator)
    version.refresh_from_db()
    assert services.not_launchable(version) == ""


def test_why_a_version_is_not_launchable(curator: User) -> None:
    draft = import_draft(actor=curator, image="")
    assert "draft" in services.not_launchable(draft)
    assert "no container image" in services.not_launchable(services.publish(version=draft, actor=curator))
    assert "retired" in services.not_launchable(services.retire(version=draft, actor=curator))
    assert services.not_launchable(publish_new(actor=curator)) == ""


def test_every_move_is_refused_to_others_and_audited(curator: User, stranger: User) -> None:
    version = publish_new(actor=curator)
    for move in (services.publish, services.make_default, services.retire, services.look_up_image):
        with pytest.raises(Forbidden):
            move(version=version, actor=stranger)
    with pytest.raises(Forbidden):
        services.set_image(version=version, actor=stranger, image="docker.io/a/b")
    with pytest.raises(Forbidden):
        services.set_visibility(app=version.app, actor=stranger, visibility="everyone")
    services.make_default(version=version, actor=curator)
    services.set_visibility(app=version.app, actor=curator, visibility="everyone")
    services.retire(version=version, actor=curator)
    actions = set(AuditEvent.objects.filter(actor=curator).values_list("action", flat=True))
    assert actions >= {
        "version.import",
        "version.publish",
        "version.make_default",
        "version.retire",
        "app.visibility",
    }


def test_importing_to_a_retired_app_changes_nothing_shown(curator: User) -> None:
    version = publish_new(actor=curator, name="CFD", description="one")
    services.retire(version=version, actor=curator)
    services.import_definition(text=appdef_text(name="CFD", description="two"), actor=curator)
    assert App.objects.get().summary == "one"
