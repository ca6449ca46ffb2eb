"""Bundles through every door: the browser's page, the API, the pages of apps and engines."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps_catalog import services
from apps_catalog.models import App, Version
from portal.people.models import ApiToken, Secret, User
from tests.apps_catalog.bundle_files import bundle, manifest, push, tarred, zipped
from tests.factories import make_job, make_machine, make_secret, make_team

pytestmark = pytest.mark.django_db
SCHEMA = json.dumps({"type": "object", "properties": {"n": {"type": "integer", "title": "How many <b>"}}})
PAGE = "/curate/import/bundle/"


def bearer(user: User, *scopes: str) -> dict[str, str]:
    _, text = ApiToken.issue(user, name="t", scopes=list(scopes))
    return {"Authorization": f"Bearer {text}"}


def archive(files: Any, name: str = "counter.zip") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, zipped(files).read())


def test_an_archive_is_imported_in_the_browser(client: Client, curator: User) -> None:
    client.force_login(curator)
    assert "Nothing chosen yet" in client.get(PAGE).content.decode()
    answer = client.post(PAGE, {"archive": archive(bundle(schema_json=SCHEMA)), "activate": "on"})
    assert answer.status_code == 303, answer.content
    version = Version.objects.get()
    assert version.state == "published"
    page = client.get(answer["Location"]).content.decode()
    assert "counter@0.1 is imported and active: it takes jobs." in page
    assert "app/main.py" in page


def test_a_folder_is_imported_in_the_browser(client: Client, curator: User) -> None:
    client.force_login(curator)
    files = bundle(app__lib__a_py="x = 1\n")
    sent = [SimpleUploadedFile(name.rsplit("/", 1)[-1], str(data).encode()) for name, data in files.items()]
    paths = [f"my counter/{name}" for name in files]
    assert client.post(PAGE, {"files": sent, "paths": paths}).status_code == 303
    assert push(files, curator).version == Version.objects.get()
    lost = client.post(PAGE, {"files": [SimpleUploadedFile("main.py", b"x")], "paths": []})
    assert "did not say where the files" in lost.content.decode()


def test_what_is_wrong_is_told_on_the_page_and_nothing_is_written(client: Client, curator: User) -> None:
    client.force_login(curator)
    broken = {"archive": archive(bundle('{\n  "name": "x",\n}'))}
    answer = client.post(PAGE, broken)
    assert answer.status_code == 422
    page = answer.content.decode()
    assert "Line 3, column 1: the comma before this bracket is one too many (a trailing comma). Remove it." in page
    assert "manifest.json, line 3, column 1" in page
    for sent in ({}, {"archive": SimpleUploadedFile("x.zip", b"not an archive at all")}):
        answer = client.post(PAGE, sent)
        assert answer.status_code == 422
    assert "neither a zip nor a tar" in answer.content.decode()
    assert not App.objects.exists()


def test_a_conflict_is_told_on_the_page(client: Client, curator: User, owner: User) -> None:
    client.force_login(curator)
    version = push(bundle(), curator, activate=True).version
    make_job(owner, version=version)
    answer = client.post(PAGE, {"archive": archive(bundle(app__main_py="print(2)"))})
    assert answer.status_code == 409
    assert "was used by a job" in answer.content.decode()


def test_a_bundle_is_looked_over_before_it_is_imported(client: Client, curator: User) -> None:
    client.force_login(curator)
    page = client.post(f"{PAGE}check/", {"archive": archive(bundle(schema_json=SCHEMA))}).content.decode()
    assert "Can be imported" in page
    assert "counter@0.1" in page
    assert 'hx-post="/curate/form-preview/"' in page
    form = client.post("/curate/form-preview/", {"definition": manifest(), "schema": SCHEMA}).content.decode()
    assert "How many &lt;b&gt;" in form
    bad = client.post(f"{PAGE}check/", {"archive": archive(bundle(schema_json='{"type": 3}'))}).content.decode()
    assert "Can&#x27;t be imported yet" in bad or "Can't be imported yet" in bad
    assert "schema.json, line 1" in bad
    assert "Choose an archive" in client.post(f"{PAGE}check/").content.decode()
    assert not App.objects.exists()


def test_a_login_is_never_shown_by_the_page(client: Client, curator: User) -> None:
    client.force_login(curator)
    config = {"container": "ghcr.io/a/b:1", "username": "ada", "token": "t0ken-7f3a"}
    good = bundle(manifest(platform_config=config))
    broken = bundle(manifest(platform_config=config).replace("}}", ",}}"))
    for files in (good, broken):
        for address in (f"{PAGE}check/", PAGE):
            answer = client.post(address, {"archive": archive(files)}, follow=True)
            assert "7f3a" not in answer.content.decode()
    version = Version.objects.get()
    for address in (version.get_curate_url(), "/apps/counter/versions/0.1/code/manifest.json"):
        assert "7f3a" not in client.get(address).content.decode()
    assert Secret.objects.get().user == curator


def test_the_page_of_an_app_shows_what_it_is_made_of(client: Client, owner: User, curator: User) -> None:
    text = manifest(
        description="Counts <i>lines</i>.",
        platform_config={"secrets": ["MINE", "OURS", "NOBODYS"]},
        device_requirements={"min_cpu": 4, "min_memory": 16, "gpu": ["A100"]},
    )
    push(bundle(text, schema_json=SCHEMA), curator, activate=True)
    team = make_team(owner, name="Labs")
    make_secret(owner, "MINE")
    make_secret(team, "OURS")
    client.force_login(owner)
    page = client.get("/apps/counter/").content.decode()
    for said in (
        "Counts &lt;i&gt;lines",
        "counter@0.1",
        "4 vCPUs, 16 GiB and a GPU: A100",
        "you have it",
        "Labs",
        "/account/secrets/?name=NOBODYS#new",
        "app/main.py",
        "None of its own: an operator may grant it",
        "/api/v1/jobs",
        "&quot;app&quot;: &quot;counter&quot;",
    ):
        assert said in page
    Version.objects.update(outgoing_network=True)
    assert "<strong>Outgoing network</strong>, granted by an operator" in client.get("/apps/counter/").content.decode()
    code = client.get("/apps/counter/versions/0.1/code/app/main.py").content.decode()
    assert "TASK_RESULTS_DIR" in code
    assert client.get("/apps/counter/versions/0.1/code/app/none.py").status_code == 404
    assert client.get("/apps/counter/versions/0.1/code/../../etc/passwd").status_code == 404


def test_which_machines_fit_or_why_none_does(client: Client, owner: User, curator: User) -> None:
    push(bundle(manifest(device_requirements={"min_cpu": 4, "min_memory": 8})), curator, activate=True)
    make_machine("n1", cores=1, ram_mib=1024)
    client.force_login(owner)
    address = "/apps/counter/versions/0.1/machines/"
    none = client.get(address).content.decode()
    assert "needs 4 vCPUs and 8 GiB. No machine type here has that: n1 has 1 vCPU, 1 GiB and no GPU." in none
    make_machine("n8", cores=8, ram_mib=16384, price_per_hour=2)
    make_machine("n4", cores=4, ram_mib=8192, price_per_hour=1)
    fit = client.get(address).content.decode()
    assert fit.index("n4</code> (the default)") < fit.index("<code>n8")


def test_binary_and_long_files_are_not_drawn(client: Client, curator: User) -> None:
    files = bundle(app__blob=b"\0\1\2", app__long_py="x = 1\n" * 200_000, app__latin=b"\xe4\xf6")
    push(files, curator, activate=True)
    client.force_login(curator)
    base = "/apps/counter/versions/0.1/code/app/"
    assert "This file is no text" in client.get(f"{base}blob").content.decode()
    assert "This file is no text" in client.get(f"{base}latin").content.decode()
    assert "more are not shown" in client.get(f"{base}long.py").content.decode()


def test_engines_have_pages_but_no_cards(client: Client, owner: User, curator: User) -> None:
    push(bundle(manifest(name="splitter", type="partitioner")), curator, activate=True)
    push(bundle(), curator, activate=True)
    client.force_login(owner)
    catalog = client.get("/").content.decode()
    assert "/apps/counter/" in catalog
    assert "/apps/splitter/" not in catalog
    assert "/apps/splitter/" not in client.get("/?q=splitter").content.decode()
    page = client.get("/apps/splitter/").content.decode()
    assert "It splits the source of a job into chunks" in page
    assert "/apps/splitter/launch/" not in page
    listed = client.get("/api/v1/apps", headers=bearer(owner, "read")).json()["items"]
    assert {item["slug"]: item["role"] for item in listed} == {"counter": "app", "splitter": "partitioner"}


def test_the_api_pushes_downloads_and_activates(client: Client, curator: User, owner: User) -> None:
    head = bearer(curator, "read", "curate")
    sent = tarred(bundle(schema_json=SCHEMA), "xz").read()
    made = client.post("/api/v1/bundles", sent, content_type="application/octet-stream", headers=head)
    assert made.status_code == 201, made.content
    body = made.json()
    assert (body["app"], body["version"], body["state"], body["tags"]) == ("counter", "0.1", "draft", ["counter@0.1"])
    again = client.post("/api/v1/bundles?activate=true", sent, content_type="application/x-tar", headers=head)
    assert (again.status_code, again.json()["created"], again.json()["state"]) == (200, False, "published")
    assert again.json()["tags"] == ["counter", "counter@0", "counter@0.1"]
    base = "/api/v1/apps/counter/versions/0.1"
    read = client.get(base, headers=bearer(owner, "read")).json()["bundle"]
    assert (read["role"], read["entrypoint"], read["device_requirements"]["min_cpu"]) == ("app", "main.py", 2)
    home = client.get(f"{base}/bundle", headers=bearer(owner, "read"))
    with zipfile.ZipFile(io.BytesIO(b"".join(home.streaming_content))) as packed:  # type: ignore[attr-defined]
        assert packed.read("schema.json").decode() == SCHEMA
    assert 'filename="counter-0.1.zip"' in home["Content-Disposition"]
    off = client.post(f"{base}/deactivate", headers=head)
    assert (off.status_code, off.json()["state"]) == (200, "retired")
    assert not App.objects.get().published
    on = client.post(f"{base}/activate", headers=head)
    assert on.json()["state"] == "published"


def test_the_api_says_what_is_wrong_and_where(client: Client, curator: User, owner: User) -> None:
    head = bearer(curator, "curate")
    broken = zipped(
        bundle('{\n "name": "x y",\n "version": 3}', schema_json='{"$ref": "https://x.example/s.json"}')
    ).read()
    answer = client.post("/api/v1/bundles", broken, content_type="application/octet-stream", headers=head)
    assert answer.status_code == 422
    told = {error["code"]: error["message"] for error in answer.json()["errors"]}
    assert told["bad-name"].startswith("manifest.json line 2, column 10: 'x y' can't be a name.")
    assert told["bad-version"].startswith("manifest.json line 3, column 13: '3' is no version.")
    assert told["remote-ref"].startswith("schema.json line 1, column 10: $ref leads to https://x.example/s.json")
    form = client.post("/api/v1/bundles", {"archive": archive(bundle())}, headers=head)
    assert form.status_code == 415
    nobody = client.post(
        "/api/v1/bundles", broken, content_type="application/octet-stream", headers=bearer(owner, "launch")
    )
    assert nobody.status_code == 403
    empty = client.post("/api/v1/bundles", b"", content_type="application/octet-stream", headers=head)
    assert empty.json()["errors"][0]["message"].startswith("The file is empty.")
    assert not App.objects.exists()


def test_a_dry_run_of_the_api_writes_nothing(client: Client, curator: User) -> None:
    answer = client.post(
        "/api/v1/bundles?dry_run=true",
        zipped(bundle()).read(),
        content_type="application/octet-stream",
        headers=bearer(curator, "curate"),
    )
    assert (answer.status_code, answer.json()["created"], answer.json()["state"]) == (200, False, "")
    assert not App.objects.exists()


def test_a_draft_is_for_curators(client: Client, owner: User, curator: User) -> None:
    push(bundle(), curator)
    services.publish(version=Version.objects.get(), actor=curator)
    push(bundle(manifest(version="0.2")), curator)
    client.force_login(owner)
    for address in ("bundle/", "code/app/main.py", "machines/"):
        seen = client.get(f"/apps/counter/versions/0.1/{address}")
        assert seen.status_code == 200
        assert b"".join(seen)  # a download is closed when it was read
        assert client.get(f"/apps/counter/versions/0.2/{address}").status_code == 404
