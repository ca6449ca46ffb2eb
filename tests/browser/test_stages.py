"""Jobs in stages in Chromium: the table of 10,000 tasks, three forms filled in and launched, a picture without a click."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

from jobs.models import Job
from jobs.states import JobState
from portal.people.models import User
from tests.browser.conftest import Visit, overflow_px, serious_faults
from tests.factories import make_host, make_machine, make_secret, make_team, make_template
from tests.jobs.bundles import make_bundle
from tests.jobs.stage_jobs import job_of
from tests.on_page import until

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ROWS = "tr[data-row]"
ROWS_MOST = 70


def test_the_table_of_ten_thousand_is_smooth_to_its_end(owner: User, visit: Visit) -> None:
    job = job_of(owner, 10_000)
    page = visit(owner, f"/jobs/{job.number}/tasks/")
    page.wait_for_selector("[data-task-table].is-windowed tr[data-row] th a")
    assert page.get_attribute("[data-task-table] table", "aria-rowcount") == "10001"
    # Scrolled to the end in steps: what is in the page stays small, and rows come in order.
    steps = page.evaluate(
        """async () => {
          const box = document.querySelector("[data-scroll]");
          const seen = { most: 0, slow: 0, last: performance.now() };
          for (let at = 0; at < 60; at += 1) {
            box.scrollTop = (at / 59) * box.scrollHeight;
            await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
            seen.most = Math.max(seen.most, document.querySelectorAll("tr[data-row]").length);
          }
          return seen;
        }"""
    )
    assert 0 < steps["most"] <= ROWS_MOST
    until(
        page,
        "() => [...document.querySelectorAll('tr[data-row] th a')].at(-1)?.textContent === '9,999'",
    )
    shown = page.eval_on_selector_all(
        ROWS, "rows => rows.map(row => [row.getAttribute('aria-rowindex'), row.querySelector('th a')?.textContent])"
    )
    assert [int(index) - 2 for index, _ in shown] == [int(text.replace(",", "")) for _, text in shown]
    # By keyboard: to the first, three down, and into the task.
    page.focus("[data-scroll]")
    page.keyboard.press("Home")
    until(page, "() => document.activeElement.textContent === '0'")
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    until(page, "() => document.activeElement.textContent === '3'")
    page.keyboard.press("End")
    until(page, "() => document.activeElement.textContent === '9,999'")
    assert serious_faults(page) == []
    page.keyboard.press("Enter")
    page.wait_for_url("**/tasks/run/9999/")


def test_the_table_can_be_filtered_and_sorted(owner: User, visit: Visit) -> None:
    job = job_of(owner, 1_000)
    page = visit(owner, f"/jobs/{job.number}/tasks/", width=390)
    page.click("[data-tile=failed]")
    page.wait_for_selector(".tile-failed[aria-current]")
    page.wait_for_selector("[data-task-table].is-windowed tr[data-row] .state-failed")
    assert page.inner_text("[data-count-words]") == "20 tasks"
    page.select_option("#task-sort", "-duration")
    page.wait_for_url("**sort=-duration**")
    page.wait_for_selector("[data-task-table].is-windowed tr[data-row] .state-failed")
    assert overflow_px(page) == 0


def test_without_scripts_the_table_has_pages(owner: User, visit: Visit) -> None:
    job = job_of(owner, 120)
    page = visit(owner, f"/jobs/{job.number}/tasks/", scripts=False)
    assert page.locator(ROWS).count() == 50
    page.click("text=More tasks")
    assert page.locator(f"{ROWS} th a").first.inner_text() == "50"


def test_three_forms_are_filled_in_and_launched(owner: User, visit: Visit) -> None:
    make_machine("n1", cores=2, ram_mib=4096)
    make_host("one", serves={"n1": 2})
    both = {"properties": {"size": {"type": "integer", "minimum": 1, "maximum": 9, "default": 2, "title": "Size"}}}
    deep = {
        "properties": {
            "mode": {"enum": ["plain", "deep"], "default": "plain", "title": "Mode"},
            "points": {"type": "array", "items": {"type": "number"}, "title": "Points"},
        },
        "if": {"properties": {"mode": {"const": "deep"}}, "required": ["mode"]},
        "then": {"properties": {"depth": {"type": "integer", "title": "Depth"}}, "required": ["depth"]},
    }
    make_bundle("app", name="tiles", schema=deep)
    make_bundle("partitioner", name="cutter", schema=both)
    make_bundle("assembler", name="stitch")
    page = visit(owner, "/apps/tiles/launch/")
    page.select_option("#tag-partitioner", "cutter")
    page.wait_for_selector("#fpartitioner\\/size")
    page.select_option("#tag-assembler", "stitch")
    page.wait_for_selector("#box-assembler")
    page.fill("#fpartitioner\\/size", "5")
    page.locator("label", has_text="deep").click()
    until(page, "() => [...document.querySelectorAll('.sf-when')].some((part) => !part.hidden)")
    page.click("button[value='schema:add:app/points']")
    page.wait_for_selector("[data-node='app/points'] .sf-row input[type=text]")
    page.fill("[data-node='app/points'] .sf-row input[type=text]", "1.5")
    page.fill("#box-assembler", '{"order": 1')
    until(page, "() => document.getElementById('launch-count').textContent === '2 things to fix before launching'")
    page.click("#launch")
    page.wait_for_selector("#problems")
    assert "kept as draft" in page.inner_text("[data-remark]")
    page.fill("#box-assembler", '{"order": 1}')
    page.locator(".sf-when:not([hidden]) input[type=text]").fill("3")
    until(page, "() => document.getElementById('launch-count').textContent === ''")
    assert page.locator("#panel details[open] pre").count() == 3
    assert serious_faults(page) == []
    page.dblclick("#launch")
    page.wait_for_url("**/jobs/*/")
    job = Job.objects.get()
    assert job.state == JobState.QUEUED
    assert json.loads(json.dumps(job.parameters)) == {
        "partitioner": {"size": 5},
        "app": {"mode": "deep", "points": [1.5], "depth": 3},
        "assembler": {"order": 1},
    }


@pytest.mark.parametrize("width", [390, 1440])
def test_forms_and_pages_fit_and_read_well(owner: User, visit: Visit, width: int) -> None:
    job = job_of(owner, 300, name="a-label-without-any-space-" * 6)
    for path in (f"/jobs/{job.number}/", f"/jobs/{job.number}/log/", "/templates/", "/templates/new/"):
        page = visit(owner, path, width=width, dark=width == 390)
        assert overflow_px(page) == 0, path
        assert serious_faults(page) == [], path
        page.context.close()


def test_on_a_phone_tables_are_cards_and_menus_stay_in_sight(owner: User, visit: Visit) -> None:
    owner.is_operator = True
    owner.save()
    long = "a-name-without-any-space-" * 2
    job = job_of(owner, 100, name=long)
    make_template(owner, slug=long, name=long, app="gone")
    make_secret(owner, "A_NAME_" * 8)
    make_secret(make_team(owner, name=long))
    for path in ("/jobs/", "/templates/", "/account/secrets/", "/hosts/", f"/jobs/{job.number}/tasks/run/90/"):
        page = visit(owner, path, width=390)
        wide = page.eval_on_selector_all(".table-scroll", "all => all.map(one => one.scrollWidth - one.clientWidth)")
        assert wide, path
        assert max(wide) == 0, path
        assert serious_faults(page) == [], path
        page.context.close()
    page = visit(owner, f"/jobs/{job.number}/tasks/", width=390)
    row = page.locator("[data-task-table].is-windowed tr[data-row]").nth(1)
    expect(row).to_contain_text("Succeeded")
    assert page.eval_on_selector("[data-scroll]", "box => box.scrollWidth - box.clientWidth") == 0
    expect(page.locator(".stepper")).to_be_hidden()  # of another tab
    expect(page.locator("#job-sentence")).to_be_visible()
    page.click("#job-share")
    box = page.locator(".page-actions .menu[open] .menu-body").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= 390
