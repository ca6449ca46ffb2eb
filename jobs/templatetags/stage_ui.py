"""What the templates of jobs, their tasks and attempts ask for."""

from __future__ import annotations

from django import template

from apps_catalog.models import App
from jobs.models import JobTemplate
from jobs.task_words import FAILURE_WORDS, STATE_WORDS
from portal.people.models import User

register = template.Library()
SHOWN = 5


@register.simple_tag
def templates_of(app: App, user: User) -> list[JobTemplate]:
    """A few templates that this person may start from and that use the bundle, in the order of their names."""
    return list(JobTemplate.objects.visible_to(user).naming(app.slug, app.role)[:SHOWN])


@register.filter
def number(value: int) -> str:
    """12,345"""
    return f"{value:,}"


@register.filter
def task_state(state: str) -> str:
    return STATE_WORDS[state]


@register.filter
def failure(failure_class: str) -> str:
    return FAILURE_WORDS[failure_class]
