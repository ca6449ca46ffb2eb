"""Files that come with the form itself, where no script has sent them before: taken into the store like any upload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from django.conf import settings
from django.http import HttpRequest

from apps_catalog.launch.parameters import UnfitError, Upload
from apps_catalog.launch.positions import join
from apps_catalog.launch.spec import Fault, Json, LaunchSpec
from jobs import uploads
from jobs.forms.conditions import absent
from jobs.forms.drafts import Draft, posted_names
from jobs.forms.widgets import UPLOAD_PREFIX, is_upload_id
from portal.errors import PortalError
from portal.people.models import User


def named(parameters: Mapping[str, Json]) -> list[UUID]:
    """The ids of the uploads that these values name."""
    ids = (value.get("upload") for value in parameters.values() if isinstance(value, dict))
    return [UUID(one) for one in ids if is_upload_id(one)]


def receive(request: HttpRequest, spec: LaunchSpec, draft: Draft, *, owner: User) -> Draft:
    """The draft with the id of each file that was sent along, or with the reason why it wasn't taken."""
    command = spec.commands.get(draft.submission.command)
    if command is None or draft.json_text is not None:
        return draft
    parameters = dict(draft.submission.parameters)
    faults = list(draft.faults)
    hidden = absent(command, parameters)
    for key, parameter in command.parameters.items():
        if key in hidden:
            continue
        sent = next((request.FILES[n] for n in posted_names(UPLOAD_PREFIX + key) if n in request.FILES), None)
        if not isinstance(parameter, Upload) or sent is None or isinstance(sent, list):
            continue
        try:
            parameter.check_name(sent.name or "")
            parameter.check_size(sent.size or 0)
            limit = parameter.size or settings.UPLOAD_LIMIT_MIB * 2**20
            stored = uploads.receive(owner=owner, name=sent.name or "file", chunks=sent.chunks(), limit_bytes=limit)
            parameters[key] = {"upload": str(stored.pk)}
        except (UnfitError, PortalError) as refused:
            faults.append(Fault(join("/parameters", key), refused.code, refused.message))
    submission = replace(draft.submission, parameters=parameters)
    return replace(draft, submission=submission, faults=tuple(faults))
