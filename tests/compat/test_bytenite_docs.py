"""The reference page says what the door for ByteNite clients serves: no call is missing, and none is made up."""

from __future__ import annotations

import re

from django.conf import settings

from jobs.bytenite import auth, dev
from jobs.bytenite.data_sources import KINDS, STORES
from jobs.bytenite.urls import COMPUTING
from jobs.ten_steps import TenStep

PAGE = (settings.BASE_DIR / "docs/reference/bytenite-api.md").read_text()
PARTS = {"/v1/auth": auth.ENDPOINTS, "/v1/customer": COMPUTING, "/v1/dev": dev.ENDPOINTS}


def plain(path: str) -> str:
    """The path of an endpoint as the page writes it: what is named in braces."""
    named = re.sub(r"\(\?P<(\w+)>\[\^/\]\+\)", lambda found: "{" + found[1] + "}", path)
    named = named.replace("{job}", "{id}").replace("{key}", "{id}").replace("{kind}", "{type}")
    return named.replace("{name}", "{id}").replace("configs?", "configs").replace("running_?[Tt]asks", "runningTasks")


def test_every_call_is_told_and_every_call_told_is_served() -> None:
    for part, endpoints in PARTS.items():
        section = PAGE.partition(f"`{part}`\n")[2].partition("\n## ")[0]
        told = set(re.findall(r"`([A-Z]+) ([^` ]+)`", section))
        served = {(method, plain(one.path)) for one in endpoints for method in one.acts if "-early" not in one.name}
        assert told <= served, told - served
        # PATCH and POST, or POST and PUT, are one: the page names the first of them.
        assert {path for _, path in served} == {path for _, path in told}


def test_states_and_descriptors_are_those_of_the_code() -> None:
    told = re.findall(r"^\| JOB_STATE_(\w+) \|", PAGE, re.MULTILINE)
    assert told == [*TenStep, "FAILED"]
    descriptors = set(re.findall(r"`(\w+)`", PAGE.partition("| descriptor |")[2].partition("##")[0]))
    assert descriptors >= STORES
    assert {"bypass", "url", "file", "bucket", "vault", *(KINDS.keys() & {"http", "local"})} <= descriptors
