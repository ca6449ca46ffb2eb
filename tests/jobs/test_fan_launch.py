"""The launch page of ByteNite apps: three forms in one page, faults at their fields, drafts, links, templates, one job."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from django.test import Client

from jobs.models import Job, JobStage
from jobs.services import fan_out
from jobs.services.fan_out import FanOut
from jobs.states import JobState
from portal.people.models import User
from tests.factories import make_host, make_machine, make_template
from tests.jobs.bundles import make_bundle

pytestmark = pytest.mark.django_db
APP_SCHEMA = {
    "type": "object",
    "properties": {
        "width": {"type": "integer", "minimum": 16, "maximum": 4000, "default": 800},
        "mode": {"enum": ["plain", "deep"], "default": "plain"},
    },
    "required": ["width"],
    "if": {"properties": {"mode": {"const": "deep"}}, "required": ["mode"]},
    "then": {"properties": {"depth": {"type": "integer", "default": 2}}, "required": ["depth"]},
}
CUT_SCHEMA = {"properties": {"rows": {"type": "integer", "minimum": 1, "maximum": 64, "default": 4}}}
AT = "/apps/tiles/launch/"


@pytest.fixture(autouse=True)
def bundles() -> None:
    make_machine("n1", cores=2, ram_mib=4096)
    make_machine("n4", cores=4, ram_mib=16384, price_per_hour="0.4000", order=2)
    make_host("one", serves={"n1": 2})
    make_bundle("app", name="tiles", schema=APP_SCHEMA)
    make_bundle("partitioner", name="cutter", schema=CUT_SCHEMA)
    make_bundle("assembler", name="stitch")


def fields(page: str) -> dict[str, str]:
    """What a browser would post of the form, unless something is changed."""
    form = page.split('id="launch-form"')[1].split("</form>", maxsplit=1)[0]
    form = re.sub(r"<fieldset[^>]* disabled>.*?</fieldset>", "", form, flags=re.DOTALL)  # parts that do not count now
    found: dict[str, str] = {}
    for tag in re.findall(r"<input\b[^>]*>", form):
        name = re.search(r'\bname="([^"]*)"', tag)
        kind = re.search(r'\btype="([^"]*)"', tag)
        if name is None or (kind and kind[1] in ("checkbox", "radio") and " checked" not in tag):
            continue
        value = re.search(r'\bvalue="([^"]*)"', tag)
        found[html.unescape(name[1])] = html.unescape(value[1]) if value else ""
    for name_, options in re.findall(r'<select\b[^>]*\bname="([^"]*)".*?>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option value="([^"]*)" selected', options) or re.search(
            r'<option value="([^"]*)"', options
        )
        found[html.unescape(name_)] = html.unescape(chosen[1]) if chosen else ""
    for name_, text in re.findall(r'<textarea\b[^>]*\bname="([^"]*)"[^>]*>\n?(.*?)</textarea>', form, re.DOTALL):
        found[html.unescape(name_)] = html.unescape(text)
    return found


def page_of(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200, answer.content[:500]
    return answer.content.decode()


def pressed(client: Client, page: str, go: str, **changed: Any) -> Any:
    return client.post(AT, {**fields(page), "go": go, **changed})


def problems(answer: Any) -> list[str]:
    body = answer.content.decode()
    listed = body.split('id="problems"')[1].split("</ul>")[0] if 'id="problems"' in body else ""
    return [
        " ".join(html.unescape(re.sub(r"<[^>]+>", "", row)).split())
        for row in re.findall(r"<li.*?</li>", listed, re.DOTALL)
    ]


ENGINES = f"{AT}?partitioner=cutter&assembler=stitch"


def test_an_untouched_form_sends_the_defaults_of_all_three(as_owner: Client) -> None:
    page = page_of(as_owner, ENGINES)
    assert 'name="s:v:app/width"' in page
    assert 'name="s:v:partitioner/rows"' in page
    assert 'name="box-assembler"' in page
    answer = pressed(as_owner, page, "launch")
    assert answer.status_code == 303, problems(answer)
    job = Job.objects.get()
    assert answer["Location"] == f"/jobs/{job.number}/"
    assert job.parameters == {"partitioner": {"rows": 4}, "app": {"width": 800, "mode": "plain"}}
    assert job.state == JobState.QUEUED
    versions = dict(JobStage.objects.filter(job=job).values_list("stage", "version__app__slug"))
    assert versions == {"partition": "cutter", "run": "tiles", "assemble": "stitch"}


def test_a_double_click_makes_one_job_and_a_change_another(as_owner: Client) -> None:
    page = page_of(as_owner, ENGINES)
    answers = [pressed(as_owner, page, "launch") for _ in range(2)]
    assert answers[0]["Location"] == answers[1]["Location"]
    pressed(as_owner, page, "launch", **{"s:v:app/width": "900"})
    assert Job.objects.count() == 2


def test_faults_stand_at_their_fields_and_the_form_is_kept_as_a_draft(as_owner: Client) -> None:
    page = page_of(as_owner, ENGINES)
    wrong = {
        "s:v:app/width": "3",
        "s:v:partitioner/rows": "900",
        "box-assembler": "[1",
        "config-taskTimeout": "soon",
        "config-maxTaskRetries": "many",
        "machine-run": "n9",
        "source-kind": "url",
    }
    answer = pressed(as_owner, page, "launch", **wrong)
    assert answer.status_code == 422
    said = problems(answer)
    assert len(said) == 7
    assert "7 things to fix" in answer.content.decode()
    assert [line.split(":")[0] for line in said] == [
        "Source", "rows", "Machine of run", "width", "Assembler", "Time limit of a task", "Retries of a task"
    ]  # fmt: skip
    draft = Job.objects.get()
    assert draft.state == JobState.DRAFT
    assert draft.parameters["app"] == {"width": 3, "mode": "plain"}
    kept = answer.content.decode()
    assert f"kept as draft {draft.number}" in kept
    assert fields(kept)["s:v:app/width"] == "3"
    again = pressed(as_owner, kept, "launch", **{**wrong, "s:v:app/width": "20"})
    assert again.status_code == 422
    assert Job.objects.count() == 1
    good = {
        "s:v:app/width": "20", "s:v:partitioner/rows": "9", "box-assembler": '{"order": "rows"}', "source-kind": "bypass",
        "config-taskTimeout": "00:10", "config-maxTaskRetries": "2", "machine-run": "n4",
    }  # fmt: skip
    done = pressed(as_owner, again.content.decode(), "launch", **good)
    assert done["Location"] == f"/jobs/{draft.number}/"
    draft.refresh_from_db()
    assert draft.state == JobState.QUEUED
    assert draft.parameters == {
        "partitioner": {"rows": 9},
        "app": {"width": 20, "mode": "plain"},
        "assembler": {"order": "rows"},
    }
    assert draft.config == {"taskTimeout": 600, "maxTaskRetries": 2}
    assert JobStage.objects.get(job=draft, stage="run").machine_type.name == "n4"
    twice = pressed(as_owner, again.content.decode(), "launch", **good)
    assert twice["Location"] == f"/jobs/{draft.number}/"


def test_another_engine_brings_its_form_and_what_was_filled_in_stays(as_owner: Client) -> None:
    page = page_of(as_owner, AT)
    assert "nothing runs here" in page
    answer = pressed(as_owner, page, "tag:partitioner", partitioner="cutter", **{"s:v:app/width": "77"})
    body = answer.content.decode()
    assert fields(body)["s:v:partitioner/rows"] == "4"
    assert fields(body)["s:v:app/width"] == "77"
    assert 'data-at="section-partitioner"' in body
    gone = pressed(as_owner, body, "tag:partitioner", partitioner="passthrough").content.decode()
    assert "s:v:partitioner/rows" not in fields(gone)


def test_both_sides_are_the_same_state(as_owner: Client) -> None:
    page = page_of(as_owner, ENGINES)
    side = pressed(as_owner, page, "side:json", **{"s:v:app/width": "64", "config-jobTimeout": "01:00"})
    body = json.loads(fields(side.content.decode())["json"])
    assert body["params"] == {"partitioner": {"rows": 4}, "app": {"width": 64, "mode": "plain"}}
    assert body["config"] == {"jobTimeout": 3600}
    body["params"]["app"]["mode"] = "deep"
    body["params"]["app"]["depth"] = 7
    back = pressed(as_owner, side.content.decode(), "side:form", json=json.dumps(body)).content.decode()
    assert any(name.endswith("/depth") and value == "7" for name, value in fields(back).items())
    assert pressed(as_owner, back, "launch").status_code == 303
    assert Job.objects.get().parameters["app"] == {"width": 64, "mode": "deep", "depth": 7}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "There is nothing here"),
        ("[1]", "must be a JSON object"),
        ('{"app": "tiles",}', "line 1"),
        ('{"app": "other"}', "names another app"),
        ('{"app": "tiles", "parms": {}}', "is not known here"),
        ('{"app": "tiles", "params": []}', "must be an object"),
        ('{"app": "tiles", "params": {"app": {"width": 1}}}', "at least 16"),
        ('{"app": "tiles", "app": "tiles"}', "is written twice"),
    ],
)
def test_what_is_wrong_on_the_json_side_is_told_with_its_line(as_owner: Client, text: str, words: str) -> None:
    side = pressed(as_owner, page_of(as_owner, AT), "side:json").content.decode()
    answer = pressed(as_owner, side, "launch", json=text)
    assert answer.status_code == 422
    assert words.lower() in " ".join(problems(answer)).lower()
    assert not Job.objects.exists()


def test_the_live_panel_shows_three_plans_or_what_is_missing(as_owner: Client) -> None:
    page = page_of(as_owner, ENGINES)
    good = as_owner.post(f"{AT}preview/", fields(page)).content.decode()
    assert good.count("/opt/slipway/start.py") == 3
    assert "PARTITIONER_PARAMS" in good
    wrong = as_owner.post(f"{AT}preview/", {**fields(page), "s:v:app/width": "1"}).content.decode()
    assert 'data-name="s:app/width"' in wrong
    assert "1 thing to fix" in wrong
    assert not Job.objects.exists()


def test_what_comes_and_goes_in_a_form_is_told_for_all_three(as_owner: Client) -> None:
    page = page_of(as_owner, ENGINES)
    mode = next(name for name in fields(page) if name.endswith("app/mode"))
    on = as_owner.post(f"{AT}part/", {**fields(page), mode: "1"}).json()["active"]
    off = as_owner.post(f"{AT}part/", {**fields(page), mode: "0"}).json()["active"]
    assert list(on.values()) == [True]
    assert list(off.values()) == [False]
    drawn = as_owner.post(f"{AT}part/", {**fields(page), "part": "app", "go": "schema:draw"}).content.decode()
    assert 'data-node="app"' in drawn
    assert as_owner.post(f"{AT}part/", {**fields(page), "part": "nowhere/x"}).status_code == 404


def test_links_templates_and_earlier_jobs_fill_the_form(as_owner: Client, owner: User) -> None:
    linked = fields(page_of(as_owner, f"{ENGINES}&p.width=32&p.partitioner.rows=7&machine=n4&name=mine&walltime=00:30"))
    assert linked["s:v:app/width"] == "32"
    assert linked["s:v:partitioner/rows"] == "7"
    assert linked["machine-run"] == "n4"
    assert linked["name"] == "mine"
    assert linked["config-taskTimeout"] == "00:30"
    make_template(owner, slug="usual", app="tiles@1", partitioner="cutter", parameters={"app": {"width": 99}})
    assert as_owner.get("/templates/usual/launch/")["Location"] == f"{AT}?template=usual"
    page = page_of(as_owner, f"{AT}?template=usual")
    assert fields(page)["s:v:app/width"] == "99"
    pressed(as_owner, page, "launch")
    job = Job.objects.get()
    assert job.template is not None
    assert fields(page_of(as_owner, f"{AT}?from={job.number}"))["s:v:app/width"] == "99"
    assert "p.width" not in page_of(as_owner, f"{AT}?p.width=nonsense&version=9.9")


def test_a_bundle_brings_its_own_template(as_owner: Client) -> None:
    text = json.dumps({"id": "own", "app": "brought", "partitioner": "cutter", "params": {"partitioner": {"rows": 8}}})
    version = make_bundle("app", name="brought")
    version.template_text = text
    version.save()
    form = fields(page_of(as_owner, "/apps/brought/launch/"))
    assert (form["partitioner"], form["s:v:partitioner/rows"]) == ("cutter", "8")
    assert "Brought by apps" in page_of(as_owner, "/templates/")
    assert fields(page_of(as_owner, "/templates/new/?bundle=brought"))["s:v:partitioner/rows"] == "8"


def test_a_draft_is_saved_changed_and_launched(as_owner: Client) -> None:
    saved = pressed(as_owner, page_of(as_owner, ENGINES), "save", **{"s:v:app/width": "1"})
    draft = Job.objects.get()
    assert saved["Location"] == f"{AT}?draft={draft.number}"
    page = page_of(as_owner, saved["Location"])
    assert fields(page)["s:v:app/width"] == "1"
    pressed(as_owner, page, "save", **{"s:v:app/width": "40"}, name="better")
    draft.refresh_from_db()
    assert (draft.label, draft.parameters["app"]["width"], Job.objects.count()) == ("better", 40, 1)
    pressed(as_owner, page_of(as_owner, saved["Location"]), "launch")
    draft.refresh_from_db()
    assert draft.state == JobState.QUEUED
    assert as_owner.get(saved["Location"]).status_code == 404


def test_nobody_else_edits_a_draft(client: Client, owner: User, teammate: User, stranger: User) -> None:
    app = make_bundle("app", name="other")
    draft = fan_out.draft(owner=owner, asked=FanOut(app=app), team=owner.teams.get())
    for person, status in ((teammate, 403), (stranger, 404), (owner, 200)):
        client.force_login(person)
        assert client.get(f"/apps/other/launch/?draft={draft.number}").status_code == status
        posted = client.post("/apps/other/launch/", {"go": "save", "number": draft.number, "app": "other"})
        assert posted.status_code == (303 if status == 200 else status)


def test_no_machine_that_fits_is_said_where_it_is_chosen(as_owner: Client) -> None:
    make_bundle("app", name="huge", device_requirements={"min_cpu": 64, "gpu": ["A100"]})
    page = page_of(as_owner, "/apps/huge/launch/")
    assert "No machine type here has that" in page
    assert "Cheapest: n1" in page_of(as_owner, AT)


@pytest.mark.parametrize(
    "posted",
    [
        {"go": "launch"},
        {"go": "launch", "app": "\0", "partitioner": "x" * 9000, "machine-run": "\0", "number": "9" * 40},
        {"go": "side:form", "side": "json", "json": "{" * 5000},
        {"go": "schema:add:app/nowhere", "s:v:app/width": "NaN", "source-kind": "moon"},
        {"go": "save", "name": "x" * 5000, "config-taskTimeout": "9" * 99},
        {"go": "template", "token": "../..", "team": "nobodys"},
    ],
)
def test_odd_forms_are_never_a_fault_of_ours(as_owner: Client, posted: dict[str, str]) -> None:
    assert as_owner.post(AT, posted).status_code < 500
    assert as_owner.post(f"{AT}preview/", posted).status_code < 500
