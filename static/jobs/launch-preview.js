// Forms that are shown for a look only (the curate pages fetch them): their sliders and lists work, nothing is sent.
import { enliven } from "./launch-fields.js";

document.addEventListener("htmx:afterSwap", (event) => {
  for (const preview of event.target.querySelectorAll(".form-preview:not([data-alive])")) {
    preview.dataset.alive = "";
    preview.querySelectorAll(".form-preview-command").forEach(enliven);
  }
});
