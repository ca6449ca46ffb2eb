// CPU, memory and processes of an attempt, drawn by uPlot; new samples are fetched when the server says that there are some.
const root = document.querySelector("[data-charts]");
const KINDS = {
  cpu: { column: 1, colour: "--sw-running-fg", words: (value) => `${Number(value.toFixed(value < 10 ? 1 : 0))} %` },
  memory: { column: 2, colour: "--sw-succeeded-fg", words: bytes, incrs: Array.from({ length: 50 }, (_, power) => 2 ** power) },
  processes: { column: 3, colour: "--sw-waiting-fg", words: (value) => String(Math.round(value)) },
};
const drawn = [];
let data = null;

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (value >= 1024 && at < units.length - 1) [value, at] = [value / 1024, at + 1];
  return `${Number(value.toFixed(at && value < 10 ? 1 : 0))} ${units[at]}`;
}

function clock(seconds) {
  const pad = (number) => String(number).padStart(2, "0");
  const whole = Math.round(seconds);
  const [h, m, s] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return h ? `${h}:${pad(m)}:${pad(s)}` : `${m}:${pad(s)}`;
}

const css = (name) => {
  const probe = document.createElement("span"); // light-dark() is only resolved in a computed colour
  probe.style.color = `var(${name})`;
  root.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
};

function options(kind, width) {
  const [muted, line, colour] = [css("--sw-muted"), css("--sw-line"), css(kind.colour)];
  const axis = { stroke: muted, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: "12px Inter, system-ui, sans-serif" };
  return {
    width,
    height: 160,
    legend: { live: true },
    cursor: { points: { size: 6 } },
    scales: { x: { time: false }, y: { range: (_plot, _low, high) => [0, Math.max(high * 1.1, 1)] } },
    axes: [
      { ...axis, values: (_plot, values) => values.map(clock) },
      { ...axis, ...(kind.incrs ? { incrs: kind.incrs } : {}), size: 64, values: (_plot, values) => values.map(kind.words) },
    ],
    series: [
      { label: "After", value: (_plot, value) => (value == null ? "–" : clock(value)) },
      { label: "", stroke: colour, width: 2, points: { show: data[0].length < 3 }, value: (_plot, value) => (value == null ? "–" : kind.words(value)) },
    ],
  };
}

function draw() {
  if (!data?.[0].length) return;
  root.hidden = false;
  drawn.splice(0).forEach((plot) => plot.destroy());
  for (const box of root.querySelectorAll("[data-chart]")) {
    const kind = KINDS[box.dataset.chart];
    drawn.push(new window.uPlot(options(kind, box.clientWidth), [data[0], data[kind.column]], box));
  }
}

async function load() {
  try {
    const answer = await fetch(root.dataset.charts, { credentials: "same-origin" });
    if (!answer.ok) return;
    data = (await answer.json()).columns;
    draw();
  } catch {
    // away for a moment: the next notice of new samples tries again
  }
}

if (root) {
  load();
  document.addEventListener("slipway:usage", load);
  document.addEventListener("slipway:theme", draw);
  let width = root.clientWidth;
  new ResizeObserver(() => {
    if (Math.abs(root.clientWidth - width) > 4) {
      width = root.clientWidth;
      draw();
    }
  }).observe(root);
}
