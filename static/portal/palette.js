// The palette: Ctrl-K (on a Mac Command-K) from any page, over apps, jobs and pages. What it shows is the server's.
const dialog = document.getElementById("palette");
const input = document.getElementById("palette-input");
const list = document.getElementById("palette-hits");

const hits = () => [...list.querySelectorAll("[role=option]")];
const marked = () => list.querySelector('[aria-selected="true"]');

function mark(hit) {
  marked()?.setAttribute("aria-selected", "false");
  hit?.setAttribute("aria-selected", "true");
  hit?.scrollIntoView({ block: "nearest" });
  if (hit) input.setAttribute("aria-activedescendant", hit.id);
  else input.removeAttribute("aria-activedescendant");
}

function open() {
  if (dialog.open) return;
  input.value = "";
  list.replaceChildren();
  mark(null);
  dialog.showModal();
  window.htmx.trigger(input, "palette:open");
}

function move(by) {
  const all = hits();
  const at = all.indexOf(marked());
  if (all.length) mark(all[(at + by + all.length) % all.length]);
}

const KEYS = {
  ArrowDown: () => move(1),
  ArrowUp: () => move(-1),
  Enter: () => marked()?.click(),
};

input.addEventListener("keydown", (event) => {
  if (event.isComposing || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
dialog.addEventListener("htmx:beforeSwap", (event) => {
  if (new URL(event.detail.xhr.responseURL).pathname === input.getAttribute("hx-get")) return;
  event.detail.shouldSwap = false; // signed out meanwhile: the page leads to where one signs in
  location.reload();
});
for (const fault of ["htmx:sendError", "htmx:responseError"]) {
  dialog.addEventListener(fault, () => { // a notice would stand behind the dialog
    const words = document.createElement("p");
    words.className = "palette-none fault-words";
    words.setAttribute("role", "alert");
    words.textContent = "The server did not answer. Check the connection, then type on to try again.";
    list.replaceChildren(words);
    mark(null);
  });
}
list.addEventListener("htmx:afterSwap", () => mark(hits()[0]));
list.addEventListener("pointermove", (event) => {
  const hit = event.target.closest("[role=option]");
  if (hit && hit !== marked()) mark(hit);
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close(); // beside it
});

document.addEventListener("keydown", (event) => {
  if (event.key?.toLowerCase() !== "k" || event.altKey || event.shiftKey || event.ctrlKey === event.metaKey) return;
  if (event.target instanceof Element && event.target.closest(".xterm")) return; // a shell has its own use for it
  event.preventDefault();
  open();
});
document.querySelector("[data-palette-open]").addEventListener("click", open);
