// The overlay editor: what django-jsonform draws gets names and labels, and unsaved words are not lost by a click.

const form = document.getElementById("overlay-form");
const WORDS = { "rjf-remove-button": "Remove", "rjf-move-up-button": "Move up", "rjf-move-down-button": "Move down" };
let count = 0;
let dirty = false;

/** Its labels belong to no field, its groups have no names, and its buttons carry signs only. */
function label(box) {
  for (const text of box.querySelectorAll(".rjf-form-row-inner label:not([for])")) {
    const control = text.parentElement.querySelector("input:not([type=checkbox]), select, textarea");
    if (!control || text.contains(control)) continue;
    control.id ||= `jf-${(count += 1)}`;
    text.htmlFor = control.id;
  }
  for (const control of box.querySelectorAll(".rjf-form-row-inner :is(input, select, textarea):not([id]):not([aria-label])")) {
    if (!control.closest("label")) control.setAttribute("aria-label", titleOf(control));
  }
  for (const button of box.querySelectorAll("button")) {
    const kind = Object.keys(WORDS).find((name) => button.classList.contains(name));
    const words = `${kind ? WORDS[kind] : button.title || button.textContent.trim()}: ${titleOf(button)}`;
    if (button.getAttribute("aria-label") !== words) button.setAttribute("aria-label", words);
    if (button.classList.contains("rjf-collapse-button")) button.setAttribute("aria-expanded", String(button.title !== "Expand"));
  }
  for (const control of box.querySelectorAll(".has-error :is(input, select, textarea)")) control.setAttribute("aria-invalid", "true");
}

/** The title of the group that something stands in, with its place where it is one of a list. */
function titleOf(element) {
  const row = element.closest(".rjf-form-row");
  const group = element.closest(".rjf-form-group");
  const title = group?.querySelector(".rjf-form-group-title")?.firstChild?.textContent.trim() || "Entry";
  const list = row ? [...row.parentElement.children].filter((one) => one.classList.contains("rjf-form-row")) : [];
  const value = row?.querySelector("input[disabled]")?.value;
  return value ? `${title}, ${value}` : list.length && !row.querySelector("label") ? `${title} ${list.indexOf(row) + 1}` : title;
}

if (form) {
  const box = form.querySelector(".jsonform");
  new MutationObserver(() => label(box)).observe(box, { childList: true, subtree: true });
  label(box);
  form.addEventListener("input", () => { dirty = true; });
  form.addEventListener("click", (event) => { dirty ||= Boolean(event.target.closest?.(".jsonform button:not(.rjf-collapse-button)")); });
  form.addEventListener("submit", () => { dirty = false; });
  window.addEventListener("beforeunload", (event) => { if (dirty) event.preventDefault(); });
}
