"""The code of bundles on a host: unpacked once, read-only, and nothing that is not a plain file below app/."""

from __future__ import annotations

import hashlib
import io
import stat
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from jobs import bundles
from jobs.runtimes.base import RuntimeFault
from tests.jobs.bundles import zipped


def stored(tmp_path: Path, data: bytes) -> tuple[Path, str]:
    digest = hashlib.sha256(data).hexdigest()
    path = tmp_path / f"{digest}.zip"
    path.write_bytes(data)
    return path, digest


def test_only_the_code_is_unpacked_and_everyone_may_read_it(tmp_path: Path) -> None:
    data = zipped({"app/main.py": "print(1)", "app/lib/a.py": "", "manifest.json": "{}", "schema.json": "{}"})
    code = bundles.unpacked(*stored(tmp_path, data), tmp_path / "host")
    assert sorted(str(path.relative_to(code)) for path in code.rglob("*")) == ["lib", "lib/a.py", "main.py"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in code.rglob("*") if path.is_file()} == {0o644}
    assert stat.S_IMODE((code / "lib").stat().st_mode) == stat.S_IMODE(code.stat().st_mode) == 0o755


def test_it_is_unpacked_once_whoever_comes_first(tmp_path: Path) -> None:
    archive, digest = stored(tmp_path, zipped({f"app/{n}.py": str(n) for n in range(200)}))
    found: list[Path] = []
    threads = [
        threading.Thread(target=lambda: found.append(bundles.unpacked(archive, digest, tmp_path / "h")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1
    assert [path.name for path in (tmp_path / "h/bundles").iterdir()] == [digest]
    archive.unlink()
    assert bundles.unpacked(archive, digest, tmp_path / "h") == found[0]


def test_the_least_used_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "KEPT", 3)
    made = [stored(tmp_path, zipped({"app/main.py": str(n)})) for n in range(5)]
    for archive, digest in made:
        bundles.unpacked(archive, digest, tmp_path / "h")
    assert {path.name for path in (tmp_path / "h/bundles").iterdir()} == {digest for _, digest in made[2:]}


def test_several_slots_may_forget_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "KEPT", 1)
    gone = tmp_path / "h/bundles" / ("0" * 64)
    gone.parent.mkdir(parents=True)
    gone.symlink_to(tmp_path / "nowhere")  # as one that another slot has just taken away
    archive, digest = stored(tmp_path, zipped({"app/main.py": "1"}))
    assert bundles.unpacked(archive, digest, tmp_path / "h").is_dir()
    assert digest in {path.name for path in gone.parent.iterdir()}


def link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("app/passwd")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(info, "/etc/passwd")


def liar(archive: zipfile.ZipFile) -> None:
    archive.writestr("app/zeros", b"\0" * 5000)
    archive.infolist()[0].file_size = 5000


def many(archive: zipfile.ZipFile) -> None:
    for number in range(30):
        archive.writestr(f"app/{number}", "")


BAD: list[tuple[Callable[[zipfile.ZipFile], object], str]] = [
    (link, "holds 'app/passwd', which is no file"),
    (lambda archive: archive.writestr("app/../../x", "x"), "holds the path 'app/../../x'"),
    (lambda archive: archive.writestr("app//x", "x"), "holds the path"),
    (lambda archive: archive.writestr("app/a\\..\\x", "x"), "holds the path"),
    (liar, "is larger than a bundle may be"),
    (many, "is larger than a bundle may be"),
]


@pytest.mark.parametrize(("write", "said"), BAD, ids=[said[:30] for _, said in BAD])
def test_what_no_bundle_holds_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[zipfile.ZipFile], object], said: str
) -> None:
    monkeypatch.setattr(bundles, "BYTES_MAX", 4000)
    monkeypatch.setattr(bundles, "FILES_MAX", 20)
    into = io.BytesIO()
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        write(archive)
    with pytest.raises(RuntimeFault) as refused:
        bundles.unpacked(*stored(tmp_path, into.getvalue()), tmp_path / "h")
    assert said in str(refused.value)
    assert not refused.value.retry
    assert list((tmp_path / "h/bundles").iterdir()) == []


def test_other_bytes_than_were_imported_are_refused(tmp_path: Path) -> None:
    archive, digest = stored(tmp_path, zipped({"app/main.py": "1"}))
    archive.write_bytes(zipped({"app/main.py": "2"}))
    with pytest.raises(RuntimeFault, match="its sha256 differs"):
        bundles.unpacked(archive, digest, tmp_path / "h")
    with pytest.raises(RuntimeFault, match="not in the store any more"):
        bundles.unpacked(tmp_path / "none.zip", digest, tmp_path / "h")
    broken, mark = stored(tmp_path, b"PK no zip")
    with pytest.raises(RuntimeFault, match="can't be read"):
        bundles.unpacked(broken, mark, tmp_path / "h")
