// The bytes of a log and where its lines begin. Text is only made of the lines that are looked at.
const LONG_BYTES = 32 * 1024;

export class LogStore {
  constructor() {
    this.bytes = new Uint8Array(1 << 16);
    this.length = 0;
    this.starts = new Uint32Array(1 << 12);
    this.count = 0; // lines begun; the last may still grow
    this.decoder = new TextDecoder("utf-8");
  }

  append(data) {
    if (!data.length) return;
    if (this.length + data.length > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.bytes.length * 2, this.length + data.length));
      larger.set(this.bytes.subarray(0, this.length));
      this.bytes = larger;
    }
    this.bytes.set(data, this.length);
    if (!this.count) this.#begin(0);
    let at = this.length;
    const end = this.length + data.length;
    if (at && this.bytes[at - 1] === 10 && this.starts[this.count - 1] !== at) this.#begin(at);
    this.length = end;
    while ((at = this.bytes.indexOf(10, at)) >= 0 && at < end) {
      at += 1;
      if (at < end) this.#begin(at);
    }
  }

  #begin(at) {
    if (this.count === this.starts.length) {
      const larger = new Uint32Array(this.starts.length * 2);
      larger.set(this.starts);
      this.starts = larger;
    }
    this.starts[this.count] = at;
    this.count += 1;
  }

  #range(line) {
    const start = this.starts[line];
    let end = line + 1 < this.count ? this.starts[line + 1] - 1 : this.length;
    if (line + 1 === this.count && end > start && this.bytes[end - 1] === 10) end -= 1;
    return [start, end];
  }

  /** The text of a line. Of one that is very long only the part that a terminal would show at last, or its beginning. */
  text(line) {
    let [start, end] = this.#range(line);
    let mark = "";
    if (end - start > LONG_BYTES) {
      const back = this.bytes.subarray(0, end - 1).lastIndexOf(13);
      if (back > start && end - back <= LONG_BYTES) start = back + 1;
      else {
        end = start + LONG_BYTES;
        mark = " … [this line is longer than is shown here]";
      }
    }
    return this.decoder.decode(this.bytes.subarray(start, end)) + mark;
  }

  /** The bytes just before a line, as text: to see which colour was still on. */
  before(line, size = 4096) {
    const end = this.starts[line];
    return this.decoder.decode(this.bytes.subarray(Math.max(0, end - size), end));
  }

  /** The lower-case texts of the lines from `from` to before `to`. */
  slice(from, to) {
    const end = to < this.count ? this.starts[to] - 1 : this.length;
    return this.decoder.decode(this.bytes.subarray(this.starts[from], end)).toLowerCase().split("\n");
  }
}
