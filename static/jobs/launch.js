// The launch page: the live panel, faults at the fields that were touched, and the way to a field from a list.
import { enliven } from "./launch-fields.js";
import { tieScale } from "./launch-scale.js";

const form = document.querySelector("[data-launch]");
const panel = document.getElementById("panel");
const touched = new Set();
let faults = new Map();
let stale = false; // something was changed since the faults were told

// What comes or goes under a pressed button moves what is being clicked, and the click is lost: it waits until the release.
let pressed = false;
const waiting = [];

function whenReleased(work) {
  if (pressed) waiting.push(work);
  else work();
}

function released() {
  setTimeout(() => { // after the click that follows
    pressed = false;
    waiting.splice(0).forEach((work) => work());
  });
}

const nameOf = (element) => element.closest?.("[data-field]")?.dataset.field;

function readFaults() {
  faults = new Map();
  for (const row of panel.querySelectorAll("[data-faults] > li")) {
    const name = row.dataset.name;
    const words = name === "json" && row.dataset.label ? `${row.dataset.label}: ${row.textContent}` : row.textContent;
    faults.set(name, [...(faults.get(name) || []), words]);
  }
}

function mark(field) {
  const name = field.dataset.field;
  const words = faults.get(name) || [];
  const box = field.querySelector(".invalid-feedback") || document.getElementById(`${field.id}-error`);
  if (!box || (!touched.has(name) && !field.classList.contains("has-error"))) return;
  const same = [...box.children].map((line) => line.textContent).join("\n") === words.join("\n");
  field.classList.toggle("has-error", words.length > 0);
  for (const control of [field, ...field.querySelectorAll("[aria-describedby]")]) {
    // What lies in a field of its own has faults of its own.
    if (!control.hasAttribute("aria-describedby") || control.closest("[data-field]") !== field) continue;
    if (words.length) control.setAttribute("aria-invalid", "true");
    else control.removeAttribute("aria-invalid");
  }
  if (same) return;
  box.replaceChildren(...words.map((word) => {
    const line = document.createElement("p");
    line.textContent = word;
    return line;
  }));
}

function markAll() {
  form.querySelectorAll("[data-field]").forEach(mark);
  settleProblems();
}

/** Takes what is settled, or does not count any more, off the list on top. */
function settleProblems() {
  const list = document.getElementById("problems");
  if (!list) return;
  for (const row of list.querySelectorAll("[data-name]")) row.hidden = !faults.has(row.dataset.name);
  const left = list.querySelectorAll("[data-name]:not([hidden])").length;
  if (!left) list.remove();
  else if (!faults.has("json")) list.querySelector("[data-title]").textContent = document.getElementById("launch-count").textContent;
}

function touch(event) {
  const name = nameOf(event.target);
  if (!name) return;
  touched.add(name);
  const field = event.target.closest("[data-field]");
  if (event.type === "focusout" && !stale) whenReleased(() => mark(field));
}

/** Shows and focuses a field, opening what it is folded in. */
function goTo(id) {
  const field = document.getElementById(id);
  if (!field) return;
  for (let fold = field.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
  const row = field.closest("[data-field]");
  row?.classList.remove("is-sifted");
  let inner = null;
  if (field.getAttribute("role") === "radiogroup") inner = field.querySelector("input:checked, input");
  else if (!field.matches("fieldset")) inner = [...field.querySelectorAll("input:not([type=range])")].find((input) => input.offsetParent);
  (inner || field).focus(); // a fieldset is a group of a schema: what is wrong is about the whole of it
  field.scrollIntoView({ block: "center" });
}

function keys(event) {
  if (event.key !== "Enter" || event.isComposing) return;
  if (event.ctrlKey || event.metaKey) {
    event.preventDefault();
    document.getElementById("launch")?.click();
  } else if (event.target.matches("input:not([type=submit], [type=file])")) {
    event.preventDefault(); // takes the value over; launching is for the button
    event.target.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

function keepFolds() {
  const known = new Set([...panel.querySelectorAll("details")].map((fold) => fold.id));
  const open = new Set([...panel.querySelectorAll("details[open]")].map((fold) => fold.id));
  const focus = panel.contains(document.activeElement) ? document.activeElement.closest("details")?.id : "";
  const scroll = panel.scrollTop;
  panel.addEventListener("htmx:afterSwap", () => {
    panel.querySelectorAll("details").forEach((fold) => { if (known.has(fold.id)) fold.open = open.has(fold.id); });
    if (focus) document.getElementById(focus)?.querySelector("summary")?.focus({ preventScroll: true });
    panel.scrollTop = scroll;
  }, { once: true });
}

if (form) {
  enliven(form);
  tieScale(form);
  readFaults();
  if (!document.getElementById("problems")) document.querySelector("[data-remark]")?.focus(); // what is wrong comes first
  form.addEventListener("focusout", touch);
  form.addEventListener("change", touch);
  form.addEventListener("keydown", keys);
  form.addEventListener("input", () => { stale = true; });
  panel.addEventListener("htmx:configRequest", (event) => {
    if (form.dataset.sent) {
      event.preventDefault(); // the page is being left, and what it asks about may be gone by then
      return;
    }
    stale = false; // its answer tells of all that was changed until now
    for (const input of form.querySelectorAll("input[type=file]")) delete event.detail.parameters[input.name];
  });
  panel.addEventListener("htmx:beforeSwap", keepFolds);
  panel.addEventListener("htmx:afterSwap", () => {
    readFaults();
    whenReleased(markAll);
  });
  document.addEventListener("pointerdown", () => { pressed = true; }, true);
  for (const end of ["pointerup", "pointercancel"]) document.addEventListener(end, released, true);
  window.addEventListener("blur", released);
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("[data-goto]");
    if (!link) return;
    event.preventDefault();
    goTo(link.dataset.goto);
  });
}
