"""Shell expansion of CONST (appdefversion 2 and up): the author's words alone, in sh, dash and bash."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.binding import bind
from apps_catalog.launch.plan import plan
from apps_catalog.launch.spec import RunPlan
from tests.apps_catalog.launch.corpus import APPDEFS, needs_corpus
from tests.apps_catalog.launch.generate import definition, launch, read, site
from tests.apps_catalog.launch.started import JOB, SHELLS, words

GENERIC = {"name": "", "description": "", "required": False, "positional": True}
NASTY = 'it\'s $(id) `id` ${HOME} "q" \\ \n * %JOBNAME% '


def const(value: str, **over: Any) -> dict[str, Any]:
    return {**GENERIC, "type": "CONST", "value": value, **over}


def text(value: str = "", **over: Any) -> dict[str, Any]:
    return {**GENERIC, "type": "STR", "value": value, **over}


def planned(parameters: dict[str, Any], values: dict[str, Any] | None = None, label: str = "", **over: Any) -> RunPlan:
    account = frozenset(over.pop("account", ()))
    spec = read(definition(parameters, **over))
    return plan(launch(spec, values or {}, label=label), site(account=account))


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("$(echo a  b)", "a b"),
        ("Hello ! I am $(echo host).", "Hello ! I am host."),
        ("`echo x`y", "xy"),
        ("\"$(echo 'a  b')\" 'q' \"", '"a  b" \'q\' "'),
        ("$(printf 'a\\n\\nb\\n\\n')", "a\n\nb"),
        ("$(echo a)\n\n", "a\n\n"),
        ("  $(echo a)  ", "  a  "),
        ("$(echo '*') * ~ ?", "* * ~ ?"),
        ("a) $(echo b) (c", "a) b (c"),
        ("\\$(echo a) \\`b\\` \\\\", "$(echo a) `b` \\"),
        ("$(echo a)\\", "a\\"),
        ("$(echo a)\\n\\x\\'\\\"", "a\\n\\x\\'\\\""),
        ("$(echo a)\\\\", "a\\"),
        ("$((6 * 7))", "42"),
        ("${unknown:-fallback}", "fallback"),
        ("$", "$"),
        ("5$ and $ 6", "5$ and $ 6"),
        ("$(echo '#')#", "##"),
        ("é $(printf 'ü 🚢')", "é ü 🚢"),
        ("$(true)", ""),
        ("%CORES%-$(echo %CORES%) %JOBNAME%", f"2-2 {JOB.name}"),
        ("$(echo '%JOBNAME%' \"%RANDOM16%\")", f"{JOB.name} {'r' * 16}"),
        ("%APIKEY% $(echo %APIKEY%)", "%APIKEY% %APIKEY%"),
    ],
)
def test_an_authors_word_is_expanded_and_stays_one_word(value: str, expected: str, shell: str, tmp_path: Path) -> None:
    made = planned({"c": const(value)})
    assert made.argv[-1] == value.replace("%CORES%", "2")
    assert made.expanded == made.authored == (1,)
    assert words(bind(made, JOB), shell, tmp_path) == ["/bin/go", expected]


@pytest.mark.parametrize("shell", SHELLS)
def test_what_people_type_is_never_expanded(shell: str, tmp_path: Path) -> None:
    parameters = {
        "c": const("$(echo yes)"),
        "-s": text(positional=False),
        "pick": {**GENERIC, "type": "selection", "values": ["x"], "mvalues": ["$(id)"]},
        "file": {**GENERIC, "type": "FILE"},
        **{f"t{n}": text() for n in range(12)},
    }
    values = {"-s": NASTY, "pick": "x", "file": "a $(id) 'b", **{f"t{n}": f"{n}{NASTY}" for n in range(12)}}
    made = planned(parameters, values)
    bound = bind(made, JOB)
    script = next(file.text for file in bound.files if file.path.endswith("start.sh"))
    assert "$(id)" not in script
    typed = [f"{n}{NASTY}" for n in range(12)]
    assert words(bound, shell, tmp_path) == ["/bin/go", "-s", NASTY, "yes", "$(id)", "/data/a $(id) 'b", *typed]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("label", [NASTY, "$(rm)", "`x`", "a b", "'", '"', "%JOBNAME%", "a\nb", "*", "plain-1.2"])
def test_a_label_in_an_expanded_word_says_nothing_to_the_shell(label: str, shell: str, tmp_path: Path) -> None:
    made = planned({"c": const('$(echo a) %JOBLABEL% "%JOBLABEL%"')}, label=label)
    kept = label.strip()
    assert made.argv[-1] == (
        '$(echo a) plain-1.2 "plain-1.2"' if kept == "plain-1.2" else '$(echo a) %JOBLABEL% "%JOBLABEL%"'
    )
    assert words(bind(made, JOB), shell, tmp_path) == ["/bin/go", f'a {kept} "{kept}"']


@pytest.mark.parametrize("shell", SHELLS)
def test_a_variable_of_the_command_is_meant_by_its_name_in_brackets(shell: str, tmp_path: Path) -> None:
    parameters = {
        "c": const("$(color) ${color} $( color ) \\$(color) $(hidden)|$(LICENCE)|$(echo $(color))."),
        "color": text(variable=True, required=True),
        "on": {**GENERIC, "type": "BOOL", "value": False},
        "hidden": text("x", variable=True, **{"if": ["on"]}),
    }
    over: dict[str, Any] = {"variables": {"LICENCE": {"name": "L"}}, "account": ["LICENCE"]}
    made = planned(parameters, {"color": "it's $(id)  red"}, **over)
    assert made.names == ("LICENCE", "color", "hidden")
    job = JOB.__class__(**{**JOB.__dict__, "account": {"LICENCE": "1055@host"}})
    env = {"color": "of the image", "hidden": "of the image"}
    assert words(bind(made, job), shell, tmp_path, env) == [
        "/bin/go",
        "it's $(id)  red it's $(id)  red it's $(id)  red $(color) |1055@host|it's $(id) red.",
    ]


def test_commands_are_run_where_the_name_is_no_variable(tmp_path: Path) -> None:
    made = planned({"c": const("$(color)"), "color": text("red")})
    assert made.names == ()
    bound = bind(made, JOB)
    with pytest.raises(AssertionError):  # the shell says that there is no program of that name
        words(bound, "sh", tmp_path)


def test_the_environment_of_the_program_is_as_it_was(tmp_path: Path) -> None:
    parameters = {"c": const("$(echo a) %JOBLABEL%"), "color": text("red", variable=True)}
    bound = bind(planned(parameters, label="a b"), JOB)
    for file in bound.files:
        written = file.text.replace("/etc/JARVICE", str(tmp_path)).replace('exec "$@"', "exec env")
        (tmp_path / Path(file.path).name).write_text(written)
    env = {"PATH": "/usr/bin:/bin", "color": "of the image"}
    argv = ["sh", str(tmp_path / "start.sh"), *bound.argv[2:]]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=env)
    found = dict(line.split("=", 1) for line in done.stdout.splitlines())
    assert {name: value for name, value in found.items() if name not in ("PWD", "_", "SHLVL", "OLDPWD")} == env


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("value", ["${a!!}", "$(echo", "$(echo ')"])
def test_a_word_that_no_shell_can_read_stops_the_job_with_a_message(value: str, shell: str, tmp_path: Path) -> None:
    bound = bind(planned({"c": const(value)}), JOB)
    for file in bound.files:
        (tmp_path / Path(file.path).name).write_text(file.text.replace("/etc/JARVICE", str(tmp_path)))
    done = subprocess.run([shell, str(tmp_path / "start.sh"), "echo", ""], capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert done.stdout == ""
    assert done.stderr


@pytest.mark.parametrize(("version", "expanded"), [(None, False), (0, False), (1, False), (2, True), (3, True)])
def test_below_version_2_a_dollar_is_a_dollar(version: int | None, expanded: bool) -> None:
    parameters = {"c": const("$(hostname)")}
    made = planned(parameters, appdefversion=version)
    assert bool(made.expanded) == expanded
    assert any(file.path.endswith("start.sh") for file in made.files) == expanded
    assert (bind(made, JOB).argv == ("/bin/go", "$(hostname)")) == (not expanded)
    found = read_appdef(json.dumps(definition(parameters, appdefversion=version))).findings
    assert ("shell-literal" in {finding.code for finding in found}) == (not expanded)


def test_a_value_of_jobenv_is_not_expanded_and_the_import_says_so() -> None:
    parameters = {"v": const("$(hostname)", variable=True)}
    assert planned(parameters).expanded == ()
    (finding,) = [f for f in read_appdef(json.dumps(definition(parameters))).findings if f.code == "shell-literal"]
    assert (finding.level, finding.pointer) == ("info", "/commands/go/parameters/v/value")


@needs_corpus
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("command", "values", "said"),
    [
        ("Shell_expansion", {"color": "deep $(id) blue"}, "And I like deep $(id) blue color."),
        ("Shell_expansion_with_conditions", {"color1": "red"}, "And I like red color."),
        ("Shell_expansion_with_conditions", {"color_select": False, "color2": "black"}, "And I like black color."),
    ],
)
def test_the_published_example_says_what_it_promises(
    command: str, values: dict[str, Any], said: str, shell: str, tmp_path: Path
) -> None:
    spec = read_appdef((APPDEFS / "nimbix__app-mega.json").read_bytes()).spec
    assert spec is not None
    made = plan(launch(spec, values, command, machine="n3"), site())
    found = words(bind(made, JOB), shell, tmp_path)
    host = subprocess.run(["hostname"], capture_output=True, text=True, check=True).stdout.strip()
    flag = ["color_select"] if command.endswith("conditions") and values.get("color_select", True) else []
    assert found == ["/bin/echo", f"Hello ! I am {host}.", said, *flag]
