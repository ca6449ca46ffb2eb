"""What the templates of jobs, their tasks and attempts ask for."""

from __future__ import annotations

from django import template

from jobs.task_words import FAILURE_WORDS, STATE_WORDS

register = template.Library()


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
