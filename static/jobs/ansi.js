// A log line's text as pieces with classes: SGR colours and weights are kept, every other escape is dropped.
const ESCAPE = /\x1b(?:\[([0-9;:]*)([@-~])|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]/g;
const CUBE = [0, 95, 135, 175, 215, 255];
const BASIC = [
  [0, 0, 0], [205, 49, 49], [13, 188, 121], [229, 229, 16], [36, 114, 200], [188, 63, 188], [17, 168, 205], [229, 229, 229],
  [102, 102, 102], [241, 76, 76], [35, 209, 139], [245, 245, 67], [59, 142, 234], [214, 112, 214], [41, 184, 219], [255, 255, 255],
];

export const plainStyle = () => ({ fg: -1, bg: -1, bold: false, dim: false, italic: false, underline: false, inverse: false });

function nearest(r, g, b) {
  let best = 7;
  let least = Infinity;
  BASIC.forEach(([x, y, z], index) => {
    const distance = (r - x) ** 2 + (g - y) ** 2 + (b - z) ** 2;
    if (distance < least) [best, least] = [index, distance];
  });
  return best;
}

function indexed(n) {
  if (n < 16) return n;
  if (n >= 232) return nearest(...Array(3).fill(8 + 10 * (n - 232)));
  const at = n - 16;
  return nearest(CUBE[Math.floor(at / 36)], CUBE[Math.floor(at / 6) % 6], CUBE[at % 6]);
}

/** Takes the numbers of one SGR sequence into `style`. */
export function applySgr(style, words) {
  const codes = words.split(/[;:]/).map(Number);
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i];
    if (code === 0) Object.assign(style, plainStyle());
    else if (code === 1) style.bold = true;
    else if (code === 2) style.dim = true;
    else if (code === 3) style.italic = true;
    else if (code === 4) style.underline = true;
    else if (code === 7) style.inverse = true;
    else if (code === 22) style.bold = style.dim = false;
    else if (code === 23) style.italic = false;
    else if (code === 24) style.underline = false;
    else if (code === 27) style.inverse = false;
    else if (code >= 30 && code <= 37) style.fg = code - 30;
    else if (code >= 90 && code <= 97) style.fg = code - 82;
    else if (code === 39) style.fg = -1;
    else if (code >= 40 && code <= 47) style.bg = code - 40;
    else if (code >= 100 && code <= 107) style.bg = code - 92;
    else if (code === 49) style.bg = -1;
    else if ((code === 38 || code === 48) && codes[i + 1] === 5) {
      style[code === 38 ? "fg" : "bg"] = indexed(Math.min(255, codes[i + 2] || 0));
      i += 2;
    } else if ((code === 38 || code === 48) && codes[i + 1] === 2) {
      style[code === 38 ? "fg" : "bg"] = nearest(codes[i + 2] || 0, codes[i + 3] || 0, codes[i + 4] || 0);
      i += 4;
    }
  }
}

function classes(style) {
  const [fg, bg] = style.inverse ? [style.bg < 0 ? "inv" : style.bg, style.fg < 0 ? "inv" : style.fg] : [style.fg, style.bg];
  const found = [];
  if (fg !== -1) found.push(`ansi-f${fg}`);
  if (bg !== -1) found.push(`ansi-b${bg}`);
  for (const name of ["bold", "dim", "italic", "underline"]) if (style[name]) found.push(`ansi-${name}`);
  return found.join(" ");
}

/** [{text, classes}] of a line; `style` carries over from what came before and is changed. */
export function pieces(line, style) {
  const found = [];
  let at = 0;
  const take = (end) => {
    if (end > at) found.push({ text: line.slice(at, end), classes: classes(style) });
  };
  for (const match of line.matchAll(ESCAPE)) {
    take(match.index);
    at = match.index + match[0].length;
    if (match[2] === "m") applySgr(style, match[1] || "0");
  }
  take(line.length);
  return found;
}

export const bare = (line) => line.replace(ESCAPE, "");

/** What a terminal would still show of a line in which the cursor went back to its start. */
export function folded(line) {
  const text = line.endsWith("\r") ? line.slice(0, -1) : line;
  const at = text.lastIndexOf("\r");
  return at < 0 ? text : text.slice(at + 1) || folded(text.slice(0, at));
}
