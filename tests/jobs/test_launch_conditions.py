"""Conditional parameters in the launch form on the server: what is drawn, judged, sent and kept."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from apps_catalog.launch.spec import Submission
from jobs.forms.builder import LaunchForm, build
from jobs.forms.conditions import silent, when
from jobs.forms.drafts import Draft
from jobs.forms.fields import Field
from jobs.forms.inputs import inputs_of
from jobs.models import Job, Upload
from portal.people.models import User
from tests.factories import make_app, make_host, make_machine, make_version
from tests.jobs.conditional import MESH
from tests.jobs.gallery import parameter, spec_of
from tests.jobs.pages import client_of

SPEC = spec_of(MESH)
RUN = SPEC.commands["run"]
URL = "/apps/wing/launch/"


def fields(form: LaunchForm) -> dict[str, Field]:
    return {field.key: field for field in (*form.required, *form.optional)}


def drawn(**values: Any) -> dict[str, Field]:
    return fields(build(SPEC, Draft(Submission("run", {f"-{key}": value for key, value in values.items()}))))


@pytest.fixture
def client(owner: User) -> Client:
    make_machine("n1")
    make_host("one", serves={"n1": 1})
    make_version(make_app(slug="wing"), definition=MESH, label="1")
    return client_of(owner)


def send(client: Client, go: str = "launch", **over: Any) -> Any:
    data = {"command": "run", "machine": "n1", "vault": "NONE", "token": "b" * 32, "go": go, "p:-case": "wing"}
    return client.post(URL, data | over)


# Drawing


@pytest.mark.parametrize(
    ("values", "hidden"),
    [
        ({}, {"-cells", "-refine", "-levels"}),
        ({"mesh": True}, {"-old"}),
        ({"mesh": "true", "refine": False}, {"-old", "-levels"}),
        ({"mesh": "perhaps"}, {"-cells", "-refine", "-levels"}),
        ({"refine": True}, {"-cells", "-refine", "-levels"}),
    ],
)
def test_absent_fields_are_those_that_the_judge_passes_over(values: dict[str, Any], hidden: set[str]) -> None:
    assert {key for key, field in drawn(**values).items() if field.absent} == hidden


def test_a_condition_is_said_in_words_and_to_the_browser() -> None:
    found = drawn()
    rule = found["-cells"].when
    assert rule is not None
    assert rule.words == "Only when Make a mesh is on."
    assert json.loads(rule.rule) == {"on": ["p:-mesh"], "off": []}
    assert found["-old"].when is not None
    assert found["-old"].when.words == "Only when Make a mesh is off."
    assert found["-case"].when is None


def test_several_switches_are_listed() -> None:
    flags = {f"-{name}": parameter("BOOL", name.upper(), value=False) for name in "abcd"}
    asked = parameter("STR", "Text", **{"if": ["-a", "-b", "-c"], "ifnot": ["-d", "no such"]})
    spec = spec_of({**MESH, "commands": {"run": {**MESH["commands"]["run"], "parameters": {**flags, "-t": asked}}}})
    rule = when(spec.commands["run"], "-t")
    assert rule is not None
    assert rule.words == "Only when A, B and C are on and D is off."
    assert rule.off == ("p:-d",)


def test_a_hidden_change_or_error_opens_nothing_and_is_not_counted() -> None:
    draft = Draft(Submission("run", {"-mesh": False, "-levels": "5"}))
    form = build(SPEC, draft)
    assert (form.optional_present, form.optional_changed, form.optional_open) == (0, 0, False)
    form = build(SPEC, Draft(Submission("run", {"-mesh": True, "-levels": "5"})))
    assert (form.optional_present, form.optional_changed, form.optional_open) == (2, 1, True)


def test_a_switch_that_is_not_drawn_still_rules() -> None:
    inputs = [asked for asked in inputs_of(RUN) if asked.key != "-refine"]
    (flag,) = silent(RUN, inputs)
    assert (flag.name, flag.on) == ("p:-refine", True)
    assert flag.when is not None
    assert flag.when.on == ("p:-mesh",)
    assert silent(RUN, inputs_of(RUN)) == ()


def test_the_page_marks_absent_fields_without_taking_them_out(client: Client) -> None:
    text = client.get(URL).content.decode()
    row = re.search(r'<div class="field lf"[^>]*data-field="p:-cells"[^>]*>', text)
    assert row
    assert "data-absent" in row[0]
    assert " hidden" not in row[0]
    assert "Only when Make a mesh is on." in text


# Judging and sending


def test_a_hidden_required_field_does_not_block(client: Client) -> None:
    answer = send(client, **{"p:-cells": "many", "p:-old": "old.msh"})
    assert answer.status_code == 303, answer.content.decode()[:2000]
    job = Job.objects.get()
    assert job.parameters == {"-case": "wing", "-mesh": False, "-old": "old.msh"}
    assert job.plan["argv"] == ["/bin/echo", "-case", "wing", "-old", "old.msh"]


def test_a_shown_required_field_does(client: Client) -> None:
    answer = send(client, **{"p:-mesh": "on", "p:-cells": "", "p:-old": ""})
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "1 thing to fix before launching" in text
    assert re.search(r'href="#p2"[^>]*><bdi>Cells', text)


def test_what_is_hidden_is_kept_when_the_page_comes_back(client: Client) -> None:
    text = send(client, **{"p:-case": "", "p:-cells": "many", "p:-old": "x"}).content.decode()
    assert 'value="many"' in text
    assert "whole number" not in text


def test_the_calls_of_the_panel_leave_out_what_is_hidden(client: Client) -> None:
    data = {"command": "run", "machine": "n1", "vault": "NONE", "p:-case": "wing", "p:-cells": "77", "p:-old": "x"}
    text = client.post(f"{URL}preview/", data).content.decode()
    assert "77" not in text
    assert "-cells" not in text


def test_the_json_side_is_not_blocked_by_what_is_hidden(client: Client) -> None:
    body = {"command": "run", "parameters": {"-mesh": False, "-cells": "many", "-old": "x"}, "machine": "n1"}
    answer = client.post(URL, {"side": "json", "json": json.dumps(body), "go": "launch", "token": "c" * 32})
    assert answer.status_code == 303, answer.content.decode()[:2000]
    assert "-cells" not in Job.objects.get().parameters


def test_a_file_for_a_hidden_upload_is_not_taken(owner: User) -> None:
    make_machine("n1")
    upload = parameter("UPLOAD", "Key", target="key.json", filter=".json", size=4, **{"if": ["-mesh"]})
    command = MESH["commands"]["run"]
    more = {**command, "parameters": {**command["parameters"], "-key": upload}}
    make_version(make_app(slug="wing"), definition={**MESH, "commands": {"run": more}})
    sent: dict[str, Any] = {"u:-key": SimpleUploadedFile("too large.txt", b"12345678"), "p:-old": "x"}
    answer = send(client_of(owner), **sent)
    assert answer.status_code == 303, answer.content.decode()[:2000]
    assert not Upload.objects.exists()
