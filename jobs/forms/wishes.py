"""What an app's hints wish for in the form."""

from __future__ import annotations

from apps_catalog.launch.spec import Command, LaunchSpec


def hints_of(spec: LaunchSpec, command: Command) -> tuple[str, ...]:
    return spec.hints if command.hints is None else command.hints


def scale_unit(spec: LaunchSpec, command: Command) -> str:
    return "nodes" if "SCALE_NODES" in hints_of(spec, command) else "cores"


def wished_vault(spec: LaunchSpec, command: Command) -> str:
    return next((h.removeprefix("VAULT:") for h in hints_of(spec, command) if h.startswith("VAULT:")), "")
