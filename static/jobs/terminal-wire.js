// The connection of a terminal's page to its session: jobs/terminals/wire.py says what is spoken. It comes again by itself,
// sends no more than the program takes, and says what was drawn, so that a flood of output fills no memory.

const TYPED_MAX = 64 * 1024;
const PIECE = 16 * 1024;
const LOST_S = [3, 3, 5, 10];
const STARTING_S = 2;
const BUSY_S = 10;
const SIGNED_OUT = 4401;

export class Wire extends EventTarget {
  // Events: bytes (detail: Uint8Array), said (detail: the message), open, lost (detail: {after, message}), over (detail:
  // {kind: "ended" | "gone" | "signed_out" | "replaced", ...}), pending (detail: bytes that wait to be typed).
  constructor(address) {
    super();
    const url = new URL(address, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    url.searchParams.set("tab", tabName());
    this.url = url;
    this.tries = 0;
    this.queue = [];
    this.queued = 0;
    this.underWay = 0;
    this.timer = 0;
    this.done = false;
  }

  connect() {
    clearTimeout(this.timer);
    this.refusal = null;
    const socket = new WebSocket(this.url);
    socket.binaryType = "arraybuffer";
    this.socket = socket;
    let opened = false;
    socket.addEventListener("message", (event) => {
      if (socket !== this.socket) return;
      if (event.data instanceof ArrayBuffer) this.tell("bytes", new Uint8Array(event.data));
      else this.heed(JSON.parse(event.data));
    });
    socket.addEventListener("open", () => {
      opened = true;
    });
    socket.addEventListener("close", (event) => {
      if (socket === this.socket) this.closed(event.code, opened);
    });
  }

  heed(said) {
    switch (said.type) {
      case "hello":
        this.tries = 0;
        this.underWay = 0;
        this.tell("open", said);
        break;
      case "taken":
        this.underWay = Math.max(0, this.underWay - said.bytes);
        this.pump();
        break;
      case "refused":
        this.refusal = said;
        break;
      case "end":
        this.over("ended", said);
        break;
      case "replaced":
        this.over("replaced", said);
        break;
      default:
        this.tell("said", said);
    }
  }

  async closed(code, opened) {
    this.socket = null;
    this.stopTyping(); // what a lost connection had under way may have arrived or not: it is not typed twice
    if (this.done) return;
    if (code === SIGNED_OUT) return this.over("signed_out", {});
    const refusal = this.refusal;
    if (refusal?.code === "gone") return this.over("gone", refusal);
    if (!opened && (await this.isRefused())) return this.over("signed_out", {});
    const after = refusal?.code === "starting" ? STARTING_S : refusal?.code === "busy" ? BUSY_S : LOST_S[Math.min(this.tries, LOST_S.length - 1)];
    this.tries += 1;
    this.tell("lost", { after, message: refusal?.message || "", starting: refusal?.code === "starting" });
    this.timer = setTimeout(() => this.connect(), after * 1000);
  }

  // A browser does not say why a WebSocket was refused: the page itself, asked for once more, does.
  async isRefused() {
    try {
      const answer = await fetch(location.href, { redirect: "manual", headers: { Accept: "text/html" } });
      return answer.type === "opaqueredirect" || answer.status === 404 || answer.status === 401;
    } catch {
      return false;
    }
  }

  over(kind, detail) {
    this.done = true;
    clearTimeout(this.timer);
    this.stopTyping();
    this.tell("over", { kind, ...detail });
    this.socket?.close();
  }

  say(type, fields = {}) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type, ...fields }));
  }

  drawn(bytes) {
    this.say("seen", { bytes });
  }

  type(bytes) {
    if (!bytes.length || this.socket?.readyState !== WebSocket.OPEN) return;
    this.queue.push(bytes);
    this.queued += bytes.length;
    this.pump();
  }

  pump() {
    while (this.queue.length && this.underWay < TYPED_MAX - PIECE && this.socket?.readyState === WebSocket.OPEN) {
      const first = this.queue[0];
      const piece = first.subarray(0, PIECE);
      if (piece.length === first.length) this.queue.shift();
      else this.queue[0] = first.subarray(PIECE);
      this.underWay += piece.length;
      this.queued -= piece.length;
      this.socket.send(piece);
    }
    this.tell("pending", this.queued);
  }

  stopTyping() {
    this.queue = [];
    this.queued = 0;
    this.tell("pending", 0);
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

// The same for a tab when it is loaded anew, so that it takes its own place again, keyboard included.
function tabName() {
  const made = Array.from(crypto.getRandomValues(new Uint8Array(8)), (one) => one.toString(16).padStart(2, "0")).join("");
  try {
    const known = sessionStorage.getItem("slipway-tab") || made;
    sessionStorage.setItem("slipway-tab", known);
    return known;
  } catch {
    return made; // storage is closed
  }
}
