"""The broker's tables, the cache table, and the audit trail's lock."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.db import migrations

from portal.broker import SCHEMA_SQL

AUDIT_LOCK = """
CREATE FUNCTION portal_audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit events are only ever added';
END $$;
CREATE TRIGGER portal_audit_append_only BEFORE UPDATE OR DELETE ON portal_auditevent
  FOR EACH ROW EXECUTE FUNCTION portal_audit_is_append_only();
"""
AUDIT_UNLOCK = """
DROP TRIGGER portal_audit_append_only ON portal_auditevent;
DROP FUNCTION portal_audit_is_append_only();
"""


def make_cache_table(apps: Any, schema_editor: Any) -> None:
    call_command("createcachetable", verbosity=0, database=schema_editor.connection.alias)


class Migration(migrations.Migration):
    dependencies = [("portal", "0001_initial")]
    operations = [
        migrations.RunSQL(SCHEMA_SQL, "DROP SCHEMA dramatiq CASCADE"),
        migrations.RunSQL(AUDIT_LOCK, AUDIT_UNLOCK),
        migrations.RunPython(make_cache_table, migrations.RunPython.noop),
    ]
