"""The page of one app: what it does, its commands, its versions, who may run it, how to call it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.views.decorators.http import require_safe

from apps_catalog import services
from apps_catalog.help_pages import cleaned
from apps_catalog.launch.bytenite import COMMAND
from apps_catalog.launch.examples import example_machine, example_values
from apps_catalog.launch.json_schema.kept import fields_on_top
from apps_catalog.launch.requirements import words
from apps_catalog.launch.snippets import Snippet, snippets
from apps_catalog.launch.spec import Command, Json, LaunchSpec, Requirements
from apps_catalog.models import App, Version
from apps_catalog.numbered import Remarks
from apps_catalog.services.bundle_contents import BundleFile, contents
from apps_catalog.services.granting import Granted
from apps_catalog.services.tags import tags_of
from apps_catalog.wording import VAULT_TYPES, counted
from portal.errors import NotFound
from portal.people import secrets, signed_in
from portal.people.models import Secret, User

VERSIONS_SHOWN = 30


@require_safe
def app_page(request: HttpRequest, slug: str) -> HttpResponse:
    """`?api=<command>` chooses the command of the example calls."""
    user = signed_in(request)
    rows = App.objects.visible_to(user).filter(published=True).select_related("default_version").defer("icon", "search")
    app = rows.filter(slug=slug).first()
    if app is None or app.default_version is None:
        raise NotFound("There is no such app, or it is not yours to see. Search the catalog for it.")
    app.default_version.app = app
    if app.kind == App.Kind.BYTENITE:
        page = BundlePage(user, app, app.default_version, request)
        return render(request, "apps_catalog/bundle.html", {"page": page})
    return render(request, "apps_catalog/app.html", {"page": AppPage(user, app, app.default_version, request)})


@dataclass(frozen=True)
class CommandRow:
    """A command as a choice. `machines` only where it differs from the app's."""

    key: str
    name: str
    description: str
    asks: str
    machines: tuple[str, ...]
    chosen: bool


@dataclass(frozen=True)
class AppPage:
    user: User
    app: App
    version: Version
    request: HttpRequest

    @cached_property
    def spec(self) -> LaunchSpec:
        return services.spec_of(self.version)

    @cached_property
    def obstacle(self) -> str:
        return services.not_launchable(self.version)

    @cached_property
    def agreed_at(self) -> datetime | None:
        return services.eula_accepted_at(self.user, self.version)

    @cached_property
    def grants(self) -> list[Granted]:
        """What this version runs with beyond what every app may."""
        return services.grants_of(self.version)

    @property
    def help(self) -> SafeString:
        return cleaned(self.version.help_html)

    @cached_property
    def chosen(self) -> Command:
        """The command of the example calls: the one asked for, else the first."""
        first = next(iter(self.spec.commands.values()))
        return self.spec.commands.get(self.request.GET.get("api", ""), first)

    @cached_property
    def commands(self) -> list[CommandRow]:
        return [self._row(command) for command in self.spec.commands.values()]

    def _row(self, command: Command) -> CommandRow:
        return CommandRow(
            key=command.key,
            name=command.name,
            description=command.description,
            asks=_asks(command),
            machines=command.machines if command.machines and command.machines != self.spec.machines else (),
            chosen=command.key == self.chosen.key,
        )

    @property
    def single(self) -> bool:
        return len(self.spec.commands) == 1

    @cached_property
    def versions(self) -> list[Version]:
        rows = self.app.versions.filter(state=Version.State.PUBLISHED).defer(*Version.LARGE)
        return list(rows[:VERSIONS_SHOWN])

    @cached_property
    def audience(self) -> str:
        """Who may run it. Of the teams, people see the names of their own; curators see all."""
        if self.app.visibility == App.Visibility.EVERYONE:
            return "Everyone who can sign in"
        names = list(self.app.teams.values_list("name", "pk"))
        own = set(self.user.memberships.values_list("team_id", flat=True))
        shown = [name for name, pk in names if self.user.curates or pk in own]
        others = len(names) - len(shown)
        words = ", ".join(shown) or "Nobody but curators"
        return f"{words} and {counted(others, 'other team')}" if others else words

    @property
    def storage(self) -> list[str]:
        return [VAULT_TYPES.get(kind, kind) for kind in self.spec.vault_types]

    @property
    def example(self) -> dict[str, Json]:
        """The body of a call that launches it."""
        return {
            "app": self.app.slug,
            "command": self.chosen.key,
            "parameters": example_values(self.chosen),
            "machine": example_machine(self.spec, self.chosen),
        }

    @cached_property
    def calls(self) -> tuple[Snippet, ...]:
        """The same launch as curl and as Python, with example values."""
        made = snippets(self.example, url=f"{settings.PUBLIC_URL}/api/v1/jobs")
        return tuple(snippet for snippet in made if snippet.id != "json")

    @cached_property
    def remarks(self) -> Remarks:
        return Remarks.of(self.version)


@dataclass(frozen=True)
class Need:
    """A secret that a bundle asks for; `whose` has it: the person, a team by name, or "" where it is missing."""

    name: str
    whose: str


@dataclass(frozen=True)
class BundlePage(AppPage):
    """An app or an engine of ByteNite's kind: its tags, its code, what it needs of a machine and of whoever runs it."""

    @cached_property
    def tags(self) -> list[str]:
        return tags_of(self.version)

    @cached_property
    def files(self) -> list[BundleFile]:
        return contents(self.version)

    @property
    def asks(self) -> str:
        return _asks(self.spec.commands[COMMAND])

    @property
    def needs_words(self) -> str:
        return words(self.spec.requirements or Requirements())

    @property
    def network(self) -> bool:
        """Whether an operator lets it out to other machines."""
        return self.version.outgoing_network

    @cached_property
    def secrets(self) -> list[Need]:
        names = self.spec.secrets
        held = {row.name: row for row in secrets.visible_to(self.user).filter(name__in=names)} if names else {}
        return [Need(name, _whose(held.get(name))) for name in names]

    @property
    def example(self) -> dict[str, Json]:
        params = {"app": example_values(self.spec.commands[COMMAND])}
        return {"app": self.tags[0], "params": params, "dataSource": {"kind": "bypass"}}

    @property
    def template(self) -> str:
        """How a template names it."""
        return json.dumps({self.app.role: self.tags[0]})


def _whose(row: Secret | None) -> str:
    if row is None:
        return ""
    return row.team.name if row.team else "you"


def _asks(command: Command) -> str:
    """ "2 required and 5 optional values"."""
    if command.schema is not None:
        asked = [field.required for field in fields_on_top(command.schema).values()]
    else:
        asked = [parameter.required for parameter in command.parameters.values() if not parameter.fixed]
    required = sum(asked)
    optional = len(asked) - required
    if not asked:
        return "Nothing to fill in" if command.schema is None else "What it asks for depends on what is filled in"
    if not optional:
        return counted(required, "required value")
    return (
        f"{required} required and {counted(optional, 'optional value')}"
        if required
        else counted(optional, "optional value")
    )


urlpatterns: list[URLPattern] = [path("apps/<slug:slug>/", app_page, name="app")]
