"""What a worker settles before a program starts that people are to connect to: where it is reached, and at which ports."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from apps_catalog.launch.connecting import IMAGE_URL, PORT, UnfitUrlError, of_image
from apps_catalog.launch.spec import RunPlan
from jobs import endpoints
from jobs.events import record
from jobs.job_values import Addresses
from jobs.models import Attempt, Endpoint, Host, Job
from jobs.proxy import origins
from jobs.runtimes.base import PublicPort, RuntimeFault


def with_image_url(job: Job, plan: RunPlan, text_of: Callable[[str], str]) -> RunPlan:
    """The plan with the link of the image's url.txt, where neither the author nor the import of the image said one.

    `text_of` reads a file of the image. What leads out of the job is passed over, and said.
    """
    connect = plan.connect
    if connect is None or connect.kind == "terminal" or connect.source in ("url", "image"):
        return plan
    try:
        return dataclasses.replace(plan, connect=of_image(connect, text_of(IMAGE_URL)))
    except UnfitUrlError as unfit:
        record(job.number, "connect", f"{unfit} It is not used; port {connect.port} is.")
        return plan


def declare(attempt: Attempt, plan: RunPlan) -> Endpoint | None:
    """The endpoint of what the plan serves, made before the program starts, so that it can be told its address."""
    if plan.connect is None:
        return None
    if plan.connect.kind == "terminal":
        return endpoints.declare(attempt, kind=Endpoint.Kind.TERMINAL)
    return endpoints.declare(attempt, kind=Endpoint.Kind.WEB, port=plan.connect.port)


def addresses(endpoint: Endpoint | None, plan: RunPlan, host: Host) -> Addresses:
    """Where the job is reached. Raises RuntimeFault where its ports are to be public and the host has no address for them."""
    if plan.published and not host.public_address:
        said = (
            f"This app asks for a public address, and host {host.name} has none. Ask an operator to give its worker "
            "PUBLIC_ADDRESS, or launch it on another machine type."
        )
        raise RuntimeFault(said, code="start_refused", retry=False)
    public_ip = host.public_address if plan.published else ""
    if endpoint is None or endpoint.port is None or not origins.is_on():
        return Addresses(public_ip=public_ip)
    origin = origins.origin_of(endpoint.label)
    name = origin.host.rpartition(":")[0] or origin.host
    return Addresses(public_ip=public_ip, public_name=name, connect_url=f"{origin.root}/")


def keep_path(endpoint: Endpoint | None, bound: RunPlan) -> None:
    """Write where people are led to, now that this job's values are in it."""
    if endpoint is not None and bound.connect is not None and endpoint.path != bound.connect.path:
        endpoint.path = bound.connect.path
        endpoint.save(update_fields=["sealed_path"])


def public_ports(plan: RunPlan, address: str) -> tuple[PublicPort, ...]:
    """The ports of the plan as a runtime is asked for them."""
    matches = (PORT.fullmatch(port) for port in plan.published)
    return tuple(
        PublicPort(int(match.group(1)), match.group(2), address)  # type: ignore[arg-type]  # as PORT has them
        for match in matches
        if match
    )


def published(ports: tuple[PublicPort, ...]) -> list[dict[str, str | int]]:
    """The same as an attempt keeps them, with the ports that the engine chose."""
    return [dataclasses.asdict(port) for port in ports]
