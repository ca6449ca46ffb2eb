"""Bundles to start from: what `manage.py new` writes. NAME in their JSON files is the name that was asked for."""

from __future__ import annotations

from pathlib import Path

from apps_catalog.launch.bytenite import NAME, ROLES
from portal.errors import Conflict, Invalid

HERE = Path(__file__).parent
PLACEHOLDER = '"NAME"'


def write_sample(role: str, name: str, parent: Path) -> list[Path]:
    """A folder `name` below `parent` with a bundle that can be pushed as it is; the paths of its files.

    Raises Invalid for what can't be a name, Conflict where something of that name is there: nothing is overwritten.
    """
    if role not in ROLES:
        raise Invalid(f"'{role}' is none of {', '.join(ROLES)}.", code="role")
    if not NAME.fullmatch(name):
        said = (
            f"{name[:80]!r} can't be a name. Use letters, digits, '-' and '_', at most 64: it is in addresses and tags."
        )
        raise Invalid(said, code="bad_name")
    folder = parent / name
    try:
        folder.mkdir(parents=True)
    except FileExistsError:
        raise Conflict(
            f"{folder} is there already, and nothing is overwritten. Choose another name or place."
        ) from None
    except (NotADirectoryError, PermissionError) as refused:
        raise Conflict(f"{folder} can't be made: {refused.strerror}. Choose another place.") from refused
    made = []
    for path in sorted((HERE / role).rglob("*")):
        if not path.is_file() or "__pycache__" in path.parts:
            continue
        text = path.read_text(encoding="utf-8")
        target = folder / path.relative_to(HERE / role)
        target.parent.mkdir(exist_ok=True)
        target.write_text(text.replace(PLACEHOLDER, f'"{name}"') if path.suffix == ".json" else text, encoding="utf-8")
        made.append(target)
    return made
