"""An image is pinned by what its registry calls it, and a failed pull says what would help."""

from __future__ import annotations

import pytest

from jobs.runtimes import references
from jobs.runtimes.docker_images import image_info, pull_fault

ID, ONE, TWO = ("sha256:" + digit * 64 for digit in "012")


@pytest.mark.parametrize(
    ("reference", "digests", "pinned"),
    [
        ("slipway-python:bookworm", [], ID),
        ("python:3", [f"python@{ONE}"], f"python@{ONE}"),
        ("docker.io/library/python:3", [f"python@{ONE}"], f"python@{ONE}"),
        ("gcr.io/a/b", [f"python@{TWO}", f"gcr.io/a/b@{ONE}"], f"gcr.io/a/b@{ONE}"),
        ("mine:1", [f"python@{TWO}"], ID),
        (f"python@{TWO}", [f"python@{ONE}", f"python@{TWO}"], f"python@{TWO}"),
        (f"python@{ONE}", [f"python@{ONE}", f"python@{TWO}"], f"python@{ONE}"),
        ("mine:1", ["<none>@<none>"], ID),
        (ID, [f"python@{ONE}"], ID),
    ],
)
def test_the_pin_is_the_registrys_digest_or_else_the_id(reference: str, digests: list[str], pinned: str) -> None:
    parsed = None if references.is_image_id(reference) else references.parse(reference)
    found = {"Id": ID, "RepoDigests": digests, "Size": 5, "Architecture": "arm64"}
    info = image_info(reference, parsed, found)
    assert (info.pinned, info.reference, info.size_bytes, info.architecture) == (pinned, reference, 5, "arm64")


@pytest.mark.parametrize(
    ("problem", "code", "retry"),
    [
        ("manifest for python:nope not found: manifest unknown: manifest unknown", "image_missing", False),
        ("pull access denied for a/b, repository does not exist or may require 'docker login'", "image_denied", False),
        ("unauthorized: authentication required", "image_denied", False),
        ("no matching manifest for linux/arm64 in the manifest list entries", "image_missing", False),
        ("dial tcp: lookup registry-1.docker.io: no such host", "image_missing", True),
        ("dial tcp 1.2.3.4:443: i/o timeout", "image_missing", True),
        ("unexpected EOF", "image_missing", True),
        ("toomanyrequests: You have reached your pull rate limit", "image_missing", True),
        ("write /var/lib/docker/tmp/x: no space left on device", "disk_full", True),
    ],
)
def test_a_failed_pull_says_whether_another_try_can_help(problem: str, code: str, retry: bool) -> None:
    fault = pull_fault("a/b:1", problem)
    assert (fault.code, fault.retry) == (code, retry)
    assert "'a/b:1'" in str(fault)
