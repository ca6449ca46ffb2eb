"""Fills in the form of a schema in Chromium as a person does: by typing, ticking, choosing and adding, field by field."""

from __future__ import annotations

import json
from typing import Any

from playwright.sync_api import Locator, Page

from tests.on_page import until


class Typist:
    """Fills a page's form with an instance. `picks` says which alternative is chosen where, by its label; `root` is the
    address of the form among those of a page."""

    def __init__(self, page: Page, picks: dict[str, str], root: str = "") -> None:
        self.page = page
        self.picks = {root + address: label for address, label in picks.items()}
        self.root = root

    def place(self, address: str) -> Locator:
        return self.page.locator(f'[data-node="{address}"]')

    def open_folds(self) -> None:
        self.page.evaluate(
            "document.querySelectorAll('[data-schema-form] details').forEach(one => { one.open = true; })"
        )

    def settle(self) -> None:
        self.page.wait_for_timeout(150)
        self.page.wait_for_load_state("networkidle")

    def whole(self, instance: dict[str, Any]) -> None:
        self.open_folds()
        if self.root in self.picks:
            self.page.locator("[data-part] select[data-pick]").first.select_option(label=self.picks[self.root])
            self.settle()
        self.members(self.root, instance)

    def members(self, address: str, value: dict[str, Any]) -> None:
        for key, one in value.items():
            found = self.field(address, key)
            if found is None:
                self.own_key(address, key, one)
            else:
                self.value(found, one)

    def field(self, address: str, key: str) -> str | None:
        """The address of a field of an object, which may stand in one of its parts."""
        script = """([address, key]) => [...document.querySelectorAll('[data-node]')].map(one => one.dataset.node)
          .find(one => one.startsWith(address + '/') && /^(\\/@[\\d.]+)*$/.test(one.slice(address.length, -key.length - 1))
            && one.endsWith('/' + key) && !document.querySelector(`[data-node="${CSS.escape(one)}"]`).closest('[hidden]'))"""
        found: str | None = self.page.evaluate(script, [address, key])
        if found is None and not self.page.locator(f'button[value="schema:add:{address}"]').count():
            # No key of one's own could it be: it stands under a condition, and the server's answer is on its way.
            found = until(self.page, script, [address, key])
        return found

    def own_key(self, address: str, key: str, value: Any) -> None:
        place = self.place(address)
        place.locator(f'button[value="schema:add:{address}"]').click()
        self.settle()
        row = place.locator(".sf-row").last
        row.get_by_label("Key", exact=True).fill(key)
        self.value(str(row.locator("[data-node]").first.get_attribute("data-node")), value)

    def value(self, address: str, value: Any) -> None:
        place = self.place(address)
        kind = next(
            name for name in str(place.get_attribute("class")).split() if name.startswith("sf-") and name != "sf-node"
        )
        if value is None and place.locator("[data-null]").count():
            place.locator("[data-null]").check()
            return
        match kind:
            case "sf-group":
                self.members(address, value)
            case "sf-unopened":
                place.locator("button[data-act]").click()
                self.settle()
                self.value(address, value)
            case "sf-list":
                self.rows(address, value)
            case "sf-alternatives":
                place.locator("select[data-pick]").first.select_option(label=self.picks[address])
                self.settle()
                self.value(str(place.locator("[data-node]").first.get_attribute("data-node")), value)
            case _:
                self.control(place, kind, value)
        if address.count("/") == 1:
            self.settle()  # what stands under a condition may come

    def rows(self, address: str, values: list[Any]) -> None:
        for number, one in enumerate(values):
            if not self.place(f"{address}/*{number}").count():
                self.place(address).locator(f'button[value="schema:add:{address}"]').click()
                self.place(f"{address}/*{number}").wait_for()
                self.settle()
            self.value(f"{address}/*{number}", one)

    def control(self, place: Locator, kind: str, value: Any) -> None:
        text = value if isinstance(value, str) else json.dumps(value)
        match kind:
            case "sf-text" | "sf-number" | "sf-box":
                box = place.locator("textarea, input:not([type=hidden]):not([type=range]):not([type=color])").first
                if box.get_attribute("readonly") is None:
                    box.fill(json.dumps(value) if kind == "sf-box" else text)
            case "sf-fixed":
                if place.locator("input[type=checkbox]").count():
                    place.locator("input[type=checkbox]").check()
            case "sf-switch":
                self.switch(place, value)
            case "sf-many":
                for one in value:
                    place.get_by_label(one, exact=True).check()
            case "sf-choice":
                self.choice(place, {"null": "Nothing (null)"}.get(text, text))

    def switch(self, place: Locator, value: bool) -> None:
        if place.locator("[role=switch]").count():
            place.locator("[role=switch]").set_checked(value)
        else:
            place.get_by_label("Yes" if value else "No", exact=True).check()

    def choice(self, place: Locator, label: str) -> None:
        label = {"2": "Two"}.get(label, label)
        if place.locator("[role=combobox]").count():
            place.locator("[role=combobox]").fill(label)
            place.locator("[role=combobox]").press("Enter")
        elif place.locator("input[type=radio]").count():
            place.get_by_label(label, exact=True).check()
        elif place.locator("select:not(:disabled)").count():
            place.locator("select").select_option(label=label)


# Each field once: what is pressed or typed in it, by its kind. Of radio buttons that is the last one.
FIELDS = """() => [...document.querySelectorAll("[data-schema-form] :is(input, select, textarea)")]
  .filter(one => !["hidden", "search", "range", "color"].includes(one.type) && !one.disabled && !one.readOnly
    && !one.dataset.pick && !one.matches("[data-null], [data-empty]") && one.checkVisibility())
  .filter(one => one.type !== "radio"
    || one === [...document.getElementsByName(one.name)].filter(other => !other.disabled).at(-1))
  .map((one, at) => {
    one.dataset.turn = at;
    if (one.matches("[type=checkbox], [type=radio]")) return "Space";
    if (one.getAttribute("role") === "combobox") return "Search";
    if (one.tagName === "SELECT") return "ArrowDown";
    if (one.type === "date") return "Date";
    return one.matches(".lf-number, .sf-json") ? "7" : "a b";
  })"""
FOCUS = """at => {
  const one = document.querySelector(`[data-turn="${at}"]`);
  one?.focus();
  one?.select?.();
  return one !== null && document.activeElement === one;
}"""
BY_KEYS = 15
EDITS = """([fields, from]) => {
  for (let at = from; at < fields.length; at += 1) {
    const one = document.querySelector(`[data-turn="${at}"]`);
    if (!one) continue;
    one.focus();
    if (fields[at] === "Space") one.click();
    else if (fields[at] === "ArrowDown") {
      one.selectedIndex = one.options.length - 1;
      for (const kind of ["input", "change"]) one.dispatchEvent(new Event(kind, { bubbles: true }));
    } else if (fields[at] !== "Search" && fields[at] !== "Date") {
      one.select();
      document.execCommand("insertText", false, fields[at]);
    }
  }
}"""
UNLABELLED = """() => [...document.querySelectorAll("[data-schema-form] :is(input, select, textarea)")]
  .filter(one => one.type !== "hidden" && one.checkVisibility() && !one.labels?.length && !one.getAttribute("aria-label"))
  .map(one => one.outerHTML.slice(0, 200))"""
BLANK = """() => [...document.querySelectorAll("[data-schema-form] [data-node]")]
  .filter(one => one.checkVisibility() && !one.querySelector("input, select, textarea, button, .sf-fixed, .sf-none"))
  .map(one => one.outerHTML.slice(0, 200))"""


def type_into_all(page: Page) -> int:
    """Fills in every field of the form once; how many there were. The first by keys, the others as the same edits in one go."""
    fields = page.evaluate(FIELDS)
    for at, keys in enumerate(fields[:BY_KEYS]):
        if not page.evaluate(FOCUS, at):
            continue
        match keys:
            case "Space" | "ArrowDown":
                page.keyboard.press(keys)
            case "Search":
                page.keyboard.press("ArrowDown")
                page.keyboard.press("Enter")
            case "Date":
                page.keyboard.type("01312030")
            case _:
                page.keyboard.insert_text(keys)
    page.evaluate(EDITS, [fields, BY_KEYS])
    return len(fields)
