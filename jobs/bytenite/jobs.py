"""Jobs: drafted from a template, changed, run, aborted, deleted. All of it by the services that every door uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.db import transaction

from apps_catalog.launch.spec import Fault, Json
from jobs import services, upload_addresses, uploads
from jobs.bytenite import data_sources
from jobs.bytenite.answers import Act, Endpoint, ok
from jobs.bytenite.calls import Call, Caller, malformed, plain, snake
from jobs.bytenite.finding import find_job, stages_of
from jobs.bytenite.words import job_object, template_info
from jobs.fan_config import KEYS as CONFIG_KEYS
from jobs.models import Job, Upload
from jobs.services import ends, fan_out
from jobs.services.fan_out import FanOut, over_template, tags
from jobs.services.fan_out.asking import SECTIONS
from jobs.services.templates import find_template
from jobs.sources.files import ids_of
from jobs.states import JobState
from jobs.ten_steps import ten_steps
from portal.errors import Conflict, Invalid
from portal.people.models import User

VIA = "bytenite"
CONFIG = {snake(key): key for key in CONFIG_KEYS}
NUMBERS = frozenset({"taskTimeout", "jobTimeout", "maxTaskRetries", "max_failed_tasks"})


def shown(job: Job) -> dict[str, Any]:
    """`{"job": ..., "templateInfo": ...}`, as most calls answer."""
    stages = stages_of(job)
    found = job_object(job, stages, ten_steps(job, stages), upload_address=_upload_address(job))
    info = template_info(job.template) if job.template else found["templateInfo"]
    return {"job": found, "templateInfo": info}


@transaction.atomic  # what is refused leaves no upload behind
def create(call: Call, who: Caller) -> dict[str, Any]:
    """A draft of a template; with `jobId`, that draft of one's own is made anew."""
    template = find_template(who.user, call.text("template_id", required=True))
    given = _parts(call, who.user)
    versions: dict[str, Any] = {}
    faults: list[Fault] = []
    for section in SECTIONS.values():
        found = tags.find_version(who.user, getattr(template, section), section)
        if isinstance(found, Fault):
            faults.append(replace(found, pointer="/templateId", message=f"{section}: {found.message}"))
        else:
            versions[section] = found
    if faults:
        raise Invalid.of(faults)
    merged = over_template(
        template, **{name: given.get(name) for name in ("parameters", "source", "destination", "config")}
    )
    texts = {name: given[name] for name in ("name", "description") if name in given}
    asked = FanOut(template=template, **versions, **texts, **merged)
    _demand_good(asked, who.user, given)
    if call.text("job_id"):
        there = find_job(who.user, call.text("job_id"))
        parts = {name: getattr(asked, name) for name in asked.__dataclass_fields__}
        job = fan_out.change(job=there, actor=who.user, **parts)
    else:
        job = fan_out.draft(owner=who.user, asked=asked, via=VIA)
    return shown(find_job(who.user, str(job.number)))


def _demand_good(asked: FanOut, owner: User, given: Mapping[str, Any]) -> None:
    """Parameters and settings that were sent are judged at once; what is still to come is not missed."""
    sent = [f"/params/{section}" for section, values in (given.get("parameters") or {}).items() if values]
    sent += ["/config"] if given.get("config") else []
    faults = [fault for fault in fan_out.check(asked, owner=owner) if sent and fault.pointer.startswith(tuple(sent))]
    if faults:
        raise Invalid.of(faults)


def _parts(call: Call, owner: User) -> dict[str, Any]:
    """The parts of a FanOut that a body names."""
    parts: dict[str, Any] = {name: call.text(name) for name in ("name", "description") if name in call.fields}
    if "params" in call.fields:
        parts["parameters"] = sections_of(call.fields["params"])
    if "config" in call.fields:
        parts["config"] = config_of(plain(call.fields["config"], "config"))
    return parts | _ends(call, owner)


def _ends(call: Call, owner: User) -> dict[str, Json]:
    """Source and destination. A source `file` without a file gets an upload that is still to come."""
    parts: dict[str, Json] = {}
    if call.fields.get("data_source"):
        source = data_sources.ours(call.fields["data_source"], "dataSource")
        if isinstance(source, dict) and source.get("kind") == "file" and not source.get("uploads"):
            params = plain(plain(call.fields["data_source"], "dataSource").get("params"), "dataSource.params")
            name = params.get("name") if isinstance(params.get("name"), str) else ""
            source = {"kind": "file", "uploads": [str(uploads.begin(owner=owner, name=name or "data.bin").pk)]}
        parts["source"] = source
    if call.fields.get("data_destination"):
        parts["destination"] = data_sources.ours(call.fields["data_destination"], "dataDestination", destination=True)
    return parts


def sections_of(given: Any) -> dict[str, Json]:
    """`params`; a section that is null is empty. `preset` belongs to an encoder that is no more, and is ignored."""
    fields = plain(given, "params")
    fields.pop("preset", None)
    return {name: {} if values is None else values for name, values in fields.items()}


def config_of(given: Mapping[str, Any]) -> dict[str, Json]:
    """Settings by our names. Numbers come as numbers or as their digits: JSON of a protocol buffer writes 64 bits so."""
    made: dict[str, Json] = {}
    for key, value in given.items():
        name = CONFIG.get(key, key)
        digits = name in NUMBERS and isinstance(value, str) and value.isascii() and value.isdecimal()
        if value not in (None, ""):
            made[name] = int(value[:18]) if digits else value
    return made


def read(call: Call, who: Caller) -> dict[str, Any]:
    return shown(_named(call, who))


@transaction.atomic
def set_ends(call: Call, who: Caller) -> dict[str, Any]:
    _named(call, who)
    parts = _ends(call, who.user)
    if not parts:
        raise malformed("Send 'dataSource', 'dataDestination' or both.")
    return _changed(call, who, **parts)


def set_params(call: Call, who: Caller) -> dict[str, Any]:
    """`{"params": {...}}`, or the sections bare. What was sent is judged now; sections left out stay as they are."""
    job = _named(call, who)
    given = sections_of(call.fields.get("params", dict(call.fields)))
    unknown = sorted(set(given) - set(SECTIONS.values()))
    if unknown:
        raise malformed(f"'params.{unknown[0][:60]}' is none of partitioner, app and assembler.")
    kept = job.parameters if isinstance(job.parameters, Mapping) else {}
    return _changed(call, who, parameters={**kept, **given}, strict=True)


def set_name(call: Call, who: Caller) -> dict[str, Any]:
    _named(call, who)
    texts = {name: call.text(name) for name in ("name", "description") if name in call.fields}
    if not texts:
        raise malformed("Send 'name', 'description' or both.")
    return _changed(call, who, strict=True, **texts)


def set_config(call: Call, who: Caller) -> dict[str, Any]:
    job = _named(call, who)
    return _changed(call, who, config={**job.config, **_bare_config(call)}, strict=True)


def _bare_config(call: Call) -> dict[str, Json]:
    """`{"config": {...}}` or the keys bare."""
    return config_of(plain(call.fields["config"], "config") if "config" in call.fields else call.fields)


def upload_completed(call: Call, who: Caller) -> dict[str, Any]:
    """Says whether the file is all here. Raises Conflict where it is not."""
    job = _named(call, who)
    ids = ids_of(job.source)
    if not ids:
        raise Conflict(f"Job {job.number} has no file as its source. Set dataSource to 'file' first.", code="no_file")
    for upload in Upload.objects.filter(pk__in=ids, complete=False):
        said = f"{uploads.arrived(upload):,} bytes of '{upload.name}' have come, and its end has not."
        raise Conflict(f"{said} Send the file by PUT to dataSource.params.tempUrl first.", code="upload_missing")
    return shown(job)


def run(call: Call, who: Caller) -> dict[str, Any]:
    job = _named(call, who)
    made = fan_out.run(job=job, actor=who.user, config=_bare_config(call) or None, via=VIA)
    return {**ok(call.request, f"Job {made.number} is queued."), "jobId": str(made.number)}


def abort(call: Call, who: Caller) -> dict[str, Any]:
    """A job that never ran is deleted."""
    job = _named(call, who)
    if job.state == JobState.DRAFT:
        fan_out.delete_draft(job=job, actor=who.user)
        return ok(call.request, f"Job {job.number} never ran, and is deleted.")
    services.cancel(job=job, actor=who.user)
    return ok(call.request, f"Job {job.number} is being stopped.")


def delete(call: Call, who: Caller) -> dict[str, Any]:
    """A draft; or the files of a job that has ended, which this door shows no more."""
    job = _named(call, who)
    if job.state == JobState.DRAFT:
        fan_out.delete_draft(job=job, actor=who.user)
    else:
        services.discard(job=job, actor=who.user)
    return ok(call.request, f"Job {job.number} is deleted.")


def _changed(call: Call, who: Caller, **parts: Any) -> dict[str, Any]:
    job = _named(call, who)
    fan_out.change(job=job, actor=who.user, **parts)
    return shown(_named(call, who))


def _named(call: Call, who: Caller) -> Job:
    return find_job(who.user, call.named["job"])


def _upload_address(job: Job) -> str:
    """Where the file of a draft is still to be sent, "" where nothing is."""
    if job.state != JobState.DRAFT:
        return ""
    upload = Upload.objects.filter(pk__in=ids_of(job.source), complete=False).first()
    return upload_addresses.address_of(upload) if upload else ""


def test_source(call: Call, who: Caller) -> dict[str, Any]:
    """Whether a source can be read."""
    given = call.fields.get("data_source") or call.fields
    seen = ends.test_source(data_sources.ours(given, "dataSource"), who.user)
    if not seen.ok:
        raise Conflict(seen.message, code=seen.code)
    return {**ok(call.request, seen.message), "size": seen.size, "names": list(seen.names)}


def _two(path: str, early: str, name: str, methods: tuple[str, ...], answer: Any) -> tuple[Endpoint, Endpoint]:
    """An address as it is today and as early clients have it. They differ in their methods too, so that all are taken."""
    acts = {method: Act(answer, "launch") for method in methods}
    job = "(?P<job>[^/]+)"
    return Endpoint(f"jobs/{job}/{path}", name, acts), Endpoint(f"jobs/{early}/{job}", f"{name}-early", acts)


ENDPOINTS = (
    *_two("datasource", "datasource", "job-datasource", ("PATCH", "POST"), set_ends),
    *_two("params", "params", "job-params", ("PATCH", "POST"), set_params),
    *_two("jobname", "jobname", "job-name", ("PATCH", "POST"), set_name),
    *_two("configs?", "configs?", "job-config", ("PATCH", "POST"), set_config),
    *_two("uploadcompleted", "uploadcompleted", "job-uploadcompleted", ("PATCH", "POST"), upload_completed),
    *_two("run", "run", "job-run", ("POST",), run),
    *_two("abort", "abort", "job-abort", ("POST",), abort),
    Endpoint("datasource/test", "datasource-test", {"POST": Act(test_source, "launch")}),
    Endpoint("jobs/(?P<job>[^/]+)", "job", {"GET": Act(read), "DELETE": Act(delete, "launch")}),
)
