"""Which vaults an app may be launched with, as one table."""

from __future__ import annotations

import pytest

from apps_catalog.launch.vault_types import EVERY, accepts, takes_storage

KINDS = ("FILE", "OBJECT", "BLOCK", "BLOCK_ARRAY")


@pytest.mark.parametrize(
    ("listed", "accepted", "without"),
    [
        (["FILE"], KINDS, False),
        (["OBJECT"], ("FILE", "OBJECT"), True),
        (["BLOCK"], ("FILE", "BLOCK", "BLOCK_ARRAY"), True),
        (["BLOCK_ARRAY"], ("FILE", "BLOCK", "BLOCK_ARRAY"), True),
        (["BLOCK", "OBJECT"], KINDS, True),
        (["NONE"], (), True),
        (["NONE", "OBJECT"], ("FILE", "OBJECT"), True),
        (["NONE", "FILE"], KINDS, True),
        ([], KINDS, True),
        (["SOMETHING"], (), True),
    ],
)
def test_what_an_app_lists_says_which_vaults_it_runs_with(
    listed: list[str], accepted: tuple[str, ...], without: bool
) -> None:
    assert tuple(kind for kind in KINDS if accepts(listed, kind)) == accepted
    assert accepts(listed, "NONE") is without
    assert takes_storage(listed) is (listed != ["NONE"])
    assert frozenset(KINDS) == EVERY
