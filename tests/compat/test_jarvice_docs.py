"""The reference page says what the door serves: no endpoint is missing, and none is made up."""

from __future__ import annotations

import re

from django.conf import settings

from jobs.jarvice import catalog, entries, jobs
from jobs.jarvice.submitting import PRIORITIES
from jobs.jarvice.urls import ENDPOINTS

PAGE = (settings.BASE_DIR / "docs/reference/jarvice-api.md").read_text()


def test_every_endpoint_has_a_section_and_every_section_an_endpoint() -> None:
    told = re.findall(r"^### `(\w+)`$", PAGE, re.MULTILINE)
    assert sorted(told) == sorted(endpoint.name for endpoint in ENDPOINTS)


def test_statuses_and_figures_are_those_of_the_code() -> None:
    words = {entries.SUBMITTED, entries.HELD, entries.RUNNING, entries.COMPLETED, entries.FAILED, entries.CANCELED}
    told = set(re.findall(r"^\| ([A-Z ]+) \|", PAGE, re.MULTILINE))
    assert told == words | {entries.TERMINATED, "EXEMPT"}
    assert f"The newest {jobs.LISTED_MAX:,}" in PAGE
    assert f"at most {catalog.VALIDATED_A_MINUTE} a\nminute" in PAGE
    assert PRIORITIES == {"normal": 0, "high": 50, "highest": 100}
    assert "`normal`, `high` (50) or `highest` (100)" in PAGE


def test_what_is_not_served_is_not_an_endpoint() -> None:
    listed = PAGE.partition("## Not served")[2]
    assert {endpoint.name for endpoint in ENDPOINTS}.isdisjoint(re.findall(r"`(\w+)`", listed))
