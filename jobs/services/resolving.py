"""What the installation answers for a submission: machine type, vault, uploads, files that must be there."""

from __future__ import annotations

import difflib
import uuid
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from apps_catalog.launch.account import missing_variables
from apps_catalog.launch.conditions import present_parameters
from apps_catalog.launch.connecting import connect_faults
from apps_catalog.launch.identity import identity_of
from apps_catalog.launch.machines import fits
from apps_catalog.launch.parameters import File, UnfitError
from apps_catalog.launch.parameters import Upload as UploadParameter
from apps_catalog.launch.spec import Command, Fault, LaunchSpec, MachineSize, Site, Submission, VaultMount
from apps_catalog.models import Version
from jobs import vaults
from jobs.job_values import inherited
from jobs.models import Host, MachineType, Upload, Vault
from jobs.placement import unfit
from jobs.services import storage
from jobs.services.identities import Persona, persona
from portal.errors import PortalError
from portal.people import account_variables
from portal.people.models import User


@dataclass(frozen=True)
class Resolved:
    """The rows a submission names, and the site its plan is made for. `vault` None is no storage."""

    machine: MachineType
    vault: Vault | None
    site: Site
    uploads: frozenset[str] = field(default_factory=frozenset)


def resolve(
    *, owner: User, version: Version, spec: LaunchSpec, submission: Submission, dry_run: bool = False
) -> tuple[Resolved | MachineType | None, list[Fault]]:
    """The rows, or faults at /machine, /nodes, /vault, /identity, /variables and the parameters that name files.

    In a dry run files need not be in the vault. With faults, the machine type alone where it is none of theirs: the rest of the judgement goes by its names.
    """
    faults: list[Fault] = _texts(submission)
    if spec.kind == "bytenite" and spec.entrypoint:
        said = f"'{spec.name}' is a ByteNite app, which runs in stages. Launch it from its page, or from a template."
        faults.append(Fault("/app", "in_stages", said))
    if faults:
        return None, faults
    command = spec.commands.get(submission.command)
    machine = _machine(spec, command, submission.machine, faults)
    vault = storage.chosen(owner, spec, command, submission.vault, faults)
    if isinstance(submission.walltime_s, int) and submission.walltime_s > settings.WALLTIME_MAX_HOURS * 3600:
        said = f"must be at most {settings.WALLTIME_MAX_HOURS} hours ({settings.WALLTIME_MAX_HOURS * 3600} seconds)"
        faults.append(Fault("/walltime_s", "range", said))
    _check_nodes(machine, version, submission, faults)
    if command is not None:
        faults += connect_faults(command, version.url_template)
        _check_public(machine, spec, command, faults)
    if command is not None and isinstance(submission.parameters, dict):
        if not dry_run:
            _check_files(command, submission, vault, faults)
        _check_uploads(owner, command, submission, faults)
    account = _account(owner, spec, command, faults)
    who = _who(version, spec, submission, vault, faults)
    if machine is None or who is None or faults:
        return machine, faults
    site = Site(
        image=version.image_pinned or version.image,
        machine=size_of(machine, version),
        vault=_mount(vault, submission.vault_readonly),
        uid=who.uid,
        gid=who.gid,
        user=owner.username,
        username=who.username,
        group=who.group,
        api_url=f"{settings.PUBLIC_URL}/api/",
        trusted=version.certified or version.app.created_by_id == owner.pk,
        account=account,
        runs_as_root=version.runs_as_root,
        writable_root=version.writable_root,
        url_template=version.url_template,
        walltime_default_s=min(settings.WALLTIME_DEFAULT_HOURS, settings.WALLTIME_MAX_HOURS) * 3600,
        walltime_max_s=settings.WALLTIME_MAX_HOURS * 3600,
    )
    return Resolved(machine, vault, site), faults


def size_of(machine: MachineType, version: Version) -> MachineSize:
    """A machine type as a plan for this version sees it, with the way out that either of them grants."""
    outgoing = version.outgoing_network or machine.network == MachineType.Network.OUTGOING
    return MachineSize(
        name=machine.name,
        cores=machine.cores,
        ram_mib=machine.ram_mib,
        gpus=machine.gpus,
        pids=machine.pids,
        disk_mib=machine.disk_mib,
        network="outgoing" if outgoing else "none",
        slave_ram_mib=machine.slave_ram_mib,
        slave_gpus=machine.slave_gpus,
    )


def _check_nodes(machine: MachineType | None, version: Version, submission: Submission, faults: list[Fault]) -> None:
    """The machine type's own limit; the app's is judged with the rest of the definition."""
    nodes: object = submission.nodes
    if version.runs_as_root and isinstance(nodes, int) and nodes > 1:
        said = (
            "An app that is granted to run as root runs on one node: its nodes could not reach one another. Take one."
        )
        faults.append(Fault("/nodes", "root_on_nodes", said))
        return
    if machine is None or not isinstance(nodes, int) or nodes <= machine.nodes_max:
        return
    most = "one node" if machine.nodes_max == 1 else f"{machine.nodes_max} nodes"
    said = f"A job on {machine.name} may have {most} at most. Take fewer, or another machine type."
    faults.append(Fault("/nodes", "nodes_max", said))


def _check_public(machine: MachineType | None, spec: LaunchSpec, command: Command, faults: list[Fault]) -> None:
    """A public address is a grant to the machine type."""
    if machine is None or not command.publicip or machine.public_ports:
        return
    others = [m.name for m in fitting_machines(spec, command) if m.public_ports]
    advice = f"Pick {' or '.join(others[:4])}, which do." if others else "Ask an operator for a machine type that does."
    said = f"This app asks for a public address, and jobs on {machine.name} get none. {advice}"
    faults.append(Fault("/machine", "no_public_address", said))


def _account(owner: User, spec: LaunchSpec, command: Command | None, faults: list[Fault]) -> frozenset[str]:
    """The account variables of the command that have a value for this person."""
    if command is None:
        return frozenset()
    declared = spec.variables_of(command)
    names = account_variables.names_for(owner, declared, inherited=inherited(declared))
    faults += missing_variables(spec, command, names)
    return names


def _who(
    version: Version, spec: LaunchSpec, submission: Submission, vault: Vault | None, faults: list[Fault]
) -> Persona | None:
    identity = identity_of(spec, submission.identity)
    if isinstance(identity, list):
        faults += identity
        return None
    who, wrong = persona(identity, version=version, vault=vault, vault_readonly=submission.vault_readonly)
    faults += wrong
    return who


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


def names_of(machine: MachineType) -> tuple[str, ...]:
    """What definitions and clients may call it."""
    return (machine.name, *machine.aliases)


def fitting_machines(spec: LaunchSpec, command: Command | None) -> list[MachineType]:
    """The enabled machine types whose name or an alias matches the globs of the command (or of the app)."""
    return _fitting(spec, command, list(MachineType.objects.filter(enabled=True)))


def _fitting(spec: LaunchSpec, command: Command | None, machines: list[MachineType]) -> list[MachineType]:
    globs = spec.machines_of(command) if command else spec.machines
    return [m for m in machines if not globs or fits(globs, names_of(m))]


def _served(machine: MachineType, hosts: list[Host]) -> bool:
    """Whether a job on it can start without an operator's doing."""
    return any(not unfit(machine, host) for host in hosts)


def _machine(spec: LaunchSpec, command: Command | None, name: str, faults: list[Fault]) -> MachineType | None:
    """The machine type of this name, else the first with this alias; "" is the best of those that fit."""
    enabled = list(MachineType.objects.filter(enabled=True))
    fitting = _fitting(spec, command, enabled)
    if not name:
        if fitting:
            hosts = list(Host.objects.alive())
            public = command is not None and command.publicip

            def rank(m: MachineType) -> tuple[Any, ...]:
                return public and not m.public_ports, not _served(m, hosts), m.price_per_hour, m.order, m.name

            return min(fitting, key=rank)
        globs = ", ".join(spec.machines_of(command) if command else spec.machines)
        said = f"No machine type here matches {globs}. Ask an operator to add one."
        faults.append(Fault("/machine", "no_machine", said))
        return None
    called = [m for m in enabled if m.name == name] or [m for m in enabled if name in m.aliases]
    found = called[0] if called else None
    if found is None:
        near = difflib.get_close_matches(name, [each for m in fitting for each in names_of(m)], n=1)
        advice = f"Did you mean {near[0]}?" if near else "Pick one from the list."
        faults.append(Fault("/machine", "unknown_machine", f"There is no machine type {name[:60]!r}. {advice}"))
    elif found not in fitting:
        names = ", ".join(m.name for m in fitting[:8]) or "none of this installation"
        faults.append(Fault("/machine", "machine_refused", f"This app does not run on {name}. It runs on: {names}."))
        return None
    return found


def _pointer(key: str) -> str:
    return "/parameters/" + key.replace("~", "~0").replace("/", "~1")


def _check_files(command: Command, submission: Submission, vault: Vault | None, faults: list[Fault]) -> None:
    """Each file that is named must be in the vault now: told here, not minutes later by the program."""
    for key, parameter in present_parameters(command, submission.parameters).items():
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
    for key, parameter in present_parameters(command, submission.parameters).items():
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
