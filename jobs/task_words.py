"""What pages call the states of tasks."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.states import FailureClass, TaskState

STATE_WORDS: Mapping[str, str] = {
    TaskState.HELD: "Held",
    TaskState.READY: "Waiting",
    TaskState.RUNNING: "Running",
    TaskState.SUCCEEDED: "Succeeded",
    TaskState.FAILED: "Failed",
    TaskState.CANCELLED: "Not run",
}

FAILURE_WORDS: Mapping[str, str] = {
    FailureClass.USER: "Failed",
    FailureClass.OOM: "Out of memory",
    FailureClass.TIMEOUT: "Out of time",
    FailureClass.CANCELLED: "Cancelled",
    FailureClass.INFRA: "Fault of ours",
}
