"""The faults of a submission to a one-command definition."""

from __future__ import annotations

from typing import Any

from apps_catalog.launch.spec import Fault, LaunchSpec, Submission
from apps_catalog.launch.validate import validate


def judged(spec: LaunchSpec, values: Any, **over: Any) -> list[Fault]:
    result = validate(spec, Submission(**{"command": "go", "parameters": values, "machine": "n1", **over}))
    assert isinstance(result, list), result
    return result
