// A drop-down that can be searched: a text box with a list (ARIA combobox). The select stays, and is what is sent.
import { icon } from "../portal/portal.js";

const MOST = 100;

export function makeCombobox(select) {
  const id = select.id;
  const box = document.createElement("div");
  const input = document.createElement("input");
  const list = document.createElement("ul");
  let shown = [];
  let active = -1;

  const focused = document.activeElement === select;
  box.className = "combobox";
  select.replaceWith(box);
  select.removeAttribute("id");
  select.removeAttribute("required");
  select.hidden = true;
  input.type = "text";
  input.className = "form-control";
  input.id = id;
  input.autocomplete = "off";
  input.spellcheck = false;
  input.dir = "auto";
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-expanded", "false");
  input.setAttribute("aria-controls", `${id}-list`);
  for (const name of ["aria-describedby", "aria-invalid"]) {
    if (select.hasAttribute(name)) input.setAttribute(name, select.getAttribute(name));
  }
  list.id = `${id}-list`;
  list.hidden = true;
  list.setAttribute("role", "listbox");
  const label = document.querySelector(`label[for="${CSS.escape(id)}"]`);
  list.setAttribute("aria-label", label ? label.textContent.trim() : "Options");
  box.append(input, icon("selector"), list, select);

  const current = () => select.options[select.selectedIndex]?.text ?? "";

  function draw(words) {
    const wanted = words.trim().toLowerCase().split(/\s+/).filter(Boolean);
    const fits = [...select.options].filter((o) => wanted.every((word) => o.text.toLowerCase().includes(word)));
    shown = fits.slice(0, MOST);
    list.replaceChildren(...shown.map((option, place) => {
      const row = document.createElement("li");
      row.id = `${id}-option-${place}`;
      row.textContent = option.text;
      row.dir = "auto";
      row.setAttribute("role", "option");
      row.setAttribute("aria-selected", String(option.selected));
      return row;
    }));
    if (fits.length !== shown.length || !fits.length) {
      const note = document.createElement("li");
      note.setAttribute("role", "presentation");
      note.textContent = fits.length ? `${fits.length - MOST} more: type to narrow them down` : "Nothing fits";
      list.append(note);
    }
    point(words ? 0 : shown.findIndex((option) => option.selected));
  }

  function point(place) {
    active = shown.length ? Math.max(-1, Math.min(place, shown.length - 1)) : -1;
    [...list.children].forEach((row, at) => row.classList.toggle("is-active", at === active));
    if (active < 0) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", `${id}-option-${active}`);
    list.children[active].scrollIntoView({ block: "nearest" });
  }

  function open(words = "") {
    draw(words);
    list.hidden = false;
    input.setAttribute("aria-expanded", "true");
    point(active);
  }

  function close() {
    list.hidden = true;
    input.setAttribute("aria-expanded", "false");
    input.removeAttribute("aria-activedescendant");
    input.value = current();
  }

  function choose(place) {
    const option = shown[place];
    if (option && !option.selected) {
      option.selected = true;
      select.dispatchEvent(new Event("change", { bubbles: true }));
    }
    close();
  }

  input.addEventListener("input", (event) => {
    event.stopPropagation(); // words being searched for are not a value
    open(input.value);
  });
  input.addEventListener("focus", () => input.select());
  input.addEventListener("click", () => (list.hidden ? open() : close()));
  input.addEventListener("blur", close);
  input.addEventListener("keydown", (event) => {
    const closed = list.hidden;
    const moves = { ArrowDown: active + 1, ArrowUp: active - 1, PageDown: active + 10, PageUp: active - 10 };
    if (event.key in moves) {
      event.preventDefault();
      if (closed) open();
      else point(Math.max(0, moves[event.key]));
    } else if (event.key === "Enter") {
      event.preventDefault();
      event.stopPropagation();
      if (!closed && active >= 0) choose(active);
    } else if (event.key === "Escape" && !closed) {
      event.preventDefault();
      event.stopPropagation();
      close();
    }
  });
  list.addEventListener("mousedown", (event) => {
    event.preventDefault(); // the box keeps the focus
    const row = event.target.closest("[role=option]");
    if (row) choose([...list.children].indexOf(row));
  });
  window.addEventListener("pageshow", close);
  close();
  if (focused) input.focus();
}
