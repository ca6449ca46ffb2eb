"""Every real definition in Chromium: its form draws without a fault, every input has a name, and takes a submission."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page

from apps_catalog.launch.appdef import read_appdef
from apps_catalog.launch.examples import example_machine, example_values
from apps_catalog.launch.machines import fits
from apps_catalog.launch.parameters import File, Upload
from apps_catalog.launch.spec import Command, Json, LaunchSpec
from apps_catalog.models import Version
from jobs import vaults
from jobs.models import Vault
from portal.people.models import User
from tests.apps_catalog.launch.corpus import FILES, needs_corpus
from tests.browser.conftest import Visit
from tests.factories import make_app, make_host, make_machine, make_person

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# Inputs that nothing names, and what the page's own preview says of the form as it stands.
LOOK = """async () => {
  const form = document.getElementById("launch-form");
  const named = (input) => input.labels?.length || input.getAttribute("aria-label") || input.closest("[hidden]");
  const bare = [...form.querySelectorAll("input:not([type=hidden]), select, textarea")].filter((input) => !named(input));
  const answer = await fetch(form.action + "preview/", {
    method: "POST", body: new FormData(form), headers: { "X-CSRFToken": document.querySelector("meta[name=csrf-token]").content },
  });
  const panel = new DOMParser().parseFromString(await answer.text(), "text/html");
  return {
    bare: bare.map((input) => input.outerHTML),
    faults: [...panel.querySelectorAll("[data-faults] > li")].map((row) => `${row.dataset.name}: ${row.textContent}`),
    words: panel.querySelector("#panel-words")?.textContent ?? "",
    fields: form.querySelectorAll("[data-field^='p:']").length,
  };
}"""


def definitions() -> list[tuple[str, str, LaunchSpec]]:
    """(name, text, spec) of every file that can be read."""
    found = []
    for path in FILES:
        spec = read_appdef(path.read_bytes()).spec
        if spec is not None:
            found.append((path.stem, path.read_text(encoding="utf-8-sig"), spec))
    return found


def publish(number: int, text: str, spec: LaunchSpec) -> str:
    """A version of an app of its own; its address."""
    app = make_app(slug=f"real-{number}", name=spec.name or "Unnamed")
    over: dict[str, Any] = {"image": "none", "image_pinned": "sha256:0", "image_state": Version.ImageState.FOUND}
    version = Version.objects.create(
        app=app, definition=text, digest=Version.digest_of(text), label="1", state=Version.State.PUBLISHED, **over
    )
    app.default_version, app.published = version, True
    app.save()
    return f"/apps/{app.slug}/launch/"


def machine_for(spec: LaunchSpec, command: Command) -> str:
    name = example_machine(spec, command)
    make_machine(name, nodes_max=2, public_ports=True)
    return name


def put(vault: Vault, path: str) -> None:
    """A file at this path, with its folders."""
    folders = path.split("/")[:-1]
    for depth in range(1, len(folders) + 1):
        if not vaults.exists(vault, "/".join(folders[:depth])):
            vaults.make_folder(vault, "/".join(folders[:depth]))
    if not vaults.exists(vault, path):
        vaults.save_file(vault, path, [b"1"])


def query(owner: User, spec: LaunchSpec, command: Command) -> str:
    """A link that fills the form with generated values; the files that it names are put into the vault."""
    vault = vaults.default_vault(owner)
    filled: dict[str, Json] = {"command": command.key, "machine": machine_for(spec, command)}
    for key, value in example_values(command).items():
        parameter = command.parameters[key]
        if isinstance(parameter, File):
            put(vault, str(value).removeprefix("/data/"))
        if isinstance(parameter, Upload):
            value = base64.b64encode(b"1").decode()
        filled[f"p.{key}"] = str(value).lower() if isinstance(value, bool) else value
    return urlencode(filled)


def look(page: Page, url: str) -> dict[str, Any]:
    page.goto(url, wait_until="load")
    found: dict[str, Any] = page.evaluate(LOOK)
    return found


@needs_corpus
def test_every_real_form_draws_and_takes_generated_values(visit: Visit, portal_url: str) -> None:
    ada = make_person("ada")
    read = definitions()
    assert len(read) > 50
    make_host("one", serves={machine_for(s, c): 1 for _, _, s in read for c in s.commands.values()})
    page = visit(ada, "/")
    wrong: dict[str, Any] = {}
    looked = 0
    for number, (name, text, spec) in enumerate(read):
        address = publish(number, text, spec)
        for command in spec.commands.values():
            found = look(page, f"{portal_url}{address}?{query(ada, spec, command)}")
            asked = sum(not parameter.fixed for parameter in command.parameters.values())
            looked += 1
            # A pattern that no name of a machine type can fit leaves nothing to choose, and that is said.
            fitting = fits(spec.machines_of(command), (example_machine(spec, command),))
            refused = ["machine: No machine type here matches" in fault for fault in found["faults"]]
            if (
                found["bare"]
                or refused != ([] if fitting else [True])
                or bool(found["words"]) != fitting
                or found["fields"] != asked
            ):
                wrong[f"{name} {command.key}"] = found
    assert not wrong
    assert looked > 100
