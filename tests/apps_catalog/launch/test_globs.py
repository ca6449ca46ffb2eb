"""Whether one shell pattern is inside others, against fnmatch over all short names."""

from __future__ import annotations

import itertools
from fnmatch import fnmatchcase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apps_catalog.launch.globs import covered
from tests.watchdog import ends

NAMES = ["".join(name) for size in range(5) for name in itertools.product("ab1", repeat=size)]


@pytest.mark.parametrize(
    ("glob", "by", "expected"),
    [
        ("n3", ["n*"], True),
        ("n[0-9]", ["n[0-9]*"], True),
        ("ng*", ["n*"], True),
        ("n[1-3]", ["n1", "n2", "n3"], True),
        ("n[1-4]", ["n1", "n2", "n3"], False),
        ("*", ["n*"], False),
        ("n*", ["ng*", "n[0-9]*"], False),
        ("n?", ["n[!a]"], False),
        ("ng*", ["ng*[3-9]"], False),
        ("ng2[3-9]", ["ng*[3-9]"], True),
        ("[", ["[", "n"], True),
        ("n[^a]", ["n[!a]"], True),
        ("anything", ["*"], True),
    ],
)
def test_a_narrower_pattern_is_known_as_such(glob: str, by: list[str], expected: bool) -> None:
    assert covered(glob, by) is expected


PATTERNS = st.text(alphabet="ab1*?[]!-", max_size=5)


@settings(max_examples=300, deadline=None)
@given(PATTERNS, st.lists(PATTERNS, min_size=1, max_size=3))
def test_what_is_covered_takes_no_name_that_the_others_refuse(glob: str, by: list[str]) -> None:
    if covered(glob, by):
        for name in NAMES:
            assert not fnmatchcase(name, glob) or any(fnmatchcase(name, one) for one in by), name


def test_a_hostile_pattern_is_answered() -> None:
    with ends():
        assert not covered("*a" * 99, ["*b" * 99 + "*", "*a*b" * 40])
