"""Test vectors of the published tutorial and of app repositories, word for word."""

from __future__ import annotations

from pathlib import Path

import pytest

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.plan import plan
from apps_catalog.launch.spec import LaunchSpec
from tests.apps_catalog.launch.corpus import APPDEFS, needs_corpus
from tests.apps_catalog.launch.generate import definition, launch, read, site


def corpus(name: str) -> LaunchSpec:
    reading = read_appdef(Path(APPDEFS, name).read_bytes())
    assert reading.spec is not None
    return reading.spec


@needs_corpus
def test_the_tutorial_gives_its_published_command_line() -> None:
    values = {"range_1": 0, "file_1": "jellyfish-3-mbps-hd-h264.mkv", "upload_1": {"upload": "u1"}}
    made = plan(launch(corpus("nimbix__jardoc__3.json"), values, "Hello"), site())
    assert " ".join(made.argv) == (
        "/launch.sh const_2 const_2_value const_1_value str_1_value str_3_value 2 1.2 0 bool_1 selection_1_val1 "
        "/data/jellyfish-3-mbps-hd-h264.mkv"
    )
    assert made.files[0].path == "/etc/JARVICE/jobenv.sh"
    assert made.files[0].text == ":\nconst_3='const_3_value'\nstr_2='str_2_value'\n"
    assert (made.files[1].path, made.files[1].upload) == ("/opt/file.txt", "u1")


@needs_corpus
def test_openfoam_batch_gives_its_published_command_line() -> None:
    values = {"-case": "run/dam/system/controlDict", "-solver": "icoFoam"}
    made = plan(launch(corpus("nimbix__app-openfoam.json"), values, "Batch", machine="n3"), site())
    assert made.argv == (
        "/usr/local/scripts/openfoam-batch.sh", "-case", "/data/run/dam/system/controlDict", "-mesh",
        "-meshtype", "blockMesh", "-solver", "icoFoam",
    )  # fmt: skip


def test_blender_benchmark_passes_machine_values_and_bare_flags() -> None:
    parameters = {
        "-renderFile": {
            "type": "selection",
            "values": ["BMW", "Ryzen CPU"],
            "mvalues": ["bmw27", "RyzenGraphic_27"],
            "required": True,
        },
        "-enableCPU": {"type": "BOOL", "value": False, "required": True},
        "-disableGPU": {"type": "BOOL", "value": False, "required": True},
        "-gpucount": {"type": "INT", "value": 1, "min": 0, "max": 8, "required": True},
    }
    spec = read(definition(parameters, command={"path": "/opt/blender/benchmark/benchmark.sh"}))
    values = {"-renderFile": "Ryzen CPU", "-enableCPU": True, "-disableGPU": False, "-gpucount": 2}
    assert " ".join(plan(launch(spec, values), site()).argv) == (
        "/opt/blender/benchmark/benchmark.sh -renderFile RyzenGraphic_27 -enableCPU -gpucount 2"
    )


@needs_corpus
@pytest.mark.parametrize("given", [{}, {"-DOCKER_CREDS": ""}, {"-DOCKER_CREDS": None}])
def test_an_optional_parameter_left_empty_gives_neither_key_nor_value(given: dict[str, str | None]) -> None:
    made = launch(corpus("strus38__quantum.json"), given, "myqlm_demo", machine="n0")
    assert "-DOCKER_CREDS" not in plan(made, site()).argv
