"""The parameters of one stage, judged by the one validator, by the schema that its bundle brings."""

from __future__ import annotations

from collections.abc import Mapping

from apps_catalog.judging import judge
from apps_catalog.launch.bytenite import COMMAND
from apps_catalog.launch.spec import Fault, Json, LaunchSpec, Submission
from apps_catalog.launch.validate import validate

PLACE = "/parameters"
# A bundle runs on any type that has what it asks for, and that is judged beside: see requirements.
ANY_MACHINE = "any"


def values_of(
    spec: LaunchSpec, given: Json, pointer: str, alternatives: Mapping[tuple[str, str], int]
) -> Mapping[str, Json] | list[Fault]:
    """The parameters as the program is to find them, or faults below `pointer`. Without a schema any object will do."""
    found = validate(spec, Submission(COMMAND, given, ANY_MACHINE, alternatives=alternatives), judge)
    if isinstance(found, list):
        return [Fault(pointer + fault.pointer.removeprefix(PLACE), fault.code, fault.message) for fault in found]
    return found.values
