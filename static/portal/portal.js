// What every page needs: CSRF for htmx, confirmations, copy buttons, notices, relative times, one submit a click.
const csrfToken = () => document.querySelector('meta[name="csrf-token"]')?.content || "";
const ICONS = new URL(document.querySelector("svg use")?.getAttribute("href")?.split("#")[0] || "icons.svg", document.baseURI).pathname;

export { csrfToken };

/** An icon of the sprite as an element. */
export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  use.setAttribute("href", `${ICONS}#${name}`);
  svg.append(use);
  return svg;
}

/** A notice at the corner; `level` is success, info, warning or error. Errors stay until they are dismissed. */
export function toast(text, level = "info") {
  const box = document.createElement("div");
  const words = document.createElement("div");
  const close = document.createElement("button");
  const symbols = { success: "circle-check", info: "info-circle", warning: "alert-triangle", error: "alert-circle" };
  box.className = `toast-note alert alert-${level}`;
  box.setAttribute("role", level === "error" ? "alert" : "status");
  words.textContent = text;
  close.type = "button";
  close.className = "alert-close";
  close.setAttribute("aria-label", "Dismiss");
  close.append(icon("x"));
  close.addEventListener("click", () => box.remove());
  box.append(icon(symbols[level] || "info-circle"), words, close);
  document.getElementById("toasts")?.append(box);
  if (level !== "error") setTimeout(() => box.remove(), 6000);
}

/** Asks in a dialog; resolves to true or false. Escape and the first button say no. */
function confirmed(question, { yes = "Yes", danger = false } = {}) {
  return new Promise((resolve) => {
    const dialog = document.createElement("dialog");
    const form = document.createElement("form");
    const text = document.createElement("p");
    const row = document.createElement("div");
    const no = document.createElement("button");
    const ok = document.createElement("button");
    dialog.className = "confirm";
    dialog.setAttribute("aria-labelledby", "confirm-question");
    form.method = "dialog";
    text.id = "confirm-question";
    text.textContent = question;
    row.className = "confirm-actions";
    no.className = "btn";
    no.value = "no";
    no.textContent = "No, go back";
    ok.className = danger ? "btn btn-danger" : "btn btn-primary";
    ok.value = "yes";
    ok.textContent = yes;
    row.append(no, ok);
    form.append(text, row);
    dialog.append(form);
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}

async function copy(text) {
  if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
  const area = document.createElement("textarea"); // plain http has no clipboard API
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  if (!done) throw new Error("copy was refused");
}

async function copyFrom(button) {
  const source = button.dataset.copyFrom ? document.querySelector(button.dataset.copyFrom) : null;
  const text = source ? (source.value ?? source.textContent) : button.dataset.copy;
  try {
    await copy(text.trim());
    toast("Copied.", "success");
  } catch {
    toast("The browser did not allow copying. Select the text and copy it by hand.", "warning");
  }
}

function relative(moment, now = Date.now()) {
  const seconds = (now - moment) / 1000;
  for (const [limit, unit, name] of [[45, 0, ""], [3600, 60, "min"], [86400, 3600, "h"], [2592000, 86400, "d"]]) {
    if (Math.abs(seconds) >= limit) continue;
    if (!name) return "just now";
    const amount = `${Math.max(1, Math.round(Math.abs(seconds) / unit))} ${name}`;
    return seconds >= 0 ? `${amount} ago` : `in ${amount}`;
  }
  return null; // the server wrote the date, which stays
}

function freshenTimes() {
  for (const time of document.querySelectorAll("time[data-relative]")) {
    const words = relative(Date.parse(time.dateTime));
    if (words && words !== time.textContent) time.textContent = words;
  }
}

function showTheme() {
  const choice = document.documentElement.dataset.themeChoice;
  for (const button of document.querySelectorAll("[data-theme-value]")) {
    button.setAttribute("aria-pressed", String(button.dataset.themeValue === choice));
  }
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== except) menu.open = false;
}

document.addEventListener("click", (event) => {
  const target = event.target instanceof Element ? event.target : null;
  if (!target) return;
  closeMenus(target.closest("details.menu"));
  const copyButton = target.closest("[data-copy], [data-copy-from]");
  if (copyButton) copyFrom(copyButton);
  const theme = target.closest("[data-theme-value]");
  if (theme) window.slipwayTheme.set(theme.dataset.themeValue);
  target.closest("[data-dismiss]")?.closest("[data-message]")?.remove();
  const toggle = target.closest("[data-toggle-nav]");
  if (toggle) {
    const open = toggle.getAttribute("aria-expanded") !== "true";
    toggle.setAttribute("aria-expanded", String(open));
    document.getElementById(toggle.getAttribute("aria-controls"))?.classList.toggle("is-open", open);
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.menu[open]");
  if (menu) {
    menu.open = false;
    menu.querySelector("summary")?.focus();
  }
  const toggle = document.querySelector('[data-toggle-nav][aria-expanded="true"]');
  if (toggle) {
    toggle.click();
    toggle.focus();
  }
});

// Forms: data-confirm asks first; data-once sends one time, however often it is clicked.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  const asker = event.submitter?.dataset.confirm ? event.submitter : form;
  if (asker.dataset.confirm && form.dataset.confirmed !== "yes") {
    event.preventDefault();
    event.stopImmediatePropagation();
    const options = { yes: asker.dataset.confirmYes || "Yes, go on", danger: "confirmDanger" in asker.dataset };
    if (await confirmed(asker.dataset.confirm, options)) {
      form.dataset.confirmed = "yes";
      form.requestSubmit(event.submitter || undefined);
      delete form.dataset.confirmed;
    }
    return;
  }
  if (!("once" in form.dataset)) return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "yes";
  form.querySelectorAll("button[type=submit], button:not([type])").forEach((button) => button.classList.add("is-busy"));
}, true);

window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent; // back from the page it led to: the form may be sent again
    form.querySelectorAll(".is-busy").forEach((button) => button.classList.remove("is-busy"));
  }
});

document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRFToken"] = csrfToken();
});

// hx-confirm asks through the same dialog as data-confirm.
document.addEventListener("htmx:confirm", async (event) => {
  if (!event.detail.question) return;
  event.preventDefault();
  if (await confirmed(event.detail.question)) event.detail.issueRequest(true);
});

document.addEventListener("htmx:responseError", (event) => {
  const answer = new DOMParser().parseFromString(event.detail.xhr.responseText || "", "text/html");
  const words = answer.querySelector("[data-error-message]")?.textContent.replace(/\s+/g, " ").trim();
  toast(words || `The server answered ${event.detail.xhr.status}. Reload the page and try again.`, "error");
});

document.addEventListener("htmx:sendError", () => {
  toast("The server can't be reached. Check the connection and try again.", "error");
});

document.addEventListener("htmx:afterSwap", freshenTimes);
document.addEventListener("slipway:theme", showTheme);
document.addEventListener("visibilitychange", freshenTimes);
setInterval(freshenTimes, 15000);
freshenTimes();
showTheme();
(document.querySelector("[aria-invalid=true]") || document.querySelector("[data-focus]"))?.focus();
