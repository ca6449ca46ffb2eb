// The form parts of sources and destinations: the fields of the chosen kind, files sent in pieces, a test, a picker.
//
// What a part looks like is in templates/jobs/_source.html and _destination.html. Without this module all fields are there.
import { csrfToken, toast } from "../portal/portal.js";
import { size } from "../portal/sizes.js";
import { Picker } from "./picker.js";
import { Line, UploadBox, make } from "./upload.js";

const PIECE_BYTES = 8 * 2 ** 20;
const WAITS_S = [1, 2, 4, 8, 15, 30]; // after a cut, until somebody must say to try again
const KEPT = "slipway-upload:";

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

/** Where a file that was begun earlier goes on, also after the page was left; null where nothing is known of it. */
const kept = {
  key: (file) => `${KEPT}${file.name}:${file.size}:${file.lastModified}`,
  get(file) {
    try {
      return JSON.parse(localStorage.getItem(this.key(file)));
    } catch {
      return null;
    }
  },
  set(file, value) {
    try {
      if (value) localStorage.setItem(this.key(file), JSON.stringify(value));
      else localStorage.removeItem(this.key(file));
    } catch {
      // No storage here: it goes on as long as the page is open.
    }
  },
};

/** A file sent in pieces to an address of its own; what has arrived is not sent a second time. */
class PieceLine extends Line {
  async send() {
    this.waiting = false;
    this.under = true;
    this.left_ = false;
    this.say("Starting");
    try {
      const place = await this.place();
      if (place) await this.sendFrom(place);
    } catch (error) {
      if (!this.left_) this.fail(error.message || "The upload stopped. Try again.", { retry: true });
    }
  }

  /** The address, and how much is there already. */
  async place() {
    const known = kept.get(this.file);
    if (known) {
      const there = await this.ask(known.url);
      if (there && !there.complete) return { ...known, offset: there.offset };
      kept.set(this.file, null);
    }
    const answer = await fetch(this.box.addressUrl, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": csrfToken() },
      body: JSON.stringify({ name: this.file.name, size: this.file.size }),
    });
    const body = await answer.json().catch(() => ({}));
    if (!answer.ok) throw new Error(answer.status === 401 ? "You are signed out. Sign in again, then send the file again." : body.detail || "The upload can't begin. Try again.");
    const begun = { id: body.id, url: new URL(body.url).pathname };
    kept.set(this.file, begun);
    return { ...begun, offset: 0 };
  }

  /** What the address says of the file; null where it is not good any more, undefined where nobody answers. */
  async ask(url) {
    try {
      const answer = await fetch(url, { headers: { Accept: "application/json" }, redirect: "error" });
      return answer.ok ? await answer.json() : null;
    } catch {
      return undefined;
    }
  }

  async sendFrom(place) {
    let { offset } = place;
    let cuts = 0;
    while (!this.left_) {
      const answer = await this.piece(place.url, offset);
      if (this.left_) return;
      if (answer.status === 201) {
        kept.set(this.file, null);
        return this.done({ id: place.id });
      }
      if (answer.status === 202) {
        ({ offset } = answer.body);
        cuts = 0;
        continue;
      }
      const cut = answer.status === 0 || answer.status >= 500 || ["offset", "busy", "broken_off"].includes(answer.body?.code);
      if (!cut) {
        kept.set(this.file, null);
        return this.fail(answer.body?.message || `The server answered ${answer.status}. Try again.`, { retry: true });
      }
      if (cuts === WAITS_S.length) return this.fail(`The connection broke off at ${size(offset)}. What has arrived is kept.`, { retry: true });
      this.say(`The connection broke off at ${size(offset)}; going on in ${WAITS_S[cuts]} s`);
      await pause(WAITS_S[cuts]);
      cuts += 1;
      const there = await this.ask(place.url);
      if (there === null) {
        kept.set(this.file, null);
        return this.fail("The time for this upload is over. Send the file again.", { retry: true });
      }
      if (there) ({ offset } = there);
    }
  }

  /** Send one piece; {status, body}, status 0 where the connection broke off. */
  piece(url, offset) {
    const end = Math.min(offset + PIECE_BYTES, this.file.size);
    return new Promise((resolve) => {
      const request = new XMLHttpRequest();
      this.request = request;
      request.open("PUT", url);
      request.responseType = "json";
      request.timeout = 10 * 60 * 1000;
      request.setRequestHeader("Content-Type", "application/octet-stream");
      if (this.file.size) request.setRequestHeader("Content-Range", `bytes ${offset}-${end - 1}/${this.file.size}`);
      request.upload.addEventListener("progress", (event) => this.show(offset + event.loaded));
      request.addEventListener("load", () => resolve({ status: request.status, body: request.response }));
      for (const end of ["error", "abort", "timeout"]) request.addEventListener(end, () => resolve({ status: 0 }));
      request.send(this.file.slice(offset, end));
    });
  }

  show(bytes) {
    const sent = Math.min(bytes, this.file.size);
    this.bar.value = this.file.size ? (100 * sent) / this.file.size : 100;
    this.say(sent < this.file.size ? `${size(sent)} of ${size(this.file.size)}` : "Sent; being stored");
  }

  cancel() {
    this.left_ = true;
    super.cancel();
  }
}

/** The drop zone of a source: each file that is whole becomes a line that the form sends along. */
class SourceFiles extends UploadBox {
  constructor(root) {
    super(root);
    this.addressUrl = root.dataset.addressUrl;
    this.sentList = root.querySelector("[data-sent]");
    root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-remove]");
      if (!button) return;
      button.closest("li").remove();
      this.input.focus();
      this.told();
    });
  }

  line(file) {
    return new PieceLine(this, file);
  }

  arrived(line, answer) {
    const item = make("li");
    const field = make("input");
    const button = make("button", "btn btn-sm", "Remove");
    field.type = "hidden";
    field.name = this.root.dataset.name;
    field.value = answer.id;
    button.type = "button";
    button.dataset.remove = "";
    button.setAttribute("aria-label", `Remove: ${line.file.name}`);
    item.append(field, make("bdi", "", line.file.name), " ", make("span", "text-muted", size(line.file.size)), " ", button);
    this.sentList.append(item);
    line.leave();
    this.told();
  }

  told() {
    this.root.dispatchEvent(new Event("change", { bubbles: true }));
  }
}

/** Looks through the bucket or vault of a part; what is chosen becomes one line more. */
class EndPicker extends Picker {
  constructor(button, field, end) {
    super(button, field, "");
    this.end = end;
  }

  open() {
    document.body.append(this.dialog);
    this.dialog.showModal();
    this.search.focus();
    this.load("", { orTop: true });
  }

  fetch(query) {
    return fetch(`${this.end.root.dataset.pickUrl}?${query}`, { method: "POST", body: this.end.form(), headers: { "HX-Request": "true", "X-CSRFToken": csrfToken() } });
  }

  chosen(path) {
    const lines = this.field.value.split("\n").map((one) => one.trim()).filter(Boolean);
    if (!lines.includes(path)) lines.push(path);
    this.field.value = lines.join("\n");
  }
}

class End {
  constructor(root) {
    this.root = root;
    this.kind = root.querySelector("[data-end-kind]");
    this.verdict = root.querySelector("[data-end-verdict]");
    const box = root.querySelector("[data-pieces]");
    if (box) this.files = new SourceFiles(box);
    this.kind.addEventListener("change", () => this.show());
    root.addEventListener("input", () => this.forget());
    root.addEventListener("change", () => this.forget());
    root.querySelector("[data-end-test]").addEventListener("click", (event) => this.test(event.currentTarget));
    for (const button of root.querySelectorAll("[data-end-pick]")) {
      button.hidden = false;
      button.addEventListener("click", () => new EndPicker(button, document.getElementById(button.dataset.endPick), this).open());
    }
    root.classList.add("is-live");
    this.show();
  }

  show() {
    for (const group of this.root.querySelectorAll("[data-kinds]")) group.hidden = !group.dataset.kinds.split(" ").includes(this.kind.value);
    const option = this.kind.selectedOptions[0];
    this.root.querySelector("[data-end-help]").textContent = option.dataset.help || "";
    const endpoint = this.root.querySelector(`[name="${this.root.dataset.prefix}-endpoint"]`);
    endpoint.closest(".field").hidden = this.kind.value === "aws" && !endpoint.value;
    endpoint.placeholder = option.dataset.endpoint || "https://s3.example.org";
  }

  /** The fields of this part alone. */
  form() {
    const prefix = `${this.root.dataset.prefix}-`;
    const sent = new FormData();
    for (const field of this.root.querySelectorAll("input, select, textarea")) {
      if (field.name.startsWith(prefix) && field.type !== "file") sent.append(field.name, field.value);
    }
    sent.append("prefix", this.root.dataset.prefix);
    sent.append("side", this.root.dataset.end);
    return sent;
  }

  forget() {
    this.verdict.className = "end-verdict";
    this.verdict.textContent = "";
  }

  async test(button) {
    button.disabled = true;
    this.forget();
    this.verdict.textContent = "Asking. This can take some seconds.";
    try {
      const answer = await fetch(this.root.dataset.testUrl, { method: "POST", body: this.form(), headers: { "X-CSRFToken": csrfToken() }, redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      this.tell(await answer.json());
    } catch {
      this.forget();
      toast("The test could not be made. Check that you are signed in, then try again.", "error");
    } finally {
      button.disabled = false;
    }
  }

  tell(verdict) {
    this.verdict.textContent = verdict.message;
    this.verdict.className = `end-verdict ${verdict.ok ? "is-good" : "is-bad"}`;
    for (const place of this.root.querySelectorAll("[data-error]")) this.mark(place, []);
    let first = null;
    for (const place of this.root.querySelectorAll("[data-error]")) {
      if (place.closest("[data-kinds]")?.hidden) continue;
      const told = (verdict.faults || []).filter((fault) => fault.field === place.dataset.error);
      this.mark(place, told);
      if (told.length && !first) first = place.closest(".field").querySelector("input:not([type=hidden]), select, textarea");
    }
    first?.closest("details")?.setAttribute("open", "");
    first?.focus();
  }

  mark(place, told) {
    const field = place.closest(".field");
    place.replaceChildren(...told.map((fault) => make("p", "", fault.message)));
    field.classList.toggle("has-error", told.length > 0);
    for (const one of field.querySelectorAll("input, select, textarea")) {
      if (told.length) one.setAttribute("aria-invalid", "true");
      else one.removeAttribute("aria-invalid");
    }
  }
}

const ends = new WeakSet();

/** Bring every part below `root` to life; safe to repeat. */
function enhance(root = document) {
  for (const element of root.querySelectorAll("[data-end]")) {
    if (ends.has(element)) continue;
    ends.add(element);
    new End(element);
  }
}

document.addEventListener("htmx:afterSwap", () => enhance());
enhance();
