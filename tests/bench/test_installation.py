"""Measuring empties tables: never those of somebody's installation."""

from __future__ import annotations

import pytest
from django.db import connection

from bench import installation


@pytest.mark.django_db
def test_a_database_in_use_is_not_measured_on(monkeypatch: pytest.MonkeyPatch) -> None:
    known = connection.get_connection_params()
    parts = {name: known[name] for name in ("dbname", "user", "password", "host", "port") if known.get(name)}
    monkeypatch.setenv("DATABASE_URL", "postgresql://?" + "&".join(f"{name}={one}" for name, one in parts.items()))
    with pytest.raises(SystemExit, match="holds tables"), installation.prepare():
        pass
