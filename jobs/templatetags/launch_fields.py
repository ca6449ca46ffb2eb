"""The fields of a command in its form, drawn by their template."""

from __future__ import annotations

from threading import Lock

from django import template
from django.conf import settings
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from jobs.forms.fields import Field

register = template.Library()
FIELDS_KEPT = 2048
CHARACTERS_MAX = 16_384  # of one that is kept

_kept: dict[Field, SafeString] = {}  # oldest first
_kept_lock = Lock()


@register.simple_tag
def parameter_field(field: Field) -> SafeString:
    """A parameter's field as HTML. One that nobody has touched is what its definition makes it, whoever looks at it: so it
    is drawn once a process. A form of 200 takes twice as long without."""
    if settings.DEBUG or not field.untouched:  # in development the template may change meanwhile
        return _draw(field)
    found = _kept.get(field)
    if found is None:
        found = _draw(field)
        if len(found) <= CHARACTERS_MAX:
            with _kept_lock:
                _kept[field] = found
                if len(_kept) > FIELDS_KEPT:
                    del _kept[next(iter(_kept))]
    return found


def _draw(field: Field) -> SafeString:
    return render_to_string("jobs/_form_field.html", {"field": field})
