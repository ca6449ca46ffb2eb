"""What the API shows of apps and versions."""

from __future__ import annotations

from typing import Any, ClassVar

from rest_framework import serializers

from apps_catalog import services
from apps_catalog.launch.schema import command_schema
from apps_catalog.launch.spec import Requirements
from apps_catalog.models import App, Version
from portal.api.fields import Body, Flag, Text


class AppQuery(serializers.Serializer[Any]):
    q = serializers.CharField(
        max_length=200, required=False, help_text="Words of the name, summary, author or category."
    )
    category = serializers.CharField(max_length=300, required=False, help_text="A category path, or one above it.")


class AppRead(serializers.ModelSerializer[App]):
    version = serializers.CharField(
        source="default_version.label", allow_null=True, default=None, help_text="The label of the default version."
    )
    not_launchable = serializers.SerializerMethodField(help_text="Why it can't be launched now; empty when it can.")

    class Meta:
        model = App
        fields: ClassVar[tuple[str, ...]] = (
            "slug",
            "name",
            "summary",
            "author",
            "kind",
            "role",
            "categories",
            "version",
            "not_launchable",
            "published",
            "updated_at",
        )
        read_only_fields: ClassVar[tuple[str, ...]] = fields

    def get_not_launchable(self, app: App) -> str:
        if app.default_version is None:
            return "No version of it is published."
        return services.not_launchable(app.default_version)


class CommandRead(serializers.Serializer[Any]):
    key = serializers.CharField()
    name = serializers.CharField()
    description = serializers.CharField()
    machines = serializers.ListField(child=serializers.CharField(), help_text="Globs over machine type names.")


class VersionBrief(serializers.ModelSerializer[Version]):
    class Meta:
        model = Version
        fields: ClassVar[tuple[str, ...]] = ("label", "state", "published_at")
        read_only_fields: ClassVar[tuple[str, ...]] = fields


class GrantRead(serializers.Serializer[Any]):
    what = serializers.ChoiceField(choices=tuple(services.GRANTS))
    by = serializers.CharField()
    at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(allow_blank=True)


def granted(version: Version | None) -> list[dict[str, Any]]:
    found = services.grants_of(version) if version else []
    return [{"what": one.grant.what, "by": one.by, "at": one.at, "reason": one.reason} for one in found]


class EulaRead(serializers.Serializer[Any]):
    text = serializers.CharField()
    digest = serializers.CharField(help_text="sha256 of the text; what agreeing to it sends.")
    accepted = serializers.BooleanField(help_text="Whether you agreed to these words.")


class EulaAccept(Body):
    digest = Text(max_length=64, help_text="The `digest` of the terms that you have read.")
    version = Text(max_length=40, required=False, default="", allow_blank=True, help_text="Empty: the default one.")


class AppDetail(AppRead):
    grants = serializers.SerializerMethodField(help_text="What operators let the default version do beyond others.")
    eula = serializers.SerializerMethodField(help_text="Licence terms to agree to before launching; null where none.")
    commands = serializers.SerializerMethodField(help_text="Of the default version.")
    versions = serializers.SerializerMethodField(help_text="The newest first.")

    class Meta(AppRead.Meta):
        fields: ClassVar[tuple[str, ...]] = (*AppRead.Meta.fields, "commands", "versions", "eula", "grants")
        read_only_fields: ClassVar[tuple[str, ...]] = fields

    def get_grants(self, app: App) -> GrantRead(many=True):  # type: ignore[valid-type]
        return GrantRead(granted(app.default_version), many=True).data

    def get_eula(self, app: App) -> EulaRead(allow_null=True):  # type: ignore[valid-type]
        version = app.default_version
        if version is None or not version.eula:
            return None
        accepted = not services.eula_missing(self.context["user"], version)
        return {"text": version.eula, "digest": services.eula_digest(version), "accepted": accepted}

    def get_commands(self, app: App) -> CommandRead(many=True):  # type: ignore[valid-type]  # read by drf-spectacular
        return commands_of(app.default_version) if app.default_version else []

    def get_versions(self, app: App) -> VersionBrief(many=True):  # type: ignore[valid-type]
        return VersionBrief(self.context["versions"], many=True).data


class FindingRead(serializers.Serializer[Any]):
    level = serializers.ChoiceField(choices=("error", "warning", "info"))
    code = serializers.CharField()
    message = serializers.CharField()
    pointer = serializers.CharField(allow_blank=True)
    line = serializers.IntegerField(allow_null=True)
    column = serializers.IntegerField(allow_null=True)
    file = serializers.CharField(allow_blank=True, default="", help_text="Of a bundle: which of its files.")


class NeedsRead(serializers.Serializer[Any]):
    min_cpu = serializers.IntegerField(help_text="vCPUs.")
    min_memory = serializers.FloatField(help_text="GiB.")
    gpu = serializers.ListField(child=serializers.CharField(), help_text="Any one of these models; empty: none.")


class BundleRead(serializers.Serializer[Any]):
    role = serializers.ChoiceField(choices=App.Role.choices)
    tags = serializers.ListField(child=serializers.CharField(), help_text="What the version is called now.")
    digest = serializers.CharField(help_text="sha256 of the zip.")
    size = serializers.IntegerField(help_text="Bytes of the zip.")
    entrypoint = serializers.CharField(help_text="A file of app/.")
    device_requirements = NeedsRead()
    secrets = serializers.ListField(child=serializers.CharField(), help_text="Names of secrets that a job needs.")


def bundle_of(version: Version) -> dict[str, Any] | None:
    if not version.bundle:
        return None
    spec = services.spec_of(version)
    needs = spec.requirements or Requirements()
    return {
        "role": spec.role,
        "tags": services.tags_of(version),
        "digest": version.bundle_digest,
        "size": version.bundle_bytes,
        "entrypoint": spec.entrypoint,
        "device_requirements": {"min_cpu": needs.min_cpu, "min_memory": needs.min_memory_gib, "gpu": needs.gpus},
        "secrets": spec.secrets,
    }


class VersionRead(serializers.ModelSerializer[Version]):
    app = serializers.CharField(source="app.slug")
    not_launchable = serializers.SerializerMethodField(help_text="Why it can't be launched now; empty when it can.")
    commands = serializers.SerializerMethodField()
    grants = serializers.SerializerMethodField(help_text="What operators let it do beyond what every app may.")
    findings = FindingRead(many=True)
    bundle = serializers.SerializerMethodField(help_text="What a ByteNite bundle adds; null for an AppDef.")

    class Meta:
        model = Version
        fields: ClassVar[tuple[str, ...]] = (
            "app",
            "label",
            "state",
            "digest",
            "image",
            "image_pinned",
            "image_state",
            "image_message",
            "not_launchable",
            "commands",
            "grants",
            "findings",
            "definition",
            "bundle",
            "created_at",
            "published_at",
        )
        read_only_fields: ClassVar[tuple[str, ...]] = fields

    def get_not_launchable(self, version: Version) -> str:
        return services.not_launchable(version)

    def get_bundle(self, version: Version) -> BundleRead(allow_null=True):  # type: ignore[valid-type]
        return bundle_of(version)

    def get_grants(self, version: Version) -> GrantRead(many=True):  # type: ignore[valid-type]
        return GrantRead(granted(version), many=True).data

    def get_commands(self, version: Version) -> CommandRead(many=True):  # type: ignore[valid-type]
        return commands_of(version)


class SchemaRead(serializers.Serializer[Any]):
    app = serializers.CharField()
    version = serializers.CharField()
    digest = serializers.CharField(help_text="sha256 of the definition.")
    commands = serializers.DictField(
        child=serializers.DictField(), help_text="Command key to the JSON Schema (2020-12) of its parameters."
    )


class ImportNew(Body):
    definition = Text(
        max_length=8 * 2**20,
        trim_whitespace=False,
        help_text="The AppDef.json, to the letter, as one text.",
        error_messages={
            "invalid": "Must be the text of an AppDef.json: one JSON string that holds it, not the object."
        },
    )
    image = Text(max_length=500, required=False, default="", allow_blank=True, help_text="Container image.")
    slug = Text(
        max_length=80,
        required=False,
        default="",
        allow_blank=True,
        help_text="Of the app that gets the version; a new app, where none has it. Empty: by name and author.",
    )
    label = Text(max_length=40, required=False, default="", allow_blank=True, help_text="Label of the version.")  # type: ignore[assignment]  # the key; not DRF's own label
    dry_run = Flag(required=False, default=False, help_text="Only read it and say what was found.")


class Imported(serializers.Serializer[Any]):
    created = serializers.BooleanField(help_text="False when nothing was written: a dry run, or it was there already.")
    app = serializers.CharField(allow_null=True)
    version = serializers.CharField(allow_null=True)
    findings = FindingRead(many=True)


def commands_of(version: Version) -> list[dict[str, Any]]:
    spec = services.spec_of(version)
    return [
        {"key": c.key, "name": c.name, "description": c.description, "machines": spec.machines_of(c)}
        for c in spec.commands.values()
    ]


def schemas_of(version: Version) -> dict[str, Any]:
    spec = services.spec_of(version)
    return {key: command_schema(command) for key, command in spec.commands.items()}
