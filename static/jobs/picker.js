// The file picker: a button with data-picker="#field" opens it over the vault that its form has chosen, and the path
// that is chosen goes into the field. One folder at a time; all of it works from the search field by keyboard. A large
// folder comes page by page as one goes down, so that the page never holds more of it than was looked at.
import { csrfToken, icon, toast } from "../portal/portal.js";

const NEAR_PX = 400; // from the end of the list, where the next page is fetched

const SORTS = [["name", "Name"], ["-time", "Newest first"], ["-size", "Largest first"], ["size", "Smallest first"], ["time", "Oldest first"]];

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

export class Picker {
  constructor(button, field, vault) {
    this.button = button;
    this.field = field;
    this.vault = vault;
    this.filter = button.dataset.filter || "";
    this.path = "";
    this.turn = 0;
    this.build();
  }

  build() {
    const title = make("h2", { id: "picker-title", class: "h3" }, this.button.getAttribute("aria-label") || "Choose a file");
    const close = make("button", { type: "button", class: "btn btn-sm btn-quiet", "aria-label": "Close" }, icon("x"));
    this.search = make("input", {
      type: "search", class: "form-control", placeholder: "Search in this folder", "aria-label": "Search in this folder",
      role: "combobox", "aria-expanded": "true", "aria-controls": "picker-list", "aria-autocomplete": "list",
      autocomplete: "off", maxlength: "200",
    });
    this.sort = make("select", { class: "form-select", "aria-label": "Sort by" });
    for (const [value, words] of SORTS) this.sort.append(make("option", { value }, words));
    this.body = make("div", { class: "picker-body", "aria-live": "polite" });
    this.take = make("button", { type: "button", class: "btn btn-primary", disabled: "" }, "Choose");
    const cancel = make("button", { type: "button", class: "btn" }, "No, go back");
    const keys = make("p", {}, "Arrow keys move, Enter opens or chooses, Backspace goes up.");
    this.dialog = make("dialog", { class: "picker", "aria-labelledby": "picker-title" },
      make("div", { class: "picker-head" }, title, close),
      make("div", { class: "picker-tools" }, this.search, this.sort),
      this.body,
      make("div", { class: "picker-foot" }, keys, cancel, this.take));
    close.addEventListener("click", () => this.dialog.close());
    cancel.addEventListener("click", () => this.dialog.close());
    this.take.addEventListener("click", () => this.act(this.active));
    this.sort.addEventListener("change", () => this.load(this.path));
    this.search.addEventListener("input", () => this.later());
    this.search.addEventListener("keydown", (event) => this.key(event));
    this.body.addEventListener("click", (event) => this.clicked(event));
    this.body.addEventListener("scroll", () => this.scrolled(), { capture: true, passive: true });
    this.body.addEventListener("dblclick", (event) => this.act(event.target.closest("[role=option][data-choose]")));
    this.dialog.addEventListener("close", () => {
      clearTimeout(this.timer);
      this.dialog.remove();
      this.button.focus();
    });
  }

  open() {
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.search.focus();
    const typed = this.field.value.replace(/^\/?data\//, "");
    const folder = typed.includes("/") ? typed.slice(0, typed.lastIndexOf("/")) : "";
    this.load(folder, { orTop: true, mark: typed });
  }

  later() {
    clearTimeout(this.timer);
    this.stale = true; // what is listed is not yet what was typed
    this.timer = setTimeout(() => this.load(this.path), 180);
  }

  ask(path, offset) {
    const query = new URLSearchParams({ path, sort: this.sort.value });
    if (this.search.value) query.set("search", this.search.value);
    if (this.filter) query.set("filter", this.filter);
    if (offset) query.set("offset", offset);
    return this.fetch(query);
  }

  fetch(query) {
    return fetch(`/files/${encodeURIComponent(this.vault)}/pick/?${query}`, { headers: { "HX-Request": "true", "X-CSRFToken": csrfToken() } });
  }

  get list() {
    return this.body.querySelector(".picker-list");
  }

  scrolled() {
    const list = this.list;
    if (list && list.scrollTop + list.clientHeight > list.scrollHeight - NEAR_PX) this.fetchMore();
  }

  // The next page below what is listed; one at a time, and nothing where the folder, search or order has changed since.
  fetchMore() {
    const list = this.list;
    if (!this.stale && list?.dataset.more && !this.more) {
      this.more = this.append(list, this.turn).finally(() => { this.more = null; });
    }
    return this.more;
  }

  async append(list, turn) {
    try {
      const answer = await this.ask(this.path, list.dataset.more);
      const text = await answer.text();
      if (turn !== this.turn || !answer.ok || answer.redirected) return;
      const page = new DOMParser().parseFromString(text, "text/html");
      const next = page.querySelector(".picker-list");
      list.append(...next.children);
      if (next.dataset.more) list.dataset.more = next.dataset.more;
      else delete list.dataset.more;
      this.body.querySelector("[data-note]").replaceWith(page.querySelector("[data-note]"));
    } catch {
      // What is listed stays; going down asks again.
    }
  }

  async load(path, { orTop = false, mark = "" } = {}) {
    const turn = ++this.turn;
    clearTimeout(this.timer);
    this.stale = true;
    this.more = null;
    let answer;
    try {
      answer = await this.ask(path, 0);
      if (turn !== this.turn) return;
      if (!answer.ok && orTop && path) return this.load("");
      const text = await answer.text();
      if (turn !== this.turn) return;
      if (answer.redirected) throw new Error("signed out");
      this.body.replaceChildren(...new DOMParser().parseFromString(text, "text/html").body.childNodes);
    } catch {
      this.body.replaceChildren(make("div", { class: "alert alert-error", role: "alert" }, "The folder can't be listed now. Close this, then try again."));
    }
    if (answer?.ok) this.path = path;
    this.stale = false;
    const options = this.options();
    const found = mark && options.find((option) => option.dataset.choose === mark);
    this.mark(found || options.find((option) => !("above" in option.dataset)) || options[0], Boolean(found));
  }

  options() {
    return [...this.body.querySelectorAll("[role=option]:not([aria-disabled])")];
  }

  mark(option, scroll = true) {
    this.active?.setAttribute("aria-selected", "false");
    this.active = option || null;
    this.take.disabled = !option;
    this.take.textContent = option && "go" in option.dataset ? "Open" : "Choose";
    if (!option) return this.search.removeAttribute("aria-activedescendant");
    option.setAttribute("aria-selected", "true");
    this.search.setAttribute("aria-activedescendant", option.id);
    if (scroll) option.scrollIntoView({ block: "nearest" });
  }

  clicked(event) {
    const crumb = event.target.closest("button[data-go]");
    if (crumb) return this.go(crumb.dataset.go);
    const option = event.target.closest("[role=option]:not([aria-disabled])");
    if (!option) return;
    this.mark(option);
    if ("go" in option.dataset) this.go(option.dataset.go);
    else this.search.focus();
  }

  go(path) {
    this.search.value = "";
    this.search.focus();
    this.load(path);
  }

  act(option) {
    if (!option) return;
    if ("go" in option.dataset) return this.go(option.dataset.go);
    this.chosen(option.dataset.choose);
    this.dialog.close();
    for (const type of ["input", "change"]) this.field.dispatchEvent(new Event(type, { bubbles: true }));
  }

  chosen(path) {
    this.field.value = (this.field.dataset.prefix || "") + path;
  }

  async enter() {
    if (this.stale) await this.load(this.path);
    if (!this.stale) this.act(this.active);
  }

  async down(to) {
    if (to >= this.options().length) await this.fetchMore();
    const options = this.options();
    this.mark(options[Math.min(to, options.length - 1)]);
  }

  key(event) {
    const options = this.options();
    const at = options.indexOf(this.active);
    const above = this.body.querySelector("[data-above]");
    const moves = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + 10, PageUp: at - 10 };
    if (event.key in moves) {
      event.preventDefault();
      if (moves[event.key] > at) this.down(moves[event.key]);
      else this.mark(options[Math.max(moves[event.key], 0)]);
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.enter();
    } else if (event.key === "Backspace" && !this.search.value && above) {
      event.preventDefault();
      this.go(above.dataset.go);
    }
  }
}

document.addEventListener("click", (event) => {
  const button = event.target instanceof Element ? event.target.closest("[data-picker]") : null;
  if (!button) return;
  event.preventDefault();
  const field = document.querySelector(button.dataset.picker) || button.parentElement.querySelector("[data-path]");
  const vault = button.dataset.vault || new FormData(field.form).get("vault") || "";
  if (!vault || vault === "NONE") return toast("Choose a vault under Storage first; its files are listed here.", "warning");
  new Picker(button, field, vault).open();
});
