"""`%NAME%`: in the author's text alone, in one pass, at planning where all is known and else when the job starts."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.binding import JobValues, bind
from apps_catalog.launch.plan import needs_api_key, plan
from apps_catalog.launch.spec import Finding, MachineSize, PlanConnect, RunPlan, VaultMount
from apps_catalog.launch.substitutions import SUBSTITUTIONS
from tests.apps_catalog.launch.generate import definition, launch, read, site

RANDOM = "".join(chr(ord("a") + n % 26) for n in range(128))
JOB = JobValues(
    name="20260102030405-ABCDE-app-ada_s1",
    random128=RANDOM,
    password="pass-word",
    hosts=("node-0", "node-1"),
    public_ip="192.0.2.7",
    api_key="key-of-this-job",
    connect_url="https://portal.example/jobs/1/",
)
SIZE = MachineSize("gpu4", cores=8, ram_mib=65_000, gpus=4, slave_ram_mib=33_000, slave_gpus=2)


def constant(value: str, **over: Any) -> dict[str, Any]:
    return {"name": "", "description": "", "type": "CONST", "value": value, "positional": True, **over}


def made(value: str, *, label: str = "", nodes: int = 1, version: int = 1, **over: Any) -> RunPlan:
    spec = read(definition({"c": constant(value)}, appdefversion=version))
    place = {"machine": SIZE, "user": "ada", "api_url": "https://portal.example/api", **over}
    return plan(launch(spec, {}, label=label, nodes=nodes), site(**place))


def word(value: str, **over: Any) -> str:
    """The last word of the command line once the job has started."""
    return bind(made(value, **over), JOB).argv[-1]


KNOWN = [
    ("%CORES%", "8"), ("%GPUS%", "4"), ("%SGPUS%", "2"), ("%RAM%", "63"), ("%SRAM%", "32"), ("%NODES%", "3"),
    ("%TCORES%", "24"), ("%TGPUS%", "8"), ("%TRAM%", "127"), ("%JOBLABEL%", "my label"), ("%MACHINETYPE%", "gpu4"),
    ("%VTYPE%", "FILE"), ("%VNAME%", "v"), ("%NIMBIXUSER%", "nimbix"), ("%APIURL%", "https://portal.example/api"),
    ("%APIUSER%", "ada"),
]  # fmt: skip
AT_START = [
    ("%JOBNAME%", JOB.name), ("%NIMBIXPASSWD%", "pass-word"), ("%RANDOM16%", RANDOM[:16]), ("%RANDOM32%", RANDOM[:32]),
    ("%RANDOM64%", RANDOM[:64]), ("%RANDOM128%", RANDOM), ("%PUBLICADDR%", "192.0.2.7"), ("%APIKEY%", JOB.api_key),
    ("%BASEURL%", "/"), ("%CONNECTURL%", "https://portal.example/jobs/1/"),
]  # fmt: skip


@pytest.mark.parametrize(("token", "value"), KNOWN)
def test_what_is_known_is_filled_in_at_planning(token: str, value: str) -> None:
    planned = made(f"a{token}-{token}z", label="my label", nodes=3, trusted=True)
    assert planned.argv[-1] == f"a{value}-{value}z"
    assert planned.authored == ()
    assert SUBSTITUTIONS[token.strip("%")] == "plan"


@pytest.mark.parametrize(("token", "value"), AT_START)
def test_what_a_job_has_of_its_own_is_filled_in_at_its_start(token: str, value: str) -> None:
    planned = made(f"a{token}-{token}z", trusted=True)
    assert planned.argv[-1] == f"a{token}-{token}z"
    assert planned.authored == (len(planned.argv) - 1,)
    assert bind(planned, JOB).argv[-1] == f"a{value}-{value}z"
    assert SUBSTITUTIONS[token.strip("%")] == "start"


def test_the_two_tables_name_every_substitution() -> None:
    assert {token.strip("%") for token, _ in (*KNOWN, *AT_START)} == set(SUBSTITUTIONS)


@pytest.mark.parametrize("token", ["APIURL", "APIUSER", "APIKEY"])
def test_the_api_is_told_to_trusted_apps_alone(token: str) -> None:
    planned = made(f"-k=%{token}%%JOBNAME%", trusted=False)
    assert planned.withheld == (token,)
    assert bind(planned, JOB).argv[-1] == f"-k=%{token}%{JOB.name}"
    assert not needs_api_key(planned)
    assert needs_api_key(made(f"-k=%{token}%", trusted=True)) == (token == "APIKEY")


@pytest.mark.parametrize(
    "label",
    ["%APIKEY%", "%JOBNAME%", "100%", "%", "%CORES%", "BNAME", "$(rm)", "' \"", "%RANDOM64%%JOBLABEL%", "ü 🚢"],
)
@pytest.mark.parametrize(
    "text",
    ["%JOBLABEL%", "%JOBLABEL%%JOBNAME%", "%JO%JOBLABEL%%JOBNAME%", "%APIKEY%%JOBLABEL%", "x%%JOBLABEL%%%JOBNAME%"],
)
@pytest.mark.parametrize("trusted", [True, False])
def test_what_was_filled_in_is_never_looked_at_again(text: str, label: str, trusted: bool) -> None:
    values = {"JOBLABEL": label, "JOBNAME": JOB.name, "CORES": "8"} | ({"APIKEY": JOB.api_key} if trusted else {})
    # Once more, a character at a time.
    expected, rest = "", text
    while rest:
        name = next((name for name in values if rest.startswith(f"%{name}%")), "")
        expected += values[name] if name else rest[0]
        rest = rest[len(name) + 2 if name else 1 :]
    assert word(text, label=label, trusted=trusted) == expected


def test_an_empty_value_drops_the_parameter_key_and_all() -> None:
    parameters = {
        "-label": constant("%JOBLABEL%", positional=False),
        "-vault": constant("%VNAME%", positional=False),
        "name": constant("%JOBLABEL%"),
        "-at": constant("%PUBLICADDR%", positional=False),
    }
    spec = read(definition(parameters, appdefversion=1))
    planned = plan(launch(spec, {}), site(vault=VaultMount("", "NONE")))
    assert planned.argv == ("/bin/go", "-at", "%PUBLICADDR%")
    # What is known only at the start keeps its place, so that the preview tells the number of words.
    assert bind(planned, JobValues("n", RANDOM, "p")).argv == ("/bin/go", "-at", "")


def test_what_people_type_is_never_filled_in() -> None:
    parameters = {
        "s": {"name": "", "description": "", "type": "STR", "value": "", "required": True, "positional": True},
        "v": {"name": "", "description": "", "type": "STR", "value": "", "required": True, "variable": True},
    }
    planned = plan(launch(read(definition(parameters)), dict.fromkeys(parameters, "%CORES%%APIKEY%")), site())
    bound = bind(planned, JOB)
    assert planned.argv[-1] == bound.argv[-1] == bound.variables[0].value == "%CORES%%APIKEY%"
    assert "v='%CORES%%APIKEY%'\n" in bound.files[0].text


def test_a_constant_of_jobenv_is_filled_in_and_never_expanded() -> None:
    spec = read(definition({"c": constant("%CORES% %JOBNAME% $(id)", variable=True)}))
    planned = plan(launch(spec, {}), site(machine=SIZE))
    assert planned.variables[0].value == "8 %JOBNAME% $(id)"
    assert planned.variables[0].authored
    assert bind(planned, JOB).files[0].text == f":\nc='8 {JOB.name} $(id)'\n"


def test_small_memory_is_one_gb() -> None:
    assert made("%RAM% %SRAM% %TRAM%", machine=MachineSize("n1", 1, 512), nodes=2).argv[-1] == "1 1 2"


def connect(planned: RunPlan) -> PlanConnect:
    assert planned.connect is not None
    return planned.connect


def test_the_link_is_filled_in_with_names_as_addresses_have_them() -> None:
    url = "https://%PUBLICADDR%:5902/%JOBLABEL%/tree?token=%RANDOM64%&cores=%CORES%&k=%APIKEY%"
    spec = read(definition(command={"url": url, "interactive": True}))
    planned = plan(launch(spec, {}, label='a/b "%JOBNAME%"'), site())
    label = "a%2Fb%20%22%25JOBNAME%25%22"
    assert connect(planned).path == f"/{label}/tree?token=%RANDOM64%&cores=2&k=%APIKEY%"
    assert planned.withheld == ("APIKEY",)
    assert connect(bind(planned, JOB)).path == f"/{label}/tree?token={RANDOM[:64]}&cores=2&k=%APIKEY%"


def test_without_a_link_of_its_own_a_command_has_the_images() -> None:
    template = "https://%PUBLICADDR%/vnc.html?password=%NIMBIXPASSWD%&user=%NIMBIXUSER%\n"
    planned = plan(launch(read(definition(command={"interactive": True})), {}), site(url_template=template))
    assert connect(bind(planned, JOB)) == PlanConnect("web", 443, "/vnc.html?password=pass-word&user=nimbix", "image")
    own = read(definition(command={"url": "http://%PUBLICADDR%:8080/"}))
    assert connect(plan(launch(own, {}), site(url_template=template))) == PlanConnect("web", 8080, "/", "url")
    silent = read(definition(command={"url": "http://%PUBLICADDR%/", "noconnect": True}))
    assert plan(launch(silent, {}), site(url_template=template)).connect is None
    assert plan(launch(read(definition()), {}), site(url_template=template)).connect is None


def findings(parameters: dict[str, Any], **over: Any) -> list[Finding]:
    return list(read_appdef(json.dumps(definition(parameters, **over))).findings)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("%CORE%", "%CORE% is no known substitution; it stays as it is. Did you mean %CORES%?"),
        ("--n=%ZZTOP9%", "%ZZTOP9% is no known substitution; it stays as it is."),
    ],
)
def test_an_unknown_name_stays_and_is_said(value: str, words: str) -> None:
    (finding,) = findings({"c": constant(value)})
    assert (finding.level, finding.code, finding.message) == ("warning", "unknown-substitution", words)
    assert finding.pointer == "/commands/go/parameters/c/value"
    assert word(value) == value


def test_an_unknown_name_in_a_link_is_said_and_signs_of_an_address_are_not() -> None:
    (finding,) = [f for f in findings({}, command={"url": "http://x/%E2%82%AC/%PUBLICADR%"}) if f.level == "warning"]
    assert (finding.code, finding.pointer) == ("unknown-substitution", "/commands/go/url")
    assert "Did you mean %PUBLICADDR%?" in finding.message


def test_names_for_trusted_apps_are_said_at_the_import() -> None:
    (finding,) = findings({"c": constant("%APIKEY% %APIURL%")})
    assert (finding.level, finding.code) == ("info", "trusted-substitution")
    assert "%APIKEY%, %APIURL% are filled in only where the app is certified" in finding.message
