"""The way out to the network is called outgoing: of machine types, and in the plans of jobs that are to run yet."""

from django.db import migrations, models

PLANS = """
UPDATE jobs_job SET plan = jsonb_set(plan, '{limits,network}', to_jsonb(%s::text))
WHERE state IN ('draft', 'queued', 'running') AND plan #>> '{limits,network}' = %s
"""


def rename(apps, schema_editor, before, after):
    apps.get_model("jobs", "MachineType").objects.filter(network=before).update(network=after)
    with schema_editor.connection.cursor() as cursor:
        cursor.execute(PLANS, (after, before))


def forwards(apps, schema_editor):
    rename(apps, schema_editor, "bridge", "outgoing")


def backwards(apps, schema_editor):
    rename(apps, schema_editor, "outgoing", "bridge")


class Migration(migrations.Migration):
    dependencies = [("jobs", "0005_identity_of_a_job")]

    operations = [
        migrations.AlterField(
            model_name="machinetype",
            name="network",
            field=models.CharField(choices=[("none", "None"), ("outgoing", "Outgoing")], default="none", max_length=12),
        ),
        migrations.RunPython(forwards, backwards),
    ]
