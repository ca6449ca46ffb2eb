// Search in a log: counts every line that holds the words, without freezing the page, and goes from one to the next.
import { bare } from "./ansi.js";

const LINES_A_TIME = 20_000;
const FOUND_MAX = 100_000;

export class LogSearch {
  constructor(root, view) {
    this.view = view;
    this.input = root.querySelector("[data-log-query]");
    this.count = root.querySelector("[data-log-count]");
    this.needle = "";
    this.found = [];
    this.at = -1;
    this.seen = 0;
    this.busy = false;
    this.input.addEventListener("input", () => this.begin(this.input.value));
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        event.preventDefault();
        this.go(event.shiftKey ? -1 : 1);
      } else if (event.key === "Escape" && this.input.value) {
        event.stopPropagation();
        this.input.value = "";
        this.begin("");
      }
    });
    root.querySelector("[data-log-next]").addEventListener("click", () => this.go(1));
    root.querySelector("[data-log-previous]").addEventListener("click", () => this.go(-1));
  }

  begin(words) {
    this.needle = words.toLowerCase();
    this.found = [];
    this.at = -1;
    this.seen = 0;
    this.view.draw();
    this.tell();
    this.more();
  }

  /** Look through the lines that were not seen yet. The last one may still grow, so it is looked at again. */
  async more() {
    if (this.busy || !this.needle) return;
    this.busy = true;
    while (this.needle && this.seen < this.view.store.count && this.found.length < FOUND_MAX) {
      const needle = this.needle;
      const to = Math.min(this.seen + LINES_A_TIME, this.view.store.count);
      const lines = this.view.store.slice(this.seen, to);
      for (let i = 0; i < to - this.seen; i += 1) {
        const line = this.seen + i;
        if (this.found.at(-1) !== line && lines[i]?.includes(needle[0]) && bare(lines[i]).includes(needle)) this.found.push(line);
      }
      this.seen = to;
      this.tell();
      if (to === this.view.store.count) {
        this.seen = to - 1;
        break;
      }
      await new Promise((resolve) => setTimeout(resolve));
      if (needle !== this.needle) this.tell();
    }
    this.busy = false;
  }

  tell() {
    const many = this.found.length >= FOUND_MAX ? `${FOUND_MAX}+` : String(this.found.length);
    if (!this.needle) this.count.textContent = "";
    else if (!this.found.length) this.count.textContent = "no match";
    else this.count.textContent = this.at < 0 ? `${many} line${many === "1" ? "" : "s"}` : `${this.at + 1} of ${many}`;
  }

  go(step) {
    if (!this.found.length) return;
    if (this.at < 0) {
      const here = this.view.first();
      const next = this.found.findIndex((line) => line >= here);
      this.at = step > 0 ? (next < 0 ? 0 : next) : (next <= 0 ? this.found.length : next) - 1;
    } else this.at = (this.at + step + this.found.length) % this.found.length;
    this.view.show(this.found[this.at]);
    this.tell();
  }
}
