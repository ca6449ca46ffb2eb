"""S20: every person at every address with every verb. What is not yours looks as if it were not there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import resolve, reverse

from apps_catalog.models import App
from jobs.models import Job, Vault
from portal.api.permissions import scope_of
from portal.people.models import SCOPES, ApiToken
from tests import address_names, addresses
from tests.addresses import EVERYBODY, EXPECTED, PEOPLE, VERBS, Rule, World

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("jarvice", "shells")]


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: Any) -> Iterator[World]:
    """One world for all tests here; each rolls back what it did."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield addresses.build()
        transaction.set_rollback(True)


def ask(world: World, person: str, verb: str, address: str) -> Any:
    """The answer; whatever it changed is undone."""
    if "/files/" in address:
        world.refill()
    with transaction.atomic():
        answer = address_names.send(
            world.client(person), verb, world.signed(person, address), **world.headers(person, address)
        )
        if answer.streaming:
            answer.whole = b"".join(answer.streaming_content)
        transaction.set_rollback(True)
    assert answer.status_code < 500, f"{person} {verb} {address}: {answer.status_code}"
    return answer


def sent_to_sign_in(answer: Any) -> bool:
    target: str = answer.get("Location", "")
    return target.startswith(reverse("account_login") + "?next=")


def is_in(answer: Any) -> bool:
    return answer.status_code not in (401, 403, 404, 405) and not sent_to_sign_in(answer)


def test_every_address_is_in_the_table() -> None:
    missing = sorted(set(address_names.names()) - EXPECTED.keys())
    gone = sorted(EXPECTED.keys() - set(address_names.names()))
    assert not missing, f"Say in tests/addresses.py who may use: {', '.join(missing)}"
    assert not gone, f"No such address any more: {', '.join(gone)}"


def askers(rule: Rule, verb: str) -> list[str]:
    """All six for what somebody may do; nobody and whoever may most for a verb that the address has not, and for HEAD."""
    if verb in rule.verbs:
        return list(PEOPLE)
    allowed: frozenset[str] = frozenset().union(*rule.verbs.values())
    most = [one for one in PEOPLE[1:] if one in allowed][-1:]
    return ["nobody", *(["stranger"] if verb == "HEAD" and most != ["stranger"] else []), *(most or ["owner"])]


@pytest.mark.parametrize(("name", "index"), addresses.rules(), ids=str)
def test_only_those_named_are_let_in(world: World, name: str, index: int) -> None:
    rule = EXPECTED[name][index]
    address = rule.address(world, name)
    others = [other for number, other in enumerate(EXPECTED[name]) if number != index]
    for verb in VERBS:
        expected = rule.let_in(verb)
        if not expected and any(other.let_in(verb) and other.arguments is rule.arguments for other in others):
            continue  # the same address with another rule for this verb
        for person in askers(rule, verb):
            answer = ask(world, person, verb, address)
            if verb == "HEAD" and answer.status_code == 405:
                continue  # a page that is only read with GET
            place = f"{person} {verb} {address}: {answer.status_code}"
            if person in expected:
                assert is_in(answer), place
            elif not expected:
                assert not is_in(answer) or name.startswith("account_"), place  # those answer any verb with their page
            elif person == "nobody":
                api = address.startswith(("/api/v1/", *addresses.DOORS))
                closed = answer.status_code == 401 if api else sent_to_sign_in(answer)
                assert closed, place
            else:
                assert answer.status_code == (403 if person in rule.looking else rule.closed), place


def test_a_teammate_may_look_at_a_shared_job_but_not_cancel_it(world: World) -> None:
    address = reverse("api:job-cancel", kwargs={"number": world.shared.number})
    assert ask(world, "teammate", "POST", address).status_code == 403
    assert ask(world, "stranger", "POST", address).status_code == 404


@pytest.mark.parametrize("name", address_names.admin_names())
def test_the_admin_is_for_staff(world: World, name: str) -> None:
    match_arguments: list[tuple[str, ...]] = [(), ("1",), ("auth",), ("1", "1")]
    address = next((found for args in match_arguments if (found := _reversed(name, args))), "/admin/nothing/")
    for person in PEOPLE:
        for verb in ("GET", "POST"):
            answer = ask(world, person, verb, address)
            to_sign_in = answer.status_code == 302 and "/login/" in answer["Location"]
            public = name in ("admin:login", "admin:logout", "admin:jsi18n") and answer.status_code in (200, 302)
            assert to_sign_in or public or answer.status_code in (403, 404, 405), (
                person,
                verb,
                address,
                answer.status_code,
            )


def _reversed(name: str, args: tuple[str, ...]) -> str:
    from django.urls import NoReverseMatch

    try:
        return reverse(name, args=args)
    except NoReverseMatch:
        return ""


# Lists and searches

SECRETS = ("matrix", "Matrix")


@pytest.mark.parametrize(
    "name",
    [name for name, rules in EXPECTED.items() if any(not rule.query and rule.verbs.get("GET") for rule in rules)],
)
def test_no_list_shows_a_stranger_what_is_anothers(world: World, name: str) -> None:
    """Pages and lists that everyone may open are searched for the names of the owner's things."""
    rule = EXPECTED[name][0]
    if "stranger" not in rule.let_in("GET"):
        return
    address = rule.address(world, name)
    for query in ("", "?q=chance", "?whose=all", "?whose=team", "?state=succeeded", "?search=matrix"):
        answer = ask(world, "stranger", "GET", address + query)
        if answer.status_code in (302, 422):
            continue
        text = (answer.whole if answer.streaming else answer.content).decode("utf-8", "replace")
        shown = text.replace("matrix-stranger", "")
        for secret in (
            world.app.slug + '"',
            f"/apps/{world.app.slug}/",
            world.vault.name + '"',
            "matrix-crew",
            "matrix-owner",
        ):
            assert secret not in shown, (address + query, secret)


def test_the_queries_that_everything_goes_through_show_each_person_their_own(world: World) -> None:
    seen = {
        name: (
            set(Job.objects.visible_to(person).values_list("pk", flat=True)),
            set(Vault.objects.visible_to(person).values_list("name", flat=True)),
            set(App.objects.visible_to(person).values_list("slug", flat=True)),
        )
        for name, person in world.people.items()
    }
    own, shared = {world.job.pk, world.running.pk, world.staged.pk}, world.shared.pk
    apps = {"matrix", "matrix-bundle"}
    assert seen["owner"] == ({*own, shared}, {"matrix", "matrix-crew"}, apps)
    assert seen["teammate"] == ({shared}, {"matrix-crew"}, apps)
    assert seen["stranger"] == (set(), set(), set())
    assert seen["curator"] == (set(), set(), apps)
    assert seen["operator"] == ({*own, shared}, set(), set())


# Tokens


@pytest.mark.parametrize("name", [name for name in EXPECTED if name.startswith("api:")])
def test_a_token_without_the_scope_is_refused(world: World, name: str) -> None:
    for rule in EXPECTED[name]:
        for verb, who in rule.verbs.items():
            if not who or name == "api:docs":
                continue
            person = world.people[next(one for one in reversed(PEOPLE) if one in who)]
            address = rule.address(world, name)
            scope = scope_of(resolve(address).func.view_class, verb)  # type: ignore[attr-defined]
            with transaction.atomic():
                _, text = ApiToken.issue(person, name="x", scopes=[one for one in SCOPES if one != scope])
                answer = address_names.send(Client(), verb, address, Authorization=f"Bearer {text}")
                transaction.set_rollback(True)
            assert answer.status_code == 403, (verb, address, answer.status_code)
            assert answer.json()["code"] == "scope_missing"


def test_the_people_of_the_table_are_those_of_the_world() -> None:
    for name, rules in EXPECTED.items():
        for rule in rules:
            assert all(who <= EVERYBODY for who in rule.verbs.values()), name
