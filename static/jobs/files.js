// The page of a folder: what is chosen, questions in a dialog instead of a page, and a fresh list after uploads.
import { csrfToken, toast } from "../portal/portal.js";

const form = document.querySelector("[data-files]");
const dialog = document.querySelector("[data-files-dialog]");

const ticks = () => [...(form?.querySelectorAll("input[name=name]") || [])];

function showChosen() {
  const all = ticks();
  const chosen = all.filter((tick) => tick.checked).length;
  const master = form.querySelector("[data-files-all]");
  master.checked = chosen > 0 && chosen === all.length;
  master.indeterminate = chosen > 0 && chosen < all.length;
  form.querySelector("[data-files-chosen]").textContent = chosen ? `${chosen} chosen` : "Choose files to rename, move or delete them";
  for (const button of form.querySelectorAll("[data-files-act]")) {
    button.disabled = button.dataset.filesAct === "one" ? chosen !== 1 : !chosen;
  }
}

async function ask(event) {
  event.preventDefault();
  const button = event.submitter;
  const fields = new URLSearchParams(new FormData(form));
  try {
    const answer = await fetch(button?.getAttribute("formaction") || form.action, {
      method: "POST",
      body: fields,
      headers: { "X-Requested-With": "dialog", "X-CSRFToken": csrfToken() },
    });
    if (!answer.ok || answer.redirected) throw new Error();
    dialog.replaceChildren(...new DOMParser().parseFromString(await answer.text(), "text/html").body.childNodes);
  } catch {
    toast("The server did not answer as it should. Reload the page and try again.", "error");
    return;
  }
  dialog.setAttribute("aria-label", `${button?.textContent.trim() || "Delete"} what is chosen`);
  dialog.showModal();
  const field = dialog.querySelector("[autofocus]");
  field?.focus();
  if (field instanceof HTMLInputElement && field.value) {
    const dot = field.value.lastIndexOf(".");
    field.setSelectionRange(0, dot > 0 ? dot : field.value.length);
  }
  dialog.addEventListener("close", () => button?.focus(), { once: true });
}

if (form) {
  form.addEventListener("change", (event) => {
    if (event.target.matches("[data-files-all]")) ticks().forEach((tick) => { tick.checked = event.target.checked; });
    showChosen();
  });
  form.addEventListener("submit", ask);
  window.addEventListener("pageshow", showChosen);
  showChosen();
}

dialog?.addEventListener("click", (event) => {
  if (!event.target.closest("[data-files-close]")) return;
  event.preventDefault();
  dialog.close();
});

document.addEventListener("slipway:uploaded", () => location.reload());
