"""Identity: the author's goes before a client's, and nobody is root, however it is spelt."""

from __future__ import annotations

import json
from typing import Any

import pytest

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.identity import identity_of
from apps_catalog.launch.spec import Fault, Identity
from tests.apps_catalog.launch.generate import definition, read

ROOTS = [
    0,
    "0",
    "00",
    "+0",
    "-0",
    " 0 ",
    0.0,
    -0.0,
    "0:0",
    "0x0",
    "0X00",
    "0.0",
    "0:",
    "0b0",
    "0o0",
    "0e5",
    "root",
    "ROOT",
]
NO_NUMBERS = [-1, "me", False, True, 2**31, 2**32, 1.5, "1.5", "1000:0", [0], {}, "٠", "1_0", "0x10", "1" * 5000]


def faults(raw: Any, **over: Any) -> list[Fault]:
    found = identity_of(read(definition(**over)), raw)
    assert isinstance(found, list), found
    return found


@pytest.mark.parametrize("key", ["uid", "gid"])
@pytest.mark.parametrize("written", ROOTS)
def test_root_is_refused_from_authors_and_clients(key: str, written: Any) -> None:
    identity = {"username": "me", key: written}
    (finding,) = read_appdef(json.dumps(definition(identity=identity))).findings
    assert (finding.level, finding.code, finding.pointer) == ("error", "identity-root", f"/identity/{key}")
    (fault,) = faults(identity)
    assert (fault.pointer, fault.code) == (f"/identity/{key}", "identity-root")
    assert "programs never run as root" in fault.message


@pytest.mark.parametrize("key", ["uid", "gid"])
@pytest.mark.parametrize("written", NO_NUMBERS)
def test_what_is_no_id_is_refused(key: str, written: Any) -> None:
    reading = read_appdef(json.dumps(definition(identity={"username": "me", key: written})))
    assert {finding.code for finding in reading.findings if finding.level == "error"} == {"identity"}
    (fault,) = faults({key: written})
    assert (fault.pointer, fault.code) == (f"/identity/{key}", "identity")
    assert len(fault.message) < 300


@pytest.mark.parametrize(
    ("key", "written", "code"),
    [("username", "a b", "identity"), ("username", "root", "identity-root"), ("group", " Root ", "identity-root"),
     ("group", "a:b", "identity"), ("username", "x\n", None), ("username", "a\nb", "identity"), ("username", 5, "identity"),
     ("username", "a" * 33, "identity"), ("group", "-x", "identity"), ("username", "\ud800", "identity")],
)  # fmt: skip
def test_names_have_no_blanks_and_are_not_root(key: str, written: Any, code: str | None) -> None:
    found = identity_of(read(definition()), {key: written})
    if code is None:
        assert found == Identity("x")
        return
    assert isinstance(found, list)
    assert [(fault.pointer, fault.code) for fault in found] == [(f"/identity/{key}", code)]
    found[0].message.encode()


def test_nobody_says_anything_and_it_is_nimbix_with_the_sites_numbers() -> None:
    spec = read(definition())
    assert identity_of(spec, None) == identity_of(spec, {}) == Identity("nimbix", "nimbix", None, None)
    assert identity_of(spec, {"username": "", "uid": None, "more": 1}) == Identity()


def test_a_client_may_say_who_it_is() -> None:
    assert identity_of(
        read(definition()), {"username": "flow", "group": "g", "uid": "1001", "gid": 1002.0}
    ) == Identity("flow", "g", 1001, 1002)


def test_the_authors_identity_is_never_overridden() -> None:
    spec = read(definition(identity={"username": "author", "uid": "2000"}))
    assert identity_of(spec, {"username": "client", "uid": 0}) == Identity("author", "nimbix", 2000, None)


@pytest.mark.parametrize("raw", [[], "root", 0, True])
def test_an_identity_that_is_no_object_is_a_fault(raw: Any) -> None:
    (fault,) = faults(raw)
    assert (fault.pointer, fault.code) == ("/identity", "type")


def test_ids_of_system_users_are_warned_of() -> None:
    found = read_appdef(json.dumps(definition(identity={"username": "me", "uid": 33, "gid": 505}))).findings
    assert [(f.level, f.code, f.pointer) for f in found] == [("warning", "identity-low", "/identity/uid")]
