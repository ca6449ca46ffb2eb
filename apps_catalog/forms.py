"""Forms of the curate area. They check shapes; the services decide."""

from __future__ import annotations

from typing import Any

from django import forms

from apps_catalog.models import App
from portal.people.models import Team

# Which field a refusal of the services belongs to, by its code.
FIELD_OF = {
    "bad_image": "image",
    "bad_slug": "slug",
    "bad_label": "label",
    "label_taken": "label",
    "bad_visibility": "visibility",
    "no_team": "teams",
}


class ImportForm(forms.Form):
    definition = forms.CharField(required=False, strip=False)
    file = forms.FileField(required=False, allow_empty_file=True)
    image = forms.CharField(
        required=False,
        max_length=500,
        label="Container image",
        help_text="For example docker.io/library/python:3.12. It can be named later, too.",
    )
    slug = forms.CharField(
        required=False,
        max_length=80,
        label="Short name of the app",
        help_text="Empty: the app of the same name and author, or a new one.",
    )
    label = forms.CharField(
        required=False, max_length=40, label="Version label", help_text="Empty: the next whole number."
    )

    def clean_definition(self) -> str:
        """Browsers send every line break of a text field as two characters; the author's text has one."""
        text: str = self.cleaned_data["definition"]
        return text.replace("\r\n", "\n")

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if (
            not data.get("file")
            and not data.get("definition", "").strip()
            and not self.errors.keys() & {"file", "definition"}
        ):
            self.add_error("definition", "Paste an AppDef, or choose a file.")
        return data


class ImageImportForm(forms.Form):
    image = forms.CharField(
        max_length=500,
        label="Container image",
        help_text="For example docker.io/library/python:3.12. A worker fetches it, and reads it without running it.",
    )
    slug = forms.SlugField(
        required=False,
        max_length=80,
        label="Short name of the app",
        help_text="Empty: the app of the same name and author, or a new one.",
    )


class ImageForm(forms.Form):
    image = forms.CharField(max_length=500, label="Container image")


class VisibilityForm(forms.Form):
    visibility = forms.ChoiceField(choices=App.Visibility.choices, widget=forms.RadioSelect, label="Who may run it")
    teams = forms.ModelMultipleChoiceField(
        queryset=Team.objects.all(), required=False, widget=forms.CheckboxSelectMultiple, label="Teams"
    )
