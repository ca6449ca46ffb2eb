"""manage.py createperson."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from portal.people.models import Team, User


def createperson(*words: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("createperson", *words, stdout=out, **options)
    return out.getvalue()


def test_random_password_is_printed_once_and_signs_in(db: None) -> None:
    said = createperson("ada", "--random", "--name", "Ada Lovelace", "--email", "ada@example.org", "--curator")
    password = said.split("Password: ")[1].strip()
    ada = User.objects.get(username="ada")
    assert ada.check_password(password)
    assert (ada.display_name, ada.email, ada.curates, ada.operates) == ("Ada Lovelace", "ada@example.org", True, False)


def test_password_comes_from_a_file_or_standard_input(
    db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "password").write_text("correct-horse-9\n")
    createperson("ada", "--password-file", str(tmp_path / "password"))
    monkeypatch.setattr("sys.stdin", io.StringIO("battery-staple-8"))
    createperson("bob", "--password-file", "-")
    assert User.objects.get(username="ada").check_password("correct-horse-9")
    assert User.objects.get(username="bob").check_password("battery-staple-8")


def test_update_changes_what_is_named_and_keeps_the_rest(db: None) -> None:
    Team.objects.create(name="Crew", slug="crew")
    createperson("ada", "--random", "--email", "ada@example.org")
    before = User.objects.get(username="ada").password
    for _ in range(2):
        createperson("ada", "--update", "--operator", "--team", "crew")
    ada = User.objects.get(username="ada")
    assert (ada.password, ada.email, ada.is_operator) == (before, "ada@example.org", True)
    assert [team.slug for team in ada.teams.all()] == ["crew"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("taken", "--random"), "Add --update"),
        (("new", "--random", "--team", "none"), "no team none"),
        (("new", "--random", "--password-file", "-"), "exclude each other"),
        (("new", "--random", "--email", "taken@example.org"), "has the address"),
        (("new", "--password-file", "/nowhere/at/all"), "can't be read"),
        (("bad name!", "--random"), "valid username"),
    ],
)
def test_what_is_wrong_is_said_and_nobody_is_made(db: None, words: tuple[str, ...], said: str) -> None:
    User.objects.create_user("taken", "taken@example.org")
    with pytest.raises(CommandError, match=said):
        createperson(*words)
    assert User.objects.count() == 1


def test_weak_password_is_refused(db: None, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("12345")
    with pytest.raises(CommandError, match="too weak"):
        createperson("ada", "--password-file", str(tmp_path / "password"))
