"""How often each parameter of an app leaves its default, over its latest jobs. Counts alone: no value that a person typed."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import connection

from apps_catalog.launch.parameters import Flag, Parameter, Selection
from apps_catalog.launch.spec import Json, LaunchSpec
from apps_catalog.models import App

JOBS_MAX = 10_000
VALUES_SHOWN = 5
# The jobs are looked at once. Of what people type only whether it is the default is told; the choices of a BOOL or a
# selection (%(listed)s: their keys by command) are counted by choice.
SQL = """
WITH latest AS MATERIALIZED (
    SELECT job.command, job.parameters
    FROM jobs_job job JOIN apps_catalog_version version ON version.id = job.version_id
    WHERE version.app_id = %(app)s AND jsonb_typeof(job.parameters) = 'object'
    ORDER BY job.number DESC LIMIT %(most)s
)
SELECT command, NULL AS key, NULL AS choice, NULL AS usual, count(*) FROM latest GROUP BY command
UNION ALL
SELECT latest.command, given.key,
    CASE WHEN %(listed)s::jsonb -> latest.command ? given.key THEN given.value #>> '{}' END AS choice,
    given.value #>> '{}' = %(defaults)s::jsonb -> latest.command ->> given.key AS usual,
    count(*)
FROM latest CROSS JOIN LATERAL jsonb_each(latest.parameters) given
WHERE %(defaults)s::jsonb -> latest.command ? given.key
GROUP BY 1, 2, 3, 4
"""


@dataclass
class Usage:
    """One parameter: of `jobs`, how many had another value than the default; `choices` of a BOOL or selection."""

    parameter: Parameter
    jobs: int
    changed: int = 0
    choices: dict[str, int] = field(default_factory=dict)

    @property
    def percent(self) -> int:
        return round(100 * self.changed / self.jobs) if self.jobs else 0

    @property
    def top(self) -> list[tuple[str, int, int]]:
        """The choices used most: label, how often, percent."""
        ranked = sorted(self.choices.items(), key=lambda pair: (-pair[1], pair[0]))[:VALUES_SHOWN]
        return [(label, count, round(100 * count / self.jobs)) for label, count in ranked]


@dataclass
class CommandUsage:
    key: str
    name: str
    jobs: int
    parameters: list[Usage]


def usage_of(app: App, spec: LaunchSpec) -> list[CommandUsage]:
    """How the commands of a spec were used in the latest jobs of its app, of any version; one query."""
    asked = {
        key: {name: one for name, one in command.parameters.items() if not one.fixed}
        for key, command in spec.commands.items()
    }
    listed = {key: [n for n, one in found.items() if isinstance(one, Flag | Selection)] for key, found in asked.items()}
    defaults = {key: {name: _as_text(one.default) for name, one in found.items()} for key, found in asked.items()}
    values: dict[str, int | str] = {
        "app": app.pk,
        "most": JOBS_MAX,
        "listed": json.dumps(listed),
        "defaults": json.dumps(defaults),
    }
    with connection.cursor() as cursor:
        cursor.execute(SQL, values)
        rows = cursor.fetchall()
    jobs = {command: count for command, key, _, _, count in rows if key is None}
    found = []
    for key, command in spec.commands.items():
        total = jobs.get(key, 0)
        usages = {name: Usage(one, total) for name, one in asked[key].items()}
        _count(usages, [row[1:] for row in rows if row[0] == key and row[1] is not None])
        ranked = sorted(usages.values(), key=lambda one: -one.changed)
        found.append(CommandUsage(key, command.name, total, ranked))
    return found


def _as_text(value: Json) -> str:
    """As PostgreSQL writes the same JSON value as text; "" for none, which is what an emptied field is."""
    if value is None or isinstance(value, dict):
        return ""
    return value if isinstance(value, str) else json.dumps(value)


def _count(usages: dict[str, Usage], rows: Iterable[tuple[str, str | None, bool | None, int]]) -> None:
    for key, choice, usual, count in rows:
        usage = usages[key]
        parameter = usage.parameter
        if choice is None or not isinstance(parameter, Flag | Selection):
            usage.changed += 0 if usual else count
            continue
        label, is_default = _choice(parameter, choice)
        usage.changed += 0 if is_default else count
        usage.choices[label] = usage.choices.get(label, 0) + count
    for usage in usages.values():
        left = usage.jobs - sum(usage.choices.values())
        if isinstance(usage.parameter, Flag | Selection) and left > 0 and usage.parameter.default is not None:
            label, _ = _choice(usage.parameter, _as_text(usage.parameter.default))
            usage.choices[label] = usage.choices.get(label, 0) + left


def _choice(parameter: Flag | Selection, text: str) -> tuple[str, bool]:
    """The author's word for what was chosen, and whether it is the default. What is no choice any more has no name."""
    if isinstance(parameter, Flag):
        return ("on" if text == "true" else "off"), (text == "true") == bool(parameter.default)
    index = parameter.index_of(text)
    if index is None:
        return "another choice", False
    return parameter.options[index].label or "(empty)", parameter.index_of(parameter.default) == index
