"""Modules that modules import carry the name of their content too; otherwise each would run twice on a page."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

from django.conf import settings as live
from django.core.files.storage import FileSystemStorage

from portal.static_files import StaticFiles

IMPORTED = re.compile(r"""^import [^"']*["']([^"']+)["']""", re.MULTILINE)


def test_every_import_of_our_scripts_is_of_a_hashed_name(tmp_path: Path, settings: Any) -> None:
    settings.STATIC_URL = "/static/"
    source = live.BASE_DIR / "static"
    ours = [path for path in source.rglob("*.js") if "vendor" not in path.parts]
    others = list(source.rglob("*.mjs"))  # modules of others that ours import
    for path in [*ours, *others]:
        target = tmp_path / path.relative_to(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    storage = StaticFiles(location=str(tmp_path), base_url="/static/")
    plain = FileSystemStorage(location=tmp_path)
    for name, _, outcome in storage.post_process(
        {str(path.relative_to(source)): (plain, str(path.relative_to(source))) for path in [*ours, *others]}
    ):
        assert not isinstance(outcome, Exception), (name, outcome)
    hashed = [path for path in tmp_path.rglob("*.js") if re.search(r"\.[0-9a-f]{12}\.js$", path.name)]
    assert len(hashed) == len(ours)
    found = [name for path in hashed for name in IMPORTED.findall(path.read_text(encoding="utf-8"))]
    assert found
    assert [name for name in found if not re.search(r"\.[0-9a-f]{12}\.m?js$", name)] == []
    assert [
        path.name for path in others if re.search(r"^(import|export)\b.*[\"']\./", path.read_text(), re.MULTILINE)
    ] == []
