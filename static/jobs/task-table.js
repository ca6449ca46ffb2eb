// The table of tasks: rows are read a window at a time, and only those in view are in the page, however many there are.
import { size } from "../portal/sizes.js";

const WINDOW = 100;
const KEPT = 12; // windows
const ASKED_MOST = 3; // windows at once: who scrolls fast is not owed all that went by
const SPARE = 10; // rows above and below what is seen
const FRESH_MS = 2000;
const WORDS = { held: "Held", ready: "Waiting", running: "Running", succeeded: "Succeeded", failed: "Failed", cancelled: "Not run" };
const figure = new Intl.NumberFormat("en");

function span(seconds) {
  if (seconds < 10) return `${Math.max(0, seconds).toFixed(1).replace(/\.0$/, "")} s`;
  const whole = Math.round(seconds);
  for (const [unitS, unit, partS, part] of [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]]) {
    if (whole < unitS) continue;
    const rest = Math.floor((whole % unitS) / partS);
    return `${Math.floor(whole / unitS)} ${unit}${rest ? ` ${rest} ${part}` : ""}`;
  }
  return `${whole} s`;
}

function cell(text, name = "") {
  const box = document.createElement("td");
  box.className = name;
  box.textContent = text;
  return box;
}

class TaskTable {
  constructor(root) {
    this.root = root;
    this.scroller = root.querySelector("[data-scroll]");
    this.table = root.querySelector("table");
    this.body = root.querySelector("[data-body]");
    this.total = Number(root.dataset.total);
    this.windows = new Map();
    this.starts = new Map([[0, ""]]);
    this.asked = new Map();
    this.stale = new Set();
    this.drawn = new Map();
    this.round = 0;
    this.freshAt = 0;
    this.current = -1;
    this.wanted = -1;
    root.classList.add("is-windowed");
    this.height = this.body.querySelector("tr").getBoundingClientRect().height;
    [this.above, this.below] = [this.spacer(), this.spacer()];
    this.body.before(this.above);
    this.body.after(this.below);
    this.body.replaceChildren();
    this.scroller.addEventListener("scroll", () => this.soon(), { passive: true });
    this.scroller.addEventListener("keydown", (event) => this.key(event));
    this.body.addEventListener("focusin", (event) => { this.current = Number(event.target.closest("tr")?.dataset.at ?? -1); });
    new ResizeObserver(() => {
      this.height = this.drawn.values().next().value?.getBoundingClientRect().height || this.height; // narrow pages have taller rows
      this.soon();
    }).observe(this.scroller);
    document.addEventListener("slipway:stages", () => this.refresh());
    document.addEventListener("slipway:job", () => this.refresh());
    this.draw();
  }

  spacer() {
    const part = document.createElement("tbody");
    const row = part.insertRow();
    row.insertCell().colSpan = 8;
    part.setAttribute("aria-hidden", "true");
    part.className = "task-spacer";
    return part;
  }

  get visible() { return Math.max(1, Math.ceil(this.scroller.clientHeight / this.height)); }
  get first() { return Math.max(0, Math.floor(this.scroller.scrollTop / this.height)); }

  soon() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => {
      this.waiting = false;
      this.draw();
    });
  }

  draw() {
    const from = Math.max(0, Math.min(this.first - SPARE, this.total - 1));
    const to = Math.min(this.total, this.first + this.visible + SPARE);
    for (let at = Math.floor(from / WINDOW); at * WINDOW < to; at += 1) this.want(at);
    for (const [at, row] of this.drawn) {
      if (at >= from && at < to) continue;
      row.remove();
      this.drawn.delete(at);
    }
    let next = null;
    for (let at = to - 1; at >= from; at -= 1) {
      let row = this.drawn.get(at);
      const data = this.windows.get(Math.floor(at / WINDOW))?.[at % WINDOW];
      if (!row) {
        row = this.row(at);
        this.drawn.set(at, row);
        this.body.insertBefore(row, next);
      }
      this.fill(row, data);
      next = row;
    }
    this.above.rows[0].cells[0].style.height = `${from * this.height}px`;
    this.below.rows[0].cells[0].style.height = `${Math.max(0, this.total - to) * this.height}px`;
    this.above.hidden = from === 0;
    this.below.hidden = to >= this.total;
    this.focusWanted();
  }

  row(at) {
    const row = document.createElement("tr");
    row.dataset.row = "";
    row.dataset.at = String(at);
    row.setAttribute("aria-rowindex", String(at + 2));
    return row;
  }

  fill(row, data) {
    const told = data ? JSON.stringify(data) : "";
    if (row.told === told) return;
    row.told = told;
    if (!data) {
      const empty = cell("…", "row-coming");
      empty.colSpan = 8;
      row.replaceChildren(empty);
      return;
    }
    const [chunk, state, host, attempt, exit, seconds, memory, reason] = data;
    const head = document.createElement("th");
    head.scope = "row";
    head.className = "number";
    const link = row.querySelector("th a") || document.createElement("a");
    link.href = `${this.root.dataset.task}${chunk}/`;
    link.textContent = figure.format(chunk);
    const focused = document.activeElement === link;
    head.append(link);
    const badge = document.createElement("span");
    const dot = document.createElement("span");
    dot.className = "state-dot";
    dot.setAttribute("aria-hidden", "true");
    badge.className = `state state-${state}`;
    badge.append(dot, WORDS[state] || state);
    const holder = cell("");
    holder.append(badge);
    const why = cell(reason, "row-reason");
    if (reason) why.title = reason;
    row.replaceChildren(
      head, holder, cell(host || "–", "row-host"), cell(attempt || "–", "number"), cell(exit ?? "–", "number"),
      cell(seconds === null ? "–" : span(seconds), "number"), cell(memory === null ? "–" : size(memory), "number"), why,
    );
    if (focused) link.focus({ preventScroll: true });
  }

  async want(at) {
    if ((this.windows.has(at) && !this.stale.has(at)) || this.asked.has(at)) return;
    if (this.asked.size >= ASKED_MOST) return; // when one of them is here, what is in view by then is asked for
    const near = Math.max(...[...this.starts.keys()].filter((one) => one <= at));
    const query = new URLSearchParams({ limit: String(WINDOW), sort: this.root.dataset.sort });
    for (const name of ["state", "q"]) if (this.root.dataset[name]) query.set(name, this.root.dataset[name]);
    if (this.starts.get(near)) query.set("after", this.starts.get(near));
    if (at > near) query.set("skip", String((at - near) * WINDOW));
    const round = this.round;
    this.asked.set(at, true);
    let fine = false;
    try {
      const answer = await fetch(`${this.root.dataset.rows}?${query}`, { credentials: "same-origin", headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const { rows, next } = await answer.json();
      if (round !== this.round) return;
      this.windows.set(at, rows);
      this.stale.delete(at);
      if (next) this.starts.set(at + 1, next);
      this.forget(at);
      fine = true;
      this.say("");
    } catch {
      this.say("Some rows could not be read. Scroll, or load the page again.");
    } finally {
      if (round === this.round) this.asked.delete(at);
    }
    if (fine) this.soon();
    else setTimeout(() => this.soon(), FRESH_MS); // away for a moment
  }

  /** Windows far from what is seen go; where they begin is kept. */
  forget(near) {
    const far = [...this.windows.keys()].sort((a, b) => Math.abs(b - near) - Math.abs(a - near));
    while (this.windows.size > KEPT) this.windows.delete(far.shift());
  }

  say(problem) {
    const words = this.root.querySelector("[data-count-words]");
    words.textContent = problem || `${figure.format(this.total)} task${this.total === 1 ? "" : "s"}`;
  }

  /** Reads what is seen again, at most every two seconds: the job has gone on. */
  refresh() {
    const left = this.freshAt + FRESH_MS - Date.now();
    if (left > 0) {
      clearTimeout(this.later);
      this.later = setTimeout(() => this.refresh(), left);
      return;
    }
    this.freshAt = Date.now();
    this.reload();
  }

  async reload() {
    const query = new URLSearchParams({ limit: "1", counts: "" });
    if (this.root.dataset.q) query.set("q", this.root.dataset.q);
    try {
      const { counts } = await (await fetch(`${this.root.dataset.rows}?${query}`, { credentials: "same-origin" })).json();
      const state = this.root.dataset.state;
      this.total = state ? counts[state] : Object.values(counts).reduce((sum, one) => sum + one, 0);
      this.table.setAttribute("aria-rowcount", String(this.total + 1));
    } catch {
      return; // away for a moment: the next notice tries again
    }
    this.round += 1;
    this.asked.clear();
    this.starts = new Map([[0, ""]]);
    this.stale = new Set(this.windows.keys()); // shown until they are read again
    this.say("");
    this.soon();
  }

  key(event) {
    const moves = {
      ArrowDown: 1, ArrowUp: -1, PageDown: this.visible - 1, PageUp: 1 - this.visible, Home: -Infinity, End: Infinity,
    };
    if (!(event.key in moves) || event.altKey || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    const begun = this.current < 0 ? this.first - (event.key === "ArrowDown" ? 1 : 0) : this.current;
    this.go(Math.max(0, Math.min(this.total - 1, begun + moves[event.key])));
  }

  go(at) {
    this.current = at;
    this.wanted = at;
    const head = this.table.tHead.getBoundingClientRect().height;
    const top = at * this.height;
    const room = this.scroller.clientHeight - head;
    if (top < this.scroller.scrollTop) this.scroller.scrollTop = top;
    else if (top + this.height > this.scroller.scrollTop + room) this.scroller.scrollTop = top + this.height - room;
    this.scroller.focus({ preventScroll: true }); // until the row is there, whose place may be out of the page by then
    this.draw();
  }

  /** The row that was gone to gets the focus as soon as it is there, unless somebody has left the table meanwhile. */
  focusWanted() {
    if (this.wanted < 0) return;
    if (!this.scroller.contains(document.activeElement)) this.wanted = -1;
    const link = this.drawn.get(this.wanted)?.querySelector("a");
    if (!link) return;
    this.wanted = -1;
    link.focus({ preventScroll: true });
  }
}

for (const root of document.querySelectorAll("[data-task-table]")) {
  if (!("begun" in root.dataset)) new TaskTable(root);
}
document.getElementById("task-sort")?.addEventListener("change", (event) => event.target.form.requestSubmit());
