"""`%NAME%` in the author's text: in the value of a CONST and in `url`, anywhere, any number of times.

It is a matter of text, and of one pass: what was filled in is never looked at again. What people type (STR and all other
types) is never filled in. A name that is unknown stays as it is, and the import warns of it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Literal
from urllib.parse import quote

from apps_catalog.launch.reading import Notes, closest
from apps_catalog.launch.spec import Launch, Site

When = Literal["plan", "start"]

# name -> when it is filled in: "plan", where the submission and the site say it all, or "start", where each job has a
# value of its own, or a secret.
SUBSTITUTIONS: dict[str, When] = {
    "APIURL": "plan",
    "APIUSER": "plan",
    "APIKEY": "start",
    "CORES": "plan",
    "GPUS": "plan",
    "SGPUS": "plan",
    "RAM": "plan",
    "SRAM": "plan",
    "NODES": "plan",
    "TCORES": "plan",
    "TGPUS": "plan",
    "TRAM": "plan",
    "JOBLABEL": "plan",
    "MACHINETYPE": "plan",
    "VTYPE": "plan",
    "VNAME": "plan",
    "NIMBIXUSER": "plan",
    "NIMBIXPASSWD": "start",
    "JOBNAME": "start",
    "RANDOM16": "start",
    "RANDOM32": "start",
    "RANDOM64": "start",
    "RANDOM128": "start",
    "PUBLICADDR": "start",
    "BASEURL": "start",
    "CONNECTURL": "start",
}
# Only where the app is certified, or the submitter's own.
TRUSTED = frozenset({"APIURL", "APIUSER", "APIKEY"})
CHOSEN_BY_PEOPLE = frozenset({"JOBLABEL", "VNAME", "APIUSER", "NIMBIXUSER"})
LATE = frozenset(name for name, when in SUBSTITUTIONS.items() if when == "start")
TOKEN = re.compile(f"%({'|'.join(SUBSTITUTIONS)})%")
HEXADECIMAL = re.compile(r"[0-9A-F]{2}")  # %2F in an address
LOOKS_LIKE_ONE = re.compile(r"%([A-Z][A-Z0-9_]{1,30})%")


def known_values(launch: Launch, site: Site, username: str) -> dict[str, str]:
    """The values that are known at planning. RAM is in whole GB (GiB), rounded down, at least 1."""
    machine, nodes = site.machine, launch.nodes
    slave_gpus = machine.gpus if machine.slave_gpus is None else machine.slave_gpus
    ram = _in_gb(machine.ram_mib)
    slave_ram = ram if machine.slave_ram_mib is None else _in_gb(machine.slave_ram_mib)
    values: dict[str, str | int] = {
        "CORES": machine.cores,
        "GPUS": machine.gpus,
        "SGPUS": slave_gpus,
        "RAM": ram,
        "SRAM": slave_ram,
        "NODES": nodes,
        "TCORES": machine.cores * nodes,
        "TGPUS": machine.gpus + slave_gpus * (nodes - 1),
        "TRAM": ram + slave_ram * (nodes - 1),
        "JOBLABEL": launch.label,
        "MACHINETYPE": machine.name,
        "VTYPE": site.vault.type,
        "VNAME": site.vault.name,
        "NIMBIXUSER": username,
    }
    if site.trusted:
        values |= {"APIURL": site.api_url, "APIUSER": site.user}
    return {name: str(value) for name, value in values.items()}


def _in_gb(ram_mib: int) -> int:
    return max(ram_mib // 1024, 1)


def names_in(text: str) -> frozenset[str]:
    """The names of the substitutions that a text of the author's holds."""
    return frozenset(TOKEN.findall(text)) if "%" in text else frozenset()


def fill(text: str, value: Callable[[str], str | None]) -> str:
    """The text with its tokens filled in, in one pass; one whose value is None stays as it is."""
    if "%" not in text:
        return text

    def filled(token: re.Match[str]) -> str:
        found = value(token.group(1))
        return token.group() if found is None else found

    return TOKEN.sub(filled, text)


def fill_url(url: str, values: Mapping[str, str]) -> str:
    """A link with what is known filled in; names and labels that people choose as addresses have them (%20 for a blank)."""

    def value(name: str) -> str | None:
        return quote(values[name], safe="") if name in CHOSEN_BY_PEOPLE and name in values else values.get(name)

    return fill(url, value)


def check_substitutions(text: str, where: str, notes: Notes) -> None:
    """Notes each unknown name, and the names that are filled in only for a certified app or its owner."""
    if "%" not in text:
        return
    for name in list(dict.fromkeys(LOOKS_LIKE_ONE.findall(text)))[:10]:
        if name not in SUBSTITUTIONS and not HEXADECIMAL.fullmatch(name):
            near = closest(name, SUBSTITUTIONS)
            advice = f" Did you mean %{near}%?" if near else ""
            message = f"%{name}% is no known substitution; it stays as it is.{advice}"
            notes.warn("unknown-substitution", message, where)
    trusted = sorted(names_in(text) & TRUSTED)
    if trusted:
        listed = ", ".join(f"%{name}%" for name in trusted)
        one = len(trusted) == 1
        message = (
            f"{listed} {'is' if one else 'are'} filled in only where the app is certified or the submitter's own; "
            f"else {'it stays' if one else 'they stay'} as written."
        )
        notes.info("trusted-substitution", message, where)
