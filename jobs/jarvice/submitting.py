"""`submit` and `batch`: a JARVICE submission becomes one of ours, and goes the way of every other door."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from apps_catalog.launch.spec import Json, LaunchSpec, Submission
from apps_catalog.launch.walltime import parse_walltime
from apps_catalog.models import Version
from apps_catalog.services import spec_of
from jobs import services
from jobs.jarvice.answers import Endpoint
from jobs.jarvice.calls import Call, malformed, text_of
from jobs.jarvice.names import find_app, find_machine
from jobs.jarvice.storage import EPHEMERAL
from jobs.models import Vault
from jobs.services.batches import COMMAND, SCRIPT, batch_version
from portal.errors import NotFound
from portal.people.models import User

PRIORITIES = {"normal": 0, "high": 50, "highest": 100}
NODES_MAX = 100_000
SCRIPT_MAX_BYTES = 2**20


def submit(call: Call, user: User) -> dict[str, Any]:
    """An app by any of its names, with `application`, `machine` and `vault`."""
    name = call.text("app").strip()
    if not name:
        raise malformed("Required parameter missing: app.")
    if call.fields.get("hpc"):
        raise malformed("'hpc' is not read here. Send the script to /jarvice/batch, with the image to run it in.")
    app = find_app(user, name)
    if app is None or app.default_version is None:
        raise NotFound(f"Application not found: '{name[:80]}'.")
    version = app.default_version
    version.app = app
    application = part(call, "application")
    given = application.get("parameters")
    command = _command(spec_of(version), text_of(application.get("command"), "application.command").strip())
    return _submit(call, user, version, command, {} if given is None else given)


def batch(call: Call, user: User) -> dict[str, Any]:
    """A script in any image of an allowed registry: `container` in place of `app` and `application`."""
    container = part(call, "container")
    image = text_of(container.get("image"), "container.image").strip()
    script = text_of(container.get("jobscript"), "container.jobscript")
    if not image or not script.strip():
        raise malformed("Required parameter missing: container.image and container.jobscript.")
    if text_of(container.get("pullsecret"), "container.pullsecret").strip():
        raise malformed(
            "'pullsecret' is not served: leave it out. The image of a script is pulled without a login; a bundle brings one."
        )
    plain = plain_script(script)
    if len(plain) > SCRIPT_MAX_BYTES:
        raise malformed(f"'container.jobscript' is longer than {SCRIPT_MAX_BYTES // 2**20} MiB.")
    parameters = {SCRIPT: base64.b64encode(plain).decode()}
    return _submit(call, user, batch_version(image), COMMAND, parameters)


def _submit(call: Call, user: User, version: Version, command: str, parameters: Json) -> dict[str, Any]:
    machine, vault = part(call, "machine"), part(call, "vault")
    submission = Submission(
        command=command,
        parameters=parameters,
        machine=_machine(call, machine),
        nodes=_nodes(machine.get("nodes")),
        vault=_vault(user, text_of(vault.get("name"), "vault.name").strip()),
        vault_readonly=_flag(vault.get("readonly"), "vault.readonly"),
        label=call.text("job_label"),
        walltime_s=_walltime_s(part(call, "application").get("walltime")),
        identity=part(call, "identity") or None,
    )
    job = services.submit(
        owner=user,
        version=version,
        submission=submission,
        priority=_priority(call),
        project=call.text("job_project").strip(),
        via="JARVICE API",
    ).job
    return {"name": job.name, "number": job.number}


def part(call: Call, name: str) -> dict[str, Any]:
    """An object of the submission; an empty one where it was left out."""
    value = call.fields.get(name)
    if value is None or value == "":
        return {}
    if not isinstance(value, dict):
        raise malformed(f"'{name}' must be a JSON object.")
    return value


def _command(spec: LaunchSpec, given: str) -> str:
    """The key of a command, given by key or by name; the only one, where none is given."""
    if not given and len(spec.commands) == 1:
        return next(iter(spec.commands))
    if given in spec.commands:
        return given
    named = [key for key, command in spec.commands.items() if command.name.casefold() == given.casefold()]
    return named[0] if len(named) == 1 else given


def _machine(call: Call, machine: dict[str, Any]) -> str:
    """The name of a machine type, also where one of its aliases was sent; a queue is the machine type of its name."""
    given = text_of(machine.get("type"), "machine.type").strip() or call.text("queue").strip()
    found = find_machine(given) if given else None
    return found.name if found else text_of(machine.get("type"), "machine.type").strip()


def _nodes(given: Any) -> int:
    text = text_of(given, "machine.nodes").strip() or "1"
    if not (text.isascii() and text.isdigit() and len(text) < 10 and 1 <= int(text) <= NODES_MAX):
        raise malformed(f"'machine.nodes' must be a whole number from 1 on, and is '{text[:40]}'.")
    return int(text)


def _vault(user: User, name: str) -> str:
    if name == EPHEMERAL and not Vault.objects.visible_to(user).filter(name=name).exists():
        return str(Vault.Type.NONE)
    return name


def _flag(given: Any, name: str) -> bool:
    text = text_of(given, name).strip().lower()
    if text not in ("", "true", "false"):
        raise malformed(f"'{name}' must be true or false.")
    return text == "true"


def _walltime_s(given: Any) -> int | None:
    """HH:MM:SS or seconds. None, for the app's limit or the installation's, where there is none or a zero."""
    text = text_of(given, "application.walltime").strip()
    if not text.strip("0:"):
        return None
    found = parse_walltime(text)
    if found is None:
        raise malformed(f"'application.walltime' must be HH:MM:SS or seconds, at most a year, and is '{text[:40]}'.")
    return found


def _priority(call: Call) -> int:
    given = call.text("job_priority").strip().lower() or "normal"
    if given not in PRIORITIES:
        raise malformed(f"'job_priority' must be one of {', '.join(PRIORITIES)}, and is '{given[:40]}'.")
    return PRIORITIES[given]


def plain_script(text: str) -> bytes:
    """The script, also where it came as base64: that is what stands for readable text when it is decoded."""
    compact = "".join(text.split())
    try:
        decoded = base64.b64decode(compact, validate=True)
        words = decoded.decode("utf-8")
    except (binascii.Error, ValueError):
        return text.encode()
    readable = all(sign.isprintable() or sign in "\n\r\t\f" for sign in words)
    return decoded if readable and words.strip() else text.encode()


ENDPOINTS = (Endpoint("submit", submit, changes=True), Endpoint("batch", batch, changes=True))
