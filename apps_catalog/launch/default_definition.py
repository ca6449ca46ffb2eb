"""A sound definition for an image that brings none: a place to start from, to be made one's own."""

from __future__ import annotations

import json
import posixpath

from apps_catalog.launch.findings import Json


def default_definition(image: str, name: str = "") -> str:
    """The text of an AppDef that runs any program of an image: a command line as a batch job, and a shell.

    It imports without an error or a warning.
    """
    title = " ".join(name.split()) or _name_of(image)
    definition: dict[str, Json] = {
        "appdefversion": 2,
        "name": title,
        "description": f"Runs programs of the image {image}." if image else "Runs programs of an image.",
        "author": "Unknown",
        "licensed": True,
        "classifications": ["Uncategorized"],
        "machines": ["*"],
        "vault-types": ["FILE", "NONE"],
        "image": {"type": "image/png", "data": ""},
        "commands": {"Batch": _batch(), "Shell": _shell()},
    }
    return json.dumps(definition, indent=2, ensure_ascii=False) + "\n"


def _name_of(image: str) -> str:
    """`docker.io/acme/mesh-tool:2.1` is "mesh-tool"."""
    last = posixpath.basename(image.partition("@")[0])
    return last.partition(":")[0] or "New app"


def _batch() -> dict[str, Json]:
    """The command line is read by the shell in the container of whoever typed it, and by nothing else."""
    return {
        "path": "/bin/sh",
        "name": "Run a command line",
        "description": "Runs it, and ends with it. The vault is at /data; what is left in /results is kept.",
        "parameters": {
            "-c": {
                "name": "Command line",
                "description": "As you would type it in a shell, for example: ls -l /data > /results/list.txt",
                "type": "STR",
                "value": "",
                "required": True,
                "positional": False,
            }
        },
    }


def _shell() -> dict[str, Json]:
    return {
        "path": "/bin/sh",
        "name": "Shell",
        "description": "A shell in the browser.",
        "interactive": True,
        "webshell": True,
        "parameters": {},
    }
