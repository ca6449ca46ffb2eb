// Forms of jobs in stages: another bundle brings another form, so the page is drawn anew as soon as one is chosen.
import { enliven } from "./launch-fields.js";

const form = document.getElementById("launch-form");

if (form && !("launch" in form.dataset)) enliven(form); // the launch page does it itself

form?.addEventListener("change", (event) => {
  const select = event.target.closest?.("select[data-tag]");
  if (!select) return;
  event.stopPropagation(); // the page goes: nothing else is to be asked
  form.querySelector(`button[name="go"][value="tag:${select.name}"]`)?.click();
}, true);

const at = form?.dataset.at && document.getElementById(form.dataset.at);
if (at) {
  at.scrollIntoView({ block: "start" });
  at.querySelector(".fan-tag input, .fan-tag select")?.focus({ preventScroll: true });
}
