"""Search: prefixes, accents, words inside names, and the nearest word when nothing fits."""

from __future__ import annotations

import pytest
from django.db.models import F

from apps_catalog import search
from apps_catalog.models import App
from portal.people.models import User
from tests.apps_catalog.drafts import publish_new
from tests.factories import make_team

pytestmark = pytest.mark.django_db


@pytest.fixture
def apps(curator: User) -> None:
    publish_new(
        actor=curator,
        name="OpenFOAM",
        description="Fluid dynamics",
        classifications=["Simulation/Computational Fluids"],
    )
    publish_new(actor=curator, name="Café Solver 2.5", author="Müller", description="mentions openfoam in passing")
    publish_new(actor=curator, name="مرحبا", description="عالم <b>")


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("openfoam", ["OpenFOAM", "Café Solver 2.5"]),
        ("OPENF", ["OpenFOAM", "Café Solver 2.5"]),
        ("foam", ["OpenFOAM"]),
        ("comp fluid", ["OpenFOAM"]),
        ("cafe", ["Café Solver 2.5"]),
        ("solv 2", ["Café Solver 2.5"]),
        ("muller", ["Café Solver 2.5"]),
        ("مرح", ["مرحبا"]),
        ("nothing like it", []),
        ("!!! ''", []),
        ("a' | b:* & !c \\ (", []),
        ("x" * 5000, []),
    ],
)
def test_search_finds(apps: None, curator: User, text: str, names: list[str]) -> None:
    found = search.find(App.objects.visible_to(curator), text).order_by(F("rank").desc(), "name")
    assert [app.name for app in found] == names


def test_blank_finds_all(apps: None, curator: User) -> None:
    assert search.find(App.objects.visible_to(curator), "  ").count() == 3


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("opemfoam", "openfoam"), ("penfoam", "openfoam"), ("cafe sovler", "cafe solver"), ("qqqqqq", ""), ("", "")],
)
def test_did_you_mean(apps: None, curator: User, typed: str, meant: str) -> None:
    assert search.did_you_mean(App.objects.visible_to(curator), typed) == meant


def test_what_a_person_may_not_see_is_not_suggested(curator: User, stranger: User, teammate: User) -> None:
    publish_new(actor=curator, name="Confidential", teams=[make_team(teammate)])
    assert search.did_you_mean(App.objects.visible_to(teammate), "confidentail") == "confidential"
    assert search.did_you_mean(App.objects.visible_to(stranger), "confidentail") == ""
    assert not search.find(App.objects.visible_to(stranger), "confidential").exists()
