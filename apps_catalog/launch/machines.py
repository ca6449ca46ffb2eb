"""Which machine types, vault types and how many nodes an author allows; app and command say it alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase

from apps_catalog.launch.reading import Section, closest
from apps_catalog.launch.spec import LaunchSpec

VAULT_TYPES = ("NONE", "FILE", "OBJECT", "BLOCK", "BLOCK_ARRAY")


def fits(globs: Iterable[str], names: Collection[str]) -> bool:
    """Whether one of the shell globs (`n3`, `ng*[3-9]`, `n[!0-1]`) takes one of the names of a machine type.

    `names` are its own name and its aliases. Globs stay lazy: they are never expanded into the machine types of today.
    """
    return any(fnmatchcase(name, glob.replace("[^", "[!")) for glob in globs for name in names)


def unmatched_globs(spec: LaunchSpec, names: Collection[str]) -> tuple[str, ...]:
    """The globs, of the app and of its commands, that take none of the `names` (of all machine types, aliases too)."""
    used = (spec.machines_of(command) for command in spec.commands.values())
    globs = dict.fromkeys(glob for one in used for glob in one)
    return tuple(glob for glob in globs if not fits((glob,), names))


def read_vault_types(section: Section) -> tuple[str, ...]:
    written = section.texts("vault-types") or ()
    found: list[str] = []
    for one in written:
        kind = one.strip().upper().replace("-", "_")
        if kind in VAULT_TYPES:
            found.append(kind)
            continue
        near = closest(kind, VAULT_TYPES)
        hint = f" Did you mean {near}?" if near else ""
        message = f"The vault type {one!r} is unknown and is ignored.{hint}"
        section.notes.warn("unknown-vault-type", message, section.at("vault-types"))
    if not found and section.has("vault-types"):
        message = "No vault type is left; every type is allowed."
        section.notes.warn("no-vault-types", message, section.at("vault-types"))
    return tuple(dict.fromkeys(found)) or VAULT_TYPES


def read_machines(section: Section) -> tuple[str, ...] | None:
    """The globs of machine types, or None where there are none."""
    written = section.texts("machines")
    globs = tuple(dict.fromkeys(one.strip() for one in written or () if one.strip() and len(one) <= 200))
    if written is not None and len(globs) < len(set(written)):
        message = "Empty or overlong names in 'machines' are ignored."
        section.notes.warn("empty-machine", message, section.at("machines"))
    if written is not None and not globs:
        section.notes.warn(
            "no-machines", "'machines' names none; every machine type is allowed.", section.at("machines")
        )
    return globs or None


def read_scale(section: Section) -> int | None:
    scale = section.integer("scale_max")
    if scale is not None and scale < 1:
        message = f"'scale_max' is {scale}; it should be at least 1 and is ignored."
        section.notes.warn("ignored-value", message, section.at("scale_max"))
        return None
    return scale
