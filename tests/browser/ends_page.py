"""A page that holds the two form parts and nothing else, as any page of jobs in stages includes them."""

from __future__ import annotations

import json

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template import engines
from django.urls import path

from jobs.forms.ends import destination_part, from_form, source_part
from jobs.sources import destination_of, source_of
from portal.people import signed_in
from portal.urls import urlpatterns as portal_patterns

TEMPLATE = """{% extends "portal/base.html" %}{% load static %}
{% block title %}Ends{% endblock %}
{% block head %}<link rel="stylesheet" href="{% static "jobs/files.css" %}"><link rel="stylesheet" href="{% static "jobs/launch.css" %}">
<link rel="stylesheet" href="{% static "jobs/ends.css" %}"><script type="module" src="{% static "jobs/ends.js" %}"></script>{% endblock %}
{% block page_title %}Where the files come from, and go{% endblock %}
{% block content %}<form method="post" novalidate>{% csrf_token %}
<section class="card"><div class="card-body"><h2>Files in</h2>{% include "jobs/_source.html" with part=source %}</div></section>
<section class="card"><div class="card-body"><h2>Files out</h2>{% include "jobs/_destination.html" with part=destination %}</div></section>
<button type="submit" class="btn btn-primary">Send</button></form>{% endblock %}"""


def page(request: HttpRequest) -> HttpResponse:
    person = signed_in(request)
    if request.method == "POST":
        source, destination = from_form(request.POST, "source"), from_form(request.POST, "destination")
    else:
        source, destination = (json.loads(request.GET.get(name, "{}")) for name in ("source", "destination"))
    judged = source_of(source, person), destination_of(destination, person)
    if request.method == "POST" and not any(isinstance(found, list) for found in judged):
        return JsonResponse({"source": source, "destination": destination})
    faults = [fault for found in judged if isinstance(found, list) for fault in found]
    shown = faults if request.method == "POST" or request.GET.get("faults") else []
    context = {
        "source": source_part(source, person, faults=shown),
        "destination": destination_part(destination, person, faults=shown),
    }
    return HttpResponse(engines["django"].from_string(TEMPLATE).render(context, request))


urlpatterns = [path("test/ends/", page, name="test-ends"), *portal_patterns]
