"""A definition for any image: sound whatever the image is called, and it runs what it is told."""

from __future__ import annotations

import pytest

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.default_definition import default_definition
from apps_catalog.launch.plan import plan
from apps_catalog.launch.spec import Launch, Submission
from apps_catalog.launch.validate import validate
from tests.apps_catalog.launch.generate import site


@pytest.mark.parametrize(
    "image", ["", "python", "docker.io/acme/mesh-tool:2.1", "x@sha256:" + "0" * 64, '"</script>\u2028%CORES%']
)
@pytest.mark.parametrize("name", ["", 'A "name" \\ <b>', "x" * 400])
def test_it_imports_without_a_warning(image: str, name: str) -> None:
    reading = read_appdef(default_definition(image, name))
    assert reading.spec is not None
    assert [one for one in reading.findings if one.level != "info"] == []
    assert reading.spec.name


def test_the_name_is_that_of_the_image() -> None:
    spec = read_appdef(default_definition("docker.io/acme/mesh-tool:2.1")).spec
    assert spec is not None
    assert spec.name == "mesh-tool"


def test_a_command_line_reaches_the_shell_of_the_container_as_one_word() -> None:
    spec = read_appdef(default_definition("python")).spec
    assert spec is not None
    launch = validate(spec, Submission("Batch", {"-c": "echo $HOME; ls"}, machine="n1"))
    assert isinstance(launch, Launch)
    assert plan(launch, site()).argv == ("/bin/sh", "-c", "echo $HOME; ls")
    assert list(spec.commands) == ["Batch", "Shell"]
