"""Jobs in stages as they are asked for: every fault at its place, drafts that may be wrong, machine types by requirement."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps_catalog.models import App, Version
from jobs.models import Job, JobStage, JobTemplate, MachineType
from jobs.services import cancel, fan_out, pause, rerun
from jobs.services.fan_out import FanOut
from jobs.states import JobState, Stage
from portal.errors import Conflict, Forbidden, Invalid
from portal.people import sealing
from portal.people.models import Secret, User
from tests.factories import make_machine, make_version
from tests.jobs.bundles import asked, begin, make_bundle, partitioned

pytestmark = pytest.mark.django_db
SCHEMA = {"properties": {"size": {"type": "integer", "maximum": 9}}, "required": ["size"]}


@pytest.fixture(autouse=True)
def machines(db: None) -> None:
    make_machine("n1", ram_mib=1024)
    make_machine("n4", cores=4, ram_mib=8192, price_per_hour=1, order=1)


def faults(owner: User, **over: Any) -> dict[str, str]:
    return {fault.pointer: fault.message for fault in fan_out.check(asked(**over), owner=owner)}


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"parameters": 3}, "/params", "must be an object"),
    ({"parameters": {"app": []}}, "/params/app", "must be an object"),
    ({"parameters": {"application": {}}}, "/params/application", "is none of partitioner, app, assembler"),
    ({"assembler": None, "parameters": {"assembler": {"a": 1}}}, "/params/assembler", "this job has none"),
    (
        {"parameters": {"app": {"x": "y" * 130_000}}},
        "/params/app",
        "bytes together as JSON; a program can be given at most",
    ),
    ({"config": []}, "/config", "must be an object"),
    ({"config": {"taskTimout": 5}}, "/config/taskTimout", "Did you mean taskTimeout?"),
    ({"config": {"taskTimeout": 0}}, "/config/taskTimeout", "must be from 1 to 604800 (168 hours)"),
    ({"config": {"jobTimeout": 10**9}}, "/config/jobTimeout", "must be from 1 to 604800 (168 hours)"),
    ({"config": {"maxTaskRetries": 11}}, "/config/maxTaskRetries", "must be from 0 to 10"),
    ({"config": {"maxTaskRetries": True}}, "/config/maxTaskRetries", "must be a whole number"),
    ({"config": {"isTestJob": "yes"}}, "/config/isTestJob", "must be true or false"),
    ({"config": {"max_failed_tasks": -1}}, "/config/max_failed_tasks", "must be from 0 to 10000"),
    ({"machines": {"run": "n9"}}, "/machines/run", "There is no machine type 'n9'. There are: n1, n4."),
    ({"machines": {"walk": "n1"}}, "/machines/walk", "is none of partition, run, assemble"),
    ({"machines": {"run": 4}}, "/machines/run", "must be the name of a machine type"),
    ({"machines": "n1"}, "/machines", "must be an object"),
    ({"source": 1}, "/dataSource", "must be an object"),
    ({"source": {"kind": "moon"}}, "/dataSource/kind", "is not a kind of source"),
    ({"source": {"kind": "file", "uploads": ["x"]}}, "/dataSource/uploads/0", "Upload the file again."),
    ({"destination": {"kind": "moon"}}, "/dataDestination/kind", "is not a kind of destination"),
    ({"name": "x" * 201}, "/name", "must have at most 200 characters"),
    ({"description": "\0"}, "/description", "holds a NUL character"),
]


@pytest.mark.parametrize(("over", "pointer", "said"), BAD, ids=[f"{row[1]} {row[2][:20]}" for row in BAD])
def test_each_fault_is_told_at_its_place(owner: User, over: dict[str, Any], pointer: str, said: str) -> None:
    assert said in faults(owner, **over)[pointer]


def test_what_is_good_has_no_fault(owner: User) -> None:
    full = {"taskTimeout": 60, "jobTimeout": 600, "maxTaskRetries": 1, "isTestJob": False, "max_failed_tasks": 2}
    over = {"config": full, "parameters": {"app": {"a": 1}}, "machines": {"run": "n4", "partition": ""}, "name": "x"}
    assert faults(owner, **over) == {}


def test_all_faults_are_told_at_once(owner: User) -> None:
    found = faults(owner, config={"taskTimeout": 0}, name="\0", source=1, machines={"run": "n9"})
    assert set(found) == {"/config/taskTimeout", "/name", "/dataSource", "/machines/run"}


def test_parameters_are_judged_by_each_bundles_schema(owner: User) -> None:
    over = {"app": make_bundle(schema=SCHEMA), "partitioner": make_bundle("partitioner", schema=SCHEMA)}
    found = faults(owner, **over, parameters={"app": {"size": 12}, "partitioner": {}})
    assert found["/params/app/size"] == "must be at most 9"
    assert "/params/partitioner" in {pointer[:19] for pointer in found}
    assert faults(owner, **over, parameters={"app": {"size": 1}, "partitioner": {"size": 2}}) == {}


def test_bundles_are_in_their_place_and_visible_and_launchable(owner: User, stranger: User) -> None:
    assert "is not an app but a bundle for: assembler" in faults(owner, app=make_bundle("assembler"))["/app"]
    assert "but an AppDef" in faults(owner, app=make_version())["/app"]
    retired = make_bundle("assembler")
    Version.objects.filter(pk=retired.pk).update(state=Version.State.RETIRED)
    retired.refresh_from_db()
    assert "is retired" in faults(owner, assembler=retired)["/assembler"]
    hidden = make_bundle("partitioner")
    App.objects.filter(pk=hidden.app_id).update(visibility=App.Visibility.TEAMS)
    hidden.app.refresh_from_db()
    assert "not yours to see" in faults(owner, partitioner=hidden)["/partitioner"]
    App.objects.filter(pk=hidden.app_id).update(builtin=True)
    hidden.app.refresh_from_db()
    assert faults(owner, partitioner=hidden) == {}


def test_a_secret_that_nobody_has_is_told_before_the_launch(owner: User, teammate: User) -> None:
    app = make_bundle(secrets=["HUB"])
    assert "needs the secret 'HUB'" in faults(owner, app=app)["/app"]
    Secret.objects.create(
        team=owner.teams.get(), name="HUB", kind="value", sealed=sealing.seal(json.dumps({"value": "x"}))
    )
    assert faults(owner, app=app) == {}
    assert "may not set" in faults(owner, app=make_bundle(secrets=["LD_PRELOAD"]))["/app"]


def test_machine_types_are_matched_by_stage(owner: User) -> None:
    app = make_bundle(device_requirements={"min_cpu": 4, "min_memory": 8})
    job = fan_out.submit(owner=owner, asked=asked(app=app, assembler=None)).job
    names = {row.stage: row.machine_type.name for row in JobStage.objects.filter(job=job)}
    assert names == {"partition": "n1", "run": "n4", "assemble": "n1"}
    assert job.machine_type.name == "n4"
    partitioned(job, 1)
    assert job.tasks.get(stage=Stage.RUN).machine_type.name == "n4"


def test_requirements_that_nothing_meets_are_told_with_what_there_is(owner: User) -> None:
    app = make_bundle(name="resize", device_requirements={"min_cpu": 4, "min_memory": 16, "gpu": ["A100"]})
    said = faults(owner, app=app)["/machines/run"]
    assert said.startswith(
        "'resize' needs 4 vCPUs, 16 GiB and a GPU: A100. No machine type here has that: n1 has 1 vCPU"
    )
    assert "n1 has 1 vCPU" in faults(owner, app=app, machines={"run": "n1"})["/machines/run"]
    make_machine("g1", cores=8, ram_mib=32768, gpus=1, requires=["gpu=a100"])
    assert faults(owner, app=app) == {}


def test_a_draft_may_be_wrong_and_run_demands_that_it_is_not(owner: User) -> None:
    job = fan_out.draft(owner=owner, asked=asked(config={"taskTimeout": 0}, name="mine"))
    assert (job.state, job.in_stages, job.tasks.count(), job.label) == (JobState.DRAFT, True, 0, "mine")
    with pytest.raises(Invalid) as refused:
        fan_out.run(job=job, actor=owner)
    assert [fault.pointer for fault in refused.value.faults] == ["/config/taskTimeout"]
    fan_out.change(job=job, actor=owner, config={"taskTimeout": 5}, machines={"run": "n4"})
    ran = fan_out.run(job=job, actor=owner, config={"maxTaskRetries": 1})
    assert (ran.state, ran.config, ran.walltime_s) == ("queued", {"taskTimeout": 5, "maxTaskRetries": 1}, 5)
    assert JobStage.objects.get(job=job, stage=Stage.RUN).machine_type.name == "n4"
    with pytest.raises(Conflict, match="no draft any more"):
        fan_out.change(job=job, actor=owner, name="later")


def test_a_strict_change_refuses_what_is_wrong_with_what_it_changes(owner: User) -> None:
    app = make_bundle(schema=SCHEMA)
    job = fan_out.draft(owner=owner, asked=asked(app=app, config={"taskTimeout": 0}))
    with pytest.raises(Invalid) as refused:
        fan_out.change(job=job, actor=owner, strict=True, parameters={"app": {"size": 10}})
    assert [fault.pointer for fault in refused.value.faults] == ["/params/app/size"]
    changed = fan_out.change(job=job, actor=owner, strict=True, parameters={"app": {"size": 9}})
    assert changed.parameters == {"app": {"size": 9}}


@pytest.mark.parametrize(
    ("part", "value", "pointer"),
    [
        ("parameters", {"app": {"a": "x\0y"}}, "/params"),
        ("parameters", {"app": {"a": ["\ud800"]}}, "/params"),
        ("source", 3, "/dataSource"),
        ("config", {"x": "y" * 2_000_000}, "/config"),
        ("name", 4, "/name"),
        ("machines", {"run": "x" * 99}, "/machines/run"),
    ],
)
def test_what_can_not_be_kept_is_refused_in_a_draft_too(owner: User, part: str, value: Any, pointer: str) -> None:
    with pytest.raises(Invalid) as refused:
        fan_out.draft(owner=owner, asked=asked(**{part: value}))
    assert [fault.pointer for fault in refused.value.faults] == [pointer]
    assert not Job.objects.exists()


def test_others_may_not_touch_a_draft(owner: User, teammate: User) -> None:
    job = fan_out.draft(owner=owner, asked=asked())
    for act in (
        lambda: fan_out.change(job=job, actor=teammate, name="theirs"),
        lambda: fan_out.run(job=job, actor=teammate),
        lambda: fan_out.delete_draft(job=job, actor=teammate),
    ):
        with pytest.raises(Forbidden):
            act()


def test_a_draft_is_deleted_whole_and_a_job_is_not(owner: User) -> None:
    job = fan_out.draft(owner=owner, asked=asked())
    with pytest.raises(Conflict, match="Delete it instead"):
        cancel(job=job, actor=owner)
    fan_out.delete_draft(job=job, actor=owner)
    assert not Job.objects.exists()
    assert not JobStage.objects.exists()
    ran = fan_out.submit(owner=owner, asked=asked()).job
    with pytest.raises(Conflict):
        fan_out.delete_draft(job=ran, actor=owner)


def test_a_duplicate_asks_for_the_same_and_a_rerun_runs_it(owner: User) -> None:
    what = asked(config={"maxTaskRetries": 2}, parameters={"app": {"a": 1}}, name="first", machines={"run": "n4"})
    job = fan_out.submit(owner=owner, asked=what).job
    copy = fan_out.duplicate(job=job, actor=owner)
    assert copy.state == JobState.DRAFT
    machines = {"partition": "", "run": "n4", "assemble": ""}
    assert fan_out.fan_out_of(copy) == FanOut(**{**vars(what), "machines": machines})
    again = rerun(job=job, actor=owner)
    assert (again.state, again.retry_of_id, again.parameters) == ("queued", job.number, {"app": {"a": 1}})


def test_jobs_in_stages_are_not_paused(owner: User) -> None:
    job = fan_out.submit(owner=owner, asked=asked()).job
    begin(job)
    job.refresh_from_db()
    with pytest.raises(Conflict, match="can't be paused"):
        pause(job=job, actor=owner)


def test_without_a_machine_type_nothing_can_be_drafted(owner: User) -> None:
    MachineType.objects.all().delete()
    with pytest.raises(Conflict, match="no machine type"):
        fan_out.draft(owner=owner, asked=asked())


def test_what_is_given_goes_over_a_templates_defaults(owner: User) -> None:
    template = JobTemplate(
        parameters={"app": {"a": 1, "b": {"deep": 1}}, "assembler": {"x": 1}},
        source={"kind": "bypass"},
        config={"maxTaskRetries": 1, "taskTimeout": 5},
    )
    given = {"app": {"b": {"other": 2}}, "partitioner": {"n": 3}}
    assert fan_out.over_template(template, parameters=given, config={"taskTimeout": 9}) == {
        "parameters": {"app": {"a": 1, "b": {"other": 2}}, "assembler": {"x": 1}, "partitioner": {"n": 3}},
        "source": {"kind": "bypass"},
        "destination": {},
        "config": {"maxTaskRetries": 1, "taskTimeout": 9},
    }
    assert fan_out.over_template(template)["parameters"] == template.parameters
    assert fan_out.over_template(template, parameters={"app": 3}, config=[]) | {"source": 0} == {
        "parameters": {"app": 3, "assembler": {"x": 1}},
        "source": 0,
        "destination": {},
        "config": [],
    }
