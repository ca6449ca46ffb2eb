"""Every valid real definition gives the plan that it gave before; see goldens.py for keeping a change that is meant."""

from __future__ import annotations

import os

import pytest

from tests.apps_catalog.launch.corpus import APPDEFS, FILES
from tests.apps_catalog.launch.goldens import kept, plans


def test_every_real_definition_is_planned_as_before() -> None:
    if not FILES and not os.environ.get("CI"):
        pytest.skip(f"the collection of real definitions is not at {APPDEFS}")
    assert FILES, f"CI has the collection of real definitions at {APPDEFS}"
    before, now = kept(), plans()
    assert set(now) == set(before)
    assert [name for name in now if now[name] != before[name]] == []
