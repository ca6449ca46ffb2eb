// Forms of authors' schemas: rows and alternatives are drawn by the server and put in place here; what stands under a
// condition comes and goes; sliders, colours, and the search among many fields. Without this the same buttons load the page.
import { csrfToken, toast } from "../portal/portal.js";
import { enliven } from "./launch-fields.js";
import { searchSchema } from "./schema-search.js";

const form = document.querySelector("form[data-part-url]");
const TYPING_MS = 80;
let turn = Promise.resolve();
let asking = null;
let timer = 0;

function tieSlide(box) {
  const slider = box.querySelector("[data-slider]");
  const number = box.querySelector("[data-number]");
  slider.addEventListener("input", () => { number.value = slider.value; });
  slider.addEventListener("change", () => number.dispatchEvent(new Event("change", { bubbles: true })));
  const follow = () => { if (number.value.trim() !== "" && Number.isFinite(Number(number.value))) slider.value = number.value; };
  number.addEventListener("input", follow);
  window.addEventListener("pageshow", follow);
}

function tieColour(box) {
  const [text, swatch] = box.querySelectorAll("input");
  const follow = () => { if (/^#[0-9a-f]{6}$/i.test(text.value)) swatch.value = text.value.toLowerCase(); };
  swatch.addEventListener("input", () => {
    text.value = swatch.value;
    text.dispatchEvent(new Event("input", { bubbles: true }));
  });
  text.addEventListener("input", follow);
  follow();
}

/** What is null has no value to fill in: its controls are dimmed, and kept. */
function tieNull(box) {
  const node = box.closest("[data-node]");
  const follow = () => node.classList.toggle("is-null", box.checked);
  box.addEventListener("change", follow);
  follow();
}

function bring(root) {
  enliven(root);
  root.querySelectorAll("[data-slide]").forEach(tieSlide);
  root.querySelectorAll("[data-color]").forEach(tieColour);
  root.querySelectorAll("[data-null]").forEach(tieNull);
}

function sent(more) {
  const data = new FormData(form);
  for (const [name, value] of [...data]) if (value instanceof File) data.delete(name);
  for (const [name, value] of Object.entries(more)) data.set(name, value);
  return data;
}

async function ask(more, signal) {
  const answer = await fetch(form.dataset.partUrl, {
    method: "POST", body: sent(more), headers: { "X-CSRFToken": csrfToken() }, signal,
  });
  if (!answer.ok) throw new Error(answer.status === 404 ? "This place is not in the form any more. Load the page again." : "The form could not be changed just now. Try again.");
  return answer;
}

const placeOf = (address) => form.querySelector(`[data-node="${CSS.escape(address)}"]`);

function foldsOf(root) {
  return [...root.querySelectorAll("details")].map((fold) => fold.open);
}

/** Draws one place anew after a change to it, and puts the focus where work goes on. */
async function redraw(go, address, focus) {
  const before = placeOf(address);
  if (!before) return;
  try {
    const html = await (await ask({ go, part: address })).text();
    const holder = document.createElement("template");
    holder.innerHTML = html;
    const after = holder.content.querySelector(`[data-node="${CSS.escape(address)}"]`);
    if (!after) return;
    const open = foldsOf(before);
    before.replaceWith(after);
    const folds = [...after.querySelectorAll("details")];
    if (folds.length === open.length) folds.forEach((fold, at) => { fold.open = open[at]; });
    bring(after);
    if (after.matches("[data-schema-form]")) searchSchema(after);
    (focus(after) || after.querySelector("input:not([type=hidden]), select, textarea, button"))?.focus();
    form.dispatchEvent(new Event("change", { bubbles: true }));
    conditions();
  } catch (fault) {
    toast(fault.message, "error");
  }
}

const controls = "input:not([type=hidden]):not([type=range]), select, textarea, button[data-act]";

function act(button) {
  const [, verb, ...rest] = button.value.split(":");
  const address = rest.join(":");
  const list = ["drop", "up", "down"].includes(verb) ? address.slice(0, address.lastIndexOf("/")) : address;
  const rows = button.closest(".sf-rows");
  const at = rows ? [...rows.children].indexOf(button.closest(".sf-row")) : -1;
  const focus = {
    add: (node) => [...node.querySelectorAll(".sf-rows")].filter((one) => one.closest("[data-node]") === node).at(-1)?.lastElementChild?.querySelector(controls),
    drop: (node) => rowTools(node, Math.min(at, rowsOf(node).length - 1), "drop") || addButton(node, list),
    up: (node) => rowTools(node, at - 1, "up") || rowTools(node, at - 1, "down"),
    down: (node) => rowTools(node, at + 1, "down") || rowTools(node, at + 1, "up"),
    open: (node) => node.querySelector(controls),
    close: (node) => node.querySelector("button[data-act]"),
  }[verb];
  turn = turn.then(() => redraw(button.value, list, focus || (() => null)));
}

const rowsOf = (node) => [...node.querySelectorAll(".sf-row")].filter((row) => row.parentElement.closest("[data-node]") === node);
const rowTools = (node, at, verb) => rowsOf(node)[at]?.querySelector(`:scope > .sf-tools button[value^="schema:${verb}:"]:not(:disabled)`);
const addButton = (node, address) => node.querySelector(`button[value="schema:add:${CSS.escape(address)}"]`);

function pick(select) {
  const node = select.closest("[data-node]");
  const id = select.id;
  turn = turn.then(() => redraw("schema:draw", node.dataset.node, () => document.getElementById(id)));
}

/** Asks the server which parts count now; its judge is the only one that knows. */
async function conditions() {
  if (!form.querySelector(".sf-when")) return;
  asking?.abort();
  asking = new AbortController();
  try {
    const { active } = await (await ask({}, asking.signal)).json();
    let changed = false;
    for (const part of form.querySelectorAll(".sf-when")) {
      const on = active[part.dataset.when] ?? false;
      changed ||= part.hidden === on;
      part.hidden = part.disabled = !on;
    }
    for (const field of form.querySelectorAll("[data-required-by]")) {
      const on = field.dataset.requiredBy.split(" ").some((part) => active[part]);
      field.querySelector(".form-label")?.classList.toggle("required", on);
    }
    if (changed) form.dispatchEvent(new Event("change", { bubbles: true }));
  } catch (fault) {
    if (fault.name !== "AbortError") toast(fault.message, "error");
  }
}

function later(event) {
  if (!event.target.closest?.("[data-schema-form]") || event.target.matches("[type=search]")) return;
  clearTimeout(timer);
  timer = setTimeout(conditions, event.type === "change" ? 0 : TYPING_MS);
}

/** A whole form that has come into the page. */
export function adopt(root) {
  bring(root);
  root.querySelectorAll("[data-schema-form]").forEach((one) => searchSchema(one));
}

if (form) {
  form.querySelectorAll("[data-schema-form]").forEach((one) => searchSchema(one));
  form.querySelectorAll("[data-slide]").forEach(tieSlide);
  form.querySelectorAll("[data-color]").forEach(tieColour);
  form.querySelectorAll("[data-null]").forEach(tieNull);
  form.addEventListener("click", (event) => {
    const button = event.target.closest?.("button[data-act]");
    if (!button) return;
    event.preventDefault();
    act(button);
  });
  form.addEventListener("change", (event) => {
    if (event.target.matches?.("select[data-pick]")) pick(event.target);
    later(event);
  });
  form.addEventListener("input", later);
}
