"""The Task Builder: what is drawn, what is read back, what is launched, and what is said when something is wrong."""

from __future__ import annotations

import html
import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import QueryDict
from django.template.loader import render_to_string
from django.test import Client
from django.urls import reverse

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.snippets import snippets
from apps_catalog.launch.spec import Fault, LaunchSpec, Submission
from apps_catalog.models import App, Version
from jobs import vaults
from jobs.forms.builder import build
from jobs.forms.drafts import BODY_KEYS, Draft, as_body, as_clock, read_clock, read_form, read_json
from jobs.forms.fields import ChoiceField, RangeField, UploadField
from jobs.forms.inputs import inputs_of
from jobs.forms.widgets import WIDGETS, Spot, widget_of
from jobs.models import Job, MachineType, Upload
from jobs.serializers import SubmissionNew
from portal.people.models import User
from tests.factories import (
    make_app,
    make_host,
    make_job,
    make_machine,
    make_person,
    make_team,
    make_vault,
    make_version,
)
from tests.jobs.gallery import GALLERY, large


def spec_of(definition: dict[str, Any]) -> LaunchSpec:
    reading = read_appdef(json.dumps(definition))
    assert reading.spec is not None, reading.findings
    return reading.spec


SPEC = spec_of(GALLERY)
ALL = SPEC.commands["all"]
SPOT = Spot("p0")
INPUTS = {asked.key: asked for asked in inputs_of(ALL)}


def posted(**over: str) -> QueryDict:
    """What a browser posts for the untouched form of the gallery, with changes; None takes a field out."""
    query = QueryDict(mutable=True)
    query["command"] = "all"
    for key, asked in INPUTS.items():
        widget = widget_of(asked)
        text = widget.shown(asked, asked.default)
        if widget.name != "switch" or text:
            query[f"p:{key}"] = text
    for name, value in over.items():
        query[name] = value
    return query


# Widgets


def test_every_hint_of_the_spec_has_a_widget() -> None:
    assert {asked.hint.widget for asked in INPUTS.values()} <= set(WIDGETS)
    assert {"range", "select", "radio", "searchselect", "switch", "file", "upload", "integer", "float"} <= {
        asked.hint.widget for asked in INPUTS.values()
    }


def test_what_the_author_fixed_is_not_asked_for() -> None:
    assert "fixed" not in INPUTS


CASES: list[tuple[str, str | None, Any]] = [
    ("-case", "a name", "a name"),
    ("-case", "", ""),
    ("-case", None, ""),
    ("notes", "one\r\ntwo\r\n", "one\ntwo\n"),
    ("darts", "15", "15"),
    ("ratio", "0.129", "0.129"),
    ("-v", "on", True),
    ("-v", None, False),
    ("few", "1", "g1"),
    ("few", "2", "g2"),
    ("few", "no such", "no such"),
    ("few", "99", "99"),
    ("few", None, ""),
    ("many", "39", "entry 39"),
    ("input", "folder/x.csv", "folder/x.csv"),
    ("-key", "", ""),
    ("-key", "6f9619ff-8b86-d011-b42d-00cf4fc964ff", {"upload": "6f9619ff-8b86-d011-b42d-00cf4fc964ff"}),
    ("-key", "aGVsbG8=", "aGVsbG8="),
]


@pytest.mark.parametrize(("key", "text", "value"), CASES)
def test_a_widget_reads_what_a_browser_posts(key: str, text: str | None, value: Any) -> None:
    asked = INPUTS[key]
    assert widget_of(asked).read(asked, text) == value


@pytest.mark.parametrize("key", list(INPUTS))
def test_an_untouched_field_sends_its_default(key: str) -> None:
    asked = INPUTS[key]
    widget = widget_of(asked)
    text = widget.shown(asked, asked.default)
    back = widget.read(asked, None if widget.name == "switch" and not text else text)
    assert asked.coerce(back) == asked.default or (asked.default is None and back == "")
    assert not widget.draw(asked, back, SPOT).changed


def test_a_selection_that_repeats_a_label_keeps_the_choice_apart() -> None:
    asked = INPUTS["few"]
    field = widget_of(asked).draw(asked, "g2", SPOT)
    assert isinstance(field, ChoiceField)
    assert [option.selected for option in field.options] == [False, False, True]


def test_a_value_that_is_no_option_stays_to_be_seen() -> None:
    asked = INPUTS["some"]
    field = widget_of(asked).draw(asked, "choice 99", SPOT)
    assert isinstance(field, ChoiceField)
    assert field.unknown == "choice 99"
    assert not any(option.selected for option in field.options)


def test_a_slider_counts_its_steps_from_the_minimum() -> None:
    field = widget_of(INPUTS["darts"]).draw(INPUTS["darts"], "15", SPOT)
    assert isinstance(field, RangeField)
    assert (field.minimum, field.maximum, field.step, field.position) == (5, 25, 10, 15)
    assert field.ticks == (5, 15, 25)


@pytest.mark.parametrize(("text", "position"), [("abc", 5), ("999", 25), ("-3", 5), ("", 5)])
def test_a_slider_stands_somewhere_whatever_the_box_holds(text: str, position: int) -> None:
    field = widget_of(INPUTS["darts"]).draw(INPUTS["darts"], text, SPOT)
    assert isinstance(field, RangeField)
    assert field.position == position
    assert field.value == text


def test_a_range_beyond_what_a_browser_counts_is_a_number_box() -> None:
    wide = {"type": "RANGE", "name": "Wide", "description": "", "required": True, "min": 0, "max": 10**17, "step": 1}
    definition = {
        **GALLERY,
        "commands": {"c": {**GALLERY["commands"]["all"], "parameters": {"w": {**wide, "value": 1}}}},
    }
    asked = inputs_of(spec_of(definition).commands["c"])[0]
    assert widget_of(asked).draw(asked, 1, SPOT).template == "jobs/widgets/integer.html"


def test_a_text_with_line_breaks_gets_a_text_area() -> None:
    asked = INPUTS["-case"]
    assert widget_of(asked).draw(asked, "a", SPOT).template == "jobs/widgets/text.html"
    assert widget_of(asked).draw(asked, "a\nb", SPOT).template == "jobs/widgets/longtext.html"


def test_an_upload_shows_the_name_of_its_file() -> None:
    key = "6f9619ff-8b86-d011-b42d-00cf4fc964ff"
    field = widget_of(INPUTS["-key"]).draw(INPUTS["-key"], {"upload": key}, Spot("p1", uploads={key: "my key.json"}))
    assert isinstance(field, UploadField)
    assert (field.value, field.chosen) == (key, "my key.json")


# The form as a whole


def test_ids_count_because_a_key_may_hold_anything() -> None:
    form = build(SPEC, Draft(Submission(command="all")))
    ids = [field.id for field in (*form.required, *form.optional)]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"p\d+", one) for one in ids)


def test_optional_opens_itself_for_a_change_and_for_an_error() -> None:
    quiet = Draft(Submission(command="all"))
    assert not build(SPEC, quiet).optional_open
    assert build(SPEC, Draft(Submission(command="all", parameters={"ratio": "0.7"}))).optional_open
    assert build(SPEC, quiet, faults=[Fault("/parameters/ratio", "maximum", "must be at most 1")]).optional_open


def test_only_the_first_field_with_an_error_takes_the_focus() -> None:
    faults = [Fault("/parameters/ratio", "x", "must be less"), Fault("/parameters/-case", "x", "must be filled in")]
    form = build(SPEC, Draft(Submission(command="all")), faults=faults)
    assert [field.key for field in (*form.required, *form.optional) if field.focus] == ["-case"]
    assert [field.errors for field in form.required if field.key == "-case"] == [("Must be filled in.",)]


def test_faults_are_linked_to_their_fields() -> None:
    form = build(SPEC, Draft(Submission(command="all")), faults=[Fault("/parameters/-case", "x", "must be filled in")])
    problem = form.problems[0]
    assert (problem.id, problem.label, problem.message) == ("p0", "Case name", "Must be filled in.")


CORPUS = Path(__file__).parents[3] / "shared" / "corpus" / "appdefs"


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of real AppDefs is not beside this checkout")
def test_every_real_definition_that_can_be_read_gives_a_form() -> None:
    drawn = 0
    for path in sorted(CORPUS.glob("*.json")):
        spec = read_appdef(path.read_bytes()).spec
        for key, command in spec.commands.items() if spec else ():
            form = build(spec, Draft(Submission(command=key))) if spec else None
            text = render_to_string("jobs/_form_fields.html", {"form": form})
            asked = sum(not parameter.fixed for parameter in command.parameters.values())
            assert text.count("data-field=") == asked, f"{path.name} {key}"
            drawn += asked
    assert drawn > 100


# Reading a posted form


def test_an_untouched_form_is_the_defaults() -> None:
    draft = read_form(posted(), SPEC)
    body = as_body(draft, SPEC, app="gallery", version="1")
    assert body["parameters"] == {
        'a "key" <i>': "x",
        "\u05e9\u05dc\u05d5\u05dd": "\u05e2\u05e8\u05da",
        "\U0001f680 speed": 3,
        "notes": "one\ntwo",
        "darts": 15,
        "ratio": 0.5,
        "-v": True,
        "-q": False,
        "few": "r",
        "some": "choice 0",
        "many": "entry 0",
    }


def test_a_cleared_default_is_sent_as_blank_and_not_as_the_default() -> None:
    draft = read_form(posted(**{'p:a "key" <i>': ""}), SPEC)
    assert draft.submission.parameters['a "key" <i>'] == ""
    body = as_body(draft, SPEC, app="gallery", version="1")
    assert body["parameters"]['a "key" <i>'] == ""


@pytest.mark.parametrize("name", ['p:a "key" <i>', "p:a %22key%22 <i>"])
def test_a_name_with_quotes_arrives_as_browsers_escape_it(name: str) -> None:
    query = posted(**{name: "new"})
    if name != 'p:a "key" <i>':
        del query['p:a "key" <i>']
    assert read_form(query, SPEC).submission.parameters['a "key" <i>'] == "new"


def test_changing_the_command_keeps_what_both_ask_for() -> None:
    draft = read_form(posted(**{"p:darts": "25", "go": "command:other", "label": "mine"}), SPEC)
    assert draft.submission.command == "other"
    assert draft.submission.parameters == {"darts": "25"}
    assert draft.submission.label == "mine"


@pytest.mark.parametrize(
    ("text", "seconds"), [("02:30", 9000), ("2:30", 9000), ("00:00:30", 30), ("", None), (" 100:00 ", 360_000)]
)
def test_a_time_limit_is_read(text: str, seconds: int | None) -> None:
    assert read_clock(text) == (seconds, ())


@pytest.mark.parametrize("text", ["3600", "abc", "-1:00", "1:2:3:4:5", "00:00", "12:"])
def test_a_time_limit_that_is_none_is_said(text: str) -> None:
    seconds, faults = read_clock(text)
    assert seconds is None
    assert faults[0].pointer == "/walltime_s"


@pytest.mark.parametrize(("seconds", "text"), [(9000, "02:30"), (30, "00:00:30"), (None, ""), (360_000, "100:00")])
def test_a_time_limit_is_shown(seconds: int | None, text: str) -> None:
    assert as_clock(seconds) == text


# The JSON side


def test_form_and_json_are_the_same_state() -> None:
    draft = read_form(posted(**{"p:-case": "x y", "p:few": "2", "walltime": "01:00", "machine": "n1"}), SPEC)
    body = as_body(draft, SPEC, app="gallery", version="1")
    again = read_json(json.dumps(body), SPEC, app="gallery", token=draft.token)
    assert not again.faults
    assert as_body(again, SPEC, app="gallery", version="1") == body
    assert again.clock == "01:00"


def test_the_json_side_has_no_key_that_the_api_refuses() -> None:
    assert set(BODY_KEYS) <= set(SubmissionNew().fields)


JSON_FAULTS = [
    ("", "There is nothing here"),
    ('{"command": "all",}', "Line 1, column"),
    ('{\n  "label": "a\n"}', "Line 2, column"),
    ("[1]", "must be a JSON object"),
    ('{"label": 3}', "must be a text"),
    ('{"nodes": true}', "must be a whole number"),
    ('{"lable": "x"}', "is not known here"),
    ('{"label": "a", "label": "b"}', "is written twice"),
    ('{"app": "another"}', "names another app"),
    ('{"vault": "a\\u0000b"}', "NUL"),
]


@pytest.mark.parametrize(("text", "words"), JSON_FAULTS)
def test_bad_json_says_what_and_where(text: str, words: str) -> None:
    faults = read_json(text, SPEC, app="gallery", token="0" * 32).faults
    assert words in " ".join(fault.message for fault in faults)


def test_a_fault_on_the_json_side_has_its_line() -> None:
    text = '{\n  "command": "all",\n  "parameters": {\n    "ratio": 7\n  }\n}'
    draft = read_json(text, SPEC, app="gallery", token="0" * 32)
    form = build(SPEC, draft, faults=[Fault("/parameters/ratio", "maximum", "must be at most 1")])
    assert form.problems[0].label == "Line 4, column 14: Ratio"


def test_snippets_survive_quotes_and_other_scripts() -> None:
    body = {"parameters": {"a'b\"c": "$(x) `y` \u05e9 \u202e\n"}, "app": "x"}
    texts = {one.id: one.text for one in snippets(body, url="http://localhost/api/v1/jobs")}
    assert json.loads(texts["json"]) == body
    literal = texts["python"].split("submission = ", 1)[1].split("\n\nrequest", 1)[0]
    assert eval(literal) == body  # its own literal, read back
    import shlex

    assert json.loads(shlex.split(texts["curl"].replace("\\\n", " "))[-1]) == body


# The page


@pytest.fixture
def owner(db: None) -> User:
    return make_person("ada")


@pytest.fixture
def client(owner: User) -> Client:
    client = Client()
    client.force_login(owner)
    return client


@pytest.fixture
def version(db: None) -> Version:
    make_machine("n1", cores=2, ram_mib=4096, price_per_hour=Decimal("0.5"), order=1)
    make_machine("g1", cores=4, gpus=1, requires=["gpu=a100"], order=2)
    make_machine("x9", order=3)
    make_host("one", serves={"n1": 2})
    return make_version(make_app(slug="gallery", name=GALLERY["name"]), definition=GALLERY, label="1.4")


URL = "/apps/gallery/launch/"


def page(client: Client, query: str = "", status: int = 200) -> str:
    answer = client.get(URL + query)
    assert answer.status_code == status, answer.content.decode()[:2000]
    return answer.content.decode()


def send(client: Client, go: str = "launch", **over: str) -> Any:
    data = posted(**{"p:-case": "run 1", "machine": "n1", "vault": "NONE", "token": "a" * 32, "go": go} | over)
    return client.post(URL, data.dict())


def test_the_form_shows_every_parameter_and_escapes_every_name(client: Client, version: Version) -> None:
    text = page(client)
    for asked in INPUTS.values():
        assert html.escape(f"p:{asked.key}") in text
    assert "<script>alert" not in text
    assert "never shown" not in text.split('id="panel"')[0]
    assert " style=" not in text
    assert "onclick" not in text


def test_machines_are_those_that_match_with_their_state(client: Client, version: Version) -> None:
    text = page(client)
    assert 'value="n1" checked' in text
    assert 'value="g1"' in text
    assert 'value="x9"' not in text
    assert "gpu=a100" in text
    assert "Your job will wait until such a host is up." in text


def test_a_job_is_launched_with_typed_values(client: Client, version: Version, owner: User) -> None:
    answer = send(client, **{"p:darts": "25", "p:ratio": "0.129", "p:few": "2", "label": "first", "walltime": "01:30"})
    assert answer.status_code == 303, answer.content.decode()[:3000]
    job = Job.objects.get()
    assert answer["Location"] == reverse("jobs:job", args=[job.number])
    assert (job.owner, job.label, job.walltime_s, job.machine_type.name) == (owner, "first", 5400, "n1")
    assert job.parameters["darts"] == 25
    assert job.plan["argv"][-5:] == ["0.12", "g2", "choice 0", "entry 0", "never shown"]


def test_a_double_click_makes_one_job(client: Client, version: Version) -> None:
    first, second = send(client), send(client)
    assert first["Location"] == second["Location"]
    assert Job.objects.count() == 1


def test_changed_values_from_the_same_form_are_a_new_job(client: Client, version: Version) -> None:
    assert send(client)["Location"] != send(client, **{"p:-case": "run 2"})["Location"]
    assert Job.objects.count() == 2


def test_faults_are_counted_linked_and_keep_what_was_typed(client: Client, version: Version) -> None:
    answer = send(client, **{"p:-case": "", "p:ratio": "7", "p:\U0001f680 speed": "fast", "label": "kept"})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "3 things to fix before launching" in text
    assert 'href="#p0"' in text
    assert re.search(r'id="p0"[^>]*aria-invalid="true"[^>]*autofocus', text)
    assert 'value="fast"' in text
    assert 'value="kept"' in text
    assert "Must be at most 1." in text
    assert Job.objects.count() == 0


def test_checking_launches_nothing(client: Client, version: Version) -> None:
    assert send(client, go="check").status_code == 200
    assert Job.objects.count() == 0


def test_the_panel_is_the_plan(client: Client, version: Version) -> None:
    data = posted(**{"p:-case": "two words", "machine": "n1", "vault": "NONE", "walltime": "02:00"})
    text = html.unescape(client.post(URL + "preview/", data.dict()).content.decode())
    assert ">'two words'</bdi>" in text
    assert "never shown" in text
    assert "/etc/JARVICE/jobenv.sh" in text
    assert "1.00" in text
    assert "Authorization: Bearer $SLIPWAY_TOKEN" in text
    assert Job.objects.count() == 0


def test_the_panel_hands_every_fault_to_its_field(client: Client, version: Version) -> None:
    text = client.post(URL + "preview/", posted(**{"p:ratio": "7", "machine": "n1"}).dict()).content.decode()
    assert '<li data-name="p:ratio" data-label="Ratio">Must be at most 1.</li>' in text
    assert '<li data-name="p:-case"' in text
    assert "2 things to fix before launching" in text


@pytest.mark.parametrize(
    "query", ["nonsense", "p:-case=%00&vault=%00&machine=%00&team=%00&label=%00", "nodes=x&side=json"]
)
def test_the_panel_bears_any_input(client: Client, version: Version, query: str) -> None:
    answer = client.post(URL + "preview/", query, content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200


def test_the_json_side_launches_the_same_job(client: Client, version: Version) -> None:
    answer = send(client, go="side:json")
    assert "/etc/JARVICE/jobenv.sh" in answer.content.decode()
    body = html.unescape(answer.content.decode().split("<textarea", 1)[1].split(">", 1)[1].split("</textarea>")[0])
    assert json.loads(body)["parameters"]["-case"] == "run 1"
    launched = client.post(URL, {"side": "json", "json": body, "go": "launch", "token": "b" * 32})
    assert launched.status_code == 303
    assert Job.objects.get().parameters["-case"] == "run 1"


def test_going_back_to_the_form_takes_the_json_along(client: Client, version: Version) -> None:
    body = {"command": "all", "parameters": {"-case": "from json", "few": "g2"}, "machine": "g1", "walltime_s": 600}
    answer = client.post(URL, {"side": "json", "json": json.dumps(body), "go": "side:form"})
    text = answer.content.decode()
    assert "It is shown when" not in text
    assert 'value="from json"' in text
    assert 'value="00:10"' in text
    assert 'value="g1" checked' in text


@pytest.mark.parametrize("text", ['{"parameters": {"mesh": 1}}', '{"x": 1}', "{", '{"command": "no"}'])
def test_json_that_the_form_can_not_hold_stays_json(client: Client, version: Version, text: str) -> None:
    answer = client.post(URL, {"side": "json", "json": text, "go": "side:form"})
    assert answer.status_code == 422
    assert html.escape(text) in answer.content.decode()


def test_a_link_fills_the_form_and_is_checked(client: Client, version: Version) -> None:
    text = html.unescape(page(client, "?p.-case=linked&p.ratio=7&p.mesh=1&p.fixed=2&machine=g1&command=nope"))
    assert 'value="linked"' in text
    assert "Must be at most 1." in text
    assert "App version 1.4 does not have the parameter 'mesh'. It was left out." in text
    assert "'Fixed' is set by the author" in text
    assert "has no command 'nope'" in text
    assert 'value="g1" checked' in text
    assert "Must be filled in." not in text.split('id="panel"')[0]


def test_an_earlier_job_fills_the_form(client: Client, version: Version, owner: User) -> None:
    job = make_job(
        owner, version=version, command="all", parameters={"-case": "again", "mesh": 3}, label="old", walltime_s=60
    )
    text = html.unescape(page(client, f"?from={job.number}"))
    assert 'value="again"' in text
    assert 'value="old"' in text
    assert 'value="00:01"' in text
    assert "App version 1.4 no longer has the parameter 'mesh'. It was left out." in text


def test_a_strangers_job_fills_nothing(client: Client, version: Version) -> None:
    job = make_job(make_person(), version=version)
    page(client, f"?from={job.number}", status=404)
    page(client, "?from=abc", status=404)


def test_an_upload_of_another_person_is_not_taken_over(client: Client, version: Version, owner: User) -> None:
    team = make_team(owner, teammate := make_person())
    parameters = {"-key": {"upload": "6f9619ff-8b86-d011-b42d-00cf4fc964ff"}}
    job = make_job(teammate, version=version, command="all", parameters=parameters, team=team)
    text = html.unescape(page(client, f"?from={job.number}"))
    assert f"The file that job {job.number} had for 'Key file' can't be used again." in text


def test_a_file_is_taken_along_without_a_script(client: Client, version: Version, owner: User) -> None:
    data = posted(**{"p:-case": "x", "machine": "n1", "vault": "NONE", "token": "c" * 32, "go": "launch"}).dict()
    answer = client.post(URL, {**data, "u:-key": SimpleUploadedFile("k.json", b"{}")})
    assert answer.status_code == 303, answer.content.decode()[:3000]
    upload = Upload.objects.get()
    assert (upload.owner, upload.name, upload.size) == (owner, "k.json", 2)
    assert list(Job.objects.get().uploads.all()) == [upload]


@pytest.mark.parametrize(
    ("name", "size", "words"),
    [("k.txt", 2, "must be a file that ends in .json"), ("k.json", 4000, "must be at most 2048 bytes")],
)
def test_a_file_that_does_not_fit_is_said_at_its_field(
    client: Client, version: Version, name: str, size: int, words: str
) -> None:
    data = posted(**{"p:-case": "x", "machine": "n1", "go": "launch"}).dict()
    answer = client.post(URL, {**data, "u:-key": SimpleUploadedFile(name, b"x" * size)})
    assert answer.status_code == 422
    assert words[1:] in html.unescape(answer.content.decode())
    assert not Upload.objects.exists()


def test_what_can_not_be_launched_says_why(client: Client, version: Version) -> None:
    Version.objects.update(image="", image_pinned="")
    text = page(client)
    assert "This version has no container image yet." in text
    assert 'id="launch"' not in text
    assert send(client).status_code == 409
    assert Job.objects.count() == 0


def test_a_draft_is_for_curators(client: Client, version: Version, owner: User) -> None:
    make_version(version.app, definition=GALLERY, label="2.0", state=Version.State.DRAFT)
    page(client, "?version=2.0", status=404)
    User.objects.filter(pk=owner.pk).update(is_curator=True)
    assert "This version is a draft." in page(client, "?version=2.0")


def test_a_hidden_app_is_not_there(client: Client, version: Version) -> None:
    App.objects.update(visibility=App.Visibility.TEAMS)
    page(client, status=404)
    assert client.post(URL + "preview/", {}).status_code == 404
    assert send(client).status_code == 404


def test_no_machine_type_that_fits_is_said(client: Client, version: Version) -> None:
    MachineType.objects.exclude(name="x9").delete()
    assert "there is none here" in page(client)
    assert send(client, machine="").status_code == 422


def test_the_limit_of_waiting_jobs_is_said_and_nothing_is_lost(client: Client, version: Version, settings: Any) -> None:
    settings.JOBS_QUEUED_MAX = 0
    answer = send(client, label="kept")
    assert answer.status_code == 409
    assert "jobs waiting, which is the limit" in answer.content.decode()
    assert 'value="kept"' in answer.content.decode()


def test_vaults_are_mine_and_my_teams(client: Client, version: Version, owner: User) -> None:
    mine = vaults.default_vault(owner)
    ours = make_vault(make_team(owner))
    theirs = make_vault(make_person())
    text = page(client)
    assert f'value="{mine.name}" selected' in text
    assert ours.name in text
    assert theirs.name not in text


def test_the_preview_of_a_definition_is_for_curators(client: Client, owner: User) -> None:
    url = reverse("jobs:form-preview")
    assert client.post(url, {"definition": json.dumps(GALLERY)}).status_code == 403
    User.objects.filter(pk=owner.pk).update(is_curator=True)
    text = client.post(url, {"definition": json.dumps(GALLERY)}).content.decode()
    assert "Case name" in text
    assert "<form" not in text
    assert 'type="submit"' not in text
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert "Line 1" in client.post(url, {"definition": "{,"}).content.decode()


def test_two_hundred_parameters_cost_no_more_queries(
    client: Client, db: None, django_assert_max_num_queries: Any
) -> None:
    make_version(make_app(slug="gallery"), definition=large(229), label="1")
    make_machine("n1")
    page(client)
    with django_assert_max_num_queries(22):
        text = page(client)
    assert text.count("data-field=") > 229
