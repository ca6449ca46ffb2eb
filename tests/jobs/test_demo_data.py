"""manage.py demo_data: examples with an image of their own come when it is made, and the rest stays as it is."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.connecting import connect_to
from apps_catalog.models import App, Version
from portal.people.models import ApiToken, User

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
INTERACTIVE = {
    ("dashboard", "room"): ("web", 8080, "/"),
    ("notebook", "lab"): ("web", 8888, "/lab?token=%RANDOM64%"),
    ("desktop", "sketch"): (
        "desktop",
        5902,
        "/vnc.html?autoconnect=true&reconnect=true&resize=remote#password=%NIMBIXPASSWD%",
    ),
    ("desktop", "terminal"): (
        "web",
        5902,
        "/vnc.html?autoconnect=true&reconnect=true&resize=remote#password=%NIMBIXPASSWD%",
    ),
}


def demo_data(*words: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    monkeypatch.setenv("DEMO_PASSWORD", "correct horse battery")
    output = StringIO()
    call_command("demo_data", *words, stdout=output)
    found: dict[str, object] = json.loads(output.getvalue())
    return found


@pytest.mark.django_db
def test_examples_with_an_image_of_their_own_wait_for_it(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = demo_data("--image", "slipway-examples:1", monkeypatch=monkeypatch)
    assert {"csv-stats", "dashboard", "gallery", "pi", "word-count"} <= set(App.objects.values_list("slug", flat=True))
    assert not App.objects.filter(slug__in=["notebook", "desktop"]).exists()
    tokens = list(ApiToken.objects.values_list("pk", "revoked_at"))

    own = ("--own-image", "notebook", "slipway-notebook:1", "sha256:" + "0" * 64)
    assert demo_data("--only", *own, monkeypatch=monkeypatch) == {"apps": ["notebook"]}
    version = Version.objects.get(app__slug="notebook")
    assert (version.state, version.image) == (Version.State.PUBLISHED, "slipway-notebook:1")
    assert list(ApiToken.objects.values_list("pk", "revoked_at")) == tokens, "the demo goes on with its token"
    assert made["token"]
    assert demo_data("--image", "slipway-examples:1", *own, monkeypatch=monkeypatch)["apps"] == sorted(
        App.objects.values_list("slug", flat=True)
    )
    assert Version.objects.filter(app__slug="notebook").count() == 1
    assert User.objects.filter(username="demo").count() == 1


@pytest.mark.django_db
def test_without_an_image_it_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CommandError, match="--image"):
        demo_data(monkeypatch=monkeypatch)


@pytest.mark.parametrize(("slug", "command"), sorted(INTERACTIVE))
def test_the_definitions_lead_to_what_their_programs_serve(slug: str, command: str) -> None:
    reading = read_appdef((EXAMPLES / slug / "AppDef.json").read_bytes())
    assert reading.spec is not None
    assert not [finding for finding in reading.findings if finding.level != "info"]
    found = connect_to(reading.spec.commands[command])
    assert found is not None
    assert (found.kind, found.port, found.path) == INTERACTIVE[slug, command]
    assert reading.spec.icon_base64
