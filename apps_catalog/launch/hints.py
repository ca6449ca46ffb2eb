"""The author's `hints`: what the form should suggest first. An app's hints count where the command has none of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from apps_catalog.launch.reading import Section, closest, shortened
from apps_catalog.launch.spec import Command, LaunchSpec

SCALES: dict[str, Literal["cores", "nodes"]] = {"SCALE_CORES": "cores", "SCALE_NODES": "nodes"}
VAULT = "VAULT:"
# As the reference writes them; the last one goes on with the name of a vault.
KNOWN_HINTS = (*SCALES, VAULT)


@dataclass(frozen=True)
class Wishes:
    """What a form does first: the unit of its scale slider, and the vault to choose where the person has it."""

    scale_unit: Literal["cores", "nodes"] = "cores"
    vault: str | None = None


def wishes(spec: LaunchSpec, command: Command) -> Wishes:
    """What the hints of a command ask for; of several of one kind the last one counts."""
    unit: Literal["cores", "nodes"] = "cores"
    vault: str | None = None
    for hint in spec.hints if command.hints is None else command.hints:
        word = hint.strip()
        unit = SCALES.get(word.upper(), unit)
        if word.upper().startswith(VAULT):
            vault = word[len(VAULT) :].strip() or vault
    return Wishes(unit, vault)


def read_hints(section: Section) -> tuple[str, ...] | None:
    """The hints as written, or None where there are none; unknown ones are kept, with a remark."""
    written = section.texts("hints")
    for hint in (written or ())[:40]:
        word = hint.strip().upper()
        if word in SCALES or (word.startswith(VAULT) and word != VAULT):
            continue
        near = "VAULT:name" if word == VAULT.rstrip(":") or word == VAULT else closest(word, SCALES, 0.75)
        advice = f" Did you mean {near}?" if near else ""
        message = f"The hint {shortened(hint)!r} is unknown here; it is kept and has no effect.{advice}"
        section.notes.info("unknown-hint", message, section.at("hints"))
    return written
