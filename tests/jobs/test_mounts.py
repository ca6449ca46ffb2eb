"""The marker of the store and the vaults where several processes begin at the same moment."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from jobs import mounts
from jobs.models import Installation

pytestmark = pytest.mark.django_db(transaction=True)


def test_processes_that_begin_at_once_all_agree_on_the_marker(settings: Any, tmp_path: Path) -> None:
    ours = Installation.get()
    for number in range(10):
        Installation.objects.update(marked=False)
        settings.STORE_ROOT, settings.VAULT_ROOT = tmp_path / f"store{number}", tmp_path / f"vaults{number}"
        together, said = threading.Barrier(4), list[str]()

        def begin() -> None:
            together.wait()  # noqa: B023  each round waits for its threads
            try:
                mounts.mark()
            except mounts.MountsRefused as refused:
                said.append(str(refused))  # noqa: B023
            finally:
                connection.close()

        threads = [threading.Thread(target=begin) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert said == []
        for root in mounts.roots():
            assert [path.name for path in root.iterdir()] == [mounts.MARKER]
            assert (root / mounts.MARKER).read_text() == str(ours.pk)
