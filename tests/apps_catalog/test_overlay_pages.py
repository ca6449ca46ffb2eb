"""The overlay saved, shown and edited: part by part, every fault at its entry, nothing half saved."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from PIL import Image

from apps_catalog import services
from apps_catalog.launch.overlay import OVERLAY_SCHEMA
from apps_catalog.models import App, Version
from portal.errors import Conflict, Forbidden, Invalid
from portal.people.models import AuditEvent, User
from tests.apps_catalog.drafts import appdef, import_draft, publish_new

pytestmark = pytest.mark.django_db


def picture(edge: int = 300) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (edge, edge), "red").save(out, "JPEG")
    return out.getvalue()


@pytest.fixture
def as_curator(curator: User) -> Client:
    client = Client()
    client.force_login(curator)
    return client


def word(**wish: Any) -> dict[str, Any]:
    return {"commands": {"say": {"parameters": {"word": wish}}}}


def seen(answer: Any) -> str:
    text: str = answer.content.decode()
    return text


class TestService:
    def test_changes_the_form_of_a_published_version_at_once(self, curator: User) -> None:
        version = publish_new(actor=curator)
        services.set_overlay(version=version, actor=curator, overlay={"name": "Better", **word(label="Speak")})
        app = App.objects.get()
        assert app.name == "Better"
        version = Version.objects.select_related("app").get()
        assert services.spec_of(version).commands["say"].parameters["word"].label == "Speak"
        assert services.authored_spec(version).commands["say"].parameters["word"].label == "Word"
        assert AuditEvent.objects.filter(action="version.overlay", actor_name="curator").count() == 1
        services.set_overlay(version=version, actor=curator, overlay={})
        version = Version.objects.select_related("app").get()
        assert (version.overlay, version.overlay_digest) == ({}, "")
        assert services.spec_of(version).commands["say"].parameters["word"].label == "Word"
        assert App.objects.get().name != "Better"

    def test_is_for_curators_and_never_half_saved(self, curator: User, stranger: User) -> None:
        version = import_draft(actor=curator)
        with pytest.raises(Forbidden):
            services.set_overlay(version=version, actor=stranger, overlay={})
        with pytest.raises(Invalid) as refused:
            services.set_overlay(version=version, actor=curator, overlay={"name": "x", **word(label=1, lable="x")})
        assert {fault.pointer for fault in refused.value.faults} == {
            "/commands/say/parameters/word/label",
            "/commands/say/parameters/word/lable",
        }
        assert Version.objects.get().overlay == {}
        services.retire(version=version, actor=curator)
        with pytest.raises(Conflict):
            services.set_overlay(version=version, actor=curator, overlay={"name": "x"})

    def test_an_icon_is_kept_as_a_small_png(self, curator: User) -> None:
        version = publish_new(actor=curator)
        sent = base64.b64encode(picture()).decode()
        services.set_overlay(version=version, actor=curator, overlay={"icon": sent})
        kept = base64.b64decode(Version.objects.get().overlay["icon"])
        with Image.open(io.BytesIO(kept)) as image:
            assert (image.format, image.size) == ("PNG", (128, 128))
        assert bytes(App.objects.get().icon or b"")[:4] == b"\x89PNG"
        with pytest.raises(Invalid) as refused:
            services.set_overlay(version=version, actor=curator, overlay={"icon": "bm90IGFuIGltYWdl"})
        assert refused.value.faults[0].pointer == "/icon"

    def test_is_taken_over_to_the_next_version_with_a_report(self, curator: User) -> None:
        first = publish_new(actor=curator, name="Echo")
        overlay = {"name": "Shout", **word(label="Speak", default="hi")}
        overlay["commands"]["say"]["order"] = ["word"]
        services.set_overlay(version=first, actor=curator, overlay=overlay)
        definition = appdef(name="Echo", description="new")
        definition["commands"]["say"]["parameters"] = {
            "word": {
                **definition["commands"]["say"]["parameters"]["word"],
                "type": "INT",
                "value": 1,
                "min": 0,
                "max": 9,
            }
        }
        second = import_draft(actor=curator, text=json.dumps(definition))
        assert second.app == first.app, "the author's name still leads to the app that a curator renamed"
        assert second.overlay == {
            "name": "Shout",
            "commands": {"say": {"order": ["word"], "parameters": {"word": {"label": "Speak"}}}},
        }
        codes = {finding["code"]: finding["message"] for finding in second.findings}
        assert "3 changes" in codes["overlay-kept"]
        assert (
            "/commands/say/parameters/word/default was left out: it must be a whole number." in codes["overlay-dropped"]
        )


class TestEditor:
    def address(self, version: Version, query: str = "?command=say&part=parameters&page=1") -> str:
        return f"{version.get_curate_url()}overlay/{query}"

    def test_shows_what_holds_now_and_saves_what_differs(self, as_curator: Client, curator: User) -> None:
        version = import_draft(actor=curator)
        assert "Speak" not in seen(as_curator.get(self.address(version)))
        fields = {"label": "Speak", "help": "What to say", "default": "hello", "locked": "", "hidden": False}
        entry = json.dumps({"p0": {**fields, "group": "", "positional": "author"}})
        answer = as_curator.post(self.address(version), {"entry": entry})
        assert (answer.status_code, answer["Location"]) == (303, self.address(version).replace("&page=1", "&page=1"))
        assert Version.objects.get().overlay == word(label="Speak")
        assert "Speak" in seen(as_curator.get(self.address(version)))
        reset = as_curator.post(self.address(version), {"entry": "{}", "do": "reset"})
        assert reset.status_code == 303
        assert Version.objects.get().overlay == {}

    def test_says_what_is_wrong_at_the_entry_and_keeps_what_was_typed(self, as_curator: Client, curator: User) -> None:
        version = import_draft(actor=curator)
        entry = json.dumps({"p0": {"label": "Typed & kept", "hidden": True, "default": "", "positional": "author"}})
        answer = as_curator.post(self.address(version), {"entry": entry})
        assert answer.status_code == 422
        page = seen(answer)
        assert "1 thing to fix before it can be saved" in page
        assert "Word, Hidden: nobody is asked" in page
        assert "p0§hidden".encode("ascii", "backslashreplace").decode().replace("\\xa7", "\\u00a7") in page
        assert "Typed &amp; kept" in page
        assert Version.objects.get().overlay == {}

    @pytest.mark.parametrize(
        "entry", ["", "{", "[1]", "null", '{"p0": 3}', '{"p0": {"label": [], "default": {}}}', "[" * 9999]
    )
    def test_takes_any_text_without_a_fault_of_ours(self, as_curator: Client, curator: User, entry: str) -> None:
        version = import_draft(actor=curator)
        for query in (
            "",
            "?command=say&part=order",
            "?command=say",
            "?command=nope&page=99999",
            "?command=say&part=x&page=-1",
        ):
            assert as_curator.post(self.address(version, query), {"entry": entry}).status_code in (303, 422)
            assert as_curator.get(self.address(version, query)).status_code == 200
            preview = as_curator.post(self.address(version, "preview/"), {"entry": entry, "command": "say"})
            assert preview.status_code == 200

    def test_an_icon_is_uploaded_with_the_words_of_the_app(self, as_curator: Client, curator: User) -> None:
        version = import_draft(actor=curator)
        entry = json.dumps({"name": "Named", "summary": "Prints what it is told.", "categories": ["Tests/Small"]})
        file = SimpleUploadedFile("icon.jpg", picture())
        assert as_curator.post(self.address(version, ""), {"entry": entry, "icon": file}).status_code == 303
        overlay = Version.objects.get().overlay
        assert overlay.keys() == {"name", "icon"}
        assert as_curator.post(self.address(version, ""), {"entry": entry, "no_icon": "on"}).status_code == 303
        assert Version.objects.get().overlay == {"name": "Named"}
        bad = as_curator.post(self.address(version, ""), {"entry": entry, "icon": SimpleUploadedFile("x.png", b"no")})
        assert bad.status_code == 422
        assert "could not be read as PNG" in seen(bad)

    def test_the_preview_follows_what_is_not_saved_yet(self, as_curator: Client, curator: User) -> None:
        version = import_draft(actor=curator)
        address = self.address(version, "preview/")
        where = {"command": "say", "part": "parameters", "page": "1"}
        fields = {"label": "<b>Loud</b>", "default": "hello", "group": "Voices"}
        shown = seen(as_curator.post(address, {**where, "entry": json.dumps({"p0": fields})}))
        assert "&lt;b&gt;Loud&lt;/b&gt;" in shown
        assert "Voices" in shown
        locked = seen(as_curator.post(address, {**where, "entry": json.dumps({"p0": {"locked": "fixed word"}})}))
        assert "Not asked for" in locked
        assert "fixed word" in locked
        faulty = seen(as_curator.post(address, {**where, "entry": json.dumps({"p0": {"hidden": True, "default": ""}})}))
        assert "saved like this" in faulty
        assert Version.objects.get().overlay == {}

    def test_every_page_of_a_large_command_is_reached(self, as_curator: Client, curator: User) -> None:
        one = {"name": "P", "description": "", "type": "STR", "value": "", "required": False}
        commands = {
            "big": {"path": "/x", "name": "Big", "description": "", "parameters": {f"-p{n}": one for n in range(229)}}
        }
        version = import_draft(actor=curator, commands=commands)
        page = seen(as_curator.get(self.address(version, "?command=big&part=parameters&page=29")))
        assert "Parameters 225 to 229" in page
        assert "(-p228)" in page
        assert "(-p223)" not in page
        rows = [f"{n} · P" for n in (3, 1, 2, *range(4, 230))]
        as_curator.post(self.address(version, "?command=big&part=order"), {"entry": json.dumps({"order": rows})})
        assert Version.objects.get().overlay["commands"]["big"]["order"][:4] == ["-p2", "-p0", "-p1", "-p3"]


def test_the_schema_of_overlays_is_itself_sound() -> None:
    from jsonschema import Draft202012Validator

    Draft202012Validator.check_schema(OVERLAY_SCHEMA)
