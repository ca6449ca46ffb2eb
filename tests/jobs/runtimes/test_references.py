"""Which registry a reference means, by the cases of the distribution project's grammar."""

from __future__ import annotations

import pytest

from jobs.runtimes import references
from jobs.runtimes.base import RuntimeFault

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag", "digest"),
    [
        ("python", "docker.io", "library/python", "latest", ""),
        ("python:3.11", "docker.io", "library/python", "3.11", ""),
        ("docker.io/python", "docker.io", "library/python", "latest", ""),
        ("index.docker.io/library/python", "docker.io", "library/python", "latest", ""),
        ("jarvice/app-x:1", "docker.io", "jarvice/app-x", "1", ""),
        ("us-docker.pkg.dev/a/b/c:d", "us-docker.pkg.dev", "a/b/c", "d", ""),
        ("localhost/a", "localhost", "a", "latest", ""),
        ("localhost:5000/a/b:c", "localhost:5000", "a/b", "c", ""),
        ("host:5000/a", "host:5000", "a", "latest", ""),
        ("[::1]:5000/a", "[::1]:5000", "a", "latest", ""),
        ("GCR.io/a", "gcr.io", "a", "latest", ""),
        (f"python@{DIGEST}", "docker.io", "library/python", "", DIGEST),
        (f"gcr.io/a/b:1@{DIGEST}", "gcr.io", "a/b", "1", DIGEST),
        ("a__b/c-d.e", "docker.io", "a__b/c-d.e", "latest", ""),
    ],
)
def test_a_reference_is_read_as_the_engine_reads_it(
    text: str, registry: str, repository: str, tag: str, digest: str
) -> None:
    assert references.parse(text) == references.Reference(registry, repository, tag, digest)


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            " ",
            "/",
            "a/",
            "/a",
            "a//b",
            "a:",
            ":a",
            "a b",
            "a\n",
            "Python",
            "Upper/case",
            "a:b:c",
            "-a",
            "a-",
            "a___b",
        ),
        *("a@b", "a@sha256:12", f"a@{DIGEST}0", "a@md5:" + "0" * 32, "http://a/b", "-x.io/a", "a..io/b", "host:port/a"),
        *("a:" + "t" * 129, "a/" * 130 + "a", "docker.io/a?b", "evil.io\\@docker.io/a", "docker.io@evil.io/a", "ü/a"),
    ],
)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        references.parse(text)
    with pytest.raises(RuntimeFault) as caught:
        references.parse_or_refuse(text)
    assert (caught.value.code, caught.value.retry) == ("image_denied", False)


def test_only_allowed_registries_pass() -> None:
    hub, other = references.parse("python"), references.parse("docker.io.evil.example/python")
    references.require_allowed(hub, "python", ("docker.io",))
    references.require_allowed(hub, "python", ("INDEX.docker.io",))
    for reference, allowed in ((other, ("docker.io",)), (hub, ()), (hub, ("gcr.io",))):
        with pytest.raises(RuntimeFault, match="not allowed here"):
            references.require_allowed(reference, "x", allowed)


def test_an_image_id_is_no_name() -> None:
    assert references.is_image_id(DIGEST)
    assert not references.is_image_id("sha256:12")
    assert not references.is_image_id(f"a@{DIGEST}")
