"""The palette in Chromium: from any page, by keys alone or by hand, and never in a shell's way."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from apps_catalog.models import App
from apps_catalog.search import vector_for
from portal.people.models import User
from tests.browser.conftest import Visit, overflow_px, serious_faults
from tests.factories import make_app, make_job, make_version

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
LONG = "Reactor-" + "x" * 90


@pytest.fixture
def motor(owner: User) -> App:
    app = make_version(make_app(name="OpenFOAM motor", summary="Flow around a motorcycle. " * 6)).app
    App.objects.filter(pk=app.pk).update(search=vector_for(app))
    make_job(owner, label=LONG)
    return app


def test_keys_alone_lead_to_an_app(owner: User, visit: Visit, motor: App) -> None:
    page = visit(owner, "/files/")
    page.keyboard.press("Control+k")
    field = page.get_by_role("combobox", name="App, job or page")
    expect(field).to_be_focused()
    hits = page.locator(".palette-hit")
    expect(hits.first).to_contain_text(LONG)
    expect(hits.first).to_have_attribute("aria-selected", "true")
    page.keyboard.press("ArrowUp")  # from the first to the last
    expect(hits.last).to_have_attribute("aria-selected", "true")
    page.keyboard.type("motor")
    expect(hits).to_have_count(1)
    expect(field).to_have_attribute("aria-activedescendant", "palette-apps-1")
    assert serious_faults(page) == []
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/apps/{motor.slug}/")


def test_it_opens_by_hand_on_a_phone_and_closes_where_it_began(owner: User, visit: Visit, motor: App) -> None:
    page = visit(owner, "/jobs/", width=390)
    find = page.get_by_role("button", name="Go to an app, a job or a page")
    find.click()
    expect(page.locator(".palette-hit").first).to_be_visible()
    assert overflow_px(page) == 0
    page.keyboard.type("nothing like it")
    expect(page.locator("#palette-hits")).to_contain_text("Nothing here begins like nothing like it.")
    page.keyboard.press("Enter")  # there is nothing to go to
    page.keyboard.press("Escape")
    expect(page.locator("#palette")).to_be_hidden()
    expect(find).to_be_focused()


def test_a_shell_keeps_its_own_use_of_the_keys(owner: User, visit: Visit) -> None:
    page = visit(owner, "/jobs/")
    page.evaluate(
        "() => { const box = document.createElement('div'); box.className = 'xterm'; box.tabIndex = 0;"
        " document.querySelector('main').append(box); box.focus(); }"
    )
    page.keyboard.press("Control+k")
    expect(page.locator("#palette")).to_be_hidden()
    page.locator("#main").press("Control+k")
    expect(page.locator("#palette")).to_be_visible()


def test_a_server_that_is_away_is_told_in_the_dialog_and_asked_again(owner: User, visit: Visit, motor: App) -> None:
    page = visit(owner, "/jobs/", width=390)
    page.evaluate(
        "() => { window.said = console.error; console.error = () => {}; }"
    )  # htmx tells the console of it as well
    page.route("**/palette/*", lambda route: route.abort("connectionreset"))
    page.keyboard.press("Control+k")
    expect(page.locator("#palette-hits [role=alert]")).to_contain_text("type on to try again")
    page.unroute("**/palette/*")
    page.evaluate("() => { console.error = window.said; }")
    page.keyboard.type("motor")
    expect(page.locator(".palette-hit")).to_have_count(1)


def test_who_was_signed_out_meanwhile_is_led_to_sign_in(owner: User, visit: Visit) -> None:
    page = visit(owner, "/jobs/")
    page.context.clear_cookies()
    page.keyboard.press("Control+k")
    page.wait_for_url("**/login/**")
