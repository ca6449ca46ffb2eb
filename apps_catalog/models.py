"""What can be run: apps and their immutable versions."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.urls import reverse

from apps_catalog.launch.digests import digest_of_texts

if TYPE_CHECKING:
    from portal.people.models import User


class AppQuerySet(models.QuerySet["App"]):
    def visible_to(self, user: User) -> AppQuerySet:
        """Apps this person may see: published ones for everyone or for their teams; curators see all."""
        if user.curates:
            return self
        theirs = App.teams.through.objects.filter(team__memberships__user=user).values("app_id")
        return self.filter(models.Q(visibility=App.Visibility.EVERYONE) | models.Q(pk__in=theirs), published=True)

    def in_category(self, path: str) -> AppQuerySet:
        """Apps filed under this category path or below it."""
        return self.filter(category_prefixes__contains=[path])

    def for_launching(self) -> AppQuerySet:
        """Rows with their default version, of both the columns alone that a launch needs."""
        version = (f"default_version__{name}" for name in Version.LAUNCHED)
        return self.select_related("default_version").only(*App.LAUNCHED, *version)

    def for_lists(self) -> AppQuerySet:
        """Rows with their default version, and without what no list shows (icon, search words, definition)."""
        return self.select_related("default_version").defer(
            "icon",
            "search",
            "default_version__definition",
            "default_version__findings",
            "default_version__overlay",
            "default_version__eula",
            "default_version__help_html",
        )


class App(models.Model):
    """A catalog entry. What is shown (name, summary, categories, icon) is copied from the default version when it is published."""

    class Visibility(models.TextChoices):
        EVERYONE = "everyone", "Everyone"
        TEAMS = "teams", "Chosen teams"

    class Kind(models.TextChoices):
        APPDEF = "appdef", "AppDef"
        BYTENITE = "bytenite", "ByteNite app"

    class Role(models.TextChoices):
        """What a ByteNite bundle is for. An AppDef is always an app."""

        APP = "app", "App"
        PARTITIONER = "partitioner", "Partitioner"
        ASSEMBLER = "assembler", "Assembler"

    LAUNCHED: ClassVar = ("slug", "kind", "name", "author", "visibility", "published", "created_by", "default_version")

    id: int
    slug = models.SlugField(max_length=80, unique=True)
    kind = models.CharField(max_length=12, choices=Kind, default=Kind.APPDEF)
    role = models.CharField(max_length=12, choices=Role, default=Role.APP)
    builtin = models.BooleanField(default=False, editable=False)  # an engine that comes with Slipway
    name = models.CharField(max_length=300)
    summary = models.TextField(blank=True)
    author = models.CharField(max_length=300, blank=True)
    licensed = models.BooleanField(default=True)  # False: whoever runs it brings a licence
    categories = ArrayField(models.CharField(max_length=300), default=list, blank=True)
    category_prefixes = ArrayField(models.CharField(max_length=300), default=list, blank=True)
    icon = models.BinaryField(null=True, editable=False)  # PNG, re-encoded by us, at most 128 x 128
    icon_digest = models.CharField(max_length=64, blank=True, editable=False)
    visibility = models.CharField(max_length=12, choices=Visibility, default=Visibility.EVERYONE)
    teams = models.ManyToManyField("portal.Team", blank=True, related_name="apps")
    published = models.BooleanField(default=False)  # has a published version; kept by services
    default_version = models.ForeignKey("Version", null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    search = SearchVectorField(null=True, editable=False)

    objects = AppQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name", "slug"]
        indexes: ClassVar = [
            GinIndex(fields=["search"], name="app_search"),
            GinIndex(fields=["category_prefixes"], name="app_category_prefixes"),
            models.Index(
                fields=["name", "id"], include=["visibility"], name="app_shelf", condition=models.Q(published=True)
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("apps_catalog:app", args=[self.slug])

    def is_visible_to(self, user: User) -> bool:
        """What `AppQuerySet.visible_to` says, of the row in hand: only an app for chosen teams costs a query."""
        if user.curates:
            return True
        if self.published and self.visibility == self.Visibility.TEAMS:
            return App.objects.visible_to(user).filter(pk=self.pk).exists()
        return self.published and self.visibility == self.Visibility.EVERYONE

    @property
    def icon_mark(self) -> str:
        """Changes with the picture: that of a placeholder hangs on the name alone."""
        return (self.icon_digest or hashlib.sha256(self.name.encode("utf-8", "replace")).hexdigest())[:20]

    @property
    def icon_url(self) -> str:
        """The address carries the mark, so that a browser may keep the picture for ever."""
        return f"{reverse('apps_catalog:icon', args=[self.slug])}?v={self.icon_mark}"


class Version(models.Model):
    """One immutable definition of an app: the author's text to the letter, and its sha256.

    What moves is beside it: state, image, the curator's overlay, and what operators grant (`certified` and the profiles:
    `runs_as_root`, `writable_root`, `outgoing_network`). `eula`, `help_html`, `url_template` are what its image brought.
    """

    class State(models.TextChoices):
        DRAFT = "draft", "Draft"
        PUBLISHED = "published", "Published"
        RETIRED = "retired", "Retired"

    class ImageState(models.TextChoices):
        UNKNOWN = "unknown", "Not looked up yet"
        FOUND = "found", "Found and pinned"
        MISSING = "missing", "Not found"

    LAUNCHED: ClassVar = (
        *("app", "label", "digest", "overlay_digest", "eula", "url_template"),
        *("state", "image", "image_pinned", "image_state", "image_message"),
        *("certified", "runs_as_root", "writable_root", "outgoing_network"),
    )
    LARGE: ClassVar = ("definition", "findings", "overlay", "eula", "help_html")  # what no list of versions shows

    id: int
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="versions")
    label = models.CharField(max_length=40)
    definition = models.TextField()
    digest = models.CharField(max_length=64, editable=False)
    findings = models.JSONField(default=list, editable=False)
    schema_text = models.TextField(blank=True, editable=False)  # schema.json of a bundle, to the letter
    template_text = models.TextField(blank=True, editable=False)  # template.json of a bundle, to the letter
    bundle = models.CharField(max_length=300, blank=True, editable=False)  # in the store: the code of a bundle
    bundle_digest = models.CharField(max_length=64, blank=True, editable=False)
    bundle_bytes = models.BigIntegerField(default=0, editable=False)
    major = models.PositiveIntegerField(null=True, editable=False)  # of a bundle's version "major.minor"
    minor = models.PositiveIntegerField(null=True, editable=False)
    registry_secret = models.ForeignKey(
        "portal.Secret", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    state = models.CharField(max_length=12, choices=State, default=State.DRAFT)
    image = models.CharField(
        max_length=500, blank=True, help_text="Container image, e.g. docker.io/library/python:3.12"
    )
    image_pinned = models.CharField(max_length=600, blank=True, editable=False)
    image_state = models.CharField(max_length=12, choices=ImageState, default=ImageState.UNKNOWN, editable=False)
    image_message = models.TextField(blank=True, editable=False)
    overlay = models.JSONField(default=dict, blank=True, editable=False)  # the curator's, over the author's definition
    overlay_digest = models.CharField(max_length=64, blank=True, editable=False)  # "" where there is none
    certified = models.BooleanField(default=False, editable=False)
    runs_as_root = models.BooleanField(default=False, editable=False)
    writable_root = models.BooleanField(default=False, editable=False)
    outgoing_network = models.BooleanField(default=False, editable=False)
    eula = models.TextField(blank=True, editable=False)
    help_html = models.TextField(blank=True, editable=False)  # as the image says it; cleaned when it is shown
    url_template = models.TextField(blank=True, editable=False)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    published_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [models.UniqueConstraint(fields=["app", "label"], name="one_version_a_label")]
        indexes: ClassVar = [models.Index(fields=["digest"], name="version_digest")]

    def __str__(self) -> str:
        return f"{self.app.slug} {self.label}"

    def get_curate_url(self) -> str:
        return reverse("apps_catalog:curate-version", args=[self.app.slug, self.label])

    @staticmethod
    def digest_of(definition: str, schema_text: str = "") -> str:
        """sha256 of what the author wrote to describe it: the definition, and the schema.json of a bundle."""
        return digest_of_texts(definition, schema_text)


def bulk(to: str = "") -> tuple[str, ...]:
    """The columns of a version (reached by `to`) and its app that may be large, and are not needed to run it: for `defer`."""
    large = (
        "definition",
        "findings",
        "schema_text",
        "template_text",
        "overlay",
        "eula",
        "help_html",
        "app__icon",
        "app__search",
    )
    return tuple(f"{to}{name}" for name in large)


class EulaAcceptance(models.Model):
    """A person agreed to these very words of an app; other words are asked for anew."""

    id: int
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    app = models.ForeignKey(App, on_delete=models.CASCADE, related_name="eula_acceptances")
    eula_digest = models.CharField(max_length=64)
    accepted_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "app", "eula_digest"], name="one_acceptance_of_the_same_words")
        ]

    def __str__(self) -> str:
        return f"{self.user} agreed to {self.app}"


class ImportRun(models.Model):
    """An import of several definitions at once. `entries`: one object a file, as services.bulk makes it: path, ok,
    app (its name), slug, version (its label), created, commands, findings."""

    id: int
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(auto_now_add=True)
    source = models.CharField(max_length=300, blank=True)
    entries = models.JSONField(default=list)

    class Meta:
        ordering: ClassVar = ["-id"]

    def __str__(self) -> str:
        return f"import of {len(self.entries)} files"

    def get_absolute_url(self) -> str:
        return reverse("apps_catalog:import-run", args=[self.pk])


class ImageImport(models.Model):
    """A curator's wish for the app in an image, which a worker reads. `findings` are those on the definition in it."""

    class State(models.TextChoices):
        WAITING = "waiting", "Waiting for a worker"
        READING = "reading", "Being read"
        DONE = "done", "Imported"
        FAILED = "failed", "Not imported"

    OPEN: ClassVar = (State.WAITING, State.READING)

    id: int
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    image = models.CharField(max_length=500)
    slug = models.CharField(max_length=80, blank=True)  # the app it is for, where one is named
    state = models.CharField(max_length=12, choices=State, default=State.WAITING)
    message = models.TextField(blank=True)
    findings = models.JSONField(default=list)
    version = models.ForeignKey(Version, null=True, on_delete=models.SET_NULL, related_name="+")
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        indexes: ClassVar = [
            models.Index(
                fields=["state"], name="open_image_imports", condition=models.Q(state__in=["waiting", "reading"])
            )
        ]

    def __str__(self) -> str:
        return f"import of {self.image}"

    def get_absolute_url(self) -> str:
        return reverse("apps_catalog:image-import", args=[self.pk])

    @property
    def badge(self) -> str:
        """The state whose colours this one has."""
        return {"waiting": "queued", "reading": "running", "done": "succeeded", "failed": "failed"}[self.state]
