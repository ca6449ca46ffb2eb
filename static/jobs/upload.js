// Uploads: a box that takes drops round an ordinary file field, with progress, checks before and after, cancel and retry.
//
// <div data-upload data-name="p:key" data-accept=".json,.csv" data-max-bytes="1000000" [data-url] [data-multiple]>
// One file: its id goes into the box's hidden field (data-upload-id, made if missing), which then tells "change".
// data-multiple: each file is sent to data-url by itself, and the box tells "slipway:uploaded" once none is under way.
import { csrfToken, icon } from "../portal/portal.js";
import { size } from "../portal/sizes.js";

const AT_ONCE = 2;

export function make(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

/** One file on its way: a line with its name, state, progress and buttons. */
export class Line {
  constructor(box, file) {
    this.box = box;
    this.file = file;
    this.element = make("li", "upload-line");
    this.name = make("bdi", "upload-name", file.name);
    this.name.title = file.name;
    this.state = make("p", "upload-state");
    this.state.setAttribute("role", "status");
    this.acts = make("div", "upload-acts");
    this.bar = make("progress");
    this.bar.max = 100;
    this.bar.setAttribute("aria-label", `Upload of ${file.name}`);
    this.element.append(this.name, this.acts, this.state, this.bar);
  }

  button(words, act) {
    const button = make("button", "btn btn-sm", words);
    button.type = "button";
    button.setAttribute("aria-label", `${words}: ${this.file.name}`);
    button.addEventListener("click", act);
    this.acts.append(button);
    return button;
  }

  say(words) {
    this.state.textContent = words;
  }

  wait() {
    this.waiting = true;
    this.element.classList.remove("has-failed");
    this.acts.replaceChildren();
    this.bar.hidden = false;
    this.bar.value = 0;
    this.say(`Waiting, ${size(this.file.size)}`);
    this.button("Cancel", () => this.cancel());
  }

  send(extra = "") {
    this.waiting = false;
    this.under = true;
    const request = new XMLHttpRequest();
    this.request = request;
    request.open("POST", this.box.address(this.file, extra));
    request.setRequestHeader("X-CSRFToken", csrfToken());
    request.setRequestHeader("Content-Type", "application/octet-stream");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => {
      const part = event.total ? event.loaded / event.total : 1;
      this.bar.value = 100 * part;
      this.say(part < 1 ? `${size(event.loaded)} of ${size(event.total)}` : "Sent; being stored");
    });
    request.addEventListener("load", () => this.answered(request));
    request.addEventListener("error", () => this.fail("The connection broke off. Nothing was kept.", { retry: true }));
    request.send(this.file);
    this.say("Starting");
  }

  answered(request) {
    const answer = request.response || {};
    if (request.status === 201 && answer.size === this.file.size) return this.done(answer);
    if (request.status === 201) return this.fail("The file arrived with another size. Send it again.", { retry: true });
    const signedOut = !request.response && request.responseURL.includes("/login");
    const words = signedOut ? "You are signed out. Sign in again, then send the file again." : answer.message;
    const replace = answer.code === "exists" && this.box.multiple;
    this.fail(words || `The server answered ${request.status}. Try again.`, { retry: !replace, replace });
  }

  done(answer) {
    this.under = false;
    this.element.classList.add("is-done");
    this.acts.replaceChildren();
    this.bar.hidden = true;
    this.say(`Uploaded, ${size(this.file.size)}`);
    this.box.arrived(this, answer);
    this.box.next();
  }

  fail(words, { retry = false, replace = false } = {}) {
    this.under = this.waiting = false;
    this.failed = true;
    this.element.classList.add("has-failed");
    this.acts.replaceChildren();
    this.bar.hidden = true;
    this.say(words);
    const again = (extra) => {
      this.failed = false;
      this.wait();
      this.extra = extra;
      this.box.next();
    };
    if (replace) this.button("Replace", () => again("&replace=1"));
    if (retry) this.button("Try again", () => again(""));
    this.button("Dismiss", () => this.leave());
    this.box.next();
  }

  cancel() {
    this.request?.abort();
    this.leave();
  }

  leave() {
    this.under = this.waiting = this.failed = false;
    this.element.remove();
    this.box.left(this);
    this.box.next();
  }
}

export class UploadBox {
  constructor(root) {
    this.root = root;
    this.multiple = "multiple" in root.dataset;
    this.url = root.dataset.url || "/uploads/";
    this.accept = (root.dataset.accept || "").split(",").map((one) => one.trim()).filter(Boolean);
    this.max = Number(root.dataset.maxBytes || root.dataset.limit) || Infinity;
    this.input = root.querySelector("input[type=file]");
    this.required = this.input.required;
    this.note = root.querySelector("[data-upload-state]");
    this.list = make("ul", "upload-lines");
    this.list.setAttribute("aria-label", "Uploads");
    this.list.hidden = true;
    root.append(this.list);
    this.lines = [];
    if (!this.multiple) this.id = root.querySelector("[data-upload-id]") || this.hidden();
    if (this.id?.value) this.offerRemoval();
    this.input.addEventListener("change", () => this.take([...this.input.files]));
    root.addEventListener("dragover", (event) => this.over(event));
    root.addEventListener("dragleave", (event) => root.contains(event.relatedTarget) || root.classList.remove("is-over"));
    root.addEventListener("drop", (event) => this.dropped(event));
    if (root instanceof HTMLFormElement) root.addEventListener("submit", (event) => event.preventDefault());
  }

  hidden() {
    const field = make("input");
    field.type = "hidden";
    field.name = this.root.dataset.name;
    this.root.append(field);
    return field;
  }

  over(event) {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    this.root.classList.add("is-over");
  }

  dropped(event) {
    event.preventDefault();
    this.root.classList.remove("is-over");
    const entries = [...event.dataTransfer.items].map((item) => item.webkitGetAsEntry?.());
    const files = [...event.dataTransfer.files].filter((_, index) => !entries[index]?.isDirectory);
    if (files.length < event.dataTransfer.files.length) this.refuse("A folder can't be dropped here. Make the folder, open it, and drop the files in it.");
    this.take(files);
  }

  /** An address that carries what the server needs to judge the file. */
  address(file, extra) {
    const url = new URL(this.url, document.baseURI);
    url.searchParams.set("name", file.name);
    if (!this.multiple && this.accept.length) url.searchParams.set("accept", this.accept.join(","));
    if (!this.multiple && this.max !== Infinity) url.searchParams.set("max", String(this.max));
    return url.href + extra;
  }

  line(file) {
    return new Line(this, file);
  }

  unfit(file) {
    const name = file.name.toLowerCase();
    if (this.accept.length && !this.accept.some((end) => name.endsWith(end.toLowerCase()))) {
      return `This file does not end in ${this.accept.join(" or ")}. Choose such a file.`;
    }
    return file.size > this.max ? `This file has ${size(file.size)}; at most ${size(this.max)} are allowed.` : "";
  }

  take(files) {
    if (!files.length) return;
    if (!this.multiple) {
      [...this.lines].forEach((line) => line.cancel());
      this.forget();
      if (files.length > 1) this.refuse("Only one file fits here; the first was taken.");
      files = files.slice(0, 1);
    }
    for (const file of files) {
      const line = this.line(file);
      this.lines.push(line);
      this.list.append(line.element);
      this.list.hidden = false;
      const unfit = this.unfit(file);
      if (unfit) line.fail(unfit);
      else line.wait();
    }
    this.input.value = ""; // it goes by script, not a second time with the form
    this.next();
  }

  refuse(words) {
    const line = make("li", "upload-line has-failed");
    const state = make("p", "upload-state", words);
    state.setAttribute("role", "alert");
    line.append(state);
    this.list.append(line);
    this.list.hidden = false;
    setTimeout(() => line.remove(), 8000);
  }

  next() {
    const under = this.lines.filter((line) => line.under).length;
    this.lines.filter((line) => line.waiting).slice(0, AT_ONCE - under).forEach((line) => line.send(line.extra));
    this.list.hidden = !this.list.childElementCount;
    if (this.multiple && this.sent && !this.lines.some((line) => line.under || line.waiting || line.failed)) {
      this.root.dispatchEvent(new CustomEvent("slipway:uploaded", { bubbles: true, detail: { count: this.sent } }));
    }
  }

  arrived(line, answer) {
    this.sent = (this.sent || 0) + 1;
    if (this.multiple) return;
    this.choose(answer.id, line.file.name);
    line.button("Remove", () => line.leave());
  }

  left(line) {
    this.lines = this.lines.filter((one) => one !== line);
    if (!this.multiple && !this.lines.length) this.forget();
  }

  choose(id, name) {
    this.id.value = id;
    this.input.required = false;
    this.input.removeAttribute("aria-invalid");
    if (this.note) this.note.replaceChildren(`Chosen: `, make("bdi", "", name));
    this.id.dispatchEvent(new Event("change", { bubbles: true }));
  }

  forget() {
    if (!this.id.value) return;
    this.id.value = "";
    this.input.required = this.required;
    this.note?.replaceChildren();
    this.id.dispatchEvent(new Event("change", { bubbles: true }));
  }

  /** For a file that an earlier page has brought along. */
  offerRemoval() {
    const button = make("button", "btn btn-sm", "Remove");
    button.type = "button";
    button.prepend(icon("x"));
    button.addEventListener("click", () => {
      this.forget();
      button.remove();
      this.input.focus();
    });
    this.note?.append(" ", button);
  }
}

const boxes = new WeakSet();

/** Bring every box below `root` to life; safe to repeat. */
function enhance(root = document) {
  for (const element of root.querySelectorAll("[data-upload]")) {
    if (boxes.has(element)) continue;
    boxes.add(element);
    new UploadBox(element);
  }
}

document.addEventListener("htmx:afterSwap", () => enhance());
enhance();
