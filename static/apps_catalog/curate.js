// The import editor: line numbers with marks, jumping from a finding to its line, files chosen or dropped.
const LIVE_MAX = 1024 * 1024; // longer texts are judged when they are imported, not while they are written

class Editor {
  constructor(box) {
    this.box = box;
    this.area = box.querySelector("textarea");
    this.gutter = box.querySelector("[data-gutter]");
    this.note = document.querySelector("[data-editor-note]");
    this.usualNote = this.note.textContent;
    this.file = document.getElementById("id_file");
    this.limit = Number(box.dataset.limitBytes);
    this.numbers = document.createElement("pre");
    this.numbers.className = "editor-numbers";
    this.gutter.append(this.numbers);
    this.count = 0;
    this.listen();
    this.renumber();
    this.mark();
  }

  listen() {
    this.area.addEventListener("input", () => {
      this.file.value = ""; // what is edited by hand is no longer the file
      this.say(this.usualNote);
      this.renumber();
      this.mark([]);
    });
    this.area.addEventListener("scroll", () => this.follow());
    this.area.addEventListener("htmx:beforeRequest", (event) => this.bound(event));
    this.file.addEventListener("change", () => this.file.files[0] && this.read(this.file.files[0]));
    for (const kind of ["dragenter", "dragover"]) {
      this.box.addEventListener(kind, (event) => {
        event.preventDefault();
        this.box.classList.add("is-over");
      });
    }
    this.box.addEventListener("dragleave", (event) => {
      if (!this.box.contains(event.relatedTarget)) this.box.classList.remove("is-over");
    });
    this.box.addEventListener("drop", (event) => this.dropped(event));
    document.addEventListener("click", (event) => this.clicked(event));
    document.addEventListener("htmx:afterSwap", (event) => event.target.id === "check" && this.mark());
  }

  dropped(event) {
    event.preventDefault();
    this.box.classList.remove("is-over");
    const [file] = event.dataTransfer.files;
    if (file) {
      const holder = new DataTransfer();
      holder.items.add(file);
      this.file.files = holder.files;
      this.read(file);
    } else if (event.dataTransfer.getData("text/plain")) {
      this.fill(event.dataTransfer.getData("text/plain"));
    }
  }

  /** Shows a chosen file; the file itself is what gets sent, byte for byte, as long as nobody edits the text. */
  async read(file) {
    if (file.size > this.limit) {
      this.file.value = "";
      this.say(`${file.name} has ${(file.size / 1048576).toFixed(1)} MiB; at most ${this.limit / 1048576} MiB are read.`);
      return;
    }
    const text = await file.text();
    this.say(`${file.name} is read. Check what is said beside it, then import.`);
    this.fill(text);
  }

  fill(text) {
    this.area.value = text;
    this.area.scrollTop = 0;
    this.renumber();
    this.mark([]);
    this.area.dispatchEvent(new CustomEvent("slipway:filled"));
  }

  bound(event) {
    if (this.area.value.length <= LIVE_MAX) return;
    event.preventDefault();
    this.say("Too long to be checked while you write. Import it: it is checked then.");
  }

  say(words) {
    this.note.textContent = words;
  }

  renumber() {
    let lines = 1;
    for (let at = this.area.value.indexOf("\n"); at !== -1; at = this.area.value.indexOf("\n", at + 1)) lines += 1;
    if (lines === this.count) return;
    this.count = lines;
    this.numbers.textContent = Array.from({ length: lines }, (_, index) => index + 1).join("\n");
  }

  follow() {
    this.gutter.scrollTop = this.area.scrollTop;
  }

  get lineHeight() {
    return parseFloat(getComputedStyle(this.area).lineHeight);
  }

  /** One mark per line that has a finding, in the colour of its worst. */
  mark(links = document.querySelectorAll("#check [data-finding-line]")) {
    for (const old of this.gutter.querySelectorAll(".editor-mark")) old.remove();
    const top = parseFloat(getComputedStyle(this.area).paddingTop);
    const marked = new Set();
    for (const link of links) {
      const line = Number(link.dataset.findingLine);
      if (marked.has(line)) continue; // errors come first
      marked.add(line);
      const mark = document.createElement("span");
      mark.className = `editor-mark editor-mark-${link.dataset.findingLevel}`;
      mark.style.top = `${top + (line - 1) * this.lineHeight}px`;
      this.gutter.append(mark);
    }
    this.follow();
  }

  clicked(event) {
    const link = event.target.closest?.("#check [data-finding-line]");
    if (!link) return;
    event.preventDefault();
    this.goTo(Number(link.dataset.findingLine), Number(link.dataset.findingColumn));
  }

  goTo(line, column) {
    const text = this.area.value;
    let start = 0;
    for (let at = 1; at < line && start !== -1; at += 1) start = text.indexOf("\n", start) + 1 || -1;
    if (start === -1) return;
    const end = text.indexOf("\n", start);
    const from = Math.min(start + column - 1, end === -1 ? text.length : end);
    this.area.focus({ preventScroll: true });
    this.area.setSelectionRange(from, end === -1 ? text.length : end);
    this.area.scrollTop = Math.max(0, (line - 5) * this.lineHeight);
    this.area.scrollLeft = 0;
    this.box.scrollIntoView({ block: "nearest" });
  }
}

for (const box of document.querySelectorAll("[data-editor]")) new Editor(box);
