"""From a run plan to what one job starts: the values that only that job has are filled in, by its worker, at its start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from apps_catalog.launch.spec import RunPlan


@dataclass(frozen=True)
class JobValues:
    """What one job alone has. The same job always has the same values, whichever process starts or adopts it.

    `random128` are 128 letters and digits; %RANDOM16% to %RANDOM128% are its beginnings. `hosts` are the names of its
    nodes, the master first. `api_key` is "" where the plan asks for none. `account` are the values of account
    variables. `image_passwd` and `image_group` are those files of the image, "" where it has none.
    """

    name: str
    random128: str
    password: str
    hosts: tuple[str, ...] = ("localhost",)
    private_ip: str = "127.0.0.1"
    public_ip: str = ""
    api_key: str = ""
    account: Mapping[str, str] = field(default_factory=dict)
    image_passwd: str = ""
    image_group: str = ""


def bind(plan: RunPlan, job: JobValues) -> RunPlan:
    """The plan with this job's values in its words, environment and files."""
    return plan
