"""manage.py machinetype: sizes of nodes and aliases, and that a name leads to one machine type alone."""

from __future__ import annotations

from io import StringIO

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.test import Client

from jobs.models import MachineType
from portal.people.models import User
from tests.factories import make_machine

pytestmark = pytest.mark.django_db


def machinetype(*words: str) -> str:
    said = StringIO()
    call_command("machinetype", *words, stdout=said)
    return said.getvalue().strip()


def test_sizes_of_nodes_and_aliases_are_set_and_changed() -> None:
    options = ("--cores", "4", "--gpus", "2", "--nodes-max", "8", "--slave-ram-mib", "512", "--slave-gpus", "0")
    said = machinetype("n4", *options, "--alias", "n3", "--alias", "ng4")
    assert said == "n4: 4 cores, 1024 MiB, 2 GPUs, up to 8 nodes"
    machine = MachineType.objects.get(name="n4")
    assert (machine.aliases, machine.nodes_max) == (["n3", "ng4"], 8)
    assert (machine.slave_ram_mib, machine.slave_gpus) == (512, 0)
    machinetype("n4", "--slave-ram-mib", "", "--slave-gpus", "", "--alias", "")
    machine.refresh_from_db()
    assert (machine.aliases, machine.slave_ram_mib, machine.slave_gpus, machine.nodes_max) == ([], None, None, 8)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--alias", "n1"), "n1 already means the machine type n1"),
        (("--alias", "old"), "old already means the machine type n1"),
        (("--alias", "n9"), "n9 is there twice, or is its own name"),
        (("--alias", "x", "--alias", "x"), "x is there twice"),
        (("--alias", "Not a name"), "Use small letters"),
        (("--nodes-max", "0"), "nodes_max: Ensure this value is greater than or equal to 1"),
        (("--nodes-max", "many"), "nodes_max"),
        (("--slave-ram-mib", "1"), "slave_ram_mib"),
        (("--slave-gpus", "-1"), "slave_gpus"),
        (("--network", "bridge"), "network"),
        (("--public-ports", "1"), "Ports are published on the outgoing network alone"),
        (("--public-ports", "maybe", "--network", "outgoing"), "public_ports"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_written(words: tuple[str, ...], said: str) -> None:
    make_machine("n1", aliases=["old"])
    with pytest.raises(CommandError, match=said):
        machinetype("n9", *words)
    assert not MachineType.objects.filter(name="n9").exists()


def test_a_name_that_is_an_alias_already_is_refused() -> None:
    make_machine("n1", aliases=["old"])
    with pytest.raises(ValidationError) as caught:
        MachineType(name="old").full_clean()
    assert caught.value.message_dict == {"name": ["old already means the machine type n1. Choose another."]}


def test_the_admin_says_so_at_the_field(client: Client) -> None:
    make_machine("n1", aliases=["old"])
    machine = make_machine("n2")
    admin = User.objects.create(username="admin", email="admin@example.org", is_staff=True, is_superuser=True)
    client.force_login(admin)
    form = {
        "name": "n2",
        "cores": "1",
        "ram_mib": "1024",
        "gpus": "0",
        "nodes_max": "2",
        "pids": "64",
        "disk_mib": "9",
        "network": "outgoing",
        "price_per_hour": "0",
        "runtime": "docker",
        "enabled": "on",
        "order": "0",
    }
    page = client.post(f"/admin/jobs/machinetype/{machine.pk}/change/", form | {"aliases": "old,n7"})
    assert "old already means the machine type n1" in page.content.decode()
    client.post(f"/admin/jobs/machinetype/{machine.pk}/change/", form | {"aliases": "n7,n8"})
    machine.refresh_from_db()
    assert (machine.aliases, machine.nodes_max, machine.network) == (["n7", "n8"], 2, "outgoing")
