"""From a job's page into what it serves: a ticket, made here and used on the app's own origin."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import URLPattern, path
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from jobs import origins
from jobs.connections import NO_DOMAIN
from jobs.models import Endpoint
from jobs.proxy import gate
from jobs.views.job import find_job
from portal.errors import Conflict, Forbidden, NotFound
from portal.people import signed_in
from portal.people.audit import audit


@never_cache
@require_safe
def connect(request: HttpRequest, number: int) -> HttpResponse:
    """Lead into the job's web app: audited. 403 for who may see the job and not connect, 409 where nothing serves (now)."""
    user = signed_in(request)
    job = find_job(request, number)
    if not gate.may_connect(user, job):
        raise Forbidden("Only the job's owner, and the team it is shared with, connect to its app.")
    if request.headers.get("Sec-Fetch-Dest", "document") != "document":
        raise Forbidden("Open the app by its link on the job's page.")
    if not origins.is_on():
        raise Conflict(NO_DOMAIN)
    endpoint = Endpoint.objects.filter(job=job, kind=Endpoint.Kind.WEB).last()
    if endpoint is None:
        raise NotFound(f"Job {number} serves nothing to connect to.")
    if endpoint.state == Endpoint.State.CLOSED:
        raise Conflict(f"Job {number} does not run any more, so there is nothing to connect to.")
    ticket = gate.ticket_for(user, request.session.session_key or "", endpoint)
    audit("job.connect", request=request, target=f"job {number}", endpoint=endpoint.label)
    there = f"{origins.origin_of(endpoint.label).root}/.slipway/enter?{urlencode({'ticket': ticket})}"
    return redirect(there)


urls: list[URLPattern] = [path("jobs/<int:number>/connect/", connect, name="job-connect")]
