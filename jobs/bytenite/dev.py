"""/v1/dev: bundles pushed as an archive in base64, listed, activated, downloaded; templates."""

from __future__ import annotations

import base64
import binascii
import io
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core import signing
from django.core.files.storage import default_storage
from django.db.models import QuerySet
from django.urls import reverse

from apps_catalog.models import App, Version
from apps_catalog.services import publishing, spec_of
from apps_catalog.services.bundles import from_archive, import_bundle
from apps_catalog.services.tags import exact_tag, resolve_tag
from jobs.bytenite import data_sources
from jobs.bytenite.answers import Act, Endpoint, ok
from jobs.bytenite.calls import Call, Caller, malformed, plain
from jobs.bytenite.jobs import config_of, sections_of
from jobs.bytenite.words import page, template_object, when
from jobs.models import JobTemplate
from jobs.services import templates
from jobs.views.downloads import Attachment
from portal.errors import Invalid, NotFound
from portal.people.models import User

SALT = "slipway.bundle-link"
LINK_S = 3600
STATUS = {Version.State.PUBLISHED: "active"}
KINDS: Mapping[str, tuple[str, ...]] = {
    "app": (App.Role.APP,),
    "engine": (App.Role.PARTITIONER, App.Role.ASSEMBLER),
}


def body_limit() -> int:
    """Of a push: base64 takes four bytes for three."""
    return int(settings.BUNDLE_LIMIT_MIB * 2**20 * 4 / 3) + 4096


def bundle_object(version: Version) -> dict[str, Any]:
    """A version of an app or an engine, as clients read one. What the manifest said of a login is nowhere shown."""
    spec = spec_of(version)
    app = version.app
    wanted = spec.requirements
    found: dict[str, Any] = {
        "id": str(version.pk),
        "name": app.slug,
        "version": version.label,
        "owner": app.created_by.username if app.created_by else "",
        "userName": app.created_by.username if app.created_by else "",
        "status": STATUS.get(Version.State(version.state), "inactive"),
        "description": spec.description,
        "platform": "docker",
        "platformConfig": {
            "container": version.image,
            "privateImage": version.registry_secret_id is not None,
            "secrets": list(spec.secrets),
        },
        "deviceRequirements": {
            "minCpu": wanted.min_cpu if wanted else 0,
            "minMemory": wanted.min_memory_gib if wanted else 0,
            "gpu": list(wanted.gpus) if wanted else [],
        },
        "entrypoint": spec.entrypoint,
        "hash": base64.b64encode(bytes.fromhex(version.bundle_digest)).decode() if version.bundle_digest else "",
        "link": "",
        "revision": 0,
        "isPublic": app.visibility == App.Visibility.EVERYONE,
        "createdAt": when(version.created_at),
        "updatedAt": when(version.published_at or version.created_at),
    }
    if app.role != App.Role.APP:
        found["type"] = app.role
    return found


class Bundles:
    """The calls for apps, or those for engines: the same but for their words."""

    def __init__(self, noun: str) -> None:
        self.noun, self.roles = noun, KINDS[noun]

    def _rows(self, who: User) -> QuerySet[Version]:
        """Every version that the person may see: drafts are their curators' alone."""
        mine = App.objects.visible_to(who) | App.objects.filter(builtin=True)
        rows = Version.objects.filter(app__in=mine.values("pk"), app__kind=App.Kind.BYTENITE, app__role__in=self.roles)
        rows = rows if who.curates else rows.filter(state=Version.State.PUBLISHED)
        return rows.select_related("app__created_by", "registry_secret").order_by("app__slug", "-major", "-minor")

    def listed(self, call: Call, who: Caller) -> dict[str, Any]:
        offset, limit = call.window()
        rows = self._rows(who.user)
        found = [bundle_object(version) for version in rows[offset : offset + limit]]
        return {f"{self.noun}s": found, "pagination": page(rows.count(), offset, len(found))}

    def push(self, call: Call, who: Caller) -> dict[str, Any]:
        """`{"data": base64 of a zip or tar}`. A pushed version takes jobs once it is activated."""
        text = call.text("data", required=True)
        try:
            data = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise malformed("'data' is not base64 text. Send the archive encoded, without line breaks.") from None
        done = import_bundle(read=from_archive(io.BytesIO(data)), actor=who.user, roles=self.roles)
        if done.version is None:
            faults = [one for one in done.reading.findings if one.level == "error"]
            told = "; ".join(_place(one) + one.message for one in faults[:20])
            raise Invalid(f"The bundle was not imported. {told}", code="bad_bundle")
        remarks = [_place(one) + one.message for one in done.reading.findings]
        found = bundle_object(done.version)
        return {**ok(call.request, f"{done.version} is imported."), self.noun: found, "remarks": remarks}

    def read(self, call: Call, who: Caller) -> dict[str, Any]:
        found = bundle_object(self._find(call, who))
        return {self.noun: found} if self.noun == "app" else {**found, self.noun: found}

    def status(self, call: Call, who: Caller) -> dict[str, Any]:
        version = self._find(call, who)
        return {
            "status": STATUS.get(Version.State(version.state), "inactive"),
            "tag": exact_tag(version),
        }

    def activate(self, call: Call, who: Caller) -> dict[str, Any]:
        version = self._find(call, who)
        if version.state != Version.State.PUBLISHED:
            publishing.publish(version=version, actor=who.user)
        return ok(call.request, f"{exact_tag(version)} takes jobs.")

    def deactivate(self, call: Call, who: Caller) -> dict[str, Any]:
        version = self._find(call, who)
        if version.state == Version.State.PUBLISHED:
            publishing.retire(version=version, actor=who.user)
        return ok(call.request, f"{exact_tag(version)} takes no jobs any more.")

    def download(self, call: Call, who: Caller) -> dict[str, Any]:
        """A link to the bundle, good for an hour."""
        version = self._find(call, who)
        token = signing.dumps(version.pk, salt=SALT)
        return {"link": settings.PUBLIC_URL + reverse("bytenite:bundle-file", args=[token])}

    def _find(self, call: Call, who: Caller) -> Version:
        tag = call.named["tag"]
        if tag.isdecimal() and len(tag) <= 18:
            found = self._rows(who.user).filter(pk=int(tag)).first()
        elif "@" not in tag:  # the newest, active or not: that is the one somebody has just pushed
            found = self._rows(who.user).filter(app__slug__iexact=tag).first()
        else:
            found = resolve_tag(tag, user=who.user)
            found = found if found.app.role in self.roles else None
        if found is None:
            raise NotFound(f"There is no {self.noun} '{tag[:80]}' that you may see.")
        return found

    @property
    def endpoints(self) -> tuple[Endpoint, ...]:
        root, tag = f"{self.noun}s", f"{self.noun}s/(?P<tag>[^/]+)"
        change = dict.fromkeys(("POST", "PUT", "PATCH"), "curate")
        return (
            Endpoint(root, root, {"GET": Act(self.listed), "POST": Act(self.push, "curate", limit=body_limit)}),
            Endpoint(tag, self.noun, {"GET": Act(self.read)}),
            Endpoint(f"{tag}/status", f"{self.noun}-status", {"GET": Act(self.status)}),
            Endpoint(f"{tag}/activate", f"{self.noun}-activate", {m: Act(self.activate, s) for m, s in change.items()}),
            Endpoint(
                f"{tag}/deactivate", f"{self.noun}-deactivate", {m: Act(self.deactivate, s) for m, s in change.items()}
            ),
            Endpoint(f"{tag}/download", f"{self.noun}-download", {"GET": Act(self.download)}),
        )


def _place(finding: Any) -> str:
    at = [finding.file] if getattr(finding, "file", "") else []
    at += [f"line {finding.line}, column {finding.column}"] if finding.line else []
    return f"{' '.join(at)}: " if at else ""


def bundle_file(call: Call) -> Attachment:
    """The bundle that a link of `download` leads to."""
    try:
        pk = signing.loads(call.named["token"], salt=SALT, max_age=LINK_S)
    except signing.BadSignature:
        pk = None
    version = Version.objects.select_related("app").filter(pk=pk).exclude(bundle="").first() if pk else None
    if version is None or not default_storage.exists(version.bundle):
        raise NotFound("This link is not one of ours, or its time is over. Ask for a new one.")
    return Attachment(default_storage.open(version.bundle, "rb"), f"{version.app.slug}-{version.label}.zip")


def list_templates(call: Call, who: Caller) -> dict[str, Any]:
    offset, limit = call.window()
    rows = JobTemplate.objects.visible_to(who.user).select_related("owner").order_by("slug")
    found = [template_object(template) for template in rows[offset : offset + limit]]
    return {"templates": found, "pagination": page(rows.count(), offset, len(found))}


def save_template(call: Call, who: Caller) -> dict[str, Any]:
    """A new template, or another content for one that the caller may change."""
    given = dict(call.fields)
    slug = call.text("id", required=True)
    parts: dict[str, Any] = {"slug": slug}
    for name in ("name", "description", "app", "partitioner", "assembler"):
        if given.get(name) is not None:
            parts[name] = call.text(name)
    if given.get("params") is not None:
        parts["parameters"] = sections_of(given["params"])
    if given.get("config") is not None:
        parts["config"] = config_of(plain(given["config"], "config"))
    if given.get("data_source") is not None:
        parts["source"] = data_sources.ours(given["data_source"], "dataSource")
    if given.get("data_destination") is not None:
        parts["destination"] = data_sources.ours(given["data_destination"], "dataDestination", destination=True)
    if isinstance(given.get("is_public"), bool):
        parts["everyone"] = given["is_public"]
    there = JobTemplate.objects.filter(slug=slug, owner=who.user).first()
    if there is None:
        made = templates.create_template(owner=who.user, **parts)
    else:
        made = templates.change_template(template=there, actor=who.user, **parts)
    return {**ok(call.request, f"The template '{made.slug}' is saved."), "template": template_object(made)}


def read_template(call: Call, who: Caller) -> dict[str, Any]:
    return template_object(templates.find_template(who.user, call.named["id"]))


def delete_template(call: Call, who: Caller) -> dict[str, Any]:
    templates.delete_template(template=templates.find_template(who.user, call.named["id"]), actor=who.user)
    return ok(call.request, f"The template '{call.named['id']}' is deleted.")


ENDPOINTS = (
    *Bundles("app").endpoints,
    *Bundles("engine").endpoints,
    Endpoint("templates", "templates", {"GET": Act(list_templates), "POST": Act(save_template, "launch")}),
    Endpoint(
        "templates/(?P<id>[^/]+)",
        "template",
        {"GET": Act(read_template), "DELETE": Act(delete_template, "launch")},
    ),
    Endpoint("bundles/(?P<token>[^/]+)", "bundle-file", {"GET": Act(bundle_file, open=True)}),
)
