"""The bench of the launch form: what it draws has all types and conditions, and it says whether the goals are met."""

from __future__ import annotations

import json

import pytest

from apps_catalog.launch.appdef import read_appdef
from bench import forms


def test_the_large_form_has_all_types_and_conditions_and_nothing_to_remark() -> None:
    reading = read_appdef(json.dumps(forms.definition(forms.PARAMETERS)))
    assert reading.spec is not None
    assert not [finding for finding in reading.findings if finding.level != "info"]
    parameters = reading.spec.commands["go"].parameters
    assert len(parameters) == 229
    kinds = {parameter.kind for parameter in parameters.values()}
    assert kinds == {"BOOL", "STR", "INT", "RANGE", "FLOAT", "selection", "FILE", "CONST"}
    assert sum(bool(one.if_ or one.ifnot) for one in parameters.values()) > 100


@pytest.mark.django_db
def test_a_round_says_what_page_and_judgement_took() -> None:
    page, judgement = forms.measure(times=1, count=40)
    assert page.startswith("launch page, 40 parameters: ")
    assert "goal of 120 ms" in page
    assert judgement.startswith("validation, 40 parameters: ")
