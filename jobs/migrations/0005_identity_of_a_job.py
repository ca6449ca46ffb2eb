"""The identity a job was submitted with, for running it again."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("jobs", "0004_every_key")]

    operations = [
        migrations.AddField(model_name="job", name="identity", field=models.JSONField(default=dict)),
    ]
