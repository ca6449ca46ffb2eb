"""Account variables: set by operators in the admin or by the command, sealed, and never shown again."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command
from django.test import Client

from portal.errors import Conflict, Invalid
from portal.people import account_variables
from portal.people.models import AccountVariable, AuditEvent, User
from portal.people.sealing import unseal
from tests.factories import make_person, make_team

CANARY = "canary-7f3a91-secret"
ADD = "/admin/portal/accountvariable/add/"


@pytest.fixture
def as_staff(client: Client, db: None) -> Client:
    client.force_login(make_person("staff", is_staff=True, is_superuser=True))
    return client


def setvariable(*words: str, **options: Any) -> str:
    out = io.StringIO()
    call_command("setvariable", *words, stdout=out, **options)
    return out.getvalue()


def everything_written() -> str:
    """All that a value could have got into, but the sealed column."""
    audited = list(AuditEvent.objects.values_list("action", "target", "detail", "actor_name"))
    administered = list(LogEntry.objects.values_list("object_repr", "change_message"))
    return json.dumps([audited, administered], default=str)


def test_the_command_sets_changes_and_takes_away(owner: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    team = make_team(owner)
    (tmp_path / "value").write_text(f"{CANARY} with blanks \n")
    said = setvariable("--user", "owner", "LICENSE_SERVER", "--value-file", str(tmp_path / "value"))
    monkeypatch.setattr("sys.stdin", io.StringIO("of the team"))
    said += setvariable("--team", team.slug, "LICENSE_SERVER")
    mine, ours = AccountVariable.objects.order_by("id")
    assert (unseal(mine.sealed), unseal(ours.sealed)) == (f"{CANARY} with blanks ", "of the team")
    assert CANARY not in mine.sealed + said + everything_written()
    setvariable("--user", "owner", "LICENSE_SERVER", "--unset")
    assert list(AccountVariable.objects.all()) == [ours]
    acts = AuditEvent.objects.order_by("id").values_list("action", "target", "detail")
    assert [(act, target, detail["person"], detail["team"]) for act, target, detail in acts] == [
        ("variable.set", "LICENSE_SERVER", "owner", ""),
        ("variable.set", "LICENSE_SERVER", "", team.slug),
        ("variable.unset", "LICENSE_SERVER", "owner", ""),
    ]


@pytest.mark.parametrize(
    ("words", "value", "said"),
    [
        (("--user", "nobody", "A"), b"x", "no person nobody"),
        (("--team", "none", "A"), b"x", "no team none"),
        (("--user", "owner", "2FAST"), b"x", "no digit first"),
        (("--user", "owner", "A B"), b"x", "letters, digits"),
        (("--user", "owner", "A"), b"", "empty"),
        (("--user", "owner", "A"), b"\n", "empty"),
        (("--user", "owner", "A"), b"a\0b", "NUL"),
        (("--user", "owner", "A"), b"\xff\xfe", "no UTF-8"),
        (("--user", "owner", "A"), b"x" * 40_000, "the most is"),
        (("--user", "owner", "A", "--unset"), b"", "not set there"),
    ],
)
def test_the_command_refuses_what_makes_no_sense(
    owner: User, tmp_path: Path, words: tuple[str, ...], value: bytes, said: str
) -> None:
    (tmp_path / "value").write_bytes(value)
    with pytest.raises(CommandError, match=said):
        setvariable(*words, "--value-file", str(tmp_path / "value"))
    assert not AccountVariable.objects.exists()


def test_the_command_asks_for_one_owner_and_a_file_that_is_there(owner: User) -> None:
    for words in (("A",), ("--user", "owner", "--team", "x", "A")):
        with pytest.raises(CommandError, match="argument"):
            setvariable(*words)
    with pytest.raises(CommandError, match="can't be read"):
        setvariable("--user", "owner", "A", "--value-file", "/nowhere/at/all")


def test_the_admin_takes_a_value_and_never_shows_it(as_staff: Client, owner: User) -> None:
    answer = as_staff.post(ADD, {"user": owner.pk, "name": "LICENSE_SERVER", "value": CANARY})
    assert answer.status_code == 302, answer.content
    row = AccountVariable.objects.get()
    assert unseal(row.sealed) == CANARY
    at = f"/admin/portal/accountvariable/{row.pk}/change/"
    for page in ("/admin/portal/accountvariable/", at, f"/admin/portal/accountvariable/{row.pk}/history/"):
        shown = as_staff.get(page).content.decode()
        assert "LICENSE_SERVER" in shown
        assert CANARY not in shown
        assert row.sealed not in shown
    assert 'type="password"' in as_staff.get(at).content.decode()
    as_staff.post(at, {"user": owner.pk, "name": "LICENSE_FILE", "value": ""})  # the value is kept
    row.refresh_from_db()
    assert (row.name, unseal(row.sealed)) == ("LICENSE_FILE", CANARY)
    as_staff.post(at, {"user": owner.pk, "name": "LICENSE_FILE", "value": "another"})
    row.refresh_from_db()
    assert unseal(row.sealed) == "another"
    as_staff.post(f"/admin/portal/accountvariable/{row.pk}/delete/", {"post": "yes"})
    assert not AccountVariable.objects.exists()
    assert [act.action for act in AuditEvent.objects.order_by("id")] == ["variable.set"] * 3 + ["variable.unset"]
    assert CANARY not in everything_written()


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({"value": ""}, "The value is empty"),
        ({"user": ""}, "Choose a person or a team"),
        ({"team": "team"}, "Choose a person or a team"),
        ({"name": "NO-DASH"}, "letters, digits"),
        ({"value": "x" * 33_000}, "the most is"),
    ],
)
def test_the_admin_says_what_is_wrong(as_staff: Client, owner: User, over: dict[str, Any], said: str) -> None:
    team = make_team(owner)
    sent = {"user": owner.pk, "name": "A", "value": CANARY, **over}
    if sent.get("team"):
        sent["team"] = team.pk
    answer = as_staff.post(ADD, sent)
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert CANARY not in answer.content.decode()
    assert not AccountVariable.objects.exists()


def test_only_those_who_may_administer_reach_it(client: Client, owner: User) -> None:
    client.force_login(owner)
    assert client.get(ADD).status_code in (302, 404)


def test_ones_own_value_goes_before_the_teams_in_the_order_of_their_names(owner: User, stranger: User) -> None:
    later, first = make_team(owner, name="Beta"), make_team(owner, name="Alpha")
    make_team(stranger, name="Aaa")
    for name, whose in {"OWN": owner, "SHARED": None}.items():
        for number, team in enumerate((later, first)):
            account_variables.set_variable(name=name, value=f"team {number}", team=team)
        if whose:
            account_variables.set_variable(name=name, value="mine", user=whose)
    account_variables.set_variable(name="ELSEWHERE", value="theirs", user=stranger)
    wanted = ("OWN", "SHARED", "ELSEWHERE", "NOWHERE")
    assert account_variables.values_for(owner, wanted, inherited=wanted) == {"OWN": "mine", "SHARED": "team 1"}
    assert account_variables.values_for(owner, wanted, inherited=()) == {"OWN": "mine"}
    assert account_variables.names_for(owner, wanted, inherited=("SHARED",)) == {"OWN", "SHARED"}
    assert account_variables.names_for(owner, (), inherited=wanted) == frozenset()


def test_a_variable_is_of_a_person_or_a_team(owner: User) -> None:
    with pytest.raises(Invalid, match="person or to a team"):
        account_variables.set_variable(name="A", value="x")
    with pytest.raises(Invalid, match="person or to a team"):
        account_variables.set_variable(name="A", value="x", user=owner, team=make_team(owner))


def test_another_key_of_the_installation_is_told_and_an_earlier_one_still_opens(owner: User, settings: Any) -> None:
    account_variables.set_variable(name="A", value="x", user=owner)
    before, settings.SECRETS_KEY = settings.SECRETS_KEY, "another key of more than enough letters"
    with pytest.raises(Conflict, match="SECRETS_KEY"):
        account_variables.values_for(owner, ("A",), inherited=())
    settings.SECRETS_KEY_OLD = (before,)
    assert account_variables.values_for(owner, ("A",), inherited=()) == {"A": "x"}
