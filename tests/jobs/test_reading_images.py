"""Apps out of images, from the wish to the draft: what a worker does with it, and what a curator is told."""

from __future__ import annotations

import io
import json

import pytest
from django.test import Client
from PIL import Image

from apps_catalog import services
from apps_catalog.models import ImageImport, Version
from jobs import chores
from jobs.runtimes.docker import DockerRuntime
from jobs.runtimes.fake import FakeRuntime
from portal.errors import Forbidden, Invalid
from portal.people.models import User
from tests.apps_catalog.drafts import appdef_text, publish_new
from tests.jobs.runtimes.bench import Bench, make_image
from tests.jobs.runtimes.saved_images import of, saved, tar

pytestmark = pytest.mark.django_db
IMAGE = "docker.io/acme/echo:1"


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (400, 200), "navy").save(out, "PNG")
    return out.getvalue()


def runtime(stream: bytes = b"") -> FakeRuntime:
    made = FakeRuntime(missing={"docker.io/acme/absent:1"})
    made.keep(IMAGE, stream)
    return made


def read(curator: User, stream: bytes, *, image: str = IMAGE, slug: str = "") -> ImageImport:
    wish = services.request_image_import(actor=curator, image=image, slug=slug)
    chores.read_image(wish.pk, runtime(stream))
    return ImageImport.objects.get(pk=wish.pk)


def test_a_draft_comes_of_what_the_image_holds(curator: User) -> None:
    text = appdef_text(name="Echo").replace("\n", "\r\n")
    terms = b"\xef\xbb\xbfBe kind.\r\nAlways.\r\n"
    members = of(
        AppDef_json=text.encode(),
        screenshot_png=picture(),
        license_txt=terms,
        url_txt=b"http://%PUBLICADDR%/\n",
        help_html=b"<b>Help</b>",
    )
    wish = read(curator, saved(tar(*members)))
    assert (wish.state, wish.message) == ("done", "Imported as version 1 of Echo, a draft.")
    version = Version.objects.get()
    assert wish.version == version
    assert version.definition == text, "to the letter"
    assert (version.state, version.image, version.image_state) == ("draft", IMAGE, "found")
    assert version.image_pinned.startswith("sha256:")
    assert (version.eula, version.help_html) == ("Be kind.\nAlways.", "<b>Help</b>")
    assert version.url_template == "http://%PUBLICADDR%/"
    assert services.spec_of(version).icon_base64, "the picture stands in where the author gave no icon"


def test_a_link_of_the_image_that_leads_elsewhere_is_said_to_the_curator(curator: User) -> None:
    members = of(AppDef_json=appdef_text(name="Echo").encode(), url_txt=b"https://evil.example/\n")
    wish = read(curator, saved(tar(*members)))
    assert wish.state == "done"
    (finding,) = [one for one in wish.findings if one["code"] == "url"]
    assert (finding["level"], finding["message"]) == (
        "warning",
        "The /etc/NAE/url.txt of the image leads to evil.example, which is not the job; write %PUBLICADDR% in its place.",
    )


def test_help_and_link_are_read_from_the_image_of_a_definition_that_did_not_come_out_of_it(curator: User) -> None:
    files = {"/etc/NAE/help.html": b"<b>Help</b>", "/etc/NAE/url.txt": b"http://%PUBLICADDR%:7000/\n"}
    version = publish_new(actor=curator, name="Echo")
    chores.look_up_image(version.pk, FakeRuntime(files=files))
    version.refresh_from_db()
    assert (version.help_html, version.url_template) == ("<b>Help</b>", "http://%PUBLICADDR%:7000/")
    chores.look_up_image(version.pk, FakeRuntime(files={"/etc/NAE/help.html": b"other"}))
    version.refresh_from_db()
    assert version.help_html == "<b>Help</b>", "what is known stays"
    services.set_image(version=version, actor=curator, image="docker.io/acme/other:2")
    version.refresh_from_db()
    assert (version.help_html, version.url_template) == ("", ""), "another image says for itself"


def test_an_image_whose_definition_has_errors_keeps_what_is_stored_and_shows_why(curator: User) -> None:
    stored = publish_new(actor=curator, name="Echo")
    broken = json.loads(appdef_text(name="Echo"))
    broken["commands"]["say"]["parameters"]["word"]["type"] = "STRING_OF"
    wish = read(curator, saved(tar(*of(AppDef_json=json.dumps(broken).encode()))), slug=stored.app.slug)
    assert wish.state == "failed"
    assert "has errors, so nothing was imported" in wish.message
    assert any(finding["code"] == "unknown-type" for finding in wish.findings)
    assert Version.objects.get() == stored


def test_the_same_definition_is_not_imported_twice(curator: User) -> None:
    published = publish_new(actor=curator, text=appdef_text(name="Echo"))
    stream = saved(tar(*of(AppDef_json=published.definition.encode(), license_txt=b"new terms")))
    wish = read(curator, stream)
    assert wish.state == "done"
    assert "there already" in wish.message
    assert Version.objects.get().eula == "", "what is published is not changed by an image"


@pytest.mark.parametrize(
    ("image", "stream", "words"),
    [
        ("docker.io/acme/absent:1", b"", "is missing"),
        ("evil.example/acme/echo:1", b"", "which is not allowed here"),
        (IMAGE, saved(tar(("bin/x", b""))), "has no /etc/NAE/AppDef.json"),
        (IMAGE, b"junk" * 500, "can't be looked through"),
        (IMAGE, saved(tar(("etc/NAE/AppDef.json", b'{"a": 1}'))), "has errors"),
        (IMAGE, saved(tar(("etc/NAE/AppDef.json", b"\xff\xfe"))), "has errors"),
    ],
)
def test_what_can_not_be_read_is_said(curator: User, image: str, stream: bytes, words: str) -> None:
    wish = read(curator, stream, image=image)
    assert wish.state == "failed"
    assert words in wish.message
    assert not Version.objects.exists()


def test_only_one_worker_reads_and_an_engine_that_is_away_is_no_failure(curator: User) -> None:
    wish = services.request_image_import(actor=curator, image=IMAGE)
    engine = runtime(saved(tar(*of(AppDef_json=appdef_text().encode()))))
    engine.away()
    with pytest.raises(Exception, match="away"):
        chores.read_image(wish.pk, engine)
    assert ImageImport.objects.get().state == "waiting"
    engine.back()
    chores.read_image(wish.pk, engine)
    chores.read_image(wish.pk, engine)
    assert Version.objects.count() == 1


def test_a_lost_doorbell_and_a_lost_worker_are_made_good(curator: User) -> None:
    from datetime import timedelta

    from django.utils import timezone

    lost = services.request_image_import(actor=curator, image=IMAGE)
    dead = services.request_image_import(actor=curator, image="docker.io/acme/other:1")
    long_ago = timezone.now() - timedelta(hours=2)
    ImageImport.objects.filter(pk=lost.pk).update(created_at=long_ago)
    ImageImport.objects.filter(pk=dead.pk).update(state="reading", started_at=long_ago)
    chores.catch_up(runtime(saved(tar(*of(AppDef_json=appdef_text().encode())))))
    assert ImageImport.objects.get(pk=lost.pk).state == "done"
    dead.refresh_from_db()
    assert (dead.state, dead.message) == ("failed", "The worker that read it went away. Ask again.")


def test_wishes_are_judged_and_are_for_curators(curator: User, stranger: User) -> None:
    with pytest.raises(Forbidden):
        services.request_image_import(actor=stranger, image=IMAGE)
    with pytest.raises(Invalid, match="Write a container image"):
        services.request_image_import(actor=curator, image="not an image")


def test_the_page_takes_a_name_and_follows_what_comes_of_it(curator: User) -> None:
    client = Client()
    client.force_login(curator)
    refused = client.post("/curate/import/image/", {"image": "not an image"})
    assert refused.status_code == 422
    assert "Write a container image" in refused.content.decode()
    answer = client.post("/curate/import/image/", {"image": IMAGE})
    assert answer.status_code == 303
    waiting = client.get(answer["Location"]).content.decode()
    assert "hx-trigger" in waiting
    chores.read_image(
        ImageImport.objects.get().pk, runtime(saved(tar(*of(AppDef_json=appdef_text(name="<b>Echo").encode()))))
    )
    done = client.get(answer["Location"], headers={"HX-Request": "true"}).content.decode()
    assert "hx-trigger" not in done
    assert "&lt;b&gt;Echo" in done
    assert "Look it over" in done
    assert "&lt;b&gt;Echo" in client.get("/curate/import/image/").content.decode()


@pytest.mark.docker
def test_a_real_image_is_read(curator: User) -> None:
    engine = DockerRuntime()
    bench = Bench(engine)
    image = make_image(bench, tar(*of(AppDef_json=appdef_text(name="Real").encode(), license_txt=b"terms")))
    try:
        wish = services.request_image_import(actor=curator, image=image)
        chores.read_image(wish.pk, engine)
    finally:
        engine._call.remove_image(image)
        engine.close()
    version = Version.objects.get()
    assert (version.app.name, version.eula, version.image) == ("Real", "terms", image)
    assert ImageImport.objects.get().state == "done"
