"""A definition with every key of the specification and every parameter type, and values for it: for doors to be compared.

`definition()` is the author's JSON. `values(...)` are good values for its command `every`, as the form, REST and JARVICE
clients send them; `VAULT_FILE` must lie in the vault. The other commands have the keys that shut each other out.
"""

from __future__ import annotations

import base64
from typing import Any

VAULT_FILE = "cases/wing 1.csv"
UPLOAD = b"mesh: fine\n"
ICON = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SCRIPT = '#!/bin/sh\nfor word in "$@"; do echo "[$word]"; done\n'


def definition() -> dict[str, Any]:
    """Every key of the app; commands `every`, `script`, `parallel` and `desk`."""
    return {
        "appdefversion": 2,
        "name": "Every key",
        "description": "Has all there is.",
        "author": "Slipway",
        "licensed": False,
        "classifications": ["Tests/Every key"],
        "machines": ["n*"],
        "scale_max": 4,
        "vault-types": ["FILE", "OBJECT", "BLOCK", "BLOCK_ARRAY", "NONE"],
        "image": {"type": "image/png", "data": ICON},
        "hints": ["SCALE_NODES", "VAULT:projects", "OF_ANOTHER_PLATFORM"],
        "identity": {"username": "sim", "group": "crew", "uid": 505, "gid": 505},
        "variables": {
            "LICENSE_SERVER": {
                "name": "Licence server",
                "description": "Where licences are.",
                "userowned": True,
                "inherit": True,
                "required": True,
            },
            "REGION": {"name": "Region", "description": "Not needed.", "userowned": False, "inherit": False},
        },
        "commands": {"every": every(), "script": script(), "parallel": parallel(), "desk": desk()},
    }


def every() -> dict[str, Any]:
    """Each of the nine types by key, by position and as a variable; `if`, `ifnot`; what one job alone has."""
    return {
        "path": "/usr/bin/env python3",
        "name": "Everything",
        "description": "All types.",
        "walltime": "02:00:00",
        "machines": ["n*"],
        "scale_max": 2,
        "hints": ["SCALE_CORES"],
        "verboseinit": True,
        "parameters": {
            "-c": _constant("import json, sys; print(json.dumps(sys.argv[1:]))", positional=False) | {"if": []},
            "-const": _constant("plain words"),
            "-size": _constant("%CORES%/%RAM%/%GPUS%/%NODES%/%TCORES%/%MACHINETYPE%/%VTYPE%/%VNAME%/%JOBLABEL%"),
            "-job": _constant("%JOBNAME%:%RANDOM64%:%UNKNOWN%"),
            "COLOUR": _constant("sea green", variable=True),
            "-str": _parameter("STR", value="some text"),
            "NOTE": _parameter("STR", value="", required=False, variable=True),
            "-int": _parameter("INT", value=2, min=0, max=10),
            "-range": _parameter("RANGE", value=4, min=0, max=10, step=2),
            "-float": _parameter("FLOAT", value=1.5, min=0, max=9, precision=2),
            "-bool": _parameter("BOOL", value=False, required=False),
            "-quiet": _parameter("BOOL", value=False, required=False),
            "-level": _parameter("INT", value=1, min=1, max=9) | {"if": ["-bool"]},
            "-fallback": _parameter("STR", value="none") | {"ifnot": ["-bool", "-quiet"]},
            "-choice": _parameter("selection", values=["Low", "High"], mvalues=["l", "h"]),
            "word": _parameter("selection", values=["one", "two", ""], positional=True),
            "file": _parameter("FILE", filter="*.csv|*.txt", positional=True),
            "mesh": {
                "type": "UPLOAD",
                "name": "Mesh",
                "description": "A file of one's own.",
                "required": True,
                "target": "case/mesh.yaml",
                "filter": ".yaml",
                "size": 1000,
            },
        },
    }


def script() -> dict[str, Any]:
    """A script of the author's at `path`."""
    return {
        "path": "/opt/scripts/run.sh",
        "name": "Script",
        "description": "Runs a script of the author's.",
        "cmdscript": base64.b64encode(SCRIPT.encode()).decode(),
        "variables": {},
        "parameters": {"word": _parameter("STR", value="hello world", positional=True)},
    }


def parallel() -> dict[str, Any]:
    return {
        "path": "/usr/bin/solver",
        "name": "Parallel",
        "description": "Under mpirun.",
        "mpirun": True,
        "variables": {},
        "parameters": {},
    }


def desk() -> dict[str, Any]:
    """What people would connect to."""
    return {
        "path": "/bin/sleep",
        "name": "Desk",
        "description": "Something to connect to.",
        "interactive": True,
        "publicip": False,
        "ports": ["8080/tcp", "8443/tcp"],
        "noconnect": False,
        "url": "https://%PUBLICADDR%:8443/?token=%RANDOM64%",
        "webshell": False,
        "desktop": False,
        "variables": {},
        "parameters": {"seconds": _constant("1", positional=True)},
    }


def values(mesh: Any = None) -> dict[str, Any]:
    """Values for `every`, in the types that JSON has. `mesh`: base64 text (the default) or {"upload": id}."""
    return {
        "-str": "two words 'quoted' $HOME",
        "NOTE": "a\nb",
        "-int": 7,
        "-range": 8,
        "-float": 2.25,
        "-bool": True,
        "-quiet": False,
        "-level": 3,
        "-choice": "High",
        "word": "two",
        "file": VAULT_FILE,
        "mesh": base64.b64encode(UPLOAD).decode() if mesh is None else mesh,
    }


def _parameter(kind: str, **own: Any) -> dict[str, Any]:
    return {"type": kind, "name": kind.title(), "description": "One of its type.", "required": True, **own}


def _constant(value: str, **own: Any) -> dict[str, Any]:
    return _parameter("CONST", value=value, **own)
