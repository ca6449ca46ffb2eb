"""Account variables: `variables` of an app or a command, whose values operators set on people and teams."""

from __future__ import annotations

from collections.abc import Collection

from apps_catalog.launch.environment import name_fault
from apps_catalog.launch.positions import join
from apps_catalog.launch.reading import Section, shortened
from apps_catalog.launch.spec import AccountVariable, Command, Fault, LaunchSpec

VARIABLE_KEYS = frozenset({"name", "description", "userowned", "inherit", "required"})
MAX_VARIABLES = 500


def read_variables(section: Section) -> dict[str, AccountVariable]:
    """The account variables of an app or a command by name; those that no job may set are left out, with a warning."""
    raw = section.mapping("variables") or {}
    notes = section.notes
    if len(raw) > MAX_VARIABLES:
        message = f"'variables' names {len(raw)} variables; at most {MAX_VARIABLES} are read."
        notes.error("too-many", message, section.at("variables"))
        return {}
    found: dict[str, AccountVariable] = {}
    for key, one in raw.items():
        where = section.at("variables", key)
        if not isinstance(one, dict):
            message = f"The variable {shortened(key)!r} should be an object with a name and a description."
            notes.warn("ignored-value", f"{message} Only its name is taken.", where)
            one = {}
        own = Section(one, where, notes, VARIABLE_KEYS)
        if one:
            own.demand("name", "description", "userowned", "inherit")
        fault = name_fault(key)
        if fault:
            message = f"The variable {shortened(key)!r} {fault}; it will not be in jobenv.sh. Give it another name."
            notes.warn("variable-name", message, where)
            continue
        if own.flag("userowned"):
            message = "'userowned' is kept; values are set by operators alone, as the specification says."
            notes.info("no-effect", message, own.at("userowned"))
        found[key] = AccountVariable(
            key=key,
            name=own.prose("name"),
            description=own.prose("description"),
            userowned=own.flag("userowned"),
            inherit=own.flag("inherit"),
            required=own.flag("required"),
        )
    return found


def missing_variables(spec: LaunchSpec, command: Command, account: Collection[str]) -> list[Fault]:
    """A fault for each account variable that the author requires and that has no value among `account`."""
    return [
        Fault(
            join("/variables", one.key),
            "missing_variable",
            f"This app needs the account variable {one.key} ({one.label}), which is not set for you. "
            "Ask an operator to set it.",
        )
        for one in spec.variables_of(command).values()
        if one.required and one.key not in account
    ]
