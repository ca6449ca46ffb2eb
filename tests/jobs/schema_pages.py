"""Schema forms as pages: rendered by the real templates, and what a browser would send of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.http import QueryDict
from django.template.loader import render_to_string

from apps_catalog.launch.findings import Fault
from apps_catalog.launch.json_schema.absent import State, instance_of
from apps_catalog.launch.json_schema.asking import judge_here
from apps_catalog.launch.json_schema.documents import Schema
from apps_catalog.launch.json_schema.values import SchemaForm, form_of
from tests.apps_catalog.launch.json_schema.browsing import Pairs, sent_by


def page_of(form: SchemaForm, state: State, faults: Sequence[Fault] = ()) -> str:
    return render_to_string("jobs/schema/_form.html", {"whole": form.draw(state, faults)})


def untouched(schema: Schema) -> tuple[Any, Any]:
    """The defaults, and what an untouched form sends."""
    form = form_of(schema, judge_here)
    state = form.defaults()
    return instance_of(state), instance_of(form.read(sent_by(page_of(form, state))).state)


def there_and_back(schema: Schema, instance: Any) -> Any:
    """An instance as it comes back from the form that shows it."""
    form = form_of(schema, judge_here)
    return instance_of(form.read(sent_by(page_of(form, instance))).state)


def posted(pairs: Pairs, **more: str) -> QueryDict:
    query = QueryDict(mutable=True)
    for name, values in pairs:
        query.setlist(name, values)
    query.update(more)
    return query
