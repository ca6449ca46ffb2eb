"""The built-in engines as bundles: installed, published, repeated without harm, and described as they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from jsonschema import Draft202012Validator

from apps_catalog.models import App, Version
from apps_catalog.services import ENGINES, spec_of
from tests.apps_catalog.engines.programs import ASSEMBLERS, PARTITIONERS
from tests.apps_catalog.engines.programs import ENGINES as FOLDER

pytestmark = pytest.mark.slow

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "engines.md"


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDER / name / "schema.json").read_text())
    return found


def test_every_engine_has_a_table_of_cases() -> None:
    assert sorted(ENGINES) == sorted((*PARTITIONERS, *ASSEMBLERS))


@pytest.mark.django_db
def test_installing_is_whole_and_may_be_repeated(
    folders: Path, settings: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("install_engines")
    apps = {app.slug: app for app in App.objects.filter(builtin=True)}
    assert {app.role for app in apps.values()} == {"partitioner", "assembler"}
    assert sorted(apps) == sorted(ENGINES)
    for version in Version.objects.filter(app__builtin=True):
        assert (version.state, version.label, version.image) == ("published", "1.0", settings.BUNDLE_IMAGE)
        assert [finding for finding in version.findings if finding["level"] == "error"] == []
        assert spec_of(version).requirements is not None
    assert "lines 1.0 installed" in capsys.readouterr().out
    settings.BUNDLE_IMAGE = "docker.io/library/python:3.13-slim"
    call_command("install_engines")
    assert Version.objects.filter(app__builtin=True).count() == len(ENGINES)
    assert set(Version.objects.values_list("image", flat=True)) == {settings.BUNDLE_IMAGE}
    assert "lines 1.0 is there" in capsys.readouterr().out


@pytest.mark.django_db
def test_a_name_that_another_app_has_is_said_and_the_others_are_installed(
    folders: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    App.objects.create(slug="zip", name="Zip")
    with pytest.raises(SystemExit):
        call_command("install_engines")
    assert "REFUSED  zip: The name 'zip' is taken by an AppDef" in capsys.readouterr().err
    assert App.objects.filter(builtin=True).count() == len(ENGINES) - 1


@pytest.mark.parametrize("name", ENGINES)
def test_its_schema_explains_every_parameter_and_accepts_its_defaults(name: str) -> None:
    found = schema(name)
    Draft202012Validator.check_schema(found)
    for key, value in found["properties"].items():
        assert value["title"], key
        assert value.get("description") or key == "records", key
    defaults = {key: value["default"] for key, value in found["properties"].items() if "default" in value}
    if name == "grid":
        defaults["parameters"] = [{"name": "a", "values": [1, "b", True]}, {"name": "b", "from": 0, "to": 1}]
    assert list(Draft202012Validator(found).iter_errors(defaults)) == []


@pytest.mark.parametrize("name", ENGINES)
def test_the_reference_names_every_parameter_and_default(name: str) -> None:
    _, _, rest = PAGE.read_text().partition(f"\n### {name}\n")
    section = rest.partition("\n###")[0]
    assert json.loads((FOLDER / name / "manifest.json").read_text())["description"] in section
    for key, value in schema(name)["properties"].items():
        row = next(line for line in section.splitlines() if line.startswith(f"| `{key}` |"))
        assert value["title"] in row
        assert "default" not in value or json.dumps(value["default"]) in row
