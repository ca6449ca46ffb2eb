"""What a bundle asks of a machine against what there is: who fits, who is cheapest, and what is said where none does."""

from __future__ import annotations

from decimal import Decimal

import pytest

from apps_catalog.launch.requirements import Offer, cheapest, satisfies, why_none, why_not
from apps_catalog.launch.spec import Requirements

N1 = Offer("n1", 1, 1024, price=Decimal("0.05"))
N4 = Offer("n4", 4, 8192, price=Decimal("0.20"))
N8 = Offer("n8", 8, 65536, price=Decimal("0.40"))
G1 = Offer("g1", 8, 65536, 1, ("gpu=a100", "disk=ssd"), Decimal("2.00"))
G2 = Offer("g2", 8, 65536, 2, ("gpu=tesla-t4",), Decimal("1.00"))
ALL = (N1, N4, N8, G1, G2)


@pytest.mark.parametrize(
    ("wanted", "name"),
    [
        (Requirements(1, 1), "n1"),
        (Requirements(), "n4"),  # 2 vCPUs and 2 GiB, where a manifest says nothing
        (Requirements(4, 8), "n4"),
        (Requirements(4, 8.5), "n8"),
        (Requirements(1, 1, ("A100",)), "g1"),
        (Requirements(1, 1, ("H100", "Tesla T4", "a100")), "g2"),
        (Requirements(1, 1, ("H100",)), None),
        (Requirements(16, 1), None),
    ],
)
def test_the_cheapest_that_fits_is_chosen(wanted: Requirements, name: str | None) -> None:
    best = cheapest(wanted, ALL)
    assert (best.name if best else None) == name


def test_one_that_can_start_now_goes_before_a_cheaper_one_that_nobody_serves() -> None:
    idle = Offer("idle", 4, 8192, price=Decimal("0.01"), served=False)
    assert cheapest(Requirements(), (idle, N4)) == N4
    assert cheapest(Requirements(), (idle,)) == idle


def test_gpus_that_nobody_asked_for_are_left_to_others_at_the_same_price() -> None:
    assert cheapest(Requirements(), (Offer("a", 8, 8192, 1, ("gpu=t4",)), Offer("b", 8, 8192))) == Offer("b", 8, 8192)


def test_a_tag_without_a_gpu_is_no_gpu() -> None:
    assert not satisfies(Offer("odd", 8, 8192, 0, ("gpu=a100",)), Requirements(1, 1, ("A100",)))


def test_what_is_said_where_none_fits() -> None:
    wanted = Requirements(4, 16, ("A100",))
    assert why_none("resize", wanted, (N1, G2)) == (
        "'resize' needs 4 vCPUs, 16 GiB and a GPU: A100. No machine type here has that: n1 has 1 vCPU, 1 GiB and no GPU; "
        "g2 has 8 vCPUs, 64 GiB and 2 GPUs (tesla-t4). Ask an operator to add one."
    )
    many = tuple(Offer(f"n{n}", 1, 512) for n in range(9))
    assert "n5 has 1 vCPU, 0.5 GiB and no GPU; and 3 more." in why_none("x", Requirements(2, 2, ("A", "B")), many)
    assert "one of these GPUs: A, B" in why_none("x", Requirements(2, 2, ("A", "B")), many)
    assert "No machine type is switched on here" in why_none("x", wanted, ())


def test_why_the_chosen_one_will_not_do() -> None:
    said = "'x' needs 2 vCPUs and 2 GiB, and n1 has 1 vCPU, 1 GiB and no GPU. Take another, or leave the choice empty."
    assert why_not("x", Requirements(), N1) == said
