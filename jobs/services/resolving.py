"""What the installation answers for a submission: machine type, vault, uploads, files that must be there."""

from __future__ import annotations

import difflib
import uuid
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from django.conf import settings

from apps_catalog.launch.parameters import File, UnfitError
from apps_catalog.launch.parameters import Upload as UploadParameter
from apps_catalog.launch.spec import Command, Fault, LaunchSpec, MachineSize, Site, Submission, VaultMount
from apps_catalog.models import Version
from jobs import vaults
from jobs.identity import run_ids
from jobs.models import Host, MachineType, Upload, Vault
from jobs.placement import unfit
from jobs.services import storage
from portal.errors import PortalError
from portal.people.models import User


@dataclass(frozen=True)
class Resolved:
    """The rows a submission names, and the site its plan is made for. `vault` None is no storage."""

    machine: MachineType
    vault: Vault | None
    site: Site
    uploads: frozenset[str] = field(default_factory=frozenset)


def resolve(
    *, owner: User, version: Version, spec: LaunchSpec, submission: Submission
) -> tuple[Resolved | None, list[Fault]]:
    """The rows, or faults at /machine, /vault and the parameters that name files and uploads."""
    faults: list[Fault] = _texts(submission)
    if faults:
        return None, faults
    command = spec.commands.get(submission.command)
    machine = _machine(spec, command, submission.machine, faults)
    vault = storage.chosen(owner, spec, command, submission.vault, faults)
    if isinstance(submission.walltime_s, int) and submission.walltime_s > settings.WALLTIME_MAX_HOURS * 3600:
        said = f"must be at most {settings.WALLTIME_MAX_HOURS} hours ({settings.WALLTIME_MAX_HOURS * 3600} seconds)"
        faults.append(Fault("/walltime_s", "range", said))
    if submission.nodes != 1:
        faults.append(Fault("/nodes", "one_node", "Jobs run on one node here. Leave it at 1."))
    if command is not None and isinstance(submission.parameters, dict):
        _check_files(command, submission, vault, faults)
        _check_uploads(owner, command, submission, faults)
    if machine is None or faults:
        return None, faults
    uid, gid = run_ids()
    site = Site(
        image=version.image_pinned or version.image,
        machine=MachineSize(
            name=machine.name,
            cores=machine.cores,
            ram_mib=machine.ram_mib,
            gpus=machine.gpus,
            pids=machine.pids,
            disk_mib=machine.disk_mib,
            network="bridge" if machine.network == MachineType.Network.BRIDGE else "none",
        ),
        vault=_mount(vault, submission.vault_readonly),
        uid=uid,
        gid=gid,
        walltime_default_s=min(settings.WALLTIME_DEFAULT_HOURS, settings.WALLTIME_MAX_HOURS) * 3600,
        walltime_max_s=settings.WALLTIME_MAX_HOURS * 3600,
    )
    return Resolved(machine, vault, site), faults


def _mount(vault: Vault | None, readonly: bool) -> VaultMount:
    if vault is None:
        return VaultMount("", "NONE")
    return VaultMount(vault.name, vault.type, readonly)  # type: ignore[arg-type]  # the column's choices are its types


def _texts(submission: Submission) -> list[Fault]:
    """Clients send anything: what must be a text is checked before it is looked up."""
    words: dict[str, object] = {
        "/command": submission.command,
        "/machine": submission.machine,
        "/vault": submission.vault,
    }
    return [Fault(pointer, "type", "must be a text") for pointer, word in words.items() if not isinstance(word, str)]


def fitting_machines(spec: LaunchSpec, command: Command | None) -> list[MachineType]:
    """The enabled machine types that match the globs of the command (or of the app)."""
    globs = spec.machines_of(command) if command else spec.machines
    enabled = MachineType.objects.filter(enabled=True)
    return [m for m in enabled if not globs or any(fnmatchcase(m.name, glob) for glob in globs)]


def _served(machine: MachineType, hosts: list[Host]) -> bool:
    """Whether a job on it can start without an operator's doing."""
    return any(not unfit(machine, host) for host in hosts)


def _machine(spec: LaunchSpec, command: Command | None, name: str, faults: list[Fault]) -> MachineType | None:
    fitting = fitting_machines(spec, command)
    if not name:
        if fitting:
            hosts = list(Host.objects.alive())
            return min(fitting, key=lambda m: (not _served(m, hosts), m.price_per_hour, m.order, m.name))
        globs = ", ".join(spec.machines_of(command) if command else spec.machines)
        said = f"No machine type here matches {globs}. Ask an operator to add one."
        faults.append(Fault("/machine", "no_machine", said))
        return None
    machine = next((m for m in fitting if m.name == name), None)
    if machine is None and not MachineType.objects.filter(name=name, enabled=True).exists():
        near = difflib.get_close_matches(name, [m.name for m in fitting], n=1)
        advice = f"Did you mean {near[0]}?" if near else "Pick one from the list."
        faults.append(Fault("/machine", "unknown_machine", f"There is no machine type {name[:60]!r}. {advice}"))
    elif machine is None:
        names = ", ".join(m.name for m in fitting[:8]) or "none of this installation"
        faults.append(Fault("/machine", "machine_refused", f"This app does not run on {name}. It runs on: {names}."))
    return machine


def _pointer(key: str) -> str:
    return "/parameters/" + key.replace("~", "~0").replace("/", "~1")


def _check_files(command: Command, submission: Submission, vault: Vault | None, faults: list[Fault]) -> None:
    """Each file that is named must be in the vault now: told here, not minutes later by the program."""
    for key, parameter in command.parameters.items():
        value = submission.parameters.get(key)
        if not isinstance(parameter, File) or not isinstance(value, str) or not value.strip():
            continue
        if vault is None:
            said = "A file needs a vault to be in. Choose one under Storage."
            faults.append(Fault(_pointer(key), "no_vault", said))
            continue
        path = value.removeprefix("/data/")
        try:
            there = vaults.exists(vault, path)
        except PortalError as refused:
            faults.append(Fault(_pointer(key), refused.code, refused.message))
            continue
        if not there:
            said = f"There is no file {path[:200]!r} in the vault {vault.name}. Choose it from the list, or upload it first."
            faults.append(Fault(_pointer(key), "missing_file", said))


def _check_uploads(owner: User, command: Command, submission: Submission, faults: list[Fault]) -> None:
    for key, parameter in command.parameters.items():
        value = submission.parameters.get(key)
        if not isinstance(parameter, UploadParameter) or not isinstance(value, dict):
            continue
        upload = _upload(owner, value.get("upload"))
        if upload is None:
            said = "This upload is not there any more. Upload the file again."
            faults.append(Fault(_pointer(key), "unknown_upload", said))
            continue
        try:
            parameter.check_name(upload.name)
            parameter.check_size(upload.size)
        except UnfitError as unfit:
            faults.append(Fault(_pointer(key), unfit.code, unfit.message))


def _upload(owner: User, text: object) -> Upload | None:
    try:
        return Upload.objects.usable_by(owner).filter(pk=uuid.UUID(str(text))).first()
    except ValueError:
        return None
