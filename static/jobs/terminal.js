// A terminal in the page: xterm.js draws, the session at the worker keeps what was shown, and says who has the keyboard.
import { toast } from "../portal/portal.js";
import { size } from "../portal/sizes.js";
import { FitAddon } from "../vendor/xterm/addon-fit.mjs";
import { Terminal } from "../vendor/xterm/xterm.mjs";
import "./terminal-sheets.js";
import { Wire } from "./terminal-wire.js";

const COLUMNS_MAX = 500;
const ROWS_MAX = 300;
const TITLE_MAX = 80;
const COLOURS = ["black", "red", "green", "yellow", "blue", "magenta", "cyan", "white"];
const PENDING_SHOWN = 64 * 1024;

function themeOf(element) {
  const style = getComputedStyle(element);
  const colour = (name) => style.getPropertyValue(`--term-${name}`).trim();
  const dark = document.documentElement.dataset.bsTheme === "dark";
  const pick = (name) => colour(dark ? `${name}-dark` : name);
  const theme = { background: pick("ground"), foreground: pick("text"), cursor: pick("cursor"), cursorAccent: pick("ground"), selectionBackground: pick("chosen") };
  for (const name of COLOURS) {
    theme[name] = pick(name);
    theme[`bright${name[0].toUpperCase()}${name.slice(1)}`] = pick(`bright-${name}`);
  }
  return theme;
}

function remembered(name) {
  try {
    return localStorage.getItem(`slipway-terminal-${name}`);
  } catch {
    return null;
  }
}

function remember(name, value) {
  try {
    localStorage.setItem(`slipway-terminal-${name}`, value);
  } catch {
    // storage is closed: it holds for this page
  }
}

class TerminalView {
  constructor(root) {
    this.root = root;
    this.part = (name) => root.querySelector(`[data-terminal-${name}]`);
    this.screen = this.part("screen");
    this.replay = 0;
    this.state = {};
    this.ctrl = false;
    this.term = new Terminal({
      theme: themeOf(root),
      fontFamily: getComputedStyle(root).getPropertyValue("--sw-mono").trim() || "monospace",
      fontSize: Number(remembered("size")) || 14,
      minimumContrastRatio: 4.5,
      scrollback: 5000,
      screenReaderMode: remembered("reader") === "on",
      macOptionIsMeta: true,
      rightClickSelectsWord: false,
      cursorBlink: false,
      allowProposedApi: false,
    });
    this.fit = new FitAddon();
    this.term.loadAddon(this.fit);
    this.term.parser.registerOscHandler(8, () => true); // a link says one thing and leads to another: it stays text
    this.term.parser.registerOscHandler(52, () => true); // no program writes into the clipboard
    this.wire = new Wire(root.dataset.socket);
    this.encoder = new TextEncoder();
  }

  open() {
    this.term.open(this.screen);
    this.term.textarea?.setAttribute("aria-label", "Terminal. Shift and Escape leave it.");
    this.term.attachCustomKeyEventHandler((event) => this.key(event));
    this.term.onData((text) => this.typed(this.encoder.encode(text)));
    this.term.onBinary((text) => this.typed(Uint8Array.from(text, (one) => one.charCodeAt(0) & 255)));
    this.term.onTitleChange((title) => this.showTitle(title));
    this.term.onSelectionChange(() => {
      this.part("copy").disabled = !this.term.hasSelection();
    });
    this.listen();
    this.tools();
    new ResizeObserver(() => this.fitSoon()).observe(this.screen.parentElement);
    document.addEventListener("slipway:theme", () => {
      this.term.options.theme = themeOf(this.root);
    });
    document.addEventListener("slipway:job", (event) => this.jobMoved(event.detail));
    this.setReader(this.term.options.screenReaderMode);
    this.fitNow();
    if (this.root.dataset.state === "waiting") this.status("The terminal opens when the job runs.");
    else this.wire.connect();
  }

  // -- from the session

  listen() {
    const on = (name, act) => this.wire.addEventListener(name, (event) => act(event.detail));
    on("open", (hello) => this.hello(hello));
    on("bytes", (bytes) => this.draw(bytes));
    on("said", (said) => this.heed(said));
    on("lost", (detail) => this.lost(detail));
    on("over", (detail) => this.over(detail));
    on("pending", (bytes) => this.pending(bytes));
  }

  hello(said) {
    this.term.reset();
    this.replay = said.replay;
    this.banner("");
    this.root.dataset.state = "live";
    this.owner = said.owner;
    this.part("end")?.toggleAttribute("hidden", !(said.owner && said.kind === "shell"));
    this.mayType(said);
    if (!said.you_type) this.term.resize(said.columns, said.rows);
    this.fitNow();
    if (said.you_type) this.sendSize();
  }

  draw(bytes) {
    this.term.write(bytes, () => {
      this.replay = Math.max(0, this.replay - bytes.length);
      this.wire.drawn(bytes.length);
    });
  }

  heed(said) {
    if (said.type === "writer") this.mayType(said);
    else if (said.type === "size" && !this.state.you_type) this.term.resize(said.columns, said.rows);
    else if (said.type === "skipped") {
      this.replay = 0;
      this.term.write(`\x1b[0m\r\n[${size(said.bytes)} left out: the output came faster than it can be shown]\r\n`);
    }
  }

  mayType(state) {
    const before = this.state.you_type;
    this.state = state;
    this.term.options.disableStdin = !state.you_type;
    this.term.options.cursorStyle = state.you_type ? "block" : "underline";
    const others = state.viewers - 1;
    const looking = others > 0 ? ` ${others} other${others === 1 ? "" : "s"} look${others === 1 ? "s" : ""} on.` : "";
    const who = state.you_type ? "You type." : state.writer ? `${state.writer} types, you read.` : "Nobody types.";
    this.status(`${who}${looking}`);
    this.part("take").hidden = state.you_type || !state.may_type;
    const team = this.part("team");
    if (team) {
      team.hidden = !this.owner;
      team.setAttribute("aria-pressed", String(state.team_types));
    }
    this.part("keys").hidden = !state.you_type;
    if (state.you_type && before === false) {
      this.fitNow();
      this.sendSize();
      this.term.focus();
    }
  }

  lost({ after, message, starting }) {
    this.root.dataset.state = "lost";
    this.term.options.disableStdin = true;
    if (starting) {
      this.banner("");
      this.status("The terminal opens when the job runs.");
      return;
    }
    this.status("Not connected.");
    const words = message || "Connection lost.";
    let left = after;
    const count = () => {
      if (this.root.dataset.state !== "lost" || left < 0) return;
      this.banner(`${words} Trying again ${left > 0 ? `in ${left} s` : "now"}.`, "warning", left === after);
      left -= 1;
      this.counting = setTimeout(count, 1000);
    };
    clearTimeout(this.counting);
    count();
  }

  over(detail) {
    clearTimeout(this.counting);
    this.root.dataset.state = "ended";
    this.term.options.disableStdin = true;
    this.part("keys").hidden = true;
    this.part("take").hidden = true;
    this.part("team")?.toggleAttribute("hidden", true);
    this.part("end")?.toggleAttribute("hidden", true);
    this.status("Ended.");
    const known = Number.isInteger(detail.exit_code) ? ` with exit code ${detail.exit_code}` : "";
    const words = {
      ended: known ? `It has ended${known}.` : `It has ended. ${detail.reason || ""}`.trim(),
      gone: detail.message || "It has ended.",
      signed_out: "You are signed out, or may not see this terminal any more. Load the page again to go on.",
      replaced: "This terminal is open in another place that took over from this one. Load the page again to have it here.",
    };
    if (detail.kind === "replaced" || detail.kind === "signed_out") this.status("Not connected.");
    this.banner(words[detail.kind], detail.exit_code === 0 ? "success" : "info");
  }

  jobMoved(now) {
    if (now.state === "running" && this.root.dataset.state === "waiting") {
      this.root.dataset.state = "lost";
      this.wire.connect();
    }
    if (now.terminal && this.root.dataset.state === "waiting") this.over({ kind: "gone", message: "The job ended before it ran." });
  }

  // -- what a person does

  typed(bytes) {
    if (this.replay > 0) return; // what xterm.js answers to questions of long ago would be typed into the program
    if (this.ctrl && bytes.length === 1) {
      bytes = Uint8Array.of(bytes[0] & 31);
      this.setCtrl(false);
    }
    this.wire.type(bytes);
  }

  key(event) {
    if (event.type !== "keydown") return true;
    if (event.key === "Escape" && event.shiftKey) {
      this.part("reader").focus();
      return false;
    }
    if (event.ctrlKey && event.shiftKey && event.code === "KeyC") {
      event.preventDefault();
      this.copy();
      return false;
    }
    return !(event.ctrlKey && event.shiftKey && event.code === "KeyV"); // the browser pastes
  }

  async copy() {
    const text = this.term.getSelection();
    if (!text) return;
    try {
      await navigator.clipboard.writeText(text);
      toast("Copied.", "success");
    } catch {
      toast("The browser does not let this page copy. Use its own menu on what you marked.", "warning");
    }
  }

  async paste() {
    try {
      this.term.paste(await navigator.clipboard.readText());
      this.term.focus();
    } catch {
      toast("The browser does not let this page paste. Use Ctrl+Shift+V, or its own menu.", "warning");
    }
  }

  tools() {
    const click = (name, act) => this.part(name)?.addEventListener("click", act);
    click("take", () => this.wire.say("take"));
    click("team", () => this.wire.say("team", { types: !this.state.team_types }));
    click("end", () => this.wire.say("end"));
    click("copy", () => this.copy());
    click("paste", () => this.paste());
    click("stop", () => this.wire.stopTyping());
    click("again", () => this.wire.connect());
    click("larger", () => this.setSize(this.term.options.fontSize + 1));
    click("smaller", () => this.setSize(this.term.options.fontSize - 1));
    click("reader", () => this.setReader(!this.term.options.screenReaderMode));
    for (const key of this.root.querySelectorAll("[data-key]")) {
      key.addEventListener("pointerdown", (event) => event.preventDefault()); // the screen's keyboard stays
      key.addEventListener("click", () => this.pressed(key));
    }
    this.part("copy").disabled = true;
  }

  pressed(key) {
    if (key.dataset.key === "ctrl") this.setCtrl(!this.ctrl);
    else {
      const arrow = /^arrow-(.)$/.exec(key.dataset.key);
      const text = arrow ? `\x1b${this.term.modes.applicationCursorKeysMode ? "O" : "["}${arrow[1]}` : { esc: "\x1b", tab: "\t" }[key.dataset.key] || key.dataset.key;
      this.term.input(text, true);
    }
    this.term.focus();
  }

  setCtrl(on) {
    this.ctrl = on;
    this.root.querySelector('[data-key="ctrl"]').setAttribute("aria-pressed", String(on));
  }

  setSize(px) {
    this.term.options.fontSize = Math.min(28, Math.max(9, px));
    remember("size", this.term.options.fontSize);
    this.fitSoon();
  }

  setReader(on) {
    this.term.options.screenReaderMode = on;
    this.part("reader").setAttribute("aria-pressed", String(on));
    remember("reader", on ? "on" : "off");
  }

  // -- how it looks

  fitSoon() {
    clearTimeout(this.fitting);
    this.fitting = setTimeout(() => {
      this.fitNow();
      if (this.state.you_type) this.sendSize();
    }, 120);
  }

  fitNow() {
    const fits = this.fit.proposeDimensions();
    if (!fits || !Number.isFinite(fits.cols) || !Number.isFinite(fits.rows)) return;
    this.fits = { columns: Math.min(COLUMNS_MAX, Math.max(2, fits.cols)), rows: Math.min(ROWS_MAX, Math.max(1, fits.rows)) };
    if (this.state.you_type !== false) this.term.resize(this.fits.columns, this.fits.rows);
    else this.wire.say("size", this.fits); // for when the keyboard is this one's
  }

  sendSize() {
    if (this.fits) this.wire.say("size", this.fits);
  }

  status(text) {
    this.part("status").textContent = text;
  }

  banner(text, kind = "info", aloud = true) {
    const place = this.part("banner");
    place.hidden = !text;
    place.className = `terminal-banner terminal-banner-${kind}`;
    place.setAttribute("aria-live", aloud ? "polite" : "off"); // the seconds are not read out one by one
    this.part("banner-text").textContent = text;
    this.part("again").hidden = this.root.dataset.state !== "lost";
  }

  pending(bytes) {
    const shown = bytes > PENDING_SHOWN;
    this.part("pending").hidden = !shown;
    if (shown) this.part("pending-text").textContent = `${size(bytes)} wait to be read by the program.`;
  }

  showTitle(title) {
    const plain = Array.from(title.replace(/[\p{C}\p{Z}]+/gu, " ").trim()).slice(0, TITLE_MAX).join("");
    this.part("title").textContent = plain;
    if (this.root.dataset.page) document.title = plain ? `${plain} · ${this.root.dataset.page}` : this.root.dataset.page;
  }
}

for (const root of document.querySelectorAll("[data-terminal-view]")) {
  const view = new TerminalView(root);
  view.open();
}
