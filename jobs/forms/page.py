"""All that one launch page needs to know: the app and version, what this person may choose, and how the draft stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from django.conf import settings

from apps_catalog.launch.connecting import serves
from apps_catalog.launch.snippets import snippets
from apps_catalog.launch.spec import Json, LaunchSpec, Submission
from apps_catalog.launch.vault_types import accepts, takes_storage
from apps_catalog.models import App, Version
from apps_catalog.services import eula_digest, eula_missing, not_launchable, spec_of
from jobs import services
from jobs.forms import attachments, machines
from jobs.forms.builder import Settings, build, problems
from jobs.forms.conditions import as_sent
from jobs.forms.drafts import Draft, as_body, as_clock, first_command, typed_parameters
from jobs.forms.panel import Panel
from jobs.models import Upload, Vault
from jobs.placement import MachineState, machine_states
from jobs.services import storage
from portal.errors import NotFound, things_to_fix
from portal.people.models import User

NO_VAULT = "NONE"
TYPE_WORDS: Mapping[str, str] = {
    Vault.Type.OBJECT: " \u00b7 object storage",
    Vault.Type.BLOCK: " \u00b7 disk: one job at a time",
    Vault.Type.BLOCK_ARRAY: " \u00b7 disk array: one job at a time",
}


@dataclass(frozen=True)
class CommandChoice:
    key: str
    name: str
    description: str
    current: bool


def find_page(user: User, slug: str, label: str) -> Page:
    """The page of an app's version (the default one without a label). Raises NotFound for what is not this person's to see."""
    app = App.objects.visible_to(user).select_related("default_version").filter(slug=slug).first()
    if app is None:
        raise NotFound("There is no such app, or it is not yours to see.")
    if app.kind != App.Kind.APPDEF:
        raise NotFound(f"{app.name} is a ByteNite {app.role}: choose it when you launch a ByteNite app.")
    version = app.default_version
    if label:
        version = app.versions.filter(label=label.replace("\0", "")).first()
    elif version is None and user.curates:
        version = app.versions.first()
    if version is None or (version.state == Version.State.DRAFT and not user.curates):
        raise NotFound(
            f"{app.name} has no version {label}. Open the app's page to see its versions."
            if label
            else f"{app.name} has no published version yet. A curator has to publish one."
        )
    version.app = app
    return Page(user, app, version, spec_of(version))


def vault_words(vault: Vault) -> str:
    """A vault as the list of the form names it: whose it is, and what sets its type apart."""
    team = f" (team {vault.team.name})" if vault.team else ""
    return f"{vault.name}{team}{TYPE_WORDS.get(vault.type, '')}"


@dataclass(frozen=True)
class Page:
    user: User
    app: App
    version: Version
    spec: LaunchSpec
    dry_run: bool = False

    @cached_property
    def not_launchable(self) -> str:
        """Why nothing can be launched here, or ""."""
        return not_launchable(self.version)

    @cached_property
    def eula(self) -> str:
        """The digest of the licence terms that this person has still to agree to, or ""."""
        return eula_digest(self.version) if eula_missing(self.user, self.version) else ""

    @cached_property
    def states(self) -> list[MachineState]:
        return machine_states()

    @cached_property
    def default_vault(self) -> Vault | None:
        """The person's own choice where the app hints at none."""
        return storage.default(self.user, self.spec)

    @cached_property
    def vaults(self) -> list[tuple[str, str]]:
        """(value, words): the person's own vaults, their teams', and none where the app works without."""
        if not takes_storage(self.spec.vault_types):
            return []
        own = self.default_vault
        rows = storage.offered(self.user, self.spec)
        found = sorted(((row.name, vault_words(row)) for row in rows), key=lambda pair: pair[0] != (own and own.name))
        without = accepts(self.spec.vault_types, NO_VAULT) or not found
        return [*found, (NO_VAULT, "No storage")] if without else found

    def vault_for(self, name: str | None) -> str:
        """What to choose for the vault of an earlier job: itself, or nothing where it is not this person's to use."""
        if name is None:
            return NO_VAULT if any(value == NO_VAULT for value, _ in self.vaults) else ""
        return name if any(value == name for value, _ in self.vaults) else ""

    def settled(self, draft: Draft) -> Draft:
        """The draft with a machine type and a vault chosen where it leaves them open, as the page shows it."""
        submission = draft.submission
        command = first_command(self.spec, submission.command)
        fitting = machines.fitting(self.spec, command, self.states)
        machine = machines.named(fitting, submission.machine) or machines.preferred(fitting, public=command.publicip)
        if not (vault := submission.vault):
            preselected = storage.hinted(self.user, self.spec, command) or self.default_vault
            vault = preselected.name if preselected else ""
        return replace(draft, submission=replace(submission, machine=machine, vault=vault))

    def sent(self, draft: Draft) -> Submission:
        """What launching this draft sends: typed values, and none of what is hidden."""
        typed = replace(draft.submission, parameters=typed_parameters(self.spec, draft.submission))
        return as_sent(self.spec, typed)

    def body(self, draft: Draft, *, hidden: bool = False) -> dict[str, Json]:
        """The draft as the API takes it, with what is hidden and not as usual only where asked for."""
        return as_body(draft, self.spec, app=self.app.slug, version=self.version.label, hidden=hidden)

    def judged(self, draft: Draft) -> services.Preview:
        """What launching this draft would run, the faults of reading it first."""
        if draft.faults and draft.json_text is not None and draft.positions is None:
            return services.Preview(None, draft.faults)
        found = services.preview(
            owner=self.user,
            version=self.version,
            submission=self.sent(draft),
            eula=draft.eula,
            dry_run=self.dry_run,
        )
        if not draft.faults:
            return found
        known = {fault.pointer for fault in draft.faults}
        rest = tuple(fault for fault in found.faults if fault.pointer not in known)
        return services.Preview(None, (*draft.faults, *rest))

    def shown(self, draft: Draft, *, only: frozenset[str] | None = None) -> dict[str, Any]:
        """What the page draws. Faults at other pointers than `only` count in the panel, but are not marked."""
        draft = self.settled(draft)
        command = first_command(self.spec, draft.submission.command)
        preview = self.judged(draft)
        marked = [fault for fault in preview.faults if only is None or fault.pointer in only]
        form = None
        if draft.json_text is None:
            rows = self._rows(draft)
            form = build(self.spec, draft, machines=rows, offers=self._offers(draft), faults=marked)
        return {
            "form": form,
            "draft": draft,
            "command": command,
            "commands": self._commands(command.key),
            "problems": problems(self.spec, draft, marked) if only is None else (),
            "title": things_to_fix(len(marked), "launching"),
            "panel": self._panel(draft, preview),
            "price_unit": settings.PRICE_UNIT,
        }

    def panel(self, draft: Draft) -> Panel:
        """The live panel alone, which is asked for while people type."""
        draft = self.settled(draft)
        return self._panel(draft, self.judged(draft))

    def _rows(self, draft: Draft) -> tuple[machines.MachineRow, ...]:
        command = first_command(self.spec, draft.submission.command)
        most = self.spec.scale_max if command.scale_max is None else command.scale_max
        fitting = machines.fitting(self.spec, command, self.states)
        return machines.rows(fitting, draft.submission.machine, most, public=command.publicip)

    def _panel(self, draft: Draft, preview: services.Preview) -> Panel:
        calls = snippets(self.body(draft), url=f"{settings.PUBLIC_URL}/api/v1/jobs")
        chosen = next((row for row in self._rows(draft) if row.chosen), None)
        return Panel(
            preview.plan,
            problems(self.spec, draft, preview.faults),
            chosen,
            draft.submission.nodes,
            preview.estimate,
            calls,
        )

    def _commands(self, current: str) -> list[CommandChoice]:
        return [
            CommandChoice(c.key, c.name or c.key, c.description, c.key == current) for c in self.spec.commands.values()
        ]

    def _offers(self, draft: Draft) -> Settings:
        ids = attachments.named(draft.submission.parameters)
        files = Upload.objects.usable_by(self.user).filter(pk__in=ids).distinct() if ids else ()
        command = first_command(self.spec, draft.submission.command)
        most_s = settings.WALLTIME_MAX_HOURS * 3600
        unsaid_s = min(command.walltime_s or settings.WALLTIME_DEFAULT_HOURS * 3600, most_s)
        mail = "when it can be connected to, and when it has finished" if serves(command) else "when it has finished"
        return Settings(
            vaults=self.vaults,
            teams=[(team.slug, f"Team {team.name}") for team in self.user.teams.all()],
            mail=mail if settings.MAIL_ENABLED else "",
            uploads={str(file.pk): file.name for file in files},
            walltime_hint=f"The job is stopped after this time. Empty means {as_clock(unsaid_s)}; the most is {as_clock(most_s)}.",
        )
