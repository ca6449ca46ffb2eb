// How many nodes: slider and box in nodes or in cores, their limits by machine type, and what so many nodes are together.
// The words are those of jobs/forms/scale.py.

const WHOLE = /^\s*\d{1,6}\s*$/;
const UNITS = ["MiB", "GiB", "TiB", "PiB"];

function size(mib) {
  let value = mib;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return `${value.toFixed(value < 10 ? 1 : 0)} ${UNITS[unit]}`;
}

const counted = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

/** Prices have four places at most: counted in ten-thousandths, so that nothing is lost. */
function price(perHour, nodes, unit) {
  const parts = Math.round(Number(perHour) * 10000) * nodes;
  const places = parts % 100 === 0 ? 2 : parts % 10 === 0 ? 3 : 4;
  return `${(parts / 10000).toFixed(places)} ${unit}`.trim();
}

function sizeWords(machine, nodes) {
  const ram = machine.ram + machine.slaveRam * (nodes - 1);
  const gpus = machine.gpus + machine.slaveGpus * (nodes - 1);
  return `${counted(nodes, "node")}, ${counted(machine.cores * nodes, "core")}, ${size(ram)} RAM, ${counted(gpus, "GPU")}`;
}

function shareWords(machine, nodes) {
  if (nodes < 2 || (machine.ram === machine.slaveRam && machine.gpus === machine.slaveGpus)) return "";
  const first = `${size(machine.ram)} RAM and ${counted(machine.gpus, "GPU")}`;
  const others = `${size(machine.slaveRam)} RAM and ${counted(machine.slaveGpus, "GPU")}`;
  return `The first node has ${first}, each other ${others}.`;
}

function costWords(machine, nodes, unit) {
  if (!Number(machine.price)) return "free of charge";
  return `${price(machine.price, nodes, unit)} per hour${nodes > 1 ? " for all nodes" : ""}`;
}

function readMachine(form) {
  const data = form.querySelector('input[name="machine"]:checked')?.dataset;
  if (!data) return null;
  const number = (name) => Number(data[name]);
  return {
    cores: number("cores"), ram: number("ram"), gpus: number("gpus"), slaveRam: number("slaveRam"),
    slaveGpus: number("slaveGpus"), most: number("most"), price: data.price, why: data.why,
  };
}

/** Brings the scale section of the launch form to life, where there is one. */
export function tieScale(form) {
  const box = form.querySelector("[data-scale]");
  if (!box) return;
  const nodes = box.querySelector("#nodes");
  const cores = box.querySelector("#scale-cores");
  const slider = box.querySelector("[data-scale-slider]");
  const show = (name, words) => { box.querySelector(`[data-scale-${name}]`).textContent = words; };
  let machine = readMachine(form);
  let wanted = nodes.value; // comes back when a machine type allows it again

  /** All that follows from the number of nodes; `typing` leaves the box alone that somebody types in. */
  function draw(typing = null) {
    if (!machine) return;
    const known = WHOLE.test(nodes.value);
    const count = known ? Math.max(1, Number(nodes.value)) : 1;
    const unit = cores ? machine.cores : 1;
    slider.max = machine.most;
    slider.value = Math.min(count, machine.most);
    slider.setAttribute("aria-valuetext", cores ? counted(count * unit, "core") : counted(count, "node"));
    if (cores && typing !== cores) cores.value = known ? count * unit : nodes.value;
    box.classList.toggle("is-fixed", machine.most <= 1 && nodes.value.trim() === "1");
    show("why", machine.why);
    show("low", unit);
    show("high", machine.most * unit);
    show("size", sizeWords(machine, count));
    show("shares", shareWords(machine, count));
    show("cost", costWords(machine, count, box.dataset.unit));
  }

  slider.addEventListener("input", () => {
    nodes.value = wanted = slider.value;
    draw();
  });
  slider.addEventListener("change", () => nodes.dispatchEvent(new Event("change", { bubbles: true })));
  nodes.addEventListener("input", () => {
    wanted = nodes.value;
    draw(nodes);
  });
  cores?.addEventListener("input", () => {
    nodes.value = wanted = WHOLE.test(cores.value) ? String(Math.ceil(Number(cores.value) / machine.cores)) : cores.value;
    draw(cores);
  });
  cores?.addEventListener("change", () => draw());
  form.addEventListener("change", (event) => {
    if (event.target.name !== "machine") return;
    machine = readMachine(form);
    if (WHOLE.test(wanted)) nodes.value = String(Math.min(Number(wanted), machine.most));
    draw();
  });
  window.addEventListener("pageshow", () => {
    machine = readMachine(form);
    wanted = nodes.value;
    draw();
  });
  draw();
  if (cores && nodes.autofocus) cores.focus();
}
