from __future__ import annotations
import base64, os
import pytest
from pathlib import Path
from jobs.models import Job, JobStage, Task
from jobs.services import fan_out
from jobs.states import FailureClass, Stage
from jobs.models import LogChunk, Attempt
from tests.browser.conftest import Visit, overflow_px, serious_faults
from tests.factories import make_host, make_machine, make_result, make_template
from tests.jobs.bundles import begin, done, make_bundle, partitioned, submit, asked
from tests.jobs.stage_jobs import job_of

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
OUT = Path(os.environ.get("SHOTS", "/tmp/fanpages/shots"))
SCHEMA = {
    "type": "object",
    "title": "Fractal",
    "properties": {
        "width": {
            "type": "integer",
            "minimum": 16,
            "maximum": 4000,
            "default": 800,
            "title": "Width",
            "description": "In pixels.",
        },
        "zoom": {"type": "number", "minimum": 0.1, "maximum": 10, "multipleOf": 0.1, "default": 1, "title": "Zoom"},
        "palette": {
            "enum": ["fire", "ice", "a very long name of a palette that nobody would ever use in earnest"],
            "default": "fire",
            "title": "Palette",
        },
        "points": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"x": {"type": "number"}, "y": {"type": "number"}},
                "required": ["x", "y"],
            },
            "title": "Points",
        },
        "mode": {"type": "string", "enum": ["a", "b"]},
    },
    "required": ["width"],
    "if": {"properties": {"mode": {"const": "b"}}, "required": ["mode"]},
    "then": {"properties": {"depth": {"type": "integer", "title": "Depth"}}, "required": ["depth"]},
}


def world(owner):
    from tests.factories import make_team

    make_machine("n1", cores=2, ram_mib=4096, price_per_hour="0.1000")
    make_machine("n4", cores=4, ram_mib=16384, price_per_hour="0.4000", order=2)
    make_host("one", serves={"n1": 2})
    a = make_bundle("app", name="fractal", schema=SCHEMA)
    a.app.name = "Fractal explorer with a long name"
    a.app.summary = "Renders tiles of a fractal."
    a.app.save()
    p = make_bundle(
        "partitioner",
        name="tiles",
        schema={
            "properties": {"rows": {"type": "integer", "minimum": 1, "maximum": 64, "default": 4}},
            "required": ["rows"],
        },
    )
    s = make_bundle("assembler", name="stitch")
    big = make_bundle("app", name="huge", device_requirements={"min_cpu": 64, "min_memory": 512, "gpu": ["A100"]})
    make_team(owner, name="Crew")
    return a, p, s, big


def shots(visit, owner, name, path, act=None, widths=(390, 820, 1440)):
    OUT.mkdir(parents=True, exist_ok=True)
    for width in widths:
        for dark in (False, True) if width != 820 else (False,):
            page = visit(owner, path, width=width, dark=dark)
            if act:
                act(page)
            page.screenshot(path=str(OUT / f"{name}-{width}{'-dark' if dark else ''}.png"), full_page=True)
            over = overflow_px(page)
            bad = serious_faults(page)
            print("SHOT", name, width, dark, "overflow", over, bad)


def test_launch(owner, visit: Visit):
    world(owner)
    shots(visit, owner, "launch", "/apps/fractal/launch/?partitioner=tiles&assembler=stitch")


def test_launch_errors(owner, visit: Visit):
    world(owner)

    def act(page):
        page.fill("#fapp\\/width", "3")
        page.fill("#config-taskTimeout", "soon")
        page.fill("#fpartitioner\\/rows", "900")
        page.click("#launch")
        page.wait_for_load_state("networkidle")

    shots(
        visit,
        owner,
        "launch-errors",
        "/apps/fractal/launch/?partitioner=tiles&assembler=stitch",
        act,
        widths=(390, 1440),
    )


def test_launch_huge(owner, visit: Visit):
    world(owner)
    shots(visit, owner, "launch-huge", "/apps/huge/launch/", widths=(390, 1440))
    shots(visit, owner, "templates-empty", "/templates/", widths=(390,))


def test_templates(owner, visit: Visit):
    world(owner)
    make_template(
        owner,
        slug="fractal-usual",
        name="Fractal as usual",
        description="What most want. " * 12,
        app="fractal",
        partitioner="tiles@1",
        assembler="stitch",
        parameters={"app": {"width": 800, "palette": "fire", "points": [{"x": 1, "y": 2}]}, "partitioner": {"rows": 4}},
        config={"taskTimeout": 60},
        source={"kind": "bypass"},
    )
    make_template(owner, slug="x" * 64, app="gone")
    shots(visit, owner, "templates", "/templates/")
    shots(visit, owner, "template", "/templates/fractal-usual/")
    shots(visit, owner, "template-edit", "/templates/fractal-usual/edit/", widths=(390, 1440))
    shots(visit, owner, "template-json", "/templates/json/", widths=(390,))


def test_big(owner, visit: Visit):
    a, p, s, big = world(owner)
    job = job_of(
        owner,
        10000,
        app=a,
        partitioner=p,
        assembler=s,
        parameters={"app": {"width": 5}, "partitioner": {"rows": 3}},
        name="A very long label for a job that has ten thousand tasks and a name that does not end",
    )
    shots(visit, owner, "big", f"/jobs/{job.number}/")
    shots(visit, owner, "big-tasks", f"/jobs/{job.number}/tasks/")
    shots(visit, owner, "big-inputs", f"/jobs/{job.number}/inputs/", widths=(390, 1440))
    shots(visit, owner, "jobs", "/jobs/", widths=(390, 1440))
    shots(visit, owner, "task-failed", f"/jobs/{job.number}/tasks/run/90/", widths=(390, 1440))


def test_ended(owner, visit: Visit):
    a, p, s, big = world(owner)
    PIXEL = Path("/work/wt/fanpages/docs").glob("**/*.png")
    job = submit(
        owner, app=a, partitioner=p, assembler=s, parameters={"app": {"width": 50}, "partitioner": {"rows": 3}}
    )
    partitioned(job, 4)
    att = begin(job)
    LogChunk.objects.create(
        attempt=att,
        sequence=0,
        offset=0,
        data=b"INIT[1]: x\n"
        + b"#" * 79
        + b"\nhello\n2026 WARNING low\nTraceback (most recent call last)\nValueError: no\nDEBUG x=1\n",
        stamp="",
        repeats=0,
    )
    Attempt.objects.filter(pk=att.pk).update(log_bytes=100)
    done(att)
    for _ in range(3):
        done(begin(job))
    at = begin(job)
    done(at)
    job.refresh_from_db()
    task = Task.objects.get(job=job, stage=Stage.ASSEMBLE)
    png = (Path("/tmp/fanpages/pic.png")).read_bytes()
    make_result(job, path="fractal.png", data=png, task=task, media_type="image/png")
    shots(visit, owner, "ended", f"/jobs/{job.number}/", widths=(390, 1440))
    shots(visit, owner, "log", f"/jobs/{job.number}/log/", widths=(390, 1440))
    shots(visit, owner, "task", f"/jobs/{job.number}/tasks/run/0/", widths=(390, 1440))
    job2 = submit(
        owner, app=a, partitioner=p, assembler=s, parameters={"app": {"width": 50}, "partitioner": {"rows": 3}}
    )
    partitioned(job2, 4)
    done(begin(job2))
    done(begin(job2), "The program ended with exit code 3.", failure=FailureClass.USER, exit_code=3)
    shots(visit, owner, "failed", f"/jobs/{job2.number}/", widths=(390, 1440))
    d = fan_out.draft(owner=owner, asked=asked(app=a, partitioner=p, assembler=s))
    shots(visit, owner, "draft", f"/jobs/{d.number}/", widths=(390, 1440))
    shots(visit, owner, "draft-tasks", f"/jobs/{d.number}/tasks/", widths=(390,))
