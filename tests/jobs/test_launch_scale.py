"""Machine and scale in the launch form: limits and their reasons, sizes, prices, aliases, and where nodes come from."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client

from jobs import prices
from jobs.forms.drafts import read_nodes
from jobs.forms.machines import MachineRow, rows
from jobs.forms.scale import Scale, cost_words, scale_of, share_words, size_words
from jobs.models import DefaultVault, Job
from jobs.placement import machine_states
from portal.people.models import User
from tests.factories import DEFINITION, make_app, make_host, make_job, make_machine, make_vault, make_version
from tests.jobs.pages import client_of, page

pytestmark = pytest.mark.django_db
URL = "/apps/wing/launch/"


@pytest.fixture
def client(owner: User) -> Client:
    make_machine("n4", cores=8, ram_mib=32768, price_per_hour=Decimal("0.5"), order=1, aliases=["n3"], nodes_max=4)
    make_machine("g1", cores=4, ram_mib=8192, gpus=2, slave_gpus=0, slave_ram_mib=4096, order=2, nodes_max=2)
    make_machine("n1", cores=2, order=3)
    make_host("one", serves={"n4": 4, "n1": 1, "g1": 1})
    make_version(make_app(slug="wing"), definition={**DEFINITION, "machines": ["*"]}, label="1")
    return client_of(owner)


def row(name: str, scale_max: int | None = None) -> MachineRow:
    return next(one for one in rows(machine_states(), name, scale_max) if one.chosen)


def scale(name: str, value: str = "1", scale_max: int | None = None, unit: str = "cores") -> Scale | None:
    nodes = int(value) if value.isdecimal() else 1
    return scale_of(rows(machine_states(), name, scale_max), unit, value, nodes)


def send(client: Client, **over: Any) -> Any:
    data = {"command": "throw", "machine": "n4", "vault": "NONE", "token": "d" * 32, "go": "launch", "p:darts": "100"}
    return client.post(URL, data | over)


def test_the_lower_of_two_limits_counts_and_says_whose_it_is(client: Client) -> None:
    assert (row("n4").nodes_most, row("n4").why_most) == (4, "at most 4 nodes of n4")
    assert (row("n4", 2).nodes_most, row("n4", 2).why_most) == (2, "at most 2 nodes: the app says so")
    assert row("n4", 1).why_most == "at most 1 node: the app says so"
    assert row("n1", 8).why_most == "at most 1 node of n1"


def test_there_is_no_scale_where_no_machine_type_has_one(owner: User) -> None:
    make_machine("n1")
    make_version(make_app(slug="wing"), definition=DEFINITION, label="1")
    client = client_of(owner)
    assert 'id="scale"' not in page(client, URL)
    assert "Machine</h2>" in page(client, URL)
    # What a link asks for and nobody can give is said at the slider, where it can be changed.
    text = page(client, f"{URL}?nodes=3")
    assert 'id="scale"' in text
    assert "A job on n1 may have one node at most." in text


def test_the_slider_stands_within_its_limits_whatever_is_typed(client: Client) -> None:
    for value, position in (("1", 1), ("3", 3), ("99", 4), ("0", 1), ("many", 1)):
        found = scale("n4", value)
        assert found is not None
        assert (found.value, found.position, found.most) == (value, position, 4)


def test_an_app_of_one_node_has_nothing_to_choose_and_says_why(client: Client) -> None:
    found = scale("n4", scale_max=1)
    assert found is not None
    assert found.fixed
    assert found.why_most == "at most 1 node: the app says so"
    other = scale("n1")
    assert other is not None
    assert other.fixed


def test_nodes_are_summed_up_with_what_the_first_has_and_the_others(client: Client) -> None:
    assert size_words(row("n4"), 1) == "1 node, 8 cores, 32 GiB RAM, 0 GPUs"
    assert size_words(row("g1"), 2) == "2 nodes, 8 cores, 12 GiB RAM, 2 GPUs"
    assert share_words(row("g1"), 2) == "The first node has 8.0 GiB RAM and 2 GPUs, each other 4.0 GiB RAM and 0 GPUs."
    assert share_words(row("g1"), 1) == share_words(row("n4"), 3) == ""


@pytest.mark.parametrize(
    ("amount", "unit", "said"),
    [("0", "EUR", "free"), ("0.5", "", "0.50"), ("0.5", "EUR", "0.50 EUR"), ("0.0125", "EUR", "0.0125 EUR")],
)
def test_a_price_has_its_unit_behind_it(settings: Any, amount: str, unit: str, said: str) -> None:
    settings.PRICE_UNIT = unit
    assert prices.price(Decimal(amount)) == said


def test_a_total_is_in_hundredths_and_never_rounded_to_nothing(settings: Any) -> None:
    settings.PRICE_UNIT = "EUR"
    assert prices.total(Decimal("12.345")) == "12.35 EUR"
    assert prices.total(Decimal("0.0001")) == "less than 0.01 EUR"
    assert prices.total(Decimal(0)) == "0.00 EUR"
    assert cost_words(Decimal("0.125"), 3) == "0.375 EUR per hour for all"
    assert cost_words(Decimal(0), 3) == "free of charge"


def test_the_table_shows_aliases_and_prices(client: Client, settings: Any) -> None:
    settings.PRICE_UNIT = "EUR"
    text = page(client, URL)
    assert "also n3" in text
    assert "0.50 EUR" in text
    assert 'data-most="4"' in text


def test_an_alias_chooses_its_machine_type(client: Client) -> None:
    assert 'value="n4" checked' in page(client, f"{URL}?machine=n3")
    assert send(client, machine="n3").status_code == 303
    assert Job.objects.get().machine_type.name == "n4"


def test_an_app_that_names_an_alias_runs_there(client: Client) -> None:
    make_version(make_app(slug="old"), definition={**DEFINITION, "machines": ["n3"]}, label="1")
    text = page(client, "/apps/old/launch/")
    assert 'value="n4" checked' in text
    assert 'value="n1"' not in text


@pytest.mark.parametrize(("text", "nodes"), [("", 1), (" 3 ", 3), ("007", 7)])
def test_a_number_of_nodes_is_read(text: str, nodes: int) -> None:
    assert read_nodes(text) == (nodes, ())


@pytest.mark.parametrize("text", ["many", "-1", "1.5", "\u0663", "9" * 30, "\0"])
def test_what_is_no_number_of_nodes_is_said_and_stays_to_be_seen(client: Client, text: str) -> None:
    assert read_nodes(text)[1][0].pointer == "/nodes"
    answer = send(client, nodes=text)
    assert answer.status_code == 422
    assert "Write a whole number of nodes" in answer.content.decode()
    assert 'href="#scale"' in answer.content.decode()


def test_nodes_come_from_form_link_and_json_and_stay_for_another_run(client: Client, owner: User) -> None:
    assert send(client, nodes="3").status_code == 303
    job = Job.objects.get()
    assert (job.nodes, job.plan["nodes"]) == (3, 3)
    assert 'id="nodes" name="nodes" value="2"' in page(client, f"{URL}?nodes=2")
    assert 'id="nodes" name="nodes" value="3"' in page(client, f"{URL}?from={job.number}")
    text = send(client, go="side:json", nodes="2").content.decode()
    assert "&quot;nodes&quot;: 2" in text
    body = {"command": "throw", "parameters": {"darts": 100}, "machine": "n4", "nodes": 2, "vault": "NONE"}
    answer = client.post(URL, {"side": "json", "json": json.dumps(body), "go": "launch", "token": "e" * 32})
    assert answer.status_code == 303
    assert Job.objects.order_by("number").last().nodes == 2  # type: ignore[union-attr]
    client.post(f"/jobs/{job.number}/rerun/")
    assert Job.objects.order_by("number").last().nodes == 3  # type: ignore[union-attr]


def test_too_many_nodes_are_refused_at_the_slider(client: Client) -> None:
    answer = send(client, nodes="5")
    text = answer.content.decode()
    assert answer.status_code == 422
    assert "A job on n4 may have 4 nodes at most." in text
    assert 'value="5"' in text


def test_the_estimate_counts_nodes_and_hours(client: Client, settings: Any) -> None:
    settings.PRICE_UNIT = "EUR"
    data = {"command": "throw", "machine": "n4", "vault": "NONE", "p:darts": "100", "nodes": "3", "walltime": "02:00"}
    text = client.post(f"{URL}preview/", data).content.decode()
    assert "3.00 EUR" in text
    assert "1.50 EUR per hour for all for at most 2 h" in text
    free = client.post(f"{URL}preview/", data | {"machine": "g1", "nodes": "1"}).content.decode()
    assert "Free of charge" in free


def test_a_hint_chooses_the_vault_where_the_person_has_it(client: Client, owner: User) -> None:
    make_version(make_app(slug="hint"), definition={**DEFINITION, "hints": ["VAULT:projects"]}, label="1")
    mine = make_vault(owner, name="mine")
    DefaultVault.objects.create(user=owner, vault=mine)
    assert 'value="projects" selected' not in page(client, "/apps/hint/launch/")
    make_vault(owner, name="projects")
    assert 'value="projects" selected' in page(client, "/apps/hint/launch/")
    assert 'value="mine" selected' in page(client, "/apps/hint/launch/?vault=mine")


def test_a_disk_is_named_as_one(client: Client, owner: User) -> None:
    make_vault(owner, name="fast", type="BLOCK")
    assert "fast · disk: one job at a time" in page(client, URL)


def test_the_job_page_shows_nodes_cost_and_project(client: Client, owner: User, settings: Any) -> None:
    settings.PRICE_UNIT = "EUR"
    send(client, nodes="2")
    job = Job.objects.get()
    text = page(client, job.get_absolute_url())
    assert "nothing yet; 1.00 EUR per hour for all nodes once it runs" in text
    assert "<dt>Nodes</dt><dd>2</dd>" in text
    assert "×" in page(client, "/jobs/")
    Job.objects.filter(pk=job.pk).update(project="Wing <2>")
    assert "Wing &lt;2&gt;" in page(client, job.get_absolute_url())
    plain = make_job(owner)
    assert "<dt>Cost</dt>" not in page(client, plain.get_absolute_url())
