"""The pages of the catalog and the curate area: who sees what, and at what cost."""

from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, override_settings
from django.urls import reverse
from pytest_django import DjangoAssertNumQueries

from apps_catalog import services
from apps_catalog.models import App, Version
from apps_catalog.views import curate
from portal.people.models import User
from tests.apps_catalog.drafts import appdef, appdef_text, import_draft, publish_new
from tests.factories import make_job, make_team

pytestmark = pytest.mark.django_db


@pytest.fixture
def as_curator(curator: User) -> Client:
    client = Client()
    client.force_login(curator)
    return client


@pytest.fixture
def as_stranger(stranger: User) -> Client:
    client = Client()
    client.force_login(stranger)
    return client


@pytest.fixture
def as_teammate(teammate: User) -> Client:
    client = Client()
    client.force_login(teammate)
    return client


def text_of(client: Client, url: str, status: int = 200, **more: str) -> str:
    response = client.get(url, **more)  # type: ignore[arg-type]
    assert response.status_code == status
    return response.content.decode()


class TestCatalog:
    def test_is_empty_and_says_what_to_do(self, as_stranger: Client, as_curator: Client, curator: User) -> None:
        assert curator.username in text_of(as_stranger, "/")
        assert reverse("apps_catalog:curate-import") in text_of(as_curator, "/")

    def test_shows_published_apps_one_may_see(
        self, as_stranger: Client, as_teammate: Client, as_curator: Client, curator: User, teammate: User
    ) -> None:
        publish_new(actor=curator, name="Open to all")
        publish_new(actor=curator, name="For the team", teams=[make_team(teammate)])
        import_draft(actor=curator, name="Still a draft")
        page = text_of(as_stranger, "/")
        assert "Open to all" in page
        assert "For the team" not in page
        assert "For the team" in text_of(as_teammate, "/")
        assert "Still a draft" not in text_of(as_curator, "/")
        assert "For the team" not in text_of(as_stranger, "/?q=team")

    def test_htmx_gets_the_shelf_and_its_address(self, as_stranger: Client, curator: User) -> None:
        publish_new(actor=curator, name="Open to all")
        response = as_stranger.get("/?q=open&category=&sort=", headers={"HX-Request": "true"})
        assert response["HX-Replace-Url"] == "/?q=open"
        assert "<html" not in response.content.decode()
        restored = as_stranger.get("/", headers={"HX-Request": "true", "HX-History-Restore-Request": "true"})
        assert "<html" in restored.content.decode()

    def test_suggests_what_was_meant(self, as_stranger: Client, curator: User) -> None:
        publish_new(actor=curator, name="OpenFOAM")
        assert "?q=openfoam" in text_of(as_stranger, "/?q=opemfaom")

    def test_categories_are_a_tree_with_counts(self, as_stranger: Client, curator: User) -> None:
        publish_new(actor=curator, name="A", classifications=["Science/Physics/Fluids", "Science/Chemistry"])
        publish_new(actor=curator, name="B", classifications=["Science/Physics"])
        top = text_of(as_stranger, "/")
        assert "Physics" not in top
        inside = text_of(as_stranger, "/?category=Science")
        assert "Chemistry" in inside
        assert "Fluids" not in inside
        found = as_stranger.get("/?category=Science/Physics").context["shelf"]
        assert {(one.path, one.count) for one in found.categories} == {
            ("Science", 2),
            ("Science/Chemistry", 1),
            ("Science/Physics", 2),
            ("Science/Physics/Fluids", 1),
        }
        assert "No app is filed under" in text_of(as_stranger, "/?category=Nowhere")

    def test_what_i_used_last_comes_first(self, as_stranger: Client, curator: User, stranger: User) -> None:
        publish_new(actor=curator, name="Aaa")
        used = publish_new(actor=curator, name="Zzz")
        make_job(stranger, version=used)
        shelf = as_stranger.get("/?sort=recent").context["shelf"]
        assert [card.app.name for card in shelf.cards] == ["Zzz", "Aaa"]
        assert shelf.cards[0].last_run
        assert not shelf.cards[1].last_run

    def test_says_why_an_app_cannot_be_launched(self, as_stranger: Client, curator: User) -> None:
        publish_new(actor=curator, image="")
        assert "no container image yet" in text_of(as_stranger, "/")

    @pytest.mark.parametrize("query", ["page=0", "page=99999999999", "page=x", "sort=x", "category=%00", "q=%00%ff"])
    def test_any_address_answers(self, as_stranger: Client, curator: User, query: str) -> None:
        publish_new(actor=curator)
        text_of(as_stranger, f"/?{query}")

    def test_costs_the_same_for_any_number_of_apps(
        self, as_stranger: Client, curator: User, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        for number in range(30):
            publish_new(actor=curator, name=f"App {number}", classifications=[f"Group {number}"])
        text_of(as_stranger, "/")
        with django_assert_max_num_queries(6):  # session, person, count, categories, apps, last runs
            assert text_of(as_stranger, "/").count('class="app-card') >= 24
        assert "Page 2 of 2" in text_of(as_stranger, "/?page=2")

    def test_says_that_an_app_comes_without_a_licence(self, as_stranger: Client, curator: User) -> None:
        publish_new(actor=curator, name="Free", licensed=True)
        assert "Bring your own licence" not in text_of(as_stranger, "/")
        publish_new(actor=curator, name="Licensed elsewhere", licensed=False)
        assert text_of(as_stranger, "/").count("Bring your own licence") == 1


class TestApp:
    def test_shows_what_it_takes(self, as_stranger: Client, curator: User) -> None:
        version = publish_new(actor=curator, name="CFD &reg;", licensed=False)
        page = text_of(as_stranger, version.app.get_absolute_url())
        assert "CFD ®" in page
        assert "Bring your own licence" in page
        assert "api/v1/jobs" in page
        assert "hello" in page
        assert "Remarks on the definition" not in page

    def test_is_not_there_for_those_who_may_not_see_it(
        self, as_stranger: Client, as_curator: Client, as_teammate: Client, curator: User, teammate: User
    ) -> None:
        draft = import_draft(actor=curator)
        hidden = publish_new(actor=curator, teams=[make_team(teammate)])
        for client, version, status in (
            (as_stranger, draft, 404),
            (as_curator, draft, 404),
            (as_stranger, hidden, 404),
            (as_teammate, hidden, 200),
            (as_curator, hidden, 200),
        ):
            text_of(client, version.app.get_absolute_url(), status)
        text_of(as_stranger, hidden.app.icon_url, 404)
        text_of(as_stranger, draft.app.icon_url, 404)
        assert as_teammate.get(hidden.app.icon_url).status_code == 200
        text_of(as_stranger, "/apps/nothing-like-it/", 404)

    def test_names_only_ones_own_teams(self, as_teammate: Client, curator: User, teammate: User) -> None:
        own, other = make_team(teammate, name="Mine"), make_team(name="Secret project")
        version = publish_new(actor=curator, teams=[own, other])
        page = text_of(as_teammate, version.app.get_absolute_url())
        assert "Mine and 1 other team" in page
        assert "Secret project" not in page

    def test_retired_says_nothing_is_there(self, as_stranger: Client, curator: User) -> None:
        version = publish_new(actor=curator)
        services.retire(version=version, actor=curator)
        text_of(as_stranger, version.app.get_absolute_url(), 404)

    @override_settings(PUBLIC_URL="https://portal.example.org")
    def test_calls_can_be_shown_for_each_command(self, as_stranger: Client, curator: User) -> None:
        commands = appdef()["commands"]
        commands["-odd 'key'"] = {
            "path": "/x",
            "name": "Odd",
            "description": "",
            "parameters": {"-n": {"name": "N", "description": "", "type": "INT", "min": 3, "required": True}},
        }
        version = publish_new(actor=curator, commands=commands)
        page = as_stranger.get(version.app.get_absolute_url(), {"api": "-odd 'key'"}).context["page"]
        assert page.chosen.key == "-odd 'key'"
        assert '"-n": 3' in page.calls[0].text
        assert "https://portal.example.org/api/v1/jobs" in page.calls[0].text
        assert as_stranger.get(version.app.get_absolute_url(), {"api": "nope"}).status_code == 200

    def test_costs_few_queries(
        self, as_stranger: Client, curator: User, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        version = publish_new(actor=curator)
        text_of(as_stranger, version.app.get_absolute_url())
        with django_assert_max_num_queries(4):  # session, person, app with version, versions
            text_of(as_stranger, version.app.get_absolute_url())


class TestIcon:
    def test_is_a_png_to_keep(self, as_stranger: Client, curator: User) -> None:
        app = publish_new(actor=curator).app
        response = as_stranger.get(app.icon_url)
        assert response["Content-Type"] == "image/png"
        assert response["X-Content-Type-Options"] == "nosniff"
        assert "immutable" in response["Cache-Control"]
        assert response.content.startswith(b"\x89PNG")
        again = as_stranger.get(app.icon_url, headers={"If-None-Match": response["ETag"]})
        assert again.status_code == 304
        assert "immutable" not in as_stranger.get(reverse("apps_catalog:icon", args=[app.slug]))["Cache-Control"]


class TestCurate:
    ADDRESSES = ("/curate/", "/curate/import/")

    def test_is_for_curators(self, as_stranger: Client, as_curator: Client, curator: User) -> None:
        version = import_draft(actor=curator)
        base = version.get_curate_url()
        for address in (*self.ADDRESSES, base, "/curate/apps/nothing/1/"):
            text_of(as_stranger, address, 403)
            if "nothing" not in address:
                text_of(as_curator, address)
        for move in ("publish", "retire", "make-default", "look-up", "settings", "image"):
            assert as_stranger.post(f"{base}{move}/").status_code == 403
            assert as_stranger.get(f"{base}{move}/").status_code in (403, 405)
        assert as_stranger.post("/curate/import/", {"definition": appdef_text()}).status_code == 403
        assert as_stranger.post("/curate/import/check/", {"definition": "{}"}).status_code == 403
        assert Version.objects.get().state == Version.State.DRAFT
        assert Client().get("/curate/").status_code == 302

    def test_lists_drafts_and_filters(self, as_curator: Client, curator: User) -> None:
        publish_new(actor=curator, name="Shown")
        import_draft(actor=curator, name="Hidden one", image="")
        assert "Hidden one" in text_of(as_curator, "/curate/")
        for state, shown in {
            "published": "Shown",
            "draft": "Hidden one",
            "hidden": "Hidden one",
            "image": "Hidden one",
        }.items():
            rows = as_curator.get("/curate/", {"state": state}).context["rows"]
            assert [row.app.name for row in rows] == [shown]
        assert "No app fits" in text_of(as_curator, "/curate/?q=zzz&page=7&state=%00")

    def test_pages_keep_what_was_asked(
        self, as_curator: Client, curator: User, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(curate, "PAGE", 1)
        for number in range(3):
            import_draft(actor=curator, name=f"R&D {number}", description=str(number))
        page = text_of(as_curator, "/curate/?q=R%26D&state=draft&page=2")
        assert "Page 2 of 3" in page
        for address in ("?q=R%26D&amp;state=draft&amp;page=1", "?q=R%26D&amp;state=draft&amp;page=3"):
            assert f'href="{address}"' in page

    def test_counts_warnings_without_reading_the_findings(
        self, as_curator: Client, curator: User, django_assert_max_num_queries: DjangoAssertNumQueries
    ) -> None:
        definition = appdef()
        del definition["commands"]["say"]["parameters"]["word"]["type"]
        for number in range(5):
            import_draft(actor=curator, text=json.dumps(definition | {"name": f"N{number}"}))
        text_of(as_curator, "/curate/")
        with django_assert_max_num_queries(6):
            rows = as_curator.get("/curate/").context["rows"]
        assert [row.warnings for row in rows] == [1] * 5

    def test_imports_what_is_pasted(self, as_curator: Client) -> None:
        text = appdef_text(name="Pasted").replace("\n", "\r\n")  # as a browser sends it
        response = as_curator.post("/curate/import/", {"definition": text, "label": "2.0", "slug": "pasted-app"})
        version = Version.objects.get()
        assert response["Location"] == version.get_curate_url()
        assert version.definition == text.replace("\r\n", "\n")
        assert (version.label, version.app.slug) == ("2.0", "pasted-app")

    def test_imports_a_file_byte_for_byte(self, as_curator: Client) -> None:
        raw = appdef_text().replace("\n", "\r\n").encode()
        as_curator.post("/curate/import/", {"definition": "{}", "file": SimpleUploadedFile("AppDef.json", raw)})
        assert Version.objects.get().definition.encode() == raw

    def test_shows_what_is_wrong_with_its_line(self, as_curator: Client) -> None:
        response = as_curator.post("/curate/import/", {"definition": '{\n  "name": "x",\n}'})
        page = response.content.decode()
        assert response.status_code == 422
        assert "Line 3" in page
        assert 'id="L3" class="has-error"' in page
        assert "&quot;name&quot;: &quot;x&quot;" in page
        assert not App.objects.exists()

    @pytest.mark.parametrize(
        ("wrong", "words"),
        [
            ({"definition": ""}, "Paste an AppDef"),
            ({"image": "a b"}, "container image"),
            ({"slug": "../x"}, "short name"),
            ({"label": "a/b"}, "label"),
        ],
    )
    def test_refusals_stand_at_their_field(self, as_curator: Client, wrong: dict[str, str], words: str) -> None:
        response = as_curator.post("/curate/import/", {"definition": appdef_text()} | wrong)
        assert response.status_code == 422
        assert words in response.content.decode()
        assert not App.objects.exists()

    @override_settings(APPDEF_LIMIT_MIB=1)
    def test_refuses_a_large_file_unread(self, as_curator: Client) -> None:
        file = SimpleUploadedFile("AppDef.json", b" " * (2**20 + 1))
        response = as_curator.post("/curate/import/", {"file": file})
        assert response.status_code == 422
        assert "MiB" in response.content.decode()

    def test_checks_while_one_writes(self, as_curator: Client) -> None:
        good = as_curator.post("/curate/import/check/", {"definition": appdef_text()}).content.decode()
        bad = as_curator.post("/curate/import/check/", {"definition": "{"}).content.decode()
        assert "Can be imported" in good
        assert "yet" in bad
        assert "data-finding-line" in bad
        assert "Nothing to check" in as_curator.post("/curate/import/check/", {}).content.decode()
        assert not App.objects.exists()


class TestVersion:
    def test_moves_through_its_life(self, as_curator: Client, curator: User) -> None:
        version = import_draft(actor=curator, image="")
        base = version.get_curate_url()
        assert "has-" not in text_of(as_curator, base)
        for move, state in (("publish", "published"), ("make-default", "published"), ("retire", "retired")):
            response = as_curator.post(f"{base}{move}/", follow=True)
            assert response.status_code == 200
            version.refresh_from_db()
            assert version.state == state
        page = text_of(as_curator, base)
        for did in ("imported it", "published it", "made it the default", "retired it"):
            assert did in page

    def test_an_image_is_named_and_looked_up(self, as_curator: Client, curator: User) -> None:
        version = import_draft(actor=curator, image="")
        address = f"{version.get_curate_url()}image/"
        assert as_curator.post(address, {"image": "a b"}).status_code == 422
        as_curator.post(address, {"image": "docker.io/a/b:1"})
        piece = as_curator.get(address, headers={"HX-Request": "true"}).content.decode()
        assert "every 3s" in piece
        services.record_image(
            version_pk=version.pk,
            image="docker.io/a/b:1",
            pinned="",
            state="missing",
            message="no such <b>tag</b>",
        )
        piece = as_curator.get(address, headers={"HX-Request": "true"}).content.decode()
        assert "every 3s" not in piece
        assert "no such &lt;b&gt;tag" in piece
        as_curator.post(f"{version.get_curate_url()}look-up/")
        version.refresh_from_db()
        assert version.image_state == "unknown"

    def test_who_may_run_it_is_set(self, as_curator: Client, curator: User, teammate: User) -> None:
        team = make_team(teammate)
        version = publish_new(actor=curator)
        address = f"{version.get_curate_url()}settings/"
        none = as_curator.post(address, {"visibility": "teams"})
        assert none.status_code == 422
        assert "at least one team" in none.content.decode()
        as_curator.post(address, {"visibility": "teams", "teams": [team.pk]})
        assert list(version.app.teams.all()) == [team]
        assert as_curator.post(address, {"visibility": "x"}).status_code == 422

    def test_drafts_cannot_be_made_the_default(self, as_curator: Client, curator: User) -> None:
        version = import_draft(actor=curator)
        assert as_curator.post(f"{version.get_curate_url()}make-default/").status_code == 409

    def test_moves_are_posts(self, as_curator: Client, curator: User) -> None:
        version = import_draft(actor=curator)
        for move in ("publish", "retire", "make-default", "look-up", "settings"):
            assert as_curator.get(f"{version.get_curate_url()}{move}/").status_code == 405


@pytest.mark.parametrize("model", ["app", "version"])
def test_the_admin_shows_and_does_not_add(model: str, curator: User, admin_client: Client) -> None:
    version = publish_new(actor=curator)
    pk = version.pk if model == "version" else version.app.pk
    assert admin_client.get(f"/admin/apps_catalog/{model}/").status_code == 200
    assert admin_client.get(f"/admin/apps_catalog/{model}/{pk}/change/").status_code == 200
    assert admin_client.get(f"/admin/apps_catalog/{model}/add/").status_code == 403
