// Sizes as people read them.
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/** "512 B", "1.5 KiB", "12 MiB": as the pages of the server say it. */
export function size(bytes) {
  let value = bytes;
  let unit = 0;
  for (; value >= 1024 && unit < UNITS.length - 1; unit += 1) value /= 1024;
  return `${value.toFixed(unit && value < 10 ? 1 : 0)} ${UNITS[unit]}`;
}
