"""Whether an app brings its licence, for its card; taken from the definitions that are there."""

from __future__ import annotations

from typing import Any

from django.db import migrations, models

from apps_catalog.launch.appdef import read_appdef


def take_over(apps: Any, schema_editor: Any) -> None:
    for app in apps.get_model("apps_catalog", "App").objects.exclude(default_version=None).iterator():
        spec = read_appdef(app.default_version.definition).spec
        if spec is not None and not spec.licensed:
            app.licensed = False
            app.save(update_fields=["licensed"])


class Migration(migrations.Migration):
    dependencies = [("apps_catalog", "0004_image_import")]

    operations = [
        migrations.AddField(model_name="app", name="licensed", field=models.BooleanField(default=True)),
        migrations.RunPython(take_over, migrations.RunPython.noop),
    ]
