"""Parameters that an author's schema describes: from what was sent to an instance that may be launched, or to faults."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Protocol

from apps_catalog.launch.document import bad_texts
from apps_catalog.launch.findings import Fault, Json
from apps_catalog.launch.json_schema.asking import Judge
from apps_catalog.launch.json_schema.kept import kept_schema

PLACE = "/parameters"
# A program is handed its parameters in one variable, and Linux takes 128 KiB for each.
MAX_JSON_BYTES = 120_000


class Sent(Protocol):
    """What of a submission is looked at here; spec.Submission."""

    @property
    def parameters(self) -> Mapping[str, Json]: ...

    @property
    def alternatives(self) -> Mapping[tuple[str, str], int]: ...


def judged_instance(
    root: Mapping[str, Json], submission: Sent, judge: Judge | None, faults: list[Fault]
) -> dict[str, Json]:
    """The parameters as they were sent; what is wrong with them is added to `faults`, with pointers below /parameters.

    The verdict is jsonschema's alone. Beside it stands only what no program could be given: a NUL, or too much.
    Raises ValueError without a judge.
    """
    if judge is None:
        raise ValueError("a command with an author's schema is validated with a judge only")
    given: Json = submission.parameters
    if not isinstance(given, Mapping):
        faults.append(Fault(PLACE, "type", "must be an object: parameter keys and their values"))
        return {}
    instance = dict(given)
    schema = kept_schema(root)
    if schema is None:
        faults.append(Fault(PLACE, "schema", "can't be judged: the schema of this version is not a good one any more"))
        return instance
    unfit = bad_texts(instance)
    faults += (Fault(PLACE + pointer, "text", reason[:1].lower() + reason[1:]) for pointer, reason in unfit)
    if unfit:
        return instance
    size = len(json.dumps(instance, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_JSON_BYTES:
        message = f"are {size:,} bytes together as JSON; a program can be given at most {MAX_JSON_BYTES:,}"
        faults.append(Fault(PLACE, "too-long", message))
        return instance
    if not root:  # no schema, or {}: there is nothing to judge, and no child to wait for
        return instance
    verdict = judge(schema, instance, chosen=submission.alternatives)
    if verdict.overtime:
        faults.append(Fault(PLACE, "overtime", verdict.overtime))
    faults += (Fault(PLACE + fault.pointer, fault.code, fault.message) for fault in verdict.faults)
    return instance
