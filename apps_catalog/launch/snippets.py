"""A submission as text to take along: shell words for reading, and the same call as curl, Python and JSON."""

from __future__ import annotations

import json
import pprint
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from apps_catalog.launch.spec import Json

PYTHON = """\
import json
import os
import urllib.request

submission = {body}

request = urllib.request.Request(
    {url},
    data=json.dumps(submission).encode(),
    headers={{
        "Authorization": "Bearer " + os.environ["SLIPWAY_TOKEN"],
        "Content-Type": "application/json",
    }},
)
with urllib.request.urlopen(request) as answer:
    print(json.load(answer))
"""


@dataclass(frozen=True)
class Snippet:
    id: str
    title: str
    text: str


def shell_line(words: Sequence[str]) -> str:
    """Words as a shell would have to be given them. For reading only: no shell ever sees them."""
    return shlex.join(words)


def as_json_text(body: Mapping[str, Json]) -> str:
    return json.dumps(body, indent=2, ensure_ascii=False)


def snippets(body: Mapping[str, Json], *, url: str) -> tuple[Snippet, ...]:
    """The same submission as JSON, as a curl command and as a Python program; the token comes from the environment."""
    text = as_json_text(body)
    curl = (
        f"curl -sS {shlex.quote(url)} \\\n"
        '  -H "Authorization: Bearer $SLIPWAY_TOKEN" \\\n'
        "  -H 'Content-Type: application/json' \\\n"
        f"  -d {shlex.quote(text)}"
    )
    literal = pprint.pformat(dict(body), sort_dicts=False, width=100)
    python = PYTHON.format(body=literal, url=repr(url))
    return (Snippet("json", "JSON", text), Snippet("curl", "curl", curl), Snippet("python", "Python", python))
