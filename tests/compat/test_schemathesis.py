"""S36: every operation of the OpenAPI document with generated requests, good and bad, as three people.

No answer is a 5xx, and none is of a status, a media type or a shape that the document does not promise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
import schemathesis
from django.core import signals
from django.core.handlers.wsgi import WSGIHandler
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from portal.api.docs import document
from portal.people.models import SCOPES, ApiToken
from tests import addresses
from tests.addresses import World

EXAMPLES = 12
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]

pytestmark = [pytest.mark.openapi, pytest.mark.django_db]


@pytest.fixture
def world(db: None) -> Iterator[World]:
    """Requests share the test's connection and transaction: Django must not close it after each."""
    for signal in (signals.request_started, signals.request_finished):
        signal.disconnect(close_old_connections)
    yield addresses.build()
    for signal in (signals.request_started, signals.request_finished):
        signal.connect(close_old_connections)


def known(world: World, path: str) -> dict[str, Any]:
    """Path parameters that name things which are there."""
    version = world.bundle if path.endswith("/bundle") else world.version
    ids = {"/tokens/": world.token.pk, "/secrets/": world.secret.pk}
    values: dict[str, Any] = {
        "slug": world.template.slug if "/templates/" in path else version.app.slug,
        "label": version.label,
        "number": world.staged.number if "/drafts/" in path else world.shared.number,
        "name": world.team_vault.name,
        "path": "x.csv" if "/vaults/" in path else "pi.txt",
        "stage": "run",
        "index": 0,
        "id": next((pk for part, pk in ids.items() if part in path), str(world.upload.pk)),
    }
    return {key: value for key, value in values.items() if f"{{{key}}}" in path}


def whole(application: Any) -> Any:
    """The application with each answer read to its end and closed, as a server does it."""

    def answering(environ: Any, start_response: Any) -> list[bytes]:
        answer = application(environ, start_response)
        try:
            return [b"".join(answer)]
        finally:
            answer.close()

    return answering


def tried(strategy: Any, once: Callable[[Any], None]) -> None:
    """Run `once` over examples of a strategy, the same ones each time."""

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=strategy)
    def run(case: Any) -> None:
        once(case)

    run()


@pytest.mark.parametrize("role", ["owner", "curator", "operator"])
def test_every_answer_is_one_that_the_document_promises(world: World, role: str) -> None:
    _, text = ApiToken.issue(world.people[role], name=role, scopes=list(SCOPES))
    schema = schemathesis.openapi.from_dict(document(), config=SchemathesisConfig())
    schema.app = whole(WSGIHandler())
    seen = 0

    def once(case: Any) -> None:
        nonlocal seen
        world.refill()
        with transaction.atomic():
            asked = [*CHECKS, negative_data_rejection] if case.media_type == "application/json" else CHECKS
            case.call_and_validate(headers={"Authorization": f"Bearer {text}", "Host": "localhost"}, checks=asked)
            transaction.set_rollback(True)
        seen += 1

    for found in schema.get_all_operations():
        operation = cast("Any", found).ok()
        real = known(world, operation.path)
        tried(operation.as_strategy(generation_mode=GenerationMode.POSITIVE, path_parameters=real), once)
        tried(operation.as_strategy(generation_mode=GenerationMode.NEGATIVE), once)
    assert seen > 300
