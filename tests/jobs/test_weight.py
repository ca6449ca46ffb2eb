"""What a worker that has nothing to do with it need not carry in memory."""

from __future__ import annotations

import os
import subprocess
import sys

# As the worker command does it: its own modules, and those that it imports once Django is set up.
WORKER = """
import sys
import django
django.setup()
import jobs.management.commands.worker, jobs.slots, jobs.tasks, jobs.keep, jobs.sources, jobs.views.files
print(*sorted(name for name in ("PIL", "boto3", "botocore", "s3transfer") if name in sys.modules))
"""


def test_what_draws_icons_and_speaks_to_object_stores_is_imported_when_it_does() -> None:
    env = {**os.environ, "DJANGO_SETTINGS_MODULE": "portal.settings", "SECRET_KEY": "for-this-test-" + "0" * 40}
    done = subprocess.run([sys.executable, "-c", WORKER], env=env, check=False, capture_output=True, text=True)
    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stderr
