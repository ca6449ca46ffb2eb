// The bars and figures of a job's stages follow its counters without a new page.
const FIELDS = ["total", "succeeded", "failed", "cancelled", "running"];
const figure = new Intl.NumberFormat("en");

/** By stage [state, total, succeeded, failed, cancelled, running], as the stream of a job's state has them. */
export function showStages(stages) {
  for (const [name, [, ...values]] of Object.entries(stages)) {
    const now = Object.fromEntries(FIELDS.map((field, at) => [field, values[at]]));
    now.waiting = Math.max(0, now.total - now.succeeded - now.failed - now.cancelled - now.running);
    const box = document.getElementById(`stage-${name}`);
    if (box && now.total) showStage(box, now);
    if (name === "run") showTiles(now);
  }
}

function showStage(box, now) {
  let at = 0;
  for (const part of ["succeeded", "failed", "cancelled", "running"]) {
    const width = (100 * now[part]) / now.total;
    const rect = box.querySelector(`rect.bar-${part}`);
    rect?.setAttribute("x", at.toFixed(3));
    rect?.setAttribute("width", width.toFixed(3));
    at += width;
  }
  for (const row of box.querySelectorAll("[data-part]")) {
    const count = now[row.dataset.part];
    row.hidden = !count;
    row.querySelector("[data-count]").textContent = figure.format(count);
  }
  if (now.total > 1 || box.dataset.stage === "run") {
    const words = `${figure.format(now.succeeded + now.failed + now.cancelled)} of ${figure.format(now.total)} tasks`;
    box.querySelector("[data-words]").textContent = words;
    box.querySelector("svg").setAttribute("aria-label", words);
  }
}

function showTiles(now) {
  const tiles = document.getElementById("task-tiles");
  if (!tiles || tiles.dataset.text) return;
  const counts = { "": now.total, ready: now.waiting, running: now.running, succeeded: now.succeeded, failed: now.failed, cancelled: now.cancelled };
  for (const tile of tiles.querySelectorAll("[data-tile]")) {
    const count = counts[tile.dataset.tile];
    if (count !== undefined) tile.querySelector("[data-count]").textContent = figure.format(count);
  }
}
