"""Forms of one's own account."""

from __future__ import annotations

from typing import Any, cast

from django import forms

from portal.people.models import User
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
