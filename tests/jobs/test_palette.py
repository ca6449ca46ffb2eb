"""What Ctrl-K finds: a person's own jobs, the apps they may see, and the pages that are theirs."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest
from django.test import Client

from apps_catalog.models import App
from apps_catalog.search import vector_for
from jobs.views import palette
from portal.people.models import User
from tests.factories import make_app, make_job, make_person, make_version

pytestmark = pytest.mark.django_db
HIT = re.compile(r'href="([^"]+)" role="option"[^>]*>.*?<bdi class="palette-name">([^<]*)</bdi>', re.DOTALL)


def found(client: Client, asked: str = "") -> dict[str, str]:
    """The names that are offered, each with where it leads."""
    answer = client.get("/palette/", {"q": asked})
    assert answer.status_code == 200
    return {unescape(name): url for url, name in HIT.findall(answer.content.decode())}


def app(name: str, **over: Any) -> App:
    """A published app that is found by its words."""
    made = make_version(make_app(name=name, **over)).app
    App.objects.filter(pk=made.pk).update(search=vector_for(made))
    return made


def test_without_words_it_offers_ones_latest_jobs_and_the_pages(as_owner: Client, owner: User, teammate: User) -> None:
    jobs = [make_job(owner, label=f"run {n}") for n in range(palette.SHOWN + 1)]
    make_job(teammate, label="not mine")
    names = found(as_owner)
    assert [name for name in names if "run" in name] == [f"{job.number}: {job.label}" for job in jobs[:0:-1]]
    assert names["Jobs"] == "/jobs/"
    assert not {"Curate", "Hosts", "Administration", "Try a JSON Schema"} & set(names)
    assert "not mine" not in "".join(names)


def test_words_find_apps_jobs_and_pages_by_what_they_begin_with(as_owner: Client, owner: User) -> None:
    seen = app("OpenFOAM motor")
    app("FoamSecret", visibility=App.Visibility.TEAMS)
    job = make_job(owner, label="Foam at 20 m/s")
    names = found(as_owner, "foam")
    assert names == {f"{job.number}: Foam at 20 m/s": f"/jobs/{job.number}/", "OpenFOAM motor": f"/apps/{seen.slug}/"}
    assert found(as_owner, "tok") == {"API tokens": "/account/tokens/"}


def test_a_number_finds_the_job_that_one_may_see_and_no_other(as_owner: Client, owner: User, teammate: User) -> None:
    mine, theirs = make_job(owner), make_job(teammate)
    assert found(as_owner, f"#{mine.number}")[str(mine.number)] == f"/jobs/{mine.number}/"
    assert str(theirs.number) not in found(as_owner, str(theirs.number))


@pytest.mark.parametrize("asked", ["\0", "9" * 400, "#", "%", "<b>\"'", "\ud800x", "((", "ä" * 5000])
def test_any_words_are_answered(as_owner: Client, asked: str) -> None:
    answer = as_owner.get("/palette/?q=" + "".join(f"%{byte:02x}" for byte in asked.encode("utf-8", "surrogatepass")))
    assert answer.status_code == 200
    assert b"<b>" not in answer.content


def test_what_one_may_do_decides_which_pages_are_offered() -> None:
    client = Client()
    client.force_login(make_person(is_curator=True))
    assert {"Curate", "Try a JSON Schema"} <= set(found(client))


def test_it_costs_a_few_queries(as_owner: Client, owner: User, django_assert_max_num_queries: Any) -> None:
    for number in range(8):
        make_job(owner, label=f"foam {number}")
    found(as_owner, "foam")
    with django_assert_max_num_queries(6):
        found(as_owner, "foam")
