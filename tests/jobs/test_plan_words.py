"""What pages say about a run plan: marks on what is settled later, and nothing that is secret."""

from __future__ import annotations

from typing import Any

import pytest

from apps_catalog.launch.plan import plan as make_plan
from apps_catalog.launch.spec import Launch, MachineSize, RunPlan, Site, Submission, VaultMount
from apps_catalog.launch.validate import validate
from jobs import plan_words
from jobs.models import Job
from jobs.states import JobState
from portal.people.account_variables import set_variable
from portal.people.models import User
from tests.factories import DEFINITION, make_app, make_host, make_job, make_machine, make_version
from tests.jobs.gallery import GALLERY, parameter, spec_of
from tests.jobs.pages import client_of, page

WORDS: dict[str, Any] = {
    **GALLERY,
    "variables": {
        "LICENSE_SERVER": {
            "name": "Licences",
            "description": "",
            "userowned": False,
            "inherit": True,
            "required": False,
        }
    },
    "commands": {
        "run": {
            "path": "/bin/echo",
            "name": "Run",
            "description": "",
            "parameters": {
                "name": parameter("CONST", "Name", value="run-%JOBNAME%-on-%NODES%"),
                "host": parameter("CONST", "Host", value="$(hostname)"),
                "key": parameter("CONST", "Key", value="%APIKEY%"),
                "token": parameter("CONST", "Token", value="%RANDOM16%", variable=True),
                "typed": parameter("STR", "Typed", value="%JOBNAME% $(id)"),
            },
        }
    },
}
SITE = Site(
    image="image",
    machine=MachineSize("n1", cores=2, ram_mib=1024),
    vault=VaultMount("", "NONE"),
    uid=505,
    gid=505,
    account=frozenset({"LICENSE_SERVER"}),
)


def made(**site: Any) -> RunPlan:
    spec = spec_of(WORDS)
    launch = validate(spec, Submission("run", machine="n1"))
    assert isinstance(launch, Launch), launch
    return make_plan(launch, Site(**{**vars(SITE), **site}))


def late(pieces: tuple[plan_words.Piece, ...]) -> list[str]:
    return [piece.text for piece in pieces if piece.late]


def text(pieces: tuple[plan_words.Piece, ...]) -> str:
    return "".join(piece.text for piece in pieces)


def test_tokens_of_one_job_are_marked_in_the_words_of_the_author_alone() -> None:
    words = plan_words.words(made(trusted=True))
    assert [late(word.pieces) for word in words] == [[], ["%JOBNAME%"], [], ["%APIKEY%"], []]
    assert text(words[1].pieces) == "run-%JOBNAME%-on-1"
    assert text(words[4].pieces) == "'%JOBNAME% $(id)'"


def test_a_token_that_stays_as_it_is_carries_no_mark() -> None:
    assert late(plan_words.words(made(trusted=False))[3].pieces) == []


def test_a_word_for_the_shell_is_marked_and_a_typed_one_is_not() -> None:
    assert [word.expanded for word in plan_words.words(made())] == [False, False, True, False, False]


def test_jobenv_is_shown_line_by_line_without_what_an_operator_set() -> None:
    (jobenv,) = (file for file in plan_words.files(made()) if file.path.endswith("jobenv.sh"))
    lines = {line.name: line for line in jobenv.lines}
    assert late(lines["token"].pieces) == ["%RANDOM16%"]
    assert lines["LICENSE_SERVER"].account
    assert lines["LICENSE_SERVER"].pieces == ()


def test_a_late_file_says_when_it_is_written() -> None:
    files = {file.path: file for file in plan_words.files(made())}
    assert "when the job starts" in files["/etc/JARVICE/nodes"].note
    assert files["/etc/JARVICE/nodes"].text == ""


def test_only_marks_that_are_there_are_explained() -> None:
    whole = made()
    legend = plan_words.legend(plan_words.words(whole), ())
    assert (legend.late, legend.expanded) == (True, True)
    assert not plan_words.legend((), ())


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({}, "nimbix (505:505)"),
        ({"username": "lab", "uid": 1200, "gid": 1300}, "lab (1200:1300)"),
        ({"runs_as_root": True}, "root, as an operator allowed"),
    ],
)
def test_who_it_runs_as(over: dict[str, Any], said: str) -> None:
    assert plan_words.user_words(made(**over)) == said


def test_a_row_without_a_whole_plan_is_none() -> None:
    assert plan_words.plan_of({}) is None
    assert plan_words.plan_of({"argv": ["a"], "limits": 7, "env": {}}) is None
    assert plan_words.plan_of(made().as_json()) == made()


# On pages


def launched(owner: User, **command: Any) -> Job:
    make_machine("n1")
    make_host("one", serves={"n1": 1})
    definition = {**WORDS, "commands": {"run": {**WORDS["commands"]["run"], **command}}}
    make_version(make_app(slug="words"), definition=definition, label="1")
    answer = client_of(owner).post(
        "/apps/words/launch/",
        {"command": "run", "machine": "n1", "vault": "NONE", "go": "launch", "p:typed": "x", "token": "f" * 32},
    )
    assert answer.status_code == 303, answer.content.decode()[:2000]
    return Job.objects.get()


def test_the_job_page_and_its_inputs_show_marks_and_no_secret(owner: User) -> None:
    set_variable(name="LICENSE_SERVER", value="secret.example", user=owner)
    job = launched(owner)
    overview = page(client_of(owner), job.get_absolute_url())
    assert '<mark class="plan-late" title="Filled in when the job starts">%JOBNAME%</mark>' in overview
    assert "expanded by a shell in the container" in overview
    inputs = page(client_of(owner), f"{job.get_absolute_url()}inputs/")
    assert "LICENSE_SERVER=" in inputs
    assert "account variable, not shown" in inputs
    assert "secret.example" not in inputs + overview
    assert "/etc/JARVICE/jobinfo.sh" in inputs


def test_the_panel_explains_its_marks_and_profile(owner: User) -> None:
    make_machine("n1", price_per_hour=0)
    make_version(make_app(slug="words"), definition=WORDS, label="1", writable_root=True)
    data = {"command": "run", "machine": "n1", "vault": "NONE", "p:typed": "x"}
    text = client_of(owner).post("/apps/words/launch/preview/", data).content.decode()
    assert "filled in when the job starts" in text
    assert "nimbix (" in text
    assert "writable, as an operator allowed" in text
    assert "written when the job starts" in text


@pytest.mark.parametrize(
    ("command", "opens", "tail"),
    [
        ({}, "", False),
        ({"interactive": True}, "The app opens in your browser once the job runs and it answers.", False),
        ({"webshell": True}, "The terminal opens in your browser once the job runs and it answers.", False),
        ({"desktop": True}, "The desktop opens in your browser once the job runs and it answers.", False),
        ({"url": "http://%PUBLICADDR%/"}, "The app opens in your browser once the job runs and it answers.", False),
        ({"noconnect": True, "interactive": True}, "", True),
        ({"noconnect": True, "webshell": True}, "", True),
    ],
)
def test_what_opens_is_said_and_noconnect_tails(owner: User, command: dict[str, Any], opens: str, tail: bool) -> None:
    job = launched(owner, **command)
    text = page(client_of(owner), job.get_absolute_url())
    assert ('id="job-connection"' in text) == bool(opens)
    assert opens in text
    assert ("data-log-view" in text) == tail
    assert ("terminal-inset" in text) == ("webshell" in command and not tail)


def test_a_job_of_a_definition_that_is_not_read_any_more_is_shown(owner: User) -> None:
    version = make_version(definition=DEFINITION)
    job = make_job(owner, version=version, state=JobState.SUCCEEDED)
    type(version).objects.filter(pk=version.pk).update(definition="{", digest="0" * 64)
    assert "What is executed" in page(client_of(owner), job.get_absolute_url())
