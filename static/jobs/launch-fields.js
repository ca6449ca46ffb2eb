// Single fields: sliders with their number box, drop-downs to search, and the search among many fields.
import { makeCombobox } from "./launch-combobox.js";
import { tieConditions } from "./launch-conditions.js";

const WHOLE = /^\s*[+-]?\d+\s*$/;

function tieRange(box) {
  const slider = box.querySelector("[data-slider]");
  const number = box.querySelector("[data-number]");
  if (slider.value !== slider.defaultValue && number.value === number.defaultValue) number.value = slider.value; // moved before we came
  slider.addEventListener("input", () => { number.value = slider.value; });
  slider.addEventListener("change", () => number.dispatchEvent(new Event("change", { bubbles: true })));
  const follow = () => { if (WHOLE.test(number.value)) slider.value = number.value; };
  number.addEventListener("input", follow);
  number.addEventListener("change", follow);
  window.addEventListener("pageshow", follow); // the browser may have put old values back
}

function searchFields(section) {
  const box = section.querySelector("[data-field-search]");
  if (!box) return;
  const input = box.querySelector("input");
  const count = box.querySelector("[data-search-count]");
  const fields = [...section.querySelectorAll("[data-field]")];
  box.hidden = false;
  input.addEventListener("input", (event) => {
    event.stopPropagation(); // nothing of the job changes
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    let found = 0;
    let present = 0;
    for (const field of fields) {
      const fits = words.every((word) => field.dataset.search.includes(word));
      field.classList.toggle("is-sifted", !fits);
      if ("absent" in field.dataset) continue;
      present += 1;
      found += fits;
    }
    count.textContent = words.length ? `${found} of ${present} shown` : "";
  });
}

/** Brings the fields inside `root`, which is one form, to life; the server's markup works without. */
export function enliven(root) {
  root.querySelectorAll("[data-range]").forEach(tieRange);
  root.querySelectorAll("select[data-combobox]").forEach(makeCombobox);
  root.querySelectorAll("[data-optional]").forEach(searchFields);
  tieConditions(root);
}
