"""Forms of one's own account."""

from __future__ import annotations

from typing import Any, cast

from django import forms

from portal.people.models import Secret, Team, User
from portal.people.secrets import NAME, NAME_RULE, PARTS, PLAIN, faults_of
from portal.people.tokens import scopes_for

SCOPE_WORDS = {
    "read": "Read: see apps, jobs, logs, results and files",
    "launch": "Launch: start and cancel jobs, change files",
    "curate": "Curate: import and publish apps",
    "operate": "Operate: drain hosts, change machine types",
    "jarvice": "JARVICE: all that its clients do, with the key in addresses; nothing else of the API",
}
EXPIRIES = (("7", "In 7 days"), ("30", "In 30 days"), ("90", "In 90 days"), ("365", "In one year"), ("", "Never"))


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]  # generic in the stubs only
    class Meta:
        model = User
        fields = ("first_name", "last_name", "email")
        labels = {"first_name": "First name", "last_name": "Last name", "email": "Mail address"}

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["email"].widget.attrs["autocomplete"] = "email"
        self.fields["first_name"].widget.attrs["autocomplete"] = "given-name"
        self.fields["last_name"].widget.attrs["autocomplete"] = "family-name"

    def clean_email(self) -> str:
        """One address, one account: a reset link must not reach two."""
        email = str(self.cleaned_data["email"]).strip()
        if email and User.objects.filter(email__iexact=email).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError("Another account has this address. Write one of your own.")
        return email


class TokenForm(forms.Form):
    name = forms.CharField(max_length=120, label="Name", help_text="What it is for, to tell it from others.")
    scopes = forms.MultipleChoiceField(
        label="What it may do",
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
        error_messages={"required": "Choose at least one."},
    )
    expires = forms.ChoiceField(choices=EXPIRIES, required=False, initial="90", label="Expires")

    def __init__(self, *args: Any, user: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scopes = cast("forms.MultipleChoiceField", self.fields["scopes"])
        scopes.choices = [(scope, SCOPE_WORDS[scope]) for scope in scopes_for(user)]
        scopes.initial = ["read", "launch"]

    @property
    def days(self) -> int | None:
        chosen = self.cleaned_data["expires"]
        return int(chosen) if chosen else None


class Unshown(forms.Textarea):
    """A text of any number of lines that is never written back into a page."""

    def format_value(self, value: Any) -> str | None:
        return None


# What the parts of a secret look like, and are for.
PART_HINTS = {
    "value": "Handed to the program as it is, in a variable with the secret's name. Several lines will do.",
    "access_key": "Handed to the program as NAME_ACCESS_KEY, with the secret's name in front.",
    "secret_key": "Handed to the program as NAME_SECRET_KEY, with the secret's name in front.",
    "registry": "The host, for example ghcr.io or docker.io. It is shown to no other.",
    "username": "",
    "password": "",
}


class SecretPartsForm(forms.Form):
    """What a secret of one kind holds."""

    def __init__(self, *args: Any, kind: str, name: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.kind, self.secret_name = kind, name
        for key, label in PARTS[kind].items():
            self.fields[key] = _part_field(key, label)

    def clean(self) -> dict[str, Any]:
        """What the services will say of it, at its field."""
        given = super().clean() or {}
        for fault in faults_of(given.get("name", self.secret_name), self.kind, self.parts):
            field = fault.pointer.removeprefix("/")
            if field in self.fields and field not in self.errors:
                self.add_error(field, fault.message[:1].upper() + fault.message[1:])
        return given

    @property
    def parts(self) -> dict[str, str]:
        return {key: self.cleaned_data.get(key, "") for key in PARTS[self.kind]}


def _part_field(key: str, label: str) -> forms.CharField:
    hint = PART_HINTS[key]
    quiet = {"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}
    if key in PLAIN:
        return forms.CharField(label=label, help_text=hint, max_length=4000, widget=forms.TextInput(attrs=quiet))
    if key == "value":
        area = Unshown(attrs={**quiet, "rows": 3})
        return forms.CharField(label=label, help_text=hint, strip=False, widget=area)
    widget = forms.PasswordInput(attrs={**quiet, "autocomplete": "new-password"})
    return forms.CharField(label=label, help_text=hint, max_length=32_768, strip=False, widget=widget)


class SecretForm(SecretPartsForm):
    """A new secret."""

    team = forms.ModelChoiceField(
        queryset=Team.objects.none(), required=False, label="Whose", empty_label="Yours alone", to_field_name="slug"
    )
    name = forms.RegexField(
        rf"\A(?:{NAME.pattern})\Z",
        label="Name",
        max_length=64,
        help_text="As the manifest of the app writes it, e.g. S3_RESULTS.",
        error_messages={"invalid": NAME_RULE},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}),
    )

    def __init__(self, *args: Any, user: User, kind: str, **kwargs: Any) -> None:
        super().__init__(*args, kind=kind, **kwargs)
        cast("forms.ModelChoiceField[Team]", self.fields["team"]).queryset = user.teams.order_by("name")
        if kind == Secret.Kind.REGISTRY:
            self.fields["name"].help_text = "To tell it from others, e.g. registry-acme."
