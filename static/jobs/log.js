// The log viewer: what is there is read at once, what comes is streamed, and only the lines in view are in the page.
import { applySgr, folded, pieces, plainStyle } from "./ansi.js";
import { LogStore } from "./log-store.js";
import { LogSearch } from "./log-search.js";

const LINE_PX = 20;
const TALLEST_PX = 12_000_000; // browsers draw no taller elements well; beyond it the scroll bar is scaled
const SPARE = 10;
const MARK = /^\[(?:[\d.]+ MiB left out: the log is over|output was lost here)/;

class LogView {
  constructor(root) {
    const part = (name) => root.querySelector(`[data-log-${name}]`);
    this.root = root;
    [this.view, this.spacer, this.lines, this.note, this.status] = ["view", "spacer", "lines", "note", "status"].map(part);
    this.followButton = part("follow");
    this.store = new LogStore();
    this.following = !location.hash;
    this.marked = -1;
    this.digits = 0;
    this.drawn = [-1, -1, -1, ""];
    this.lastTop = 0;
    this.pending = false;
    this.search = new LogSearch(root, this);
    this.view.addEventListener("scroll", () => this.scrolled(), { passive: true });
    this.followButton.addEventListener("click", () => this.follow(!this.following));
    this.lines.addEventListener("click", (event) => this.linked(event));
    window.addEventListener("hashchange", () => this.toHash());
    new ResizeObserver(() => this.draw()).observe(this.view);
    this.follow(this.following);
  }

  get height() { return Math.min(this.store.count * LINE_PX, TALLEST_PX); }
  get visible() { return Math.max(1, Math.floor(this.view.clientHeight / LINE_PX)); }
  get room() { return Math.max(0, this.height - this.view.clientHeight); }

  append(data) {
    if (!this.store.count) this.say("");
    this.store.append(data);
    this.soon();
  }

  soon() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      this.pending = false;
      this.root.toggleAttribute("data-empty", !this.store.count);
      this.spacer.style.height = `${this.height}px`;
      if (this.following) this.toEnd();
      this.drawn = [-1, -1, -1, ""];
      this.draw();
      this.search.more();
    });
  }

  first() {
    const scaled = this.store.count * LINE_PX > TALLEST_PX;
    if (!scaled) return Math.floor(this.view.scrollTop / LINE_PX);
    const share = this.room ? this.view.scrollTop / this.room : 0;
    return Math.round(share * Math.max(0, this.store.count - this.visible));
  }

  draw() {
    const first = this.first();
    const from = Math.max(0, first - SPARE);
    const to = Math.min(this.store.count, first + this.visible + SPARE + 1);
    const now = [from, to, this.marked, this.search.needle];
    if (now.every((value, index) => value === this.drawn[index])) return;
    this.drawn = now;
    this.digits = Math.max(this.digits, String(this.store.count).length);
    const style = from < to ? this.styleBefore(from) : plainStyle();
    const rows = [];
    for (let line = from; line < to; line += 1) rows.push(this.row(line, style));
    this.lines.replaceChildren(...rows);
    const top = this.store.count * LINE_PX > TALLEST_PX ? this.view.scrollTop - (first - from) * LINE_PX : from * LINE_PX;
    this.lines.style.transform = `translateY(${Math.max(0, top)}px)`;
  }

  styleBefore(line) {
    const style = plainStyle();
    for (const match of this.store.before(line).matchAll(/\x1b\[([0-9;:]*)m/g)) applySgr(style, match[1] || "0");
    return style;
  }

  row(line, style) {
    const row = document.createElement("div");
    const number = document.createElement("a");
    const text = document.createElement("span");
    const content = folded(this.store.text(line));
    row.className = line === this.marked ? "log-line is-marked" : "log-line";
    if (MARK.test(content)) row.classList.add("is-gap");
    number.className = "log-number";
    number.href = `#L${line + 1}`;
    number.textContent = String(line + 1).padStart(this.digits, "\u2007");
    number.tabIndex = -1;
    text.className = "log-text";
    for (const piece of pieces(content, style)) this.write(text, piece);
    row.append(number, text);
    return row;
  }

  write(parent, piece) {
    const span = document.createElement("span");
    if (piece.classes) span.className = piece.classes;
    const needle = this.search.needle;
    const lower = needle ? piece.text.toLowerCase() : "";
    let at = 0;
    for (let found = needle ? lower.indexOf(needle) : -1; found >= 0; found = lower.indexOf(needle, at)) {
      const mark = document.createElement("mark");
      mark.textContent = piece.text.slice(found, found + needle.length);
      span.append(piece.text.slice(at, found), mark);
      at = found + needle.length;
    }
    span.append(piece.text.slice(at));
    parent.append(span);
  }

  scrolled() {
    if (this.view.scrollTop < this.lastTop - 2) this.follow(false);
    else if (this.room - this.view.scrollTop < 4 && this.view.scrollTop > this.lastTop) this.follow(true);
    this.lastTop = this.view.scrollTop;
    this.draw();
  }

  follow(on) {
    this.following = on;
    this.followButton.setAttribute("aria-pressed", String(on));
    if (on) this.toEnd();
  }

  toEnd() {
    this.view.scrollTop = this.view.scrollHeight;
    this.lastTop = this.view.scrollTop; // read back: the browser keeps it within bounds
  }

  show(line) {
    this.follow(false);
    this.marked = line;
    const scaled = this.store.count * LINE_PX > TALLEST_PX;
    const top = Math.max(0, line - Math.floor(this.visible / 2));
    this.view.scrollTop = scaled ? (top / Math.max(1, this.store.count - this.visible)) * this.room : top * LINE_PX;
    this.lastTop = this.view.scrollTop;
    this.draw();
  }

  linked(event) {
    const number = event.target.closest(".log-number");
    if (!number) return;
    event.preventDefault();
    history.replaceState(null, "", number.hash);
    this.toHash();
  }

  toHash() {
    const line = Number(/^#L(\d+)$/.exec(location.hash)?.[1] || 0) - 1;
    if (line >= 0 && line < this.store.count) this.show(line);
  }

  say(text) {
    this.note.textContent = text;
    this.note.hidden = !text;
  }

  /** Reads what is there; gives the attempt and the offset from which to follow it. */
  async load() {
    const answer = await fetch(this.root.dataset.text, { credentials: "same-origin" });
    if (!answer.ok) throw new Error(`the server answered ${answer.status}`);
    const reader = answer.body.getReader();
    for (let piece = await reader.read(); !piece.done; piece = await reader.read()) this.append(piece.value);
    if (!this.store.count && answer.headers.get("X-Log-Attempt") !== "0") this.say("Nothing is printed yet.");
    this.soon();
    return { attempt: answer.headers.get("X-Log-Attempt"), end: answer.headers.get("X-Log-End") };
  }

  stream({ attempt, end }) {
    const address = new URL(this.root.dataset.stream, location.href);
    if (attempt !== "0") {
      address.searchParams.set("attempt", attempt);
      address.searchParams.set("offset", end);
    }
    const source = new EventSource(address);
    source.addEventListener("open", () => { this.status.textContent = "Live"; });
    source.addEventListener("error", () => { this.status.textContent = source.readyState === 2 ? "Not live" : "Connecting…"; });
    source.addEventListener("attempt", () => this.say(""));
    source.addEventListener("log", (event) => {
      const text = atob(JSON.parse(event.data).data);
      this.append(Uint8Array.from(text, (letter) => letter.charCodeAt(0)));
    });
    source.addEventListener("end", () => {
      source.close();
      this.status.textContent = "Complete";
      if (!this.store.count) this.say("The program printed nothing.");
    });
  }
}

async function start(root) {
  const view = new LogView(root);
  if ("empty" in root.dataset) view.say("The log begins when the job starts.");
  try {
    const place = await view.load();
    requestAnimationFrame(() => requestAnimationFrame(() => view.toHash()));
    view.stream(place);
  } catch (error) {
    view.say(`The log could not be read: ${error.message}. Reload the page to try again.`);
  }
}

for (const root of document.querySelectorAll("[data-log]")) start(root);
