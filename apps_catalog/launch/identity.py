"""Who a program is inside its container: the author's `identity`, or a client's; never root, however it is spelt."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from apps_catalog.launch.positions import join
from apps_catalog.launch.reading import Section, shortened
from apps_catalog.launch.spec import Fault, Identity, Json, LaunchSpec

IDENTITY_KEYS = frozenset({"username", "group", "uid", "gid"})
MAX_ID = 2**31 - 1
DEFAULT_ID = 505
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,31}")


@dataclass(frozen=True)
class _Complaint:
    """What is wrong with one key; `message` goes on after the name of the key."""

    key: str
    code: str
    message: str


def read_identity(section: Section) -> Identity | None:
    """The author's identity, with an error noted for root and for what is no user or group; None where there is none."""
    raw = section.mapping("identity")
    if raw is None:
        return None
    own = Section(raw, section.at("identity"), section.notes, IDENTITY_KEYS)
    own.demand("username")
    written = {key: own.get(key) for key in IDENTITY_KEYS}
    identity, complaints = _judge(written)
    for complaint in complaints:
        message = f"'{complaint.key}' {complaint.message}"
        section.notes.error(complaint.code, message[0].upper() + message[1:], own.at(complaint.key))
    for key, number in (("uid", identity.uid), ("gid", identity.gid)):
        if number is None:
            continue
        if number < 1000 and number != DEFAULT_ID:
            message = f"'{key}' {number} may belong to a system user; use 1000 or more."
            own.notes.warn("identity-low", message, own.at(key))
        if not isinstance(written[key], int):
            own.notes.warn("converted", f"'{key}' should be a whole number; it is read as that.", own.at(key))
    return identity


def identity_of(spec: LaunchSpec, submitted: Json) -> Identity | list[Fault]:
    """The identity of a job, or faults at /identity. The author's own can't be overridden: then a client's is passed over.

    A client's keys that are unknown are ignored, as clients of a JARVICE send more. `uid` and `gid` are None where
    nobody chose them: then they are the site's. Which numbers the site allows, it judges itself.
    """
    if spec.identity is not None:
        return spec.identity
    if submitted is None:
        return Identity()
    if not isinstance(submitted, Mapping):
        return [Fault("/identity", "type", "must be an object: username, group, uid, gid")]
    identity, complaints = _judge({key: submitted.get(key) for key in IDENTITY_KEYS})
    if complaints:
        return [Fault(join("/identity", one.key), one.code, one.message) for one in complaints]
    return identity


def _judge(raw: Mapping[str, Json]) -> tuple[Identity, list[_Complaint]]:
    complaints: list[_Complaint] = []
    names = {key: _name(key, raw.get(key), complaints) for key in ("username", "group")}
    ids = {key: _id(key, raw.get(key), complaints) for key in ("uid", "gid")}
    return Identity(names["username"], names["group"], ids["uid"], ids["gid"]), complaints


def _name(key: str, raw: Json, complaints: list[_Complaint]) -> str:
    default = "nimbix"
    if raw is None or raw == "":
        return default
    name = raw.strip() if isinstance(raw, str) else ""
    if not NAME.fullmatch(name):
        said = f"is {_shown(raw)}; a name has letters, digits, '.', '_' and '-', at most 32, and no blanks."
        complaints.append(_Complaint(key, "identity", said))
    elif name.lower() == "root":
        complaints.append(_Complaint(key, "identity-root", "is root; programs never run as root. Leave it out."))
    else:
        return name
    return default


def _id(key: str, raw: Json, complaints: list[_Complaint]) -> int | None:
    if raw is None or raw == "":
        return None
    number = _number(raw)
    if number is None or not 0 <= number <= MAX_ID:
        said = f"is {_shown(raw)}; it must be a whole number from 1 to {MAX_ID}."
        complaints.append(_Complaint(key, "identity", said))
    elif number == 0:
        said = f"is {_shown(raw)}, which is root; programs never run as root. Leave it out, or use 1000 or more."
        complaints.append(_Complaint(key, "identity-root", said))
    else:
        return number
    return None


def _shown(raw: Json) -> str:
    text = shortened(repr(raw) if isinstance(raw, (str, int, float, bool)) else type(raw).__name__)
    return text.encode("utf-8", "replace").decode()


def _number(raw: Json) -> int | None:
    """The id a text or number stands for, in every base and sign that a program might take."""
    if isinstance(raw, bool):
        return None
    if isinstance(raw, float):
        return int(raw) if raw.is_integer() else None
    if isinstance(raw, int):
        return raw
    text = raw.strip() if isinstance(raw, str) else ""
    if text.lower() in ("root", "root:root"):
        return 0
    if re.fullmatch(r"[+-]?0*(?:\.0*)?(?:[eE][+-]?[0-9]+)?(?::[+-]?0*)?|[+-]?0[xXoObB][0_]+", text) and text:
        return 0
    return int(text) if re.fullmatch(r"\+?[0-9]{1,10}", text) else None
